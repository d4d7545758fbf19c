"""The smallest drop that a check catches four times of five: a drop made on purpose, and looked for by the gate."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from honeyhive.gate import words
from honeyhive.gate.calibration.resampling import Column
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.comparison import Comparison
from honeyhive.gate.metrics import Kind
from honeyhive.gate.pairs import PairedScores
from honeyhive.gate.student import mean, saturated
from honeyhive.gate.thresholds import Margin, Threshold
from honeyhive.gate.verdict import Case, checked

POWER = 0.8
"""How often a drop has to be caught to count as one that is."""

_FEW = 10
_NOTHING = 1e-6
"""What is smaller than this share of the largest size is no size at all: there is no noise."""

_Trial = TypeVar("_Trial")
_RATIOS = (Kind.LATENCY, Kind.COST)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One job in which nothing has changed, the pairs of one of its metrics, and a random number for each of them."""

    comparison: Comparison
    scores: PairedScores
    luck: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """The smallest drop that is caught, or why there is none.

    It is a fall of the mean, for latency and cost the rise as a share of 1; 0 where the check sees any drop.
    """

    caught: float | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Worsening:
    """A metric made worse on purpose, by a size of its own kind.

    A passing score fails with a chance of `size`; a score moves by `size` in the worse direction, as far as its range
    goes; latency and cost are multiplied by 1 + `size`.
    """

    column: Column
    limit: float

    @property
    def largest(self) -> float:
        """More than this is not tried: everything fails, or each score moves through all that there is."""
        metric = self.column.metric
        if metric.kind is Kind.RATE:
            return 1.0
        if metric.kind in _RATIOS:
            return saturated(self.limit + 10)
        if metric.bounds is not None:
            return saturated(metric.bounds[1] - metric.bounds[0])
        known = self.column.known
        spread = saturated(max(known) - min(known))
        return saturated(self.limit + 4 * (spread or max(1.0, abs(known[0]))))

    def fall(self, size: float) -> float:
        """By how much the mean of all the runs gets worse."""
        if self.column.metric.kind in _RATIOS:
            return size
        known = self.column.known
        if self.column.metric.kind is Kind.RATE:
            return size * self.room(known)
        return saturated(abs(mean(known) - mean(self.of(known, size, ()))))

    def room(self, scores: Sequence[float]) -> float:
        """How far a rate is from its worst."""
        return abs(mean(scores) - (self.column.metric.worst or 0.0))

    def of(self, scores: Sequence[float], size: float, luck: Sequence[float]) -> array[float]:
        """The scores, made worse; the same `luck` fails the more of them the larger the size."""
        metric = self.column.metric
        if metric.kind is Kind.RATE:
            worst = metric.worst or 0.0
            return array("d", [worst if u < size else score for score, u in zip(scores, luck, strict=True)])
        if metric.kind in _RATIOS:
            return array("d", [saturated(score * (1 + size)) for score in scores])
        low, high = metric.bounds or (-math.inf, math.inf)
        step = metric.sign * size
        # A score beyond its range is not drawn into it: that would be a change of another kind.
        moved = [max(min(low, score), min(max(high, score), score - step)) for score in scores]
        return array("d", map(saturated, moved))


def sensitivity(column: Column, rule: Rule, *, trials: Sequence[Trial], rules: Sequence[Threshold]) -> Sensitivity:
    """What the check of one metric and rule catches, together with the other `rules`, which see no change.

    Simulation with common random numbers (Law 2015, Simulation Modeling and Analysis, ch. 11): each trial is made worse
    by more and more until the check fails, which it then is taken to do for everything larger, and the size at which
    four of five fail is found by bisection.
    """
    name = column.metric.name
    margins = tuple(replace(one, bounds={}, must_pass=None) for one in rules if one.margins)
    (margin,) = (one.margins[rule] for one in margins if one.name == name)
    worsening = Worsening(column=column, limit=_limit(margin, column))
    checks: dict[Status, Check] = {}

    def fails(trial: Trial, size: float) -> bool:
        worse = replace(trial.scores, candidate=worsening.of(trial.scores.candidate, size, trial.luck))
        found = replace(trial.comparison.metrics[name], pairs=worse.tested())
        job = replace(trial.comparison, metrics={**trial.comparison.metrics, name: found})
        (judged,) = checked([Case(experiment="", comparison=job, thresholds=margins)])
        check = next(one for one in judged if (one.metric, one.rule) == (name, rule))
        checks[check.status] = check
        return check.status is Status.FAILED

    size = smallest_size(trials, fails, largest=worsening.largest)
    if size is None:
        return Sensitivity(caught=None, why=_why(checks.get(Status.UNDECIDED)))
    return Sensitivity(caught=worsening.fall(size))


def smallest_size(trials: Sequence[_Trial], fails: Callable[[_Trial, float], bool], *, largest: float) -> float | None:
    """The smallest size at which four of five trials fail, to a hundredth; `None` where `largest` is too small."""
    least = largest * _NOTHING
    search = _Search(trials, fails, least=least)
    # A few trials tell where to look, so that most of the others are judged two or three times, and not twelve.
    low, high = search.narrowed(0.0, largest, close=0.2, of=_FEW)
    low, high = low / 1.5, min(largest, high * 1.5)
    while not search.catches(high):
        if high >= largest:
            return None
        low, high = high, min(largest, 2 * high)
    while low > least and search.catches(low):
        low, high = low / 2, low
    if low <= least and search.catches(0.0):
        return 0.0
    _, high = search.narrowed(low, high, close=0.01)
    return high if high > least else 0.0


class _Search(Generic[_Trial]):
    """What is known of each trial: the smallest size at which it has failed, the largest at which it has not."""

    def __init__(self, trials: Sequence[_Trial], fails: Callable[[_Trial, float], bool], *, least: float) -> None:
        self._least = least
        self._trials = trials
        self._fails = fails
        self._failing = [math.inf] * len(trials)
        self._passing = [-1.0] * len(trials)

    def catches(self, size: float, of: int | None = None) -> bool:
        """Whether four of five trials fail, or `of` the first few; only those are judged of which it is not known."""
        failing = self._failing[:of]
        for at in range(len(failing)):
            if self._passing[at] < size < self._failing[at]:
                known = self._failing if self._fails(self._trials[at], size) else self._passing
                known[at] = size
        return sum(at <= size for at in self._failing[:of]) >= POWER * len(failing)

    def narrowed(self, low: float, high: float, *, close: float, of: int | None = None) -> tuple[float, float]:
        """The two sizes brought close together by bisection: at the smaller too few fail, at the larger enough do."""
        while high - low > close * high and high > self._least:
            middle = low + (high - low) / 2
            low, high = (low, middle) if self.catches(middle, of) else (middle, high)
        return low, high


def _limit(margin: Margin, column: Column) -> float:
    if not margin.relative or column.metric.kind in _RATIOS:
        return margin.value
    return saturated(margin.value * abs(mean(column.known)))


def _why(check: Check | None) -> str:
    """Why not even the largest drop is caught."""
    if check is None or check.reason in words.COMPARED or check.reason is Reason.UNCHANGED:
        return "too few datapoints to see any drop"
    return words.evidence(check)
