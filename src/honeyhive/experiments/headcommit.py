"""The commit that is checked out, as its object says: in a checkout of depth 1 git denies that it has parents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from honeyhive.experiments.git import workspace_root
from honeyhive.experiments.gitprocess import GitFailed, GitProcess, find_git

_HASHES = {40: "sha1", 64: "sha256"}


@dataclass(frozen=True, kw_only=True)
class HeadCommit:
    """A commit and its parents, by their hashes."""

    commit: str
    parents: tuple[str, ...] = ()


def head_commit(directory: Path) -> HeadCommit | None:
    """What is checked out in `directory`; `None` where there is no commit, no git, or an object that is not its hash.

    Its parents are as sure as its hash is.
    """
    git = find_git(workspace_root(directory))
    return None if git is None else read_head(git)


def read_head(git: GitProcess) -> HeadCommit | None:
    """The commit that is checked out in the repository that `git` reads; `None` where it cannot be read."""
    try:
        answer = git.run("cat-file", "--batch", input=b"HEAD\n")
    except GitFailed:
        return None
    first, _, rest = answer.output.partition(b"\n")
    match first.decode("ascii", "replace").split(" "):
        case [commit, "commit", size] if answer.whole and size.isdecimal():
            content = rest[: int(size)]
            return HeadCommit(commit=commit, parents=_parents(content)) if _is(commit, content) else None
        case _:
            return None


def _is(commit: str, content: bytes) -> bool:
    # Whoever may write to the workspace may write any object there, and git believes its file's name.
    name = _HASHES.get(len(commit))
    return name is not None and hashlib.new(name, b"commit %d\0" % len(content) + content).hexdigest() == commit


def _parents(content: bytes) -> tuple[str, ...]:
    header = content.partition(b"\n\n")[0].split(b"\n")
    return tuple(line[7:].decode("ascii") for line in header if line.startswith(b"parent "))
