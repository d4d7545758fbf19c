"""How a command speaks and ends: its lines, its one line about an error, its exit code."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from honeyhive.ci.commands import Annotation, error_annotation
from honeyhive.ci.lastwords import LAST_WORDS, OVER
from honeyhive.ci.outlet import OUTLET
from honeyhive.documents import neutralise
from honeyhive.errors import Cancelled, HoneyHiveError, HoneyHiveWarning

_SIGNALS = tuple(  # Windows has no SIGHUP
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_PR_SET_PDEATHSIG = 1


def listen_for_signals() -> None:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Cancelled`, raised in the main thread; the others are too many."""
    for number in _SIGNALS:
        if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is not signal.SIG_IGN:  # `nohup`
            signal.signal(number, _cancel)


def listen_no_more() -> None:
    """All is decided and told but for the last lines: what stops the command from now on changes none of it."""
    for number in () if LAST_WORDS.begun else _SIGNALS:
        signal.signal(number, _leave_at_once)


def end_with_parent() -> None:
    """On Linux: whatever ends the parent ends this process, and be it SIGKILL; nobody would hear of it any more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def say(text: str, *, err: bool = False) -> None:
    """Print a line, as it is but for the secrets in it."""
    OUTLET.say(text, err=err)


def complain(error: HoneyHiveError, error_file: Path | None) -> int:
    """One line that says what is wrong and what to do; a parent process that waits for it says it in our place."""
    listen_no_more()
    for line in error.details.splitlines():
        say(neutralise(line), err=True)
    if error_file is None:
        annotate(error_annotation(error))
        return error.exit_code
    said = {"title": error.title, "message": error.message, "hint": error.hint, "file": error.file, "line": error.line}
    error_file.write_text(json.dumps(said), encoding="utf-8")
    return error.exit_code


def annotate(annotation: Annotation) -> None:
    """For the runner, or for the person at the terminal; what is too long is cut only when no secret is in it."""
    annotation = replace(
        annotation,
        title=OUTLET.clean(annotation.title),
        message=OUTLET.clean(annotation.message),
        file=OUTLET.clean(annotation.file) if annotation.file else None,
    )
    at_terminal = sys.stderr is not None and sys.stderr.isatty()  # it is None where it was closed
    say(annotation.plain() if at_terminal else annotation.command(), err=True)


def warn_in_a_line() -> None:
    """From now on a warning of ours is a line of the log, without the place in our source that Python shows."""
    usual = warnings.showwarning

    def shown(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, HoneyHiveWarning):
            say(neutralise(f"warning: {message}"), err=True)
        else:
            usual(message, category, *place, **more)

    setattr(warnings, "showwarning", shown)  # noqa: B010 - mypy takes no other function for it


def our_fault(error: BaseException) -> HoneyHiveError:
    """What nobody could explain, as an error; its traceback only where the runner is asked to debug."""
    details = "".join(traceback.format_exception(error)) if os.environ.get("RUNNER_DEBUG") == "1" else ""
    hint = "please report it; RUNNER_DEBUG=1 shows where it happened"
    return HoneyHiveError(f"{type(error).__name__}: {error}", hint=hint, details=details)


def error_file_of(arguments: list[str]) -> Path | None:
    """Where a parent wants to read of an error, known before anything can go wrong."""
    return (
        Path(arguments[at + 1])
        if "--error-file" in arguments[:-1] and (at := arguments.index("--error-file"))
        else None
    )


def leave(code: int) -> NoReturn:
    """End now: a thread that hangs in the user's code must not keep the process alive."""
    OUTLET.flush()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed: by who reads it, or by the user's code
            stream.flush()
    os._exit(code)


def _heard(_number: int, _frame: Any) -> None:
    """Another signal, when the first is already being obeyed."""


def _leave_at_once(number: int, _frame: Any) -> NoReturn:
    os._exit(Cancelled.first_exit_code + number)


def _cancel(number: int, _frame: Any) -> NoReturn:
    for every in _SIGNALS:  # the runner sends several, seconds apart: one is enough
        # Not SIG_IGN: Python raises an error of its own where a signal comes just as it begins to be ignored.
        signal.signal(every, _heard)
    LAST_WORDS.begin()
    # A signal may come while a lock is taken, which then nobody gives back: what waits for it must not wait for ever.
    timer = threading.Timer(OVER, os._exit, (Cancelled.first_exit_code + number,))
    timer.daemon = True
    timer.start()
    name = signal.Signals(number).name
    raise Cancelled(f"stopped by {name}", signal_number=number, hint="run it again, or go on with --resume")
