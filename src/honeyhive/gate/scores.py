"""One run's scores as columns: what a comparison needs of a run, in a few bytes a datapoint."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import filterfalse, islice, zip_longest

from honeyhive.gate.aggregates import Aggregate
from honeyhive.gate.columns import Column, Columns, quotients, reach
from honeyhive.gate.metrics import Direction, Kind, Metric
from honeyhive.gate.must_pass import unscored, without_texts
from honeyhive.gate.rows import Rows
from honeyhive.gate.samples import pass_hat_k
from honeyhive.gate.sources import Gaps, Sources
from honeyhive.gate.statistics import TIE
from honeyhive.gate.student import mean
from honeyhive.result import BUILT_IN, ERRORS, LATENCY, TAG_MUST_PASS, Failed, Outcome, RunResult, Scored

ABSENT = 0
"""What stands for the content of a datapoint that a run does not have."""


@dataclass(frozen=True, kw_only=True)
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

    @cached_property
    def mean(self) -> float | None:
        """The mean score, every datapoint with the same weight whatever its repeats; `None` of nothing."""
        return mean(self.scores) if self.scores else None

    def value(self, aggregate: Aggregate | None) -> float | None:
        """What the scores come to: their mean, or what the aggregate says. `None` where there are too few."""
        return self.mean if aggregate is None else aggregate.of(self.scores)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunScores:
    """One metric of one run, by row.

    `means` are the mean scores of the datapoints, an error counting as the worst; NaN, with which nothing is computed,
    where the metric does not apply or no worst is known. `faulty` is 1 where an error stands where a score should.
    """

    measured: bool
    means: array[float]
    faulty: bytearray

    def sample(self, rows: Sequence[int]) -> Sample:
        """The metric over these rows, which the run has."""
        found = array("d", filterfalse(math.isnan, map(self.means.__getitem__, rows)))
        errors = sum(map(self.faulty.__getitem__, rows))
        unknown = sum(1 for row in rows if self.faulty[row] and math.isnan(self.means[row])) if errors else 0
        return Sample(
            measured=self.measured,
            scores=found if self.measured else array("d"),
            count=len(rows),
            errors=errors,
            not_applicable=len(rows) - len(found) - unknown,
        )

    def is_faulty(self, row: int) -> bool:
        """Whether an error stands where a score should."""
        return self.faulty[row] > 0


class ScoreTable:
    """The outcomes of one run, by datapoint; repeats are folded into their datapoint as they are read.

    `rows` is shared with the tables of other runs. `labels` are the metrics whose scores are labels. `present` has the
    rows of the run, and `contents` a number for what is in each row, or `ABSENT`. What is tagged is kept as it came.
    An outcome that knows nothing of a metric which an evaluator gave elsewhere in the run is an error of it. Raises
    `RunFileError` of a run with too many metrics.
    """

    def __init__(self, run: RunResult, rows: Rows | None = None, labels: Iterable[str] = ()) -> None:
        self.rows = Rows() if rows is None else rows
        self.tagged: dict[int, list[Outcome]] = {}
        self.present = array("i")
        self.contents = array("q")
        self.repeated = False
        self._repeats = run.repeats
        self._labels = frozenset(labels)
        self._answers = 0
        self._attempts = array("i")
        self._failures = array("i")
        self._erred = array("i")
        self._columns = Columns()
        self._evaluators = list(dict.fromkeys(evaluator.name for evaluator in run.evaluators))
        self._sources = Sources(run.evaluators)
        self._scoring = self._sources.metrics
        self._sourced = False
        self._gaps = Gaps()
        for outcome in run.outcomes:
            if not self._sourced and isinstance(outcome, Scored) and outcome.sources:
                self._begin_sources(run)
            self._add(outcome)
        self._add_missing()

    def __len__(self) -> int:
        """How many datapoints there are."""
        return len(self.present)

    @property
    def metrics(self) -> list[str]:
        """The metrics that some datapoint has: in the order of the evaluators, then by name, the built-in ones last."""
        given = (name for evaluator in self._evaluators for name in (evaluator, *self._sources.beside(evaluator)))
        known = [name for name in dict.fromkeys(given) if name in self._columns and name not in BUILT_IN]
        return [*known, *sorted(self._columns.keys() - {*known, *BUILT_IN}), *BUILT_IN]

    @property
    def errors(self) -> int:
        """How many datapoints went wrong, in the function or in an evaluator, in any of their repeats."""
        return sum(1 for erred in self._erred if erred)

    def has(self, name: str) -> bool:
        """Whether some datapoint has a score of this metric."""
        if name == ERRORS:
            return bool(self.present)
        return name in self._columns and not self._columns[name].empty

    def kind(self, name: str) -> Kind | None:
        """The metric's kind as its values tell it: `True`/`False` make a rate, numbers a score."""
        if name == ERRORS:
            return Kind.RATE
        if not self.has(name):
            return None
        return Kind.RATE if self._columns[name].pass_fail else Kind.SCORE

    def numeric(self, name: str) -> bool:
        """Whether there are scores, and none of them is `True` or `False`."""
        return self.has(name) and name != ERRORS and self._columns[name].numeric

    def binary(self, name: str) -> bool:
        """Whether there is no score but 0 and 1."""
        return name == ERRORS or name not in self._columns or self._columns[name].binary

    def all_or_nothing(self, name: str) -> bool:
        """Whether every datapoint either passes or fails: one repeat, and no score but 0 and 1."""
        return not self.repeated and self.binary(name)

    def beyond(self, metric: Metric) -> bool:
        """Whether some score lies outside of the range that the metric is said to have."""
        if metric.bounds is None or not self.has(metric.name) or metric.name == ERRORS:
            return False
        column = self._columns[metric.name]
        return column.low < metric.bounds[0] - TIE or column.high > metric.bounds[1] + TIE

    def untold(self, metric: Metric) -> int:
        """How many outcomes that did not crash say nothing of the metric, not even that it does not apply."""
        return 0 if metric.name == ERRORS else self._column(metric.name).untold(self._answers, worst=metric.worst)

    def label(self, name: str, row: int) -> int:
        """A number for the labels that the datapoint got; 0 where it got none."""
        labels = self._column(name).labels
        return labels[row] if row < len(labels) else 0

    def source(self, name: str) -> str | None:
        """The evaluator that gives the metric, as far as it is known."""
        return self._sources.of(name)

    def scores(self, metric: Metric) -> RunScores:
        """The metric's scores by row, of all the rows that there are."""
        column, length = self._column(metric.name), len(self.rows)
        totals, counts = (self._erred, self._attempts) if metric.name == ERRORS else (column.total, column.scored)
        means, faulty = quotients(totals, counts, length), bytearray(length)
        for row, faults in enumerate(self._faults(metric.name)):
            if faults:
                faulty[row] = 1
                means[row] = math.nan if metric.worst is None else column.mean_with(faults, metric.worst, row)
        return RunScores(measured=self.has(metric.name), means=means, faulty=faulty)

    def sample(self, metric: Metric) -> Sample:
        """The metric over all datapoints of the run."""
        return self.scores(metric).sample(self.present)

    def pass_hat_k(self, metric: Metric) -> float | None:
        """The chance that all repeats of a datapoint pass; `None` but for a pass/fail metric with several repeats."""
        column, k = self._column(metric.name), self._repeats
        if metric.kind is not Kind.RATE or k < 2 or column.empty or not column.binary:
            return None
        columns = zip_longest(column.total, column.scored, self._faults(metric.name), fillvalue=0)
        passes = [
            round(total if metric.direction is Direction.HIGHER else scored - total)
            for total, scored, faults in columns
            if scored + faults == k
        ]
        return pass_hat_k(passes, k, k) if passes else None

    def _column(self, name: str) -> Column:
        return self._columns.get(name) or Column()

    def _faults(self, name: str) -> Iterator[int]:
        """How many errors stand where a score should, by row; time is not measured by what crashed."""
        failures = () if name in BUILT_IN else self._failures
        return map(sum, zip_longest(self._column(name).faults, failures, fillvalue=0))

    def _begin_sources(self, run: RunResult) -> None:
        """From here on the metrics are more than the evaluators: look again at what came before."""
        self._sourced = True
        self._gaps = Gaps()
        for outcome in islice(run.outcomes, sum(self._attempts)):
            if isinstance(outcome, Scored):
                self._sources.learn(outcome)
                self._gaps.add(self.rows.number(outcome), outcome)

    def _add(self, outcome: Outcome) -> None:
        row = self._row(outcome)
        self._attempts[row] += 1
        if TAG_MUST_PASS in outcome.tags:
            self._add_tagged(row, outcome)
        match outcome:
            case Failed():
                reach(row, self._failures)
                self._failures[row] += 1
                self._add_erred(row)
            case Scored():
                self._add_scores(row, outcome)

    def _add_tagged(self, row: int, outcome: Outcome) -> None:
        self.tagged.setdefault(row, []).append(without_texts(outcome))
        if isinstance(outcome.retry, Scored):
            for name in outcome.retry.scores.keys() - {*BUILT_IN}:
                self._columns[name]  # a metric, if one without scores, for they count for nothing else

    def _row(self, outcome: Outcome) -> int:
        row = self.rows.number(outcome)
        if row >= len(self.contents):
            reach(row, self.contents, self._attempts)
        if self.contents[row] == ABSENT:
            self.present.append(row)
            self.contents[row] = hash(outcome.content_hash) or ~ABSENT
        else:
            self.repeated = True
        return row

    def _add_scores(self, row: int, outcome: Scored) -> None:
        """Count what one outcome says; under the name of a built-in metric nobody has a say but the run itself."""
        self._answers += 1
        if self._sourced:
            self._sources.learn(outcome)
            outcome = self._sources.settled(outcome)
        for name, score in outcome.scores.items():
            if name not in BUILT_IN and name not in outcome.faults:
                column = self._columns[name]
                if name in self._labels:
                    column.add_label(row, score, ground_truth=outcome.ground_truth, note=outcome.notes.get(name))
                else:
                    column.add(row, score)
        if self._sourced or unscored(outcome, self._scoring):
            self._gaps.add(row, outcome)
        if outcome.faults:
            self._add_faults(row, outcome.faults)
            self._add_erred(row)
        if outcome.duration_ms is not None:
            self._columns[LATENCY].add(row, float(outcome.duration_ms))

    def _add_faults(self, row: int, names: Iterable[str]) -> None:
        for name in names:
            if name not in BUILT_IN:
                self._columns[name].add_fault(row)

    def _add_erred(self, row: int) -> None:
        reach(row, self._erred)
        self._erred[row] += 1

    def _add_missing(self) -> None:
        """Count the scores that are not there as errors, now that it is known which metrics have any."""
        measured = frozenset(filter(self.has, self._sources.metrics))
        for row, missing, erred in self._gaps.of(measured):
            self._add_faults(row, missing)
            if not erred:
                self._add_erred(row)
        self._gaps = Gaps()
        for name in self._evaluators:  # one that gives only other metrics has none of its own, if errors
            if not self.has(name) and self._sources.beside(name):
                self._columns.pop(name, None)
        for outcomes in self.tagged.values():
            outcomes[:] = [self._sources.completed(outcome, measured) for outcome in outcomes]
