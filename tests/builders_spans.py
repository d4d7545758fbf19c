"""Spans for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, TraceFlags, TraceState

RESOURCE = Resource({"service.name": "qa"})
SCOPE = InstrumentationScope("honeyhive")
TRACE = 0x76802998769D5E51D2BF8536D2BA7CB4


def identity(span_id: int, *, trace_id: int = TRACE, state: Sequence[tuple[str, str]] = ()) -> SpanContext:
    return SpanContext(
        trace_id, span_id, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState(list(state))
    )


def span(
    span_id: int = 1,
    *,
    inside: int | None = None,
    name: str = "solve",
    attributes: Mapping[str, Any] | None = None,
    events: Sequence[Event] = (),
    links: Sequence[Link] = (),
    kind: SpanKind = SpanKind.INTERNAL,
    status: Status | None = None,
    resource: Resource = RESOURCE,
    scope: InstrumentationScope | None = SCOPE,
    context: SpanContext | None = None,
) -> ReadableSpan:
    return ReadableSpan(
        name,
        context=context or identity(span_id),
        parent=None if inside is None else identity(inside),
        resource=resource,
        attributes=attributes,
        events=events,
        links=links,
        kind=kind,
        status=status or Status(),
        start_time=1_795_329_672_728_893_895,
        end_time=1_795_329_672_730_297_273,
        instrumentation_scope=scope,
    )
