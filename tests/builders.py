"""Short ways to build runs and what they are made of; what the gate says about them is built in `builders_gate`."""

from __future__ import annotations

import contextlib
import json
import resource
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from honeyhive.experiments.dataset import Dataset
from honeyhive.result import EvaluatorRef, Failed, Fault, Outcome, RunResult, Score, Scored, content_hash
from honeyhive.runfile import RunWriter
from honeyhive.runlines import RunHeader, Status

Outcomes = Mapping[str, Mapping[str, Score]] | Iterable[Outcome]
"""Outcomes, or only the scores of each datapoint."""


def scored(datapoint_id: str = "EXT-a", fields: Mapping[str, Any] | None = None, /, **scores: Score) -> Scored:
    """An outcome with these scores; `fields` is whatever else is to be known of it."""
    return Scored(scores=scores, **({"output": "out"} | _attempt(datapoint_id, fields)))


def failed(datapoint_id: str = "EXT-a", fields: Mapping[str, Any] | None = None, /, error: str = "broken") -> Failed:
    """An outcome of a function that raised a `ValueError`."""
    return Failed(fault=Fault(type="ValueError", message=error), **_attempt(datapoint_id, fields))


def _attempt(datapoint_id: str, fields: Mapping[str, Any] | None) -> dict[str, Any]:
    known: dict[str, Any] = {"index": 0, "inputs": {"question": datapoint_id}, "duration_ms": 1.5} | dict(fields or {})
    own_hash = content_hash(known["inputs"], known.get("ground_truth"))
    return {"datapoint_id": datapoint_id, "content_hash": own_hash} | known


def run(outcomes: Outcomes = (), **header: Any) -> RunResult:
    """A whole run of these outcomes, in memory."""
    found = _outcomes(outcomes)
    usual: dict[str, Any] = {
        "run_id": "run-1",
        "name": "qa",
        "expected": len(found),
        "finished": len(found),
        "status": "completed",
        "dataset_id": "EXT-qa",
        "dataset_sha256": "0" * 64,
        "evaluators": evaluators("correct"),
    }
    return RunResult(outcomes=found, **(usual | header))


def _outcomes(outcomes: Outcomes) -> tuple[Outcome, ...]:
    if not isinstance(outcomes, Mapping):
        return tuple(outcomes)
    return tuple(scored(key, {"index": at}, **scores) for at, (key, scores) in enumerate(outcomes.items()))


def evaluators(*names: str) -> tuple[EvaluatorRef, ...]:
    """Evaluators as a run knows them."""
    return tuple(EvaluatorRef(name=name, fingerprint=f"of {name}") for name in names)


def header(**fields: Any) -> RunHeader:
    """The header of a run over three datapoints."""
    usual: dict[str, Any] = {
        "run_id": "run-1",
        "name": "qa",
        "dataset_id": "EXT-qa",
        "dataset_path": "evals/qa.jsonl",
        "dataset_sha256": "0" * 64,
        "dataset_count": 3,
        "function": "app:answer",
        "function_fingerprint": "of answer",
        "evaluators": evaluators("correct"),
        "repeats": 1,
        "expected": 3,
        "started_at": "2026-11-22T10:00:00+00:00",
    }
    return RunHeader(**(usual | fields))


def write_run(path: Path, outcomes: Outcomes, *, status: Status | None = "completed", **fields: Any) -> Path:
    """A run file with these outcomes; `status=None` for one whose process was killed after its last flush."""
    found = _outcomes(outcomes)
    writer = RunWriter.create(path, header(**({"expected": len(found), "dataset_count": len(found)} | fields)))
    for outcome in found:
        writer.append(outcome)
    writer.flush()
    if status is None:
        writer._lines.close()
    else:
        writer.close(status=status, duration_s=0.5)
    return path


def dataset(folder: Path, rows: Iterable[Any], *, name: str = "qa.jsonl", **settings: Any) -> Dataset:
    """The dataset of these rows, from a file in `folder`; a row that is no mapping is its input `q`, and its id."""
    whole = [row if isinstance(row, Mapping) else {"id": str(row), "inputs": {"q": row}} for row in rows]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in whole), encoding="utf-8")
    return Dataset.open(name, workspace=folder, **settings)


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: a full disk, without filling one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
