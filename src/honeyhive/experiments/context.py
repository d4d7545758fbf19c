"""`ExperimentContext`: what all datapoints of one run have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a run that nobody sends does not wait for the wire shapes
    from honeyhive.models.generated import CreateRunRequest, RunStatus

EXTERNAL = "EXT-"
"""What the ids of datasets and datapoints begin with that HoneyHive does not keep itself."""


@dataclass(frozen=True)
class ExperimentContext:
    """The run that a datapoint belongs to; the tracer of each datapoint is configured from it.

    `metadata` goes with the run and with each of its sessions. `session_name` is the run's name.
    """

    run_id: str
    project: str | None
    dataset_id: str
    source: str = "evaluation"
    metadata: Mapping[str, Any] | None = None
    use_honeyhive_dataset: bool = False
    session_name: str | None = None

    def to_tracer_config(self, datapoint_id: str) -> dict[str, Any]:
        """The arguments of the `HoneyHiveTracer` of one datapoint; the key is for the caller to add."""
        config: dict[str, Any] = {
            "api_key": None,
            "project": self.project,
            "source": self.source,
            "is_evaluation": True,
            "run_id": self.run_id,
            "dataset_id": self.dataset_id,
            "datapoint_id": datapoint_id,
        }
        if self.session_name is not None:
            config["session_name"] = self.session_name
        if self.metadata:
            config["metadata"] = self.metadata
        return config

    def to_run_request(self, name: str, status: RunStatus = "running") -> CreateRunRequest:
        """The request that makes the run; the id of an external dataset travels in its metadata."""
        from honeyhive.models.generated import CreateRunRequest  # noqa: PLC0415 - see its import for types

        metadata = dict(self.metadata or {})
        external = not self.use_honeyhive_dataset and self.dataset_id.startswith(EXTERNAL)
        if external:
            metadata["offline_dataset_id"] = self.dataset_id
        return CreateRunRequest(
            project=self.project,
            run_id=self.run_id,
            name=name,
            dataset_id=None if external else self.dataset_id,
            status=status,
            metadata=metadata,
        )
