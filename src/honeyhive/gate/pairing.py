"""Which datapoints two runs share: `Pairing`, and one metric of both runs, `MetricPairing`."""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from honeyhive.errors import NoDecisionError, RunFileError
from honeyhive.gate.metrics import Kind, Metric
from honeyhive.gate.pairs import PairedScores
from honeyhive.gate.rows import Rows
from honeyhive.gate.scores import ABSENT, RunScores, ScoreTable
from honeyhive.result import RunResult


class Pairing:
    """Both runs by datapoint: `paired` are the rows that they share, `removed` those that the candidate lacks.

    `metrics` are what the user has declared: the labels and the clusters among them have to be known before the
    outcomes are read. Raises `RunFileError` where the candidate has too many metrics, `NoDecisionError` where the
    baseline has.
    """

    def __init__(self, candidate: RunResult, baseline: RunResult | None, metrics: Collection[Metric] = ()) -> None:
        self.rows = Rows({metric.cluster for metric in metrics if metric.cluster is not None})
        labels = [metric.name for metric in metrics if metric.labels]
        # The candidate first: what is told of a datapoint is what the first run says that has it.
        self.candidate = ScoreTable(candidate, self.rows, labels)
        self.baseline = None if baseline is None else _of_baseline(baseline, self.rows, labels)
        self.rows.close()
        self.paired = array("i")
        self.removed = array("i")
        self.edited = self.added = 0
        if self.baseline is not None:
            self._pair_up(self.candidate.contents, self.baseline.contents)

    @property
    def tables(self) -> tuple[ScoreTable, ...]:
        """Those of the candidate and, where there is one, of the baseline."""
        return (self.candidate,) if self.baseline is None else (self.candidate, self.baseline)

    def first_removed(self, count: int) -> list[int]:
        """The first of the removed datapoints, in the order of the baseline's dataset."""
        return heapq.nsmallest(count, self.removed, key=self.rows.position)

    def of(self, metric: Metric) -> MetricPairing:
        """One metric, its kind settled, of both runs."""
        candidate = self.candidate.scores(metric)
        baseline = None if self.baseline is None else self.baseline.scores(metric)
        return MetricPairing(metric=metric, pairing=self, candidate=candidate, baseline=baseline)

    def _pair_up(self, candidate: Sequence[int], baseline: Sequence[int]) -> None:
        both = zip_longest(candidate, baseline, fillvalue=ABSENT)
        for row, (ours, theirs) in enumerate(islice(both, len(self.rows))):
            if ours == theirs:
                self.paired.append(row)
            elif theirs == ABSENT:
                self.added += 1
            elif ours == ABSENT:
                self.removed.append(row)
            else:
                self.edited += 1


def _of_baseline(run: RunResult, rows: Rows, labels: Sequence[str]) -> ScoreTable:
    try:
        return ScoreTable(run, rows, labels)
    except RunFileError as error:
        raise NoDecisionError(
            f"the baseline cannot be held against anything: {error.message}",
            file=error.file,
            line=error.line,
            hint="make it anew: honeyhive run",
        ) from error


@dataclass(frozen=True, kw_only=True)
class MetricPairing:
    """One metric of both runs by row: what its comparison is made of, and far more than is kept of it."""

    metric: Metric
    pairing: Pairing
    candidate: RunScores
    baseline: RunScores | None

    def paired(self) -> PairedScores | None:
        """The scores of the pairs that have both; `None` where one of the runs does not have the metric.

        An error in that run counts as the worst score, but a metric of nothing but errors says nothing.
        """
        if self.baseline is None or not (self.candidate.measured and self.baseline.measured):
            return None
        metric, ours, theirs = self.metric, self.candidate.means, self.baseline.means
        rows = array("i", (r for r in self.pairing.paired if not (math.isnan(ours[r]) or math.isnan(theirs[r]))))
        binary = all(table.all_or_nothing(metric.name) for table in self.pairing.tables)
        return PairedScores(
            metric=metric,
            rows=rows,
            candidate=array("d", map(ours.__getitem__, rows)),
            baseline=array("d", map(theirs.__getitem__, rows)),
            clusters=None if metric.cluster is None else self.pairing.rows.clusters(metric.cluster, rows),
            pass_fail=metric.kind is Kind.RATE and binary,
        )

    def erred(self) -> bool:
        """Whether in some pair an error stands where a score should."""
        runs = (run for run in (self.candidate, self.baseline) if run is not None)
        return self.baseline is not None and any(any(map(run.faulty.__getitem__, self.pairing.paired)) for run in runs)

    def baseline_score(self, row: int) -> Mapping[str, float]:
        """What the datapoint scored in the baseline, by the metric's name; nothing where it has no score."""
        if self.baseline is None or not self.baseline.measured or math.isnan(self.baseline.means[row]):
            return {}
        return {self.metric.name: self.baseline.means[row]}

    def relabelled(self, rows: Sequence[int]) -> int:
        """How many of these rows do not have the same label in all runs."""
        name, tables = self.metric.name, self.pairing.tables
        return sum(1 for row in rows if len({table.label(name, row) for table in tables}) > 1)
