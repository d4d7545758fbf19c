"""The lines of a run file: one line of each kind, written and parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic_core import from_json

from honeyhive.documents import MAX_DEPTH, compact_json, plain, shown
from honeyhive.result import EvaluatorRef, Failed, Fault, Outcome, RunResult, Scored, content_hash

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
    where: str = ""

    def to_fault(self) -> Fault:
        return Fault(type=self.type, message=self.message, where=self.where)


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
    ci: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    configuration: dict[str, Any] = {}
    started_at: str | None = None


class _AttemptLine(_Line):
    """What came of trying a datapoint."""

    repeat: Annotated[int, Field(ge=0)] = 0
    datapoint_id: Annotated[str, Field(min_length=1)]
    output: Any = None
    scores: dict[str, _Score]
    sources: dict[str, str] | None = None  # few lines have it, and Pydantic takes its time to copy a `{}`
    notes: dict[str, str] = {}
    error: _FaultLine | None
    evaluator_errors: dict[str, _FaultLine] = {}
    duration_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    session_id: str | None = None
    enrichment: dict[str, Any] | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.datapoint_id, self.repeat


class OutcomeLine(_AttemptLine):
    """What became of one datapoint in one repeat, when it was tried for the first time."""

    type: Literal["outcome"]
    index: _Place = 0
    content_hash: str | None = None
    line: _Place | None = None
    inputs: Any = None
    ground_truth: Any = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}


class RetryLine(_AttemptLine):
    """What became of the datapoint of an outcome before it when it was tried once more."""

    type: Literal["retry"]


class EndLine(_Line):
    """How the run ended; without it, it did not."""

    type: Literal["end"]
    finished: Annotated[int, Field(ge=0)]
    retries: Annotated[int, Field(ge=0)] | None = None
    duration_s: float | None = None
    status: Status

    def miscount(self, *, outcomes: int, retries: int) -> str | None:
        """What it says other than what there is."""
        for what, counted, held in (("outcomes", self.finished, outcomes), ("retries", self.retries, retries)):
            if counted not in (None, held):
                return f"its end line counts {counted} {what}, the file holds {held}"
        return None


Line = RunLine | OutcomeLine | RetryLine | EndLine

LINES: Mapping[str, type[Line]] = {"run": RunLine, "outcome": OutcomeLine, "retry": RetryLine, "end": EndLine}

_BEGINS_OUTCOME = re.compile(rb'\s*\{\s*"type"\s*:\s*"outcome"').match


def parse_line(raw: bytes) -> Line:
    """One line of a run file; `ValueError` (Pydantic's `ValidationError` among them) where it is not one."""
    value = from_json(raw, allow_inf_nan=False)
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in LINES:
        raise ValueError(f"its type is {shown(str(kind))}, not one of {', '.join(LINES)}")
    if kind == "run" and isinstance(value.get("schema"), int) and value["schema"] > SCHEMA:
        raise ValueError(f"schema {value['schema']} is newer than this honeyhive reads ({SCHEMA}): update honeyhive")
    return LINES[kind].model_validate(value)


def retries_in(lines: Iterable[bytes]) -> dict[tuple[str, int], RetryLine]:
    """The retries among the lines up to `end`, by key; what is malformed is left to who reads the outcomes."""
    found: dict[tuple[str, int], RetryLine] = {}
    for raw in lines:
        if _BEGINS_OUTCOME(raw):  # as nearly all do: parsing is what a scan must not cost
            continue
        try:
            line = parse_line(raw)
        except ValueError:
            continue
        if isinstance(line, EndLine):
            break
        if isinstance(line, RetryLine):
            found[line.key] = line
    return found


def to_outcome(line: OutcomeLine, retry: RetryLine | None = None) -> Outcome:
    """The outcome that a line tells of, with its retry; a content hash that the line lacks is computed."""
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
    if retry is not None:
        facts["retry"] = _to_outcome(retry, facts)
    return _to_outcome(line, facts)


def _to_outcome(line: _AttemptLine, facts: Mapping[str, Any]) -> Outcome:
    attempt = {**facts, "duration_ms": line.duration_ms, "session_id": line.session_id}
    if line.enrichment:
        attempt["enrichment"] = line.enrichment
    if line.error is not None:
        return Failed(fault=line.error.to_fault(), **attempt)
    faults = {metric: fault.to_fault() for metric, fault in line.evaluator_errors.items()}
    return Scored(
        output=line.output, scores=line.scores, sources=line.sources or {}, notes=line.notes, faults=faults, **attempt
    )


def to_result(header: RunLine, end: EndLine | None, outcomes: Iterable[Outcome]) -> RunResult:
    """The run that a file tells of."""
    return RunResult(
        run_id=header.run_id,
        name=header.name,
        expected=header.expected,
        outcomes=outcomes,
        dataset_id=header.dataset_id,
        dataset_sha256=header.dataset.sha256,
        dataset_path=header.dataset.path,
        dataset_count=header.dataset.count,
        limit=header.limit,
        function=header.function,
        evaluators=tuple(EvaluatorRef(name=e.name, fingerprint=e.fingerprint) for e in header.evaluators),
        repeats=header.repeats,
        git=header.git,
        ci=header.ci,
        environment=header.environment,
        metadata=header.metadata,
        configuration=header.configuration,
        started_at=header.started_at,
        finished=end.finished if end else None,
        duration_s=end.duration_s if end else None,
        status=end.status if end else None,
    )


# --- which lines belong together -------------------------------------------------------------------------------------


class Order:
    """The lines of a file so far: its header once, each outcome once, and each retry once and after its outcome."""

    def __init__(self) -> None:
        self._begun = False
        self._outcomes: set[int] = set()  # hashes of keys: a million take the least room so
        self._retries: set[int] = set()

    def refusal(self, line: RunLine | OutcomeLine | RetryLine) -> str | None:
        """Take the next line; why it cannot stand there."""
        if isinstance(line, RunLine):
            begun, self._begun = self._begun, True
            return "a second `run` line: one file holds one run" if begun else None
        key, again = hash(line.key), isinstance(line, RetryLine)
        seen = self._retries if again else self._outcomes
        if key not in seen and (not again or key in self._outcomes):
            seen.add(key)
            return None
        what = f"{'the retry of ' if again else ''}datapoint {shown(line.datapoint_id)}, repeat {line.repeat},"
        return f"{what} is there twice" if key in seen else f"{what} has no outcome before it"


@dataclass(kw_only=True)
class Kept:
    """What a resumed run goes on from, in hashes of keys.

    `done` are the outcomes that its file holds, `owed` those of them that are to be tried once more; `retries` is how
    many have been.
    """

    done: set[int] = field(default_factory=set)
    owed: set[int] = field(default_factory=set)
    retries: int = 0

    def keep(self, line: OutcomeLine | RetryLine, *, retry_errors: bool, retry: Callable[[Outcome], bool]) -> bool:
        """Take the next line; false where it does not stay: an outcome with an error that is run again, its retry."""
        key = hash(line.key)
        if isinstance(line, RetryLine):
            self.owed.discard(key)
            self.retries += key in self.done
            return key in self.done
        if retry_errors and (line.error or line.evaluator_errors):
            return False
        self.done.add(key)
        if retry(to_outcome(line)):
            self.owed.add(key)
        return True


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
    metadata: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    started_at: str

    def to_line(self) -> dict[str, Any]:
        """The header as its line has it; `metadata` and `configuration` only with content."""
        said = {"metadata": self.metadata, "configuration": self.configuration}
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
        } | {name: part for name, part in said.items() if part}


