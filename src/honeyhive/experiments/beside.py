"""Files beside a run file, opened only where they are files: whoever wrote the run may have put anything there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from honeyhive.errors import ReportingError

# Neither is there on every system; without the second, a FIFO would keep us waiting for who writes to it.
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def open_beside(path: Path, flags: int) -> int:
    """A descriptor of the regular file at `path`; a link is not followed.

    Raises `FileNotFoundError` where nothing is there, `ReportingError` for anything else that cannot be opened so.
    """
    try:
        descriptor = os.open(path, flags | _CAREFUL, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a link" if path.is_symlink() else error.strerror
        raise _refused(path, f"cannot be opened: {reason}") from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _refused(path, "is no regular file")


def _refused(path: Path, message: str) -> ReportingError:
    return ReportingError(message, file=str(path), hint="see what has put it there, and move it away")
