"""How one threshold is decided: bounds as they are written, comparisons by the seven ordered rules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from honeyhive.gate.aggregates import TOTAL, Aggregate
from honeyhive.gate.chance import common_repeats, from_pairs
from honeyhive.gate.checks import INCOMPARABLE, Check, Reason, Rule, Status
from honeyhive.gate.comparison import Comparison, MetricComparison
from honeyhive.gate.metrics import Decide, Kind
from honeyhive.gate.pairs import Pairs
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

LEAST_CLUSTERS = 1.5
"""Datapoints that are worth fewer independent clusters than this are one cluster, and of one there is no spread."""

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
    def decide(self) -> Decide:
        """How the user wants it decided."""
        return self.threshold.decide

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
        if self.test is None or not self.gating or self.decide is Decide.POINT or self.obstacle() is not None:
            return None
        return self.test.p

    def obstacle(self) -> Reason | None:
        """What keeps the two runs from being compared on this metric, if anything does: the first that holds."""
        comparison, found = self.comparison, self.found
        obstacles = (
            (not found.measured, Reason.MISSING_METRIC),
            (found.baseline is None or not found.baseline.measured, Reason.NO_BASELINE),
            (comparison.paired == 0, Reason.NO_PAIRS),
            (comparison.paired_share < COMPARABLE_SHARE, Reason.DATASET_CHANGED),
            (found.redefined, Reason.NOT_COMPARABLE),
            (found.unbounded_errors, Reason.UNBOUNDED_ERRORS),
        )
        first = next((reason for holds, reason in obstacles if holds), None)
        return first or self._weakness(found.pairs)

    def _weakness(self, pairs: Pairs | None) -> Reason | None:
        if pairs is None:
            return Reason.NO_PAIRS
        test, point = pairs.test, self.decide is Decide.POINT
        if test is None or (test.n < 2 and test.p is None and not point):
            return Reason.ONE_PAIR
        if test.effective_clusters is not None and test.effective_clusters < LEAST_CLUSTERS and not point:
            return Reason.ONE_CLUSTER
        undefined = test.estimate is None or (test.p is None and not point)
        return Reason.ZERO_BASELINE if self.limit is None or undefined else None


def bound_checks(comparison: Comparison, threshold: Threshold) -> Iterator[Check]:
    """The checks of `min` and `max`: the candidate's own mean or aggregate, over all its datapoints."""
    found, aggregate = comparison.metrics[threshold.metric.name], threshold.aggregate
    counted = aggregate == TOTAL and found.metric.kind is Kind.RATE
    for rule, bound in threshold.bounds.items():
        status, reason = _bound_outcome(found, aggregate, rule, bound)
        yield Check(
            metric=threshold.name,
            kind=Kind.SCORE if counted else found.metric.kind,
            direction=found.metric.direction,
            rule=rule,
            limit=bound,
            allowed=threshold.written(rule),
            status=status,
            reason=reason,
            candidate=found.candidate.value(aggregate),
            baseline=found.baseline.value(aggregate) if found.baseline else None,
            n=found.candidate.n,
        )


def _bound_outcome(
    found: MetricComparison, aggregate: Aggregate | None, rule: Rule, bound: float
) -> tuple[Status, Reason]:
    if not found.measured:
        return Status.FAILED, Reason.MISSING_METRIC
    if found.metric.errors_unbounded and found.candidate.errors:
        return Status.UNDECIDED, Reason.UNBOUNDED_ERRORS
    if not found.candidate.n:
        return Status.FAILED, Reason.NO_DATA
    value = found.candidate.value(aggregate)
    if value is None:
        return Status.UNDECIDED, Reason.TOO_FEW
    rules = (
        (rule is Rule.MIN and value < bound - TIE, Status.FAILED, Reason.BELOW_MIN),
        (rule is Rule.MAX and value > bound + TIE, Status.FAILED, Reason.ABOVE_MAX),
        # What some datapoints do not tell is missing from the sum: that it holds shows nothing.
        (rule is Rule.MAX and aggregate == TOTAL and found.untold > 0, Status.UNDECIDED, Reason.TOO_FEW),
    )
    return next(((status, reason) for holds, status, reason in rules if holds), (Status.PASSED, Reason.MET))


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
        decide=contest.decide,
        gating=contest.gating,
        status=status,
        reason=reason,
        candidate=shown.candidate if shown else found.candidate.mean,
        baseline=shown.baseline if shown else (found.baseline.mean if found.baseline else None),
        estimate=test.estimate if test and shown else None,
        lower=test.lower if test and shown else None,
        upper=test.upper if test and shown else None,
        p=test.p if test and shown else None,
        p_adjusted=p_adjusted if shown else None,
        n=pairs.n if pairs else 0,
        worse=pairs.worse if pairs and pairs.pass_fail else None,
        better=pairs.better if pairs and pairs.pass_fail else None,
        clusters=test.effective_clusters if test else None,
        smallest_detectable=detectable,
        needed=needed,
        repeats_needed=_repeats_needed(contest) if needed else None,
    )


