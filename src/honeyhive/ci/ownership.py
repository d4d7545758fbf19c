"""Whose a file is: given to somebody else and back, without following a link, and nowhere but below one folder."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from honeyhive.regular import open_regular, replaced

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_Choice = Callable[[os.stat_result], bool]
_Exception = Callable[[str, os.stat_result], bool]
Identity = tuple[int, int]
"""What a file or folder is, whatever it is called: device and number."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A user and a group, by number."""

    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Owner:
        """Whose the path itself is; a link is not followed."""
        found = path.lstat()
        return cls(uid=found.st_uid, gid=found.st_gid)

    def owns(self, found: os.stat_result) -> bool:
        """Whether this user is its owner."""
        return found.st_uid == self.uid


def open_below(top: Path, place: str, *, make: Owner | None = None) -> int:
    """A descriptor of the folder `place` below `top`, reached without a link; `OSError` where that is not so.

    A folder on the way that is not there is made for `make`, where that is somebody.
    """
    descriptor = os.open(top, _FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
    for part in Path(place).parts:
        try:
            deeper = _opened(part, descriptor, make)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _opened(part: str, within: int, make: Owner | None) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=within)
    except FileNotFoundError:
        if make is None:
            raise
    os.mkdir(part, 0o755, dir_fd=within)
    os.chown(part, make.uid, make.gid, dir_fd=within, follow_symlinks=False)
    return os.open(part, _FOLDER, dir_fd=within)


def identity(found: os.stat_result) -> Identity:
    """What it is, whatever it is called."""
    return found.st_dev, found.st_ino


def has_one_name(found: os.stat_result) -> bool:
    """Whether it is nowhere else: a file of two names may be in a place which is not to be given away."""
    return stat.S_ISDIR(found.st_mode) or found.st_nlink == 1


def give_folder(
    descriptor: int, owner: Owner, *, which: _Choice = has_one_name, kept: _Exception = lambda _name, _found: False
) -> None:
    """Make the folder and all that is below it the owner's, as far as it is chosen; what is `kept` with all in it."""
    for within, name, found in _below(descriptor, kept):
        if which(found):
            with suppress(FileNotFoundError):
                os.chown(name, owner.uid, owner.gid, dir_fd=within, follow_symlinks=False)
    if which(os.fstat(descriptor)):
        os.fchown(descriptor, owner.uid, owner.gid)


def _below(descriptor: int, kept: _Exception) -> Iterator[tuple[int, str, os.stat_result]]:
    """All that is below a folder: the descriptor of its own folder, its name, what it is.

    With one descriptor, however deep it is: it goes down by a name and comes back by `..`, to where it was before.
    """
    here = os.open(".", _FOLDER, dir_fd=descriptor)
    way: list[tuple[os.stat_result, list[str]]] = []
    try:
        while True:
            deeper: list[str] = []
            for name, found in _entries(here):
                if not kept(name, found):
                    yield here, name, found
                    deeper += [name] if stat.S_ISDIR(found.st_mode) else []
            way.append((os.fstat(here), deeper))
            while not way[-1][1]:
                way.pop()
                if not way:
                    return
                here = _stepped("..", here)
                if not os.path.samestat(os.fstat(here), way[-1][0]):
                    raise OSError(errno.ESTALE, "a folder was moved while its files were given to their owner")
            here = _stepped(way[-1][1].pop(), here)
    finally:
        os.close(here)


def _entries(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            yield name, os.stat(name, dir_fd=folder, follow_symlinks=False)


def _stepped(name: str, here: int) -> int:
    """The descriptor of another folder in the place of the one that is closed."""
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there


def take_file(path: Path, owner: Owner) -> None:
    """Make a file in a folder of ours the owner's, for nobody else to write to: not by its mode, nor by another name.

    No process of who wrote it may be left.
    """
    descriptor = open_regular(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if os.fstat(descriptor).st_nlink == 1:
            os.fchmod(descriptor, 0o644)
            os.fchown(descriptor, owner.uid, owner.gid)
            return
        with replaced(path) as alone:
            shutil.copyfileobj(stream, alone)
            os.fchown(alone.fileno(), owner.uid, owner.gid)


def make_folder(place: Path, owner: Owner) -> None:
    """Make a folder, and those on the way there that are missing, all of them the owner's."""
    missing = [folder for folder in (place, *place.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        os.chown(folder, owner.uid, owner.gid, follow_symlinks=False)


def give_to_owner_of(root: Path, places: Iterable[Path]) -> None:
    """Make each of these folders, and what is in it, of the same owner as `root`, which it is below.

    One that is not there, or is reached by a link, is left alone. Only root can do so, and only root has to: what
    others write is their own. A root that may not is left alone too.
    """
    if getattr(os, "geteuid", lambda: 1)() != 0:
        return
    owner = Owner.of(root)
    for place in places:
        try:
            descriptor = open_below(root, str(place.relative_to(root)))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            continue
        try:
            with suppress(PermissionError):
                give_folder(descriptor, owner, which=lambda found: has_one_name(found) and not owner.owns(found))
        finally:
            os.close(descriptor)
