"""What a run leaves: `RunResult`, and one `Outcome` (`Scored` or `Failed`) per datapoint and repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from honeyhive.documents import canonical_json

Score = bool | float | int | None
"""One number of one metric: `True`/`False` for pass/fail, a finite number otherwise, `None` where it does not apply."""

LATENCY = "latency_ms"
ERRORS = "errors"
BUILT_IN = (LATENCY, ERRORS)
"""The metrics that every run has, whatever its evaluators."""

TAG_MUST_PASS = "must-pass"  # noqa: S105 - no password
"""The tag of a datapoint that has to pass whatever the others do; the run tries it once more where it does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What went wrong in the user's code: the exception's type and its message.

    `where` is the last line of theirs that ran, as `app.py:12 in answer`; `traceback`, all of their lines, is known to
    the run alone.
    """

    type: str
    message: str
    where: str = field(default="", compare=False)
    traceback: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        """`TypeError: message`."""
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def placed(self) -> str:
        """The same, and where it was."""
        return f"{self} ({self.where})" if self.where else str(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attempt:
    """What both kinds of outcome know of their datapoint.

    `retry` is what became of it when it was tried once more, as the run does with datapoints that must pass.
    `enrichment` is what the user's code said of the attempt's session: metadata, metrics, feedback, and so on.
    """

    index: int
    repeat: int = 0
    datapoint_id: str
    content_hash: str
    line: int | None = None
    inputs: Any = None
    ground_truth: Any = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    duration_ms: float | None = None
    session_id: str | None = None
    enrichment: Mapping[str, Any] = field(default_factory=dict)
    retry: Scored | Failed | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What makes the outcome unique within its run."""
        return self.datapoint_id, self.repeat


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored(_Attempt):
    """The function answered; `faults` holds the evaluators that did not, by metric.

    `sources` names the evaluator of each metric that is not called like its own, as one gives several at once.
    """

    output: Any = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed(_Attempt):
    """The function raised, ran out of time, or gave something that cannot be recorded."""

    fault: Fault


Outcome = Scored | Failed


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatorRef:
    """An evaluator by name, and the fingerprint of what it does."""

    name: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """One run: what it was asked to do, how it ended, and its outcomes.

    `outcomes` may be iterated more than once and need not be in memory; the order is that of completion.
    `finished` is the count that the run itself gave at its end, `None` where it never came to one.
    """

    run_id: str
    name: str = ""
    expected: int
    outcomes: Iterable[Outcome]
    dataset_id: str | None = None
    dataset_sha256: str | None = None
    dataset_path: str | None = None
    dataset_count: int | None = None
    limit: int | None = None
    function: str | None = None
    evaluators: tuple[EvaluatorRef, ...] = ()
    repeats: int = 1
    git: Mapping[str, Any] = field(default_factory=dict)
    ci: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    started_at: str | None = None
    finished: int | None = None
    duration_s: float | None = None
    status: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every datapoint has an outcome and the run said that it ended."""
        return self.finished is not None and self.finished >= self.expected and self.status == "completed"


def content_hash(inputs: Any, ground_truth: Any) -> str:
    """The hash that tells whether a datapoint is still the same: 32 hex digits of SHA-256 over canonical JSON."""
    content = canonical_json({"ground_truth": ground_truth, "inputs": inputs})
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]
