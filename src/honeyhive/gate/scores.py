"""One run's scores as columns: what a comparison needs of a run, in a few bytes a datapoint."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from honeyhive.documents import canonical_json
from honeyhive.gate.aggregates import Aggregate
from honeyhive.gate.metrics import BUILT_IN, ERRORS, LATENCY, Direction, Kind, Metric, expected
from honeyhive.gate.must_pass import TAG
from honeyhive.gate.samples import pass_hat_k
from honeyhive.gate.statistics import TIE
from honeyhive.gate.student import mean, saturated
from honeyhive.result import Failed, Outcome, RunResult, Score, Scored

_NO_LINE = -1


class Rows:
    """The datapoints of the runs that are held against each other: each has one number, in all of them."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        """How many datapoints there are in all the runs together."""
        return len(self.ids)

    def number(self, datapoint_id: str) -> int:
        """The datapoint's row; a new one where it was not seen before."""
        row = self._numbers.get(datapoint_id)
        if row is None:
            row = self._numbers[datapoint_id] = len(self.ids)
            self.ids.append(datapoint_id)
        return row


class Column:
    """One metric's scores, summed over the repeats of each datapoint (by row)."""

    def __init__(self) -> None:
        self.total = array("d")
        self.scored = array("l")
        self.faults = array("l")
        self.labels = array("q")
        self.low = math.inf
        self.high = -math.inf
        self.pass_fail = True
        self.binary = True

    def add(self, row: int, score: Score) -> None:
        """Count one score; `None`, not applicable, is neither a score nor a fault."""
        if score is None:
            return
        _reach(row, self.total, self.scored)
        self.pass_fail = self.pass_fail and isinstance(score, bool)
        self.binary = self.binary and score in (0, 1)
        self.low, self.high = min(self.low, score), max(self.high, score)
        self.total[row] = saturated(self.total[row] + score)
        self.scored[row] += 1

    def add_fault(self, row: int) -> None:
        """Count one evaluator that gave no score."""
        _reach(row, self.faults)
        self.faults[row] += 1

    def add_label(self, row: int, label: Any) -> None:
        """Remember the label, in whatever order the repeats come."""
        _reach(row, self.labels)
        self.labels[row] = _wrapped(self.labels[row] + hash(label))

    @property
    def empty(self) -> bool:
        """Whether no datapoint has a score."""
        return not any(self.scored)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One metric of one run: the scores of the datapoints that count, of `count` in all.

    `errors` of the datapoints had an error where a score should be; they count as the worst score, where that is
    known. The metric is `measured` where at least one outcome has a score of it; where none has, there is no mean.
    """

    measured: bool
    scores: Sequence[float] = field(repr=False)
    count: int
    errors: int
    not_applicable: int

    @property
    def n(self) -> int:
        """How many datapoints count."""
        return len(self.scores)

    @property
    def mean(self) -> float | None:
        """The mean score, every datapoint with the same weight whatever its repeats; `None` of nothing."""
        return mean(self.scores) if self.scores else None

    def value(self, aggregate: Aggregate | None) -> float | None:
        """What the scores come to: their mean, or what the aggregate says. `None` where there are too few."""
        return self.mean if aggregate is None else aggregate.of(self.scores)


class ScoreTable:
    """The outcomes of one run, by datapoint; repeats are folded into their datapoint as they are read.

    `rows` is shared with the tables of other runs, so that a datapoint has the same row in all. `metrics` are what the
    user has declared: the labels and the clusters among them have to be known before the outcomes are read.
    """

    def __init__(self, run: RunResult, rows: Rows | None = None, metrics: Iterable[Metric] = ()) -> None:
        self.rows = Rows() if rows is None else rows
        self.tagged: dict[int, list[Outcome]] = {}
        self.repeated = False
        self._repeats = run.repeats
        self._declared = {metric.name: metric for metric in metrics}
        self._count = 0
        self._hashes = array("q")
        self._lines = array("q")
        self._positions = array("q")
        self._attempts = array("l")
        self._failures = array("l")
        self._erred = array("l")
        self._columns: dict[str, Column] = {}
        keys = {metric.cluster for metric in self._declared.values()} - {None}
        self._clusters: dict[str, array[int]] = {key: array("q") for key in keys if key is not None}
        self._evaluators = [evaluator.name for evaluator in run.evaluators]
        for outcome in run.outcomes:
            self._add(outcome)

    def __len__(self) -> int:
        """How many datapoints there are."""
        return self._count

    def __contains__(self, row: int) -> bool:
        """Whether the run has this row."""
        return row < len(self._attempts) and self._attempts[row] > 0

    @property
    def metrics(self) -> list[str]:
        """The metrics that some datapoint has: in the order of the evaluators, then by name, the built-in ones last."""
        known = [name for name in self._evaluators if name in self._columns and name not in BUILT_IN]
        return [*known, *sorted(self._columns.keys() - {*known, *BUILT_IN}), *BUILT_IN]

    @property
    def errors(self) -> int:
        """How many datapoints went wrong, in the function or in an evaluator, in any of their repeats."""
        return sum(1 for erred in self._erred if erred)

    def has(self, name: str) -> bool:
        """Whether some datapoint has a score of this metric."""
        if name == ERRORS:
            return bool(self._count)
        return name in self._columns and not self._columns[name].empty

    def kind(self, name: str) -> Kind | None:
        """The metric's kind as its values tell it: `True`/`False` make a rate, numbers a score."""
        if name == ERRORS:
            return Kind.RATE
        column = self._columns.get(name)
        if column is None or column.empty:
            return None
        return Kind.RATE if column.pass_fail else Kind.SCORE

    def all_or_nothing(self, name: str) -> bool:
        """Whether every datapoint either passes or fails: one repeat, and no score but 0 and 1."""
        if self.repeated:
            return False
        return name == ERRORS or name not in self._columns or self._columns[name].binary

    def beyond(self, metric: Metric) -> bool:
        """Whether some score lies outside of the range that the metric is said to have."""
        column = self._columns.get(metric.name)
        if column is None or column.empty or metric.bounds is None:
            return False
        return column.low < metric.bounds[0] - TIE or column.high > metric.bounds[1] + TIE

    def line(self, row: int) -> int | None:
        """The dataset line of the datapoint."""
        return None if self._lines[row] == _NO_LINE else self._lines[row]

    def position(self, row: int) -> int:
        """Where the datapoint stands in its dataset."""
        return self._positions[row]

    def same_content(self, other: ScoreTable, row: int) -> bool:
        """Whether the datapoint has the same inputs and ground truth in both runs."""
        return self._hashes[row] == other._hashes[row]

    def cluster(self, key: str, row: int) -> int:
        """A number for the datapoint's cluster; 0 where it has no such key, for all that have none."""
        return self._clusters[key][row]

    def label(self, name: str, row: int) -> int:
        """A number for the labels that the datapoint got."""
        labels = self._columns[name].labels
        return labels[row] if row < len(labels) else 0

    def score(self, metric: Metric, row: int) -> float | None:
        """The datapoint's mean score; an error counts as the worst. `None`: not applicable, or no worst is known."""
        if metric.name == ERRORS:
            return self._erred[row] / self._attempts[row]
        total, scored, faults = self._sums(metric.name, row)
        if not faults:
            return saturated(total / scored) if scored else None
        if metric.worst is None:
            return None
        return saturated((total + faults * metric.worst) / (scored + faults))

    def faulty(self, metric: Metric, row: int) -> bool:
        """Whether an error stands where a score should."""
        return metric.name != ERRORS and self._sums(metric.name, row)[2] > 0

    def sample(self, metric: Metric, rows: Iterable[int] | None = None) -> Sample:
        """The metric over all datapoints of the run, or over these rows of it."""
        measured = self.has(metric.name)
        found = array("d")
        count = errors = inapplicable = 0
        for row in filter(self.__contains__, range(len(self.rows)) if rows is None else rows):
            score, faulty = self.score(metric, row), self.faulty(metric, row)
            count += 1
            errors += faulty
            if score is None:
                inapplicable += not faulty
            elif measured:
                found.append(score)
        return Sample(measured=measured, scores=found, count=count, errors=errors, not_applicable=inapplicable)

    def pass_hat_k(self, metric: Metric) -> float | None:
        """The chance that all repeats of a datapoint pass; `None` but for a pass/fail metric with several repeats."""
        column = self._columns.get(metric.name)
        k = self._repeats
        if metric.kind is not Kind.RATE or k < 2 or column is None or not column.binary:
            return None
        passes: list[int] = []
        for row in filter(self.__contains__, range(len(self.rows))):
            total, scored, faults = self._sums(metric.name, row)
            if scored + faults == k:
                passes.append(round(total if metric.direction is Direction.HIGHER else scored - total))
        return pass_hat_k(passes, k, k) if passes else None

    def _sums(self, name: str, row: int) -> tuple[float, int, int]:
        """Sum and count of the scores, and the count of errors; time is not measured by what crashed."""
        failures = 0 if name == LATENCY else self._failures[row]
        column = self._columns.get(name)
        if column is None:
            return 0.0, 0, failures
        if row < len(column.faults):
            failures += column.faults[row]
        if row >= len(column.total):
            return 0.0, 0, failures
        return column.total[row], column.scored[row], failures

    def _add(self, outcome: Outcome) -> None:
        row = self._row(outcome)
        self._attempts[row] += 1
        if TAG in outcome.tags:
            self.tagged.setdefault(row, []).append(_slim(outcome))
        match outcome:
            case Failed():
                self._failures[row] += 1
                self._erred[row] += 1
            case Scored():
                self._add_scores(row, outcome)
                self._erred[row] += bool(outcome.faults)

    def _add_scores(self, row: int, outcome: Scored) -> None:
        """Count what one outcome says; under the name of a built-in metric nobody has a say but the run itself."""
        for name, score in outcome.scores.items():
            if name not in BUILT_IN and name not in outcome.faults:
                declared = self._declared.get(name)
                if declared is not None and declared.labels:
                    self._add_label(row, name, score, outcome)
                else:
                    self._column(name).add(row, score)
        for name in outcome.faults:
            if name not in BUILT_IN:
                self._column(name).add_fault(row)
        if outcome.duration_ms is not None:
            self._column(LATENCY).add(row, float(outcome.duration_ms))

    def _add_label(self, row: int, name: str, score: Score, outcome: Scored) -> None:
        column = self._column(name)
        column.add(row, expected(score, outcome.ground_truth))
        # An evaluator that compares labels itself tells the label beside its score.
        column.add_label(row, outcome.notes.get(name, score) if isinstance(score, bool) else score)

    def _row(self, outcome: Outcome) -> int:
        row = self.rows.number(outcome.datapoint_id)
        if row in self:
            self.repeated = True
            return row
        self._count += 1
        _reach(row, self._hashes, self._lines, self._positions, self._attempts, self._failures, self._erred)
        self._hashes[row] = hash(outcome.content_hash)
        self._lines[row] = _NO_LINE if outcome.line is None else outcome.line
        self._positions[row] = outcome.index
        for key, clusters in self._clusters.items():
            _reach(row, clusters)
            clusters[row] = _cluster(outcome, key)
        return row

    def _column(self, name: str) -> Column:
        return self._columns.setdefault(name, Column())


def _reach(row: int, *columns: array[Any]) -> None:
    """Make the columns long enough to have the row."""
    for column in columns:
        missing = row + 1 - len(column)
        if missing == 1:
            column.append(0)
        elif missing > 0:
            column.frombytes(bytes(missing * column.itemsize))


def _slim(outcome: Outcome) -> Outcome:
    """The outcome without the texts, which its verdict does not need."""
    retry = None if outcome.retry is None else _slim(outcome.retry)
    ground_truth = outcome.ground_truth if isinstance(outcome.ground_truth, int | float) else None
    slim = replace(outcome, inputs=None, ground_truth=ground_truth, metadata={}, retry=retry)
    return replace(slim, output=None, notes={}) if isinstance(slim, Scored) else slim


def _cluster(outcome: Outcome, key: str) -> int:
    for values in (outcome.inputs, outcome.metadata):
        if isinstance(values, Mapping) and values.get(key) is not None:
            return hash(canonical_json(values[key])) or 1
    return 0


def _wrapped(number: int) -> int:
    """The number as 64 bits with a sign."""
    return (number + 2**63) % 2**64 - 2**63
