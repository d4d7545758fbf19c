"""Files beside a run file, opened only where they are files: whoever wrote the run may have put anything there."""

from __future__ import annotations

import os
from pathlib import Path

from honeyhive.errors import ReportingError
from honeyhive.regular import IrregularFileError, open_regular

_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # which not every system has


def open_beside(path: Path, flags: int) -> int:
    """A descriptor of the regular file at `path`; a link is not followed.

    Raises `FileNotFoundError` where nothing is there, `ReportingError` for anything else that cannot be opened so.
    """
    try:
        return open_regular(path, flags | _NO_LINKS)
    except FileNotFoundError:
        raise
    except IrregularFileError as error:
        raise _refused(path, "is no regular file") from error
    except OSError as error:
        reason = "it is a link" if path.is_symlink() else error.strerror
        raise _refused(path, f"cannot be opened: {reason}") from error


def _refused(path: Path, message: str) -> ReportingError:
    return ReportingError(message, file=str(path), hint="see what has put it there, and move it away")
