"""What is added to spans and sessions, and the end of a session."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import StatusCode

from honeyhive.errors import HoneyHiveWarning
from honeyhive.tracer import HoneyHiveTracer, enrich_session, enrich_span, flush, set_default_tracer, trace
from honeyhive.tracer.enrichment import KINDS


def datapoint(**configuration: Any) -> HoneyHiveTracer:
    usual: dict[str, Any] = {"is_evaluation": True, "source": "evaluation"}
    return HoneyHiveTracer(**(usual | configuration))


def on_span(span: ReadableSpan) -> dict[str, Any]:
    found = span.attributes or {}
    return {key: value for key, value in found.items() if key not in HIDDEN and not key.startswith("traceloop")}


HIDDEN = ("honeyhive.session_id", "honeyhive.source", "honeyhive_metadata.source", "honeyhive_duration_ms")


# --- spans -----------------------------------------------------------------------------------------------------------


def test_what_is_added_stands_on_the_current_span_alone() -> None:
    tracer = datapoint()
    with tracer.active(), tracer.span("outer"), tracer.span("inner"):
        added = enrich_span(
            {"k": "v", "nested": {"deep": [1]}},
            metrics={"m": 1, "half": 0.5, "fine": True},
            feedback={"stars": 5},
            inputs={"q": "why"},
            outputs={"answer": None},
            config={"model": "m-1"},
            user_properties={"id": "u-1"},
            error="broken",
            event_id="e-1",
            attributes={"more": "a"},
            further=2,
        )
    assert added is True
    inner, outer = tracer.spans
    assert on_span(outer) == {}
    assert on_span(inner) == {
        "honeyhive_metadata.k": "v",
        "honeyhive_metadata.nested.deep": "[1]",
        "honeyhive_metadata.more": "a",
        "honeyhive_metadata.further": 2,
        "honeyhive_metrics.m": 1,
        "honeyhive_metrics.half": 0.5,
        "honeyhive_metrics.fine": True,
        "honeyhive_feedback.stars": 5,
        "honeyhive_inputs.q": "why",
        "honeyhive_outputs.answer": "null",
        "honeyhive_config.model": "m-1",
        "honeyhive_user_properties.id": "u-1",
        "honeyhive_error": "broken",
        "honeyhive_event_id": "e-1",
    }


def test_a_tracer_adds_to_the_current_span_too() -> None:
    tracer = datapoint()
    with tracer.active(), tracer.span("x"):
        assert tracer.enrich_span(metadata={"k": "v"}) is True
        assert tracer.enrich_span({"l": "w"}, metrics={"m": 1}, tracer=tracer) is True
    assert on_span(tracer.spans[0]) == {
        "honeyhive_metadata.k": "v",
        "honeyhive_metadata.l": "w",
        "honeyhive_metrics.m": 1,
    }


def test_where_a_span_belongs_is_not_to_be_changed() -> None:
    tracer = datapoint(run_id="run-1", datapoint_id="EXT-a")
    with tracer.active(), tracer.span("x"):
        enrich_span({"run_id": "another", "datapoint_id": "EXT-b", "dataset_id": "EXT-c", "source": "me", "k": 1})
    assert on_span(tracer.spans[0]) == {
        "honeyhive_metadata.run_id": "run-1",
        "honeyhive_metadata.datapoint_id": "EXT-a",
        "honeyhive_metadata.k": 1,
    }


def test_what_is_no_mapping_stands_under_the_name_of_its_kind() -> None:
    tracer = datapoint()
    with tracer.active(), tracer.span("x"):
        enrich_span(outputs="text", metrics=[1, 2])  # type: ignore[arg-type]  # as users do
    assert on_span(tracer.spans[0]) == {"honeyhive_outputs": "text", "honeyhive_metrics": "[1,2]"}


def test_any_span_of_opentelemetrys_can_be_added_to() -> None:
    made = TracerProvider(shutdown_on_exit=False).get_tracer("lib").start_span("theirs")
    with otel.use_span(made):
        assert enrich_span({"k": "v"}) is True
    assert isinstance(made, ReadableSpan)
    assert dict(made.attributes or {}) == {"honeyhive_metadata.k": "v"}


def test_without_a_span_nothing_is_added() -> None:
    assert enrich_span({"k": "v"}) is False
    with datapoint().active():
        assert enrich_span({"k": "v"}) is False


def test_one_value_makes_no_more_than_so_many_attributes() -> None:
    tracer = datapoint()
    with tracer.active(), tracer.span("x"):
        enrich_span({f"k{number}": number for number in range(5_000)}, outputs={"text": "x" * 100_000})
    found = on_span(tracer.spans[0])
    assert found.keys() == {"honeyhive_metadata", "honeyhive_outputs.text"}
    assert str(found["honeyhive_outputs.text"]).endswith("x… (100,000 characters)")
    assert len(str(found["honeyhive_metadata"])) < 70_000


def test_however_much_is_added_a_span_stays_in_its_session() -> None:
    tracer = datapoint(run_id="run-1")
    with tracer.span("x") as span:
        for number in range(1_100):
            span.set_attribute(f"k{number}", number)
    (ended,) = tracer.close()
    found = ended.attributes or {}
    assert (found["honeyhive.session_id"], found["honeyhive_metadata.run_id"]) == (tracer.session_id, "run-1")
    assert ended.dropped_attributes > 0


# --- sessions --------------------------------------------------------------------------------------------------------


def test_what_is_added_to_a_session_is_kept_for_its_run() -> None:
    tracer = datapoint()
    assert tracer.enrichment == {}
    tracer.enrich_session({"k": 1, "team": "x"}, metrics={"m": 1}, outputs={"answer": [1]})
    tracer.enrich_session(metadata={"k": 2}, feedback={"stars": 5}, user_properties={"id": "u"})
    tracer.enrich_session(session_id=tracer.session_id, inputs={"q": 1}, config={"c": 1})
    assert tracer.enrichment == {
        "metadata": {"k": 2, "team": "x"},
        "metrics": {"m": 1},
        "outputs": {"answer": [1]},
        "feedback": {"stars": 5},
        "user_properties": {"id": "u"},
        "inputs": {"q": 1},
        "config": {"c": 1},
    }


def test_what_was_given_out_does_not_change_any_more() -> None:
    tracer = datapoint()
    tracer.enrich_session({"k": 1})
    before = tracer.enrichment
    tracer.enrich_session({"k": 2}, metrics={"m": 1})
    assert before == {"metadata": {"k": 1}}


def test_what_cannot_be_added_is_warned_of() -> None:
    tracer = datapoint()
    with pytest.warns(HoneyHiveWarning, match="outputs is not a mapping"):
        tracer.enrich_session(outputs="text", metrics={"m": 1})  # type: ignore[arg-type]  # as users do
    with pytest.warns(HoneyHiveWarning, match="is not this tracer's session"):
        tracer.enrich_session({"k": 1}, session_id="another")
    with pytest.warns(HoneyHiveWarning, match="id is not text") as caught:
        enrich_session({"k": 1}, tracer=tracer)  # type: ignore[arg-type]  # as users do
    assert caught[0].filename == __file__
    assert tracer.enrichment == {"metrics": {"m": 1}}


def test_by_position_metadata_comes_first_or_a_session_and_then_the_older_order() -> None:
    kinds = [{"k": number} for number in range(7)]
    newer = ("metadata", "inputs", "outputs", "config", "feedback", "metrics", "user_properties")
    older = ("metadata", "feedback", "metrics", "config", "inputs", "outputs", "user_properties")
    for first, order in ((False, newer), (True, older)):
        tracer = datapoint()
        tracer.enrich_session(*([tracer.session_id, *kinds] if first else [*kinds, tracer.session_id]))
        assert tracer.enrichment == dict(zip(order, kinds, strict=True))
    tracer = datapoint()
    enrich_session(tracer.session_id, *kinds, tracer=tracer)
    assert tracer.enrichment == dict(zip(older, kinds, strict=True))
    enrich_session(None, {"k": "later"}, tracer=tracer)
    assert tracer.enrichment["metadata"] == {"k": "later"}


@pytest.mark.parametrize(
    ("given", "named", "told"),
    [
        ((), {"metadta": {}}, "metadta"),
        (({},), {"metadata": {}}, "metadata"),
        (("id", {}), {"metadata": {}}, "metadata"),
        (({},) * 9, {}, "too many"),
    ],
)
def test_what_a_session_does_not_take_is_an_error(given: tuple[Any, ...], named: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        datapoint().enrich_session(*given, **named)


def test_every_kind_of_enrichment_is_taken_wherever_something_is_added() -> None:
    everything: dict[str, Any] = {kind: {"k": kind} for kind in KINDS}
    tracer = datapoint()
    with tracer.active(), tracer.span("x"):
        assert enrich_span(**everything) is True
        trace(event_name="y", **everything)(lambda: None)()
        enrich_session(**everything)
    assert tracer.enrichment == everything
    for span in tracer.spans:
        assert on_span(span).items() >= {(f"honeyhive_{kind}.k", kind) for kind in KINDS}


def test_threads_add_to_a_session_at_once() -> None:
    tracer = datapoint()

    def add(number: int) -> None:
        for i in range(200):
            tracer.enrich_session(metrics={f"{number} {i}": i})

    threads = [threading.Thread(target=lambda n=n: add(n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tracer.enrichment["metrics"]) == 800


def test_the_session_is_that_of_the_tracer_given_or_current_or_the_default() -> None:
    given, current, default = datapoint(), datapoint(), datapoint()
    assert enrich_session(metadata={"k": 1}) is False
    set_default_tracer(default)
    try:
        assert enrich_session(metadata={"k": 1}) is True
        with current.active():
            enrich_session(metadata={"k": 2})
            enrich_session(tracer=given, metadata={"k": 3})
    finally:
        set_default_tracer(None)
    assert [one.enrichment["metadata"]["k"] for one in (default, current, given)] == [1, 2, 3]


def test_there_is_nothing_to_flush_in_a_run() -> None:
    assert flush() is True
    tracer = datapoint()
    assert tracer.flush() is tracer.force_flush(1.0) is flush(tracer) is True


# --- the end of a session --------------------------------------------------------------------------------------------


def test_the_spans_of_a_session_are_handed_over_once() -> None:
    tracer = datapoint()
    with tracer.span("x"):
        pass
    spans = tracer.close()
    assert [span.name for span in spans] == ["x"]
    assert tracer.spans == tracer.close() == ()


def test_spans_that_are_open_end_with_the_session_as_errors() -> None:
    tracer = datapoint()
    tracer.provider.get_tracer("lib").start_span("theirs")
    with tracer.active(), tracer.span("ours"):
        spans = tracer.close()
    assert {span.name for span in spans} == {"theirs", "ours"}
    for span in spans:
        assert (span.status.status_code, span.end_time is not None) == (StatusCode.ERROR, True)
        assert "the datapoint ended before" in str(span.status.description)


def test_what_ends_after_the_session_goes_to_late_or_nowhere() -> None:
    late: list[ReadableSpan] = []
    for tracer, to in ((datapoint(), late.append), (datapoint(), None)):
        assert tracer.close(to) == ()
        with tracer.span("late"):
            pass
        assert tracer.close(lambda span: pytest.fail("the first to close it has it")) == ()
        with tracer.span("later"):
            pass
    assert [span.name for span in late] == ["late", "later"]


def test_each_span_is_handed_over_exactly_once_whoever_ends_it_when() -> None:
    for _ in range(20):
        tracer = datapoint()
        late: list[ReadableSpan] = []
        begun = threading.Barrier(5)

        def work(tracer: HoneyHiveTracer = tracer, begun: threading.Barrier = begun) -> None:
            begun.wait()
            for number in range(50):
                with tracer.span(str(number)):
                    pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        spans = tracer.close(late.append)
        for thread in threads:
            thread.join()
        ids = [span.context.span_id for span in (*spans, *late) if span.context]
        assert len(ids) == len(set(ids)) == 200


def test_a_closed_session_is_kept_by_nothing() -> None:
    tracer = datapoint()
    with tracer.active(), tracer.span("x"):
        tracer.provider.get_tracer("lib").start_span("never ended")
    gone = weakref.ref(tracer.provider)
    tracer.close()
    del tracer
    gc.collect()
    assert gone() is None


# --- configuration ---------------------------------------------------------------------------------------------------


def test_the_source_is_that_of_the_environment_or_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HH_SOURCE", raising=False)
    assert HoneyHiveTracer(is_evaluation=True).source == "dev"
    monkeypatch.setenv("HH_SOURCE", "ci")
    assert HoneyHiveTracer(is_evaluation=True).metadata == {"source": "ci"}
    assert HoneyHiveTracer(is_evaluation=True, source="evaluation").source == "evaluation"


def test_what_has_no_effect_is_accepted() -> None:
    settings = {"verbose": True, "disable_http_tracing": True, "link_carrier": {}, "cache_enabled": True}
    tracer = datapoint(**settings, test_mode=True, disable_batch=True, api_key="hh-secret", ingestion_api_key="hh-too")
    assert "hh-" not in f"{tracer!r} {vars(tracer)}"
    assert tracer.session_id in repr(tracer)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'sesion_name'"):
        datapoint(sesion_name="x")


def test_a_tracer_knows_its_ids() -> None:
    tracer = datapoint(run_id="run-1", dataset_id="EXT-qa", datapoint_id="EXT-a")
    assert (tracer.run_id, tracer.dataset_id, tracer.datapoint_id) == ("run-1", "EXT-qa", "EXT-a")
    assert datapoint().run_id is None


def test_a_span_is_started_with_attributes_and_stays_in_its_session() -> None:
    tracer = datapoint()
    with tracer.active(), tracer.start_span("x", attributes={"n": 1, "list": [1], "honeyhive.session_id": "y"}) as span:
        assert otel.get_current_span() is span
    assert on_span(tracer.spans[0]) == {"n": 1, "list": "[1]"}
    assert (tracer.spans[0].attributes or {})["honeyhive.session_id"] == tracer.session_id


def test_a_span_says_what_it_was_asked_to() -> None:
    tracer = datapoint()
    with tracer.span("solve", event_type="chain", inputs={"q": {"deep": 1}}):
        pass
    assert on_span(tracer.spans[0]) == {
        "honeyhive_event_type": "chain",
        "honeyhive_event_name": "solve",
        "honeyhive_inputs.q.deep": 1,
    }


def test_a_run_without_a_key_imports_nothing_that_sends() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from honeyhive.tracer import HoneyHiveTracer; import honeyhive.tracer.routing\n"
        "t = HoneyHiveTracer(is_evaluation=True)\nwith t.span('x'): pass\nt.close()\nHoneyHiveTracer()\n"
        "print([m for m in ('httpx', 'pydantic', 'honeyhive.api.client', 'google.protobuf') if m in sys.modules])"
    )
    with warnings.catch_warnings():
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True, env={}
        )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
