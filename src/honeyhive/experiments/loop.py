"""One event loop for all coroutines of a run, on a thread of its own; replaced when something blocks it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable
from typing import Any

_RESPONSE = 1.0
"""A loop that does not answer within this many seconds is blocked by code that never awaits."""


class EventLoop:
    """Runs awaitables for worker threads. The thread starts with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """The awaitable's value; `TimeoutError` after `timeout` seconds, whatever it then goes on doing."""
        loop = self._running()
        future = asyncio.run_coroutine_threadsafe(_await(awaitable), loop)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if future.done():  # the user's own TimeoutError
                raise
            future.cancel()
            self._replace_if_blocked(loop)
            raise OutOfTimeError from None

    def close(self) -> None:
        """Cancel what still runs and end the thread; a blocked one is left behind."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(_stop, loop)
            thread.join(_RESPONSE)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="honeyhive-loop", daemon=True)
                self._thread.start()
            return self._loop

    def _replace_if_blocked(self, loop: asyncio.AbstractEventLoop) -> None:
        answered = threading.Event()
        loop.call_soon_threadsafe(answered.set)
        if answered.wait(_RESPONSE):
            return
        with self._lock:
            if self._loop is loop:
                self._loop = self._thread = None


class OutOfTimeError(TimeoutError):
    """The awaitable did not end in time (its own `TimeoutError` is another thing)."""


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    ended = asyncio.gather(*tasks, loop.shutdown_asyncgens(), return_exceptions=True)
    ended.add_done_callback(lambda _: loop.stop())
