"""What a run came to, as `evaluate()` returns it: one `Detail` a metric, one `Datapoint1` a datapoint."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

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


def summarize(
    run: RunResult, *, aggregate_function: str = "average", weights: Mapping[str, float] | None = None
) -> ExperimentResultResponse:
    """The run as a value to look at; its datapoints in the dataset's order, failed ones included.

    `weights` are those of the evaluators, by name.

    A datapoint has passed where the function answered, no evaluator failed, and no score is `False`, in none of its
    repeats. The run is a success where it is whole and every datapoint has passed. Aggregates are over the scores that
    there are: an error has none, and its datapoint is among those that failed the metric.
    """
    outcomes = sorted(run.outcomes, key=lambda outcome: (outcome.index, outcome.repeat))
    owners = _owners(outcomes)
    groups = groupby(outcomes, key=lambda outcome: outcome.datapoint_id)
    datapoints = [_datapoint(list(group), owners) for _, group in groups]
    failed = [str(datapoint.datapoint_id) for datapoint in datapoints if not datapoint.passed]
    return ExperimentResultResponse(
        run_id=run.run_id,
        name=run.name,
        dataset_id=run.dataset_id,
        status=_status(run),
        success=run.complete and not failed,
        passed=[str(datapoint.datapoint_id) for datapoint in datapoints if datapoint.passed],
        failed=failed,
        metrics=Metrics(
            aggregation_function=aggregate_function,
            details=list(_details(run, outcomes, AGGREGATES[aggregate_function], weights or {})),
        ),
        datapoints=datapoints,
    )


def _status(run: RunResult) -> str:
    if run.status == "completed" and not run.complete:
        return "failed"
    return run.status or "failed"


def _datapoint(outcomes: Sequence[Outcome], owners: Mapping[str, str]) -> Datapoint1:
    """One datapoint; of its repeats the first stands for all, and the first that failed for what went wrong."""
    first = outcomes[0]
    error = next((outcome.fault.placed for outcome in outcomes if isinstance(outcome, Failed)), None)
    return Datapoint1(
        datapoint_id=first.datapoint_id,
        session_id=first.session_id,
        passed=all(_passed(outcome, owners) for outcome in outcomes),
        metrics=[metric for outcome in outcomes for metric in _metrics(outcome)],
        inputs=first.inputs,
        outputs=first.output if isinstance(first, Scored) else None,
        ground_truth=first.ground_truth,
        error=error,
    )


def _passed(outcome: Outcome, owners: Mapping[str, str]) -> bool:
    if not isinstance(outcome, Scored) or outcome.faults or False in _truths(outcome):
        return False
    return not any(_lacks(outcome, metric, owners) for metric in owners)


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
        DatapointMetric(name=name, error=fault.placed, passed=False) for name, fault in outcome.faults.items()
    ]


def _metric_passed(score: Score) -> bool | None:
    return score if isinstance(score, bool) else None


def _details(
    run: RunResult,
    outcomes: Sequence[Outcome],
    aggregate: Callable[[Sequence[float]], float],
    weights: Mapping[str, float],
) -> Iterator[Detail]:
    scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
    crashed = [outcome.datapoint_id for outcome in outcomes if isinstance(outcome, Failed)]
    owners = _owners(scored)
    for name in _names(run, scored, owners.values()):
        found = [(outcome.datapoint_id, outcome.scores.get(name)) for outcome in scored]
        values = [score for _, score in found if score is not None]
        wrong = [o.datapoint_id for o in scored if name in o.faults or _lacks(o, name, owners)]
        failed = dict.fromkeys([*crashed, *wrong, *(one for one, score in found if score is False)])
        passed = dict.fromkeys(one for one, score in found if score is not None and one not in failed)
        yield Detail(
            metric_name=name,
            metric_type="CLIENT_SIDE",
            event_name=run.function,
            event_type="chain",
            aggregate=_aggregated(aggregate, values),
            values=values,
            datapoints=MetricDatapoints(passed=list(passed), failed=list(failed)),
            weight=weights.get(owners.get(name, name)),
        )


def _owners(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """The evaluators that give several metrics, by metric."""
    scored = (outcome for outcome in outcomes if isinstance(outcome, Scored))
    return {metric: evaluator for outcome in scored for metric, evaluator in outcome.sources.items()}


def _names(run: RunResult, outcomes: Iterable[Scored], givers: Collection[str]) -> list[str]:
    """The metrics: in the order of the evaluators, then as they come. An evaluator that gave others has none itself."""
    found: dict[str, None] = {}
    for outcome in outcomes:
        found |= dict.fromkeys(outcome.scores)
    own = [one.name for one in run.evaluators if one.name in found or one.name not in givers]
    return list(dict.fromkeys((*own, *found)))


def _lacks(outcome: Scored, name: str, owners: Mapping[str, str]) -> bool:
    """Whether a mapping has left out a metric that its evaluator gives elsewhere: missing never counts as good."""
    return name in owners and name not in outcome.scores


def _aggregated(aggregate: Callable[[Sequence[float]], float], values: Sequence[Score]) -> float | None:
    """What the scores come to; `None` where there are none, and where that is more than a number can be."""
    try:
        found = aggregate([float(value) for value in values if value is not None]) if values else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
