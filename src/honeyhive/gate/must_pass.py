"""The datapoints that have to pass, whatever the mean does: those with the tag `must-pass`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from honeyhive.gate.checks import Check, Place, Reason, Rule, Status
from honeyhive.gate.metrics import Direction, Kind, Metric, default_metric, expected
from honeyhive.gate.thresholds import Threshold
from honeyhive.result import BUILT_IN, ERRORS, TAG_MUST_PASS, Failed, Fault, Outcome, Scored

NAMED = 50
"""How many datapoints of a check are named."""

_MISSING_SCORE = Fault(type="MissingScore", message="the run has no score of it here, and has some elsewhere")


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
        """Whether at least half of the repeats pass, be it when tried again; `None` where the metric says nothing.

        Where it applies to some of the repeats only, the others have not passed.
        """
        first = [passes(outcome, metric) for outcome in self.outcomes]
        if _enough(first):
            return Standing.PASSED
        again = [None if outcome.retry is None else passes(outcome.retry, metric) for outcome in self.outcomes]
        if _enough(one or other for one, other in zip(first, again, strict=True)):
            return Standing.FLAKY
        return None if all(passed is None for passed in first) else Standing.FAILED

    @property
    def scored(self) -> Iterator[Scored]:
        """The repeats that were scored, and what was tried again of them."""
        for outcome in self.outcomes:
            yield from (attempt for attempt in (outcome, outcome.retry) if isinstance(attempt, Scored))


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
    slim = replace(outcome, inputs=None, ground_truth=ground_truth, metadata={}, enrichment={}, retry=retry)
    return replace(slim, output=None, notes={}) if isinstance(slim, Scored) else slim


def unscored(outcome: Scored, metrics: frozenset[str]) -> frozenset[str]:
    """The metrics that the outcome knows nothing of: no score, not that it does not apply, no fault."""
    return metrics.difference(outcome.scores, outcome.faults)


def with_missing_scores(outcome: Outcome, metrics: frozenset[str]) -> Outcome:
    """The outcome with a fault for each of these metrics that it knows nothing of; `Failed` knows of none anyway."""
    if isinstance(outcome, Failed):
        return outcome
    missing = dict.fromkeys(unscored(outcome, metrics), _MISSING_SCORE)
    return replace(outcome, faults={**outcome.faults, **missing}) if missing else outcome


def retry_rule(thresholds: Sequence[Threshold]) -> Callable[[Outcome], bool]:
    """Which outcomes the run tries once more: those of tagged datapoints that do not pass by some metric.

    Which metrics are pass/fail is known only when the run is over, so every score counts that is `True` or `False`,
    and every error. Where the user says which have to pass it is those alone, and they have to apply.
    """
    metrics = {threshold.metric.name: threshold.metric for threshold in thresholds}
    named = [threshold.metric for threshold in thresholds if threshold.must_pass]
    rates = {name for name, metric in metrics.items() if metric.kind is Kind.RATE and name != ERRORS}
    exempt = _exempt(thresholds)

    def fails(outcome: Outcome) -> bool:
        if TAG_MUST_PASS not in outcome.tags:
            return False
        if isinstance(outcome, Failed):
            return True
        if named:
            return not all(passes(outcome, metric) for metric in named)
        pass_fail = {name for name, score in outcome.scores.items() if isinstance(score, bool)}
        asked = (metrics.get(name) or default_metric(name) for name in (pass_fail | rates) - exempt)
        return bool(outcome.faults) or any(passes(outcome, metric) is False for metric in asked)

    return fails


def must_pass_checks(
    metrics: Mapping[str, tuple[Metric, bool]], tagged: Sequence[Tagged], thresholds: Sequence[Threshold]
) -> Iterator[Check]:
    """One check for each metric that the tagged datapoints have to pass: those that the user names.

    Where none is named, every one that tells passed from failed; where the run has scores, but none that do, one check
    that fails; and where it has no scores at all, that nothing goes wrong. `metrics` tells of each whether the run has
    measured it. A named metric has to apply to every tagged datapoint; of the others at least one has to.
    """
    named = [metrics[threshold.name] for threshold in thresholds if threshold.must_pass]
    if not named and tagged:
        yield from _unnamed_checks(metrics, tagged, _exempt(thresholds))
    for metric, measured in named:
        if measured:
            yield _judged(metric, [(one.place, one.standing(metric) or Standing.FAILED) for one in tagged])
        else:
            yield _check(metric, [], Status.FAILED, Reason.MISSING_METRIC)


def _unnamed_checks(
    metrics: Mapping[str, tuple[Metric, bool]], tagged: Sequence[Tagged], exempt: frozenset[str]
) -> Iterator[Check]:
    scored = [attempt for one in tagged for attempt in one.scored]
    known = set().union(*(attempt.scores for attempt in scored), *(attempt.faults for attempt in scored))
    left_out = exempt.union(BUILT_IN)
    own = [
        metric for name, (metric, measured) in metrics.items() if name not in left_out and (measured or name in known)
    ]
    asked = [
        metric
        for metric in own
        if metric.kind is Kind.RATE or any(isinstance(attempt.scores.get(metric.name), bool) for attempt in scored)
    ]
    if own and not asked:
        yield replace(_check(own[0], [], Status.FAILED, Reason.NO_DATA), n=len(tagged))
    if not own and ERRORS not in exempt:
        asked = [metrics[ERRORS][0]]
    standings = [[one.standing(metric) for metric in asked] for one in tagged]
    for at, metric in enumerate(asked):
        found = [
            (one.place, of_one[at] or Standing.FAILED)
            for one, of_one in zip(tagged, standings, strict=True)
            if of_one[at] or not any(of_one)  # what none of them applies to has not passed
        ]
        if found:
            yield _judged(metric, found)


def _exempt(thresholds: Sequence[Threshold]) -> frozenset[str]:
    return frozenset(threshold.metric.name for threshold in thresholds if threshold.must_pass is False)


def _enough(passed: Iterable[bool | None]) -> bool:
    found = list(passed)
    return 2 * found.count(True) >= len(found)


def _judged(metric: Metric, found: Sequence[tuple[Place, Standing]]) -> Check:
    if not found:
        return _check(metric, found, Status.FAILED, Reason.NO_DATA)
    failed = any(standing is Standing.FAILED for _, standing in found)
    status, reason = (Status.FAILED, Reason.BELOW_MIN) if failed else (Status.PASSED, Reason.MET)
    return _check(metric, found, status, reason)


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
