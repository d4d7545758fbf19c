"""What a run takes of its process: threads, sockets, memory; measured in processes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loopback import Loopback
from platform_runs import ended, kept_run, script, start
from platform_server import PlatformServer

WORKERS = 4
COUNT = 500

MEASURE = """
import gc, json, os, pathlib, sys, threading, time
import psutil

def measured():
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "connections": len([one for one in psutil.Process().net_connections("inet") if one.raddr]),
        "sockets": sum(is_socket(fd) for fd in os.listdir("/proc/self/fd")),
    }

def is_socket(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    except OSError:  # closed by now
        return False
"""

EVALUATE = """
from honeyhive import trace
from honeyhive.experiments import evaluate

count, workers = int(sys.argv[1]), int(sys.argv[2])
found = {"before": measured(), "within": []}

@trace
def inner(n):
    return n + 1

def function(inputs):
    if inputs["n"] >= count - 5:
        found["within"].append(measured())
    return inner(inputs["n"])

async def awaiting(inputs):
    return function(inputs)

def small(outputs):
    return outputs < 100

result = evaluate(
    awaiting if sys.argv[3] == "async" else function,
    dataset=[{"inputs": {"n": n}} for n in range(count)],
    evaluators=[small],
    name="qa",
    max_workers=workers,
    print_results=False,
)
gc.collect()
found["after"] = measured()
found["status"] = result.status
found["unsent"] = None if result.unsent is None else result.unsent.reason
print(json.dumps(found))
"""

GROWTH = """
import tracemalloc
from honeyhive.api.client import HoneyHive
from honeyhive.experiments.dataset import Dataset
from honeyhive.experiments.platform.delivery import Delivery
from honeyhive.experiments.running import Experiment, run_experiment

def held(count, out):
    sent = out.with_name(out.stem + ".sent.jsonl")
    def function(inputs):
        if inputs["n"] % 250 == 249:  # what waits to be sent is bounded too, and not what is measured here
            while sent.read_bytes().count(b'"update"') < inputs["n"] - 10:
                time.sleep(0.1)
        if inputs["n"] == count - 1:
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        return "x" * 2_000

    sizes = []
    with HoneyHive() as client:
        delivery = Delivery(client, workers=4)
        dataset = Dataset.of([{"inputs": {"n": n}} for n in range(count)])
        experiment = Experiment(name="qa", function=function, dataset=dataset, max_workers=4)
        run_experiment(experiment, out=out, follower=delivery)
        assert delivery.end(cancelled=False).complete
    return sizes[0]

tracemalloc.start()
held(50, pathlib.Path("warm.jsonl"))
few, many = held(500, pathlib.Path("few.jsonl")), held(2_000, pathlib.Path("many.jsonl"))
print(json.dumps((many - few) / 1_500))
"""


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer(validate=False) as found:
        yield found


@pytest.fixture
def backend() -> Iterator[Loopback]:
    found = Loopback()
    yield found
    found.close()


def program(server: PlatformServer, folder: Path, text: str, *arguments: str, **environ: str) -> Any:
    process = start(server, "-W", "error", script(folder, MEASURE + text), *arguments, folder=folder, **environ)
    code, out, err = ended(process)
    assert (code, err) == (0, "")
    return json.loads(out.splitlines()[-1])


def assert_modest(found: Any, *, threads: int, sockets: int) -> None:
    assert found["status"] == "completed"
    assert found["unsent"] is None
    assert len(found["within"]) == 5
    for measured in found["within"]:
        assert len(measured["threads"]) <= threads
        assert measured["sockets"] <= sockets
    assert found["after"] == found["before"]


def test_with_the_platform(server: PlatformServer, tmp_path: Path) -> None:
    found = program(server, tmp_path, EVALUATE, str(COUNT), str(WORKERS), "sync")
    assert_modest(found, threads=WORKERS + 3, sockets=WORKERS + 2)
    assert len(kept_run(server)["event_ids"]) == len(server.sessions) == COUNT
    assert len(server.spans) == 2 * COUNT
    assert len(server.connections) <= WORKERS + 1
    server.wait_until(lambda: not server.open_connections)


def test_a_coroutine_costs_one_thread_and_the_pair_of_sockets_that_an_event_loop_has(
    server: PlatformServer, tmp_path: Path
) -> None:
    found = program(server, tmp_path, EVALUATE, str(COUNT), str(WORKERS), "async")
    assert_modest(found, threads=WORKERS + 3, sockets=WORKERS + 2 + 2)
    assert all(measured["connections"] <= WORKERS + 2 for measured in found["within"])


def test_without_a_key(server: PlatformServer, tmp_path: Path) -> None:
    found = program(server, tmp_path, EVALUATE, str(COUNT), str(WORKERS), "sync", HH_API_KEY="")
    assert_modest(found, threads=WORKERS + 1, sockets=0)
    assert server.requests == []


def test_with_a_backend_of_opentelemetrys_every_span_goes_there_once(
    server: PlatformServer, backend: Loopback, tmp_path: Path
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}
    found = program(server, tmp_path, EVALUATE, str(COUNT), str(WORKERS), "sync", **environ)
    assert_modest(found, threads=WORKERS + 3, sockets=WORKERS + 2 + 1)
    spans = []
    for asked in backend.asked:
        assert (asked.path, asked.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        assert server.key not in str(asked.headers)
        for resource_spans in ExportTraceServiceRequest.FromString(asked.body).resource_spans:
            spans += [span for scope_spans in resource_spans.scope_spans for span in scope_spans.spans]
    assert len(spans) == 2 * COUNT
    assert {span.span_id.hex() for span in spans} == server.spans.keys()
    assert len(backend.ports) == 1


def test_memory_does_not_grow_with_the_datapoints(server: PlatformServer, tmp_path: Path) -> None:
    per_datapoint = program(server, tmp_path, GROWTH)
    assert per_datapoint < 1_500  # its output alone is longer
