"""The numbers of one check or metric as text, each with enough digits not to contradict the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

from honeyhive.gate.checks import INCOMPARABLE, Check, Reason, Rule
from honeyhive.gate.metrics import Decide, Direction, Kind
from honeyhive.gate.numbers import (
    NOTHING,
    Format,
    amount,
    count,
    difference,
    duration,
    extra_digits,
    margin,
    value,
    written,
)
from honeyhive.result import ERRORS

APART = 0.02
"""So far apart a reader sees that a typical change is not that of the means beside it."""

UNITS = (" pts", " pt", " %")
_RATIOS = (Kind.LATENCY, Kind.COST)
_BOUNDS = {Rule.MIN: "≥ ", Rule.MAX: "≤ "}
_APART = INCOMPARABLE | {Reason.UNBOUNDED_ERRORS}
"""Where a difference of the two means would be one of different things."""
_MARGINS = {Rule.MAX_DROP: -1, Rule.MAX_INCREASE: 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What a row of the comment shows; `–` for what is not known, empty for limits that are not.

    `change` and its `limits` go the metric's own way: a latency that rose has a plus. `worst` is the limit on the
    worse side, `beyond` the distance from a bound.
    """

    baseline: str
    candidate: str
    change: str
    limits: str = ""
    worst: str = NOTHING
    allowed: str = NOTHING
    beyond: str = NOTHING

    @property
    def interval(self) -> str:
        """The change with its limits: `−7.4 pts (−10.8 … −4.0)`."""
        return f"{self.change} ({self.limits})" if self.limits else self.change


def of_check(check: Check) -> Figures:
    """The figures of one check."""
    if check.rule is Rule.MUST_PASS:
        return _of_must_pass(check)
    bound = check.limit if check.rule in _BOUNDS else None
    digits = extra_digits(_values(check.kind), check.candidate, check.baseline, bound)
    change = _change(check)
    shown = _apart_from_margin(check, change)
    return Figures(
        baseline=value(check.baseline, check.kind, digits),
        candidate=value(check.candidate, check.kind, digits),
        change=_typically(check.kind, shown, change, baseline=check.baseline, candidate=check.candidate),
        limits=_limits(check, shown),
        worst=_apart_from_margin(check, own_way(check.lower, check.kind, check.direction)),
        allowed=_allowed(check),
        beyond=_beyond(check, bound, digits),
    )


def passed(check: Check) -> int:
    """How many of the datapoints that have to pass did."""
    return round(min(1.0, max(0.0, check.candidate or 0.0)) * check.n)


def of_means(
    kind: Kind | None, direction: Direction, *, baseline: float | None, candidate: float | None, estimate: float | None
) -> Figures:
    """The figures of a metric that no check is about."""
    digits = extra_digits(_values(kind), candidate, baseline)
    change = own_way(estimate, kind, direction)
    if change is None:
        change = plain_change(kind, baseline=baseline, candidate=candidate)
    return Figures(
        baseline=value(baseline, kind, digits),
        candidate=value(candidate, kind, digits),
        change=_typically(kind, difference(change, kind), change, baseline=baseline, candidate=candidate),
    )


def own_way(goodness: float | None, kind: Kind | None, direction: Direction) -> float | None:
    """A change in goodness as a change of the metric itself; for latency and cost 1 − ratio becomes ratio − 1."""
    if goodness is None:
        return None
    return -goodness if direction is Direction.LOWER or kind in _RATIOS else goodness


def plain_change(kind: Kind | None, *, baseline: float | None, candidate: float | None) -> float | None:
    """The change from one mean to the other, where no test of pairs gives a better one."""
    if baseline is None or candidate is None:
        return None
    if kind in _RATIOS:
        return candidate / baseline - 1 if baseline > 0 else None
    return candidate - baseline


def signed_limit(check: Check) -> float | None:
    """The margin with the sign of what it allows; `None` for a bound."""
    sign = _MARGINS.get(check.rule)
    return None if sign is None or check.limit is None else sign * check.limit


def detectable(check: Check) -> str:
    """The smallest drop that the pairs would show, apart from the margin where it is not the same."""
    limit = check.limit if check.rule in _MARGINS else None
    digits = extra_digits(_differences(check.kind), check.smallest_detectable, limit)
    return amount(check.smallest_detectable, check.kind, digits)


