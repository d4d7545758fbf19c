"""The datapoints of runs that are held against each other: in all of them, a datapoint has the same row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence

from honeyhive.gate.checks import Place
from honeyhive.gate.columns import number_of
from honeyhive.result import Outcome

_NO_LINE = -1


class Rows:
    """A number for each datapoint, and what is told of it beside its scores: by the first run that has it.

    `cluster_keys` are the keys of `inputs` or `metadata` that group datapoints.
    """

    def __init__(self, cluster_keys: Iterable[str] = ()) -> None:
        self._numbers: dict[int, int] = {}
        # All ids as one text: each as an object of its own, they would take three times as much.
        self._ids = bytearray()
        self._ends = array("q")
        self._lines = array("q")
        self._positions = array("q")
        self._clusters = {key: array("q") for key in cluster_keys}

    def __len__(self) -> int:
        """How many datapoints there are in all the runs together."""
        return len(self._ends)

    def number(self, outcome: Outcome) -> int:
        """The row of the outcome's datapoint; a new one where it was not seen before."""
        key = hash(outcome.datapoint_id)
        row = self._numbers.get(key)
        if row is None:
            row = self._numbers[key] = self._added(outcome)
        return row

    def close(self) -> None:
        """No run comes any more: what finds the row of a datapoint, most of what the rows take, is let go."""
        self._numbers.clear()

    def place(self, row: int) -> Place:
        """The datapoint by its name."""
        start, line = self._ends[row - 1] if row else 0, self._lines[row]
        datapoint_id = self._ids[start : self._ends[row]].decode("utf-8", "surrogatepass")
        return Place(datapoint_id=datapoint_id, line=None if line == _NO_LINE else line)

    def position(self, row: int) -> int:
        """Where the datapoint stands in its dataset."""
        return self._positions[row]

    def clusters(self, key: str, rows: Iterable[int]) -> Sequence[int]:
        """A number for the cluster of each of these rows; 0, the same for all, where the datapoint has no such key."""
        return array("q", map(self._clusters[key].__getitem__, rows))

    def _added(self, outcome: Outcome) -> int:
        row = len(self)
        self._ids += outcome.datapoint_id.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._ids))
        self._lines.append(_NO_LINE if outcome.line is None else outcome.line)
        self._positions.append(outcome.index)
        for key, clusters in self._clusters.items():
            clusters.append(_cluster(outcome, key))
        return row


def _cluster(outcome: Outcome, key: str) -> int:
    for values in (outcome.inputs, outcome.metadata):
        if isinstance(values, Mapping) and values.get(key) is not None:
            return number_of(values[key])
    return 0
