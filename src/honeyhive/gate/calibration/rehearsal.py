"""The gate rehearsed: jobs in which nothing has changed, judged as any other job is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import permutations
from random import Random

from honeyhive.gate.calibration.resampling import Draw, Pool
from honeyhive.gate.calibration.sensitivity import Sensitivity, Trial, sensitivity
from honeyhive.gate.checks import Check, Rule
from honeyhive.gate.comparison import Comparison
from honeyhive.gate.thresholds import Threshold
from honeyhive.gate.verdict import Case, checked

RESAMPLES = 2_000
"""How many resamples there are of a small dataset."""

_DRAWN, _LEAST = 2_000_000, 200
"""Of a large one as many as draw so many datapoints in all, and at least so many: it is to take seconds."""

_TRIED, _MOST_TRIALS, _LEAST_TRIALS = 200_000, 400, 100
"""The same for the trials in which the smallest drop is looked for: each is judged several times."""


class Rehearsal:
    """Every pair of the pool's runs, both ways round, and seeded resamples of them.

    `rules` are the thresholds as far as the resamples can be judged by them: must-pass is about single datapoints,
    and a metric that some run does not have cannot be drawn from any. There are at most `most` resamples.
    """

    def __init__(self, pool: Pool, thresholds: Sequence[Threshold], *, seed: int, most: int = RESAMPLES) -> None:
        self.pool = pool
        self.thresholds = tuple(thresholds)
        self.seed = seed
        self.rules = tuple(self._resampled())
        n = len(pool)
        self.resamples = min(most, max(_LEAST, _DRAWN // n))
        self.trials = min(most, _MOST_TRIALS, max(_LEAST_TRIALS, _TRIED // n))

    @cached_property
    def pairs(self) -> dict[tuple[int, int], list[Check]]:
        """The checks of each pair of runs, candidate first."""
        pool, thresholds = self.pool, self.thresholds
        return {
            (ours, theirs): _checks(pool.comparison(pool.pair(ours, theirs), thresholds, pool.tagged(ours)), thresholds)
            for ours, theirs in permutations(range(len(pool.runs)), 2)
        }

    @cached_property
    def judged(self) -> list[list[Check]]:
        """The checks of each resample, by the rules."""
        return self.judge(self.rules)

    def judge(self, rules: Sequence[Threshold]) -> list[list[Check]]:
        """The checks of each resample, by other rules about the same metrics."""
        return [_checks(comparison, rules) for comparison in self._comparisons]

    def sensitivity(self, name: str, rule: Rule, rules: Sequence[Threshold]) -> Sensitivity:
        """The smallest drop that one of the rules catches, judged together with the others."""
        column = self.pool.columns[name]
        trials = []
        for number, comparison in enumerate(self._comparisons[: self.trials]):
            scores = column.paired(self._draw(number))
            luck = self._random(f"{number}/luck")
            trials.append(Trial(comparison=comparison, scores=scores, luck=[luck.random() for _ in scores.candidate]))
        return sensitivity(column, rule, trials=trials, rules=rules)

    @cached_property
    def _comparisons(self) -> list[Comparison]:
        return [self.pool.comparison(self._draw(number), self.rules) for number in range(self.resamples)]

    def _draw(self, number: int) -> Draw:
        """The same draw each time, so that it need not be kept."""
        return self.pool.draw(self._random(str(number)))

    def _random(self, what: str) -> Random:
        return Random(f"{self.seed}/{what}")  # noqa: S311 - lots to draw, not secrets

    def _resampled(self) -> Iterator[Threshold]:
        for threshold in self.thresholds:
            if self.pool.columns[threshold.metric.name].measured_everywhere and (threshold.bounds or threshold.margins):
                yield replace(threshold, must_pass=None)


def _checks(comparison: Comparison, thresholds: Sequence[Threshold]) -> list[Check]:
    (checks,) = checked([Case(experiment="", comparison=comparison, thresholds=tuple(thresholds))])
    return checks
