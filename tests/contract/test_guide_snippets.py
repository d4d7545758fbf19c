"""What the guide shows of the package's use runs as written, against a platform on this machine.

The guide lies in the folder `shared` beside the repository.
"""

from __future__ import annotations

import ast
import doctest
import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fenced import Block
from guide import GUIDE, SNIPPETS, ran, sketch, sketched, snippets
from honeyhive.api.client import HoneyHive
from honeyhive.models.generated import ExperimentResultResponse
from honeyhive.tracer import HoneyHiveTracer, current_tracer
from platform_server import PlatformServer, attributes

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="needs the folder `shared` beside the repository")

SETTINGS = ("HH_", "HONEYHIVE_", "OTEL_")
IDS = {"run_id": "run-1", "dataset_id": "EXT-ds", "datapoint_id": "EXT-7"}
CONFIGURED = snippets("datapoint_id=datapoint_id")
TRIED = {
    "metadata = {",
    "datapoint_id=datapoint_id",
    "HoneyHiveTracer(...)",
    "import ThreadPoolExecutor",
    "copy_context",
}
"""What each of the snippets below is known by; the guide's `generate_datapoint_id` is held to ours in `test_guide`."""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformServer]:
    """The platform of every client and tracer that names no other."""
    with PlatformServer() as server:
        monkeypatch.setenv("HH_API_URL", server.url)
        yield server
        assert server.violations == []


def snippet(needle: str) -> Block:
    (found,) = snippets(needle)
    return found


def required() -> dict[str, str]:
    """The session's metadata that the guide requires, with the ids in the place of what stands for them."""
    shown: dict[str, str] = ran(snippet("metadata = {"))["metadata"]
    assert {name for name, value in shown.items() if value == f"<{name}>"} == IDS.keys()
    return shown | IDS


def test_every_snippet_is_tried() -> None:
    tried = [block for needle in (*TRIED, "def generate_datapoint_id") for block in snippets(needle)]
    assert sorted(block.line for block in tried) == [block.line for block in SNIPPETS]
    assert len(CONFIGURED) == 2


# --- the tracer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [pytest.param(block, id=f"line {block.line}") for block in CONFIGURED])
def test_a_tracers_configuration_is_its_sessions_metadata(block: Block, platform: PlatformServer) -> None:
    names = ran(block, HoneyHiveTracer=HoneyHiveTracer, api_key=platform.key, project="p", **IDS)
    tracer = names["tracer"]
    with tracer.span("answer"):
        pass
    assert tracer.flush()
    tracer.shutdown()
    (session,) = platform.sessions.values()
    assert session.value["metadata"] == required()
    assert (session.value["source"], session.value["session_id"]) == ("evaluation", tracer.session_id)
    (span,) = platform.spans_of(tracer.session_id)
    assert attributes(span).items() >= {(f"honeyhive_metadata.{name}", value) for name, value in required().items()}


def test_every_thread_has_a_tracer_and_a_session_of_its_own(platform: PlatformServer) -> None:
    made: list[HoneyHiveTracer] = []
    numbers = itertools.count()

    def tracer(elided: object) -> HoneyHiveTracer:
        """The guide leaves the configuration open: `HoneyHiveTracer(...)`."""
        assert elided is ...
        ids: dict[str, Any] = IDS | {"datapoint_id": f"EXT-{next(numbers)}"}
        made.append(HoneyHiveTracer(api_key=platform.key, project="p", source="evaluation", **ids))
        return made[-1]

    names = ran(snippet("HoneyHiveTracer(...)"), HoneyHiveTracer=tracer, ThreadPoolExecutor=ThreadPoolExecutor, n=12)
    assert [future.result() for future in names["futures"]] == [None] * 12
    for one in made:
        one.shutdown()
    sessions = {session_id: kept.value["metadata"]["datapoint_id"] for session_id, kept in platform.sessions.items()}
    assert sessions == {one.session_id: one.metadata["datapoint_id"] for one in made}
    assert len(set(sessions.values())) == 12


def test_the_guides_pool_is_one_of_threads() -> None:
    names = ran(snippet("import ThreadPoolExecutor"), max_workers=3)
    assert names["ThreadPoolExecutor"] is ThreadPoolExecutor


