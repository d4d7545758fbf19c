"""How long ago, and how many commits back: in the words that log and comment use."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = (("year", 365 * 86_400), ("month", 30 * 86_400), ("week", 7 * 86_400), ("day", 86_400), ("hour", 3_600),
          ("minute", 60))  # fmt: skip
_SKEW = 300.0
"""So many seconds the clocks of two machines may be apart."""


def moment(text: str | None) -> datetime | None:
    """The time that an ISO 8601 text says, in UTC; `None` where it says none."""
    try:
        found = datetime.fromisoformat(text or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def ago(then: str | None, now: datetime) -> str:
    """`3 hours ago`; empty where that cannot be said."""
    found = moment(then)
    if found is None:
        return ""
    seconds = (now - found).total_seconds()
    if seconds < -_SKEW:
        return "in the future, by its own clock"
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{counted(int(seconds // length), unit)} ago"
    return "just now"


def back(distance: int) -> str:
    """`2 commits back`; `the same commit` for none."""
    return f"{counted(distance, 'commit')} back" if distance else "the same commit"


def counted(number: int, noun: str) -> str:
    """`1 commit`, `1,200 commits`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
