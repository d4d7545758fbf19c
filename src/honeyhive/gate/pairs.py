"""One metric of the datapoints that two runs share: `PairedScores`, and the test of them, `Pairs`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from honeyhive.gate.metrics import Kind, Metric
from honeyhive.gate.statistics import (
    TIE,
    PairedTest,
    clustered_t,
    paired_log_t,
    paired_sign,
    paired_t,
    ratio_of_totals,
)
from honeyhive.gate.student import mean


@dataclass(frozen=True, kw_only=True)
class PairedScores:
    """The two scores of each datapoint that has one in both runs, in the metric's own unit.

    `clusters` numbers the group of each datapoint, where some depend on each other. `pass_fail` is whether every
    score is 0 or 1, of one repeat.
    """

    metric: Metric
    candidate: Sequence[float]
    baseline: Sequence[float]
    clusters: Sequence[int] | None = None
    pass_fail: bool = False

    def tested(self) -> Pairs | None:
        """What the test makes of them that `docs/verdict.md` gives for the metric's kind; `None` of no pair."""
        n = len(self.candidate)
        if not n:
            return None
        deltas = self.deltas()
        worse, better = sum(1 for d in deltas if d < -TIE), sum(1 for d in deltas if d > TIE)
        return Pairs(
            n=n,
            candidate=mean(self.candidate),
            baseline=mean(self.baseline),
            worse=worse,
            better=better,
            pass_fail=self.pass_fail,
            test=self._test(deltas, worse, better),
        )

    def deltas(self) -> array[float]:
        """By how much each datapoint got better; negative is worse."""
        sign = self.metric.sign
        return array("d", (sign * (ours - theirs) for ours, theirs in zip(self.candidate, self.baseline, strict=True)))

    def _test(self, deltas: Sequence[float], worse: int, better: int) -> PairedTest | None:
        match self.metric.kind:
            case Kind.LATENCY:
                timed = [at for at in range(len(deltas)) if self.candidate[at] > 0 and self.baseline[at] > 0]
                clusters = None if self.clusters is None else [self.clusters[at] for at in timed]
                candidate, baseline = (
                    array("d", (side[at] for at in timed)) for side in (self.candidate, self.baseline)
                )
                return paired_log_t(baseline, candidate, clusters=clusters) if timed else None
            case Kind.COST:
                return ratio_of_totals(self.baseline, self.candidate, clusters=self.clusters)
            case _ if self.clusters is not None:
                return clustered_t(deltas, self.clusters)
            case _ if self.pass_fail:
                return paired_sign(len(deltas), worse, better)
            case _:
                return paired_t(deltas)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What became of the pairs of one metric; the test is `None` where none can be tested."""

    n: int
    candidate: float
    baseline: float
    worse: int
    better: int
    pass_fail: bool
    test: PairedTest | None
