"""What git knows about the code of a run: read in three calls, with a reason for whatever could not be read.

A pull request may bring its own `.git/config`, so git runs here without hooks, filters, pager, transports or the
environment of this process, and is told where the repository is: nothing that the repository says starts a program.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from honeyhive.experiments.remote import parse_remote

_COMMIT_FIELDS = ("commit_hash", "commit_hash_short", "commit_message", "author_name")
_STATE_FIELDS = ("branch", "is_dirty", "uncommitted_changes")
_REMOTE_FIELDS = ("remote_url", "repo_url")
FIELDS = (*_COMMIT_FIELDS, *_STATE_FIELDS, *_REMOTE_FIELDS, "commit_link", "relative_path")
"""What `describe` tells, or says why it cannot."""

_MAX_MESSAGE, _MAX_AUTHOR, _MAX_REASON = 2_000, 200, 300
_MAX_OUTPUT = 2**20


def describe(
    directory: Path, *, own_paths: Sequence[str] = (".honeyhive", "honeyhive-report"), timeout: float = 30.0
) -> dict[str, Any]:
    """The git fields of a run in `directory` that can be read, and under `absent` why the others cannot.

    Changes below `own_paths`, taken from `directory` and from the top of the repository, do not make it dirty.
    `timeout` is in seconds for each call of git; running out of it is a reason like any other.
    """
    directory = directory.resolve()
    fields = _read(directory, own_paths, timeout)
    absent = {name: value.reason for name in FIELDS if isinstance(value := fields[name], _Absent)}
    return {name: fields[name] for name in FIELDS if name not in absent} | {"absent": absent}


def workspace_root(directory: Path) -> Path:
    """The top of the git repository that holds `directory`, or `directory` itself where there is none; needs no git."""
    directory = directory.resolve()
    return next((place for place in (directory, *directory.parents) if _holds_repository(place)), directory)


def _holds_repository(place: Path) -> bool:
    # A linked worktree and a submodule have a file there; an empty `.git` directory is passed over by git, too.
    try:
        return (place / ".git" / "HEAD").is_file() or (place / ".git").is_file()
    except OSError:
        return False


# --- fields ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Absent:
    reason: str


class _Unreadable(Exception):  # noqa: N818 - it names the fields that it ends up in
    """Git gave no answer; the message is the reason that the user reads."""


_Fields = dict[str, Any]


def _read(directory: Path, own_paths: Sequence[str], timeout: float) -> _Fields:
    root = workspace_root(directory)
    if not _holds_repository(root):
        return dict.fromkeys(FIELDS, _Absent("no git repository here"))
    place = {"relative_path": directory.relative_to(root).as_posix()}
    git = _find_git(root, timeout)
    if git is None:
        return dict.fromkeys(FIELDS, _Absent("git is not installed")) | place
    commit = _or_absent(_COMMIT_FIELDS, lambda: _commit(git))
    try:
        settings = _settings(git)
    except _Unreadable as unreadable:
        return dict.fromkeys(FIELDS, _Absent(str(unreadable))) | commit | place
    ours = _exclusions(root, directory, own_paths)
    state = _or_absent(_STATE_FIELDS, lambda: _state(git, settings, ours))
    remote = _or_absent(_REMOTE_FIELDS, lambda: _remote(settings))
    return commit | state | remote | {"commit_link": _commit_link(remote["repo_url"], commit["commit_hash"])} | place


def _or_absent(names: Sequence[str], read: Callable[[], _Fields]) -> _Fields:
    try:
        return read()
    except _Unreadable as unreadable:
        return dict.fromkeys(names, _Absent(str(unreadable)))


def _commit(git: _Git) -> _Fields:
    # rev-list rather than log: it has no configuration that would verify signatures with a program.
    answer = git.run("rev-list", "--no-walk", "--format=%H%x00%an%x00%B", "--end-of-options", "HEAD", "--")
    commit, author, message = _text(answer.output).partition("\n")[2].split("\0", 2)
    return {
        "commit_hash": commit,
        "commit_hash_short": commit[:7],
        "commit_message": _bounded(message.strip(), _MAX_MESSAGE),
        "author_name": _bounded(author, _MAX_AUTHOR),
    }


def _remote(settings: _Settings) -> _Fields:
    address = next((value for key, value in settings if key == "remote.origin.url" and value), None)
    if address is None:
        raise _Unreadable("no remote called origin")
    remote = parse_remote(address)
    if remote is None:
        raise _Unreadable("the address of origin has a form in which a password cannot be told from the rest")
    return {"remote_url": remote.url, "repo_url": remote.web or _Absent("origin is neither a web nor an ssh address")}


def _commit_link(repo_url: str | _Absent, commit: str | _Absent) -> str | _Absent:
    if isinstance(repo_url, _Absent):
        return repo_url
    return commit if isinstance(commit, _Absent) else f"{repo_url}/commit/{commit}"


# --- branch and changes ----------------------------------------------------------------------------------------------

_Settings = list[tuple[str, str]]


def _settings(git: _Git) -> _Settings:
    answer = git.run("config", "--list", "-z")
    if not answer.whole:
        raise _Unreadable("the git configuration here is larger than 1 MiB")
    entries = (os.fsdecode(entry).partition("\n") for entry in answer.output.split(b"\0") if entry)
    return [(key, value) for key, _, value in entries]


def _state(git: _Git, settings: _Settings, ours: Sequence[str]) -> _Fields:
    filters = {key[7:].rpartition(".")[0] for key, _ in settings if key.startswith("filter.") and key.count(".") > 1}
    options = ("--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--no-renames", "--untracked-files=normal")
    overrides = [*_without_filters(filters)]
    answer = git.run("status", *options, "--ignore-submodules=all", "--", ".", *ours, overrides=overrides)
    # The last piece is empty, or torn where there was too much output.
    lines = answer.output.split(b"\0")[:-1]
    branch = next(line.removeprefix(b"# branch.head ") for line in lines if line.startswith(b"# branch.head "))
    changes = [line for line in lines if not line.startswith(b"# ")]
    is_dirty = _judge(git, changes, filters)
    return {
        "branch": _Absent("detached HEAD: no branch is checked out") if branch == b"(detached)" else _text(branch),
        "is_dirty": is_dirty,
        "uncommitted_changes": is_dirty,
    }


def _without_filters(filters: set[str]) -> Iterator[str]:
    """Settings under which none of the filters runs: comparing a changed file would start its `clean` program."""
    for name in sorted(filters):
        if "=" in name:  # `-c` would take it for the end of the key
            raise _Unreadable("a content filter in the git configuration has a name with a =")
        yield from (f"filter.{name}.clean=", f"filter.{name}.process=", f"filter.{name}.required=false")


def _judge(git: _Git, changes: Sequence[bytes], filters: set[str]) -> bool | _Absent:
    """Whether anything changed; unknown where only files differ that a filter, which we do not run, would rewrite."""
    differing = [change.split(b" ", 8)[8] for change in changes if change.startswith(b"1 .M ")]
    if not filters or not changes or len(differing) < len(changes):
        return bool(changes)
    answer = git.run("check-attr", "-z", "filter", "--", *map(os.fsdecode, differing))
    if all(os.fsdecode(name) in filters for name in answer.output.split(b"\0")[:-1][2::3]):
        return _Absent("all changed files belong to a content filter (such as git-lfs), and we run none")
    return True


def _exclusions(root: Path, directory: Path, own_paths: Sequence[str]) -> list[str]:
    places = {Path(os.path.normpath(base / own)) for base in (root, directory) for own in own_paths}
    inside = sorted(place.relative_to(root).as_posix() for place in places if root in place.parents)
    return [f":(exclude,top,literal){place}" for place in inside]


# --- running git -----------------------------------------------------------------------------------------------------

_SETTINGS = ("core.fsmonitor=", "core.hooksPath=/dev/null", "protocol.allow=never", "i18n.logOutputEncoding=UTF-8")
# Only the user's own configuration and what git needs to start: no secret of this process, no GIT_DIR of a hook.
_INHERITED = (
    "HOME", "XDG_CONFIG_HOME", "LD_LIBRARY_PATH", "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
)  # fmt: skip
_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # stronger than any protocol.<name>.allow of the repository
}
_REASONS = (
    ("dubious ownership", "this directory belongs to another user and git refuses to read it"),
    ("not a git repository", "what .git names here is not a git repository"),
    ("bad revision 'HEAD'", "the repository has no commit yet"),
)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    output: bytes
    whole: bool


@dataclass(frozen=True, kw_only=True)
class _Git:
    program: str
    root: Path
    environment: dict[str, str]
    timeout: float

    def run(self, *arguments: str, overrides: Sequence[str] = ()) -> _Answer:
        """What the command prints, at most 1 MiB of it; `_Unreadable` where git fails or does not answer in time."""
        settings = [part for setting in (*_SETTINGS, *overrides) for part in ("-c", setting)]
        try:
            process = subprocess.Popen(  # noqa: S603 - a list and no shell
                [self.program, "--no-pager", *settings, *arguments],
                cwd=self.root, env=self.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise _Unreadable(f"git could not be started: {error.strerror}") from error
        with process:
            try:
                return self._answer(process)
            except subprocess.TimeoutExpired:
                raise _Unreadable(f"git {arguments[0]} did not answer within {self.timeout:g} seconds") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def _answer(self, process: subprocess.Popen[bytes]) -> _Answer:
        deadline = time.monotonic() + self.timeout
        output, errors = _drain(process, deadline)
        if len(output) > _MAX_OUTPUT:
            return _Answer(output=output[:_MAX_OUTPUT], whole=False)
        if process.wait(max(0.0, deadline - time.monotonic())):
            raise _Unreadable(_reason(errors))
        return _Answer(output=output, whole=True)


def _find_git(root: Path, timeout: float) -> _Git | None:
    # A relative entry would look for git in the repository.
    path = os.pathsep.join(entry for entry in os.get_exec_path() if Path(entry).is_absolute())
    program = shutil.which("git", path=path)
    if program is None:
        return None
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Named outright, the repository is read whoever owns it, and `core.worktree` cannot lead anywhere else.
    place = {"PATH": path, "GIT_DIR": ".git", "GIT_WORK_TREE": "."}
    return _Git(program=program, root=root, environment=environment | _ENVIRONMENT | place, timeout=timeout)


def _drain(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
    """Output and errors, each up to just over the limit; `TimeoutExpired` at the deadline."""
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, kept in ((process.stdout, output), (process.stderr, errors)):
            assert pipe is not None  # noqa: S101 - Popen was asked for pipes; mypy cannot see it
            pipes.register(pipe, selectors.EVENT_READ, kept)
        while pipes.get_map() and len(output) <= _MAX_OUTPUT:
            ready = pipes.select(max(0.0, deadline - time.monotonic()))
            if not ready or time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(process.args, deadline)
            for key, _ in ready:
                chunk = os.read(key.fd, 2**16)
                if not chunk:
                    pipes.unregister(key.fileobj)
                elif len(key.data) <= _MAX_OUTPUT:
                    key.data.extend(chunk)
    return bytes(output), bytes(errors)


def _reason(errors: bytes) -> str:
    text = _text(errors).strip()
    for part, reason in _REASONS:
        if part in text:
            return reason
    lines = text.splitlines() or ["no answer"]
    fault = min(lines, key=lambda line: (not line.startswith("fatal: "), not line.startswith("error: ")))
    return _bounded("git: " + re.sub(r"//\S*@", "//", fault.partition(": ")[2] or fault), _MAX_REASON)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
