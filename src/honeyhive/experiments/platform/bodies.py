"""What HoneyHive is told of a run, as plain values: the run, its sessions, and what became of them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from honeyhive.documents import plain
from honeyhive.experiments.context import EXTERNAL, ExperimentContext
from honeyhive.experiments.provenance import flat
from honeyhive.models.generated import CreateRunRequest, RunStatus, UpdateRunRequest
from honeyhive.result import Failed, Outcome, RunResult, Scored
from honeyhive.runlines import RunHeader

BASELINE = "honeyhive_baseline"
"""The key of a run's metadata that says it is a baseline. No code that runs in an experiment can write it."""

RECORD = "honeyhive_outcome"
"""The key of a session's metadata that holds what the session itself does not say of its outcome."""

_STARTED = re.compile(rb'"startTimeUnixNano":"(\d{1,20})"').finditer
_STATUS: Mapping[str | None, RunStatus] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "stopped": "cancelled",
}


@dataclass(frozen=True, kw_only=True)
class PlatformRun:
    """A run as HoneyHive knows it. `git` is what was known of the code, `metadata` what the user said of the run.

    HoneyHive's ids are UUIDs: `recorded_id` is what the run's files call it, where that is none.
    """

    run_id: str
    name: str
    dataset_id: str
    project: str | None = None
    repeats: int = 1
    git: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    datapoint_ids: Sequence[str] = ()
    recorded_id: str | None = None

    @classmethod
    def of_header(cls, header: RunHeader, *, project: str | None, datapoint_ids: Sequence[str] = ()) -> PlatformRun:
        """The run that begins with this header."""
        return cls(
            run_id=as_uuid(header.run_id),
            recorded_id=header.run_id,
            name=header.name,
            dataset_id=header.dataset_id,
            project=project,
            repeats=header.repeats,
            git=header.git,
            metadata=header.metadata,
            configuration=_configuration(header.function, [e.name for e in header.evaluators], header.configuration),
            datapoint_ids=datapoint_ids,
        )

    @classmethod
    def of_result(cls, run: RunResult, *, project: str | None) -> PlatformRun:
        """The run that a file tells of."""
        ids = {outcome.index: outcome.datapoint_id for outcome in run.outcomes}
        return cls(
            run_id=as_uuid(run.run_id),
            recorded_id=run.run_id,
            name=run.name,
            dataset_id=run.dataset_id or EXTERNAL,
            project=project,
            repeats=run.repeats,
            git=run.git,
            metadata=run.metadata,
            configuration=_configuration(run.function, [e.name for e in run.evaluators], run.configuration),
            datapoint_ids=[ids[index] for index in sorted(ids)],
        )

    @property
    def context(self) -> ExperimentContext:
        """What its datapoints have in common."""
        return ExperimentContext(self.run_id, self.project, self.dataset_id, metadata=self.metadata)

    def create_request(self) -> CreateRunRequest:
        """What makes the run."""
        request = self.context.to_run_request(self.name, status="pending")
        git = flat(self.git)
        said = {key: value for key, value in (request.metadata or {}).items() if key != BASELINE}
        metadata = {**said, **({"git": git} if git else {})}
        return request.model_copy(
            update={
                "metadata": plain(metadata),
                "configuration": plain(self.configuration),
                "datapoint_ids": list(self.datapoint_ids),
                "event_ids": [],
            }
        )

    def update_request(self, status: str | None, session_ids: Sequence[str]) -> UpdateRunRequest:
        """What ends the run: how it ended, and its sessions. A run that never came to its end has failed."""
        request = self.create_request()
        return UpdateRunRequest(
            name=self.name,
            status=_STATUS.get(status, "failed"),
            metadata=request.metadata,
            event_ids=list(session_ids),
        )

    def session(self, outcome: Outcome, session_id: str, spans: bytes) -> dict[str, Any]:
        """What starts the session of an outcome under this id; its spans are lines of the spans file."""
        known: dict[str, Any] = {
            "session_id": session_id,
            "session_name": self.name,
            "source": self.context.source,
            "inputs": _mapping(outcome.inputs, "inputs") | _said(outcome, "inputs"),
            "metadata": self._session_metadata(outcome),
        }
        if self.project is not None:
            known["project"] = self.project
        started = [int(match[1]) for match in _STARTED(spans)]
        if started:
            known["start_time"] = min(started) // 1_000_000
        if isinstance(outcome, Failed):
            known["error"] = str(outcome.fault)
        return known

    def event_update(self, outcome: Outcome, session_id: str) -> dict[str, Any]:
        """What became of a session: outputs, scores, what was expected, and what went wrong."""
        outputs, metrics = _said(outcome, "outputs"), _said(outcome, "metrics")
        feedback, metadata = _said(outcome, "feedback"), _said(outcome, "metadata") | _problems(outcome)
        if outcome.ground_truth is not None:
            feedback["ground_truth"] = plain(outcome.ground_truth)
        if isinstance(outcome, Scored):
            outputs = {**_mapping(outcome.output, "result"), **outputs}
            metrics |= _scores(outcome)
        if metadata:  # with the session's own, for nobody says that the platform keeps what is not repeated
            metadata = {**self._session_metadata(outcome), **metadata, **self._ids(outcome)}
        parts = {"outputs": outputs, "feedback": feedback, "metrics": metrics, "metadata": metadata}
        parts |= {name: _said(outcome, name) for name in ("config", "user_properties")}
        duration = {} if outcome.duration_ms is None else {"duration": outcome.duration_ms}
        return {"event_id": session_id, **{name: part for name, part in parts.items() if part}, **duration}

    def record_update(self, outcome: Outcome, session_id: str, record: str) -> dict[str, Any]:
        """What adds a record to a session, with the metadata that it has."""
        said = {**_said(outcome, "metadata"), **_problems(outcome)}
        metadata = {**self._session_metadata(outcome), **said, **self._ids(outcome), RECORD: record}
        return {"event_id": session_id, "metadata": metadata}

    def _session_metadata(self, outcome: Outcome) -> dict[str, Any]:
        return {**flat(self.git), **_plain_mapping(self.metadata), **self._ids(outcome)}

    def _ids(self, outcome: Outcome) -> dict[str, Any]:
        """Where a session belongs, which nothing that the user says of it hides."""
        ids: dict[str, Any] = {
            "run_id": self.run_id,
            "dataset_id": self.dataset_id,
            "datapoint_id": outcome.datapoint_id,
            "source": self.context.source,
        }
        if self.repeats > 1:
            ids["repeat"] = outcome.repeat
        return ids


