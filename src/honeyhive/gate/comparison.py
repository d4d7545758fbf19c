"""Two runs held against each other, datapoint by datapoint: `compare()` makes a `Comparison`."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from honeyhive.gate.metrics import LATENCY, Kind, Metric, default_metric
from honeyhive.gate.scores import Mean, ScoreTable
from honeyhive.gate.statistics import TIE, PairedTest, paired_log_t, paired_sign, paired_t, ratio_of_totals
from honeyhive.gate.student import mean
from honeyhive.result import RunResult

KEPT_CHANGES = 50
"""How many of the largest changes are kept for each metric and each direction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One datapoint whose score differs between the two runs; an error shows as the worst score."""

    datapoint_id: str
    line: int | None
    metric: str
    baseline: float
    candidate: float
    better: bool


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """One metric over the datapoints that both runs have a score for; the test is `None` where none can be tested."""

    n: int
    candidate: float
    baseline: float
    worse: int
    better: int
    pass_fail: bool
    test: PairedTest | None


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric in both runs: each run's own mean, and the pairs.

    `unbounded_errors` is whether, in some pair, an error stands where a score should, and no range says what it is
    worth; `beyond_range` whether either run has scores outside of the range.
    """

    metric: Metric
    candidate: Mean
    baseline: Mean | None
    pairs: Pairs | None
    unbounded_errors: bool = False
    beyond_range: bool = False
    evaluator_changed: bool = False

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

    Datapoints pair up by id and content hash; the same id with other content counts as edited. Both runs'
    outcomes are read once.
    """
    ours, theirs = ScoreTable(candidate), ScoreTable(baseline) if baseline is not None else None
    pairing = _Pairing(ours, theirs)
    declared = {metric.name: metric for metric in metrics}
    changed = _changed_evaluators(candidate, baseline)
    compared: dict[str, MetricComparison] = {}
    changes: list[Change] = []
    for name in dict.fromkeys([*declared, *ours.metrics]):
        metric = _settled(declared.get(name) or default_metric(name), ours, theirs)
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
        paired=len(pairing),
        added=pairing.added,
        removed=pairing.removed,
        edited=pairing.edited,
        metrics=compared,
        changes=tuple(changes),
    )


class _Pairing:
    """Which rows of the two tables are the same datapoint."""

    def __init__(self, candidate: ScoreTable, baseline: ScoreTable | None) -> None:
        self.candidate = candidate
        self.baseline = baseline
        self.edited = 0
        self._rows: list[tuple[int, int]] = []
        shared = 0
        for datapoint_id, row in candidate.rows.items():
            other = baseline.rows.get(datapoint_id) if baseline is not None else None
            if other is None or baseline is None:
                continue
            shared += 1
            if candidate.hashes[row] == baseline.hashes[other]:
                self._rows.append((row, other))
        self.edited = shared - len(self._rows)
        self.added = len(candidate) - shared if baseline is not None else 0
        self.removed = len(baseline) - shared if baseline is not None else 0

    def __len__(self) -> int:
        return len(self._rows)

    def scores(self, metric: Metric) -> Iterator[tuple[int, float, float]]:
        """Candidate row, candidate score and baseline score of each pair that has both.

        There is none where one of the runs does not have the metric: an error in it counts as the worst score, but
        a metric of nothing but errors says nothing.
        """
        if self.baseline is None or not (self.candidate.has(metric.name) and self.baseline.has(metric.name)):
            return
        for row, other in self._rows:
            ours, theirs = self.candidate.score(metric, row), self.baseline.score(metric, other)
            if ours is not None and theirs is not None:
                yield row, ours, theirs

    def erred(self, metric: Metric) -> bool:
        """Whether in some pair an error stands where a score should."""
        return self.baseline is not None and any(
            self.candidate.faulty(metric, row) or self.baseline.faulty(metric, other) for row, other in self._rows
        )


def _settled(metric: Metric, candidate: ScoreTable, baseline: ScoreTable | None) -> Metric:
    """The metric with the kind that its values tell, where neither its name nor the user did."""
    if metric.kind is not None:
        return metric.of_kind(metric.kind)
    kinds = {table.kind(metric.name) for table in (candidate, baseline) if table is not None} - {None}
    if not kinds:
        return metric
    return metric.of_kind(Kind.RATE if kinds == {Kind.RATE} else Kind.SCORE)


def _compare_metric(metric: Metric, pairing: _Pairing) -> MetricComparison:
    ours, theirs = pairing.candidate, pairing.baseline
    return MetricComparison(
        metric=metric,
        candidate=ours.mean(metric),
        baseline=theirs.mean(metric) if theirs is not None else None,
        pairs=_pairs(metric, pairing),
        unbounded_errors=metric.errors_unbounded and pairing.erred(metric),
        beyond_range=any(table.beyond(metric) for table in (ours, theirs) if table is not None),
    )


def _pairs(metric: Metric, pairing: _Pairing) -> Pairs | None:
    candidate: list[float] = []
    baseline: list[float] = []
    for _, ours, theirs in pairing.scores(metric):
        candidate.append(ours)
        baseline.append(theirs)
    n = len(candidate)
    if not n or pairing.baseline is None:
        return None
    deltas = [metric.sign * (ours - theirs) for ours, theirs in zip(candidate, baseline, strict=True)]
    worse, better = sum(1 for d in deltas if d < -TIE), sum(1 for d in deltas if d > TIE)
    all_or_nothing = all(table.all_or_nothing(metric.name) for table in (pairing.candidate, pairing.baseline))
    pass_fail = metric.kind is Kind.RATE and all_or_nothing
    return Pairs(
        n=n,
        candidate=mean(candidate),
        baseline=mean(baseline),
        worse=worse,
        better=better,
        pass_fail=pass_fail,
        test=paired_sign(n, worse, better) if pass_fail else _test(metric, candidate, baseline, deltas),
    )


def _test(metric: Metric, candidate: list[float], baseline: list[float], deltas: list[float]) -> PairedTest | None:
    match metric.kind:
        case Kind.LATENCY:
            timed = [
                (ours, theirs) for ours, theirs in zip(candidate, baseline, strict=True) if ours > 0 and theirs > 0
            ]
            return paired_log_t([theirs for _, theirs in timed], [ours for ours, _ in timed]) if timed else None
        case Kind.COST:
            return ratio_of_totals(baseline, candidate)
        case _:
            return paired_t(deltas)


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


def _largest_changes(metric: Metric, pairing: _Pairing) -> list[Change]:
    """The datapoints that changed most, the worst first; where they tie, in the dataset's order."""
    moved = [
        (metric.sign * (ours - theirs), pairing.candidate.position(row), row, ours, theirs)
        for row, ours, theirs in pairing.scores(metric)
        if abs(ours - theirs) > TIE
    ]
    ids = list(pairing.candidate.rows)
    worst = heapq.nsmallest(KEPT_CHANGES, (m for m in moved if m[0] < 0))
    best = heapq.nsmallest(KEPT_CHANGES, (m for m in moved if m[0] > 0), key=lambda m: (-m[0], m[1]))
    return [
        Change(
            datapoint_id=ids[row],
            line=pairing.candidate.line(row),
            metric=metric.name,
            baseline=theirs,
            candidate=ours,
            better=delta > 0,
        )
        for delta, _, row, ours, theirs in [*worst, *best]
    ]
