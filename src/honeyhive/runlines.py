"""The lines of a run file: one line of each kind, written and parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic_core import from_json

from honeyhive.documents import MAX_DEPTH, compact_json, plain, shown
from honeyhive.result import EvaluatorRef, Failed, Fault, Outcome, Scored, content_hash

SCHEMA = 1
MAX_LINE = 64 * 2**20
"""No line of a run file is longer: one that is was not written by us, and is refused before it fills the memory."""

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


class _AttemptLine(_Line):
    """What came of trying a datapoint."""

    output: Any = None
    scores: dict[str, _Score]
    notes: dict[str, str] = {}
    error: _FaultLine | None
    evaluator_errors: dict[str, _FaultLine] = {}
    duration_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    session_id: str | None = None


class OutcomeLine(_AttemptLine):
    """What became of one datapoint in one repeat. A `retry` has no retry: one that stands in it is an unknown key."""

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
    retry: _AttemptLine | None = None


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
    facts: dict[str, Any] = {
        "index": line.index,
        "repeat": line.repeat,
        "datapoint_id": line.datapoint_id,
        "content_hash": line.content_hash or content_hash(line.inputs, line.ground_truth),
        "line": line.line,
        "inputs": line.inputs,
        "ground_truth": line.ground_truth,
        "tags": line.tags,
        "metadata": line.metadata,
    }
    retry = None if line.retry is None else _to_outcome(line.retry, facts)
    return _to_outcome(line, {**facts, "retry": retry})


def _to_outcome(line: _AttemptLine, facts: Mapping[str, Any]) -> Outcome:
    attempt = {**facts, "duration_ms": line.duration_ms, "session_id": line.session_id}
    if line.error is not None:
        return Failed(fault=Fault(type=line.error.type, message=line.error.message), **attempt)
    faults = {metric: Fault(type=f.type, message=f.message) for metric, f in line.evaluator_errors.items()}
    return Scored(output=line.output, scores=line.scores, notes=line.notes, faults=faults, **attempt)


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunHeader:
    """What is known of a run before its first outcome; the first line of its file."""

    run_id: str
    name: str
    dataset_id: str
    dataset_path: str | None
    dataset_sha256: str
    dataset_count: int
    function: str
    function_fingerprint: str | None = None
    evaluators: tuple[EvaluatorRef, ...]
    repeats: int
    expected: int
    limit: int | None = None
    git: Mapping[str, Any] = field(default_factory=dict)
    ci: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    started_at: str

    def to_line(self) -> dict[str, Any]:
        """The header as its line has it."""
        return {
            "type": "run",
            "schema": SCHEMA,
            "run_id": self.run_id,
            "name": self.name,
            "dataset_id": self.dataset_id,
            "dataset": {"path": self.dataset_path, "sha256": self.dataset_sha256, "count": self.dataset_count},
            "function": self.function,
            "function_fingerprint": self.function_fingerprint,
            "evaluators": [{"name": e.name, "fingerprint": e.fingerprint} for e in self.evaluators],
            "repeats": self.repeats,
            "limit": self.limit,
            "expected": self.expected,
            "shard": None,
            "git": self.git,
            "ci": self.ci,
            "started_at": self.started_at,
            "environment": self.environment,
        }


def outcome_line(outcome: Outcome) -> bytes:
    """One outcome as its line, without the newline; `ValueError` where that is longer than a line may be."""
    line: dict[str, Any] = {
        "type": "outcome",
        "index": outcome.index,
        "repeat": outcome.repeat,
        "datapoint_id": outcome.datapoint_id,
        "content_hash": outcome.content_hash,
        "line": outcome.line,
        "inputs": outcome.inputs,
        "ground_truth": outcome.ground_truth,
        "tags": outcome.tags,
        "metadata": outcome.metadata,
    }
    raw = _readable(line | _attempt(outcome))
    return raw if outcome.retry is None else line_with_retry(raw, outcome.retry)


def line_with_retry(line: bytes, retry: Outcome) -> bytes:
    """The line of a first attempt, to the byte, with its retry at its end; `ValueError` where that is too long."""
    return _readable(_attempt(retry), before=line[:-1] + b',"retry":', after=b"}")


def _attempt(outcome: Outcome) -> dict[str, Any]:
    """The keys that an attempt has for itself, in the order of the line."""
    match outcome:
        case Scored():
            faults = {metric: _fault(fault) for metric, fault in outcome.faults.items()}
            found = {"output": outcome.output, "scores": outcome.scores, "notes": outcome.notes, "error": None}
            found |= {"evaluator_errors": faults}
        case Failed():
            found = {"output": None, "scores": {}, "notes": {}, "error": _fault(outcome.fault), "evaluator_errors": {}}
    found |= {"duration_ms": outcome.duration_ms, "session_id": outcome.session_id}
    return found


def _readable(value: Mapping[str, Any], *, before: bytes = b"", after: bytes = b"") -> bytes:
    """The line that has this value in it, where nothing is nested deeper than can be read back: it is cut there."""
    raw = before + compact_json(value) + after
    # Counting brackets is far cheaper than reading the line again, and settles it for all but a few.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        try:
            parse_line(raw)
        except ValueError:
            raw = before + compact_json(plain(value)) + after
    if len(raw) > MAX_LINE - 2:  # the newline, and one byte by which a reader tells that there is no more
        raise ValueError(f"{len(raw):,} bytes, and {MAX_LINE:,} are the most that is recorded of a datapoint")
    return raw


def _fault(fault: Fault) -> dict[str, str]:
    return {"type": fault.type, "message": fault.message}
