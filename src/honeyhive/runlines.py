"""The lines of a run file: the shape of each kind, and one line parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic_core import from_json

from honeyhive.documents import shown
from honeyhive.result import Failed, Fault, Outcome, Scored, content_hash

SCHEMA = 1

Status = Literal["completed", "failed", "cancelled", "stopped"]
"""How a run ended; `stopped` is an end before the last datapoint that the configuration asked for."""

_Place = Annotated[int, Field(ge=0, lt=2**63)]
_Score = StrictBool | Annotated[float, Field(strict=True, allow_inf_nan=False)] | None


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _FaultLine(_Line):
    type: str
    message: str = ""


class _EvaluatorLine(_Line):
    name: str
    fingerprint: str = ""


class _DatasetLine(_Line):
    path: str | None = None
    sha256: str | None = None
    count: int | None = None


class RunLine(_Line):
    """The header: what the run was asked to do."""

    type: Literal["run"]
    schema_: Annotated[int, Field(alias="schema")] = SCHEMA
    run_id: str
    name: str = ""
    dataset_id: str | None = None
    dataset: _DatasetLine = _DatasetLine()
    function: str | None = None
    function_fingerprint: str | None = None
    evaluators: tuple[_EvaluatorLine, ...] = ()
    repeats: Annotated[int, Field(ge=1)] = 1
    limit: int | None = None
    expected: Annotated[int, Field(ge=0)]
    git: dict[str, Any] = {}
    started_at: str | None = None


class OutcomeLine(_Line):
    """What became of one datapoint in one repeat."""

    type: Literal["outcome"]
    index: _Place = 0
    repeat: Annotated[int, Field(ge=0)] = 0
    datapoint_id: Annotated[str, Field(min_length=1)]
    content_hash: str | None = None
    line: _Place | None = None
    inputs: Any = None
    ground_truth: Any = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    output: Any = None
    scores: dict[str, _Score]
    notes: dict[str, str] = {}
    error: _FaultLine | None
    evaluator_errors: dict[str, _FaultLine] = {}
    duration_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    session_id: str | None = None


class EndLine(_Line):
    """How the run ended; without it, it did not."""

    type: Literal["end"]
    finished: Annotated[int, Field(ge=0)]
    duration_s: float | None = None
    status: Status


LINES: Mapping[str, type[RunLine] | type[OutcomeLine] | type[EndLine]] = {
    "run": RunLine,
    "outcome": OutcomeLine,
    "end": EndLine,
}


def parse_line(raw: bytes) -> RunLine | OutcomeLine | EndLine:
    """One line of a run file; `ValueError` (Pydantic's `ValidationError` among them) where it is not one."""
    value = from_json(raw, allow_inf_nan=False)
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in LINES:
        raise ValueError(f"its type is {shown(str(kind))}, not one of {', '.join(LINES)}")
    if kind == "run" and isinstance(value.get("schema"), int) and value["schema"] > SCHEMA:
        raise ValueError(f"schema {value['schema']} is newer than this honeyhive reads ({SCHEMA}): update honeyhive")
    return LINES[kind].model_validate(value)


def to_outcome(line: OutcomeLine) -> Outcome:
    """The outcome that a line tells of; a content hash that it lacks is computed."""
    attempt: dict[str, Any] = {
        "index": line.index,
        "repeat": line.repeat,
        "datapoint_id": line.datapoint_id,
        "content_hash": line.content_hash or content_hash(line.inputs, line.ground_truth),
        "line": line.line,
        "inputs": line.inputs,
        "ground_truth": line.ground_truth,
        "tags": line.tags,
        "metadata": line.metadata,
        "duration_ms": line.duration_ms,
        "session_id": line.session_id,
    }
    if line.error is not None:
        return Failed(fault=Fault(type=line.error.type, message=line.error.message), **attempt)
    faults = {metric: Fault(type=f.type, message=f.message) for metric, f in line.evaluator_errors.items()}
    return Scored(output=line.output, scores=line.scores, notes=line.notes, faults=faults, **attempt)
