"""OTLP/JSON as the platform takes it: what is wrong with it, and what is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TRACE_ID = re.compile(r"[0-9a-f]{32}")
SPAN_ID = re.compile(r"[0-9a-f]{16}")
NANOSECONDS = re.compile(r"[0-9]{1,20}")

SESSION = "honeyhive.session_id"

Span = Mapping[str, Any]


def each_span(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every span of the request, with its `resource` and `scope`."""
    for resource_spans in body["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                yield {**span, "resource": resource_spans.get("resource", {}), "scope": scope_spans.get("scope", {})}


def attributes(span: Span) -> dict[str, Any]:
    """The attributes of a span, or of a resource or an event, as plain values."""
    return {entry["key"]: _plain(entry["value"]) for entry in span.get("attributes", ())}


def _plain(value: Mapping[str, Any]) -> Any:
    if len(value) != 1:
        raise ValueError(f"a value of one kind, not of {sorted(value)}")
    ((kind, held),) = value.items()
    match kind:
        case "stringValue" | "boolValue" | "bytesValue":
            return held
        case "intValue" if isinstance(held, str):  # 64 bits do not fit a JSON number
            return int(held)
        case "doubleValue":
            return float(held)
        case "arrayValue":
            return [_plain(item) for item in held.get("values", ())]
        case "kvlistValue":
            return {entry["key"]: _plain(entry["value"]) for entry in held.get("values", ())}
    raise ValueError(f"{kind}: {held!r} is no value")


def wrong_with(span: Span) -> Sequence[str]:
    """Each thing about the span that the platform would not understand."""
    name = span.get("name")
    found = []
    if not isinstance(name, str):
        found.append(f"a span's name is {name!r}")
    if not TRACE_ID.fullmatch(str(span.get("traceId"))):
        found.append(f"span {name}: traceId {span.get('traceId')!r} is not 32 hex digits")
    if not SPAN_ID.fullmatch(str(span.get("spanId"))):
        found.append(f"span {name}: spanId {span.get('spanId')!r} is not 16 hex digits")
    if span.get("parentSpanId") is not None and not SPAN_ID.fullmatch(str(span["parentSpanId"])):
        found.append(f"span {name}: parentSpanId {span['parentSpanId']!r} is neither null nor 16 hex digits")
    found += [
        f"span {name}: {key} {span.get(key)!r} is not a string of digits"
        for key in ("startTimeUnixNano", "endTimeUnixNano")
        if not (isinstance(span.get(key), str) and NANOSECONDS.fullmatch(span[key]))
    ]
    try:
        attributes(span)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        found.append(f"span {name}: attributes: {type(exc).__name__}: {exc}")
    return found