def wrong(check: Check) -> int | None:
    """How many datapoints went wrong, of a bound on errors; `None` where some did in a part of their repeats only."""
    if check.metric != ERRORS or check.candidate is None:
        return None
    whole = check.candidate * check.n
    return round(whole) if abs(whole - round(whole)) <= 1e-6 else None


def _of_must_pass(check: Check) -> Figures:
    known = check.n and check.candidate is not None
    return Figures(
        baseline=NOTHING,
        candidate=f"{count(passed(check))} of {count(check.n)}" if known else NOTHING,
        change=NOTHING,
        allowed="all must-pass",
    )


def _values(kind: Kind | None) -> Format:
    return lambda number, extra: value(number, kind, extra)


def _differences(kind: Kind | None) -> Format:
    return lambda number, extra: difference(number, kind, extra)


def _change(check: Check) -> float | None:
    if check.reason in _APART:
        return None
    if check.estimate is not None:
        return own_way(check.estimate, check.kind, check.direction)
    return plain_change(check.kind, baseline=check.baseline, candidate=check.candidate)


def _apart_from_margin(check: Check, change: float | None) -> str:
    digits = extra_digits(_differences(check.kind), change, signed_limit(check))
    return difference(change, check.kind, digits)


def _typically(
    kind: Kind | None, shown: str, change: float | None, *, baseline: float | None, candidate: float | None
) -> str:
    """A typical latency may move in another way than a mean that a few slow datapoints lift: then it says so."""
    of_means = plain_change(kind, baseline=baseline, candidate=candidate)
    apart = kind is Kind.LATENCY and change is not None and of_means is not None and abs(change - of_means) > APART
    return f"typically {shown}" if apart else shown


def _limits(check: Check, shown: str) -> str:
    if check.reason in _APART or check.decide is Decide.POINT:  # which says that nothing is left to chance
        return ""
    ends = [own_way(end, check.kind, check.direction) for end in (check.lower, check.upper)]
    known = sorted(end for end in ends if end is not None)
    if len(known) < 2 or known[0] == known[1]:
        return ""
    low, high = (_apart_from_margin(check, end) for end in known)
    unit = next((unit for unit in UNITS if low.endswith(unit) or high.endswith(unit)), "")
    kept = "" if shown.endswith(UNITS) else unit
    return f"{_unitless(low)} … {_unitless(high)}{kept}"


def _unitless(shown: str) -> str:
    for unit in UNITS:
        shown = shown.removesuffix(unit)
    return shown


def _allowed(check: Check) -> str:
    if check.rule in _BOUNDS:
        return _BOUNDS[check.rule] + written(check.limit, check.kind)
    sign = _MARGINS[check.rule]
    share = _relative(check.allowed) if check.kind not in _RATIOS else None
    if share is None:
        return margin(check.limit, check.kind, sign=sign)
    shown = margin(share, check.kind, sign=sign, relative=True)
    return shown if check.limit is None else f"{shown} = {_computed_limit(check, sign * check.limit)}"


def _computed_limit(check: Check, limit: float) -> str:
    """What a share of the baseline comes to, with the digits to tell it from all that is held against it."""
    limits = (own_way(end, check.kind, check.direction) for end in (check.lower, check.upper))
    compared = (_change(check), *limits)
    return difference(limit, check.kind, extra_digits(_differences(check.kind), limit, *compared))


def _relative(allowed: str) -> float | None:
    """The share of the baseline that the user's `2%` allows; `None` where the margin is in the metric's own unit."""
    try:
        share = float(allowed.removesuffix("%")) / 100 if allowed.endswith("%") else math.nan
    except ValueError:
        return None
    return share if math.isfinite(share) else None


def _beyond(check: Check, bound: float | None, digits: int) -> str:
    if bound is None or check.candidate is None:
        return NOTHING
    distance = abs(check.candidate - bound)
    if check.kind is Kind.LATENCY:
        return duration(distance, digits, beside=bound)
    return value(distance, check.kind) if check.kind is Kind.COST else amount(distance, check.kind)
