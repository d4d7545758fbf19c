"""Rows out of a dataset file in the workspace: which file may be read, and the same rows each time it is."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from honeyhive.documents import Malformed, shown
from honeyhive.errors import DatasetError
from honeyhive.experiments.formats import FORMATS, Text
from honeyhive.regular import open_regular


class Row(NamedTuple):
    """One item of a dataset as it was given: its number from 0, and where it starts if it came out of a file."""

    number: int
    line: int | None
    column: int | None
    value: Any


class RowFile:
    """The rows of one dataset file inside the workspace, as often as they are asked for and always the same.

    The first pass, which has to be a whole one, settles `sha256` (of the file's bytes). A later pass that meets
    other bytes ends in a `DatasetError`. `path` is relative to the workspace and free of symbolic links.
    """

    def __init__(self, path: str | os.PathLike[str], *, workspace: Path) -> None:
        self.given = os.fspath(path)
        root, self._real = _resolved(self.given, workspace)
        _refuse_irregular(self._real, self.given)
        suffix = Path(self.given).suffix.lower()
        if suffix not in FORMATS:
            message = f"a dataset cannot be read from a {shown(suffix)} file" if suffix else "a file without a suffix"
            raise DatasetError(message, hint=f"known suffixes: {' '.join(FORMATS)}", file=self.given)
        self._format = FORMATS[suffix]
        self._stamp: tuple[int, ...] = ()
        self.cells_are_text = self._format.cells_are_text
        self.path = self._real.relative_to(root).as_posix()
        self.sha256: str | None = None

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        """Every row in file order, the first `limit` of them where that is given."""
        with self._open() as file:
            self._hold(file)
            try:
                text = Text(file)
                for number, placed in enumerate(islice(self._format.rows(text), limit)):
                    yield Row(number, *placed)
            except Malformed as fault:
                raise self._refused(fault) from fault
            if self.sha256 is None:
                self.sha256 = text.sha256
            elif limit is None and text.sha256 != self.sha256:
                raise self._changed()
            else:
                self._hold(file)

    def _open(self) -> BufferedReader:
        _refuse_irregular(self._real, self.given)
        try:
            return os.fdopen(open_regular(self._real), "rb")
        except OSError as error:
            raise DatasetError(f"cannot be read: {error.strerror}", file=self.given) from error

    def _hold(self, file: BufferedReader) -> None:
        """Refuse a file that is not what the first pass read; one that was only touched passes."""
        status = os.fstat(file.fileno())
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if self.sha256 is not None and stamp != self._stamp:
            file.seek(0)
            if hashlib.file_digest(file, "sha256").hexdigest() != self.sha256:
                raise self._changed()
            file.seek(0)
        self._stamp = stamp

    def _changed(self) -> DatasetError:
        return DatasetError("changed while it was in use", hint="nothing may write to it in a run", file=self.given)

    def _refused(self, fault: Malformed) -> DatasetError:
        if self.sha256 is not None:  # the first pass met no such fault
            return self._changed()
        hint = self._format.hint_for(fault.message)
        return DatasetError(fault.message, hint=hint, file=self.given, line=fault.line, column=fault.column)


def _resolved(given: str, workspace: Path) -> tuple[Path, Path]:
    """The workspace and the file in it, both without symbolic links."""
    try:
        root = workspace.resolve()
        real = (root / given).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a NUL
        raise DatasetError(f"not a path that can be followed: {error}", file=given) from error
    if real.is_relative_to(root):
        return root, real
    if Path(os.path.normpath(root / given)).is_relative_to(root):
        message, hint = "leads out of the workspace by a symbolic link", "put the file itself into the repository"
    else:
        message, hint = "outside the workspace", f"a dataset is a file below {root}"
    raise DatasetError(message, hint=hint, file=given)


def _refuse_irregular(real: Path, given: str) -> None:
    """Without opening it: that alone would wait for ever on a pipe."""
    try:
        mode = real.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError("no such file", hint=_nearest(real, given), file=given) from None
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", file=given) from error
    if stat.S_ISDIR(mode):
        raise DatasetError("a directory, not a file", hint="name one file in it", file=given)
    if not stat.S_ISREG(mode):
        raise DatasetError("a pipe, a device or a socket, not a file", hint="a dataset is read twice", file=given)


def _nearest(real: Path, given: str) -> str:
    if not real.parent.is_dir():
        return f"there is no folder {shown(str(Path(given).parent))}; paths start at the workspace"
    with os.scandir(real.parent) as entries:
        names = [entry.name for entry in islice(entries, 1000)]
    close = difflib.get_close_matches(real.name, names, n=1)
    return f"did you mean {shown(str(Path(given).with_name(close[0])))}?" if close else "paths start at the workspace"
