"""Git's objects, read one by one and each held against its own name: who wrote them need not be trusted.

An earlier step of the job may have written to `.git/objects`. An object is named by the hash of its content, git does
not look at that when it reads, and so we do: one that is not what its name says is as good as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from honeyhive.errors import RepositoryError
from honeyhive.experiments.gitprocess import GitProcess

MAX_OBJECT = 64 * 2**20
"""No object is larger, unless its reader says so: most are files that people wrote."""

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CHUNK = 2**16


def is_full_name(name: str) -> bool:
    """Whether the text is the whole name of an object: 40 or 64 hex digits."""
    return _HEX.fullmatch(name) is not None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a commit says: its tree, its parents, and when it was made, in seconds since 1970."""

    tree: str
    parents: tuple[str, ...]
    time: int


@dataclass(frozen=True, kw_only=True)
class TreeEntry:
    """One entry of a tree."""

    mode: str
    name: str

    @property
    def is_tree(self) -> bool:
        """Whether it is a folder."""
        return self.mode == "40000"

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file: no symbolic link, no submodule."""
        return self.mode.startswith("100")

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link; its target is the content."""
        return self.mode == "120000"


class Objects:
    """Objects as `git cat-file` finds them, by their full names; one process for all of them, closed on exit."""

    def __init__(self, git: GitProcess) -> None:
        self._git = git
        self._process: subprocess.Popen[bytes] | None = None
        self._read_ahead = bytearray()

    def __enter__(self) -> Self:
        """Nothing runs before the first object is asked for."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def read(self, name: str, kind: str, *, most: int = MAX_OBJECT) -> bytes | None:
        """The content of the object; `None` where it is not there, is no `kind`, or is not what its name says.

        Raises `RepositoryError` where it is larger than `most`, or git does not answer.
        """
        if not is_full_name(name):
            return None
        deadline = time.monotonic() + self._git.timeout
        try:
            return self._answer(name, kind, most, deadline)
        except (BrokenPipeError, EOFError):  # git gives up at the first damaged object: it is not there for us
            self.close()
            return None
        except TimeoutError:
            self.close()
            raise RepositoryError(
                f"git did not answer within {self._git.timeout:g} seconds", hint="run again; the disk may be busy"
            ) from None

    def close(self) -> None:
        """End the process; the next object starts another."""
        process, self._process = self._process, None
        self._read_ahead.clear()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError), process:
            pass

    def _answer(self, name: str, kind: str, most: int, deadline: float) -> bytes | None:
        # Of a damaged object comes less than was said, and then nothing: what cannot be told is asked next, so that
        # its answer ends whatever came before. Nobody can know it and write it into a file.
        end = f"?{secrets.token_hex(16)}"
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - Popen was asked for pipes; mypy cannot see it
        process.stdin.write(f"{name}\n{end}\n".encode())
        process.stdin.flush()
        head, said, size = self._line(deadline), f"{end} missing\n".encode(), 0
        facts = head.split()
        if len(facts) == 3:
            size = int(facts[2])
            if size > most:
                self.close()
                raise RepositoryError(
                    f"an object here has {size:,} bytes, and {most:,} are the most that is read",
                    hint="name another file, or make it smaller",
                )
        content = self._until(said, size + 1 if len(facts) == 3 else 0, deadline)
        if len(facts) != 3 or len(content) != size + 1 or facts[1] != kind.encode():
            return None
        return content[:-1] if _named(facts[1], content[:-1], len(name)) == name else None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a list and no shell
                    [self._git.program, "--no-pager", "cat-file", "--batch"],
                    cwd=self._git.root, env=self._git.environment, start_new_session=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            except OSError as error:
                raise RepositoryError(f"git could not be started: {error.strerror}", hint="is it installed?") from error
        return self._process

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._read_ahead:
            self._more(deadline)
        line, _, rest = bytes(self._read_ahead).partition(b"\n")
        self._read_ahead[:] = rest
        return line

    def _until(self, end: bytes, expected: int, deadline: float) -> bytes:
        """What comes before `end`, which is looked for where it is expected, and wherever the output stops."""
        whole = expected + len(end)
        while len(self._read_ahead) < whole and not self._read_ahead.endswith(end):
            self._more(deadline)
        before = bytes(self._read_ahead).removesuffix(end)
        if len(before) == len(self._read_ahead):
            raise EOFError  # more than was said: nothing of it can be told apart
        self._read_ahead.clear()
        return before

    def _more(self, deadline: float) -> None:
        process = self._running()
        assert process.stdout is not None  # noqa: S101 - Popen was asked for pipes; mypy cannot see it
        with selectors.DefaultSelector() as pipes:
            pipes.register(process.stdout, selectors.EVENT_READ)
            if not pipes.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
        chunk = os.read(process.stdout.fileno(), _CHUNK)
        if not chunk:
            raise EOFError
        self._read_ahead += chunk


def parse_commit(content: bytes) -> Commit:
    """What the content of a commit says; `RepositoryError` where it is not one that git would write."""
    head = content.partition(b"\n\n")[0].decode("utf-8", "replace").split("\n")
    said = [line.partition(" ") for line in head]
    trees = [value for key, _, value in said if key == "tree"]
    parents = tuple(value for key, _, value in said if key == "parent")
    times = [match[1] for line in head if (match := _COMMITTED.match(line))]
    if len(trees) != 1 or not times or not all(map(is_full_name, (*trees, *parents))):
        raise RepositoryError("a commit here is malformed", hint="check the repository: git fsck")
    return Commit(tree=trees[0], parents=parents, time=int(times[0]))


_COMMITTED = re.compile(r"committer [^\n]*> ([0-9]{1,12}) [-+][0-9]+$")


def parse_tree(content: bytes, *, width: int) -> Mapping[TreeEntry, str]:
    """The entries of a tree with the objects that they name; `width` is the length of a name in hex digits.

    Raises `RepositoryError` for a tree that git would not write: a name twice, or one that leads out of its folder.
    """
    entries: dict[TreeEntry, str] = {}
    names: set[str] = set()
    at = 0
    while at < len(content):
        end = content.find(b"\0", at)
        mode, _, raw = content[at:end].partition(b" ")
        name, at = raw.decode("utf-8", "surrogateescape"), end + 1 + width // 2
        if end < 0 or at > len(content) or not _is_plain(name) or name in names:
            raise RepositoryError("a folder here is malformed", hint="check the repository: git fsck")
        names.add(name)
        entries[TreeEntry(mode=mode.decode("ascii", "replace"), name=name)] = content[end + 1 : at].hex()
    return entries


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and "/" not in name and name.lower() != ".git"


def _named(kind: bytes, content: bytes, digits: int) -> str:
    """The name that git has for an object of this content."""
    # The hash is git's; it protects as well as any repository on such names is protected.
    digest = hashlib.sha1(usedforsecurity=False) if digits == 40 else hashlib.sha256()
    digest.update(b"%s %d\0" % (kind, len(content)))
    digest.update(content)
    return digest.hexdigest()
