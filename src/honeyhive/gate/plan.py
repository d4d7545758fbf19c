"""How many datapoints and repeats it takes to see a drop: `plan()` makes a `Plan` of each metric.

The model is that of Miller 2024 (Adding Error Bars to Evals, arXiv:2411.00640): with n datapoints, and K repeats of
each in both runs, the mean of the paired differences has the variance (ω² + σ²/K)/n. σ² is what one datapoint differs
by chance (`chance`), ω² what the drop itself differs from one datapoint to another.

- Rates: σ² is ψ, the share of the datapoints that flip, and a drop δ falls on a share δ of the datapoints, whole. Then
  ω² = δ, as in Connor 1987 for one repeat, and n = k(ψ/K + δ)/δ²: no number of repeats replaces datapoints altogether.
- Scores, latency (in logarithms, where a rise of x is ln(1 + x)), cost (relative residuals): a drop δ falls on all
  datapoints alike. Then ω² = 0, and n = (z·σ/δ)²/K.

One-sided α = 0.05 and power 0.8, as everywhere in `planning`. Assumes independent repeats, more datapoints of the same
kind (with clusters: more clusters of the same sizes), and one comparison: Holm's correction of several asks for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from honeyhive.gate.chance import (
    Chance,
    Flips,
    Source,
    Spread,
    assumed,
    common_repeats,
    from_pairs,
    from_repeats,
    scores_by_datapoint,
)
from honeyhive.gate.checks import Reason
from honeyhive.gate.comparison import MetricComparison, compare
from honeyhive.gate.metrics import Direction, Kind, Metric
from honeyhive.gate.rules import LEAST_CLUSTERS
from honeyhive.gate.statistics import TIE
from honeyhive.gate.student import saturated
from honeyhive.result import BUILT_IN, LATENCY, RunResult

HUNDREDTHS = (1, 2, 5, 10)
"""The drops that are planned for."""

_PRACTICAL = 10**9
"""More than this are nobody's datapoints."""


class Unit(StrEnum):
    """What the planned drops are hundredths of: of 1, of the ratio to the baseline, of a score's range or its mean."""

    RATE = "rate"
    RATIO = "ratio"
    RANGE = "range"
    MEAN = "mean"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What it takes to see one drop: so many datapoints with today's repeats, or so many repeats of today's.

    `None`: more than is practical; for `repeats`, mostly that no number of them does.
    """

    hundredths: int
    drop: float
    datapoints: int | None
    repeats: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What one metric needs. Drops are in its own unit, for latency and cost a share of 1.

    How far two runs of one repeat each differ by chance is `flips` for a rate, a share of the datapoints, and for
    anything else `sd`, a standard deviation: of the logarithm for latency, relative to the mean for cost, and an upper
    bound where its `source` is `assumed`. Without a source nothing is known. `aside` is why a baseline that was given
    tells nothing. That datapoints of one `cluster` depend on each other is seen in pairs only. `smallest_detectable` is
    what `n` datapoints with `repeats` in both runs show four times of five; `None` where they show nothing, or where
    `sd` is 0 and they show anything.
    """

    metric: str
    kind: Kind | None
    direction: Direction
    cluster: str | None = None
    n: int
    repeats: int
    source: Source | None = None
    aside: Reason | None = None
    flips: float | None = None
    sd: float | None = None
    smallest_detectable: float | None = None
    unit: Unit | None = None
    rows: tuple[Row, ...] = ()


def plan(run: RunResult, baseline: RunResult | None, metrics: Sequence[Metric] = ()) -> tuple[Plan, ...]:
    """What each metric of the run needs; `metrics` says what the user declared of some of them.

    Of the built-in metrics only those that are declared, or latency where there is no other. The pairs with the
    baseline are asked first, then the run's own repeats; for those its outcomes are read once more.
    """
    comparison = compare(run, baseline, metrics)
    declared = {metric.name for metric in metrics}
    found = [it for name, it in comparison.metrics.items() if name in declared or name not in BUILT_IN]
    found = found or [comparison.metrics[LATENCY]]
    asides = {it.metric.name: _aside(it) for it in found}
    alone = [it.metric for it in found if asides[it.metric.name] is not None]
    scores = scores_by_datapoint(run, alone) if alone and run.repeats > 1 else {}
    plans = []
    for it in found:
        aside, chance = asides[it.metric.name], None
        if it.measured and baseline is not None and aside is None:
            chance = from_pairs(it, common_repeats(run, baseline))
        elif it.measured:
            chance = from_repeats(it, scores.get(it.metric.name, {})) or assumed(it, run.repeats)
        plans.append(_plan(it, chance, repeats=run.repeats, aside=None if baseline is None else aside))
    return tuple(plans)


def _aside(found: MetricComparison) -> Reason | None:
    """Why the pairs tell nothing of chance, where they do not: the first that holds."""
    pairs, baseline = found.pairs, found.baseline
    if baseline is None or not baseline.measured:
        return Reason.NO_BASELINE
    if found.redefined:
        return Reason.NOT_COMPARABLE
    if pairs is None:
        return Reason.NO_PAIRS
    test = pairs.test
    if test is None or test.n < 2:
        return Reason.ONE_PAIR
    if test.effective_clusters is not None and test.effective_clusters < LEAST_CLUSTERS:
        return Reason.ONE_CLUSTER
    return Reason.ZERO_BASELINE if test.estimate is None else None


def _plan(found: MetricComparison, chance: Chance | None, *, repeats: int, aside: Reason | None) -> Plan:
    metric = found.metric
    blank = Plan(
        metric=metric.name,
        kind=metric.kind,
        direction=metric.direction,
        cluster=metric.cluster,
        n=chance.n if chance else found.candidate.n,
        repeats=repeats,
        aside=aside,
    )
    if chance is None:
        return blank
    noise, (unit, whole) = chance.noise, _unit(found)
    return replace(
        blank,
        source=chance.source,
        flips=noise.share if isinstance(noise, Flips) else None,
        sd=noise.sd if isinstance(noise, Spread) else None,
        smallest_detectable=noise.smallest_drop(chance.n, repeats),
        unit=unit,
        rows=tuple(
            Row(
                hundredths=hundredths,
                drop=drop,
                datapoints=_practical(noise.datapoints(drop, repeats)),
                repeats=_practical(noise.repeats(drop, chance.n)),
            )
            for hundredths in HUNDREDTHS
            if (drop := whole / 100 * hundredths) > TIE  # what is less ties
        ),
    )


def _unit(found: MetricComparison) -> tuple[Unit, float]:
    """What a drop is hundredths of, and how much that is. The mean is the baseline's, where there is one."""
    metric = found.metric
    if metric.kind is Kind.RATE:
        return Unit.RATE, 1.0
    if metric.kind in (Kind.LATENCY, Kind.COST):
        return Unit.RATIO, 1.0
    if metric.bounds is not None:
        return Unit.RANGE, saturated(metric.bounds[1] - metric.bounds[0])
    of_baseline = found.baseline.mean if found.baseline else None
    return Unit.MEAN, abs((found.candidate.mean if of_baseline is None else of_baseline) or 0.0)


def _practical(count: int | None) -> int | None:
    return count if count is not None and count <= _PRACTICAL else None
