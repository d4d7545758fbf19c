"""Generators that are traced: whoever iterates runs between two items, and is not inside of their span."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from types import TracebackType
from typing import Any

from honeyhive.tracer.attributes import attribute
from honeyhive.tracer.recording import Recording

_MOST_ITEMS = 100
"""Of what a generator yields, so many are put down."""


class TracedGenerator(Generator[Any, Any, Any]):
    """The generator itself, with its span current while it runs, and ended when it is exhausted or closed."""

    def __init__(self, inner: Generator[Any, Any, Any], recording: Recording) -> None:
        """The span is the recording's."""
        self._inner = inner
        self._step = _Step(recording)

    def send(self, value: Any) -> Any:
        """The next item."""
        with self._step:
            return self._step.yielded(self._inner.send(value))

    def throw(self, *error: Any) -> Any:
        """The next item after an exception inside."""
        with self._step:
            return self._step.yielded(self._inner.throw(*error))

    def close(self) -> None:
        """Close the generator; its span tells what it has yielded so far."""
        with self._step:
            self._inner.close()
        self._step.finish()


class TracedAsyncGenerator(AsyncGenerator[Any, Any]):
    """The asynchronous generator itself, with its span current while it runs, and ended when it is done."""

    def __init__(self, inner: AsyncGenerator[Any, Any], recording: Recording) -> None:
        """The span is the recording's."""
        self._inner = inner
        self._step = _Step(recording)

    async def asend(self, value: Any) -> Any:
        """The next item."""
        with self._step:
            return self._step.yielded(await self._inner.asend(value))

    async def athrow(self, *error: Any) -> Any:
        """The next item after an exception inside."""
        with self._step:
            return self._step.yielded(await self._inner.athrow(*error))

    async def aclose(self) -> None:
        """Close the generator; its span tells what it has yielded so far."""
        with self._step:
            await self._inner.aclose()
        self._step.finish()


class _Step:
    """A generator's way to its next item; its span is current on it, and ended by an exception.

    What was yielded is text at once: what becomes of it afterwards is not what was yielded.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._items: list[Any] = []
        self._count = 0

    def __enter__(self) -> None:
        self._recording.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recording.leave(error)
        if error is not None:
            self.finish(error)

    def yielded(self, item: Any) -> Any:
        """Note the item, and pass it on."""
        self._count += 1
        if self._count <= _MOST_ITEMS:
            self._items.append(attribute(item))
        return item

    def finish(self, error: BaseException | None = None) -> None:
        more = [f"… {self._count - _MOST_ITEMS:,} more"] if self._count > _MOST_ITEMS else []
        self._recording.answer([*self._items, *more])
        if error is not None and not isinstance(error, StopIteration | StopAsyncIteration):
            self._recording.fail(error)
        self._recording.end()
