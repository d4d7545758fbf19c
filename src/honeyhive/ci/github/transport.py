"""Requests to GitHub over HTTP: what a refusal means, when to ask again, and the token to one origin only."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from itertools import count
from typing import Any, TypeVar

import httpx

from honeyhive.api.call import Call
from honeyhive.api.connection import Connection
from honeyhive.api.exchange import Received
from honeyhive.api.retries import Budget, Retries, retryable
from honeyhive.api.transport import Transport
from honeyhive.ci.github.answers import refusal_message
from honeyhive.ci.github.limits import Pace, allowed_in, used_up_for
from honeyhive.ci.github.permissions import advice, needed
from honeyhive.errors import ApiError, GitHubError, GitHubPermissionError

T = TypeVar("T")

MEDIA = "application/vnd.github+json"
API_VERSION = "2022-11-28"

RETRIES = Retries(attempts=5, total=90.0, wait=1.0, longest_wait=8.0)
LONGEST_PAUSE = 65.0
"""Seconds; a limit that lasts longer is told, not waited for."""

MOST_REDIRECTS = 2

_PASSING = frozenset({500, 502, 503, 504})
_MOVED = frozenset({301, 302, 307, 308})
_ENDPOINT = re.compile(r"^/repos/[^/]+/[^/]+(?=/|$)")


class GitHubTransport(Transport):
    """Sends calls to GitHub, from any thread. What fails is a `GitHubError`, after the retries; no text has the token.

    What may be done twice is sent again where an answer is lost; all else only where GitHub has said that it did
    nothing. Between two writes there is a second, and while one of GitHub's limits holds nothing is asked. `pause`
    waits, by `clock`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        pause: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`transport` takes the place of the network in tests."""
        super().__init__(connection, retries=RETRIES, transport=transport)
        self.pause = pause
        self.within: Budget | None = None
        self._clock = clock
        self._pace = Pace(clock)

    def prepare(self) -> None:
        """Import and read now whatever a request takes: later the user's code may have been where that is loaded from.

        Where no client can be made, the first request says why.
        """
        "localhost".encode("idna")  # sockets look for this codec when a name is first resolved
        with suppress(ApiError), self._lent():
            pass

    def send(self, call: Call[T]) -> T:
        """What the call comes to."""
        return self.parsed(call, self.exchange(call))

    def parsed(self, call: Call[T], received: Received) -> T:
        """What is in the answer."""
        try:
            return self._exchange.result(call, received)
        except ApiError as error:
            raise self._error(error, received.status) from error

    def exchange(self, call: Call[T]) -> Received:
        """The answer, which is no refusal."""
        budget = Budget(self._retries.total, clock=self._clock, within=self.within)
        for attempt in count(1):
            self._await_turn(call, budget)
            received = self._attempt(call, budget)
            if isinstance(received, Received) and 200 <= received.status < 300:
                return received
            wait = self._wait(call, received, attempt)
            last = attempt == self._retries.attempts
            if wait is None or last or wait > min(LONGEST_PAUSE, budget.left()):
                raise self._failure(call, received, budget)
            self.pause(wait)
        raise AssertionError("the last attempt returns or raises")

    def _await_turn(self, call: Call[T], budget: Budget) -> None:
        """Wait until GitHub may be asked; `GitHubError` where that takes longer than there is time."""
        wait, left = self._pace.turn(call.method), budget.left()
        if left <= 0:
            hint = "the time for reporting was over: is GitHub slow or out of order? See https://www.githubstatus.com"
            raise GitHubError(f"{call.request}: not asked any more", hint=hint, request=call.request)
        if wait > min(LONGEST_PAUSE, left):
            raise GitHubError(f"{call.request}: not asked", hint=_when(wait), request=call.request)
        if wait > 0:
            self.pause(wait)

    def _headers(self) -> Mapping[str, str]:
        return {
            "Authorization": f"Bearer {self.connection.api_key}",
            "Accept": MEDIA,
            "Accept-Encoding": "gzip, deflate",
            "Content-Type": "application/json",
            "User-Agent": f"honeyhive/{_version()}",
            "X-GitHub-Api-Version": API_VERSION,
        }

    def _attempt(self, call: Call[T], budget: Budget) -> Received | ApiError:
        """The answer to a call, or why there is none. What has moved on the same server is followed there."""
        for _ in range(MOST_REDIRECTS):
            received = self._tried_once(call, budget)
            moved = self._moved(call, received) if isinstance(received, Received) else None
            if moved is None:
                return received
            call = moved
        return self._tried_once(call, budget)

    def _tried_once(self, call: Call[T], budget: Budget) -> Received | ApiError:
        try:
            self.check_open(call)
            received = self._once(call, budget)
        except ApiError as error:
            return error
        finally:
            self._pace.answered(call.method)
        used_up = used_up_for(received.headers, datetime.now(UTC))
        if used_up is not None:
            self._pace.limited(used_up)
        return received

    def _moved(self, call: Call[T], received: Received) -> Call[T] | None:
        """The call to where its answer sends it: asked for only, and no further than the API that the token is for."""
        base = self.connection.server_url
        target = received.headers.get("location", "")
        if received.status not in _MOVED or call.method != "GET" or not target.startswith(f"{base}/"):
            return None
        place = target.removeprefix(base).partition("#")[0]
        # Steps upwards would lead out of the API.
        if not place.isascii() or {".", ".."} & set(place.partition("?")[0].lower().replace("%2e", ".").split("/")):
            return None
        return replace(call, path=place, params=())

    def _wait(self, call: Call[T], received: Received | ApiError, attempt: int) -> float | None:
        """The seconds after which to ask again; None where that would not help, or could do a thing twice."""
        if isinstance(received, Received):
            limit = allowed_in(received.status, received.headers, self._message(received), datetime.now(UTC))
            if limit is not None:
                self._pace.limited(limit)
                return limit
            again = call.idempotent and received.status in _PASSING
        else:
            again = retryable(received, idempotent=call.idempotent)
        growing = min(self._retries.wait * 2 ** (attempt - 1), self._retries.longest_wait)
        return growing + random.uniform(0, self._retries.jitter) if again else None  # noqa: S311 - spreads requests

    @staticmethod
    def _message(received: Received) -> str:
        try:
            return refusal_message(json.loads(received.body))
        except (ValueError, RecursionError):
            return ""

    def _failure(self, call: Call[T], received: Received | ApiError, budget: Budget) -> GitHubError:
        return self._refused(call, received, budget) if isinstance(received, Received) else self._unreached(received)

    def _unreached(self, error: ApiError) -> GitHubError:
        raised = self._error(error, None)
        raised.__cause__ = error.__cause__
        return raised

    def _error(self, error: ApiError, status: int | None) -> GitHubError:
        hint = error.hint
        if "HH_API_URL" in hint:  # which names HoneyHive's
            hint = f"is {self.connection.origin} the GitHub that runs this, and reachable from here? See GITHUB_API_URL"
        return GitHubError(error.message, hint=hint, request=error.request, status=status)

    def _refused(self, call: Call[T], received: Received, budget: Budget) -> GitHubError:
        status, message = received.status, self._exchange.clean(self._message(received))
        text = f"{call.request}: {status}{': ' if message else ''}{message}"
        limit = allowed_in(status, received.headers, message, datetime.now(UTC))
        if limit is not None:
            return GitHubError(text, hint=_when(limit), request=call.request, status=status)
        if status in _MOVED:
            hint = "was the repository renamed? The token is not sent to where this leads"
            return GitHubError(text, hint=hint, request=call.request, status=status)
        if status == 401:
            hint = "is `github-token` still valid? The token of a job ends with the job"
            return GitHubPermissionError(text, hint=hint, request=call.request, status=status)
        if status == 403 or (status == 404 and self._hidden(call, received, budget)):
            permission = needed(call.method, call.path, received.headers.get("x-accepted-github-permissions", ""))
            return GitHubPermissionError(text, hint=advice(permission), request=call.request, status=status)
        hint = _HINTS.get(status, "try later" if status >= 500 else "")
        return GitHubError(text, hint=hint, request=call.request, status=status)

    def _hidden(self, call: Call[Any], received: Received, budget: Budget) -> bool:
        """Whether "not found" means "not for you": the repository itself is not found either, or a scope is missing."""
        held, asked = (_scopes(received.headers.get(name)) for name in ("x-oauth-scopes", "x-accepted-oauth-scopes"))
        if held is not None and asked and not held & asked:
            return True
        repository = _ENDPOINT.match(call.path)
        if repository is None:
            return False
        if repository[0] == call.path:
            return True
        looked = self._attempt(Call(method="GET", path=repository[0], parse=_nothing), budget)
        return isinstance(looked, Received) and looked.status == 404


@cache
def _version() -> str:
    return version("honeyhive")


_HINTS = {
    404: "there is no such thing here, or no more",
    410: "it has been deleted, or switched off for this repository",
    422: "GitHub does not take that as it is",
}


def _nothing(_: Any) -> None:
    """Whether there is an answer is all that we want of it."""


def _scopes(header: str | None) -> set[str] | None:
    return None if header is None else {name.strip() for name in header.split(",") if name.strip()}


def _when(seconds: float) -> str:
    try:
        at = datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return "GitHub takes no more requests of this token for now"
    return f"GitHub takes no more requests of this token until {at:%Y-%m-%d %H:%M:%S} UTC: run again then"
