"""Sends calls over HTTP: connections kept, times bounded, retries, and the key to one origin only."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar, cast

import httpx

from honeyhive.api.call import Call
from honeyhive.api.clients import Client, Habits, new_async_client, new_client
from honeyhive.api.connection import Connection
from honeyhive.api.deadline import Deadline, Line
from honeyhive.api.exchange import MAX_ANSWER, Exchange, Received, headers
from honeyhive.api.pool import Pool
from honeyhive.api.retries import Budget, Retries
from honeyhive.errors import ApiError

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds for each step of an exchange: some results take the platform a while to compute."""

MAX_CONNECTIONS = 10

_CONNECT_TIMEOUT = 10.0
_SHORTEST = 0.001  # none at all would mean that a socket does not wait

# Each retry is logged as a warning, which Python shows on stderr where nobody has set up logging: ours are told where
# they end in an error, and nowhere else by default. Who sets up logging still gets them.
logging.getLogger("stamina").addHandler(logging.NullHandler())


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT), pool=None)


class _Sending:
    """What both transports know. `timeout` is for each step of an exchange, `retries` bound the whole of it."""

    def __init__(
        self,
        connection: Connection,
        *,
        timeout: float | None = None,
        retries: Retries | None = None,
        max_connections: int = MAX_CONNECTIONS,
        transport: object = None,
    ) -> None:
        """`transport` takes the place of the network in tests: one of httpx's, such as its MockTransport."""
        self.connection = connection
        self._timeout = timeout or connection.timeout or TIMEOUT
        self._retries = retries or Retries()
        self._max_connections = max_connections
        self._transport = transport
        self._exchange = Exchange(connection=connection)
        self._closed = False
        self._begin()

    def __repr__(self) -> str:
        """Without the key."""
        return f"{type(self).__name__}({self.connection.origin})"

    def _begin(self) -> None:
        """What one kind of transport needs besides."""

    def _headers(self) -> Mapping[str, str]:
        """What every request says, the key among it."""
        return headers(self.connection)

    def _habits(self, connections: int) -> Habits:
        return Habits(headers=self._headers(), timeout=_timeout(self._timeout), connections=connections)

    def _request(
        self,
        client: httpx.Client | httpx.AsyncClient,
        call: Call[T],
        seconds: float = math.inf,
        line: Line | None = None,
    ) -> httpx.Request:
        params: list[tuple[str, str | int | float | bool | None]] = [*call.params]
        return client.build_request(
            call.method,
            f"{self.connection.server_url}{call.path}",
            params=params or None,
            content=call.body,
            timeout=_timeout(min(self._timeout, max(seconds, _SHORTEST))),
            extensions=None if line is None else {"trace": line.trace},
        )

    def check_open(self, call: Call[T]) -> None:
        """An `ApiError` once it is closed."""
        if self._closed:
            raise ApiError(f"{call.request}: the client is closed", hint="make another one", request=call.request)


