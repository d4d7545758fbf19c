"""What a run came to, and how two runs compare: the platform's answers, and what `evaluate()` returns."""

# ruff: noqa: RUF012 - Pydantic copies a default for each instance

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, Field, model_validator

from honeyhive.models.answers import EvaluationRun
from honeyhive.models.shapes import Answer, Id, Listed, Number, Value


class MetricDatapoints(Answer):
    """Which datapoints passed a metric, and which did not."""

    passed: Listed[Id] = []
    failed: Listed[Id] = []


class Detail(Answer):
    """One metric of a run: its aggregate, and the values that it comes from."""

    metric_name: str
    metric_type: str | None = None
    event_name: str | None = None
    event_type: str | None = None
    aggregate: Value = None
    values: Listed[Any] = []
    datapoints: MetricDatapoints = MetricDatapoints()
    value: Any = None
    explanation: str | None = None
    weight: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, answer: Any) -> Any:
        return _without_null(answer, "datapoints")


class Metrics(Answer):
    """All metrics of a run, and by which function their values were aggregated."""

    aggregation_function: str | None = None
    details: Listed[Detail] = []

    def get_metric(self, name: str) -> Detail | None:
        """The metric of that name; the first of them, where several events have one."""
        return next((detail for detail in self.details if detail.metric_name == name), None)

    def list_metrics(self) -> list[str]:
        """The names of the metrics, each once."""
        return list(dict.fromkeys(detail.metric_name for detail in self.details))

    @property
    def score(self) -> float | None:
        """The mean of the aggregates by weight, of those metrics that have one.

        None where no metric has a weight, and where one that counts has no aggregate: what is missing is not zero.
        """
        weighted = [(detail.weight, detail.aggregate) for detail in self.details if detail.weight]
        if not weighted:
            return None
        total = 0.0
        for weight, aggregate in weighted:
            if not isinstance(aggregate, int | float) or not math.isfinite(aggregate):
                return None
            total += weight * aggregate
        return total / sum(weight for weight, _ in weighted)


class DatapointMetric(Answer):
    """What one datapoint scored in one metric."""

    name: str = Field(default="", validation_alias=AliasChoices("name", "metric_name"))
    value: Any = None
    explanation: str | None = None
    passed: bool | None = None
    event_name: str | None = None
    event_type: str | None = None
    error: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _whatever_it_is(cls, answer: Any) -> Any:
        """The API describes no shape for it, and older code puts a `Detail` here."""
        if isinstance(answer, Detail):
            return answer.model_dump(exclude_unset=True)
        return answer if isinstance(answer, Mapping | DatapointMetric) else {"value": answer}


class Datapoint1(Answer):
    """What became of one datapoint in a run; `passed` is None where nothing says so."""

    datapoint_id: Id | None = None
    session_id: Id | None = None
    passed: bool | None = None
    metrics: Listed[DatapointMetric] = []
    inputs: Any = None
    outputs: Any = None
    ground_truth: Any = None
    error: str | None = None


class Unsent(Answer):
    """What the platform does not have of a run, and the command that sends it later."""

    sessions: int
    of: int
    reason: str
    command: str


class ExperimentResultResponse(Answer):
    """What a run came to: its datapoints in the dataset's order, those that failed among them.

    `run_file`, `unsent` and `duration_s` are what a run of ours knows besides.
    """

    status: str
    success: bool
    run_id: Id | None = None
    name: str | None = None
    dataset_id: str | None = None
    error: str | None = None
    passed: Listed[Id] = []
    failed: Listed[Id] = []
    metrics: Metrics = Metrics()
    datapoints: Listed[Datapoint1] = []
    event_details: Listed[Any] = []
    run_object: EvaluationRun | None = None
    run_file: str | None = None
    unsent: Unsent | None = None
    duration_s: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, answer: Any) -> Any:
        return _without_null(answer, "metrics")

    def __repr__(self) -> str:
        """In a line: a notebook shows it by itself, and `datapoints` may be many."""
        counts = f"{len(self.passed)} of {len(self.datapoints)} datapoints passed"
        return f"<{type(self).__name__} {self.name or self.run_id!r}: {self.status}, {counts}>"

    def __str__(self) -> str:
        """The same."""
        return repr(self)


class MetricComparison(Answer):
    """One metric in two runs."""

    metric_name: str
    metric_type: str | None = None
    event_name: str | None = None
    event_type: str | None = None
    old_aggregate: Value = None
    new_aggregate: Value = None
    difference: float | None = None
    percentage_change: float | None = None
    found_count: int | None = None
    improved_count: int | None = None
    degraded_count: int | None = None
    same_count: int | None = None
    improved: Listed[Id] = []
    degraded: Listed[Id] = []
    same: Listed[Id] = []
    old_values: Listed[Any] = []
    new_values: Listed[Any] = []

    @property
    def delta(self) -> float | None:
        """The new aggregate less the old one; None where one of them is no number."""
        if isinstance(self.old_aggregate, Number) and isinstance(self.new_aggregate, Number):
            return float(self.new_aggregate) - float(self.old_aggregate)
        return self.difference


class ExperimentComparisonResponse(Answer):
    """Two runs, metric by metric, as the platform compares them."""

    metrics: Listed[MetricComparison] = []
    common_datapoints: Listed[Id] = Field(
        default=[], validation_alias=AliasChoices("commonDatapoints", "common_datapoints")
    )
    event_details: Listed[Any] = []
    old_run: EvaluationRun | None = None
    new_run: EvaluationRun | None = None
    old_run_id: Id | None = None
    new_run_id: Id | None = None

    @property
    def metric_deltas(self) -> dict[str, dict[str, Any]]:
        """By metric, all that is known of its change, with `delta`."""
        return {metric.metric_name: _delta(metric) for metric in reversed(self.metrics)}

    def get_metric_delta(self, metric_name: str) -> dict[str, Any] | None:
        """What is known of the metric's change, with `delta`; None where the runs do not share it."""
        return self.metric_deltas.get(metric_name)

    def list_improved_metrics(self) -> list[str]:
        """The metrics in which a datapoint got better.

        Where the platform counts no datapoints, those whose aggregate rose: to the platform, higher is better.
        """
        return list(dict.fromkeys(self._changed(sign=1)))

    def list_degraded_metrics(self) -> list[str]:
        """The metrics in which a datapoint got worse; without counts, those whose aggregate fell."""
        return list(dict.fromkeys(self._changed(sign=-1)))

    def _changed(self, *, sign: int) -> Iterator[str]:
        for metric in self.metrics:
            count = metric.improved_count if sign > 0 else metric.degraded_count
            if count is None:
                count = (metric.delta or 0) * sign > 0
            if count > 0:
                yield metric.metric_name


def _delta(metric: MetricComparison) -> dict[str, Any]:
    return {**metric.model_dump(), "delta": metric.delta}


def _without_null(answer: Any, key: str) -> Any:
    if isinstance(answer, Mapping) and key in answer and answer[key] is None:
        return {name: value for name, value in answer.items() if name != key}
    return answer
