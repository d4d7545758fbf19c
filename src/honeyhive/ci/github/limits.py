"""GitHub's limits on how much one may ask: whether an answer is one, and when one may ask again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from honeyhive.api.retries import retry_after

UNSAID = 60.0
"""Seconds to wait where a secondary limit does not say how long: "at least a minute"."""

_LONGEST_DIGITS = 12


def allowed_in(status: int, headers: Mapping[str, str], message: str, now: datetime) -> float | None:
    """The seconds until GitHub takes requests again; None where the answer is not about its limits."""
    if status not in (403, 429):
        return None
    after = headers.get("retry-after", "").strip()
    if (seconds := _whole(after)) is not None:
        return seconds
    if (named := retry_after(after)) is not None:
        return named
    if headers.get("x-ratelimit-remaining") == "0" and (reset := _whole(headers.get("x-ratelimit-reset"))) is not None:
        # By GitHub's own clock: ours may be wrong. One second more, for it tells whole seconds only.
        return max(reset - _clock(headers, now).timestamp(), 0.0) + 1.0
    return UNSAID if status == 429 or "secondary rate limit" in message.lower() else None


def _whole(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() and len(text) <= _LONGEST_DIGITS else None


def _clock(headers: Mapping[str, str], now: datetime) -> datetime:
    try:
        told = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return now
    return told if told.tzinfo else told.replace(tzinfo=UTC)
