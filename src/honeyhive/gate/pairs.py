"""One metric of the datapoints that two runs share: `PairedScores`, and the test of them, `Pairs`."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from honeyhive.gate.metrics import Kind, Metric
from honeyhive.gate.statistics import (
    PairedTest,
    clustered_t,
    count_signs,
    paired_log_t,
    paired_sign,
    paired_t,
    ratio_of_totals,
)
from honeyhive.gate.student import mean


@dataclass(frozen=True, kw_only=True)
class PairedScores:
    """The two scores of each datapoint that has one in both runs, in the metric's own unit.

    `rows` are those datapoints; `clusters` numbers the group of each, where some depend on each other. `pass_fail` is
    whether every score is 0 or 1, of one repeat.
    """

    metric: Metric
    rows: Sequence[int] = field(repr=False)
    candidate: Sequence[float]
    baseline: Sequence[float]
    clusters: Sequence[int] | None = None
    pass_fail: bool = False

    @cached_property
    def deltas(self) -> Sequence[float]:
        """By how much each datapoint got better; negative is worse."""
        sign = self.metric.sign
        return array("d", (sign * (ours - theirs) for ours, theirs in zip(self.candidate, self.baseline, strict=True)))

    def tested(self) -> Pairs | None:
        """What the test of section "Which test" in docs/verdict.md makes of them; `None` where there is no pair."""
        if not self.candidate:
            return None
        worse, better = count_signs(self.deltas)
        return Pairs(
            n=len(self.candidate),
            candidate=mean(self.candidate),
            baseline=mean(self.baseline),
            worse=worse,
            better=better,
            pass_fail=self.pass_fail,
            test=self._test(worse, better),
        )

    def _test(self, worse: int, better: int) -> PairedTest | None:
        match self.metric.kind:
            case Kind.LATENCY:
                return self._timed()
            case Kind.COST:
                return ratio_of_totals(self.baseline, self.candidate, clusters=self.clusters)
            case _ if self.clusters is not None:
                return clustered_t(self.deltas, self.clusters)
            case _ if self.pass_fail:
                return paired_sign(len(self.deltas), worse, better)
            case _:
                return paired_t(self.deltas)

    def _timed(self) -> PairedTest | None:
        """The test of the pairs that took any time; `None` where there is none."""
        pairs = enumerate(zip(self.candidate, self.baseline, strict=True))
        timed = array("i", (at for at, pair in pairs if min(pair) > 0))
        clusters = None if self.clusters is None else array("q", map(self.clusters.__getitem__, timed))
        candidate, baseline = (array("d", map(side.__getitem__, timed)) for side in (self.candidate, self.baseline))
        return paired_log_t(baseline, candidate, clusters=clusters) if timed else None


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