def outcome_line(outcome: Outcome) -> bytes:
    """One outcome as its line, without the newline and its retry; `ValueError` where it is longer than a line may be.

    A retry has a line of its own: what is finished is written at once, and never waits for what comes after it.
    """
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
    return _readable(line | _attempt(outcome))


def retry_line(retry: Outcome) -> bytes:
    """What became of a datapoint that was tried once more, as its line; `ValueError` where that is too long."""
    line = {"type": "retry", "datapoint_id": retry.datapoint_id, "repeat": retry.repeat}
    return _readable(line | _attempt(retry))


def is_retry(line: bytes) -> bool:
    """Whether `retry_line()` has encoded the line, and not `outcome_line()`."""
    return line.startswith(b'{"type":"retry"')


def _attempt(outcome: Outcome) -> dict[str, Any]:
    """The keys that an attempt has for itself, in the order of the line; `sources` and `enrichment` only if any."""
    match outcome:
        case Scored():
            faults = {metric: _fault(fault) for metric, fault in outcome.faults.items()}
            found = {"output": outcome.output, "scores": outcome.scores, "notes": outcome.notes, "error": None}
            found |= {"evaluator_errors": faults}
            if outcome.sources:
                found["sources"] = outcome.sources
        case Failed():
            found = {"output": None, "scores": {}, "notes": {}, "error": _fault(outcome.fault), "evaluator_errors": {}}
    found |= {"duration_ms": outcome.duration_ms, "session_id": outcome.session_id}
    if outcome.enrichment:
        found["enrichment"] = outcome.enrichment
    return found


def _readable(value: Mapping[str, Any]) -> bytes:
    """The value as a line in which nothing is nested deeper than can be read back: it is cut there."""
    raw = compact_json(value)
    # Counting brackets is far cheaper than reading the line again, and settles it for all but a few.
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        try:
            parse_line(raw)
        except ValueError:
            raw = compact_json(plain(value))
    if len(raw) > MAX_LINE - 2:  # the newline, and one byte by which a reader tells that there is no more
        raise ValueError(f"{len(raw):,} bytes, and {MAX_LINE:,} are the most that is recorded of a datapoint")
    return raw


def _fault(fault: Fault) -> dict[str, str]:
    where = {"where": fault.where} if fault.where else {}
    return {"type": fault.type, "message": fault.message, **where}
