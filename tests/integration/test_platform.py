"""`evaluate()` with a key: what HoneyHive is sent, in which order, and what it holds afterwards."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from honeyhive import enrich_session
from honeyhive.errors import HoneyHiveWarning
from honeyhive.experiments import evaluate, evaluator
from platform_runs import ROWS, answer, assert_whole, exact, inner, kept_run, run
from platform_server import PlatformServer, attributes
from platform_server.replies import Style
from recordings import CREATE_RUN, END_RUN, START, TRACES, UPDATE, Request, implied_requests, missing, needs_recordings
from recordings import read as read_recording

RESULT = Request("GET", "/v1/runs/{run_id}/result")
IDS = {"run_id", "dataset_id", "datapoint_id", "source"}

NOT_OURS = (
    "metadata.git.author_email",  # an address of a person, which nothing needs
    "resourceSpans[].scopeSpans[].spans[].attributes.honeyhive_inputs.dp",  # named after the recorded parameter
)
SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, whose remote is written with a credential."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_EVENT_PATH", "GITHUB_REF", "HONEYHIVE_TELEMETRY", "HH_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "app.py").write_text("")
    user = ["-c", "user.name=Bee", "-c", "user.email=bee@honey.example"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", f"https://bee:{SECRET}@github.com/acme/widget.git"],
        ["add", "--all"],
        [*user, "commit", "-q", "-m", "Begin"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found


def everything(server: PlatformServer) -> str:
    """All that the server has been sent, as text."""
    return json.dumps([[one.path, dict(one.query), dict(one.headers), one.body] for one in server.requests])


# --- requests --------------------------------------------------------------------------------------------------------


@needs_recordings
def test_what_is_sent_is_what_the_recorded_run_sent(server: PlatformServer) -> None:
    found = run(server, max_workers=2)
    recorded, ours = implied_requests(read_recording("evaluate-1.7.0.json")), implied_requests(server.requests)
    assert missing(ours, recorded, ignoring=NOT_OURS) == []
    assert sorted(ours.sequence) == sorted([CREATE_RUN, *[START] * 3, *[TRACES] * 3, *[UPDATE] * 3, END_RUN, RESULT])
    assert_whole(server, found)


def test_the_run_comes_first_and_each_session_is_started_then_traced_then_updated(server: PlatformServer) -> None:
    run(server)
    ours = implied_requests(server.requests)
    assert ours.sequence[0] == CREATE_RUN
    assert ours.sequence[-2:] == [END_RUN, RESULT]
    assert list(ours.per_session.values()) == [[START, TRACES, UPDATE]] * 3


def test_sessions_and_spans_carry_all_four_ids(server: PlatformServer) -> None:
    found = run(server)
    dataset_id = kept_run(server)["metadata"]["offline_dataset_id"]
    assert dataset_id.startswith("EXT-")
    assert kept_run(server)["dataset_id"] is None
    for datapoint in found.result.datapoints:
        ids = {
            "run_id": found.result.run_id,
            "dataset_id": dataset_id,
            "datapoint_id": datapoint.datapoint_id,
            "source": "evaluation",
        }
        session = server.sessions[str(datapoint.session_id)].value
        assert {key: session["metadata"][key] for key in IDS} == ids
        spans = server.spans_of(str(datapoint.session_id))
        assert len(spans) == 2
        for span in spans:
            assert {key: attributes(span)[f"honeyhive_metadata.{key}"] for key in IDS} == ids


@pytest.mark.parametrize("style", ["full", "required", "extra"])
@pytest.mark.parametrize("own_ids", [False, True])
def test_answers_may_hold_more_or_less_and_ids_of_the_platforms_own(style: Style, own_ids: bool) -> None:
    # An answer of required fields alone names no session: whose id it then has is the client's.
    with PlatformServer(style=style, own_ids=own_ids and style != "required") as server:
        found = run(server)
        assert found.warned == []
        assert found.result.unsent is None
        assert_whole(server, found)
        assert found.result.run_id in server.runs
        assert {datapoint.session_id for datapoint in found.result.datapoints} == server.sessions.keys()


def test_sessions_are_sent_at_once_over_no_more_connections_than_workers(server: PlatformServer) -> None:
    server.fail("POST", "/session/start", "hang", times=4)

    def release() -> None:
        server.wait_until(lambda: len(server.of("POST", "/session/start")) == 4)
        server.mend()

    thread = threading.Thread(target=release)
    thread.start()
    rows = [{"inputs": {"q": str(n)}, "ground_truth": {"answer": str(n)}} for n in range(12)]
    found = run(server, dataset=rows, max_workers=4)
    thread.join()
    assert server.concurrency == 4
    assert len(server.connections) <= 4 + 1
    server.wait_until(lambda: not server.open_connections)
    assert_whole(server, found)


def test_two_runs_at_once_with_two_keys_mix_nothing() -> None:
    with PlatformServer(key="hh-one") as one, PlatformServer(key="hh-two") as two, ThreadPoolExecutor(2) as pool:
        meet = threading.Barrier(2)

        def function(inputs: dict[str, Any]) -> dict[str, Any]:
            if inputs["q"] == "a":
                meet.wait(60)
            return answer(inputs)

        def go(server: PlatformServer) -> Any:
            return evaluate(
                function,
                dataset=list(ROWS),
                evaluators=[exact],
                name=server.key,
                api_key=server.key,
                server_url=server.url,
                print_results=False,
            )

        results = list(pool.map(go, (one, two)))
        for server, other, result in ((one, two, results[0]), (two, one, results[1])):
            assert result.unsent is None
            assert server.violations == []
            assert kept_run(server)["name"] == server.key
            assert len(server.sessions) == 3
            assert len(server.spans) == 6
            assert other.key not in everything(server)
            assert str(results[0 if server is two else 1].run_id) not in everything(server)


# --- datasets of the platform's --------------------------------------------------------------------------------------


def test_a_dataset_of_the_platforms_is_run_under_its_own_ids_and_what_it_lacks_fails(server: PlatformServer) -> None:
    rows = [{"id": f"dp{n}", "inputs": {"q": "abc"[n]}, "ground_truth": {"answer": "ABC"[n]}} for n in range(3)]
    server.add_dataset("ds1", rows, missing=["dp1"])
    found = run(server, dataset=None, dataset_id="ds1")
    kept = kept_run(server)
    assert kept["dataset_id"] == "ds1"
    assert "offline_dataset_id" not in kept["metadata"]
    assert kept["datapoint_ids"] == ["dp0", "dp1", "dp2"]
    assert [(one.datapoint_id, one.passed) for one in found.result.datapoints] == [
        ("dp0", True),
        ("dp1", False),
        ("dp2", True),
    ]
    assert "no datapoint dp1" in str(found.result.datapoints[1].error)
    assert found.warned == []
    assert [server.sessions[one].value["metadata"]["datapoint_id"] for one in kept["event_ids"]] == ["dp0", "dp2"]
    assert server.violations == []


# --- what it holds ---------------------------------------------------------------------------------------------------


def test_scores_notes_labels_and_mappings_are_metrics_of_the_session(server: PlatformServer) -> None:
    @evaluator
    def noted(outputs: Any) -> Any:
        return 0.5, "half of it"

    @evaluator
    def several(outputs: Any) -> Any:
        return {"length": 3, "loud": True}

    @evaluator
    def tone(outputs: Any) -> Any:
        return "kind"

    rows = [{"inputs": {"q": "a"}, "ground_truth": {"answer": "A", "tone": "kind"}}]
    found = run(server, dataset=rows, evaluators=[noted, several, tone, exact])
    (session,) = server.sessions.values()
    scores = {"noted": 0.5, "exact": True, "length": 3, "loud": True, "tone": True}
    assert scores.items() <= session.value["metrics"].items()
    assert session.value["metrics"]["noted_explanation"] == "half of it"
    assert "kind" in session.value["metrics"]["tone_explanation"]
    (root,) = [one for one in server.spans.values() if one.value["name"] == "answer"]
    assert attributes(root.value)["honeyhive_metrics.noted"] == 0.5
    assert found.warned == server.violations == []


def test_what_the_code_adds_to_its_session_is_there(server: PlatformServer) -> None:
    def function(inputs: dict[str, Any]) -> dict[str, Any]:
        enrich_session(metadata={"tier": "gold"}, metrics={"steps": 2}, feedback={"liked": True})
        enrich_session(user_properties={"plan": "pro"}, config={"model": "m-1"}, outputs={"extra": 1})
        return {"answer": inner(inputs["q"])}

    run(server, function, dataset=list(ROWS[:1]))
    (session,) = server.sessions.values()
    assert session.value["metadata"]["tier"] == "gold"
    assert session.value["metadata"].keys() >= IDS
    assert session.value["metrics"] == {"steps": 2, "exact": True}
    assert session.value["feedback"] == {"liked": True, "ground_truth": {"answer": "A"}}
    assert session.value["user_properties"] == {"plan": "pro"}
    assert session.value["config"] == {"model": "m-1"}
    assert session.value["outputs"] == {"answer": "A", "extra": 1}
    assert server.violations == []


def test_what_failed_says_why_and_an_evaluator_that_fails_leaves_no_score(server: PlatformServer) -> None:
    def function(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["q"] == "b":
            raise ValueError("no answer to b")
        return answer(inputs)

    def strict(outputs: Any) -> bool:
        raise LookupError("no rule")

    found = run(server, function, evaluators=[exact, strict])
    sessions = [server.sessions[one].value for one in kept_run(server)["event_ids"]]
    assert [one.get("error") for one in sessions] == [None, "ValueError: no answer to b", None]
    assert sessions[1]["metadata"]["error"] == "ValueError: no answer to b"
    assert "outputs" not in sessions[1]
    assert [one.get("metrics") for one in sessions] == [{"exact": True}, None, {"exact": False}]
    assert sessions[0]["metadata"]["evaluator_errors"] == {"strict": "LookupError: no rule"}
    assert kept_run(server)["status"] == found.result.status == "completed"
    assert found.result.success is False
    assert found.warned == server.violations == []


def test_the_metrics_that_the_platform_computes_are_added(server: PlatformServer) -> None:
    found = run(server)
    computed = {detail.metric_name for detail in found.result.metrics.details}
    assert computed >= {"exact"}
    assert len([one for one in found.result.metrics.details if one.metric_name == "exact"]) == 1


# --- git -------------------------------------------------------------------------------------------------------------


def test_run_and_sessions_say_what_code_it_was_and_never_a_credential(server: PlatformServer) -> None:
    found = run(server, metadata={"team": "bees"})
    kept = kept_run(server)
    assert kept["metadata"]["git"]["branch"] == "main"
    assert kept["metadata"]["git"]["remote_url"] == "https://github.com/acme/widget.git"
    assert kept["metadata"]["team"] == "bees"
    for session in server.sessions.values():
        assert session.value["metadata"]["commit_hash"] == kept["metadata"]["git"]["commit_hash"]
        assert session.value["metadata"]["team"] == "bees"
    (ended,) = server.of("PUT", "/v1/runs/{run_id}")
    assert ended.body["metadata"] == server.requests[0].body["metadata"]
    assert SECRET not in everything(server)
    for file in found.run_file.parent.iterdir():
        assert SECRET not in file.read_text()
        assert server.key not in file.read_text()


def test_without_telemetry_nothing_is_said_of_the_code(server: PlatformServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONEYHIVE_TELEMETRY", "false")
    found = run(server)
    assert kept_run(server)["metadata"].keys() == {"offline_dataset_id"}
    assert {frozenset(one.value["metadata"]) for one in server.sessions.values()} == {frozenset(IDS)}
    assert "acme" not in everything(server)
    assert_whole(server, found)


def test_a_key_that_is_refused_is_in_no_warning(server: PlatformServer) -> None:
    with pytest.warns(HoneyHiveWarning, match="401") as caught:
        evaluate(answer, dataset=list(ROWS), api_key="hh-wrong-key-12345", server_url=server.url, print_results=False)
    assert len(caught) == 1
    assert "hh-wrong-key-12345" not in str(caught[0].message)
    assert server.runs == server.sessions == {}