def test_a_copied_context_brings_the_tracer_to_its_thread(platform: PlatformServer) -> None:
    def execute_task(number: int) -> tuple[bool, bool]:
        with tracer.span(f"task {number}"):
            return current_tracer() is tracer, threading.current_thread() is not threading.main_thread()

    tracer = HoneyHiveTracer(api_key=platform.key, project="p")
    with tracer.active():
        names = ran(snippet("copy_context"), ThreadPoolExecutor=ThreadPoolExecutor, n=5, execute_task=execute_task)
    assert [future.result() for future in names["futures"]] == [(True, True)] * 5
    tracer.shutdown()
    assert {span["name"] for span in platform.spans_of(tracer.session_id)} == {f"task {number}" for number in range(5)}


# --- evaluate() ------------------------------------------------------------------------------------------------------


def example() -> dict[str, Any]:
    """What the example in the docstring of the guide's `evaluate` makes of our package."""
    (function,) = (node for node in sketched("core").body if getattr(node, "name", None) == "evaluate")
    assert isinstance(function, ast.FunctionDef)
    lines = doctest.DocTestParser().get_examples(ast.get_docstring(function) or "")
    assert len([line for line in lines if line.source.strip()]) == 3
    names: dict[str, Any] = {"Dict": dict, "accuracy_evaluator": accuracy_evaluator}
    for line in lines:
        exec(compile(line.source, "the guide's example", "exec", dont_inherit=True), names)
    return names


def accuracy_evaluator(outputs: Any, inputs: Any, ground_truth: Any) -> bool:
    return bool(outputs == f"Response: {inputs['query']}" and ground_truth == "answer")


def assert_as_the_example_says(result: Any) -> None:
    assert isinstance(result, ExperimentResultResponse)
    assert (result.status, result.success, len(result.passed), result.failed) == ("completed", True, 1, [])
    (datapoint,) = result.datapoints
    assert (datapoint.inputs, datapoint.outputs) == ({"query": "test"}, "Response: test")
    (metric,) = (metric for metric in result.metrics.details if metric.metric_name == "accuracy_evaluator")
    assert (metric.aggregate, metric.values) == (1.0, [True])


def test_the_example_of_evaluate_runs_without_a_key() -> None:
    names = example()
    assert_as_the_example_says(names["results"])
    assert names["results"].unsent is None


def test_the_example_of_evaluate_runs_on_the_platform(
    platform: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HH_API_KEY", platform.key)
    monkeypatch.setenv("HH_PROJECT", "p")
    result = example()["results"]
    assert_as_the_example_says(result)
    ((run_id, run),) = platform.runs.items()
    ((session_id, session),) = platform.sessions.items()
    assert (run_id, run.value["status"], run.value["event_ids"]) == (result.run_id, "completed", [session_id])
    dataset_id = run.value["metadata"]["offline_dataset_id"]
    known = {"run_id": run_id, "dataset_id": dataset_id, "datapoint_id": result.passed[0]}
    assert session.value["metadata"].items() >= (required() | known).items()


def test_the_guides_own_evaluate_runs_on_our_client_tracer_and_models(
    platform: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sketch("core")
    clients: list[HoneyHive] = []

    def client(**configuration: Any) -> HoneyHive:
        clients.append(HoneyHive(**configuration))  # the guide's code never closes it
        return clients[-1]

    monkeypatch.setitem(names, "HoneyHive", client)
    platform.add_dataset("ds1", [{"id": f"dp{at}", "inputs": {"q": at}, "ground_truth": {"a": at}} for at in range(4)])
    result = names["evaluate"](
        lambda inputs, ground_truth: {"a": 6 // (3 - inputs["q"])},
        api_key=platform.key,
        project="p",
        dataset_id="ds1",
        evaluators=[lambda outputs, inputs, ground_truth: (outputs == ground_truth, "compared")],
        verbose=True,
        metadata={"team": "x"},
    )
    clients[0].close()
    assert (result.status, sorted(result.passed), result.failed) == ("completed", ["dp0", "dp1", "dp2"], ["dp3"])
    found = {
        point.datapoint_id: (point.inputs, point.outputs, point.metrics[0].explanation) for point in result.datapoints
    }
    assert found["dp1"] == ({"q": 1}, {"a": 3}, "compared")
    (run,) = platform.runs.values()
    assert (run.value["status"], run.value["dataset_id"], len(run.value["event_ids"])) == ("completed", "ds1", 4)
    assert run.value["metadata"] == {"team": "x"}
