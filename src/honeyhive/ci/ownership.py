"""Whose a file is: given to somebody else and back, without following a link, and nowhere but below one folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_Choice = Callable[[os.stat_result], bool]


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


def give_folder(descriptor: int, owner: Owner, *, which: _Choice = lambda _: True) -> None:
    """Make the folder and all that is below it the owner's, as far as it is chosen.

    A file that has another name as well is left out: that may be a place which is not to be given away.
    """
    for _, folders, files, within in os.fwalk(".", dir_fd=descriptor, follow_symlinks=False, onerror=_refuse):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=within, follow_symlinks=False)
                if which(found) and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
                    os.chown(name, owner.uid, owner.gid, dir_fd=within, follow_symlinks=False)
    if which(os.fstat(descriptor)):
        os.fchown(descriptor, owner.uid, owner.gid)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def give_to_owner_of(root: Path, places: Iterable[Path]) -> None:
    """Make each of these folders, and what is in it, of the same owner as `root`, which it is below.

    One that is not there, or is reached by a link, is left alone. Only root can do so, and only root has to: what
    others write is their own.
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
            give_folder(descriptor, owner, which=lambda found: not owner.owns(found))
        finally:
            os.close(descriptor)
