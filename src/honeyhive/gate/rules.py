"""How one threshold is decided: bounds as they are written, comparisons by the seven ordered rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.comparison import Comparison, MetricComparison, Pairs
from honeyhive.gate.metrics import Kind
from honeyhive.gate.planning import (
    needed_for_rate,
    needed_for_score,
    smallest_detectable_rate,
    smallest_detectable_score,
)
from honeyhive.gate.statistics import TIE, PairedTest
from honeyhive.gate.student import saturated
from honeyhive.gate.thresholds import Margin, Threshold

ALPHA = 0.05
"""How often a comparison may fail by chance alone (one-sided)."""

COMPARABLE_SHARE = 0.8
"""A smaller share of paired datapoints than this makes two runs of different datasets."""

_NO_PAIRS_TO_SHOW = frozenset({Reason.MISSING_METRIC, Reason.NO_BASELINE, Reason.UNBOUNDED_ERRORS})


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A margin held against a comparison, before the several tests of one job are corrected for each other."""

    comparison: Comparison
    found: MetricComparison
    threshold: Threshold
    rule: Rule
    margin: Margin

    @property
    def gating(self) -> bool:
        """Whether it may fail the job: time measured on another day says little about the change."""
        return self.found.metric.kind is not Kind.LATENCY

    @property
    def limit(self) -> float | None:
        """The margin in the metric's own unit (a share of 1 for latency and cost); `None` for a share of nothing."""
        if not self.margin.relative or self.found.metric.kind in (Kind.LATENCY, Kind.COST):
            return self.margin.value
        pairs = self.found.pairs
        return saturated(self.margin.value * abs(pairs.baseline)) if pairs and abs(pairs.baseline) > TIE else None

    @property
    def test(self) -> PairedTest | None:
        """The test of the pairs, where there are pairs to test."""
        return self.found.pairs.test if self.found.pairs else None

    @property
    def p(self) -> float | None:
        """The p-value that takes part in the correction; `None` where the question is not one for statistics."""
        return self.test.p if self.test and self.gating and self.obstacle() is None else None

    def obstacle(self) -> Reason | None:
        """What keeps the two runs from being compared on this metric, if anything does: the first that holds."""
        comparison, found = self.comparison, self.found
        obstacles = (
            (not found.measured, Reason.MISSING_METRIC),
            (found.baseline is None or not found.baseline.measured, Reason.NO_BASELINE),
            (comparison.paired == 0, Reason.NO_PAIRS),
            (comparison.paired_share < COMPARABLE_SHARE, Reason.DATASET_CHANGED),
            (found.evaluator_changed, Reason.NOT_COMPARABLE),
            (found.unbounded_errors, Reason.UNBOUNDED_ERRORS),
        )
        first = next((reason for holds, reason in obstacles if holds), None)
        return first or self._weakness(found.pairs)

    def _weakness(self, pairs: Pairs | None) -> Reason | None:
        if pairs is None:
            return Reason.NO_PAIRS
        if pairs.test is None or (pairs.test.n < 2 and not pairs.pass_fail):
            return Reason.ONE_PAIR
        return Reason.ZERO_BASELINE if self.limit is None or pairs.test.p is None else None


def bound_checks(comparison: Comparison, threshold: Threshold) -> Iterator[Check]:
    """The checks of `min` and `max`: the candidate's own mean, over all its datapoints."""
    found = comparison.metrics[threshold.name]
    for rule, bound in threshold.bounds.items():
        status, reason = _bound_outcome(found, rule, bound)
        yield Check(
            metric=threshold.name,
            kind=found.metric.kind,
            direction=found.metric.direction,
            rule=rule,
            limit=bound,
            allowed=threshold.written(rule),
            status=status,
            reason=reason,
            candidate=found.candidate.value,
            baseline=found.baseline.value if found.baseline else None,
            n=found.candidate.n,
        )


def _bound_outcome(found: MetricComparison, rule: Rule, bound: float) -> tuple[Status, Reason]:
    if not found.measured:
        return Status.FAILED, Reason.MISSING_METRIC
    if found.metric.errors_unbounded and found.candidate.errors:
        return Status.UNDECIDED, Reason.UNBOUNDED_ERRORS
    mean = found.candidate.value
    if mean is None:
        return Status.FAILED, Reason.NO_DATA
    if rule is Rule.MIN and mean < bound - TIE:
        return Status.FAILED, Reason.BELOW_MIN
    if rule is Rule.MAX and mean > bound + TIE:
        return Status.FAILED, Reason.ABOVE_MAX
    return Status.PASSED, Reason.MET


