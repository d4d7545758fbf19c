"""What git knows about the code of a run: read in three calls, with a reason for whatever could not be read.

A pull request may bring its own `.git/config`: nothing that the repository says starts a program (`gitprocess.py`), and
filters, which `status` would run, are turned off by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from honeyhive.experiments.gitprocess import GitFailed, GitProcess, find_git
from honeyhive.experiments.remote import parse_remote

_COMMIT_FIELDS = ("commit_hash", "commit_hash_short", "commit_message", "author_name")
_STATE_FIELDS = ("branch", "is_dirty", "uncommitted_changes")
_REMOTE_FIELDS = ("remote_url", "repo_url")
FIELDS = (*_COMMIT_FIELDS, *_STATE_FIELDS, *_REMOTE_FIELDS, "commit_link", "relative_path")
"""What `describe` tells, or says why it cannot."""

_LEFT_BY_STEPS = ("honeyhive-report", "__pycache__")
"""What a step before this one may have left in any folder: a gate its report, Python what it has compiled."""

_MAX_MESSAGE, _MAX_AUTHOR = 2_000, 200


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


def has_changes(directory: Path, *, of_all: bool = False, timeout: float = 30.0) -> bool | None:
    """Whether files that git knows differ from the commit; `None` where that cannot be told.

    What git does not know is left out, for a step of CI leaves all sorts of files behind; with `of_all` it counts as
    well, down to what git is told to ignore.
    """
    root = workspace_root(directory)
    git = find_git(root, timeout=timeout) if _holds_repository(root) else None
    if git is None:
        return None
    options = ("--untracked-files=all", "--ignored=matching") if of_all else ("--untracked-files=no",)
    found = _or_absent(_STATE_FIELDS, lambda: _state(git, _settings(git), (), options))["is_dirty"]
    return found if isinstance(found, bool) else None


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


_Fields = dict[str, Any]


def _read(directory: Path, own_paths: Sequence[str], timeout: float) -> _Fields:
    root = workspace_root(directory)
    if not _holds_repository(root):
        return dict.fromkeys(FIELDS, _Absent("no git repository here"))
    place = {"relative_path": directory.relative_to(root).as_posix()}
    git = find_git(root, timeout=timeout)
    if git is None:
        return dict.fromkeys(FIELDS, _Absent("git is not installed")) | place
    commit = _or_absent(_COMMIT_FIELDS, lambda: _commit(git))
    try:
        settings = _settings(git)
    except GitFailed as failed:
        return dict.fromkeys(FIELDS, _Absent(str(failed))) | commit | place
    ours = _exclusions(root, directory, own_paths)
    state = _or_absent(_STATE_FIELDS, lambda: _state(git, settings, ours))
    remote = _or_absent(_REMOTE_FIELDS, lambda: _remote(settings))
    return commit | state | remote | {"commit_link": _commit_link(remote["repo_url"], commit["commit_hash"])} | place


def _or_absent(names: Sequence[str], read: Callable[[], _Fields]) -> _Fields:
    try:
        return read()
    except GitFailed as failed:
        return dict.fromkeys(names, _Absent(str(failed)))


def _commit(git: GitProcess) -> _Fields:
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
        raise GitFailed("no remote called origin")
    remote = parse_remote(address)
    if remote is None:
        raise GitFailed("the address of origin has a form in which a password cannot be told from the rest")
    return {"remote_url": remote.url, "repo_url": remote.web or _Absent("origin is neither a web nor an ssh address")}


def _commit_link(repo_url: str | _Absent, commit: str | _Absent) -> str | _Absent:
    if isinstance(repo_url, _Absent):
        return repo_url
    return commit if isinstance(commit, _Absent) else f"{repo_url}/commit/{commit}"


# --- branch and changes ----------------------------------------------------------------------------------------------

_Settings = list[tuple[str, str]]


def _settings(git: GitProcess) -> _Settings:
    answer = git.run("config", "--list", "-z")
    if not answer.whole:
        raise GitFailed("the git configuration here is larger than 1 MiB")
    entries = (os.fsdecode(entry).partition("\n") for entry in answer.output.split(b"\0") if entry)
    return [(key, value) for key, _, value in entries]


def _state(
    git: GitProcess, settings: _Settings, ours: Sequence[str], others: Sequence[str] = ("--untracked-files=normal",)
) -> _Fields:
    filters = {key[7:].rpartition(".")[0] for key, _ in settings if key.startswith("filter.") and key.count(".") > 1}
    options = ("--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--no-renames", *others)
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
            raise GitFailed("a content filter in the git configuration has a name with a =")
        yield from (f"filter.{name}.clean=", f"filter.{name}.process=", f"filter.{name}.required=false")


def _judge(git: GitProcess, changes: Sequence[bytes], filters: set[str]) -> bool | _Absent:
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
    left = [f":(exclude,top,glob)**/{name}/**" for name in _LEFT_BY_STEPS]
    return [f":(exclude,top,literal){place}" for place in inside] + left


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
