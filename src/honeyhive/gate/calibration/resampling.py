"""Several runs of one system as a pool of scores: pairs of the runs, and random draws in which nothing has changed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, filterfalse, permutations
from random import Random

from honeyhive.gate.comparison import Comparison, MetricComparison, kind_changed, settled
from honeyhive.gate.metrics import Kind, Metric, default_metric
from honeyhive.gate.must_pass import Tagged
from honeyhive.gate.pairs import PairedScores
from honeyhive.gate.rows import Rows
from honeyhive.gate.scores import ABSENT, RunScores, Sample, ScoreTable
from honeyhive.gate.thresholds import Threshold
from honeyhive.result import RunResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """A candidate and a baseline made of the pool's runs: the places of their scores, datapoint by datapoint.

    A place counts through the datapoints of the first run, then through those of the next. `units` numbers what was
    drawn together; `ours` and `theirs` are the runs that the two sides are made of.
    """

    candidate: Sequence[int]
    baseline: Sequence[int]
    units: Sequence[int] = field(repr=False)
    ours: Sequence[int]
    theirs: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric of all runs by place; NaN, with which nothing is computed, where a datapoint has no score.

    `faulty` marks where an error stands for which no worst score is known. `clusters` numbers the group of each
    datapoint, where some depend on each other. `measured` and `binary` (nothing but 0 and 1) are by run. `kind_changed`
    is whether it is not the same metric in all of them. `untold` counts, by run, what says nothing of it.
    """

    metric: Metric
    scores: Sequence[float] = field(repr=False)
    faulty: Sequence[bool] = field(repr=False)
    clusters: Sequence[int] | None = field(repr=False)
    measured: Sequence[bool]
    binary: Sequence[bool]
    kind_changed: bool = False
    untold: Sequence[int]

    @property
    def measured_everywhere(self) -> bool:
        """Whether every run has scores of it: only then can one run stand in for another."""
        return all(self.measured)

    @cached_property
    def known(self) -> Sequence[float]:
        """All scores of all runs."""
        return array("d", (score for score in self.scores if not math.isnan(score)))

    def paired(self, draw: Draw) -> PairedScores:
        """The scores of the drawn datapoints that have one on both sides; of none where a run does not have it."""
        runs = (*draw.ours, *draw.theirs)
        there: Sequence[int] = range(len(draw.candidate)) if all(self.measured[run] for run in runs) else range(0)
        ours, theirs = (array("d", map(self.scores.__getitem__, side)) for side in (draw.candidate, draw.baseline))
        if len(self.known) < len(self.scores) or not there:
            there = array("i", (at for at in there if not (math.isnan(ours[at]) or math.isnan(theirs[at]))))
            ours, theirs = (array("d", map(side.__getitem__, there)) for side in (ours, theirs))
        return PairedScores(
            metric=self.metric,
            rows=there,
            candidate=ours,
            baseline=theirs,
            clusters=self._clusters(draw, there),
            pass_fail=self.metric.kind is Kind.RATE and all(self.binary[run] for run in runs),
        )

    def found(self, draw: Draw, *, compared: bool, bounded: bool) -> MetricComparison:
        """The metric in both halves of the draw: the pairs if it is to be compared, the sample if it is bounded."""
        ours, theirs = self._side(draw.candidate, draw.ours), self._side(draw.baseline, draw.theirs)
        return MetricComparison(
            metric=self.metric,
            candidate=replace(ours, scores=self._drawn(draw)) if bounded and ours.measured else ours,
            baseline=theirs,
            pairs=self.paired(draw).tested() if compared else None,
            unbounded_errors=ours.errors + theirs.errors > 0,
            kind_changed=self.kind_changed,
            untold=max(self.untold[run] for run in draw.ours),
        )

    def _side(self, places: Sequence[int], runs: Sequence[int]) -> Sample:
        """What is known of one side without its scores."""
        errors = sum(map(self.faulty.__getitem__, places)) if self.faulty else 0
        measured = all(self.measured[run] for run in runs)
        return Sample(measured=measured, scores=(), count=len(places), errors=errors, not_applicable=0)

    def _drawn(self, draw: Draw) -> array[float]:
        drawn = map(self.scores.__getitem__, draw.candidate)
        return array("d", drawn if len(self.known) == len(self.scores) else filterfalse(math.isnan, drawn))

    def _clusters(self, draw: Draw, there: Sequence[int]) -> array[int] | None:
        """A cluster that was drawn twice is two."""
        if self.clusters is None:
            return None
        n, count = len(self.clusters), max(self.clusters, default=0) + 1
        return array("q", (draw.units[at] * count + self.clusters[draw.candidate[at] % n] for at in there))


