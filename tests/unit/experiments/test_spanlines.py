"""Lines of spans on their way to HoneyHive: only the ids change, and nobody else's are among them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link

from builders_spans import identity, span
from honeyhive.experiments.platform.spanlines import own_line, renamed
from honeyhive.tracer.otlp import span_line

SESSION, RUN = "0e1f2b5c-8a64-4f5c-9a51-0d7b0a0c1a11", "55aeb984-30c1-496e-8d58-afe7e3ae7b52"
OTHER = "99999999-9999-4999-8999-999999999999"
OWN = {
    "honeyhive.session_id": SESSION,
    "traceloop.association.properties.session_id": SESSION,
    "honeyhive_metadata.run_id": RUN,
}


def line(*, session: str = SESSION, run: str = RUN, **attributes: Any) -> bytes:
    ids = {key: run if key.endswith("run_id") else session for key in OWN}
    event, link = Event("said", {"n": 1.5}, 7), Link(identity(9), {"of": "another"})
    inner = span(2, inside=1, attributes=ids | attributes, events=[event], links=[link])
    return span_line([span(1, attributes=ids), inner])


def own(text: bytes) -> bytes | None:
    return own_line(text, session_id=SESSION, run_id=RUN)


@given(text=st.text(), key=st.text(min_size=1).filter(lambda key: not key.startswith(("honeyhive", "traceloop"))))
def test_a_line_of_our_own_is_sent_whole(text: str, key: str) -> None:
    said: dict[str, Any] = {key: text, "honeyhive_inputs.q": [text, "b"], "n": 2.5, "yes": True}
    written = line(**said)
    found = own(written)
    assert found is not None
    assert json.loads(found) == json.loads(written)


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value at a place of the request, such as `resourceSpans.0.resource`."""

    def apply(request: dict[str, Any]) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        found: Any = request
        for step in way:
            found = found[step]
        if isinstance(found, list) and isinstance(last, int) and last == len(found):
            found.append(value)
        else:
            found[last] = value

    return apply


def text_attribute(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


SCOPE = "resourceSpans.0.scopeSpans.0"
FORGED = [
    change(f"{SCOPE}.spans.1.attributes", []),  # a span that says nothing of its session
    change(f"{SCOPE}.spans.1.attributes.0", text_attribute("honeyhive.session_id", OTHER)),
    change(f"{SCOPE}.spans.0.attributes.3", text_attribute("honeyhive.session_id", OTHER)),  # and again, after ours
    change(f"{SCOPE}.spans.0.attributes.3", text_attribute("honeyhive_session_id", OTHER)),
    change(f"{SCOPE}.spans.0.attributes.1", text_attribute("traceloop.association.properties.session_id", OTHER)),
    change(f"{SCOPE}.spans.0.attributes.2", text_attribute("honeyhive_metadata.run_id", OTHER)),
    change(f"{SCOPE}.spans.0.attributes.3", text_attribute("honeyhive_event_id", OTHER)),
    change(f"{SCOPE}.spans.0.attributes.3", text_attribute("honeyhive.parent_id", OTHER)),
    change(f"{SCOPE}.spans.0.attributes.0.value", {"arrayValue": {"values": [{"stringValue": OTHER}]}}),
    change(f"{SCOPE}.spans.0.attributes.0.value", {"stringValue": SESSION, "string_value": OTHER}),
    change(f"{SCOPE}.spans.1.events.0.attributes.0", text_attribute("honeyhive.session_id", OTHER)),
    change(f"{SCOPE}.spans.1.links.0.attributes.0", text_attribute("honeyhive.session_id", OTHER)),
    change(f"{SCOPE}.scope.attributes", [text_attribute("honeyhive.session_id", OTHER)]),
    change("resourceSpans.0.resource.attributes.0", text_attribute("honeyhive.session_id", OTHER)),
    change("resourceSpans.0.scope_spans", []),  # protobuf's JSON has two names for each key
    change("resource_spans", []),
    change(f"{SCOPE}.spans", "none"),
    change("resourceSpans", None),
]


@pytest.mark.parametrize("forge", FORGED)
def test_a_line_that_names_somebody_elses_is_left_out(forge: Callable[[dict[str, Any]], None]) -> None:
    request = json.loads(line())
    assert own(json.dumps(request).encode()) is not None
    forge(request)
    assert own(json.dumps(request).encode()) is None


def test_a_key_that_stands_twice_is_read_and_written_once() -> None:
    twice = line().replace(b'{"key":"honeyhive.session_id"', b'{"key":"honeyhive.session_id","key":"harmless"', 1)
    assert own(twice) is None
    hidden = line(harmless=OTHER).replace(b'{"key":"harmless"', b'{"key":"honeyhive.session_id","key":"harmless"')
    found = own(hidden)
    assert found is not None
    assert b'"key":"honeyhive.session_id","key"' not in found


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b"torn", b'{"resourceSpans":[', b"\xff", b"[" * 100_000])
def test_what_is_no_line_of_spans_is_left_out(text: bytes) -> None:
    assert own(text) is None


@given(session=st.text(min_size=1, max_size=5), text=st.text())
def test_however_short_an_id_is_only_the_attributes_for_it_change(session: str, text: str) -> None:
    before = line(session=session, run="r", said=f'{text}"key":"honeyhive.session_id","value":{session}')
    found = renamed(before, sessions={session: OTHER}, runs={"r": RUN})
    assert json.loads(found) == json.loads(line(session=OTHER, said=json_text(before), run=RUN))


def json_text(before: bytes) -> str:
    """What the attribute `said` of a line says."""
    spans = json.loads(before)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    (said,) = [one["value"]["stringValue"] for one in spans[1]["attributes"] if one["key"] == "said"]
    return str(said)


def test_a_line_whose_ids_stay_is_as_it_was() -> None:
    assert renamed(line(), sessions={SESSION: SESSION}, runs={RUN: RUN}) == line()
