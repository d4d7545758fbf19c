"""The datapoints that have to pass whatever the rest does: those with the tag `must-pass`, by which metrics, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from honeyhive.gate.metrics import ERRORS, Direction, Kind, Metric, default_metric, expected
from honeyhive.gate.thresholds import Threshold
from honeyhive.result import Failed, Outcome

TAG = "must-pass"


def passes(outcome: Outcome, metric: Metric) -> bool | None:
    """Whether one attempt passes; `None` where the metric does not apply. What went wrong does not pass."""
    if isinstance(outcome, Failed) or metric.name in outcome.faults:
        return False
    if metric.name == ERRORS:
        return not outcome.faults
    score = outcome.scores.get(metric.name)
    if metric.labels:
        score = expected(score, outcome.ground_truth)
    return None if score is None else score == (1 if metric.direction is Direction.HIGHER else 0)


def majority(passed: int, attempts: int) -> bool:
    """Whether so many of the attempts at one datapoint are enough: at least half, rounded up."""
    return attempts > 0 and 2 * passed >= attempts


def retry_rule(thresholds: Sequence[Threshold]) -> Callable[[Outcome], bool]:
    """Which outcomes the run tries once more: those of tagged datapoints that do not pass by some metric.

    Which metrics are pass/fail is known only when the run is over, so every score counts that is `True` or `False`,
    beside those that the user says have to pass.
    """
    metrics = {threshold.metric.name: threshold.metric for threshold in thresholds}
    exempt = {threshold.metric.name for threshold in thresholds if threshold.must_pass is False}
    named = {threshold.metric.name for threshold in thresholds if threshold.must_pass}
    rates = {threshold.metric.name for threshold in thresholds if threshold.metric.kind is Kind.RATE}

    def fails(outcome: Outcome) -> bool:
        if TAG not in outcome.tags:
            return False
        if isinstance(outcome, Failed):
            return True
        pass_fail = {name for name, score in outcome.scores.items() if isinstance(score, bool)}
        asked = (named or pass_fail | rates | outcome.faults.keys()) - exempt
        found = [passes(outcome, metrics.get(name) or default_metric(name)) for name in asked]
        return False in found

    return fails
