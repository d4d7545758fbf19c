"""Spans as OTLP: a line of JSON, as HoneyHive takes it and as `RUN.spans.jsonl` holds it, and protobuf."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes

from honeyhive.documents import compact_json, plain
from honeyhive.documents.redactor import Redactor

_INT64 = 2**63


def span_line(spans: Sequence[ReadableSpan]) -> bytes:
    """The spans as OTLP/JSON in one line without its end: ids in hex, as the specification has them.

    A root's `parentSpanId` is null, as HoneyHive's own SDK writes it. A number that is not finite is the text that
    protobuf's JSON gives it, an integer of more than 64 bits its digits as text, half a character a "?".
    """
    return b'{"resourceSpans":[%b]}' % b",".join(_resource_spans(*group) for group in _groups(spans))


def span_protobuf(spans: Sequence[ReadableSpan]) -> bytes:
    """The spans as an `ExportTraceServiceRequest`; values that protobuf cannot hold as in `span_line()`."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import (  # noqa: PLC0415 - it costs 60 ms
        encode_spans,
    )

    request: bytes = encode_spans([_encodable(span) for span in spans]).SerializeToString()
    return request


def without_secrets(span: ReadableSpan, redactor: Redactor) -> ReadableSpan:
    """The span, or a copy without the secrets, in whatever somebody said in it."""
    return _rewritten(span, redactor.value)


# --- JSON -------------------------------------------------------------------------------------------------------------

_Scopes = dict[int, tuple[InstrumentationScope | None, list[ReadableSpan]]]


def _groups(spans: Sequence[ReadableSpan]) -> Iterable[tuple[Resource, _Scopes]]:
    # By identity: a resource's hash is that of its JSON text, and equal ones may as well stand twice.
    groups: dict[int, tuple[Resource, _Scopes]] = {}
    for span in spans:
        _, scopes = groups.setdefault(id(span.resource), (span.resource, {}))
        scope = span.instrumentation_scope
        scopes.setdefault(id(scope), (scope, []))[1].append(span)
    return groups.values()


def _resource_spans(resource: Resource, scopes: _Scopes) -> bytes:
    scope_spans = []
    for scope, spans in scopes.values():
        schema = {"schemaUrl": scope.schema_url} if scope is not None and scope.schema_url else {}
        head = compact_json({"scope": _scope(scope), **schema})
        scope_spans.append(b'%b,"spans":[%b]}' % (head[:-1], b",".join(map(_span, spans))))
    return b'{%b,"scopeSpans":[%b]}' % (_resource(resource), b",".join(scope_spans))


_resources: dict[int, tuple[Resource, bytes]] = {}
_MOST_RESOURCES = 16


def _resource(resource: Resource) -> bytes:
    """What a group of spans begins with, kept once written: a process has one resource, or a few."""
    known = _resources.get(id(resource))  # which is no other's while we hold the resource
    if known is None:
        if len(_resources) >= _MOST_RESOURCES:
            _resources.clear()
        schema = {"schemaUrl": resource.schema_url} if resource.schema_url else {}
        text = compact_json({"resource": {"attributes": _attributes(resource.attributes)}, **schema})
        known = _resources[id(resource)] = (resource, text[1:-1])
    return known[1]


def _scope(scope: InstrumentationScope | None) -> dict[str, Any]:
    if scope is None:
        return {}
    written: dict[str, Any] = {"name": scope.name}
    if scope.version:
        written["version"] = scope.version
    if scope.attributes:
        written["attributes"] = _attributes(scope.attributes)
    return written


def _span(span: ReadableSpan) -> bytes:
    where = span.context or SpanContext(0, 0, is_remote=False)
    written = {
        "traceId": f"{where.trace_id:032x}",
        "spanId": f"{where.span_id:016x}",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "kind": f"SPAN_KIND_{span.kind.name}",
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "events": [_event(event) for event in span.events],
        "status": _status(span.status),
    }
    if where.trace_state:
        written["traceState"] = where.trace_state.to_header()
    if span.links:
        written["links"] = [_link(link) for link in span.links]
    dropped = {"Attributes": span.dropped_attributes, "Events": span.dropped_events, "Links": span.dropped_links}
    head = compact_json(_with_drops(written, **dropped))
    return b'%b,"attributes":%b}' % (head[:-1], _written_attributes(span.attributes))


