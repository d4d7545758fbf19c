"""Routing: while a run goes on, OpenTelemetry's own ways lead to the session of the datapoint that is running.

Spans that instrumentations make through the global API go to the tracer in their OpenTelemetry context, and that
context follows the threads, timers and thread pools that the user's code starts.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import thread as pools
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import Link, NoOpTracer, SpanKind
from opentelemetry.util.types import Attributes

from honeyhive.tracer.tracer import HoneyHiveTracer, tracer_in


@contextmanager
def routing() -> Iterator[None]:
    """Route while the block runs; several runs at once share it, and the last one to leave puts everything back."""
    with _ROUTES.lock:
        _ROUTES.open()
    try:
        yield
    finally:
        with _ROUTES.lock:
            _ROUTES.leave()


def routing_provider() -> trace.TracerProvider:
    """The provider to give to an instrumentation, so that its spans reach the session of their datapoint.

    Where the user has set a provider of the SDK it is that one, to which routing has added its processor.
    """
    found = trace.get_tracer_provider()
    return found if isinstance(found, TracerProvider) else _PROVIDER


class RoutingProvider(trace.TracerProvider):
    """Gives tracers whose spans belong to the session of the datapoint in their context."""

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        """A tracer that may be kept for as long as one likes: it looks where it is each time."""
        return _RoutingTracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)


class _RoutingTracer(NoOpTracer):
    """Starts each span in the session of its context; outside of any, where the process's own provider would.

    What it inherits is how a span is made current, which is the same for all tracers.
    """

    def __init__(self, name: str, version: str | None, schema_url: str | None, attributes: Attributes) -> None:
        self._scope = (name, version, schema_url, attributes)

    def start_span(  # noqa: PLR0913, PLR0917 - OpenTelemetry's signature
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - OpenTelemetry's signature
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 - OpenTelemetry's signature
    ) -> trace.Span:
        """A span of the session in the given context, or in the current one."""
        tracer = self._tracer(context)
        start = super().start_span if tracer is None else tracer.start_span
        return start(name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception)

    def _tracer(self, given: Context | None) -> trace.Tracer | None:
        session = _session(given)
        if session is not None:
            return session.provider.get_tracer(*self._scope)
        # A tracer taken during a run outlives it, and the user may set a provider afterwards.
        found = trace.get_tracer_provider()
        return found.get_tracer(*self._scope) if isinstance(found, TracerProvider) else None


class _RoutingProcessor(SpanProcessor):
    """On a provider of the user's: copies to each session what is made in its context."""

    def __init__(self) -> None:
        self._routed: dict[tuple[int, int], tuple[weakref.ref[Span], HoneyHiveTracer]] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Put the session's metadata on the span."""
        session = _session(parent_context)
        if session is None or not session.is_evaluation or span.context is None:
            return
        span.set_attributes(session.provider.attributes)
        key, routed = (span.context.trace_id, span.context.span_id), self._routed
        # A span that nobody ever ends is gone one day, and its session must not stay for it.
        routed[key] = (weakref.ref(span, lambda _: routed.pop(key, None)), session)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand the span to the session that it was started in."""
        key = (span.context.trace_id, span.context.span_id) if span.context else (0, 0)
        _, session = self._routed.pop(key, (None, None))
        if session is not None:
            session.provider.take(span)


class _Routes:
    """What routing has changed in the process; used with its lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._users = 0
        self._threads = _Threads()
        self._processed: weakref.WeakSet[TracerProvider] = weakref.WeakSet()

    def open(self) -> None:
        self._users += 1
        self._route_global()
        if self._users == 1:
            self._threads.carry()

    def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._threads.restore()
            _give_back_global()

    def _route_global(self) -> None:
        found = trace.get_tracer_provider()
        if isinstance(found, trace.ProxyTracerProvider):
            trace.set_tracer_provider(_PROVIDER)
        elif isinstance(found, TracerProvider) and found not in self._processed:
            found.add_span_processor(_RoutingProcessor())
            self._processed.add(found)


class _Threads:
    """Carries the context into threads: the instrumentation, and two things that it does not see."""

    _where = "_bootstrap_inner"  # what every thread runs, whatever its class overrides

    def __init__(self) -> None:
        self._began = False
        self._original: Callable[[threading.Thread], None] | None = None
        self._ours: Callable[[threading.Thread], None] | None = None

    def carry(self) -> None:
        if not ThreadingInstrumentor().is_instrumented_by_opentelemetry:
            ThreadingInstrumentor().instrument(skip_dep_check=True)
            self._began = True
        original = self._original = getattr(threading.Thread, self._where)

        def run_in_context(thread: threading.Thread) -> None:
            around = thread.__dict__.get(_CARRIED)
            if getattr(thread, "_target", None) is _POOL_WORKER:
                # It serves whoever submits to it, not the one that was the first to.
                thread.__dict__.pop(_CARRIED, None)
                around = None
            token = None if around is None else context.attach(around)
            try:
                original(thread)
            finally:
                if token is not None:
                    context.detach(token)

        self._ours = run_in_context
        setattr(threading.Thread, self._where, run_in_context)

    def restore(self) -> None:
        if getattr(threading.Thread, self._where) is self._ours:  # else somebody has put theirs around it since
            setattr(threading.Thread, self._where, self._original)
        if self._began:
            ThreadingInstrumentor().uninstrument()
            self._began = False


_CARRIED = "_otel_context"
"""Where the instrumentation puts the context of a thread as it is started."""

_POOL_WORKER = getattr(pools, "_worker", None)


def _session(given: Context | None) -> HoneyHiveTracer | None:
    """The tracer of a context that was given, and where that names none, of the current one."""
    return (tracer_in(given) if given is not None else None) or tracer_in()


def _give_back_global() -> None:
    """Leave the process without a provider, as it was: OpenTelemetry would refuse the one that the user sets next."""
    if trace._TRACER_PROVIDER is _PROVIDER:  # noqa: SLF001 - there is no public way to take a provider back
        trace._TRACER_PROVIDER = None  # noqa: SLF001 - as above
        trace._TRACER_PROVIDER_SET_ONCE = type(trace._TRACER_PROVIDER_SET_ONCE)()  # noqa: SLF001 - as above


_PROVIDER = RoutingProvider()
_ROUTES = _Routes()
