"""Two runs held against each other, datapoint by datapoint: `compare()` makes a `Comparison`."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from honeyhive.gate.checks import Place
from honeyhive.gate.metrics import LATENCY, Kind, Metric, default_metric
from honeyhive.gate.must_pass import Tagged
from honeyhive.gate.pairs import PairedScores, Pairs
from honeyhive.gate.scores import Rows, Sample, ScoreTable
from honeyhive.gate.statistics import TIE
from honeyhive.result import RunResult

KEPT = 50
"""How many datapoints of a kind are kept by name: the largest changes of each metric and direction, removed ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One datapoint whose score differs between the two runs; an error shows as the worst score."""

    datapoint_id: str
    line: int | None
    metric: str
    baseline: float
    candidate: float
    better: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """A datapoint of the baseline that the candidate does not have, with what it scored there by metric."""

    datapoint_id: str
    line: int | None
    scores: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric in both runs: each run's own scores, and the pairs.

    `removed` is the baseline's sample of the datapoints that the candidate does not have. `unbounded_errors` is
    whether, in some pair, an error stands where a score should, and no range says what it is worth; `beyond_range`
    whether either run has scores outside of the range. `relabelled` counts the pairs whose label is another,
    `unclustered` those whose datapoint says nothing of its cluster. `all_passed` is pass^k of candidate and baseline.
    """

    metric: Metric
    candidate: Sample
    baseline: Sample | None
    removed: Sample | None = None
    scores: PairedScores | None = field(default=None, repr=False)
    pairs: Pairs | None = None
    unbounded_errors: bool = False
    beyond_range: bool = False
    evaluator_changed: bool = False
    relabelled: int | None = None
    unclustered: int = 0
    all_passed: tuple[float | None, float | None] = (None, None)

    @property
    def measured(self) -> bool:
        """Whether any outcome of the candidate has a score of it."""
        return self.candidate.measured


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate held against a baseline, or alone where there is none."""

    candidate: RunResult
    baseline: RunResult | None
    count: int
    errors: int
    baseline_count: int
    baseline_errors: int
    paired: int
    added: int
    removed: int
    edited: int
    metrics: Mapping[str, MetricComparison]
    changes: tuple[Change, ...]
    removed_datapoints: tuple[Removed, ...] = ()
    tagged: tuple[Tagged, ...] = ()

    @property
    def paired_share(self) -> float:
        """The share of the baseline's datapoints that the candidate has unchanged.

        Rows that the candidate adds are no reason to mistrust the others. A candidate limited to its first rows
        has by intention not all of the baseline's: then it is the share of the candidate's.
        """
        limit = self.candidate.limit
        cut = limit is not None and self.count >= limit
        whole = self.count if cut else self.baseline_count
        return self.paired / whole if whole else 0.0


def compare(candidate: RunResult, baseline: RunResult | None, metrics: Sequence[Metric] = ()) -> Comparison:
    """Hold `candidate` against `baseline`; `metrics` says what the user declared of some of them.

    Datapoints pair up by id and content hash; the same id with other content counts as edited. Both runs' outcomes
    are read once, and take some hundred bytes a datapoint, whatever they hold.
    """
    rows = Rows()
    ours = ScoreTable(candidate, rows, metrics)
    theirs = None if baseline is None else ScoreTable(baseline, rows, metrics)
    pairing = Pairing(ours, theirs)
    declared = {metric.name: metric for metric in metrics}
    changed = _changed_evaluators(candidate, baseline)
    compared: dict[str, MetricComparison] = {}
    changes: list[Change] = []
    for name in dict.fromkeys([*declared, *ours.metrics]):
        metric = settled(declared.get(name) or default_metric(name), [table for table in (ours, theirs) if table])
        compared[name] = replace(_compare_metric(metric, pairing), evaluator_changed=name in changed)
        if name != LATENCY:
            changes += _largest_changes(metric, pairing)
    return Comparison(
        candidate=candidate,
        baseline=baseline,
        count=len(ours),
        errors=ours.errors,
        baseline_count=len(theirs) if theirs is not None else 0,
        baseline_errors=theirs.errors if theirs is not None else 0,
        paired=len(pairing.rows),
        added=pairing.added,
        removed=len(pairing.removed),
        edited=pairing.edited,
        metrics=compared,
        changes=tuple(changes),
        removed_datapoints=tuple(_removed(pairing, [found.metric for found in compared.values()])),
        tagged=tuple(_tagged(ours)),
    )


def settled(metric: Metric, tables: Sequence[ScoreTable]) -> Metric:
    """The metric with the kind that its values tell, where neither its name nor the user did."""
    if metric.kind is not None:
        return metric.of_kind(metric.kind)
    kinds = {table.kind(metric.name) for table in tables} - {None}
    if not kinds:
        return metric
    return metric.of_kind(Kind.RATE if kinds == {Kind.RATE} else Kind.SCORE)


class Pairing:
    """Which datapoints the two runs share, and which only one of them has."""

    def __init__(self, candidate: ScoreTable, baseline: ScoreTable | None) -> None:
        self.candidate = candidate
        self.baseline = baseline
        self.rows = array("q")
        self.removed = array("q")
        self.edited = self.added = 0
        if baseline is None:
            return
        for row in range(len(candidate.rows)):
            if row not in baseline:
                self.added += 1
            elif row not in candidate:
                self.removed.append(row)
            elif candidate.same_content(baseline, row):
                self.rows.append(row)
            else:
                self.edited += 1

    def scores(self, metric: Metric) -> Iterator[tuple[int, float, float]]:
        """Row, candidate score and baseline score of each pair that has both.

        There is none where one of the runs does not have the metric: an error in it counts as the worst score, but
        a metric of nothing but errors says nothing.
        """
        if self.baseline is None or not (self.candidate.has(metric.name) and self.baseline.has(metric.name)):
            return
        for row in self.rows:
            ours, theirs = self.candidate.score(metric, row), self.baseline.score(metric, row)
            if ours is not None and theirs is not None:
                yield row, ours, theirs

    def paired_scores(self, metric: Metric) -> PairedScores | None:
        """The scores of all pairs, with their clusters where the user has named a key for them."""
        if self.baseline is None:
            return None
        rows, candidate, baseline = array("q"), array("d"), array("d")
        for row, ours, theirs in self.scores(metric):
            rows.append(row)
            candidate.append(ours)
            baseline.append(theirs)
        key, binary = metric.cluster, all(t.all_or_nothing(metric.name) for t in (self.candidate, self.baseline))
        return PairedScores(
            metric=metric,
            candidate=candidate,
            baseline=baseline,
            clusters=None if key is None else array("q", (self.candidate.cluster(key, row) for row in rows)),
            pass_fail=metric.kind is Kind.RATE and binary,
        )

    def erred(self, metric: Metric) -> bool:
        """Whether in some pair an error stands where a score should."""
        return self.baseline is not None and any(
            self.candidate.faulty(metric, row) or self.baseline.faulty(metric, row) for row in self.rows
        )

    def relabelled(self, metric: Metric) -> int | None:
        """How many pairs have another label than before; `None` but for labels."""
        if self.baseline is None or not metric.labels:
            return None
        candidate, baseline, name = self.candidate, self.baseline, metric.name
        return sum(1 for row, _, _ in self.scores(metric) if candidate.label(name, row) != baseline.label(name, row))


def _compare_metric(metric: Metric, pairing: Pairing) -> MetricComparison:
    ours, theirs = pairing.candidate, pairing.baseline
    scores = pairing.paired_scores(metric)
    return MetricComparison(
        metric=metric,
        candidate=ours.sample(metric),
        baseline=theirs.sample(metric) if theirs is not None else None,
        removed=theirs.sample(metric, pairing.removed) if theirs is not None else None,
        scores=scores,
        pairs=scores.tested() if scores is not None else None,
        unbounded_errors=metric.errors_unbounded and pairing.erred(metric),
        beyond_range=any(table.beyond(metric) for table in (ours, theirs) if table is not None),
        relabelled=pairing.relabelled(metric),
        unclustered=0 if scores is None or scores.clusters is None else sum(1 for at in scores.clusters if at == 0),
        all_passed=(ours.pass_hat_k(metric), None if theirs is None else theirs.pass_hat_k(metric)),
    )


def _changed_evaluators(candidate: RunResult, baseline: RunResult | None) -> frozenset[str]:
    """The evaluators that are known not to be the same in both runs; a fingerprint that is not there tells nothing."""
    if baseline is None:
        return frozenset()
    before = {evaluator.name: evaluator.fingerprint for evaluator in baseline.evaluators}
    return frozenset(
        evaluator.name
        for evaluator in candidate.evaluators
        if evaluator.fingerprint and before.get(evaluator.name) not in (None, "", evaluator.fingerprint)
    )


def _largest_changes(metric: Metric, pairing: Pairing) -> Iterator[Change]:
    """The datapoints that changed most, the worst first; where they tie, in the dataset's order."""
    candidate = pairing.candidate

    def moved(way: int) -> Iterator[tuple[float, int, int, float, float]]:
        for row, ours, theirs in pairing.scores(metric):
            delta = way * metric.sign * (ours - theirs)
            if delta < -TIE:
                yield delta, candidate.position(row), row, ours, theirs

    for way in (1, -1):
        for _, _, row, ours, theirs in heapq.nsmallest(KEPT, moved(way)):
            yield Change(
                datapoint_id=candidate.rows.ids[row],
                line=candidate.line(row),
                metric=metric.name,
                baseline=theirs,
                candidate=ours,
                better=way < 0,
            )


def _removed(pairing: Pairing, metrics: Sequence[Metric]) -> Iterator[Removed]:
    """The first of the datapoints that were removed, in the order of the baseline's dataset."""
    baseline = pairing.baseline
    if baseline is None:
        return
    for row in heapq.nsmallest(KEPT, pairing.removed, key=baseline.position):
        scores = {metric.name: baseline.score(metric, row) for metric in metrics}
        yield Removed(
            datapoint_id=baseline.rows.ids[row],
            line=baseline.line(row),
            scores={name: score for name, score in scores.items() if score is not None},
        )


def _tagged(candidate: ScoreTable) -> Iterator[Tagged]:
    for row in sorted(candidate.tagged, key=candidate.position):
        place = Place(datapoint_id=candidate.rows.ids[row], line=candidate.line(row))
        yield Tagged(place=place, outcomes=tuple(candidate.tagged[row]))
