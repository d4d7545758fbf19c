"""What must not be done twice: where an answer is lost, how things stand is looked up before it is sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from honeyhive.errors import GitHubError

T = TypeVar("T")

LOST_ANSWERS = 3
"""How many answers to one wish may be lost before it is given up."""
SETTLE = 1.0
"""Seconds before it is looked up: what was written is not to be seen at once everywhere."""


def is_lost(error: GitHubError) -> bool:
    """Whether nobody knows what became of a request: GitHub may have done it."""
    return error.status is None or error.status >= 500


def once(send: Callable[[], T], look_up: Callable[[], T | None], *, pause: Callable[[float], None]) -> T:
    """What `send` comes to, or what `look_up` finds of it where its answer was lost."""
    for left in reversed(range(LOST_ANSWERS)):
        try:
            return send()
        except GitHubError as error:
            if not is_lost(error) or not left:
                raise
        pause(SETTLE)
        found = look_up()
        if found is not None:
            return found
    raise AssertionError("the last attempt returns or raises")
