"""Isolation: whatever the user's code starts, each span is in the session of the datapoint that it came from."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.tracer import HoneyHiveTracer, current_tracer, trace
from honeyhive.tracer.routing import routing

COUNT = 60

POOL: list[ThreadPoolExecutor] = []
"""The user's own, made once: its threads serve one datapoint after the other."""


@pytest.fixture(autouse=True)
def _no_detach_failed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """OpenTelemetry logs what goes wrong with its context, and goes on."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@trace
def leaf(where: str, number: int) -> str:
    return f"{where} {number}"


@trace(event_type="chain")
def nested(number: int) -> str:
    return leaf("nested", number)


class Worker(threading.Thread):
    """A thread as many people write one: by overriding `run`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def run(self) -> None:
        leaf("thread class", self.number)


@trace
async def aleaf(where: str, number: int) -> None:
    await asyncio.sleep(0)
    leaf(where, number)


async def asynchronous(number: int) -> None:
    await asyncio.gather(*(asyncio.create_task(aleaf("task", number)) for _ in range(2)))
    await asyncio.to_thread(leaf, "to_thread", number)
    await asyncio.get_running_loop().run_in_executor(None, leaf, "run_in_executor", number)
    await asyncio.get_running_loop().run_in_executor(POOL[0], leaf, "run_in_executor, shared", number)


