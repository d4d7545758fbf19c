"""A traced generator, step by step: whoever iterates runs between two items, and is not inside of its span."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from honeyhive.tracer.attributes import attribute
from honeyhive.tracer.recording import Recording

_MOST_ITEMS = 100
"""Of what a generator yields, so many are put down."""


class Steps(Generator[Any, Any, Any]):
    """The generator itself, with its span current while it runs, and ended when it is exhausted or closed."""

    def __init__(self, inner: Generator[Any, Any, Any], recording: Recording) -> None:
        """The span is the recording's."""
        self._inner = inner
        self._yielded = _Yielded(recording)

    def send(self, value: Any) -> Any:
        """The next item."""
        return self._yielded.add(self._step(self._inner.send, value))

    def throw(self, *error: Any) -> Any:
        """The next item after an exception inside."""
        return self._yielded.add(self._step(self._inner.throw, *error))

    def close(self) -> None:
        """Close the generator; its span tells what it has yielded so far."""
        self._step(self._inner.close)
        self._yielded.finish()

    def _step(self, advance: Callable[..., Any], *given: Any) -> Any:
        recording = self._yielded.recording
        recording.enter()
        try:
            item = advance(*given)
        except BaseException as error:
            recording.leave(error)
            self._yielded.finish(error)
            raise
        recording.leave()
        return item


class AsyncSteps(AsyncGenerator[Any, Any]):
    """The asynchronous generator itself, with its span current while it runs, and ended when it is done."""

    def __init__(self, inner: AsyncGenerator[Any, Any], recording: Recording) -> None:
        """The span is the recording's."""
        self._inner = inner
        self._yielded = _Yielded(recording)

    async def asend(self, value: Any) -> Any:
        """The next item."""
        return self._yielded.add(await self._step(self._inner.asend, value))

    async def athrow(self, *error: Any) -> Any:
        """The next item after an exception inside."""
        return self._yielded.add(await self._step(self._inner.athrow, *error))

    async def aclose(self) -> None:
        """Close the generator; its span tells what it has yielded so far."""
        await self._step(self._inner.aclose)
        self._yielded.finish()

    async def _step(self, advance: Callable[..., Awaitable[Any]], *given: Any) -> Any:
        recording = self._yielded.recording
        recording.enter()
        try:
            item = await advance(*given)
        except BaseException as error:
            recording.leave(error)
            self._yielded.finish(error)
            raise
        recording.leave()
        return item


class _Yielded:
    """What a generator has yielded, as text at once: what becomes of it afterwards is not what was yielded."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._items: list[Any] = []
        self._count = 0

    def add(self, item: Any) -> Any:
        """Note the item, and pass it on."""
        self._count += 1
        if self._count <= _MOST_ITEMS:
            self._items.append(attribute(item))
        return item

    def finish(self, error: BaseException | None = None) -> None:
        more = [f"… {self._count - _MOST_ITEMS:,} more"] if self._count > _MOST_ITEMS else []
        self.recording.answer([*self._items, *more])
        if error is not None and not isinstance(error, StopIteration | StopAsyncIteration):
            self.recording.fail(error)
        self.recording.end()
