"""The event loop of a run: it answers threads, gives up in time, and outlives what coroutines do to it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

from honeyhive.experiments.loop import EventLoop, OutOfTimeError
from threads import ours

LONG = 60.0


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    """A loop; once the test is over it ends, every coroutine with it, and none complains."""
    loop = EventLoop(threads=2)
    yield loop
    loop.close()
    for thread in threads():
        thread.join(LONG)
    assert threads() == []
    gc.collect()


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("honeyhive")]


async def give(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def in_thread(call: Callable[[], Any]) -> Callable[[], Any]:
    """Begin the call on another thread; the result waits for it, and is its value or exception."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: BLE001 - it is what the call gives
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Any:
        thread.join(LONG)
        return found[0]

    return result


def test_there_is_no_thread_before_the_first_coroutine(loop: EventLoop) -> None:
    assert threads() == []
    assert loop.run(give(1), None) == 1
    assert loop.run(give(2), LONG) == 2
    assert [thread.name for thread in threads()] == ["honeyhive-loop"]


def test_a_loop_that_was_not_used_can_be_closed() -> None:
    EventLoop(threads=1).close()


def test_what_runs_out_of_time_is_cancelled(loop: EventLoop) -> None:
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(OutOfTimeError):
        loop.run(hang(), 0.01)
    assert cancelled.wait(LONG)
    assert loop.run(give(1), LONG) == 1


def test_a_timeout_of_the_coroutines_own_is_another_thing(loop: EventLoop) -> None:
    async def expire() -> None:
        raise TimeoutError("their own")

    with pytest.raises(TimeoutError, match="their own") as caught:
        loop.run(expire(), LONG)
    assert not isinstance(caught.value, OutOfTimeError)


def test_what_it_raises_after_its_time_is_said_to_nobody(loop: EventLoop, caplog: pytest.LogCaptureFixture) -> None:
    raised = threading.Event()

    async def complain() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raised.set()
            raise ValueError("too late")

    with pytest.raises(OutOfTimeError):
        loop.run(complain(), 0.01)
    assert raised.wait(LONG)
    loop.close()
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exit_is_its_waiters_and_no_end_of_the_loop(loop: EventLoop, error: type[BaseException]) -> None:
    together = threading.Event()

    async def leave() -> None:
        raise error("now")

    async def stay() -> int:
        while not together.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0)
        return 1

    staying = in_thread(lambda: loop.run(stay(), LONG))
    with pytest.raises(error, match="now"):
        loop.run(leave(), LONG)
    together.set()
    assert staying() == 1
    assert len(threads()) == 1


def test_a_blocked_loop_is_replaced_and_ends_when_it_comes_to_it(loop: EventLoop) -> None:
    release, blocked = threading.Event(), threading.Event()
    ran: list[str] = []

    async def block() -> None:
        blocked.set()
        release.wait(LONG)

    async def behind() -> None:
        ran.append("behind")

    class Behind:
        def __await__(self) -> Generator[None, None, None]:
            ran.append("behind")
            yield

    blocking = in_thread(lambda: loop.run(block(), 0.01))
    assert blocked.wait(LONG)
    waiting = [in_thread(lambda: loop.run(behind(), 0.01)), in_thread(lambda: loop.run(Behind(), 0.01))]
    assert isinstance(blocking(), OutOfTimeError)
    assert all(isinstance(result(), OutOfTimeError) for result in waiting)
    assert loop.run(give(1), LONG) == 1, "on another loop"
    assert len(threads()) == 2
    loop.close()
    (old,) = threads()
    release.set()
    old.join(LONG)
    assert not old.is_alive()
    assert ran == [], "nobody waits for it any more"


def test_closing_cancels_what_still_runs_and_ends_generators_and_threads(loop: EventLoop) -> None:
    ended: list[str] = []
    begun = threading.Event()
    generators: list[AsyncIterator[int]] = []

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append("generator")

    async def hang() -> None:
        generators.append(generate())
        try:
            await anext(generators[0])
            await asyncio.to_thread(begun.set)
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    hanging = in_thread(lambda: loop.run(hang(), None))
    assert begun.wait(LONG)
    loop.close()
    assert isinstance(hanging(), asyncio.CancelledError)
    assert ended == ["task", "generator"]


def test_coroutines_get_as_many_threads_as_were_asked_for() -> None:
    loop = EventLoop(threads=50)
    barrier = threading.Barrier(50)

    async def meet() -> None:
        await asyncio.gather(*(asyncio.to_thread(barrier.wait, LONG) for _ in range(50)))

    loop.run(meet(), LONG)
    loop.close()


def test_a_worker_that_was_left_behind_starts_no_loop_after_the_end() -> None:
    loop = EventLoop(threads=1)
    loop.close()

    async def late() -> int:
        return 1

    with pytest.raises(TimeoutError):
        loop.run(late(), None)
    assert ours() == []
