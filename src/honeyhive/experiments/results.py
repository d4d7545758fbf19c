"""What HoneyHive knows of runs: their results, their metrics, and how two of them compare."""

from __future__ import annotations

from honeyhive.api.client import HoneyHive
from honeyhive.models.generated import ExperimentComparisonResponse, ExperimentResultResponse, RunMetricsResponse


def get_run_result(
    client: HoneyHive,
    run_id: str,
    project_id: str | None = None,  # noqa: ARG001 - older callers give it; the key says the project
    aggregate_function: str = "average",
) -> ExperimentResultResponse:
    """What a run came to, as the platform aggregates it. Raises `ApiError`."""
    return client.evaluations.get_result(run_id, aggregate_function)


def get_run_metrics(
    client: HoneyHive,
    run_id: str,
    project_id: str | None = None,  # noqa: ARG001 - as above
) -> RunMetricsResponse:
    """The events of a run with their metrics. Raises `ApiError`."""
    return client.evaluations.get_metrics(run_id)


def compare_runs(
    client: HoneyHive,
    new_run_id: str,
    old_run_id: str,
    project_id: str | None = None,  # noqa: ARG001 - as above
    aggregate_function: str = "average",
) -> ExperimentComparisonResponse:
    """How a run compares with an older one, as the platform sees it; `honeyhive compare` judges. Raises `ApiError`."""
    return client.evaluations.compare_runs(new_run_id, old_run_id, aggregate_function)
