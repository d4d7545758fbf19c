"""A dataset with the rows that its base has and it has not: editing or deleting a row lifts nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

from honeyhive.experiments.datapoint import Datapoint
from honeyhive.experiments.dataset import Dataset

_NAMED = 5
"""How many of the rows that differ are named."""

_EDITED = re.compile(r"(.+)-edited(?:-[0-9]+)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Differing:
    """How many rows differ in one way, and the ids of the first few."""

    count: int = 0
    ids: tuple[str, ...] = ()

    def and_one(self, datapoint_id: str) -> Differing:
        """One row more."""
        return Differing(count=self.count + 1, ids=self.ids if self.count >= _NAMED else (*self.ids, datapoint_id))


class Without:
    """A dataset without some of its rows, as the base of an overlay."""

    def __init__(self, dataset: Dataset, ids: Sequence[str]) -> None:
        self._dataset, self._ids = dataset, frozenset(ids)
        self.count = sum(1 for _ in self)

    def __iter__(self) -> Iterator[Datapoint]:
        """The datapoints that are left."""
        return (datapoint for datapoint in self._dataset if datapoint.id not in self._ids)

    def has_id(self, datapoint_id: str) -> bool:
        """Whether one of them has this id."""
        return datapoint_id not in self._ids and self._dataset.has_id(datapoint_id)

    def knows(
        self, datapoint_id: str, content_hash: str, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether one of them is this."""
        return datapoint_id not in self._ids and self._dataset.knows(datapoint_id, content_hash, tags, metadata)


class Overlay:
    """The rows of `head`, and those of `base` that `head` lacks or has edited, as `base` has them.

    It stands wherever a `Dataset` does. Every row of the base runs exactly once, as the base has it: with its id, so
    that it pairs with the baseline. Of a row that the head has too,

    - with the same content, tags and metadata, nothing is run besides;
    - with other tags or metadata alone, the base's version runs instead of the head's;
    - with other content, the head's version runs as well, with `-edited` after its id.

    The head's rows come first, in its order, and then in the base's order what the base has otherwise: with the line
    that the same content has in the head's file, or none. `dataset_id`, `path` and `sha256` are the head's, `count`
    is of all rows. A limit holds for each of the two. What it comes to depends on nothing but the two datasets.
    """

    def __init__(self, head: Dataset, base: Dataset | Without) -> None:
        self._head, self._base = head, base
        self.dataset_id, self.path, self.sha256, self.limit = head.dataset_id, head.path, head.sha256, head.limit
        self.removed, self.edited, self.retagged = Differing(), Differing(), Differing()
        self._lines: dict[str, int | None] = {}
        self._edited: set[str] = set()
        self._hold_against(self._contents_of_changed())
        self.count = head.count + self.removed.count + self.edited.count
        self.added = head.count - base.count + self.removed.count

    def __iter__(self) -> Iterator[Datapoint]:
        """Each datapoint, made when it is asked for; `index` counts through."""
        for index, datapoint in enumerate(chain(self._of_head(), self._of_base())):
            yield datapoint if datapoint.index == index else replace(datapoint, index=index)

    def __len__(self) -> int:
        """How many datapoints iterating gives."""
        return self.count

    def knows(
        self, datapoint_id: str, content_hash: str, tags: Sequence[str] = (), metadata: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether one of the datapoints has this id, this content, these tags and this metadata."""
        if self._base.has_id(datapoint_id):
            return self._base.knows(datapoint_id, content_hash, tags, metadata)
        return self._head.knows(self._own_id(datapoint_id), content_hash, tags, metadata)

    def _contents_of_changed(self) -> dict[str, str]:
        """The content of each row that the base has otherwise, by id; counts those that the head lacks."""
        contents: dict[str, str] = {}
        for datapoint in self._base:
            if _has(self._head, datapoint):
                continue
            if self._head.has_id(datapoint.id):
                contents[datapoint.id] = datapoint.content_hash
            else:
                self.removed = self.removed.and_one(datapoint.id)
        return contents

    def _hold_against(self, contents: Mapping[str, str]) -> None:
        """Tell the head's rows that are edited from those that have other tags or metadata alone."""
        for datapoint in self._head:
            content = contents.get(datapoint.id)
            if content is None:
                continue
            if content == datapoint.content_hash:
                self.retagged = self.retagged.and_one(datapoint.id)
                self._lines[datapoint.id] = datapoint.line
            else:
                self.edited = self.edited.and_one(datapoint.id)
                self._edited.add(datapoint.id)

    def _of_head(self) -> Iterator[Datapoint]:
        for datapoint in self._head:
            if datapoint.id in self._edited:
                yield replace(datapoint, id=self._edited_id(datapoint.id))
            elif datapoint.id not in self._lines:
                yield datapoint

    def _of_base(self) -> Iterator[Datapoint]:
        for datapoint in self._base:
            if not _has(self._head, datapoint):
                yield replace(datapoint, line=self._lines.get(datapoint.id))

    def _edited_id(self, own_id: str) -> str:
        """The id of the head's version of an edited row: one that neither dataset has."""
        names = chain((f"{own_id}-edited",), (f"{own_id}-edited-{number}" for number in count(2)))
        return next(name for name in names if not self._head.has_id(name) and not self._base.has_id(name))

    def _own_id(self, datapoint_id: str) -> str:
        """The id that the row has in the head's dataset."""
        # Who has thousands of rows called like an edited one shall not have us go through all names for each of them.
        found = None if self._head.has_id(datapoint_id) else _EDITED.fullmatch(datapoint_id)
        if found is None or found[1] not in self._edited:
            return datapoint_id
        return found[1] if self._edited_id(found[1]) == datapoint_id else datapoint_id


def _has(dataset: Dataset | Without, datapoint: Datapoint) -> bool:
    return dataset.knows(datapoint.id, datapoint.content_hash, datapoint.tags, datapoint.metadata)
