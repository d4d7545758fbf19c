"""One run's scores as columns: what a comparison needs of a run, in a few bytes a datapoint."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from honeyhive.gate.metrics import BUILT_IN, ERRORS, LATENCY, Kind, Metric
from honeyhive.gate.statistics import TIE
from honeyhive.gate.student import mean, saturated
from honeyhive.result import Failed, Outcome, RunResult, Score, Scored

_NO_LINE = -1


class Column:
    """One metric's scores, summed over the repeats of each datapoint (by row)."""

    def __init__(self) -> None:
        self.total = array("d")
        self.scored = array("l")
        self.faults = array("l")
        self.low = math.inf
        self.high = -math.inf
        self.pass_fail = True
        self.binary = True

    def add(self, row: int, score: Score) -> None:
        """Count one score; `None`, not applicable, is neither a score nor a fault."""
        self._reach(row)
        if score is None:
            return
        self.pass_fail = self.pass_fail and isinstance(score, bool)
        self.binary = self.binary and score in (0, 1)
        self.low, self.high = min(self.low, score), max(self.high, score)
        self.total[row] = saturated(self.total[row] + score)
        self.scored[row] += 1

    def add_fault(self, row: int) -> None:
        """Count one evaluator that gave no score."""
        self._reach(row)
        self.faults[row] += 1

    @property
    def empty(self) -> bool:
        """Whether no datapoint has a score."""
        return not any(self.scored)

    def _reach(self, row: int) -> None:
        missing = row + 1 - len(self.total)
        if missing > 0:
            self.total.extend([0.0] * missing)
            self.scored.extend([0] * missing)
            self.faults.extend([0] * missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean:
    """The mean of one metric over the `n` datapoints that count, of `count` in all.

    `errors` of them had an error where a score should be; they count as the worst score, where that is known. The
    metric is `measured` where at least one outcome has a score of it; where none has, there is no mean.
    """

    measured: bool
    value: float | None
    n: int
    count: int
    errors: int
    not_applicable: int


class ScoreTable:
    """The outcomes of one run, by datapoint; repeats are folded into their datapoint as they are read."""

    def __init__(self, run: RunResult) -> None:
        self.rows: dict[str, int] = {}
        self.hashes: list[str] = []
        self.repeated = False
        self._lines = array("l")
        self._positions = array("l")
        self._attempts = array("l")
        self._failures = array("l")
        self._erred = array("l")
        self._columns: dict[str, Column] = {}
        self._evaluators = [evaluator.name for evaluator in run.evaluators]
        self.add_all(run.outcomes)

    def add_all(self, outcomes: Iterable[Outcome]) -> None:
        """Read outcomes, each once."""
        for outcome in outcomes:
            self._add(outcome)

    def __len__(self) -> int:
        """How many datapoints there are."""
        return len(self.rows)

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
            return bool(self.rows)
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

    def score(self, metric: Metric, row: int) -> float | None:
        """The datapoint's mean score; an error counts as the worst. `None`: not applicable, or no worst is known."""
        if metric.name == ERRORS:
            return self._erred[row] / self._attempts[row]
        total, scored, faults = self._sums(metric.name, row)
        if faults and metric.worst is None:
            return None
        counted = scored + faults
        return saturated((total + faults * (metric.worst or 0.0)) / counted) if counted else None

    def faulty(self, metric: Metric, row: int) -> bool:
        """Whether an error stands where a score should."""
        return metric.name != ERRORS and self._sums(metric.name, row)[2] > 0

    def mean(self, metric: Metric) -> Mean:
        """The metric's mean over all datapoints of the run, each with the same weight whatever its repeats."""
        measured = self.has(metric.name)
        found: list[float] = []
        errors = inapplicable = 0
        for row in range(len(self)):
            score, faulty = self.score(metric, row), self.faulty(metric, row)
            errors += faulty
            inapplicable += score is None and not faulty
            if score is not None and measured:
                found.append(score)
        return Mean(
            measured=measured,
            value=mean(found) if found else None,
            n=len(found),
            count=len(self),
            errors=errors,
            not_applicable=inapplicable,
        )

    def _sums(self, name: str, row: int) -> tuple[float, int, int]:
        """Sum and count of the scores, and the count of errors; time is not measured by what crashed."""
        column = self._columns.get(name)
        failures = 0 if name == LATENCY else self._failures[row]
        if column is None or row >= len(column.total):
            return 0.0, 0, failures
        return column.total[row], column.scored[row], column.faults[row] + failures

    def _add(self, outcome: Outcome) -> None:
        row = self._row(outcome)
        self._attempts[row] += 1
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
                self._column(name).add(row, score)
        for name in outcome.faults:
            if name not in BUILT_IN:
                self._column(name).add_fault(row)
        if outcome.duration_ms is not None:
            self._column(LATENCY).add(row, float(outcome.duration_ms))

    def _row(self, outcome: Outcome) -> int:
        row = self.rows.get(outcome.datapoint_id)
        if row is not None:
            self.repeated = True
            return row
        row = self.rows[outcome.datapoint_id] = len(self.rows)
        self.hashes.append(outcome.content_hash)
        self._lines.append(_NO_LINE if outcome.line is None else outcome.line)
        self._positions.append(outcome.index)
        for counts in (self._attempts, self._failures, self._erred):
            counts.append(0)
        return row

    def _column(self, name: str) -> Column:
        return self._columns.setdefault(name, Column())
