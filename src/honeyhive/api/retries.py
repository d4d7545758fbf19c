"""When a request is sent again, and after how long."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpx
import stamina

from honeyhive.errors import ApiStatusError, ApiUnreachableError

LONGEST_WAIT = 30.0
"""Seconds; who asks us to wait longer is asked again after these."""

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_UNTOUCHED = frozenset({429, 503})
"""Answers of a server that has done nothing yet."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_BROKEN = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)
_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]+)?")


class Attempts(Protocol):
    """The attempts of one request, for `for` or `async for`; each is entered with `with`."""

    def __iter__(self) -> Iterator[stamina.Attempt]:
        """Those that wait by blocking the thread."""
        ...

    def __aiter__(self) -> AsyncIterator[stamina.Attempt]:
        """Those that wait on the event loop."""
        ...


@dataclass(frozen=True, kw_only=True)
class Retries:
    """At most so many attempts in at most so many seconds; waits grow from `wait` to `longest_wait`, with jitter."""

    attempts: int = 5
    total: float = 60.0
    wait: float = 0.2
    longest_wait: float = 5.0
    jitter: float = 0.5

    def loop(self, budget: Budget, *, idempotent: bool) -> Attempts:
        """The attempts, until one succeeds or there is no use in another."""

        def again(error: Exception) -> bool | float:
            if not retryable(error, idempotent=idempotent):
                return False
            wait = error.retry_after if isinstance(error, ApiStatusError) else None
            if budget.left() <= (self.wait if wait is None else wait):
                return False
            return True if wait is None else wait

        return stamina.retry_context(
            on=again,
            attempts=self.attempts,
            timeout=None,  # the budget's affair, which knows of Retry-After too
            wait_initial=self.wait,
            wait_max=self.longest_wait,
            wait_jitter=self.jitter,
        )


class Budget:
    """The seconds that something may take in all; they begin to run when they are first asked for.

    What is done `within` another budget has no more than is left of that one.
    """

    def __init__(
        self, seconds: float, *, clock: Callable[[], float] = time.monotonic, within: Budget | None = None
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._within = within
        self._end: float | None = None

    def left(self) -> float:
        """How many are left; below zero once they are over."""
        if self._end is None:
            self._end = self._clock() + self.seconds
        own = self._end - self._clock()
        return own if self._within is None else min(own, self._within.left())


def retryable(error: Exception, *, idempotent: bool) -> bool:
    """Whether sending the request once more may help, and cannot do twice what should be done once."""
    if isinstance(error, ApiStatusError):
        return error.status in (_PASSING if idempotent else _UNTOUCHED)
    if isinstance(error, ApiUnreachableError):
        return isinstance(error.__cause__, _BROKEN if idempotent else _NOT_SENT) and not _lasts(error.__cause__)
    return False


def _lasts(cause: BaseException | None) -> bool:
    """Whether it would be the same the next time: a certificate that is not trusted, no TLS, a proxy that refuses."""
    if isinstance(cause, httpx.ProxyError) and str(cause).startswith("4"):
        return True
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None and not isinstance(cause, _CUT)


def retry_after(header: str | None, *, now: datetime | None = None) -> float | None:
    """The seconds that a `Retry-After` header asks to wait, within bounds; None where it says nothing we understand."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
        wait = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)
