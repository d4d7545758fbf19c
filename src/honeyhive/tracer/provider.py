"""A tracer provider of one datapoint's own: isolated like the SDK's, cheap enough to make one for each.

The SDK's `TracerProvider` registers a fork handler that is never released, so a provider for each datapoint would
leak. This one makes the SDK's own tracers and spans and leaves out what belongs to a whole process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cache, lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import OTEL_ATTRIBUTE_COUNT_LIMIT, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, SynchronousMultiSpanProcessor, Tracer
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

_MOST_ATTRIBUTES = 1_024
"""The SDK's own limit is 128, and instrumentations of models write each message as several attributes."""

Late = Callable[[ReadableSpan], None]
"""Where a span goes that ends after its session has been closed."""


class DatapointProvider(trace.TracerProvider):
    """Makes tracers whose spans all carry `attributes` and end up in this provider alone."""

    def __init__(self, attributes: Mapping[str, AttributeValue], *, keeps: bool = True) -> None:
        """One that `keeps` its ended spans holds them for `close()`; else they are the added processors' alone."""
        self._keeper = _SpanKeeper(attributes, keeps=keeps)
        self._tracers: dict[tuple[str, str | None, str | None], Tracer] = {}

    @property
    def resource(self) -> Resource:
        """What the process is; the same for all providers."""
        return process_resource()

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        """What stands on every span."""
        return self._keeper.attributes

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended and were not handed over yet, in the order in which they ended."""
        return tuple(self._keeper.ended)

    def take(self, span: ReadableSpan) -> None:
        """Have an ended span of this session that another provider has made."""
        self._keeper.keep(span)

    def close(self, late: Late | None = None) -> tuple[ReadableSpan, ...]:
        """Hand over all spans: those still open end now, as errors; those that end later go to `late`, or nowhere.

        Each span is handed over once: a second call gives none, and changes nothing.
        """
        return self._keeper.close(late)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        """The SDK's tracer for this instrumentation."""
        key = (instrumenting_module_name, instrumenting_library_version, schema_url)
        tracer = self._tracers.get(key)
        if tracer is None:
            tracer = self._tracers[key] = _make_tracer(self._keeper, *key, attributes)
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Let another processor see this provider's spans too, as instrumentations expect of an SDK provider."""
        self._keeper.add_span_processor(span_processor)


class _SpanKeeper(SynchronousMultiSpanProcessor):
    """Puts the session's attributes on each span as it starts, and keeps it when it ends."""

    def __init__(self, attributes: Mapping[str, AttributeValue], *, keeps: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the SDK's
        self.attributes = attributes
        self.ended: list[ReadableSpan] = []
        self._open: dict[int, Span] = {}
        self._keeps = keeps
        self._closed = False
        self._late: Late | None = None
        self._closing = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attributes(self.attributes)
        if self._keeps:
            self._open[_span_id(span)] = span
        super().on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        self._open.pop(_span_id(span), None)
        if self._keeps:
            self.keep(span)
        super().on_end(self._whole(span))

    def keep(self, span: ReadableSpan) -> None:
        span = self._whole(span)
        with self._closing:
            if not self._closed:
                self.ended.append(span)
                return
            late = self._late
        if late is not None:
            late(span)

    def _whole(self, span: ReadableSpan) -> ReadableSpan:
        # The oldest attributes go first where there are too many, and those are the session's.
        return _Restored(span, self.attributes) if span.dropped_attributes else span

    def close(self, late: Late | None) -> tuple[ReadableSpan, ...]:
        if self._closed:
            return ()
        for span in tuple(self._open.values()):
            if span.is_recording():
                span.set_status(StatusCode.ERROR, "the datapoint ended before this span did")
                span.end()
        with self._closing:
            ended, self.ended = tuple(self.ended), []
            self._closed, self._late = True, late
        self._open.clear()
        return ended


def _span_id(span: ReadableSpan) -> int:
    return span.context.span_id if span.context else 0


class _Restored(ReadableSpan):
    """A span with attributes that it has lost, and what it says of its losses."""

    def __init__(self, span: ReadableSpan, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__(
            name=span.name,
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes={**(span.attributes or {}), **attributes},
            events=span.events,
            links=span.links,
            kind=span.kind,
            status=span.status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )
        self._losing = span

    @property
    def dropped_attributes(self) -> int:
        return self._losing.dropped_attributes

    @property
    def dropped_events(self) -> int:
        return self._losing.dropped_events

    @property
    def dropped_links(self) -> int:
        return self._losing.dropped_links


class _Shared:
    """What the SDK computes from the environment, once a process."""

    def __init__(self) -> None:
        self.resource = Resource.create({})
        configured = {OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, OTEL_ATTRIBUTE_COUNT_LIMIT} & os.environ.keys()
        self.limits = SpanLimits(max_span_attributes=None if configured else _MOST_ATTRIBUTES)
        self.ids = RandomIdGenerator()


_sharing = threading.Lock()


def _shared() -> _Shared:
    """The same for all, also where several threads are the first to ask."""
    with _sharing:
        return _made()


@cache
def _made() -> _Shared:
    return _Shared()


def process_resource() -> Resource:
    """What this process is: the resource of every span of a `DatapointProvider`."""
    return _shared().resource


class _Info(InstrumentationInfo):
    """What the SDK asks for in a tracer and warns of in its own `__init__`."""

    def __init__(self, name: str, version: str | None, schema_url: str | None) -> None:
        self._name = name
        self._version = version
        self._schema_url = schema_url or ""


@lru_cache(maxsize=256)
def _instrumentation(
    name: str, version: str | None, schema_url: str | None
) -> tuple[InstrumentationInfo, InstrumentationScope]:
    return _Info(name, version, schema_url), InstrumentationScope(name, version, schema_url)


def _make_tracer(
    processor: SynchronousMultiSpanProcessor,
    name: str,
    version: str | None,
    schema_url: str | None,
    attributes: Attributes,
) -> Tracer:
    info, scope = _instrumentation(name, version, schema_url)
    if attributes:
        scope = InstrumentationScope(name, version, schema_url, attributes)
    shared = _shared()
    return Tracer(ALWAYS_ON, shared.resource, processor, shared.ids, info, shared.limits, scope)
