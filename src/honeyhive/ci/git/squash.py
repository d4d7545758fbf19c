"""A branch that is one commit: its files listed, and a new one made of files; git's plumbing, and no working tree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from honeyhive.errors import RepositoryError
from honeyhive.experiments.gitprocess import GitFailed, GitProcess

_MOST = 64 * 2**20
# An address that is nobody's: one on GitHub would make its owner the author.
_AUTHOR, _EMAIL = "honeyhive", "honeyhive@noreply.invalid"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of a commit: the name of its content, the size of that, and whether it is a regular file."""

    blob: str
    size: int
    is_regular: bool = True


@dataclass(frozen=True, kw_only=True)
class NewCommit:
    """A commit to be made of these files, without parents; `seconds` is its time since 1970.

    A file is its content, or a `StoredFile` that is there.
    """

    files: Mapping[str, bytes | StoredFile]
    message: str
    seconds: int


def list_files(git: GitProcess, commit: str) -> Mapping[str, StoredFile]:
    """All that a commit holds, by path; `RepositoryError` where that cannot be read."""
    try:
        answer = git.run("ls-tree", "-r", "-l", "-z", "--full-tree", commit, most=_MOST)
    except GitFailed as failed:
        raise RepositoryError(f"the files of {commit[:7]} cannot be listed: {failed}", hint="run again") from failed
    if not answer.whole:
        raise RepositoryError(f"{commit[:7]} has more files than can be listed", hint="is it the right branch?")
    found = {}
    for line in answer.output.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        mode, kind, blob, size = facts.decode("ascii").split()
        regular = kind == "blob" and mode.startswith("100")
        found[os.fsdecode(path)] = StoredFile(blob=blob, size=int(size) if kind == "blob" else 0, is_regular=regular)
    return found


def make_commit(git: GitProcess, new: NewCommit) -> str:
    """The commit's name, once it is in the repository of `git`; `RepositoryError` where it cannot be made.

    The same files, message and time make the same commit.
    """
    index = os.path.join(git.environment["GIT_DIR"], "index-of-ours")  # noqa: PTH118 - it is a variable's text
    git = replace(git, environment={**git.environment, **_signature(new.seconds), "GIT_INDEX_FILE": index})
    try:
        lines = [_index_line(git, path, file) for path, file in sorted(new.files.items())]
        git.run("read-tree", "--empty")
        git.run("update-index", "-z", "--index-info", input=b"".join(lines))
        tree = _word(git, "write-tree")
        return _word(git, "commit-tree", tree, "-F", "-", input=new.message.encode("utf-8", "replace"))
    except GitFailed as failed:
        raise RepositoryError(f"the branch cannot be written: {failed}", hint="is the disk full?") from failed


def _index_line(git: GitProcess, path: str, file: bytes | StoredFile) -> bytes:
    blob = file.blob if isinstance(file, StoredFile) else _word(git, "hash-object", "-w", "--stdin", input=file)
    return f"100644 {blob}\t".encode() + os.fsencode(path) + b"\0"


def _word(git: GitProcess, *arguments: str, input: bytes = b"") -> str:  # noqa: A002 - as subprocess calls it
    return git.run(*arguments, input=input).output.decode("ascii").strip()


def _signature(seconds: int) -> Mapping[str, str]:
    date = f"@{seconds} +0000"
    roles = ("AUTHOR", "COMMITTER")
    names = {f"GIT_{role}_{part}": value for role in roles for part, value in (("NAME", _AUTHOR), ("EMAIL", _EMAIL))}
    return names | {f"GIT_{role}_DATE": date for role in roles}
