"""Git as a program that answers: what it prints, within a time and a size, or the reason why there is nothing.

By itself it runs without hooks, filters, pager, transports or the environment of this process: a pull request may
bring its own `.git/config`, and nothing that a repository says starts a program.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MAX_OUTPUT = 2**20
_MAX_REASON = 300
_SETTINGS = ("core.fsmonitor=", "core.hooksPath=/dev/null", "protocol.allow=never", "i18n.logOutputEncoding=UTF-8")
# Only the user's own configuration and what git needs to start: no secret of this process, no GIT_DIR of a hook.
INHERITED = (
    "HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
)  # fmt: skip
"""What git gets of this process's environment."""
QUIET: Mapping[str, str] = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # stronger than any protocol.<name>.allow of the repository
}
"""Under which git asks nobody, waits for nobody and talks to nobody."""
_SILENT = "git: no answer"
_CHECKOUT = ".git"
_READ_BY_GIT = ("", "info", "objects/info", "objects/pack")
_SILENT_CHECKOUTS: set[Path] = set()
_REASONS = (
    ("dubious ownership", "this directory belongs to another user and git refuses to read it"),
    ("not a git repository", "what .git names here is not a git repository"),
    ("bad revision 'HEAD'", "the repository has no commit yet"),
)


class GitFailed(Exception):  # noqa: N818 - it names what happened; whoever catches it makes an error or a gap of it
    """Git gave no answer; the message is the reason that the user reads. `errors` is all that git said of it."""

    def __init__(self, reason: str, *, errors: str = "") -> None:
        super().__init__(reason)
        self.errors = errors

    @property
    def is_silent(self) -> bool:
        """Whether git ended with an error and no word of it, as it does with `--quiet` where there is nothing."""
        return str(self) == _SILENT


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What git printed; not `whole` where that was more than was asked for."""

    output: bytes
    whole: bool


@dataclass(frozen=True, kw_only=True)
class GitProcess:
    """Git, to be run in `root` with `environment` and no more than that. `timeout` is in seconds for each call.

    A checkout in which a call took that long is not asked again: whatever git waits for there, it would wait once more.
    `refusal` is why nothing is asked at all.
    """

    program: str
    root: Path
    environment: Mapping[str, str] = field(repr=False)
    timeout: float
    refusal: str = ""

    def run(
        self,
        *arguments: str,
        overrides: Sequence[str] = (),
        input: bytes = b"",  # noqa: A002 - as subprocess calls it
        most: int = MAX_OUTPUT,
    ) -> Answer:
        """What the command prints, at most `most` bytes; `GitFailed` where git fails or does not answer in time."""
        if self.refusal or (self._is_checkout and self.root in _SILENT_CHECKOUTS):
            raise GitFailed(self.refusal or "git did not answer here before")
        settings = [part for setting in (*_SETTINGS, *overrides) for part in ("-c", setting)]
        try:
            process = subprocess.Popen(  # noqa: S603 - a list and no shell
                [self.program, "--no-pager", *settings, *arguments],
                cwd=self.root, env=self.environment, start_new_session=True,
                stdin=subprocess.PIPE if input else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise GitFailed(f"git could not be started: {error.strerror}") from error
        with process:
            try:
                return self._answer(process, input, most)
            except subprocess.TimeoutExpired:
                if self._is_checkout:
                    _SILENT_CHECKOUTS.add(self.root)
                raise GitFailed(f"git {arguments[0]} did not answer within {self.timeout:g} seconds") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    @property
    def _is_checkout(self) -> bool:
        return self.environment.get("GIT_DIR") == _CHECKOUT

    def _answer(self, process: subprocess.Popen[bytes], fed: bytes, most: int) -> Answer:
        deadline = time.monotonic() + self.timeout
        output, errors = _Pipes(process, fed, most).drain(deadline)
        if len(output) > most:
            return Answer(output=output[:most], whole=False)
        if process.wait(max(0.0, deadline - time.monotonic())):
            raise GitFailed(_reason(errors), errors=_clean(_text(errors)))
        return Answer(output=output, whole=True)


def find_git(root: Path, *, timeout: float = 30.0) -> GitProcess | None:
    """Git for reading the repository in `root`, whoever owns it; `None` where git is not installed."""
    path = search_path()
    program = shutil.which("git", path=path)
    if program is None:
        return None
    # Named outright, the repository is read whoever owns it, and `core.worktree` cannot lead anywhere else.
    place = {"PATH": path, "GIT_DIR": _CHECKOUT, "GIT_WORK_TREE": "."}
    environment = {**inherited(), **QUIET, **place}
    refusal = _refusal(root / _CHECKOUT)
    return GitProcess(program=program, root=root, environment=environment, timeout=timeout, refusal=refusal)


def _refusal(folder: Path) -> str:
    """Why git is not asked: one of the files that it reads is none, and it would wait for who writes to that."""
    top, *others = (folder / name for name in _READ_BY_GIT)
    below = (found for place in (*others, *_folders(folder / "refs")) for found in _entries(place))
    odd = next((entry for entry in (*_entries(top), *below) if _has_no_end(entry)), None)
    return f"{odd.name[:100]!r} in the .git here is a pipe or a device" if odd else ""


def _has_no_end(entry: os.DirEntry[str]) -> bool:
    try:
        if entry.is_dir() or entry.is_file():
            return False
        kind = entry.stat().st_mode
    except OSError:  # a link that leads nowhere
        return False
    return stat.S_ISFIFO(kind) or stat.S_ISCHR(kind)


def _folders(folder: Path) -> Iterator[Path]:
    yield folder
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _folders(Path(entry.path))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def search_path() -> str:
    """Where programs are looked for: not in relative entries, which would look for git in the repository."""
    return os.pathsep.join(entry for entry in os.get_exec_path() if Path(entry).is_absolute())


def inherited(*more: str) -> dict[str, str]:
    """What git gets of this process's environment, and of that the variables in `more`."""
    return {name: os.environ[name] for name in (*INHERITED, *more) if name in os.environ}


