"""Where in the user's code something went wrong: their own lines, without ours."""

from __future__ import annotations

import importlib
import os
import traceback
from pathlib import Path
from types import FrameType

_OURS = f"{Path(__file__).resolve().parents[1]}{os.sep}"
_NOT_THEIRS = (_OURS, "<frozen importlib", str(importlib.__file__))
_MAX_WHERE = 200
_MAX_TRACEBACK = 16_000


def users_traceback(error: BaseException) -> str:
    """The traceback without our own frames and the import system's: what the user can mend."""
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    while part is not None:
        frames = [frame for frame in part.stack if not frame.filename.startswith(_NOT_THEIRS)]
        part.stack = traceback.StackSummary.from_list(frames)
        part = part.__cause__ or part.__context__
    return "".join(report.format())[-_MAX_TRACEBACK:]


def users_line(error: BaseException) -> str:
    """The last line of the user's that ran, as `app.py:12 in answer`; empty where none did."""
    found = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(_NOT_THEIRS):
            found = f"{_file(frame)}:{number} in {frame.f_code.co_name}"
    return found[-_MAX_WHERE:]


def _file(frame: FrameType) -> str:
    """The file as people know it: from the working directory on where it is below, else by its name."""
    path = Path(frame.f_code.co_filename)
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path.name)