def as_uuid(name: str, *, within: str | None = None) -> str:
    """The name itself where it is a UUID; else the one that is always made of it, `within` a run of that name."""
    with suppress(ValueError):
        if str(uuid.UUID(name)) == name:
            return name
    space = _NAMES if within is None else uuid.UUID(as_uuid(within))
    return str(uuid.uuid5(space, name.encode("utf-8", "replace").decode()))  # half a character has no bytes to hash


_NAMES = uuid.UUID("1f5ffa9b-61e3-436b-b688-7747986419d1")


def _scores(outcome: Scored) -> dict[str, Any]:
    """The scores under their names, and the notes on them as the platform has them."""
    notes = {f"{metric}_explanation": note for metric, note in outcome.notes.items()}
    return {metric: score for metric, score in outcome.scores.items() if score is not None} | notes


def _problems(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Failed():
            return {"error": str(outcome.fault)}
        case Scored():
            faults = {metric: str(fault) for metric, fault in outcome.faults.items()}
            return {"evaluator_errors": faults} if faults else {}


def _said(outcome: Outcome, part: str) -> dict[str, Any]:
    """What the user's code said of its session."""
    said = outcome.enrichment.get(part)
    return _plain_mapping(said) if isinstance(said, Mapping) else {}


def _mapping(value: Any, name: str) -> dict[str, Any]:
    """The value as an object, as the platform has inputs and outputs; what is none goes by a name."""
    if value is None:
        return {}
    return _plain_mapping(value) if isinstance(value, Mapping) else {name: plain(value)}


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): plain(part) for key, part in value.items()}


def _configuration(function: str | None, evaluators: list[str], rest: Mapping[str, Any]) -> dict[str, Any]:
    return {"function": function, "evaluators": evaluators, **rest}