class _Pipes:
    """Feeds a process and takes what it says: output up to just over `most`, errors up to just over 1 MiB."""

    def __init__(self, process: subprocess.Popen[bytes], fed: bytes, most: int) -> None:
        self._process, self._fed, self._most = process, memoryview(fed), most

    def drain(self, deadline: float) -> tuple[bytes, bytes]:
        """Output and errors; `TimeoutExpired` at the deadline."""
        output, errors = bytearray(), bytearray()
        with selectors.DefaultSelector() as pipes:
            for pipe, kept in ((self._process.stdout, output), (self._process.stderr, errors)):
                assert pipe is not None  # noqa: S101 - Popen was asked for pipes; mypy cannot see it
                pipes.register(pipe, selectors.EVENT_READ, kept)
            if self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)
                pipes.register(self._process.stdin, selectors.EVENT_WRITE)
            while pipes.get_map() and len(output) <= self._most:
                ready = pipes.select(max(0.0, deadline - time.monotonic()))
                if not ready or time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired(self._process.args, deadline)
                for key, _ in ready:
                    if key.data is None:
                        self._feed(pipes, key.fd)
                    else:
                        _take(pipes, key, self._most if key.data is output else MAX_OUTPUT)
        return bytes(output), bytes(errors)

    def _feed(self, pipes: selectors.BaseSelector, pipe: int) -> None:
        try:
            self._fed = self._fed[os.write(pipe, self._fed[: 2**16]) :]
        except BrokenPipeError:  # git has what it wants, or has failed and says why
            self._fed = self._fed[:0]
        if not self._fed:
            assert self._process.stdin is not None  # noqa: S101 - it is what we have written to
            pipes.unregister(self._process.stdin)
            self._process.stdin.close()


def _take(pipes: selectors.BaseSelector, key: selectors.SelectorKey, most: int) -> None:
    chunk = os.read(key.fd, 2**16)
    if not chunk:
        pipes.unregister(key.fileobj)
    elif len(key.data) <= most:
        key.data.extend(chunk)


def _reason(errors: bytes) -> str:
    text = _text(errors).strip()
    for part, reason in _REASONS:
        if part in text:
            return reason
    if not text:
        return _SILENT
    lines = text.splitlines()
    fault = min(lines, key=lambda line: (not line.startswith("fatal: "), not line.startswith("error: ")))
    return _bounded("git: " + _clean(fault.partition(": ")[2] or fault), _MAX_REASON)


def _clean(text: str) -> str:
    return re.sub(r"//\S*@", "//", text)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
