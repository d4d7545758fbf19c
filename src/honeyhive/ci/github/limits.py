"""GitHub's limits on how much one may ask: whether an answer is one, and when one may ask again."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from honeyhive.api.retries import retry_after

UNSAID = 60.0
"""Seconds to wait where a secondary limit does not say how long: "at least a minute"."""

BETWEEN_WRITES = 1.0
"""Seconds from one write to the next: "wait at least one second between each request"."""

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})

_LONGEST_DIGITS = 12


class Pace:
    """When GitHub may be asked next: not while one of its limits holds, and a second after the last write."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open = self._next_write = -math.inf

    def turn(self, method: str) -> float:
        """Take the next turn for such a request: the seconds until it comes."""
        with self._lock:
            now = self._clock()
            start = max(now, self._open)
            if method in WRITES:
                start = max(start, self._next_write)
                self._next_write = start + BETWEEN_WRITES
            return start - now

    def answered(self, method: str) -> None:
        """A request is over: what comes after a write comes a second after its end."""
        with self._lock:
            if method in WRITES:
                self._next_write = max(self._next_write, self._clock() + BETWEEN_WRITES)

    def limited(self, seconds: float) -> None:
        """GitHub takes nothing for so many seconds."""
        with self._lock:
            self._open = max(self._open, self._clock() + seconds)


def allowed_in(status: int, headers: Mapping[str, str], message: str, now: datetime) -> float | None:
    """The seconds until GitHub takes requests again; None where the answer is not about its limits."""
    if status not in (403, 429):
        return None
    after = headers.get("retry-after", "").strip()
    if (seconds := _whole(after)) is not None:
        return seconds
    if (named := retry_after(after)) is not None:
        return named
    if (reset := used_up_for(headers, now)) is not None:
        return reset
    return UNSAID if status == 429 or "secondary rate limit" in message.lower() else None


def used_up_for(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds until the hour's requests are anew, where an answer says that this one was the last of them."""
    reset = _whole(headers.get("x-ratelimit-reset"))
    if headers.get("x-ratelimit-remaining") != "0" or reset is None:
        return None
    # By GitHub's own clock: ours may be wrong. One second more, for it tells whole seconds only.
    return max(reset - _clock(headers, now).timestamp(), 0.0) + 1.0


def _whole(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_DIGITS else None


def _clock(headers: Mapping[str, str], now: datetime) -> datetime:
    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return now
    return told if told.tzinfo else told.replace(tzinfo=UTC)
