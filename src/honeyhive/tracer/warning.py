"""How tracing warns: at the user's own line, wherever in here it is noticed."""

from __future__ import annotations

import inspect
import warnings

from honeyhive.errors import HoneyHiveWarning


def warn(message: str) -> None:
    """Give a `HoneyHiveWarning`, at the place outside of this package that has led here."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and str(frame.f_globals.get("__name__")).startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, HoneyHiveWarning, stacklevel=level)


_PACKAGE = f"{__name__.rpartition('.')[0]}."
