"""Runs of `evaluate()` against the stand-in for HoneyHive, and what has to be there of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from honeyhive import enrich_span, trace
from honeyhive.cli import cli
from honeyhive.errors import HoneyHiveWarning
from honeyhive.experiments import evaluate
from honeyhive.models.generated import ExperimentResultResponse
from platform_server import PlatformServer

ROWS: Sequence[dict[str, Any]] = (
    {"inputs": {"q": "a"}, "ground_truth": {"answer": "A"}},
    {"inputs": {"q": "b"}, "ground_truth": {"answer": "B"}},
    {"inputs": {"q": "c"}, "ground_truth": {"answer": "X"}, "id": "custom-3"},
)

PATIENCE = 240.0
"""Seconds after which a test gives up on a process."""


@trace(event_type="tool")
def inner(q: str) -> str:
    """A step of the function, with a span of its own."""
    enrich_span(metadata={"k": "v"}, metrics={"m": 1})
    return q.upper()


def answer(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The function: right for two of the three."""
    return {"answer": inner(inputs["q"])}


def exact(outputs: Mapping[str, Any], inputs: Any, ground_truth: Mapping[str, Any]) -> bool:
    """The evaluator."""
    return bool(outputs["answer"] == ground_truth["answer"])


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What `evaluate()` returned, and the warnings of ours that it gave."""

    result: ExperimentResultResponse
    warned: Sequence[str]

    @property
    def run_file(self) -> Path:
        """The run file."""
        return Path(self.result.run_file or "")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its lines."""
        return [json.loads(line) for line in self.run_file.read_text("utf-8").splitlines()]


def run(server: PlatformServer, function: Callable[..., Any] = answer, **arguments: Any) -> Evaluated:
    """`evaluate()` over the rows, with the server's key."""
    given = {"dataset": list(ROWS), "evaluators": [exact], "name": "qa", "project": "p", "print_results": False}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = evaluate(function, **{**given, "api_key": server.key, "server_url": server.url, **arguments})
    others = [one for one in caught if not issubclass(one.category, HoneyHiveWarning)]
    assert [str(one.message) for one in others] == []
    return Evaluated(result=result, warned=[str(one.message) for one in caught])


def upload(server: PlatformServer, run_file: Path, **environ: str) -> tuple[int, str]:
    """`honeyhive upload` in this process: its exit code, and what it said."""
    done = CliRunner().invoke(
        cli, ["upload", str(run_file)], env={"HH_API_KEY": server.key, "HH_API_URL": server.url, **environ}
    )
    return (getattr(done.exception, "exit_code", 1) if done.exception else 0), f"{done.output}{done.exception or ''}"


def start_upload(server: PlatformServer, run_file: Path) -> subprocess.Popen[str]:
    """`honeyhive upload` as a process."""
    return start(server, "-m", "honeyhive", "upload", str(run_file), folder=Path.cwd())


def start(server: PlatformServer, *arguments: str, folder: Path, **environ: str) -> subprocess.Popen[str]:
    """A Python process that knows the server; not measured, for what measures it listens to signals in its place."""
    known = {"HH_API_KEY": server.key, "HH_API_URL": server.url}
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**plain, **known, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, and what it printed."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, out, err


def wait_for(reached: Callable[[], bool]) -> None:
    """Wait for something that a process does."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def script(folder: Path, text: str) -> str:
    """A program in the folder; its path."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def kept_run(server: PlatformServer) -> dict[str, Any]:
    """The only run that the server has."""
    (found,) = server.runs.values()
    return found.value


def assert_whole(server: PlatformServer, evaluated: Evaluated) -> None:
    """The server has one run, completed, and of each datapoint one session with its spans, outputs and scores."""
    kept = kept_run(server)
    outcomes = sorted((line for line in evaluated.lines if line["type"] == "outcome"), key=lambda line: line["index"])
    assert kept["status"] == "completed"
    assert len(kept["event_ids"]) == len(server.sessions) == len(outcomes)
    for session_id, outcome in zip(kept["event_ids"], outcomes, strict=True):
        session = server.sessions[session_id].value
        assert session["metadata"]["datapoint_id"] == outcome["datapoint_id"]
        assert session["metadata"]["run_id"] == kept["run_id"]
        assert session["outputs"] == outcome["output"]
        assert session["metrics"] == outcome["scores"]
        assert sorted(span["name"].rpartition(".")[2] for span in server.spans_of(session_id)) == ["answer", "inner"]
    assert len(server.spans) == 2 * len(outcomes)
    assert server.violations == []
