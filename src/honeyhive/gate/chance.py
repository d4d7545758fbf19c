"""What runs tell of chance: how far a metric's datapoints differ between two runs of the same system.

The pairs of two runs tell it (`from_pairs`), or the repeats within one (`from_repeats`); where there is neither it is
assumed (`assumed`). What is found is that of one repeat in each run, `Flips` of a rate and the `Spread` of anything
else: σ², the variance of one datapoint's difference. K repeats in both runs leave σ²/K.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from honeyhive.gate.comparison import MetricComparison
from honeyhive.gate.metrics import Kind, Metric, expected
from honeyhive.gate.planning import (
    needed_for_rate,
    needed_for_score,
    repeats_for_rate,
    repeats_for_score,
    smallest_detectable_rate_from_flips,
    smallest_detectable_score,
)
from honeyhive.gate.sources import completed
from honeyhive.gate.statistics import FEW_CHANGES, TIE
from honeyhive.gate.student import mean, saturated, standard_deviation
from honeyhive.result import ERRORS, LATENCY, Failed, Outcome, RunResult, Score, Scored

USUAL_FLIPS = 0.08
"""The share of pass/fail datapoints that change between two runs of one system: usual in re-runs of pinned models."""


class Source(StrEnum):
    """Where it is known from: the pairs of two runs, the repeats within one, or nowhere."""

    BASELINE = "baseline"
    REPEATS = "repeats"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Flips:
    """The share of the datapoints of a rate that come out differently in two runs of one repeat each: ψ."""

    share: float

    def smallest_drop(self, n: int, repeats: int) -> float | None:
        """What n datapoints show four times of five, with so many repeats in both runs."""
        return smallest_detectable_rate_from_flips(n, self.share / repeats)

    def datapoints(self, drop: float, repeats: int) -> int | None:
        """How many datapoints show the drop, with so many repeats in both runs."""
        return needed_for_rate(drop, self.share / repeats)

    def repeats(self, drop: float, n: int) -> int | None:
        """How many repeats in both runs let n datapoints show the drop."""
        return repeats_for_rate(drop, self.share, n)


@dataclass(frozen=True, slots=True)
class Spread:
    """The standard deviation of a datapoint's difference between two runs of one repeat each.

    With `logarithmic`, of the difference of logarithms; a drop is a share of 1 all the same. Fewer datapoints than
    `FEW_CHANGES` show nothing, for the sign test has to be able to agree.
    """

    sd: float
    logarithmic: bool = False

    def smallest_drop(self, n: int, repeats: int) -> float | None:
        """What n datapoints show four times of five, with so many repeats in both runs."""
        drop = smallest_detectable_score(n, self.sd / math.sqrt(repeats)) if n >= FEW_CHANGES else None
        return saturated(math.expm1(min(drop, 709))) if drop is not None and self.logarithmic else drop

    def datapoints(self, drop: float, repeats: int) -> int | None:
        """How many datapoints show the drop, with so many repeats in both runs."""
        needed = needed_for_score(self._scaled(drop), self.sd / math.sqrt(repeats))
        return None if needed is None else max(FEW_CHANGES, needed)

    def repeats(self, drop: float, n: int) -> int | None:
        """How many repeats in both runs let n datapoints show the drop."""
        return repeats_for_score(self._scaled(drop), self.sd, n) if n >= FEW_CHANGES else None

    def _scaled(self, drop: float) -> float:
        return math.log1p(drop) if self.logarithmic else drop


@dataclass(frozen=True, kw_only=True, slots=True)
class Chance:
    """What is known of the chance in one metric, from where, and how many datapoints there are."""

    source: Source
    noise: Flips | Spread
    n: int


# --- from the pairs of two runs --------------------------------------------------------------------------------------


def from_pairs(found: MetricComparison, repeats: float) -> Chance | None:
    """ψ of pass/fail pairs as the checks have it, (2·min(worse, better) + 1)/(n + 2); else sd(d)·√K, or se·√(nK).

    That all which differs from one datapoint to the next is chance is an assumption: where the candidate is another
    system, its drop does too, and repeats promise more than they keep.
    """
    pairs = found.pairs
    test = pairs.test if pairs else None
    if pairs is None or test is None:  # of which there is nothing to ask
        return None
    if pairs.pass_fail and test.sd is None:
        flips = Flips((2 * min(pairs.worse, pairs.better) + 1) / (pairs.n + 2))
        return Chance(source=Source.BASELINE, noise=flips, n=pairs.n)
    sd = test.sd or 0.0
    if test.effective_clusters is not None:  # a datapoint is worth less than it would be alone: as if it varied more
        sd = (test.se or 0.0) * math.sqrt(test.n)
    return Chance(source=Source.BASELINE, noise=_noise(found.metric, sd * math.sqrt(repeats), test.n), n=test.n)


def common_repeats(run: RunResult, baseline: RunResult) -> float:
    """How many repeats in both runs would leave as much chance as theirs: the harmonic mean."""
    return 2 * run.repeats * baseline.repeats / (run.repeats + baseline.repeats)


def _noise(metric: Metric, sd: float, n: int) -> Flips | Spread:
    """For a rate no less than what n pairs without a single flip leave possible: 1/(n + 2)."""
    if metric.kind is Kind.RATE:
        return Flips(saturated(max(sd * sd, 1 / (n + 2))))
    return Spread(saturated(sd), logarithmic=metric.kind is Kind.LATENCY)


# --- from the repeats within one run ---------------------------------------------------------------------------------


def scores_by_datapoint(run: RunResult, metrics: Sequence[Metric]) -> Mapping[str, Mapping[str, Sequence[float]]]:
    """By metric and datapoint the scores of its repeats."""
    found: dict[str, dict[str, array[float]]] = {metric.name: {} for metric in metrics}
    for outcome in completed(run):
        for metric in metrics:
            score = _score(outcome, metric)
            if score is not None:
                found[metric.name].setdefault(outcome.datapoint_id, array("d")).append(saturated(score))
    return found


def _score(outcome: Outcome, metric: Metric) -> Score:
    """What one repeat counts as, by the rules that `ScoreTable` adds it to its datapoint: an error as the worst."""
    if metric.name == ERRORS:
        return isinstance(outcome, Failed) or bool(outcome.faults)
    if metric.name == LATENCY:
        return outcome.duration_ms if isinstance(outcome, Scored) else None
    if isinstance(outcome, Failed) or metric.name in outcome.faults:
        return metric.worst
    score = outcome.scores.get(metric.name)
    return expected(score, outcome.ground_truth) if metric.labels else score


def from_repeats(found: MetricComparison, scores: Mapping[str, Sequence[float]]) -> Chance | None:
    """σ² as twice the variance within the datapoints, pooled over them; `None` where no datapoint has two scores.

    Of passes and failures that is ψ, the mean of 2·p̂(1 − p̂)·K/(K − 1): the chance that two repeats of a datapoint
    differ. Assumes independent datapoints: what those of a cluster have in common only a second run would tell.
    """
    residuals, freedom = array("d"), 0
    for of_one in scores.values():
        values = _as_tested(of_one, found)
        if len(values) > 1:
            residuals.extend(_residuals(values))
            freedom += len(values) - 1
    if not freedom:
        return None
    within = standard_deviation(residuals) * math.sqrt((len(residuals) - 1) / freedom)
    n = found.candidate.n
    return Chance(source=Source.REPEATS, noise=_noise(found.metric, math.sqrt(2) * within, n), n=n)


# --- from nothing ----------------------------------------------------------------------------------------------------


def assumed(found: MetricComparison, repeats: int) -> Chance | None:
    """`USUAL_FLIPS` for a rate; else at most √(2K)·sd of the run's own scores, for what varies by chance is in them.

    `None` where they do not vary: scores that are all the same, perhaps the best there is, tell nothing of chance.
    Assumes independent datapoints.
    """
    n = found.candidate.n
    if found.metric.kind is Kind.RATE:
        return Chance(source=Source.ASSUMED, noise=Flips(USUAL_FLIPS), n=n) if n else None
    values = _as_tested(found.candidate.scores, found)
    sd = standard_deviation(_residuals(values)) * math.sqrt(2 * repeats) if len(values) > 1 else 0.0
    if sd == 0:
        return None
    return Chance(source=Source.ASSUMED, noise=_noise(found.metric, sd, n), n=n)


def _as_tested(scores: Sequence[float], found: MetricComparison) -> Sequence[float]:
    """The scores in the unit of the test: logarithms of latencies, costs relative to their mean."""
    match found.metric.kind:
        case Kind.LATENCY:
            return [math.log(score) for score in scores if score > 0]
        case Kind.COST:
            centre = found.candidate.mean or 0.0
            return [saturated(score / centre) for score in scores] if centre > 0 else []
        case _:
            return scores


def _residuals(values: Sequence[float]) -> list[float]:
    """Deviations from their mean; what is no more than rounding is none."""
    centre = mean(values)
    residuals = [saturated(value - centre) for value in values]
    rounding = TIE * max(1.0, abs(centre))
    return residuals if max(map(abs, residuals)) > rounding else [0.0] * len(residuals)
