"""Spans as OTLP: our JSON says what OpenTelemetry's own protobuf says, whatever stands on a span."""

from __future__ import annotations

import base64
import json
import logging
import math
from typing import Any

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]  # its stubs are a package of their own
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from builders_spans import RESOURCE, SCOPE, TRACE, identity, span
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.otlp import span_line, span_protobuf


def only(line: bytes) -> dict[str, Any]:
    ((found,),) = [[one for scope in part["scopeSpans"] for one in scope["spans"]] for part in parsed(line)]
    return dict(found)


def parsed(line: bytes) -> list[dict[str, Any]]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert b"\n" not in line
    return list(json.loads(line, parse_constant=refuse)["resourceSpans"])


def test_a_span_is_written_as_the_platform_has_seen_spans_so_far() -> None:
    attributes = {"honeyhive_metrics.m": 1, "honeyhive_duration_ms": 0.5, "honeyhive_metrics.exact": True, "k": "v"}
    (resource,) = parsed(span_line([span(0xA25828D824F8B048, inside=0x61D3EE4D41BBAA4E, attributes=attributes)]))
    assert resource == {
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "qa"}}]},
        "scopeSpans": [
            {
                "scope": {"name": "honeyhive"},
                "spans": [
                    {
                        "traceId": "76802998769d5e51d2bf8536d2ba7cb4",
                        "spanId": "a25828d824f8b048",
                        "parentSpanId": "61d3ee4d41bbaa4e",
                        "name": "solve",
                        "kind": "SPAN_KIND_INTERNAL",
                        "startTimeUnixNano": "1795329672728893895",
                        "endTimeUnixNano": "1795329672730297273",
                        "attributes": [
                            {"key": "honeyhive_metrics.m", "value": {"intValue": "1"}},
                            {"key": "honeyhive_duration_ms", "value": {"doubleValue": 0.5}},
                            {"key": "honeyhive_metrics.exact", "value": {"boolValue": True}},
                            {"key": "k", "value": {"stringValue": "v"}},
                        ],
                        "events": [],
                        "status": {"code": "STATUS_CODE_UNSET"},
                    }
                ],
            }
        ],
    }


def test_a_root_has_null_for_a_parent_and_leading_zeros_stay() -> None:
    found = only(span_line([span(context=identity(0x1F, trace_id=0x2A))]))
    assert (found["parentSpanId"], found["spanId"]) == (None, "000000000000001f")
    assert found["traceId"] == "0" * 30 + "2a"


def test_spans_are_grouped_by_what_made_them() -> None:
    other, lib = Resource({"service.name": "other"}), InstrumentationScope("lib", "1.2", "https://schema", {"own": 1})
    spans = [span(1), span(2, scope=lib), span(3), span(4, resource=other), span(5, scope=None)]
    groups = [
        [(scope["scope"].get("name"), [one["spanId"][-1] for one in scope["spans"]]) for scope in part["scopeSpans"]]
        for part in parsed(span_line(spans))
    ]
    assert groups == [[("honeyhive", ["1", "3"]), ("lib", ["2"]), (None, ["5"])], [("honeyhive", ["4"])]]
    assert parsed(span_line(spans))[0]["scopeSpans"][1]["schemaUrl"] == "https://schema"


def test_no_spans_are_a_line_too() -> None:
    assert span_line([]) == b'{"resourceSpans":[]}'


def test_of_many_resources_each_is_written_as_it_is() -> None:
    for number in [*range(40), *range(40)]:
        (part,) = parsed(span_line([span(resource=Resource({"n": number}))]))
        assert part["resource"]["attributes"] == [{"key": "n", "value": {"intValue": str(number)}}]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, {"doubleValue": "NaN"}),
        (math.inf, {"doubleValue": "Infinity"}),
        (-math.inf, {"doubleValue": "-Infinity"}),
        (2**63, {"stringValue": "9223372036854775808"}),
        (-(2**63), {"intValue": "-9223372036854775808"}),
        ("a\ud800b", {"stringValue": "a?b"}),
        (
            {"a": [1, None]},
            {"kvlistValue": {"values": [{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}, {}]}}}]}},
        ),
        (b"\x00\xff", {"bytesValue": "AP8="}),
        (None, {}),
    ],
)
def test_what_json_has_no_number_for_is_valid_json_all_the_same(value: object, written: dict[str, Any]) -> None:
    (found,) = only(span_line([span(attributes={"k": value})]))["attributes"]
    assert found == {"key": "k", "value": written}


def test_a_number_that_python_refuses_to_write_out_is_written_all_the_same() -> None:
    (found,) = only(span_line([span(attributes={"k": 10**5_000})]))["attributes"]
    assert found["value"] == {"stringValue": hex(10**5_000)}


# --- held to OpenTelemetry's own encoder -----------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.one_of(
    st.none(), texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attribute_maps = st.dictionaries(texts, values, max_size=4)
