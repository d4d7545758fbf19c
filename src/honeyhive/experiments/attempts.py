"""The seam around the user's code: whatever it does, what comes back is a value or a `Fault`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from honeyhive.errors import Cancelled
from honeyhive.experiments.tracebacks import users_line, users_traceback
from honeyhive.result import Fault

T = TypeVar("T")
E = TypeVar("E")

MAX_MESSAGE = 2_000
"""No message of an exception is kept longer than this: it ends up in files and comments."""


def attempt(call: Callable[[], T], *, exits: bool = False) -> T | Fault:
    """The value of `call`, or the fault that it ended in; `SystemExit` included, unless it `exits`."""
    return attempt_or(call, _leave_or_fault if exits else to_fault)


def attempt_or(call: Callable[[], T], otherwise: Callable[[BaseException], E]) -> T | E:
    """The value of `call`, or what `otherwise` makes of the exception that it ended in."""
    try:
        return call()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | Cancelled) and threading.current_thread() is threading.main_thread():
            raise  # a signal, on its way through the user's code: signals come to the main thread alone
        return otherwise(error)


def _leave_or_fault(error: BaseException) -> Fault:
    if isinstance(error, SystemExit):
        raise error
    return to_fault(error)


def to_fault(error: BaseException) -> Fault:
    """The exception as a value: its type's name, its message within bounds, and where in the user's code it was."""
    return Fault(
        type=type(error).__name__,
        message=_message(error)[:MAX_MESSAGE],
        where=_told(users_line, error),
        traceback=_told(users_traceback, error),
    )


def _told(tell: Callable[[BaseException], str], error: BaseException) -> str:
    """What can be told of an exception; nothing where its own code, which is asked for it, fails."""
    try:
        return tell(error)
    except Exception:  # noqa: BLE001 - `__str__` and notes are the user's code too, and the fault itself is told
        return ""


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as unprintable:  # noqa: BLE001 - `__str__` is the user's code too
        return f"<its message cannot be printed: {type(unprintable).__name__}>"


def timeout_fault(what: str, seconds: float) -> Fault:
    """The fault of something that gave no answer in its time."""
    return Fault(type="TimeoutError", message=f"{what} gave no answer within {seconds:g} s")


def unusable(value: Any) -> Fault | None:
    """The fault of a value that is no answer, such as a generator that has not run."""
    kind = type(value)  # asked in place of the value, whose attributes may be the user's code
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        message = f"the function returned a {kind.__name__}: return the value that it makes"
        return Fault(type="TypeError", message=message)
    return None
