"""The user's checkout, read without trusting it: where its objects lie, and what its branches and tags point to."""

from __future__ import annotations

import os
import re
from pathlib import Path

from honeyhive.ci.git.objects import is_full_name
from honeyhive.errors import ReportingError, RepositoryError
from honeyhive.experiments.beside import open_beside
from honeyhive.experiments.gitprocess import GitFailed, GitProcess, find_git
from honeyhive.experiments.remote import parse_remote

_POINTER = 4_096
_SHORT = re.compile(r"[0-9a-f]{4,64}")
_NO_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|^/|\.$|^@$|(?:^|/)\.|\.lock(?:/|$)")
_FORMAT = "--format=%(refname)%00%(objectname)%00%(*objectname)"


def is_ref_name(name: str) -> bool:
    """Whether a branch or a tag may be called so by git's rules."""
    return bool(name) and len(name) <= 250 and _NO_NAME.search(name) is None


def resolve(checkout: Path, name: str) -> str | None:
    """The commit that `HEAD`, a branch, a branch of `origin`, a tag or a commit's (short) name stands for."""
    git = _git(checkout)
    if git is None or not is_ref_name(name):
        return None
    if name == "HEAD":
        return _parsed(git, name)  # without a look at the commit, which may be damaged
    refs = [f"refs/{kind}/{name}" for kind in ("heads", "remotes/origin", "tags")]
    found = {line[0]: line[2] or line[1] for line in _refs(git, refs)}
    known = next((found[ref] for ref in refs if ref in found), None)
    return known or (_parsed(git, f"{name}^{{commit}}") if _SHORT.fullmatch(name) else None)


def current_branch(checkout: Path) -> str | None:
    """The branch that is checked out; `None` where it is a commit, or there is no checkout."""
    folder = git_folder(checkout)
    head = _pointer(folder / "HEAD") if folder else None
    return head.removeprefix("ref: refs/heads/") if head and head.startswith("ref: refs/heads/") else None


def origin_of(checkout: Path) -> str | None:
    """The URL of `origin`, without credentials; `None` where there is none that can be read.

    It is what the checkout says: fit for the user's own credentials, and for no token that we bring.
    """
    git = _git(checkout)
    try:
        answer = git.run("config", "--get", "remote.origin.url") if git else None
    except GitFailed:
        return None
    remote = parse_remote(os.fsdecode(answer.output).rstrip("\n")) if answer else None
    if remote is None:
        return None
    is_path = not re.match(r"[a-z][a-z0-9+.-]*://|[^/]+:", remote.url, re.IGNORECASE)
    return Path(os.path.normpath(checkout.resolve() / remote.url)).as_uri() if is_path else remote.url


def objects_folder(checkout: Path) -> Path | None:
    """Where the objects of the checkout lie; found without reading its configuration."""
    folder = git_folder(checkout)
    objects = _common(folder) / "objects" if folder else None
    return objects if objects and objects.is_dir() else None


def git_folder(checkout: Path) -> Path | None:
    """The repository's own folder: `.git`, or where that file of a linked worktree or a submodule leads."""
    place = checkout / ".git"
    if place.is_dir():
        return place
    pointer = _pointer(place)
    if pointer is None or not pointer.startswith("gitdir: "):
        return None
    folder = Path(os.path.normpath(checkout / pointer.removeprefix("gitdir: ")))
    return folder if folder.is_dir() else None


def _common(folder: Path) -> Path:
    """A linked worktree shares the objects of its repository."""
    pointer = _pointer(folder / "commondir")
    return Path(os.path.normpath(folder / pointer)) if pointer else folder


def _pointer(file: Path) -> str | None:
    """The line that a small file of git consists of; `None` where there is none."""
    try:
        descriptor = open_beside(file, os.O_RDONLY)
    except (OSError, ValueError, ReportingError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return os.fsdecode(stream.read(_POINTER)).rstrip("\n") or None


def _git(checkout: Path) -> GitProcess | None:
    if git_folder(checkout) is None:
        return None
    git = find_git(checkout)
    if git is None:
        raise RepositoryError("git is not installed", hint="install git, or give --baseline a run file")
    return git


def _refs(git: GitProcess, refs: list[str]) -> list[list[str]]:
    try:
        answer = git.run("for-each-ref", _FORMAT, *refs)
    except GitFailed as failed:
        raise RepositoryError(f"the branches here cannot be read: {failed}", hint="git for-each-ref") from failed
    return [line.split("\0") for line in os.fsdecode(answer.output).splitlines() if line.count("\0") == 2]


def _parsed(git: GitProcess, name: str) -> str | None:
    try:
        answer = git.run("rev-parse", "--verify", "--quiet", name)
    except GitFailed as failed:
        if failed.is_silent:  # what --quiet says where there is no such commit
            return None
        raise RepositoryError(f"{name[:40]} cannot be read here: {failed}", hint="git rev-parse") from failed
    commit = answer.output.decode("ascii", "replace").strip()
    return commit if is_full_name(commit) else None
