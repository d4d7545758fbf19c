"""HoneyHive slow, wrong or down: the run goes on, is whole on disk, and arrives later, each thing once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import stamina

from honeyhive.errors import RunFileError
from honeyhive.experiments import evaluate
from honeyhive.runfile import companion
from platform_runs import (
    ROWS,
    answer,
    assert_whole,
    ended,
    exact,
    kept_run,
    run,
    script,
    start,
    start_upload,
    upload,
    wait_for,
)
from platform_server import Kind, PlatformServer

ENDPOINTS = {
    "create": ("POST", "/v1/runs"),
    "start": ("POST", "/session/start"),
    "traces": ("POST", "/opentelemetry/v1/traces"),
    "update": ("PUT", "/events"),
    "end": ("PUT", "/v1/runs/"),
    "result": ("GET", "/v1/runs/"),
}
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in ("slow", "reset-before"))
RETRIED = ("500", "503", "429", "hang", "refuse", "reset")
"""What the client tries again by itself."""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries that do not wait, in a folder of our own."""
    monkeypatch.chdir(tmp_path)
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_fault_that_happens_once(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch, endpoint: str, kind: Kind
) -> None:
    if kind == "hang":
        monkeypatch.setenv("HH_API_TIMEOUT", "1")
    fault = server.fail(*ENDPOINTS[endpoint], kind, times=1, location=server.url)
    found = run(server)
    healed = kind in RETRIED or (kind != "401" and endpoint not in ("end", "result"))
    assert fault.hits == 1
    assert found.result.status == "completed"
    assert len(found.warned) == (not healed)
    assert (found.result.unsent is None) is (healed or endpoint == "result")
    server.mend()
    if found.result.unsent is not None:
        assert upload(server, found.run_file)[0] == 0
    assert_whole(server, found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "result"])
def test_a_fault_that_stays(server: PlatformServer, monkeypatch: pytest.MonkeyPatch, endpoint: str, kind: Kind) -> None:
    if kind == "hang":
        monkeypatch.setenv("HH_API_TIMEOUT", "0.5")
    server.fail(*ENDPOINTS[endpoint], kind, location=server.url)
    found = run(server)
    assert_whole_here(found)
    (warning,) = found.warned
    unsent = found.result.unsent
    assert unsent is not None
    assert unsent.command in warning
    assert unsent.of == len(ROWS)
    assert unsent.sessions == (0 if endpoint == "end" else len(ROWS))

    exit_code, said = upload(server, found.run_file)
    assert exit_code == 5
    assert unsent.reason.partition(":")[0] in said

    server.mend()
    monkeypatch.delenv("HH_API_TIMEOUT", raising=False)
    assert upload(server, found.run_file)[0] == 0
    assert_whole(server, found)
    asked = len(server.requests)
    assert upload(server, found.run_file)[0] == 0
    assert len(server.requests) == asked


