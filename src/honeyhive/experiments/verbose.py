"""What `evaluate()` tells while it runs."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO

from honeyhive.documents import in_one_line
from honeyhive.experiments.running import Observer, Progress

_EVERY = 2.0
"""So many seconds lie between two lines at least."""


def progress_lines(name: str, stream: TextIO | None = None) -> Observer:
    """An observer that writes a line every few seconds and at the end; to standard error unless told otherwise."""
    told = -_EVERY

    def observe(progress: Progress) -> None:
        nonlocal told
        if progress.elapsed - told < _EVERY and progress.done < progress.total:
            return
        told = progress.elapsed
        tell(f"{name}: {progress.done} of {progress.total} datapoints, {progress.errors} with errors", stream)

    return observe


def tell(text: str, stream: TextIO | None = None) -> None:
    """Write a line to standard error, unless told otherwise; that nobody can hear it stops nothing."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
        (stream or sys.stderr).write(f"{in_one_line(text)}\n")
