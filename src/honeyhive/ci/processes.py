"""A child process with everything that it starts: begun in a group of its own, and ended to the last of them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_GRACE = 5.0
"""Seconds between asking a process to end and ending it."""
_PR_SET_CHILD_SUBREAPER = 36


class ProcessTree:
    """One child, and whatever it leaves behind."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], directory: Path) -> None:
        """Start it; its output and errors come out of `output`, mixed as they were written."""
        _adopt_orphans()
        self._before = _children()
        self._process = subprocess.Popen(  # noqa: S603 - a list, no shell; the command is ours
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
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
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ask the child to end, give it a moment to put its things in order, and end it."""
        if self._process.poll() is None:
            _signal_group(self._process.pid, signal.SIGTERM)
            self.wait(_GRACE)

    def end(self) -> None:
        """End the child and every process that it has left behind, whatever group or session they moved to."""
        _signal_group(self._process.pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + _GRACE
        while (left := _children() - self._before) and time.monotonic() < deadline:
            for process in left:
                _kill(process)
            psutil.wait_procs(left, timeout=0.2)

    def close(self) -> None:
        """Let go of the output."""
        if self._process.stdout is not None:
            self._process.stdout.close()


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def _adopt_orphans() -> None:
    """Become the parent of what our descendants leave behind (Linux); as process 1 of a container we are already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
