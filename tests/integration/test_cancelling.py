"""Ctrl-C, SIGTERM and `SystemExit`: the run ends as cancelled, here and on HoneyHive, with what was finished."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_runs import ended, kept_run, script, start, upload, wait_for
from platform_server import PlatformServer

PROGRAM = """
import asyncio, sys, threading
from honeyhive.experiments import evaluate

def blocking(inputs):
    if inputs["n"] >= 3:
        threading.Event().wait()
    return inputs["n"]

async def awaiting(inputs):
    if inputs["n"] >= 3:
        await asyncio.Event().wait()
    return inputs["n"]

def quick(inputs):
    return inputs["n"]

def leaving(inputs):
    if inputs["n"] == 3:
        wait()
        sys.exit(7)
    return inputs["n"]

async def leaving_too(inputs):
    if inputs["n"] == 3:
        wait()
        sys.exit(7)
    return inputs["n"]

def wait():
    import pathlib, time
    while not pathlib.Path("go").exists():
        time.sleep(0.02)

rows = [{"inputs": {"n": n}} for n in range(5)]
evaluate(globals()[sys.argv[1]], dataset=rows, name="qa", max_workers=1, print_results=False)
"""
SIGNALS = [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)]


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found


def begin(server: PlatformServer, folder: Path, function: str, **environ: str) -> subprocess.Popen[str]:
    return start(server, script(folder, PROGRAM), function, folder=folder, **environ)


def lines(folder: Path) -> list[dict[str, Any]]:
    (run_file,) = (one for one in folder.glob(".honeyhive/runs/*.jsonl") if len(one.suffixes) == 1)
    return [json.loads(line) for line in run_file.read_text("utf-8").splitlines()]


def run_file(folder: Path) -> Path:
    (found,) = (one for one in folder.glob(".honeyhive/runs/*.jsonl") if len(one.suffixes) == 1)
    return found


def updated(server: PlatformServer, count: int) -> None:
    """Wait until so many sessions have arrived whole."""
    server.wait_until(lambda: sum(bool(one.answered) for one in server.of("PUT", "/events")) == count)


def assert_cancelled(server: PlatformServer, folder: Path, sessions: int = 3) -> None:
    kept = kept_run(server)
    assert kept["status"] == "cancelled"
    assert len(kept["event_ids"]) == sessions
    assert {server.sessions[one].value["outputs"]["result"] for one in kept["event_ids"]} == set(range(sessions))
    found = lines(folder)
    assert [line["type"] for line in found] == ["run", *["outcome"] * sessions, "end"]
    assert found[-1]["status"] == "cancelled"
    assert server.violations == []


@pytest.mark.parametrize("function", ["blocking", "awaiting"])
@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_a_signal_ends_the_run_as_cancelled_with_its_sessions(
    server: PlatformServer, tmp_path: Path, number: signal.Signals, exit_code: int, function: str
) -> None:
    process = begin(server, tmp_path, function)
    updated(server, 3)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == exit_code
    assert ("KeyboardInterrupt" in err) is (number == signal.SIGINT)
    assert "not on HoneyHive" not in err
    assert_cancelled(server, tmp_path)


@pytest.mark.parametrize("function", ["leaving", "leaving_too"])
def test_an_exit_in_the_users_code_ends_the_run_and_goes_on(
    server: PlatformServer, tmp_path: Path, function: str
) -> None:
    process = begin(server, tmp_path, function)
    updated(server, 3)
    (tmp_path / "go").touch()
    assert ended(process)[0] == 7
    assert_cancelled(server, tmp_path)


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_a_signal_without_a_key_leaves_the_run_file(
    server: PlatformServer, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    process = begin(server, tmp_path, "blocking", HH_API_KEY="")
    wait_for(lambda: (tmp_path / ".honeyhive/runs").is_dir() and len(lines(tmp_path)) == 4)
    process.send_signal(number)
    assert ended(process)[0] == exit_code
    assert lines(tmp_path)[-1]["status"] == "cancelled"
    assert server.requests == []
    assert upload(server, run_file(tmp_path))[0] == 0
    assert_cancelled(server, tmp_path)


def test_a_platform_that_hangs_does_not_keep_a_cancelled_run(server: PlatformServer, tmp_path: Path) -> None:
    hanging = server.fail("*", "/", "hang", skip=1)
    process = begin(server, tmp_path, "blocking")
    server.wait_until(lambda: hanging.hits == 1)
    wait_for(lambda: len(lines(tmp_path)) == 4)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)  # the server hangs for as long as the test lasts
    assert code == -signal.SIGINT
    assert err.count("not on HoneyHive") == 1
    assert "honeyhive upload .honeyhive/runs/qa-" in err
    server.mend()
    assert upload(server, run_file(tmp_path))[0] == 0
    assert_cancelled(server, tmp_path)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_while_the_rest_is_being_sent(
    server: PlatformServer, tmp_path: Path, second: signal.Signals
) -> None:
    hanging = server.fail("PUT", "/", "hang")
    process = begin(server, tmp_path, "blocking")
    server.wait_until(lambda: hanging.hits == 1)
    wait_for(lambda: len(lines(tmp_path)) == 4)
    process.send_signal(signal.SIGINT)
    wait_for(lambda: len(lines(tmp_path)) == 5)
    process.send_signal(second)
    assert ended(process)[0] in (-signal.SIGINT, 143)
    assert lines(tmp_path)[-1]["status"] == "cancelled"
    server.mend()
    assert upload(server, run_file(tmp_path))[0] == 0
    assert_cancelled(server, tmp_path)


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_a_signal_after_the_last_datapoint_tells_how_the_run_ended(
    server: PlatformServer, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    hanging = server.fail("PUT", "/events", "hang", skip=3)
    process = begin(server, tmp_path, "quick")
    server.wait_until(lambda: hanging.hits == 1)
    wait_for(lambda: len(lines(tmp_path)) == 7)
    process.send_signal(number)
    assert ended(process)[0] == exit_code
    assert lines(tmp_path)[-1]["status"] == kept_run(server)["status"] == "completed"
    assert len(kept_run(server)["event_ids"]) == 4
    server.mend()
    assert upload(server, run_file(tmp_path))[0] == 0
    assert len(kept_run(server)["event_ids"]) == len(server.sessions) == 5
    assert server.violations == []


# --- the command -----------------------------------------------------------------------------------------------------

APP = """
import threading

