"""The user's OpenTelemetry instrumentors, active while a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from honeyhive.errors import ArgumentError
from honeyhive.tracer.routing import routing, routing_provider


@contextmanager
def instrumented(instrumentors: Sequence[Callable[[], Any]]) -> Iterator[None]:
    """Activate what each of them makes, for all datapoints at once: every span goes to the datapoint it is made in.

    An instrumentor has `instrument(tracer_provider=…)` and `uninstrument()`, as OpenTelemetry's have; one that was
    active before stays so.
    """
    with ExitStack() as stack:
        if instrumentors:
            stack.enter_context(routing())
        for make in instrumentors:
            instrumentor = make()
            if not hasattr(instrumentor, "instrument"):
                message = f"{type(instrumentor).__name__} is no instrumentor: it has no instrument()"
                raise ArgumentError(message, hint="give OpenTelemetry instrumentors, such as OpenAIInstrumentor")
            if getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
                continue
            instrumentor.instrument(tracer_provider=routing_provider())
            if hasattr(instrumentor, "uninstrument"):
                stack.callback(instrumentor.uninstrument)
        yield
