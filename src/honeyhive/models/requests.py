"""The bodies of our requests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from honeyhive.models.shapes import Id, Request

RunStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
"""How far a run is, in the platform's words."""


class PassingRange(Request):
    """Between which values a metric passes."""

    min: float | None = None
    max: float | None = None


class _RunRequest(Request):
    name: str | None = None
    description: str | None = None
    status: RunStatus | None = None
    metadata: dict[str, Any] | None = None
    results: dict[str, Any] | None = None
    event_ids: list[Id] | None = None
    configuration: dict[str, Any] | None = None
    evaluators: list[Any] | None = None
    session_ids: list[Id] | None = None
    datapoint_ids: list[Id] | None = None
    passing_ranges: dict[str, PassingRange] | None = None


class CreateRunRequest(_RunRequest):
    """A run to be created.

    The `run_id` may be ours, so that a request sent twice makes one run. `project` is what older callers give: the
    platform knows it from the key, and it is not sent.
    """

    project: str | None = Field(default=None, exclude=True)
    run_id: Id | None = None
    dataset_id: Id | None = None

    def to_wire(self) -> dict[str, Any]:
        """What was given, without the project."""
        body = super().to_wire()
        body.pop("project", None)
        return body


class UpdateRunRequest(_RunRequest):
    """What is new about a run; what is not given stays as it is."""


class CreateDatasetRequest(Request):
    """A dataset to be created."""

    name: str | None = None
    description: str | None = None
    datapoints: list[Id] | None = None


class DatapointMapping(Request):
    """Which keys of a row belong to what part of a datapoint."""

    inputs: list[str] | None = None
    history: list[str] | None = None
    ground_truth: list[str] | None = None


class AddDatapointsRequest(Request):
    """Rows to be added to a dataset as datapoints."""

    data: list[dict[str, Any]] = Field(min_length=1)
    mapping: DatapointMapping


class CreateDatapointRequest(Request):
    """A datapoint to be created."""

    inputs: dict[str, Any] | None = None
    history: list[dict[str, Any]] | None = None
    ground_truth: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    linked_event: Id | None = None
    linked_datasets: list[Id] | None = None
