"""One metric's scores in one run as numbers side by side, a `Column`; those of all its metrics, `Columns`."""

from __future__ import annotations

import math
from array import array
from itertools import islice, repeat, zip_longest
from typing import Any

from honeyhive.documents import canonical_json
from honeyhive.errors import RunFileError
from honeyhive.gate.metrics import expected
from honeyhive.gate.student import saturated
from honeyhive.result import BUILT_IN, LATENCY, Score

MOST_METRICS = 1_000
"""A run has no more: each takes a few bytes a datapoint, and a name for each datapoint makes as many again."""


class Column:
    """One metric's scores, summed over the repeats of each datapoint (by row).

    All of them are `True` or `False` (`pass_fail`), none of them is (`numeric`), all are 0 or 1 (`binary`). `told`
    counts the outcomes that have one, or say that it does not apply.
    """

    def __init__(self) -> None:
        self.total = array("d")
        self.scored = array("i")
        self.faults = array("i")
        self.labels = array("q")
        self.told = 0
        self.low = math.inf
        self.high = -math.inf
        self.pass_fail = True
        self.numeric = True
        self.binary = True

    def add(self, row: int, score: Score) -> None:
        """Count one score; `None`, not applicable, is neither a score nor a fault."""
        self.told += 1
        if score is None:
            return
        if isinstance(score, bool):
            self.numeric = False
        else:
            self.pass_fail = False
        if self.binary and score not in (0, 1):
            self.binary = False
        if not self.low <= score <= self.high:
            self.low, self.high = min(self.low, score), max(self.high, score)
        if row >= len(self.total):
            reach(row, self.total, self.scored)
        self.total[row] = saturated(self.total[row] + score)
        self.scored[row] += 1

    def add_fault(self, row: int) -> None:
        """Count one evaluator that gave no score."""
        if row >= len(self.faults):
            reach(row, self.faults)
        self.faults[row] += 1

    def add_label(self, row: int, score: Score, *, ground_truth: Any, note: str | None) -> None:
        """Count one label by whether it is the expected one, and remember it, in whatever order the repeats come.

        An evaluator that compares labels itself tells the label beside its score, in the note.
        """
        self.add(row, expected(score, ground_truth))
        if score is not None:
            label = float(score) if not isinstance(score, bool) else score if note is None else note
            reach(row, self.labels)
            self.labels[row] = _wrapped(self.labels[row] + number_of(label))

    def untold(self, answers: int, *, worst: float | None) -> int:
        """Of so many outcomes, how many say nothing of it; an error says what it counts as where a worst is known."""
        return answers - self.told - (0 if worst is None else sum(self.faults))

    @property
    def empty(self) -> bool:
        """Whether no datapoint has a score."""
        return not any(self.scored)

    def mean_with(self, faults: int, worst: float, row: int) -> float:
        """The datapoint's mean where so many of its repeats count as the worst score."""
        total, scored = (self.total[row], self.scored[row]) if row < len(self.total) else (0.0, 0)
        return saturated((total + faults * worst) / (scored + faults))


class Columns(dict[str, Column]):
    """The column of each metric of a run; one that is asked for and not there is made."""

    def __missing__(self, name: str) -> Column:
        """A new column; `RunFileError` where there are too many."""
        if name not in BUILT_IN:
            admit(len(self) - (LATENCY in self) + 1)
        column = self[name] = Column()
        return column


def admit(count: int) -> None:
    """Raise `RunFileError` where a run has more metrics than can be judged."""
    if count > MOST_METRICS:
        raise RunFileError(
            f"the run has more than {MOST_METRICS:,} metrics",
            hint="let each evaluator give the same names for all datapoints; what differs belongs into the note",
        )


def reach(row: int, *columns: array[Any]) -> None:
    """Make columns that end before the row longer than that, with zeros, for more rows will come."""
    for column in columns:
        missing = row + 1 - len(column)
        if missing > 0:
            column.frombytes(bytes((missing + row // 16) * column.itemsize))


def quotients(totals: array[Any], counts: array[Any], length: int) -> array[float]:
    """Total by count in each row, NaN where there is nothing to count."""
    rows = islice(zip_longest(totals, counts, fillvalue=0), length)
    found = array("d", (total / n if n else math.nan for total, n in rows))
    found.extend(repeat(math.nan, length - len(found)))
    return found


def number_of(value: Any) -> int:
    """64 bits that stand for a value of the user's, the same for the same value, never 0."""
    # Of the text and not of the value: numbers are their own hashes, and then the labels 1 and 3 look like 2 and 2.
    return hash(canonical_json(value)) or 1


def _wrapped(number: int) -> int:
    """The number as 64 bits with a sign."""
    return (number + 2**63) % 2**64 - 2**63
