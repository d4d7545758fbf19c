"""One event loop for all coroutines of a run, on a thread of its own; replaced when something blocks it."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_RESPONSE = 1.0
"""A loop that does not answer within this many seconds is blocked by code that never awaits."""


class EventLoop:
    """Runs awaitables for worker threads. The thread starts with the first of them, and none starts after `close()`.

    `threads` is how many more the coroutines get for what they hand to `asyncio.to_thread` and the like.
    """

    def __init__(self, *, threads: int) -> None:
        self._threads = max(1, threads)
        self._lock = threading.Lock()
        self._blocked: list[asyncio.AbstractEventLoop] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """The awaitable's value; `TimeoutError` after `timeout` seconds, whatever it then goes on doing."""
        loop = self._running()
        errand = _Errand(awaitable)
        if loop is None:  # the run is over, and nobody waits for this worker any more
            errand.drop()
            raise OutOfTimeError
        loop.call_soon_threadsafe(errand.start, loop)
        if errand.wait(timeout):
            return errand.result()
        errand.given_up = True
        loop.call_soon_threadsafe(errand.cancel)
        self._replace_if_blocked(loop)
        raise OutOfTimeError

    def close(self) -> None:
        """Cancel what still runs and end the thread; a blocked one is left behind, to end when it comes to it."""
        with self._lock:
            self._closed = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            left, self._blocked = self._blocked, []
        for blocked in left:
            blocked.call_soon_threadsafe(_stop, blocked)
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(_stop, loop)
            thread.join(_RESPONSE)

    def _running(self) -> asyncio.AbstractEventLoop | None:
        with self._lock:
            if self._loop is None and not self._closed:
                self._loop = asyncio.new_event_loop()
                # asyncio's own gives a few threads for each processor, however many workers were asked for.
                self._loop.set_default_executor(ThreadPoolExecutor(self._threads, thread_name_prefix="honeyhive-async"))
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
                self._blocked.append(loop)
                self._loop = self._thread = None


class OutOfTimeError(TimeoutError):
    """The awaitable did not end in time (its own `TimeoutError` is another thing)."""


class _Errand:
    """One awaitable, handed to the loop by a thread that waits for it.

    A lock does what `run_coroutine_threadsafe` does with two chained futures and a condition, at half the price.
    """

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable = awaitable
        self._task: asyncio.Task[Any] | None = None
        self.given_up = False
        self._ended = threading.Lock()
        self._ended.acquire()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.given_up:  # the loop was blocked all the while
            self.drop()
            return
        self._task = loop.create_task(_await(self._awaitable))
        self._task.add_done_callback(self._end)

    def drop(self) -> None:
        """Let go of what was never begun."""
        if inspect.iscoroutine(self._awaitable):
            self._awaitable.close()

    def wait(self, timeout: float | None) -> bool:
        return self._ended.acquire(timeout=-1 if timeout is None else timeout)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # seen, also where nobody waits for it any more: asyncio would complain
        self._ended.release()

    def result(self) -> Any:
        """The task's value or exception; only after `wait` was true."""
        return self._task.result() if self._task is not None else None


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        while not _served(loop):
            pass
    finally:
        loop.close()


def _served(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop came to its end; false where a coroutine threw it out, which its own waiter is told of too."""
    try:
        loop.run_forever()
    except (SystemExit, KeyboardInterrupt):
        return False
    return True


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    ending = loop.create_task(_end(loop, tasks))
    ending.add_done_callback(lambda _: loop.stop())


async def _end(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
