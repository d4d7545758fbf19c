"""Writing where the user said: what is in the way there, as an error that names the place as they did."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from honeyhive.errors import HoneyHiveError, InputError, RunFileError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What keeps us from writing where the user said is for them to mend; a disk that is full breaks the run."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            hint = "make room; what was finished is kept: go on with --resume"
            raise RunFileError(f"cannot be written: {error.strerror}", file=str(path), hint=hint) from error
        raise InputError(
            f"cannot be written: {error.strerror}", file=str(path), hint="see to the folder, or give another path"
        ) from error


@contextmanager
def named_as_given(path: Path, given: Path) -> Iterator[None]:
    """An error in the file at `path` names it as the user did."""
    try:
        yield
    except HoneyHiveError as error:
        if error.file == str(path):
            error.file = str(given)
        raise