def _event(event: Event) -> dict[str, Any]:
    written = {"timeUnixNano": str(event.timestamp), "name": event.name, "attributes": _attributes(event.attributes)}
    return _with_drops(written, Attributes=event.dropped_attributes)


def _link(link: Link) -> dict[str, Any]:
    where = link.context
    written = {"traceId": f"{where.trace_id:032x}", "spanId": f"{where.span_id:016x}"}
    return _with_drops({**written, "attributes": _attributes(link.attributes)}, Attributes=link.dropped_attributes)


def _with_drops(written: dict[str, Any], **dropped: int) -> dict[str, Any]:
    for what, count in dropped.items():
        if count:
            written[f"dropped{what}Count"] = count
    return written


def _status(status: Status) -> dict[str, str]:
    code = _STATUS[status.status_code]
    return {"code": code, "message": status.description} if status.description else {"code": code}


_STATUS = {code: f"STATUS_CODE_{code.name}" for code in StatusCode}


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _written_attributes(attributes: Attributes) -> bytes:
    """The same as JSON; nearly all of them are texts, and written in a third of the time so."""
    pairs = (f'{{"key":{_key(key)},"value":{_written(value)}}}' for key, value in (attributes or {}).items())
    return f"[{','.join(pairs)}]".encode("utf-8", "replace")


def _written(value: Any) -> str:
    return f'{{"stringValue":{_quoted(value)}}}' if type(value) is str else compact_json(_value(value)).decode()


_quoted = json.encoder.encode_basestring
_key = lru_cache(maxsize=1024)(_quoted)


def _value(value: Any) -> dict[str, Any]:  # noqa: C901, PLR0911 - one line for each kind of value that there is
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        written = str(plain(value))
        return {"intValue": written} if -_INT64 <= value < _INT64 else {"stringValue": written}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
    if value is None:
        return {}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": _attributes(value)}}
    if isinstance(value, Sequence):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": str(plain(value))}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


# --- protobuf ---------------------------------------------------------------------------------------------------------


def _encodable(span: ReadableSpan) -> ReadableSpan:
    """The span, or a copy without what protobuf cannot hold: the encoder would drop it loudly, or all of the batch."""
    return _rewritten(span, _sound)


def _rewritten(span: ReadableSpan, rewrite: Callable[[Any], Any]) -> ReadableSpan:
    """The span, or a copy in which this has been done to all that somebody said in it."""
    scope, whole = span.instrumentation_scope, span.resource
    held = (span.name, span.status.description, scope and scope.name, scope and scope.version, span.attributes)
    events = [(event.name, event.attributes, event.timestamp) for event in span.events]
    links = [link.attributes for link in span.links]
    everything = [*held, whole.attributes, *events, *links]
    anew = rewrite(everything)
    if anew == everything:
        return span
    name, description, scope_name, version, attributes, resource = anew[: len(held) + 1]
    rest = anew[len(held) + 1 :]
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=whole if resource == whole.attributes else Resource(resource, whole.schema_url),
        attributes=attributes,
        events=[Event(name, attributes, timestamp) for name, attributes, timestamp in rest[: len(events)]],
        links=[
            Link(link.context, attributes) for link, attributes in zip(span.links, rest[len(events) :], strict=True)
        ],
        kind=span.kind,
        status=Status(span.status.status_code, description),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope and InstrumentationScope(scope_name, version, scope.schema_url, scope.attributes),
    )


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        return str(plain(value))
    if isinstance(value, Mapping):
        return {_sound(key): _sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):  # what the SDK keeps is one of these, and bytes
        return type(value)(_sound(item) for item in value)
    return value
