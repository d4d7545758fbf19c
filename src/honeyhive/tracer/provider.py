"""A tracer provider of one datapoint's own: isolated like the SDK's, cheap enough to make one for each.

The SDK's `TracerProvider` registers a fork handler that is never released, so a provider for each datapoint would
leak. This one makes the SDK's own tracers and spans and leaves out what belongs to a whole process.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, SynchronousMultiSpanProcessor, Tracer
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.util.types import Attributes, AttributeValue


class DatapointProvider(trace.TracerProvider):
    """Makes tracers whose spans all carry `attributes` and end up in this provider alone."""

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        self._keeper = _SpanKeeper(attributes)
        self._tracers: dict[tuple[str, str | None, str | None], Tracer] = {}

    @property
    def resource(self) -> Resource:
        """What the process is; the same for all providers."""
        return _shared().resource

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in the order in which they did."""
        return tuple(self._keeper.ended)

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
    """Puts the datapoint's attributes on each span as it starts, and keeps it when it ends."""

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the SDK's
        self._attributes = attributes
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attributes(self._attributes)
        super().on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)
        super().on_end(span)


class _Shared:
    """What the SDK computes from the environment, once a process."""

    def __init__(self) -> None:
        self.resource = Resource.create({})
        self.limits = SpanLimits()
        self.ids = RandomIdGenerator()


@cache
def _shared() -> _Shared:
    return _Shared()


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
