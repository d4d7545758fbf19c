"""Sessions: what stands on their spans, how they keep apart, and what they leave behind (nothing)."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import subprocess
import sys
import threading
import tracemalloc
import uuid
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, use_span

from honeyhive.experiments.context import ExperimentContext
from honeyhive.tracer import HoneyHiveTracer, current_tracer
from honeyhive.tracer.attributes import record_failure


def session(**configuration: Any) -> HoneyHiveTracer:
    usual: dict[str, Any] = {"is_evaluation": True, "source": "evaluation", "run_id": "run-1", "dataset_id": "EXT-qa"}
    return HoneyHiveTracer(**({**usual, "datapoint_id": "EXT-a"} | configuration))


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def identity(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def parent(span: ReadableSpan) -> SpanContext:
    assert span.parent is not None
    return span.parent


# --- metadata --------------------------------------------------------------------------------------------------------


def test_the_metadata_of_a_session_is_what_its_configuration_says() -> None:
    tracer = session(metadata={"model": "m-1"}, source="ci", session_name="qa", project="demo")
    assert tracer.metadata == {
        "model": "m-1",
        "run_id": "run-1",
        "dataset_id": "EXT-qa",
        "datapoint_id": "EXT-a",
        "source": "ci",
    }
    assert (tracer.session_name, tracer.project, tracer.source) == ("qa", "demo", "ci")


def test_what_is_not_known_is_not_in_the_metadata() -> None:
    assert HoneyHiveTracer(is_evaluation=True, source="evaluation").metadata == {"source": "evaluation"}


def test_the_ids_of_the_run_win_over_further_metadata_of_their_names() -> None:
    assert session(metadata={"run_id": "another", "source": "another"}).metadata["run_id"] == "run-1"
    assert session(metadata={"source": "another"}).metadata["source"] == "evaluation"


def test_an_experiment_configures_the_tracer_of_each_datapoint() -> None:
    known = ExperimentContext("run-1", "demo", "EXT-qa", session_name="qa", metadata={"team": "x"})
    tracer = HoneyHiveTracer(**known.to_tracer_config("EXT-b"))
    assert (tracer.metadata["datapoint_id"], tracer.metadata["team"]) == ("EXT-b", "x")
    assert tracer.session_name == "qa"


def test_each_session_has_an_id_of_its_own() -> None:
    ids = {session().session_id for _ in range(100)}
    assert len(ids) == 100
    assert all(str(uuid.UUID(one)) == one for one in ids)


def test_every_span_carries_the_metadata_however_it_came_about() -> None:
    tracer = session(metadata={"model": "m-1", "temperature": 0.5, "tags": ["a"], "nothing": None})
    with tracer.span("outer"), tracer.span("inner"):
        other = tracer.provider.get_tracer("some.instrumentation", "1.2", "https://schema", {"own": "yes"})
        with other.start_as_current_span("theirs", attributes={"llm": "gpt"}):
            other.start_span("innermost").end()
    assert [span.name for span in tracer.spans] == ["innermost", "theirs", "inner", "outer"]
    expected = {
        "honeyhive.session_id": tracer.session_id,
        "traceloop.association.properties.session_id": tracer.session_id,
        "honeyhive.source": "evaluation",
        "traceloop.association.properties.source": "evaluation",
        "honeyhive_metadata.run_id": "run-1",
        "honeyhive_metadata.dataset_id": "EXT-qa",
        "honeyhive_metadata.datapoint_id": "EXT-a",
        "honeyhive_metadata.source": "evaluation",
        "honeyhive_metadata.model": "m-1",
        "honeyhive_metadata.temperature": "0.5",
        "honeyhive_metadata.tags": '["a"]',
        "honeyhive_metadata.nothing": "null",
    }
    for span in tracer.spans:
        assert expected.items() <= attributes(span).items()
    assert attributes(tracer.spans[1])["llm"] == "gpt"


def test_spans_are_nested_as_they_were_begun() -> None:
    tracer = session()
    with tracer.active(), tracer.span("outer") as outer, tracer.span("inner"):
        pass
    inner_span, outer_span = tracer.spans
    assert outer_span.parent is None
    assert parent(inner_span).span_id == outer.get_span_context().span_id


def test_an_instrumentation_is_named_on_its_spans() -> None:
    tracer = session()
    tracer.provider.get_tracer("lib", "1.2", "https://schema", {"own": "yes"}).start_span("x").end()
    (span,) = tracer.spans
    scope = span.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version, scope.schema_url) == ("lib", "1.2", "https://schema")
    assert dict(scope.attributes or {}) == {"own": "yes"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert span.instrumentation_info is not None
        assert span.instrumentation_info.name == "lib"


def test_one_instrumentation_gets_one_tracer_of_a_session() -> None:
    provider = session().provider
    assert provider.get_tracer("lib", "1") is provider.get_tracer("lib", "1")
    assert provider.get_tracer("lib", "1") is not provider.get_tracer("lib", "2")
    assert provider.get_tracer("lib") is not session().provider.get_tracer("lib")


def test_a_span_that_has_not_ended_is_not_among_the_spans() -> None:
    tracer = session()
    with tracer.span("outer"):
        assert tracer.spans == ()
    assert len(tracer.spans) == 1


def test_an_exception_ends_the_span_and_goes_on() -> None:
    tracer = session()
    with pytest.raises(ValueError, match="broken"), tracer.span("outer"):
        raise ValueError("broken")
    assert [event.name for event in tracer.spans[0].events] == ["exception"]


def test_a_failure_is_put_down_on_a_span_that_goes_on() -> None:
    tracer = session()
    root = tracer.provider.get_tracer("honeyhive").start_span("solve")
    with use_span(root, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        with pytest.raises(ZeroDivisionError) as caught:
            print(1 / 0)
        record_failure(root, caught.value)
        root.set_attribute("graded", True)
    (span,) = tracer.spans
    (event,) = span.events
    told = dict(event.attributes or {})
    assert (told["exception.type"], told["exception.message"]) == ("ZeroDivisionError", "division by zero")
    assert "print(1 / 0)" in str(told["exception.stacktrace"])
    assert (attributes(span)["honeyhive_error"], attributes(span)["graded"]) == ("division by zero", True)
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR,
        "ZeroDivisionError: division by zero",
    )


def test_all_providers_tell_of_one_process() -> None:
    one, another = session().provider, session().provider
    assert one.resource is another.resource
    assert one.resource.attributes["telemetry.sdk.language"] == "python"


# --- keeping apart ---------------------------------------------------------------------------------------------------


def test_two_sessions_at_once_never_mix() -> None:
    together = threading.Barrier(2)
    tracers = {name: session(datapoint_id=name) for name in ("EXT-a", "EXT-b")}

    def work(name: str) -> None:
        with tracers[name].active() as tracer:
            for number in range(50):
                together.wait()
                assert current_tracer() is tracer
                with tracer.span(f"{name} {number}"):
                    together.wait()
                    tracer.provider.get_tracer("lib").start_span(f"{name} {number} lib").end()

    threads = [threading.Thread(target=work, args=(name,)) for name in tracers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, tracer in tracers.items():
        assert len(tracer.spans) == 100
        for span in tracer.spans:
            assert span.name.startswith(name)
            assert attributes(span)["honeyhive_metadata.datapoint_id"] == name
            assert attributes(span)["honeyhive.session_id"] == tracer.session_id
    traces = [{identity(span).trace_id for span in tracer.spans} for tracer in tracers.values()]
    assert traces[0].isdisjoint(traces[1])


def test_a_span_around_a_session_is_no_part_of_it() -> None:
    around, tracer = session(), session()
    with around.active(), around.span("the caller's") as outer:
        with tracer.active(), tracer.span("ours"):
            pass
        with around.span("the caller's again"):
            pass
    (ours,) = tracer.spans
    assert ours.parent is None
    assert identity(ours).trace_id != outer.get_span_context().trace_id
    assert parent(around.spans[0]).span_id == outer.get_span_context().span_id, "it is current again after the session"


def test_a_trace_that_is_not_sampled_takes_no_span_from_a_session() -> None:
    tracer = session()
    unsampled = NonRecordingSpan(SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(0)))
    with use_span(unsampled), tracer.span("ours"):
        pass
    assert len(tracer.spans) == 1


class Listener(SpanProcessor):
    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.heard.append(("start", span.name, attributes(span)["honeyhive_metadata.run_id"]))

    def on_end(self, span: ReadableSpan) -> None:
        self.heard.append(("end", span.name, attributes(span)["honeyhive_metadata.run_id"]))


def test_another_span_processor_sees_the_spans_with_their_metadata() -> None:
    tracer, listener = session(), Listener()
    tracer.provider.add_span_processor(listener)
    with tracer.span("x"):
        pass
    with session().span("another session's"):
        pass
    assert listener.heard == [("start", "x", "run-1"), ("end", "x", "run-1")]
    assert len(tracer.spans) == 1


def test_the_provider_is_one_of_opentelemetry() -> None:
    assert isinstance(session().provider, trace.TracerProvider)


# --- which is current ------------------------------------------------------------------------------------------------


def test_outside_of_a_session_there_is_no_tracer() -> None:
    assert current_tracer() is None


def test_the_innermost_session_is_current() -> None:
    outer, inner = session(), session()
    with outer.active() as given:
        assert given is outer
        with inner.active():
            assert current_tracer() is inner
        assert current_tracer() is outer
    assert current_tracer() is None


def test_an_exception_leaves_no_session_behind() -> None:
    with pytest.raises(ValueError, match="broken"), session().active():
        raise ValueError("broken")
    assert current_tracer() is None


def test_tasks_and_copied_contexts_keep_their_session() -> None:
    tracers = [session() for _ in range(3)]

    async def work(tracer: HoneyHiveTracer) -> bool:
        with tracer.active():
            await asyncio.sleep(0)
            child = asyncio.create_task(asyncio.to_thread(current_tracer))
            await asyncio.sleep(0)
            return current_tracer() is tracer and await child is tracer

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*map(work, tracers))

    assert asyncio.run(all_at_once()) == [True, True, True]
    with tracers[0].active():
        kept = contextvars.copy_context()
    assert kept.run(current_tracer) is tracers[0]
    assert current_tracer() is None


# --- what is left behind ---------------------------------------------------------------------------------------------


def thousands(do: Callable[[], object]) -> int:
    """How many bytes 5,000 calls leave in memory."""
    for _ in range(50):  # what is made once
        do()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5_000):
            do()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_thousands_of_sessions_leave_no_memory_no_thread_and_no_filter_behind() -> None:
    def whole_session() -> None:
        tracer = session()
        with tracer.active(), tracer.span("x"):
            tracer.provider.get_tracer("lib").start_span("y").end()
        tracer.close()

    threads, filters = threading.active_count(), list(warnings.filters)
    assert thousands(whole_session) < 50_000, "ten bytes a session are measuring noise"
    assert threading.active_count() == threads
    assert list(warnings.filters) == filters


HANDLERS = """
import atexit, json, os, sys, warnings
from honeyhive.tracer import HoneyHiveTracer

def session():
    tracer = HoneyHiveTracer(run_id="r", is_evaluation=True)
    with tracer.span("x"):
        pass
    tracer.close()

session()
registered = []
os.register_at_fork = lambda **handlers: registered.append("fork")
atexit.register = lambda *handler: registered.append("exit")
before = atexit._ncallbacks()
for _ in range(100):
    session()
print(json.dumps([registered, atexit._ncallbacks() - before]))
"""


def test_a_session_registers_nothing_with_the_process_and_warns_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HANDLERS], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == [[], 0]
    assert done.stderr == ""
