"""What a run came to, as `evaluate()` returns it: one `Detail` a metric, one `Datapoint1` a datapoint."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from honeyhive.errors import ArgumentError
from honeyhive.models.generated import (
    Datapoint1,
    DatapointMetric,
    Detail,
    ExperimentResultResponse,
    MetricDatapoints,
    Metrics,
)
from honeyhive.result import Failed, Outcome, RunResult, Score, Scored

AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "average": statistics.fmean,
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
    "sum": sum,
}
"""What the scores of a metric can come to; `True` counts as 1, `False` as 0."""


def check_aggregate(name: str) -> str:
    """The name of an aggregate function, or `ArgumentError`."""
    if name not in AGGREGATES:
        raise ArgumentError(f"aggregate_function={name!r}", hint=f"known: {', '.join(AGGREGATES)}")
    return name


def summarize(
    run: RunResult, *, aggregate_function: str = "average", weights: Mapping[str, float] | None = None
) -> ExperimentResultResponse:
    """The run as a value to look at; its datapoints in the dataset's order, failed ones included.

    `weights` are those of the evaluators, by name.

    A datapoint has passed where the function answered, no evaluator failed, and no score is `False`, in none of its
    repeats. The run is a success where it is whole and every datapoint has passed. Aggregates are over the scores that
    there are: an error has none.
    """
    outcomes = sorted(run.outcomes, key=lambda outcome: (outcome.index, outcome.repeat))
    datapoints = [_datapoint(list(group)) for _, group in groupby(outcomes, key=lambda outcome: outcome.datapoint_id)]
    failed = [str(datapoint.datapoint_id) for datapoint in datapoints if not datapoint.passed]
    return ExperimentResultResponse(
        run_id=run.run_id,
        name=run.name,
        status=_status(run),
        success=run.complete and not failed,
        passed=[str(datapoint.datapoint_id) for datapoint in datapoints if datapoint.passed],
        failed=failed,
        metrics=Metrics(
            aggregation_function=aggregate_function,
            details=_details(run, outcomes, AGGREGATES[aggregate_function], weights or {}),
        ),
        datapoints=datapoints,
    )


def _status(run: RunResult) -> str:
    if run.status == "completed" and not run.complete:
        return "failed"
    return run.status or "failed"


def _datapoint(outcomes: Sequence[Outcome]) -> Datapoint1:
    """One datapoint; of its repeats the first stands for all, and the first that failed for what went wrong."""
    first = outcomes[0]
    error = next((str(outcome.fault) for outcome in outcomes if isinstance(outcome, Failed)), None)
    return Datapoint1(
        datapoint_id=first.datapoint_id,
        session_id=first.session_id,
        passed=all(map(_passed, outcomes)),
        metrics=[metric for outcome in outcomes for metric in _metrics(outcome)],
        inputs=first.inputs,
        outputs=first.output if isinstance(first, Scored) else None,
        ground_truth=first.ground_truth,
        error=error,
    )


def _passed(outcome: Outcome) -> bool:
    return isinstance(outcome, Scored) and not outcome.faults and False not in _truths(outcome)


def _truths(outcome: Scored) -> list[bool]:
    return [score for score in outcome.scores.values() if isinstance(score, bool)]


def _metrics(outcome: Outcome) -> list[DatapointMetric]:
    if isinstance(outcome, Failed):
        return []
    scored = [
        DatapointMetric(name=name, value=score, explanation=outcome.notes.get(name), passed=_metric_passed(score))
        for name, score in outcome.scores.items()
    ]
    return scored + [
        DatapointMetric(name=name, error=str(fault), passed=False) for name, fault in outcome.faults.items()
    ]


def _metric_passed(score: Score) -> bool | None:
    return score if isinstance(score, bool) else None


def _details(
    run: RunResult,
    outcomes: Sequence[Outcome],
    aggregate: Callable[[Sequence[float]], float],
    weights: Mapping[str, float],
) -> list[Detail]:
    scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    owners = {metric: evaluator for outcome in scored for metric, evaluator in outcome.sources.items()}
    return [_detail(run, name, scored, aggregate, weights.get(owners.get(name, name))) for name in _names(run, scored)]


def _names(run: RunResult, outcomes: Iterable[Scored]) -> list[str]:
    """The metrics: in the order of the evaluators, then as they come."""
    found: dict[str, None] = {}
    for outcome in outcomes:
        found |= dict.fromkeys((*outcome.scores, *outcome.faults))
    evaluators = [evaluator.name for evaluator in run.evaluators if evaluator.name in found]
    return list(dict.fromkeys((*evaluators, *found)))


def _detail(
    run: RunResult,
    name: str,
    outcomes: Sequence[Scored],
    aggregate: Callable[[Sequence[float]], float],
    weight: float | None,
) -> Detail:
    values: list[Any] = [score for outcome in outcomes if (score := outcome.scores.get(name)) is not None]
    failed = dict.fromkeys(o.datapoint_id for o in outcomes if o.scores.get(name) is False or name in o.faults)
    there = dict.fromkeys(o.datapoint_id for o in outcomes if o.scores.get(name) is not None)
    return Detail(
        metric_name=name,
        metric_type="CLIENT_SIDE",
        event_name=run.function,
        event_type="chain",
        aggregate=aggregate([float(value) for value in values]) if values else None,
        values=values,
        datapoints=MetricDatapoints(passed=[one for one in there if one not in failed], failed=list(failed)),
        weight=weight,
    )
