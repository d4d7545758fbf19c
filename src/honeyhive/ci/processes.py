"""A command with everything that it starts: begun in a group of its own, heard, and ended to the last of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from honeyhive.ci.account import MOST_PROCESSES, Account
from honeyhive.ci.lastwords import ASKED, KILLED, LAST_WORDS
from honeyhive.ci.ownership import Owner
from honeyhive.documents import neutralise
from honeyhive.errors import RunFileError

LARGEST_FILE = 64 * 2**30
"""Bytes of one file that the account may write: more than a model has in one piece, and no whole disk."""
_GRACE = 5.0
"""Seconds between asking a process to end and ending it."""
_MOMENT = 0.01
_FOREVER = 10 * 365 * 24 * 3600.0
_MAX_OUTPUT_LINE = 64 * 1024
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 4, 36, 38


def run_to_end(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    time_limit: float | None,
    echo: Callable[[str], None],
    account: Account | None = None,
) -> int | None:
    """Run a command: its exit code (negative: the signal that ended it), or `None` where its time ran out.

    It belongs to the `account`, else to our own user. Each line of its output goes to `echo`, workflow commands made
    harmless. When this returns, no process that the
    command started is left: `RunFileError` where one cannot be ended. On an exception (a signal) it is asked to end
    first.
    """
    tree = ProcessTree(command, environment=environment, directory=directory, account=account)
    reader = threading.Thread(target=_forward, args=(tree.output, echo), name="honeyhive-output", daemon=True)
    reader.start()
    try:
        exit_code = tree.wait(time_limit)
    finally:
        tree.stop()
        left = tree.end()
        reader.join(timeout=LAST_WORDS.shorter(_GRACE, KILLED))
        tree.close()
    if left:
        raise RunFileError(
            f"processes that were started cannot be ended: {', '.join(str(process.pid) for process in left)}",
            hint="what your code starts may not outlive it, nor belong to another user",
        )
    return exit_code


class ProcessTree:
    """One child, and whatever it leaves behind."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        account: Account | None = None,
    ) -> None:
        """Start it; its output and errors come out of `output`, mixed as they were written."""
        _guard_ourselves()
        if account is not None:
            _give_up_more_rights()
        self._account = account
        self._before = _children()
        self._process = subprocess.Popen(  # noqa: S603 - a list, no shell; the command is ours
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **({} if account is None else account.process),
        )

    @property
    def output(self) -> int:
        """The file descriptor that the output is read from."""
        if self._process.stdout is None:
            raise ValueError("the process has no output")
        return self._process.stdout.fileno()

    def wait(self, timeout: float | None) -> int | None:
        """The exit code (negative: the signal that ended it), or `None` where it still runs after `timeout` s."""
        try:
            # With a limit it looks twenty times a second, without one it blocks: then a signal that the system gives to
            # another thread of ours would not be noticed before the child ends.
            return self._process.wait(_FOREVER if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ask the child to end, give it a moment to put its things in order, and end it."""
        if self._process.poll() is None and _signal_group(self._process.pid, signal.SIGTERM):
            self.wait(LAST_WORDS.shorter(_GRACE, ASKED))

    def end(self) -> set[psutil.Process]:
        """End the child and every process that it has left behind, whatever group or session they moved to.

        Returns those that could not be ended. What was there before is spared, as long as in a container there is an
        account, and room for one more process.
        """
        grace = LAST_WORDS.shorter(_GRACE, KILLED)
        if _signal_group(self._process.pid, signal.SIGKILL):
            self.wait(grace)
        if os.getpid() == 1 and not _end_all_of(self._account, grace):
            _end_all_others(grace)
        deadline = time.monotonic() + grace
        while (left := _children() - self._before) and time.monotonic() < deadline:
            others = [process for process in left if not _kill(process)]
            if len(others) == len(left):
                break
            psutil.wait_procs(left, timeout=0.2)
        return left

    def close(self) -> None:
        """Let go of the output."""
        if self._process.stdout is not None:
            self._process.stdout.close()


def _end_all_of(account: Account | None, patience: float) -> bool:
    """As process 1 of a container: end every process of the account at once, so that none forks meanwhile.

    False where that is not to be had: there is no account, it has left no room for one more process, or has got at it.
    """
    if account is None:
        return False
    try:
        helper = os.fork()
    except OSError:
        return False
    if helper == 0:
        _end_all_as(account.owner)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        ended, status = os.waitpid(helper, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(_MOMENT)
    os.kill(helper, signal.SIGKILL)
    return False


def _end_all_as(owner: Owner) -> NoReturn:
    """In a process of its own, which executes nothing: others of that user may end or stop it, not look into it."""
    code = 1
    try:
        os.setgroups([])
        os.setresgid(owner.gid, owner.gid, owner.gid)
        os.setresuid(owner.uid, owner.uid, owner.uid)
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        code = 0
    finally:
        os._exit(code)


def _end_all_others(patience: float) -> None:
    """As process 1 of a container: end every other process there, all at once, so that none forks meanwhile."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(-1, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_MOMENT)


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _kill(process: psutil.Process) -> bool:
    """End it; false where it belongs to another user."""
    try:
        process.kill()
    except psutil.AccessDenied:
        return False
    except psutil.NoSuchProcess:
        pass
    return True


def _signal_group(leader: int, number: signal.Signals) -> bool:
    """Send it to the whole group; false where there is nobody left who would get it, or might."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _forward(descriptor: int, echo: Callable[[str], None]) -> None:
    """Pass the output on, line by line; the runner also ends a line at a lone carriage return."""
    with os.fdopen(os.dup(descriptor), encoding="utf-8", errors="replace", newline=None) as stream:
        while line := stream.readline(_MAX_OUTPUT_LINE):
            with suppress(OSError):  # nobody hears us any more: no reason to let the child wait for ever
                echo(neutralise(line.rstrip("\n")))


def _guard_ourselves() -> None:
    """On Linux: adopt what our descendants leave behind, and keep our memory and environment, the job's token, closed.

    Process 1 of a container adopts them anyway. Root outside of a container can look into every process.
    """
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _give_up_more_rights() -> None:
    """Once and for all, for us and whatever we start: nothing that is run gives rights which its user has not, and no
    user has more than so many processes, or a larger file than that. We are root and keep what root has; the account
    gets nothing back.
    """
    import resource  # noqa: PLC0415 - not on every system

    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limits = ((resource.RLIMIT_NPROC, MOST_PROCESSES), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, LARGEST_FILE))
    for limit, most in limits:
        _, hard = resource.getrlimit(limit)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (least, least))
