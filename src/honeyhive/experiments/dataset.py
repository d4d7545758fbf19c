"""Datasets: datapoints in order, out of a file or a list, each with an id of its own; a million fit in memory."""

from __future__ import annotations

import hashlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Protocol

from honeyhive.documents import canonical_json, compact_json, plain, shown
from honeyhive.errors import DatasetError
from honeyhive.experiments.datapoint import (
    Columns,
    Datapoint,
    Naming,
    RowReader,
    generate_datapoint_id,
    hashed_id,
    prefixed,
)
from honeyhive.experiments.managed import fetch_honeyhive_dataset
from honeyhive.experiments.rows import Row, RowFile

__all__ = [
    "Columns",
    "Datapoint",
    "Dataset",
    "create_external_dataset",
    "fetch_honeyhive_dataset",
    "generate_datapoint_id",
]


class Dataset:
    """Datapoints in the order of their rows, as often as they are asked for, never all of them in memory.

    Making one reads and checks every row, also those behind `limit`: ids do not depend on it. What is wrong with
    the rows is a `DatasetError` with its place; so is a file that changes afterwards. Ids do not depend on the
    order of rows. Two rows with one explicit id are refused; of equal rows without an id, the second gets the
    suffix `-2`, the third `-3`.

    `count` and `dataset_id` speak of the datapoints that iterating gives. `path` is relative to the workspace and
    `sha256` is that of the file's bytes; a dataset in memory has no path and the hash of its rows as JSON lines.
    """

    def __init__(
        self,
        rows: RowFile | RowList,
        *,
        columns: Columns | None = None,
        limit: int | None = None,
        dataset_id: str | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise DatasetError(f"limited to {limit} datapoints", hint="the limit is at least 1", file=rows.given)
        self.limit = limit
        self._rows = rows
        self._reader = RowReader(columns or Columns(), cells_are_text=rows.cells_are_text)
        self._ledger = _Ledger()
        self._known, self._ids, made_id = self._read_whole(self._ledger.enter)
        if self._ledger.close():
            self._known, self._ids, made_id = self._read_whole(self._ledger.naming())
        self.dataset_id = dataset_id or made_id
        self.count = len(self._known)
        if not self.count:
            raise DatasetError("the dataset is empty", hint="a run needs at least one datapoint", file=rows.given)
        self.path = rows.path
        self.sha256 = rows.sha256 or ""

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        workspace: Path,
        columns: Columns | None = None,
        limit: int | None = None,
    ) -> Dataset:
        """The dataset in a file of the workspace: JSONL, JSON, CSV or YAML by its suffix."""
        return cls(RowFile(path, workspace=workspace), columns=columns, limit=limit)

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping[str, Any]],
        *,
        columns: Columns | None = None,
        limit: int | None = None,
        dataset_id: str | None = None,
    ) -> Dataset:
        """The dataset of rows in memory, with the ids that the same rows have in a file; its own may be given."""
        return cls(RowList(rows), columns=columns, limit=limit, dataset_id=dataset_id)

    def __iter__(self) -> Iterator[Datapoint]:
        """Each datapoint, made when it is asked for."""
        return self._read(self._ledger.naming(), self.limit)

    def __len__(self) -> int:
        """How many datapoints iterating gives."""
        return self.count

    def knows(
        self, datapoint_id: str, content_hash: str, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether one of the datapoints has this id, this content, these tags and this metadata."""
        return _has(self._known, _digest(_identity(datapoint_id, content_hash, tags, metadata or {})))

    def has_id(self, datapoint_id: str) -> bool:
        """Whether one of the datapoints has this id."""
        return _has(self._ids, _digest(datapoint_id))

    def _read_whole(self, name: Naming) -> tuple[array[int], array[int], str]:
        """Every row once: the sorted digests of what `knows` and `has_id` answer for, and the dataset's id."""
        known, ids, together = array("Q"), array("Q"), hashlib.md5(usedforsecurity=False)
        for datapoint in self._read(name, None):
            if self.limit is None or datapoint.index < self.limit:
                known.append(
                    _digest(_identity(datapoint.id, datapoint.content_hash, datapoint.tags, datapoint.metadata))
                )
                ids.append(_digest(datapoint.id))
                together.update(f"{datapoint.id}\n".encode())
        return _sorted(known), _sorted(ids), prefixed(together.hexdigest()[:24])

    def _read(self, name: Naming, limit: int | None) -> Iterator[Datapoint]:
        for row in self._rows.rows(limit):
            try:
                datapoint = self._reader.read(row, name)
            except DatasetError as error:
                message = error.message if row.line else f"item {row.number}: {error.message}"
                raise DatasetError(
                    message, hint=error.hint, file=self._rows.given, line=row.line, column=row.column
                ) from error
            yield datapoint


class Datapoints(Protocol):
    """What a run needs of a dataset: its datapoints in order, as often as it asks, and what the run file says of it."""

    dataset_id: str
    path: str | None
    sha256: str
    count: int
    limit: int | None

    def __iter__(self) -> Iterator[Datapoint]:
        """Each datapoint in order."""


class KnownDatapoints(Datapoints, Protocol):
    """Datapoints that can be held against what a run says that it went over: a `Dataset`, or an `Overlay`."""

    def knows(
        self, datapoint_id: str, content_hash: str, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether one of the datapoints has this id, this content, these tags and this metadata."""


class RowList:
    """Rows in memory, in the place of a `RowFile`."""

    given: str | None = None
    path: str | None = None
    cells_are_text = False

    def __init__(self, values: Sequence[Mapping[str, Any]]) -> None:
        self._values = values
        digest = hashlib.sha256()
        for value in values:
            digest.update(compact_json(value) + b"\n")
        self.sha256 = digest.hexdigest()

    def rows(self, limit: int | None = None) -> Iterator[Row]:
        """Every row in order, the first `limit` of them where that is given."""
        for number, value in enumerate(islice(self._values, limit)):
            yield Row(number, None, None, value)


def create_external_dataset(
    datapoints: list[dict[str, Any]],
    project: str,  # noqa: ARG001 - in the signature that the guide gives
    custom_dataset_id: str | None = None,
) -> tuple[str, list[str]]:
    """The dataset's id and those of its datapoints, in order and all different.

    The dataset's id is a hash of all datapoints where no custom one is given. Two datapoints with one explicit id
    are a `DatasetError`, what is not a list of dictionaries is a `ValueError`.
    """
    if not isinstance(datapoints, list):
        raise ValueError("datapoints must be a list")  # noqa: TRY004 - as the guide says
    if not all(isinstance(datapoint, dict) for datapoint in datapoints):
        raise ValueError("All datapoints must be dictionaries")
    rows = [Row(number, None, None, datapoint) for number, datapoint in enumerate(datapoints)]
    ledger = _Ledger()
    own_ids = [ledger.enter(generate_datapoint_id(row.value), row, explicit="id" in row.value) for row in rows]
    ledger.close()
    name = ledger.naming()
    ids = [name(own_id, row, explicit="id" in row.value) for own_id, row in zip(own_ids, rows, strict=True)]
    return prefixed(custom_dataset_id) if custom_dataset_id else hashed_id(datapoints), ids


# --- telling ids apart -----------------------------------------------------------------------------------------------


class _Ledger:
    """Which ids the rows of a dataset have, at eight bytes each: enough to see which few need a closer look."""

    def __init__(self) -> None:
        self._explicit = array("Q")
        self._generated = array("Q")
        self._repeated = array("Q")

    def enter(self, own_id: str, row: Row, *, explicit: bool) -> str:  # noqa: ARG002 - a Naming
        """Take note of the row's own id, and leave it as it is."""
        (self._explicit if explicit else self._generated).append(_digest(own_id))
        return own_id

    def close(self) -> bool:
        """All rows are entered; whether some of their ids seem to be the same."""
        self._explicit = _sorted(self._explicit)
        self._generated = _sorted(self._generated + self._explicit)
        self._repeated = array("Q", (one for one, another in pairwise(self._generated) if one == another))
        self._generated = array("Q")
        return bool(self._repeated)

    def naming(self) -> Naming:
        """What names the rows of one pass, from the first on."""
        return _Distinct(self._explicit, self._repeated)


class _Distinct:
    """Names the rows of one pass so that no two have the same id."""

    def __init__(self, explicit: array[int], repeated: array[int]) -> None:
        self._explicit = explicit
        self._repeated = repeated
        self._last_number = array("Q", bytes(8 * len(repeated)))
        self._places: dict[str, str] = {}

    def __call__(self, own_id: str, row: Row, *, explicit: bool) -> str:
        if not self._repeated or not _has(self._repeated, digest := _digest(own_id)):
            return own_id
        return self._once(own_id, row) if explicit else self._numbered(own_id, bisect_left(self._repeated, digest))

    def _once(self, own_id: str, row: Row) -> str:
        place = f"line {row.line}" if row.line else f"item {row.number}"
        if own_id in self._places:
            shared = shown(own_id.removeprefix("EXT-"))
            message = f"two datapoints with the id {shared}: {self._places[own_id]} and {place}"
            raise DatasetError(message, hint="an id stands for one datapoint; leave it out to have one made")
        self._places[own_id] = place
        return own_id

    def _numbered(self, own_id: str, slot: int) -> str:
        number = self._last_number[slot] + 1
        while _has(self._explicit, _digest(name := own_id if number == 1 else f"{own_id}-{number}")):
            number += 1
        self._last_number[slot] = number
        return name


def _identity(datapoint_id: str, content_hash: str, tags: Sequence[str], metadata: Mapping[str, Any]) -> str:
    return canonical_json([datapoint_id, content_hash, list(tags), plain(metadata)])


_KEY = os.urandom(16)
"""So that nobody who does not know it can make another text with the digest of a datapoint."""


def _digest(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=_KEY)
    return int.from_bytes(digest.digest(), "big")


def _sorted(digests: array[int]) -> array[int]:
    return array("Q", sorted(digests))


def _has(ordered: array[int], digest: int) -> bool:
    slot = bisect_left(ordered, digest)
    return slot < len(ordered) and ordered[slot] == digest