span_ids = st.integers(1, 2**64 - 1)
trace_ids = st.integers(1, 2**128 - 1)
times = st.integers(0, 2**64 - 1)
RESOURCES = (RESOURCE, Resource({"a": 1, "b": [True]}, "https://schema"))
SCOPES = (SCOPE, InstrumentationScope("lib", "1", "https://schema", {"x": 1.5}), None)
links = st.builds(
    lambda trace_id, span_id, held: Link(identity(span_id, trace_id=trace_id), held),
    trace_ids,
    span_ids,
    attribute_maps,
)
events = st.builds(Event, texts, attribute_maps, times)
statuses = st.sampled_from(StatusCode).flatmap(
    lambda code: texts.map(lambda text: Status(code, text if code is StatusCode.ERROR else None))
)


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    state = draw(st.sampled_from([(), (("vendor", "1"), ("other", "2"))]))
    return ReadableSpan(
        draw(texts),
        context=identity(draw(span_ids), trace_id=draw(trace_ids), state=state),
        parent=draw(st.none() | span_ids.map(identity)),
        resource=draw(st.sampled_from(RESOURCES)),
        attributes=draw(attribute_maps),
        events=draw(st.lists(events, max_size=2)),
        links=draw(st.lists(links, max_size=2)),
        kind=draw(st.sampled_from(SpanKind)),
        status=draw(statuses),
        start_time=draw(times),
        end_time=draw(times),
        instrumentation_scope=draw(st.sampled_from(SCOPES)),
    )


def as_protobuf(line: bytes) -> ExportTraceServiceRequest:
    """What OTLP/JSON says: its ids are hex, where protobuf's own JSON has base64."""

    def base64_ids(found: Any) -> Any:
        if isinstance(found, list):
            return [base64_ids(item) for item in found]
        if not isinstance(found, dict):
            return found
        ids = {key: found[key] for key in ("traceId", "spanId", "parentSpanId") if found.get(key)}
        return {key: base64_ids(item) for key, item in found.items()} | {
            key: base64.b64encode(bytes.fromhex(digits)).decode() for key, digits in ids.items()
        }

    request = ExportTraceServiceRequest()
    json_format.ParseDict(base64_ids(json.loads(line)), request)
    return request


def without_flags(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Whether a parent is remote is not written by the platform's own SDKs."""
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                one.ClearField("flags")
                for link in one.links:
                    link.ClearField("flags")
    return request


@settings(max_examples=150, deadline=None)
@given(st.lists(spans(), max_size=4))
def test_the_line_says_what_opentelemetrys_encoder_says(made: list[ReadableSpan]) -> None:
    ours, theirs = as_protobuf(span_line(made)), without_flags(encode_spans(made))
    # As text, for a number that is none differs from itself.
    assert json_format.MessageToDict(ours) == json_format.MessageToDict(theirs)


def test_what_was_dropped_is_counted_as_opentelemetry_counts_it() -> None:
    tracer = HoneyHiveTracer(is_evaluation=True)
    with tracer.span("x") as made:
        for number in range(1_030):
            made.set_attribute(f"k{number}", number)
            made.add_event(f"e{number}")
    (ended,) = tracer.close()
    theirs = without_flags(encode_spans([ended])).resource_spans[0].scope_spans[0].spans[0]
    ours = as_protobuf(span_line([ended])).resource_spans[0].scope_spans[0].spans[0]
    assert ours.dropped_events_count == theirs.dropped_events_count == 1_030 - 128
    assert ours.dropped_attributes_count == theirs.dropped_attributes_count > 6


# --- protobuf --------------------------------------------------------------------------------------------------------


def test_protobuf_is_opentelemetrys_own() -> None:
    made = [span(1, attributes={"a": (1, 2), "b": {"c": b"\x00"}, "n": math.nan}, events=[Event("e", {"x": 1}, 5)])]
    assert span_protobuf(made) == encode_spans(made).SerializeToString()


def test_half_a_character_or_a_number_too_long_breaks_neither(caplog: pytest.LogCaptureFixture) -> None:
    made = span(
        1,
        name="na\ud800me",
        attributes={"text": "a\udfffb", "long": 2**64, "ke\ud800y": ["\ud800", {"in": "\ud800"}], "fine": 1},
        events=[Event("e\ud800", {"k": "\ud800"}, 5)],
        links=[Link(identity(7), {"k": "\ud800"})],
        status=Status(StatusCode.ERROR, "broken \ud800"),
        scope=InstrumentationScope("li\ud800b"),
    )
    with caplog.at_level(logging.WARNING):
        request = ExportTraceServiceRequest.FromString(span_protobuf([made, span(2)]))
    assert caplog.records == []
    scopes = request.resource_spans[0].scope_spans
    found = scopes[0].spans[0]
    assert (scopes[0].scope.name, found.name, found.status.message) == ("li?b", "na?me", "broken ?")
    assert {one.key for one in found.attributes} == {"text", "long", "ke?y", "fine"}
    assert (found.events[0].name, found.links[0].span_id) == ("e?", (7).to_bytes(8, "big"))
    assert found.trace_id == TRACE.to_bytes(16, "big")
    assert json_format.MessageToDict(as_protobuf(span_line([made, span(2)]))) == json_format.MessageToDict(
        without_flags(request)
    )
