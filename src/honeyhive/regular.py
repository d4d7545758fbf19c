"""Regular files, opened without waiting, for a name may lead to a pipe or a device; and replaced as a whole."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

# Neither is there on every system; without the first, a FIFO would keep us waiting for who writes to it.
_CAREFUL = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


MOST_OF_A_RUN = 4 * 2**30
"""No file of a run has more bytes: ten times what a hundred thousand datapoints of four thousand characters make."""
_FULL, _SPARSE = 128 * 2**20, 100


class IrregularFileError(OSError):
    """What is there is a folder, a pipe, a device or a socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file", str(path))


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the regular file at `path`, at once; else an `OSError`, also for what can be no file's name."""
    try:
        descriptor = os.open(path, flags | _CAREFUL, 0o666)
    except ValueError as error:  # a NUL, or half of a character
        raise OSError(errno.EINVAL, "no file can be called so", repr(path)) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise IrregularFileError(path)


def read_bounded(path: Path, most: int) -> bytes | None:
    """What the regular file at `path` holds; `None` where that is more than `most` bytes, of which no more is read."""
    with os.fdopen(open_regular(path), "rb") as stream:
        content = stream.read(most + 1)
    return content if len(content) <= most else None


def written(descriptor: int) -> int:
    """How many bytes of a file were written, up to `MOST_OF_A_RUN`: up to its first hole where it is nothing but holes.

    A file of eight terabytes takes no room, and one call, to make; and hours to read.
    """
    found, most = os.fstat(descriptor), MOST_OF_A_RUN
    if found.st_size > max(_FULL, _SPARSE * 512 * getattr(found, "st_blocks", found.st_size)):
        here = os.lseek(descriptor, 0, os.SEEK_CUR)
        most = min(most, os.lseek(descriptor, 0, os.SEEK_HOLE))
        os.lseek(descriptor, here, os.SEEK_SET)
    return min(found.st_size, most)


def is_vast(descriptor: int) -> bool:
    """Whether a file is larger than any run, or claims to hold what nobody has written."""
    return written(descriptor) < os.fstat(descriptor).st_size


@contextmanager
def replaced(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """What is written in the block stands at `path` after it, all of it or nothing: then what was there stays."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
