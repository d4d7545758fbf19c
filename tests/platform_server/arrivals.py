"""What reached the server: each request in order of arrival, the connections, how many were in work at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from platform_server.replies import Reply


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """One request, and what it was answered with; `answered` is None for as long as there is no whole answer."""

    at: int
    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: Any
    """Parsed where it is JSON, else its bytes; None where there is none, or it was never read."""
    connection: int
    """The client's port."""
    moment: float = 0.0
    """When it came, by this machine's steady clock."""
    answered: int | None = None
    answer: Any = None
    """The body of the answer, parsed where it is JSON."""


class Arrivals:
    """All that arrived; whoever holds the server's lock may use it."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.connections: list[int] = []
        self.open: set[int] = set()
        self.concurrency = 0
        self._working = 0

    def connected(self, port: int) -> None:
        """A client has connected from this port."""
        self.connections.append(port)
        self.open.add(port)

    def disconnected(self, port: int) -> None:
        """Its connection is gone."""
        self.open.discard(port)

    def add(self, **fields: Any) -> Recorded:
        """The request as it is kept; it is in work until `done`."""
        recorded = Recorded(at=len(self.requests), moment=time.monotonic(), **fields)
        self.requests.append(recorded)
        self._working += 1
        self.concurrency = max(self.concurrency, self._working)
        return recorded

    def done(self, recorded: Recorded, reply: Reply | None) -> None:
        """Nothing is left to do but to send the answer, if there is one: from here on the client may ask again."""
        self._working -= 1
        if reply is not None and not reply.cut:
            self.requests[recorded.at] = replace(recorded, answered=reply.status, answer=reply.answer)