def blocking(inputs):
    if inputs["n"] >= 3:
        threading.Event().wait()
    return inputs["n"]

def quick(inputs):
    return inputs["n"]
"""


def command(server: PlatformServer, folder: Path, function: str) -> subprocess.Popen[str]:
    (folder / "app.py").write_text(APP)
    rows = [json.dumps({"inputs": {"n": n}}) for n in range(5)]
    (folder / "rows.jsonl").write_text("\n".join(rows) + "\n")
    what = ("--function", f"app:{function}", "--dataset", "rows.jsonl", "--max-workers", "1")
    return start(server, "-I", "-m", "honeyhive", "run", *what, folder=folder)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_ends_its_run_too(
    server: PlatformServer, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    process = command(server, tmp_path, "blocking")
    updated(server, 3)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == exit_code
    assert "Traceback" not in err
    assert_cancelled(server, tmp_path)


def test_the_command_follows_its_run(server: PlatformServer, tmp_path: Path) -> None:
    code, out, _ = ended(command(server, tmp_path, "quick"))
    assert code == 0
    assert "5 of 5 sessions are on HoneyHive" in out
    assert kept_run(server)["status"] == "completed"
    assert len(kept_run(server)["event_ids"]) == len(server.sessions) == 5
    assert server.violations == []


def test_the_command_says_what_is_not_there(server: PlatformServer, tmp_path: Path) -> None:
    server.fail("*", "/", "401")
    code, out, _ = ended(command(server, tmp_path, "quick"))
    assert code == 0  # judging is the business of others, and the run is whole
    assert "0 of 5 sessions are on HoneyHive" in out
    assert "honeyhive upload" in out
    assert lines(tmp_path)[-1]["status"] == "completed"
