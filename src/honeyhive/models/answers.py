"""What the API answers about runs, sessions, events, datasets and datapoints."""

# ruff: noqa: RUF012 - Pydantic copies a default for each instance

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, Field, field_validator, model_validator

from honeyhive.models.shapes import Answer, Id, Listed, Mapped


class EvaluationRun(Answer):
    """A run as the platform keeps it."""

    id: Id | None = None
    run_id: Id | None = None
    name: str | None = None
    description: str | None = None
    status: str | None = None
    dataset_id: Id | None = None
    metadata: Mapped = {}
    results: Mapped = {}
    configuration: Mapped = {}
    event_ids: Listed[Id] = []
    is_active: bool | None = None
    created_at: str | None = None
    updated_at: str | None = None


class CreateRunResponse(Answer):
    """The run that was created; `run_id` is the platform's, and may differ from ours."""

    run_id: Id
    evaluation: EvaluationRun | None = None

    @model_validator(mode="before")
    @classmethod
    def _id_of_the_run(cls, answer: Any) -> Any:
        """Where the answer itself has no id, the run in it may."""
        if isinstance(answer, Mapping) and answer.get("run_id") is None:
            run = answer.get("evaluation")
            if isinstance(run, Mapping):
                return {**answer, "run_id": run.get("run_id") or run.get("id")}
        return answer


class UpdateRunResponse(Answer):
    """The run after its update; `warning` is the platform's, where it did not take all of it."""

    evaluation: EvaluationRun | None = None
    warning: str | None = None


class GetRunResponse(Answer):
    """A run that was asked for."""

    evaluation: EvaluationRun | None = None


class DeleteRunResponse(Answer):
    """Which run was deleted."""

    id: Id | None = None
    deleted: bool | None = None


class Pagination(Answer):
    """Which part of a list an answer is."""

    page: int | None = None
    limit: int | None = None
    total: int | None = None
    total_pages: int | None = None
    has_next: bool | None = None


class ListRunsResponse(Answer):
    """A page of runs, and the metrics that they have."""

    evaluations: Listed[EvaluationRun] = []
    pagination: Pagination | None = None
    metrics: Listed[str] = []


class RunMetricsResponse(Answer):
    """The events of a run, each with its metrics."""

    events: Listed[Any] = []


class StartSessionResponse(Answer):
    """The session that was started."""

    session_id: Id | None = None
    event_id: Id | None = None
    event_name: str | None = None
    event_type: str | None = None


class Event(Answer):
    """An event as the platform keeps it, with those below it; a session is the event at the top."""

    event_id: Id | None = None
    session_id: Id | None = None
    parent_id: Id | None = None
    event_name: str | None = None
    event_type: str | None = None
    inputs: Any = None
    outputs: Any = None
    error: str | None = None
    metadata: Mapped = {}
    metrics: Any = None
    feedback: Any = None
    children: Listed[Any] = []


class ListEventsResponse(Answer):
    """Events that were asked for, and how many there are in all."""

    events: Listed[Any] = []
    total: int | float | None = Field(default=None, validation_alias=AliasChoices("totalEvents", "total"))


class Acknowledged(Answer):
    """The platform took it; `event_id` where it named one."""

    success: bool | None = None
    event_id: Id | None = None


class PartialSuccess(Answer):
    """How many spans of an export the platform refused, and why."""

    rejected_spans: int = Field(default=0, validation_alias=AliasChoices("rejectedSpans", "rejected_spans"))
    error_message: str | None = Field(default=None, validation_alias=AliasChoices("errorMessage", "error_message"))


class ExportSpansResponse(Answer):
    """What became of an export."""

    partial_success: PartialSuccess | None = Field(
        default=None, validation_alias=AliasChoices("partialSuccess", "partial_success")
    )

    @property
    def rejected(self) -> int:
        """How many of the spans the platform refused."""
        return self.partial_success.rejected_spans if self.partial_success else 0


class Dataset(Answer):
    """A dataset: the ids of its datapoints, in its order."""

    id: Id = Field(validation_alias=AliasChoices("id", "_id", "dataset_id"))
    name: str | None = None
    description: str | None = None
    project: str | None = None
    datapoints: Listed[Id] = []
    created_at: str | None = None
    updated_at: str | None = None


class ListDatasetsResponse(Answer):
    """The datasets that were asked for."""

    datasets: list[Dataset] = Field(validation_alias=AliasChoices("datasets", "testcases"))


class Datapoint(Answer):
    """A datapoint as the platform keeps it."""

    id: Id = Field(validation_alias=AliasChoices("id", "_id", "datapoint_id"))
    inputs: Mapped = {}
    ground_truth: Any = None
    history: Listed[Any] = []
    metadata: Mapped = {}
    linked_event: Id | None = None
    linked_datasets: Listed[Id] = []
    created_at: str | None = None
    updated_at: str | None = None


class GetDatapointResponse(Answer):
    """A datapoint that was asked for: a list of one, or of none."""

    datapoint: Listed[Datapoint] = []

    @field_validator("datapoint", mode="before")
    @classmethod
    def _unwrapped(cls, answer: Any) -> Any:
        """The API describes a list of answers, each with such a list; what it sends is the list itself."""
        if isinstance(answer, list) and answer and all(isinstance(item, Mapping) for item in answer):
            nested = [item.get("datapoint") for item in answer]
            if all(isinstance(item, list) for item in nested):
                return [datapoint for item in nested for datapoint in item]
        return answer


class ListDatapointsResponse(Answer):
    """Datapoints that were asked for; those that there are not are left out."""

    datapoints: list[Datapoint]


class _Inserted(Answer):
    inserted_id: Id | None = Field(default=None, validation_alias=AliasChoices("insertedId", "inserted_id"))
    inserted_ids: Listed[Id] = Field(default=[], validation_alias=AliasChoices("insertedIds", "inserted_ids"))


class CreateDatasetResponse(Answer):
    """The dataset that was created."""

    inserted: bool | None = None
    result: _Inserted

    @property
    def dataset_id(self) -> str | None:
        """Its id."""
        return self.result.inserted_id


class AddDatapointsResponse(Answer):
    """The datapoints that were added."""

    inserted: bool | None = None
    datapoint_ids: Listed[Id] = []


class CreateDatapointResponse(Answer):
    """The datapoint that was created."""

    inserted: bool | None = None
    result: _Inserted

    @property
    def datapoint_id(self) -> str | None:
        """Its id."""
        return next(iter(self.result.inserted_ids), None)
