"""Files of a size that no run has: user code makes one with a single call, and whoever reads it reads for hours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from honeyhive.errors import HoneyHiveError, RunFileError
from honeyhive.experiments.beside import open_beside
from honeyhive.regular import is_vast, written
from honeyhive.runfile import companion


@contextmanager
def cut_to_size(run_file: Path) -> Iterator[None]:
    """However the run in the block ends, run file and spans have no more after it than was written, or any run has.

    Raises `RunFileError` where more had to be cut away. What is no file is left to those who refuse it.
    """
    try:
        yield
    finally:
        sizes = [_cut(path) for path in (run_file, companion(run_file, "spans"))]
    for size in filter(None, sizes):
        raise RunFileError(
            f"the file of the run was made {size:,} bytes long, which no run is",
            hint="see what your code does to it, and run again",
        )


def _cut(path: Path) -> int:
    """Cut what nobody has written, or is too much; how long the file was then, else nothing."""
    with suppress(OSError, HoneyHiveError), os.fdopen(open_beside(path, os.O_RDWR), "r+b") as stream:
        if is_vast(stream.fileno()):
            size = os.fstat(stream.fileno()).st_size
            stream.truncate(written(stream.fileno()))
            return size
    return 0