class Pool:
    """The datapoints that all runs share with the same content, with the scores of every run.

    The metrics are those of the runs, and what `thresholds` say of them.
    """

    def __init__(self, runs: Sequence[RunResult], thresholds: Sequence[Threshold]) -> None:
        declared = {threshold.metric.name: threshold.metric for threshold in thresholds}
        labels = [metric.name for metric in declared.values() if metric.labels]
        self.runs = tuple(runs)
        self._rows = Rows(dict.fromkeys(metric.cluster for metric in declared.values() if metric.cluster is not None))
        self.tables = [ScoreTable(run, self._rows, labels) for run in runs]
        self._rows.close()
        # In the dataset's order: in that in which they finished, the same runs would draw other lots.
        shared = _shared([table.contents for table in self.tables])
        self.shared = array(
            "i", sorted(shared, key=lambda row: (self._rows.position(row), self._rows.place(row).datapoint_id))
        )
        names = dict.fromkeys([*declared, *(name for table in self.tables for name in table.metrics)])
        metrics = [declared.get(name) or default_metric(name) for name in names]
        self.columns: Mapping[str, Column] = {metric.name: self._column(metric) for metric in metrics}
        self._members = self._units()
        n = len(self)
        self._ways = [(ours * n, theirs * n) for ours, theirs in permutations(range(len(runs)), 2)]

    def __len__(self) -> int:
        """How many datapoints there are."""
        return len(self.shared)

    def pair(self, candidate: int, baseline: int) -> Draw:
        """One run held against another as they are."""
        n = len(self)
        return Draw(
            candidate=range(candidate * n, (candidate + 1) * n),
            baseline=range(baseline * n, (baseline + 1) * n),
            units=array("q", bytes(8 * n)),
            ours=(candidate,),
            theirs=(baseline,),
        )

    def draw(self, random: Random) -> Draw:
        """As many datapoints as there are, with replacement, each with the scores of two different runs at random.

        The bootstrap (Efron & Tibshirani 1993, ch. 6) under the hypothesis that nothing changes: which run is the
        candidate is settled by lot, as in a permutation test (ch. 15). All metrics of a datapoint stay together, and
        so do the datapoints of a cluster, of which as many are drawn as there are.
        """
        units = random.choices(range(len(self._members)), k=len(self._members))
        ways = random.choices(self._ways, k=len(units))
        drawn = [
            (number, self._members[unit], *way) for number, (unit, way) in enumerate(zip(units, ways, strict=True))
        ]
        everyone = range(len(self.runs))
        return Draw(
            candidate=array("q", [ours + at for _, members, ours, _ in drawn for at in members]),
            baseline=array("q", [theirs + at for _, members, _, theirs in drawn for at in members]),
            units=array("q", [number for number, members, _, _ in drawn for _ in members]),
            ours=everyone,
            theirs=everyone,
        )

    def comparison(self, draw: Draw, thresholds: Sequence[Threshold], tagged: Sequence[Tagged] = ()) -> Comparison:
        """The draw as the gate judges it, by the metrics that the thresholds are about."""
        compared = {threshold.metric.name for threshold in thresholds if threshold.margins}
        bounded = {threshold.metric.name for threshold in thresholds if threshold.bounds}
        n = len(draw.candidate)
        return Comparison(
            candidate=self.runs[draw.ours[0]],
            baseline=self.runs[draw.theirs[0]],
            count=n,
            errors=0,
            baseline_count=n,
            baseline_errors=0,
            paired=n,
            added=0,
            removed=0,
            edited=0,
            metrics={
                name: column.found(draw, compared=name in compared, bounded=name in bounded)
                for name, column in self.columns.items()
            },
            changes=(),
            tagged=tuple(tagged),
        )

    def tagged(self, run: int) -> tuple[Tagged, ...]:
        """The datapoints of one run that have to pass."""
        found = self.tables[run].tagged
        rows = sorted(found, key=self._rows.position)
        return tuple(Tagged(place=self._rows.place(row), outcomes=tuple(found[row])) for row in rows)

    def _column(self, declared: Metric) -> Column:
        metric = settled(declared, self.tables)
        found = [table.scores(metric) for table in self.tables]
        by_run = [self._scores(of_run) for of_run in found]
        faulty = [metric.errors_unbounded and of_run.is_faulty(row) for of_run in found for row in self.shared]
        return Column(
            metric=metric,
            scores=array("d", chain.from_iterable(by_run)),
            faulty=faulty if any(faulty) else (),
            clusters=None if metric.cluster is None else _numbered(self._rows.clusters(metric.cluster, self.shared)),
            measured=[not all(map(math.isnan, scores)) for scores in by_run],
            binary=[table.all_or_nothing(metric.name) for table in self.tables],
            kind_changed=kind_changed(declared, self.tables),
            untold=[table.untold(metric) for table in self.tables],
        )

    def _scores(self, of_run: RunScores) -> array[float]:
        """The scores of the shared datapoints; a metric of nothing but errors has none."""
        return array("d", (of_run.means[row] if of_run.measured else math.nan for row in self.shared))

    def _units(self) -> list[list[int]]:
        """What is drawn as a whole: clusters, the largest where metrics have different ones, or single datapoints."""
        groupings = [column.clusters for column in self.columns.values() if column.clusters is not None]
        if not groupings:
            return [[at] for at in range(len(self))]
        members: dict[int, list[int]] = {}
        for at, cluster in enumerate(min(groupings, key=lambda clusters: max(clusters, default=0))):
            members.setdefault(cluster, []).append(at)
        return list(members.values())


def _shared(contents: Sequence[Sequence[int]]) -> array[int]:
    """The rows with the same content in all of the runs."""
    first, *others = contents
    there = (row for row in range(min(map(len, contents))) if first[row] != ABSENT)
    return array("i", (row for row in there if all(of_run[row] == first[row] for of_run in others)))


def _numbered(clusters: Sequence[int]) -> array[int]:
    """The clusters by number, in the order in which they appear: as they are, they are others in each process."""
    numbers: dict[int, int] = {}
    return array("q", (numbers.setdefault(cluster, len(numbers)) for cluster in clusters))
