"""`ExperimentContext`: what all datapoints of one run have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ExperimentContext:
    """The run that a datapoint belongs to; the tracer of each datapoint is configured from it."""

    run_id: str
    dataset_id: str
    project: str | None = None
    source: str = "evaluation"
    session_name: str | None = None
    metadata: Mapping[str, Any] | None = None

    def to_tracer_config(self, datapoint_id: str) -> dict[str, Any]:
        """The arguments of the `HoneyHiveTracer` of one datapoint."""
        return {
            "project": self.project,
            "source": self.source,
            "session_name": self.session_name,
            "run_id": self.run_id,
            "dataset_id": self.dataset_id,
            "datapoint_id": datapoint_id,
            "metadata": self.metadata,
        }