def _contest_outcome(contest: Contest, p_adjusted: float | None) -> tuple[Status, Reason]:
    obstacle = contest.obstacle()
    if obstacle is not None:
        missing = obstacle is Reason.MISSING_METRIC or (contest.decide is Decide.STRICT and _unproven(obstacle))
        return Status.FAILED if missing else Status.UNDECIDED, obstacle
    test, limit = contest.test, contest.limit
    if test is None or limit is None:  # what obstacle() has ruled out
        return Status.UNDECIDED, Reason.ONE_PAIR
    if contest.decide is Decide.POINT:
        return point_outcome(test, limit)
    status, reason = outcome(test, test.p if p_adjusted is None else p_adjusted, limit)
    unproven = contest.decide is Decide.STRICT and status is Status.UNDECIDED
    return Status.FAILED if unproven else status, reason


def _unproven(reason: Reason) -> bool:
    """Whether it is the candidate that has to prove itself, and not the baseline that is missing or another."""
    return reason is not Reason.NO_BASELINE and reason not in INCOMPARABLE


def outcome(test: PairedTest, p_adjusted: float | None, limit: float) -> tuple[Status, Reason]:
    """The verdict on a tested comparison: of the seven rules the first that holds; the order is the definition.

    `p_adjusted` is the test's p after the correction for the other comparisons of the job, `limit` the margin.
    """
    estimate, p = test.estimate or 0.0, 1.0 if test.p is None else test.p
    p_holm = p if p_adjusted is None else p_adjusted
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


def point_outcome(test: PairedTest, limit: float) -> tuple[Status, Reason]:
    """The verdict by the estimate alone, for what gives the same scores each time that it runs."""
    estimate = test.estimate or 0.0
    rules = (
        (estimate < -limit - TIE, Status.FAILED, Reason.REGRESSED),
        (test.changed == 0, Status.PASSED, Reason.UNCHANGED),
        (estimate > TIE, Status.PASSED, Reason.IMPROVED),
    )
    return next(((status, reason) for holds, status, reason in rules if holds), (Status.PASSED, Reason.WITHIN_MARGIN))


def _power(contest: Contest) -> tuple[float | None, int | None]:
    """The smallest drop that this many pairs show four times of five, and how many pairs the margin would need."""
    pairs, test, limit = contest.found.pairs, contest.test, contest.limit
    if pairs is None or test is None or contest.decide is Decide.POINT:
        return None, None
    if pairs.pass_fail and test.sd is None:
        detectable = smallest_detectable_rate(pairs.n, pairs.worse, pairs.better)
        discordance = (2 * min(pairs.worse, pairs.better) + 1) / (pairs.n + 2)
        needed = needed_for_rate(limit, discordance) if limit else None
    elif test.sd and test.se:
        # With clusters a datapoint is worth less than it would be alone: as if it varied more.
        sd = test.sd if test.effective_clusters is None else test.se * math.sqrt(test.n)
        detectable, scaled = smallest_detectable_score(test.n, sd), limit
        if contest.found.metric.kind is Kind.LATENCY:  # the test is of logarithms
            detectable = None if detectable is None else saturated(math.expm1(min(detectable, 700)))
            scaled = None if limit is None else math.log1p(limit)
        needed = needed_for_score(scaled, sd) if scaled else None
    else:
        return None, None
    too_few = needed is not None and detectable is not None and limit is not None and limit < detectable
    return detectable, needed if too_few else None


def _repeats_needed(contest: Contest) -> int | None:
    """How many repeats in both runs let today's pairs show the margin four times of five, as `plan` has it.

    `None` where no number of them does, where no more than today's would do, and with clusters.
    """
    candidate, baseline, limit = contest.comparison.candidate, contest.comparison.baseline, contest.limit
    if baseline is None or limit is None or contest.found.metric.cluster is not None:
        return None
    chance = from_pairs(contest.found, common_repeats(candidate, baseline))
    repeats = chance.noise.repeats(limit, chance.n) if chance else None
    return repeats if repeats is not None and repeats > candidate.repeats else None