class Transport(_Sending):
    """Sends calls, from any thread; a process that forks gets connections of its own."""

    def _begin(self) -> None:
        self._pools: dict[int, Pool] = {}

    def send(self, call: Call[T]) -> T:
        """What the call comes to; an `ApiError` where it fails, after its retries."""
        self.check_open(call)
        budget = Budget(self._retries.total)
        for attempt in self._retries.loop(budget, idempotent=call.idempotent):
            with attempt:
                return self._exchange.result(call, self._once(call, budget))
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the connections, those in use when they are free; calls are refused from now on."""
        self._closed = True
        self._pool().close_free()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def _pool(self) -> Pool:
        # Two processes must not write to one socket: the child of a fork leaves its parent's connections alone. There
        # is no lock around this, which a fork could leave locked for ever: of two made at once, one is kept.
        process = os.getpid()
        return self._pools.get(process) or self._pools.setdefault(process, Pool(self._max_connections))

    @contextmanager
    def _lent(self) -> Iterator[Client]:
        """A client for this thread alone, once there is one."""
        pool = self._pool()
        with pool.slots:
            client = pool.take() or self._new_client()
            usable = False
            try:
                yield client
                usable = True
            except ApiError:
                usable = True
                raise
            finally:
                # After a signal nobody knows in which state its connection is, and who waits for that.
                (pool.give_back if usable else Client.close)(client)
                if self._closed:
                    pool.close_free()

    def _new_client(self) -> Client:
        transport = cast("httpx.BaseTransport | None", self._transport)  # what the user of a test gives
        return new_client(self.connection.server_url, self._habits(1), transport=transport)

    def _once(self, call: Call[T], budget: Budget) -> Received:
        with self._lent() as client:
            with Deadline(client.line, budget.left()) as deadline:
                done = self._tried(client, call, budget)
            # An answer that ends with its connection may look whole when that was cut.
            if deadline.over:
                raise self._exchange.overdue(call, budget.seconds)
        if isinstance(done, Received):
            return done
        raise self._exchange.failure(call, done) from self._exchange.cause(done)

    def _tried(self, client: Client, call: Call[T], budget: Budget) -> Received | httpx.HTTPError | httpx.InvalidURL:
        """The answer, or why there is none: raised where this is caught, it would hold what it was caught for."""
        try:
            response = client.send(self._request(client, call, budget.left(), client.line), stream=True)
            try:
                self._exchange.check_head(call, response.headers)
                body = self._read(call, response.iter_bytes(), budget)
            finally:
                response.close()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return error
        return Received(status=response.status_code, headers=response.headers, body=body)

    def _read(self, call: Call[T], chunks: Iterable[bytes], budget: Budget) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > MAX_ANSWER:
                raise self._exchange.too_long(call)
            if budget.left() <= 0:
                raise self._exchange.overdue(call, budget.seconds)
        return bytes(body)


class AsyncTransport(_Sending):
    """Sends calls on one event loop, as many at once as there may be connections."""

    def _begin(self) -> None:
        self._client: httpx.AsyncClient | None = None
        # Waiting for a connection costs nothing here; in httpx's own queue each one waiting slows all the others.
        self._slots = asyncio.Semaphore(self._max_connections)

    async def send(self, call: Call[T]) -> T:
        """What the call comes to; an `ApiError` where it fails, after its retries."""
        self.check_open(call)
        budget = Budget(self._retries.total)
        async for attempt in self._retries.loop(budget, idempotent=call.idempotent):
            with attempt:
                async with self._slots:
                    received = await self._in_time(call, budget)
                return self._exchange.result(call, received)
        raise AssertionError("the last attempt returns or raises")

    async def aclose(self) -> None:
        """Close the connections; calls are refused from now on."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    async def _in_time(self, call: Call[T], budget: Budget) -> Received:
        try:
            async with asyncio.timeout(budget.left()):
                return await self._once(call)
        except TimeoutError as error:
            raise self._exchange.overdue(call, budget.seconds) from error

    async def _once(self, call: Call[T]) -> Received:
        if self._client is None:
            transport = cast("httpx.AsyncBaseTransport | None", self._transport)  # what the user of a test gives
            habits = self._habits(self._max_connections)
            self._client = new_async_client(self.connection.server_url, habits, transport=transport)
        failed: httpx.HTTPError | httpx.InvalidURL
        try:
            response = await self._client.send(self._request(self._client, call), stream=True)
            try:
                self._exchange.check_head(call, response.headers)
                body = await self._read(call, response.aiter_bytes())
            finally:
                await response.aclose()
            return Received(status=response.status_code, headers=response.headers, body=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failed = error
        raise self._exchange.failure(call, failed) from self._exchange.cause(failed)

    async def _read(self, call: Call[T], chunks: AsyncIterable[bytes]) -> bytes:
        body = bytearray()
        async for chunk in chunks:
            body += chunk
            if len(body) > MAX_ANSWER:
                raise self._exchange.too_long(call)
        return bytes(body)
