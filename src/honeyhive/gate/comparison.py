"""Two runs held against each other, datapoint by datapoint: `compare()` makes a `Comparison`."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from honeyhive.gate.checks import Place
from honeyhive.gate.metrics import Kind, Metric, default_metric
from honeyhive.gate.must_pass import Tagged
from honeyhive.gate.pairing import MetricPairing, Pairing
from honeyhive.gate.pairs import PairedScores, Pairs
from honeyhive.gate.rows import Rows
from honeyhive.gate.scores import Sample, ScoreTable
from honeyhive.gate.statistics import TIE
from honeyhive.result import LATENCY, RunResult

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
    whether either run has scores outside of the range. `untold` counts the candidate's outcomes that did not crash and
    say nothing of it. `evaluator` gives it, as far as that is known.
    `evaluator_changed` and `kind_changed` are two ways to be `redefined`: another evaluator, or one that says `True`
    and `False` in one run and gives other numbers in the other. `relabelled` counts the pairs whose label is another,
    `unclustered` those whose datapoint says nothing of its cluster. `all_passed` is pass^k of candidate and baseline.
    """

    metric: Metric
    candidate: Sample
    baseline: Sample | None
    removed: Sample | None = None
    pairs: Pairs | None = None
    unbounded_errors: bool = False
    beyond_range: bool = False
    untold: int = 0
    evaluator: str | None = None
    evaluator_changed: bool = False
    kind_changed: bool = False
    relabelled: int | None = None
    unclustered: int = 0
    all_passed: tuple[float | None, float | None] = (None, None)

    @property
    def measured(self) -> bool:
        """Whether any outcome of the candidate has a score of it."""
        return self.candidate.measured

    @property
    def redefined(self) -> bool:
        """Whether it is known not to be the same metric in both runs."""
        return self.evaluator_changed or self.kind_changed


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A candidate held against a baseline, or alone where there is none.

    `untagged` are the first datapoints that have the tag `must-pass` in the baseline and not in the candidate, whether
    it was taken off or they were removed.
    """

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
    untagged: tuple[Place, ...] = ()

    @property
    def paired_share(self) -> float:
        """The share of the baseline's datapoints that the candidate has unchanged.

        Rows that the candidate adds are no reason to mistrust the others. A candidate limited to its first rows
        has by intention not all of the baseline's: then it is the share of the candidate's.
        """
        whole = self.count if _is_cut(self.candidate, self.count) else self.baseline_count
        return self.paired / whole if whole else 0.0


def compare(candidate: RunResult, baseline: RunResult | None, metrics: Sequence[Metric] = ()) -> Comparison:
    """Hold `candidate` against `baseline`; `metrics` says what the user declared of some of them.

    Datapoints pair up by id and content hash; the same id with other content counts as edited. Both runs' outcomes
    are read once, and take some hundred bytes a datapoint, whatever they hold; of what is tagged `must-pass`, scores
    and errors are kept as they are.
    """
    declared = {metric.name: metric for metric in metrics}
    pairing = Pairing(candidate, baseline, metrics)
    ours, theirs = pairing.candidate, pairing.baseline
    has_changed = _evaluator_changes(pairing, candidate, baseline)
    compared: dict[str, MetricComparison] = {}
    changes: list[Change] = []
    removed: dict[int, dict[str, float]] = {row: {} for row in pairing.first_removed(KEPT)}
    for name in dict.fromkeys([*declared, *ours.metrics]):
        metric = declared.get(name) or default_metric(name)
        both = pairing.of(settled(metric, pairing.tables))
        scores = both.paired()
        compared[name] = _compare_metric(both, scores, declared=metric, evaluator_changed=has_changed(name))
        if scores is not None and name != LATENCY:
            changes += _largest_changes(scores, pairing.rows)
        for row, found in removed.items():
            found.update(both.baseline_score(row))
    return Comparison(
        candidate=candidate,
        baseline=baseline,
        count=len(ours),
        errors=ours.errors,
        baseline_count=len(theirs) if theirs is not None else 0,
        baseline_errors=theirs.errors if theirs is not None else 0,
        paired=len(pairing.paired),
        added=pairing.added,
        removed=len(pairing.removed),
        edited=pairing.edited,
        metrics=compared,
        changes=tuple(changes),
        removed_datapoints=tuple(_removed(pairing.rows, removed)),
        tagged=tuple(_tagged(ours)),
        untagged=tuple(_untagged(pairing, cut=_is_cut(candidate, len(ours)))),
    )


def _is_cut(candidate: RunResult, count: int) -> bool:
    """Whether the candidate ran the first rows of its dataset only."""
    return candidate.limit is not None and count >= candidate.limit


def settled(metric: Metric, tables: Sequence[ScoreTable]) -> Metric:
    """The metric with the kind that its values tell, where neither its name nor the user did.

    Where that changed, it is what the first of the runs has.
    """
    if metric.kind is not None:
        return metric.of_kind(metric.kind)
    kinds = [kind for table in tables if (kind := table.kind(metric.name)) is not None]
    if not kinds:
        return metric
    if kind_changed(metric, tables):
        return metric.of_kind(kinds[0])
    rate = set(kinds) == {Kind.RATE} or _told_apart(metric, tables)
    return metric.of_kind(Kind.RATE if rate else Kind.SCORE)


def kind_changed(metric: Metric, tables: Sequence[ScoreTable]) -> bool:
    """Whether nobody says what kind it is, and it is `True` or `False` in one run and other numbers in another."""
    return _told_apart(metric, tables) and not all(table.binary(metric.name) for table in tables)


def _told_apart(metric: Metric, tables: Sequence[ScoreTable]) -> bool:
    """Whether one run has nothing but `True` and `False`, and another nothing but numbers; 0 and 1 mean the same."""
    booleans = any(table.kind(metric.name) is Kind.RATE for table in tables)
    return metric.kind is None and booleans and any(table.numeric(metric.name) for table in tables)


def _compare_metric(
    both: MetricPairing, scores: PairedScores | None, *, declared: Metric, evaluator_changed: bool
) -> MetricComparison:
    metric, pairing = both.metric, both.pairing
    ours, theirs = pairing.candidate, pairing.baseline
    changed = kind_changed(declared, pairing.tables)
    return MetricComparison(
        metric=metric,
        candidate=both.candidate.sample(ours.present),
        baseline=None if theirs is None or both.baseline is None else both.baseline.sample(theirs.present),
        removed=None if both.baseline is None else both.baseline.sample(pairing.removed),
        pairs=None if scores is None else scores.tested(),
        unbounded_errors=metric.errors_unbounded and both.erred(),
        beyond_range=any(table.beyond(metric) for table in (pairing.tables[:1] if changed else pairing.tables)),
        untold=ours.untold(metric),
        evaluator=ours.source(metric.name),
        evaluator_changed=evaluator_changed,
        kind_changed=changed,
        relabelled=both.relabelled(scores.rows) if scores is not None and metric.labels else None,
        unclustered=0 if scores is None or scores.clusters is None else sum(1 for at in scores.clusters if at == 0),
        all_passed=(ours.pass_hat_k(metric), None if theirs is None else theirs.pass_hat_k(metric)),
    )


def _evaluator_changes(pairing: Pairing, candidate: RunResult, baseline: RunResult | None) -> Callable[[str], bool]:
    """Whether a metric is known not to be of the same evaluator in both runs.

    A fingerprint that is not there tells nothing, but two evaluators with different names are two. A run that names
    none of its evaluators tells nothing either, but of costs, which come without one too: from spans.
    """
    if pairing.baseline is None or baseline is None:
        return lambda _: False
    source, was_source = pairing.candidate.source, pairing.baseline.source
    before = {evaluator.name: evaluator.fingerprint for evaluator in baseline.evaluators}
    now = {evaluator.name: evaluator.fingerprint for evaluator in candidate.evaluators}

    def changed(metric: str) -> bool:
        giver, was = source(metric), was_source(metric)
        if not all(table.has(metric) for table in pairing.tables):
            return False
        if giver is None or was is None:
            without = candidate if giver is None else baseline
            return giver != was and (bool(without.evaluators) or default_metric(metric).kind is Kind.COST)
        ours, theirs = now.get(giver), before.get(was)
        return ours != theirs if ours and theirs else giver != was

    return changed


def _largest_changes(scores: PairedScores, rows: Rows) -> Iterator[Change]:
    """The datapoints that changed most, the worst first; where they tie, in the dataset's order."""

    def moved(way: int) -> Iterator[tuple[float, int, int]]:
        for at, delta in enumerate(scores.deltas):
            if way * delta < -TIE:
                yield way * delta, rows.position(scores.rows[at]), at

    for way in (1, -1):
        for _, _, at in heapq.nsmallest(KEPT, moved(way)):
            place = rows.place(scores.rows[at])
            yield Change(
                datapoint_id=place.datapoint_id,
                line=place.line,
                metric=scores.metric.name,
                baseline=scores.baseline[at],
                candidate=scores.candidate[at],
                better=way < 0,
            )


def _removed(rows: Rows, scores: Mapping[int, Mapping[str, float]]) -> Iterator[Removed]:
    for row, found in scores.items():
        place = rows.place(row)
        yield Removed(datapoint_id=place.datapoint_id, line=place.line, scores=found)


def _tagged(candidate: ScoreTable) -> Iterator[Tagged]:
    rows = candidate.rows
    for row in sorted(candidate.tagged, key=rows.position):
        yield Tagged(place=rows.place(row), outcomes=tuple(candidate.tagged[row]))


def _untagged(pairing: Pairing, *, cut: bool) -> Iterator[Place]:
    ours, theirs, rows = pairing.candidate, pairing.baseline, pairing.rows
    gone = theirs.tagged.keys() - ours.tagged.keys() if theirs is not None else set()
    if cut:  # what was not run is not removed
        gone -= {*pairing.removed}
    for row in heapq.nsmallest(KEPT, gone, key=lambda row: (rows.position(row), row)):
        yield rows.place(row)
