"""The platform as tests have it: what it is asked, what it keeps, what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from platform_server import description
from platform_server.arrivals import Arrivals, Recorded
from platform_server.endpoints import Asked, endpoint_of
from platform_server.faults import PROCESSED, Fault, Faults, Hit, Kind
from platform_server.replies import Reply, Style, parsed, refusal, reply, spoiled, styled
from platform_server.server import LONG, Callbacks, Listener
from platform_server.spans import SESSION, attributes
from platform_server.state import Kept, Refused, State


class PlatformServer:
    """HoneyHive on a port of this machine, as far as an experiment uses it; keeps what it is sent until it is closed.

    `own_ids` gives every run and session an id of the server's; `unknown_events` takes updates of events that it has
    never seen, else they are 404.
    """

    def __init__(
        self,
        *,
        style: Style = "full",
        own_ids: bool = False,
        unknown_events: bool = False,
        validate: bool = True,
        key: str = "hh-test-key",
    ) -> None:
        self.key = key
        self.validates = validate and description.load() is not None
        self._style: Style = style
        self._changed = threading.Condition()
        self._state = State(own_ids=own_ids, unknown_events=unknown_events)
        self._arrivals = Arrivals()
        self._faults = Faults()
        self._violations: list[str] = []
        self._broken: list[BaseException] = []
        self._down = False
        self._listener: Listener | None = Listener(0, self._callbacks())
        self.port = self._listener.server_port

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; raise what went wrong inside of the server itself."""
        self.stop()
        if self._broken:
            raise ExceptionGroup(
                "the fake platform is broken", [one for one in self._broken if isinstance(one, Exception)]
            )

    def stop(self) -> None:
        """The platform is down: connections are cut, new ones refused; what it keeps stays."""
        with self._changed:
            listener, self._listener = self._listener, None
            self._down = True
            self._changed.notify_all()
        if listener is not None:
            listener.end()

    def start_again(self) -> None:
        """The platform is up again, where it was."""
        if self._listener is None:
            self._down = False
            self._listener = Listener(self.port, self._callbacks())

    # --- what arrived -------------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[Recorded]:
        """Every request in order of arrival."""
        with self._changed:
            return list(self._arrivals.requests)

    def of(self, method: str, path: str) -> list[Recorded]:
        """Those with this method and this path, or with this path template: `/v1/runs/{run_id}`."""
        return [one for one in self.requests if one.method == method and path in (one.path, template(one))]

    @property
    def connections(self) -> list[int]:
        """The client's port of every connection, in order of arrival."""
        with self._changed:
            return list(self._arrivals.connections)

    @property
    def open_connections(self) -> frozenset[int]:
        """The client's ports of those that are open."""
        with self._changed:
            return frozenset(self._arrivals.open)

    @property
    def concurrency(self) -> int:
        """The highest number of requests in work at once."""
        with self._changed:
            return self._arrivals.concurrency

    @property
    def violations(self) -> list[str]:
        """What was wrong with requests, each with the place."""
        with self._changed:
            return list(self._violations)

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = LONG) -> None:
        """Wait for what arrives to make the condition true."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError("the platform waited in vain for what the test waits for")

    # --- what it keeps ------------------------------------------------------------------------------------------------

    @property
    def runs(self) -> dict[str, Kept]:
        """The runs by their ids."""
        return self._kept(self._state.runs)

    @property
    def sessions(self) -> dict[str, Kept]:
        """The sessions by their ids."""
        return self._kept(self._state.sessions)

    @property
    def events(self) -> dict[str, Kept]:
        """The events that are no sessions, by their ids."""
        return self._kept(self._state.events)

    @property
    def spans(self) -> dict[str, Kept]:
        """The spans by their ids."""
        return self._kept(self._state.spans)

    def spans_of(self, session_id: str) -> list[dict[str, Any]]:
        """The spans that say they belong to the session."""
        return [kept.value for kept in self.spans.values() if attributes(kept.value).get(SESSION) == session_id]

    def add_dataset(
        self, dataset_id: str, datapoints: Sequence[Mapping[str, Any]], *, missing: Sequence[str] = ()
    ) -> None:
        """A dataset of the platform's; those that are `missing` are listed in it, and are nowhere to be had."""
        with self._changed:
            self._state.add_dataset(dataset_id, datapoints, missing)

    def _kept(self, kept: dict[str, Kept]) -> dict[str, Kept]:
        with self._changed:
            return deepcopy(kept)

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def fail(
        self,
        method: str,
        path: str,
        kind: Kind,
        *,
        times: int | None = None,
        skip: int = 0,
        processed: bool | None = None,
        retry_after: str | None = "0",
        location: str = "",
        seconds: float = LONG,
    ) -> Fault:
        """Let requests with this method (`*`: any) and this beginning of a path fail, for ever or `times` times.

        `skip` lets that many through first. `processed` says whether the request takes effect all the same: without it
        for `reset` and `invalid-json` only. What hangs or is slow takes effect, where not `processed`, once it goes on.
        """
        fault = Fault(
            method=method,
            path=path,
            kind=kind,
            times=times,
            skip=skip,
            processed=kind in PROCESSED if processed is None else processed,
            retry_after=retry_after,
            location=location,
            seconds=seconds,
        )
        with self._changed:
            return self._faults.add(fault)

    def release(self) -> None:
        """Let go on what hangs by now."""
        with self._changed:
            self._faults.release()
            self._changed.notify_all()

    def mend(self) -> None:
        """Nothing goes wrong from here on; what hangs goes on."""
        with self._changed:
            self._faults.mend()
            self._changed.notify_all()

    # --- what it answers ----------------------------------------------------------------------------------------------

    def _callbacks(self) -> Callbacks:
        return Callbacks(
            connected=lambda port: self._note(lambda: self._arrivals.connected(port)),
            disconnected=lambda port: self._note(lambda: self._arrivals.disconnected(port)),
            asked=self._asked,
            broken=lambda exc: self._note(lambda: self._broken.append(exc)),
        )

    def _note(self, keep: Callable[[], object]) -> None:
        with self._changed:
            keep()
            self._changed.notify_all()

    def _asked(
        self, port: int, method: str, target: str, headers: Mapping[str, str], body: Callable[[], bytes]
    ) -> Reply | None:
        split = urlsplit(target)
        with self._changed:
            hit = self._faults.strike(method, split.path)
        content = b"" if hit and hit.kind == "refuse" else body()
        fields = {"method": method, "path": split.path, "headers": headers, "body": parsed(content)}
        with self._changed:
            query = parse_qs(split.query, keep_blank_values=True)
            request = self._arrivals.add(**fields, query=query, connection=port)
            self._look_at(request, hit)
            self._changed.notify_all()
        answer: Reply | None = None
        try:
            answer = self._answer(request, hit)
        finally:
            self._note(lambda: self._arrivals.done(request, answer))
        return answer

    def _look_at(self, request: Recorded, hit: Hit | None) -> None:
        if not self._authorized(request):
            self._violations.append(f"{request.method} {request.path}: without the key")
        if self.validates and not (hit and hit.kind == "refuse"):  # its body was never read
            self._violations.extend(description.violations(request))

    def _authorized(self, request: Recorded) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.key}"

    def _answer(self, request: Recorded, hit: Hit | None) -> Reply | None:
        if hit is None:
            return self._act(request)
        early = self._act(request) if hit.fault.processed else None
        if hit.kind in ("refuse", "reset-before"):
            return None
        if hit.kind in ("hang", "slow"):
            return (early or self._act(request)) if self._goes_on(hit) else None
        return spoiled(hit.fault, early or Reply(status=200))

    def _goes_on(self, hit: Hit) -> bool:
        with self._changed:
            longest = hit.fault.seconds if hit.kind == "slow" else None
            self._changed.wait_for(lambda: self._down or hit.released, longest)
            return not self._down

    def _act(self, request: Recorded) -> Reply:
        if not self._authorized(request):
            return refusal(401, "who are you?")
        found = endpoint_of(request.method, request.path)
        if found is None:
            return refusal(404, "there is nothing here")
        endpoint, parts = found
        with self._changed:
            try:
                body = endpoint.act(self._state, Asked(request=request, parts=parts))
                return reply(styled(endpoint.operation, body, self._style))
            except Refused as exc:
                if exc.status == 400:
                    self._violations.append(f"{request.method} {request.path}: {exc}")
                return refusal(exc.status, str(exc))
            finally:
                self._changed.notify_all()


def template(request: Recorded) -> str:
    """The path with its variable parts as names, where the platform knows it."""
    found = endpoint_of(request.method, request.path)
    return found[0].template if found else request.path