def users_function(number: int) -> None:
    nested(number)
    threads = [threading.Thread(target=leaf, args=("thread", number)), Worker(number)]
    threads.append(threading.Timer(0, leaf, ("timer", number)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(leaf, ["pool"] * 2, [number] * 2))
    shared: list[Future[str]] = [POOL[0].submit(leaf, "shared pool", number) for _ in range(2)]
    for future in shared:
        future.result()
    asyncio.run(asynchronous(number))


SPANS_EACH = 1 + 2 + 1 + 1 + 1 + 2 + 2 + (2 * 2 + 1 + 1 + 1)


def run_once(
    workers: int, run_id: str, count: int = COUNT
) -> dict[str, tuple[HoneyHiveTracer, tuple[ReadableSpan, ...]]]:
    """A run in little: workers, and a tracer for each datapoint."""
    done: dict[str, tuple[HoneyHiveTracer, tuple[ReadableSpan, ...]]] = {}

    def work(number: int) -> None:
        datapoint = f"EXT-{number}"
        tracer = HoneyHiveTracer(is_evaluation=True, source="evaluation", run_id=run_id, datapoint_id=datapoint)
        with tracer.active(), tracer.span("root"):
            users_function(number)
        done[datapoint] = tracer, tracer.close()

    numbers, lock = iter(range(count)), threading.Lock()

    def take() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            contextvars.Context().run(work, number)

    with routing():
        threads = [threading.Thread(target=take) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return done


def check(done: dict[str, tuple[HoneyHiveTracer, tuple[ReadableSpan, ...]]], run_id: str) -> None:
    sessions = {tracer.session_id for tracer, _ in done.values()}
    assert len(sessions) == len(done)
    for datapoint, (tracer, spans) in done.items():
        assert len(spans) == SPANS_EACH
        assert len({span.context.trace_id for span in spans if span.context}) == 1
        for span in spans:
            found = span.attributes or {}
            assert found["honeyhive.session_id"] == tracer.session_id
            assert found["honeyhive_metadata.datapoint_id"] == datapoint
            assert found["honeyhive_metadata.run_id"] == run_id
            assert found.get("honeyhive_inputs.number", int(datapoint[4:])) == int(datapoint[4:])


@pytest.fixture
def shared_pool() -> Iterator[None]:
    POOL[:] = [ThreadPoolExecutor(4)]
    yield
    POOL[0].shutdown()


@pytest.mark.usefixtures("shared_pool")
@pytest.mark.parametrize("workers", [1, 8, 64])
def test_each_span_is_in_the_session_of_its_datapoint(workers: int) -> None:
    before = set(threading.enumerate())
    check(done := run_once(workers, "run-1"), "run-1")
    assert len(done) == COUNT
    POOL[0].shutdown()
    assert set(threading.enumerate()) == before


@pytest.mark.usefixtures("shared_pool")
def test_two_runs_at_once_share_the_routing_and_nothing_else() -> None:
    results: dict[str, Any] = {}
    runs = [
        threading.Thread(target=lambda name=name: results.update({name: run_once(4, name, 20)}))
        for name in ("run-1", "run-2")
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    for name, done in results.items():
        check(done, name)
    assert sorted(results) == ["run-1", "run-2"]


def thread_methods() -> list[object]:
    timer, pool = threading.Timer.__dict__, ThreadPoolExecutor.__dict__
    found = [threading.Thread.__dict__[name] for name in ("start", "run", "_bootstrap_inner")]
    return [*found, timer["run"], pool["submit"]]


def test_threads_are_as_they_were_after_the_last_run() -> None:
    before = thread_methods()
    with routing():
        during = thread_methods()
        with routing():
            assert thread_methods() == during
        assert thread_methods() == during
    assert all(one is another for one, another in zip(before, thread_methods(), strict=True))
    assert all(one is not another for one, another in zip(before, during, strict=True))
    assert not ThreadingInstrumentor().is_instrumented_by_opentelemetry


def test_an_instrumentation_of_the_users_own_stays() -> None:
    ThreadingInstrumentor().instrument()
    try:
        with routing():
            pass
        assert ThreadingInstrumentor().is_instrumented_by_opentelemetry
    finally:
        ThreadingInstrumentor().uninstrument()


def test_a_run_that_fails_puts_threads_back() -> None:
    before = thread_methods()
    with pytest.raises(ValueError, match="broken"), routing():
        raise ValueError("broken")
    assert all(one is another for one, another in zip(before, thread_methods(), strict=True))


@pytest.mark.usefixtures("shared_pool")
def test_the_thread_of_a_pool_belongs_to_no_datapoint() -> None:
    tracer = HoneyHiveTracer(is_evaluation=True)
    with routing(), tracer.active():
        assert POOL[0].submit(current_tracer).result() is tracer
    assert POOL[0].submit(current_tracer).result() is None
    gone = weakref.ref(tracer)
    tracer.close()
    del tracer
    gc.collect()
    assert gone() is None


def test_what_ends_after_the_datapoint_goes_where_late_spans_go() -> None:
    tracer, go = HoneyHiveTracer(is_evaluation=True, datapoint_id="EXT-a"), threading.Event()
    late: list[ReadableSpan] = []

    def left_behind() -> None:
        go.wait(10)
        leaf("late", 1)

    with routing(), tracer.active():
        thread = threading.Thread(target=left_behind)
        thread.start()
        assert tracer.close(late.append) == ()
        go.set()
        thread.join()
    (span,) = late
    assert (span.attributes or {})["honeyhive.session_id"] == tracer.session_id


# --- the global API, which a process has one of ----------------------------------------------------------------------

PRELUDE = """
import json, threading
from opentelemetry import trace, context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.routing import routing, routing_provider

early = trace.get_tracer("early")  # as an instrumentation does at import

def datapoint(name, late=None):
    tracer = HoneyHiveTracer(is_evaluation=True, source="evaluation", datapoint_id=name)
    with tracer.active(), tracer.span("root"):
        work(name)
    return tracer, tracer.close(late)

def work(name):
    with early.start_as_current_span("early"):
        trace.get_tracer("now").start_span("now").end()
    thread = threading.Thread(target=lambda: early.start_span("thread").end())
    thread.start(); thread.join()
    early.start_span("rooted", context=context.Context()).end()

def check(tracer, spans, name, count=5):
    assert len(spans) == count, [span.name for span in spans]
    for span in spans:
        assert span.attributes["honeyhive.session_id"] == tracer.session_id
        assert span.attributes["honeyhive_metadata.datapoint_id"] == name
    by_name = {span.name: span for span in spans}
    assert by_name["early"].parent.span_id == by_name["root"].context.span_id
    assert by_name["now"].parent.span_id == by_name["early"].context.span_id
    assert by_name["thread"].parent.span_id == by_name["root"].context.span_id
    assert by_name["rooted"].parent is None

def all_at_once():
    results = {}
    threads = [threading.Thread(target=lambda n=f"EXT-{i}": results.update({n: datapoint(n)})) for i in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    for name, (tracer, spans) in results.items():
        check(tracer, spans, name)
    assert len(results) == 8
"""

WITHOUT_A_PROVIDER = """
with routing():
    assert routing_provider() is trace.get_tracer_provider()
    kept = routing_provider().get_tracer("kept")
    all_at_once()
    assert not early.start_span("outside").is_recording()
    with early.start_as_current_span("outside"):
        pass
with routing():
    all_at_once()

# Afterwards the process is the user's: its own provider is taken, and what an instrumentation holds follows it.
assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
mine = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(mine))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
early.start_span("mine").end()
kept.start_span("mine, kept").end()
assert [span.name for span in mine.get_finished_spans()] == ["mine", "mine, kept"]
assert "honeyhive.session_id" not in mine.get_finished_spans()[0].attributes
"""

WITH_A_PROVIDER_OF_THE_USERS = """
mine = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(mine))
trace.set_tracer_provider(provider)
for _ in range(2):
    with routing(), routing():
        assert routing_provider() is provider
        all_at_once()
assert len(mine.get_finished_spans()) == 2 * 8 * 4, "and the user's own backend has them too"
assert {span.name for span in mine.get_finished_spans()} == {"early", "now", "thread", "rooted"}

# Of what is never ended nothing stays; what ends late goes where late spans go; outside there is no session.
with routing():
    late, kept = [], []
    tracer = HoneyHiveTracer(is_evaluation=True, datapoint_id="EXT-z")
    with tracer.active():
        kept.append(early.start_span("late"))
        early.start_span("never ended")
    assert tracer.close(late.append) == ()
    kept[0].end()
    assert [span.attributes["honeyhive_metadata.datapoint_id"] for span in late] == ["EXT-z"]
    early.start_span("outside").end()
    assert "honeyhive.session_id" not in mine.get_finished_spans()[-1].attributes
import gc, weakref
gone = weakref.ref(tracer)
del tracer, kept, late
gc.collect()
assert gone() is None
"""

WITH_A_PROVIDER_OF_ANOTHER_KIND = """
trace.set_tracer_provider(trace.NoOpTracerProvider())
with routing():
    given = routing_provider().get_tracer("instrumentation")
    early = given
    trace.get_tracer = lambda name: given
    all_at_once()
assert isinstance(trace.get_tracer_provider(), trace.NoOpTracerProvider)
"""


@pytest.mark.parametrize(
    "script",
    [WITHOUT_A_PROVIDER, WITH_A_PROVIDER_OF_THE_USERS, WITH_A_PROVIDER_OF_ANOTHER_KIND],
    ids=["none", "sdk", "other"],
)
def test_instrumentations_reach_the_session_of_their_datapoint(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
