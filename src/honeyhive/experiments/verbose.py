"""What `evaluate(verbose=True)` tells while it runs."""

from __future__ import annotations

import sys
from typing import TextIO

from honeyhive.experiments.running import Observer, Progress

_EVERY = 2.0
"""So many seconds lie between two lines at least."""


def progress_lines(name: str, stream: TextIO | None = None) -> Observer:
    """An observer that writes a line every few seconds and at the end; to standard error unless told otherwise."""
    told = -_EVERY

    def tell(progress: Progress) -> None:
        nonlocal told
        if progress.elapsed - told < _EVERY and progress.done < progress.total:
            return
        told = progress.elapsed
        line = f"{name}: {progress.done} of {progress.total} datapoints, {progress.errors} with errors"
        (stream or sys.stderr).write(f"{''.join(c if c.isprintable() else ' ' for c in line)}\n")

    return tell
