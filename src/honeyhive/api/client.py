"""`HoneyHive`: the client of the API, under the names of both generations of the published SDK."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from honeyhive.api.call import Call
from honeyhive.api.connection import Connection
from honeyhive.api.resources import Datapoints, Datasets, Events, Experiments, Sessions, Spans
from honeyhive.api.retries import Retries
from honeyhive.api.transport import MAX_CONNECTIONS, AsyncTransport, Transport
from honeyhive.errors import ArgumentError

T = TypeVar("T")


class HoneyHive:
    """The HoneyHive API. What is not given comes from the environment; without a key there is no client.

    It keeps its connections, at most `max_connections` to block on and as many to await; it can be used from many
    threads, and awaited on one event loop at a time. What fails is an `ApiError`, after the retries.
    """

    def __init__(  # noqa: PLR0913 - the names of both generations
        self,
        api_key: str | None = None,
        project: str | None = None,
        *,
        server_url: str | None = None,
        base_url: str | None = None,
        bearer_auth: str | None = None,
        timeout: float | None = None,
        max_connections: int = MAX_CONNECTIONS,
        retries: Retries | None = None,
        verbose: bool = False,
        transport: object = None,
    ) -> None:
        """`base_url` and `bearer_auth` are other names of `server_url` and `api_key`; `verbose` has no effect.

        `timeout` is for each step of an exchange, in seconds; `transport` takes the place of the network in tests.
        """
        connection = Connection.found(
            os.environ, api_key=api_key or bearer_auth, project=project, server_url=base_url or server_url
        )
        if connection is None:
            raise ArgumentError("no API key", hint="give api_key, or set HH_API_KEY")
        self.connection = connection
        self.verbose = verbose
        self._line = Transport(
            connection, timeout=timeout, retries=retries, max_connections=max_connections, transport=transport
        )
        self._make_async_line = partial(
            AsyncTransport,
            connection,
            timeout=timeout,
            retries=retries,
            max_connections=max_connections,
            transport=transport,
        )
        # Connections belong to the loop that opened them, and are of no use to another.
        self._async_lines: dict[asyncio.AbstractEventLoop, AsyncTransport] = {}
        self.experiments = Experiments(self)
        self.evaluations = self.experiments
        self.sessions = Sessions(self)
        self.events = Events(self)
        self.spans = Spans(self)
        self.datasets = Datasets(self)
        self.datapoints = Datapoints(self)

    def __repr__(self) -> str:
        """Without the key."""
        return f"HoneyHive({self.connection.server_url!r}, project={self.connection.project!r})"

    @property
    def project(self) -> str | None:
        """The project that was given; the platform knows it from the key."""
        return self.connection.project

    @property
    def server_url(self) -> str:
        """The server's address."""
        return self.connection.server_url

    def send(self, call: Call[T]) -> T:
        """What a call comes to."""
        return self._line.send(call)

    async def send_async(self, call: Call[T]) -> T:
        """What a call comes to, awaited."""
        self._line.check_open(call)
        return await self._async_line(asyncio.get_running_loop()).send(call)

    def close(self) -> None:
        """Close the connections that calls block on; no more calls. What was awaited is closed by `aclose()`."""
        self._line.close()

    async def aclose(self) -> None:
        """Close the connections that this event loop has awaited on; other calls go on as before."""
        line = self._async_lines.pop(asyncio.get_running_loop(), None)
        if line is not None:
            await line.aclose()

    def _async_line(self, loop: asyncio.AbstractEventLoop) -> AsyncTransport:
        line = self._async_lines.get(loop)
        if line is None:
            for ended in [other for other in self._async_lines.copy() if other.is_closed()]:
                self._async_lines.pop(ended, None)
            line = self._async_lines[loop] = self._make_async_line()
        return line

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close it, and what was awaited on this event loop."""
        await self.aclose()
        self.close()