def assert_whole_here(found: Any) -> None:
    """The run is as if there were no platform."""
    result = found.result
    assert (result.status, len(result.passed), len(result.failed)) == ("completed", 2, 1)
    (detail,) = [one for one in result.metrics.details if one.metric_name == "exact"]
    assert detail.values == [True, True, False]
    assert [line["type"] for line in found.lines] == ["run", *["outcome"] * 3, "end"]
    assert found.lines[-1]["status"] == "completed"


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_that_cannot_be_read_are_said_to_be_missing_and_nothing_is_unsent(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    if kind == "hang":
        monkeypatch.setenv("HH_API_TIMEOUT", "0.5")
    server.fail(*ENDPOINTS["result"], kind, location=server.url)
    found = run(server)
    assert_whole_here(found)
    assert found.result.unsent is None
    (warning,) = found.warned
    assert "metrics that HoneyHive computes" in warning
    assert_whole(server, found)


def test_a_platform_that_goes_down_in_the_middle(server: PlatformServer) -> None:
    def function(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["q"] == "b":
            server.stop()
        return answer(inputs)

    function.__name__ = "answer"
    found = run(server, function, max_workers=1)
    assert_whole_here(found)
    assert found.result.unsent is not None
    assert upload(server, found.run_file)[0] == 5
    server.start_again()
    assert ended(start_upload(server, found.run_file))[0] == 0
    assert_whole(server, found)


def test_a_run_made_without_a_key_is_uploaded_by_a_process(server: PlatformServer) -> None:
    evaluate(answer, dataset=list(ROWS), evaluators=[exact], name="qa", run_id="11111111-1111-4111-8111-111111111111")
    (run_file,) = Path(".honeyhive/runs").glob("*[0-9a-f].jsonl")
    exit_code, out, err = ended(start_upload(server, run_file))
    assert (exit_code, err) == (0, "")
    assert "3 of 3 sessions are on HoneyHive, run 11111111-1111-4111-8111-111111111111" in out
    assert len(kept_run(server)["event_ids"]) == len(server.sessions) == 3
    assert server.violations == []


def test_a_run_belongs_to_the_server_that_it_was_sent_to_first(server: PlatformServer) -> None:
    found = run(server)
    with PlatformServer() as other:
        exit_code, said = upload(other, found.run_file)
        assert exit_code == 2
        assert server.url in said
        assert other.url in said
        assert other.requests == []


def test_one_of_two_uploads_at_once_sends_and_the_other_says_so(server: PlatformServer) -> None:
    server.fail("*", "/", "401")
    found = run(server)
    server.mend()
    hanging = server.fail("PUT", "/events", "hang", times=1)
    first = start_upload(server, found.run_file)
    server.wait_until(lambda: hanging.hits == 1)
    exit_code, said = upload(server, found.run_file)
    server.mend()
    assert exit_code == 5
    assert "another process is sending this run" in said
    assert ended(first)[0] == 0
    assert_whole(server, found)


KILLED = """
import threading
from honeyhive.experiments import evaluate

def answer(inputs):
    if inputs["n"] >= 6:
        threading.Event().wait()
    return inputs["n"]

evaluate(answer, dataset=[{"inputs": {"n": n}} for n in range(8)], name="qa", max_workers=2)
"""


def test_what_a_killed_run_has_finished_is_uploaded(server: PlatformServer, tmp_path: Path) -> None:
    server.fail("PUT", "/events", "hang", skip=2)
    process = start(server, script(tmp_path, KILLED), folder=tmp_path)
    server.wait_until(lambda: len(server.of("PUT", "/events")) == 4 and len(run_files()) == 1)
    wait_for(lambda: run_files()[0].read_bytes().count(b'"outcome"') == 6)
    wait_for(lambda: companion(run_files()[0], "spans").read_bytes().count(b"\n") == 6)
    process.send_signal(signal.SIGKILL)
    assert ended(process)[0] == -signal.SIGKILL
    assert kept_run(server)["status"] == "pending"
    server.mend()
    assert upload(server, run_files()[0])[0] == 0
    kept = kept_run(server)
    assert kept["status"] == "failed"  # it never came to its end
    assert len(set(kept["event_ids"])) == len(server.sessions) == len(server.spans) == 6
    outputs = {server.sessions[one].value["outputs"]["result"] for one in kept["event_ids"]}
    assert outputs == set(range(6))
    assert server.violations == []


def run_files() -> list[Path]:
    return [one for one in Path(".honeyhive/runs").glob("*.jsonl") if len(one.suffixes) == 1]


def test_a_torn_ledger_loses_nothing(server: PlatformServer) -> None:
    found = run(server)
    ledger = companion(found.run_file, "sent")
    whole = ledger.read_bytes()
    for length in range(0, len(whole), 50):
        ledger.write_bytes(whole[:length])
        assert upload(server, found.run_file)[0] == 0
        assert_whole(server, found)


def test_a_run_file_that_is_gone_is_the_error_that_is_told_and_the_run_has_failed(server: PlatformServer) -> None:
    def function(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["q"] == "c":
            server.wait_until(lambda: len(server.of("PUT", "/events")) == 2)
            run_files()[0].unlink()
        return answer(inputs)

    with pytest.raises(RunFileError, match="no such run file"):
        evaluate(function, dataset=list(ROWS), api_key=server.key, server_url=server.url, max_workers=1, name="qa")
    assert kept_run(server)["status"] == "failed"
    assert len(kept_run(server)["event_ids"]) == 3
