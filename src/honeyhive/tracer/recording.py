"""`Recording`: a span that is current while something runs, and that tells how it went."""

from __future__ import annotations

import time
from contextvars import Token
from types import TracebackType
from typing import Any, Self

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from honeyhive.tracer.attributes import attributes_of, record_failure


class Recording:
    """A started span; as a context manager it is current in the block, and ends with it.

    What is not one block, a generator, enters and leaves it as often as it runs, and ends it once.
    """

    def __init__(self, span: Span, around: Context) -> None:
        """The span is current in the context `around`."""
        self.span = span
        self._context = set_span_in_context(span, around)
        self._started = time.perf_counter()
        self._tokens: list[Token[Context]] = []

    def enter(self) -> None:
        """Make the span current."""
        self._tokens.append(context.attach(self._context))

    def leave(self, error: BaseException | None = None) -> None:
        """Make current again what was before; the next time begins where this one has ended."""
        token, current = self._tokens.pop(), context.get_current()
        # A coroutine that nobody awaits any more is closed wherever that is noticed, and there nothing is to change.
        if not isinstance(error, GeneratorExit) or get_current_span(current) is self.span:
            self._context = current
            context.detach(token)

    def answer(self, value: Any) -> None:
        """Put down what came of it."""
        if self.span.is_recording():
            self.span.set_attributes(attributes_of("honeyhive_outputs.result", value))

    def fail(self, error: BaseException) -> None:
        """Put down that it failed; a generator that is closed before its end has not."""
        if self.span.is_recording() and not isinstance(error, GeneratorExit):
            record_failure(self.span, error)

    def end(self) -> None:
        """End the span, unless its session has ended before."""
        if self.span.is_recording():
            self.span.set_attribute("honeyhive_duration_ms", (time.perf_counter() - self._started) * 1_000)
            self.span.end()

    def __enter__(self) -> Self:
        """Make the span current."""
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, with the exception where there is one; that goes on."""
        self.leave(error)
        if error is not None:
            self.fail(error)
        self.end()
