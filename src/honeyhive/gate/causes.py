"""What the comparison tells of a check that its reason does not: `cause_of()`, `by_known_evaluator()`."""

from __future__ import annotations

from dataclasses import replace

from honeyhive.gate.aggregates import TOTAL, split
from honeyhive.gate.checks import Cause, Check, Reason, Rule, Status
from honeyhive.gate.comparison import Comparison, MetricComparison
from honeyhive.gate.metrics import Kind


def cause_of(check: Check, comparison: Comparison) -> Cause | None:
    """The cause of one check, `None` where the reason says it all."""
    found = comparison.metrics.get(check.metric) or comparison.metrics[split(check.metric)[0]]
    if check.reason is Reason.MISSING_METRIC:
        return _of_missing(check, comparison, found)
    return _of_data(check, comparison, found)


def by_known_evaluator(check: Check, comparison: Comparison) -> Check:
    """The check; one that passes by an evaluator of the change's own making decides nothing, not even a bound."""
    found = comparison.metrics.get(check.metric) or comparison.metrics.get(split(check.metric)[0])
    bounds = check.rule in (Rule.MIN, Rule.MAX, Rule.MUST_PASS)
    if bounds and check.status is Status.PASSED and found is not None and found.evaluator_changed:
        return replace(check, status=Status.UNDECIDED, reason=Reason.NOT_COMPARABLE)
    return check


def _of_data(check: Check, comparison: Comparison, found: MetricComparison) -> Cause | None:
    match check.reason:
        case Reason.TOO_FEW if split(check.metric)[1] == TOTAL:
            return Cause.UNTOLD
        case Reason.NO_BASELINE if comparison.baseline is not None:
            return Cause.NOT_IN_BASELINE
        case Reason.NOT_COMPARABLE if not found.evaluator_changed:
            return Cause.OTHER_KIND
        case Reason.ONE_CLUSTER if found.pairs is not None and found.unclustered >= found.pairs.n:
            return Cause.NO_CLUSTER_KEY
        case Reason.NO_DATA if check.rule is Rule.MUST_PASS and comparison.tagged:
            return Cause.ONLY_NUMBERS
        case Reason.ONE_PAIR if found.metric.kind is Kind.LATENCY and found.pairs is not None and found.pairs.n > 1:
            return Cause.NO_TIME
        case _:
            return None


def _of_missing(check: Check, comparison: Comparison, found: MetricComparison) -> Cause | None:
    if found.candidate.errors:
        return Cause.ONLY_ERRORS
    if found.metric.labels:
        return Cause.NOTHING_EXPECTED
    whole, _, _ = check.metric.rpartition(".")
    known = comparison.metrics.get(whole)
    return Cause.NO_AGGREGATE if known is not None and known.measured else None