def contest_check(contest: Contest, p_adjusted: float | None) -> Check:
    """The check of `max-drop` or `max-increase`, its p corrected for the other tests of the job."""
    status, reason = _contest_outcome(contest, p_adjusted)
    found, pairs, test = contest.found, contest.found.pairs, contest.test
    shown = None if reason in _NO_PAIRS_TO_SHOW else pairs
    detectable, needed = _power(contest)
    return Check(
        metric=contest.threshold.name,
        kind=found.metric.kind,
        direction=found.metric.direction,
        rule=contest.rule,
        limit=contest.limit,
        allowed=contest.threshold.written(contest.rule),
        gating=contest.gating,
        status=status,
        reason=reason,
        candidate=shown.candidate if shown else found.candidate.value,
        baseline=shown.baseline if shown else (found.baseline.value if found.baseline else None),
        estimate=test.estimate if test and shown else None,
        lower=test.lower if test and shown else None,
        upper=test.upper if test and shown else None,
        p=test.p if test and shown else None,
        p_adjusted=p_adjusted if shown else None,
        n=pairs.n if pairs else 0,
        worse=pairs.worse if pairs and pairs.pass_fail else None,
        better=pairs.better if pairs and pairs.pass_fail else None,
        smallest_detectable=detectable,
        needed=needed,
    )


def _contest_outcome(contest: Contest, p_adjusted: float | None) -> tuple[Status, Reason]:
    obstacle = contest.obstacle()
    if obstacle is not None:
        return Status.FAILED if obstacle is Reason.MISSING_METRIC else Status.UNDECIDED, obstacle
    test, limit = contest.test, contest.limit
    if test is None or limit is None or test.p is None or test.estimate is None:  # what obstacle() has ruled out
        return Status.UNDECIDED, Reason.ONE_PAIR
    p_holm = p_adjusted if p_adjusted is not None else test.p
    return _seven_rules(test, test.p, p_holm, limit)


def _seven_rules(test: PairedTest, p: float, p_holm: float, limit: float) -> tuple[Status, Reason]:
    """The first that holds; the order is the definition."""
    estimate = test.estimate or 0.0
    improved = test.p_better is not None and test.p_better <= ALPHA and estimate > 0
    rules = (
        (p_holm <= ALPHA and estimate < -limit - TIE, Status.FAILED, Reason.REGRESSED),
        (test.changed == 0 and test.n >= 2, Status.PASSED, Reason.UNCHANGED),
        (improved, Status.PASSED, Reason.IMPROVED),
        (test.lower is not None and test.lower >= -limit - TIE, Status.PASSED, Reason.WITHIN_MARGIN),
        (estimate < -limit - TIE, Status.UNDECIDED, Reason.APPARENT_DROP),
        (p <= ALPHA, Status.UNDECIDED, Reason.NEAR_LIMIT),
    )
    return next(((status, reason) for holds, status, reason in rules if holds), (Status.UNDECIDED, Reason.LOW_POWER))


def _power(contest: Contest) -> tuple[float | None, int | None]:
    """The smallest drop that this many pairs show four times of five, and how many pairs the margin would need."""
    pairs, test, limit = contest.found.pairs, contest.test, contest.limit
    if pairs is None or test is None or contest.found.metric.kind in (Kind.LATENCY, Kind.COST):
        return None, None
    if pairs.pass_fail:
        detectable: float | None = smallest_detectable_rate(pairs.n, pairs.worse, pairs.better)
        discordance = (2 * min(pairs.worse, pairs.better) + 1) / (pairs.n + 2)
        needed = needed_for_rate(limit, discordance) if limit else None
    elif test.sd:
        detectable = smallest_detectable_score(pairs.n, test.sd)
        needed = needed_for_score(limit, test.sd) if limit else None
    else:
        return None, None
    too_few = needed is not None and detectable is not None and limit is not None and limit < detectable
    return detectable, needed if too_few else None
