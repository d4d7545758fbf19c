"""The datapoints that have to pass, whatever the mean does: those with the tag `must-pass`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from honeyhive.gate.checks import Check, Place, Reason, Rule, Status
from honeyhive.gate.metrics import ERRORS, Direction, Kind, Metric, default_metric, expected
from honeyhive.gate.thresholds import Threshold
from honeyhive.result import Failed, Outcome, Scored

TAG = "must-pass"

NAMED = 50
"""How many datapoints of a check are named."""


class Standing(StrEnum):
    """Where a tagged datapoint stands by one metric."""

    PASSED = "passed"
    FLAKY = "flaky"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """A tagged datapoint, and what became of each repeat of it."""

    place: Place
    outcomes: tuple[Outcome, ...]

    def standing(self, metric: Metric) -> Standing | None:
        """Whether at least half of the repeats pass, be it when tried again; `None` where the metric says nothing."""
        first = [(outcome, passes(outcome, metric)) for outcome in self.outcomes]
        applying = [(outcome, passed) for outcome, passed in first if passed is not None]
        if not applying:
            return None
        if _enough([passed for _, passed in applying]):
            return Standing.PASSED
        again = [passed or (one.retry is not None and passes(one.retry, metric) is True) for one, passed in applying]
        return Standing.FLAKY if _enough(again) else Standing.FAILED


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


def without_texts(outcome: Outcome) -> Outcome:
    """The outcome without what its standing does not depend on; a run may have tagged all of its datapoints."""
    retry = None if outcome.retry is None else without_texts(outcome.retry)
    ground_truth = outcome.ground_truth if isinstance(outcome.ground_truth, int | float) else None
    slim = replace(outcome, inputs=None, ground_truth=ground_truth, metadata={}, retry=retry)
    return replace(slim, output=None, notes={}) if isinstance(slim, Scored) else slim


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
        return any(passes(outcome, metrics.get(name) or default_metric(name)) is False for name in asked)

    return fails


def must_pass_checks(
    metrics: Mapping[str, tuple[Metric, bool]], tagged: Sequence[Tagged], thresholds: Sequence[Threshold]
) -> Iterator[Check]:
    """One check for each metric that the tagged datapoints have to pass: those that the user names.

    Where none is named, every pass/fail metric, and where there is none either, that nothing goes wrong. `metrics`
    tells of each whether the run has measured it. A named metric has to apply to every tagged datapoint; of the
    others at least one has to.
    """
    named = [threshold.name for threshold in thresholds if threshold.must_pass]
    asked = named or (_pass_fail(metrics, thresholds) if tagged else [])
    standings = {name: [one.standing(metrics[name][0]) for one in tagged] for name in asked}
    silent = [not any(of_one) for of_one in zip(*standings.values(), strict=True)]
    for name in asked:
        metric, measured = metrics[name]
        if not measured:
            yield _check(metric, [], Status.FAILED, Reason.MISSING_METRIC)
            continue
        found = [
            (one.place, standing or Standing.FAILED)
            for one, standing, says_nothing in zip(tagged, standings[name], silent, strict=True)
            if standing or named or says_nothing
        ]
        if tagged and not found:  # the metric applies to none of them: another one does
            continue
        failed = any(standing is Standing.FAILED for _, standing in found)
        reason = Reason.BELOW_MIN if failed else Reason.MET if found else Reason.NO_DATA
        yield _check(metric, found, Status.PASSED if reason is Reason.MET else Status.FAILED, reason)


def _pass_fail(metrics: Mapping[str, tuple[Metric, bool]], thresholds: Sequence[Threshold]) -> list[str]:
    exempt = {threshold.metric.name for threshold in thresholds if threshold.must_pass is False}
    rates = [
        name for name, (metric, measured) in metrics.items() if metric.kind is Kind.RATE and measured and name != ERRORS
    ]
    return [name for name in rates or [ERRORS] if name not in exempt]


def _enough(passed: Sequence[bool]) -> bool:
    return 2 * sum(passed) >= len(passed)


def _check(metric: Metric, found: Sequence[tuple[Place, Standing]], status: Status, reason: Reason) -> Check:
    places = {wanted: [place for place, standing in found if standing is wanted] for wanted in Standing}
    passed = len(found) - len(places[Standing.FAILED])
    return Check(
        metric=metric.name,
        kind=Kind.RATE,
        direction=metric.direction,
        rule=Rule.MUST_PASS,
        limit=1.0,
        allowed="true",
        status=status,
        reason=reason,
        candidate=passed / len(found) if found else None,
        n=len(found),
        not_passed=tuple(places[Standing.FAILED][:NAMED]),
        flaky=tuple(places[Standing.FLAKY][:NAMED]),
    )
