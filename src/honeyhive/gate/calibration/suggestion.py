"""Thresholds that seldom fail where nothing has changed, read from jobs in which nothing has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from honeyhive.gate import words
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.metrics import Decide, Kind
from honeyhive.gate.rules import ALPHA
from honeyhive.gate.statistics import TIE
from honeyhive.gate.thresholds import Margin, Threshold

FALSE_ALARMS = 0.01
"""The share of jobs that the suggested thresholds may fail although nothing has changed."""

_MARGIN_DIGITS, _BOUND_DIGITS = 2, 3
_MEASURED = frozenset({Reason.MET, Reason.BELOW_MIN, Reason.ABOVE_MAX})

Key = tuple[str, Rule]
"""What tells the checks of one job apart: metric, with its aggregate, and rule."""


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Thresholds, and the checks that fail too often whatever their threshold says."""

    thresholds: tuple[Threshold, ...]
    hopeless: frozenset[Key] = frozenset()


def failed(checks: Sequence[Check]) -> bool:
    """Whether these checks fail their job."""
    return any(check.gating and check.status is Status.FAILED for check in checks)


def suggest(thresholds: Sequence[Threshold], jobs: Sequence[Sequence[Check]]) -> Suggestion:
    """The thresholds, those that fail too many of the jobs made as much larger as it takes.

    The share of jobs that may fail is split evenly over the checks that fail any (Bonferroni): each gets the quantile
    of what its jobs would have needed, rounded away from failing. The p-values do not depend on the margins, so that
    on the same jobs the shares add up to no more than `FALSE_ALARMS`.
    """
    most = math.floor(FALSE_ALARMS * len(jobs) + TIE)
    if sum(map(failed, jobs)) <= most:
        return Suggestion(thresholds=tuple(thresholds))
    by_key: dict[Key, list[Check]] = {}
    for job in jobs:
        for check in job:
            by_key.setdefault((check.metric, check.rule), []).append(check)
    failing = {
        key: checks
        for key, checks in by_key.items()
        if any(check.gating and check.status is Status.FAILED for check in checks)
    }
    each = most // len(failing)
    needed = {
        key: _needed(checks, each)
        for key, checks in failing.items()
        if sum(check.status is Status.FAILED for check in checks) > each
    }
    hopeless = frozenset(key for key, number in needed.items() if not math.isfinite(number))
    found = {key: number for key, number in needed.items() if key not in hopeless}
    return Suggestion(thresholds=tuple(_with(threshold, found) for threshold in thresholds), hopeless=hopeless)


def _with(threshold: Threshold, needed: Mapping[Key, float]) -> Threshold:
    name = threshold.name
    bounds = {
        rule: _rounded(needed[name, rule], _BOUND_DIGITS, up=rule is Rule.MAX) if (name, rule) in needed else bound
        for rule, bound in threshold.bounds.items()
    }
    margins = {
        rule: Margin(value=_rounded(needed[name, rule], _MARGIN_DIGITS, up=True), relative=margin.relative)
        if (name, rule) in needed
        else margin
        for rule, margin in threshold.margins.items()
    }
    return replace(threshold, bounds=bounds, margins=margins)


def _needed(checks: Sequence[Check], most: int) -> float:
    """The least generous limit with which at most so many of the checks fail; infinite where there is none."""
    if checks[0].rule is Rule.MIN:
        return sorted(_value(check, otherwise=-math.inf) for check in checks)[most]
    of_one = _bound if checks[0].rule is Rule.MAX else _margin
    return sorted(map(of_one, checks), reverse=True)[most]


def _bound(check: Check) -> float:
    return _value(check, otherwise=math.inf)


def _value(check: Check, *, otherwise: float) -> float:
    """The candidate's value; where there is none, an undecided check holds whatever the bound, a failed one never."""
    if check.reason in _MEASURED and check.candidate is not None:
        return check.candidate
    return otherwise if check.status is Status.FAILED else -otherwise


def _margin(check: Check) -> float:
    """The smallest margin with which the check would not fail, as the user would write it."""
    if check.reason in (Reason.UNCHANGED, Reason.IMPROVED):
        return 0.0
    share = 1.0 if not check.allowed.endswith("%") or check.kind in (Kind.LATENCY, Kind.COST) else check.baseline
    worst = check.lower if check.decide is Decide.STRICT else check.estimate
    if check.reason not in words.COMPARED or worst is None or not share:
        return math.inf if check.status is Status.FAILED else 0.0
    if check.decide is Decide.TESTED and not _significant(check):
        return 0.0
    return max(0.0, -worst / abs(share))


def _significant(check: Check) -> bool:
    p = check.p if check.p_adjusted is None else check.p_adjusted
    return p is not None and p <= ALPHA


def _rounded(number: float, digits: int, *, up: bool) -> float:
    """The number to so many significant digits, rounded up or down; what would not fit a float stays as it is."""
    if not number:
        return 0.0
    # What is beyond a limit by rounding alone is not beyond it: 0.16000000000000003 is no 0.17.
    slack = min(abs(number) * 1e-12, TIE / 2)
    exact = Decimal(repr(number - slack if up else number + slack))
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    rounded = float(exact.quantize(step, rounding=ROUND_CEILING if up else ROUND_FLOOR))
    return rounded if math.isfinite(rounded) else number
