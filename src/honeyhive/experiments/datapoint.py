"""A datapoint, its id, and how a row as somebody wrote it becomes one."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from honeyhive.documents import Malformed, load_json, plain, shown
from honeyhive.errors import DatasetError
from honeyhive.experiments.rows import Row
from honeyhive.result import TAG_MUST_PASS, Fault, content_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Datapoint:
    """One item of a dataset. `id` is the `EXT-` form, `line` counts from 1, `row` is the whole item as it was given.

    `inputs` is whatever stands there, mostly a mapping; `ground_truth` is `None` where there is none.
    """

    index: int
    id: str
    inputs: Any
    ground_truth: Any = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    line: int | None = None
    row: Any
    fault: Fault | None = None
    """Why there is nothing to run the function on, where that is known beforehand."""
    content_hash: str = field(init=False)
    """Taken when the datapoint is made: what user code does to `inputs` later does not change it."""

    def __post_init__(self) -> None:
        """Take the hash."""
        object.__setattr__(self, "content_hash", content_hash(self.inputs, self.ground_truth))


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which columns of a row hold what. A column that is named here has to be in every row.

    What is not named goes by its usual name, and may be absent: `id`, `ground_truth` or `ground_truths`, `tags`,
    `metadata`, and `inputs`, taken whole, whatever it is. In a row without `inputs`, every column with no other
    meaning is an input. Named inputs always make a mapping of just these columns.
    """

    inputs: tuple[str, ...] | None = None
    ground_truth: str | None = None
    id: str | None = None
    tags: str | None = None
    metadata: str | None = None


class Naming(Protocol):
    """Gives a datapoint the id that it has in its dataset."""

    def __call__(self, own_id: str, row: Row, *, explicit: bool) -> str:
        """`own_id` is the row's by itself: `explicit` if it stands there, else made of what stands there."""


class RowReader:
    """Makes datapoints of rows. A row that is none is a `DatasetError` that does not know its place.

    An id is text or an integer: not empty, no control characters. Tags are a list of texts, metadata is a mapping;
    null stands for neither, and a tag that is `must-pass` but for its spelling is refused. Where all cells are text
    (CSV), tags are parted by commas and metadata is JSON.
    """

    def __init__(self, columns: Columns, *, cells_are_text: bool = False) -> None:
        named = (columns.ground_truth, columns.id, columns.tags, columns.metadata)
        self._inputs = columns.inputs
        self._needed = frozenset(name for name in (*named, *(columns.inputs or ())) if name is not None)
        self._truths = ("ground_truth", "ground_truths") if columns.ground_truth is None else (columns.ground_truth,)
        self._id = columns.id or "id"
        self._tags = columns.tags or "tags"
        self._metadata = columns.metadata or "metadata"
        self._not_inputs = frozenset((*self._truths, self._id, self._tags, self._metadata))
        self._tags_of: Callable[[Any], tuple[str, ...]] = _split_tags if cells_are_text else _tags
        self._metadata_of: Callable[[Any], dict[str, Any]] = _parsed_metadata if cells_are_text else _metadata

    def read(self, row: Row, name: Naming) -> Datapoint:
        """The row's datapoint, under the id that `name` gives it."""
        value = row.value
        if not isinstance(value, Mapping):
            raise DatasetError(f"{_kind(value)}, not a datapoint", hint='a datapoint is a mapping: {"inputs": …}')
        if not value.keys() >= self._needed:
            raise self._missing(value)
        explicit = self._id in value
        own_id = _explicit_id(value[self._id]) if explicit else hashed_id(value)
        return Datapoint(
            index=row.number,
            id=name(own_id, row, explicit=explicit),
            inputs=self._inputs_of(value),
            ground_truth=self._ground_truth_of(value),
            tags=_without_misspelt(self._tags_of(value[self._tags])) if self._tags in value else (),
            metadata=self._metadata_of(value[self._metadata]) if self._metadata in value else {},
            line=row.line,
            row=value,
        )

    def _inputs_of(self, row: Mapping[str, Any]) -> Any:
        if self._inputs is not None:
            return {name: row[name] for name in self._inputs}
        if "inputs" in row:
            return row["inputs"]
        inputs = {name: value for name, value in row.items() if name not in self._not_inputs}
        if not inputs:
            raise DatasetError("no inputs in it", hint='put them under "inputs", or in columns of their own')
        return inputs

    def _ground_truth_of(self, row: Mapping[str, Any]) -> Any:
        found = [row[name] for name in self._truths if name in row]
        if len(found) > 1:
            raise DatasetError("both `ground_truth` and `ground_truths`", hint="keep one, or say which in the config")
        return found[0] if found else None

    def _missing(self, row: Mapping[str, Any]) -> DatasetError:
        name = min(self._needed - row.keys())
        there = [str(key) for key in row]
        close = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean {shown(close[0])}?" if close else "the config names the columns"
        listed = ", ".join(shown(key) for key in there[:20]) + (", …" if len(there) > 20 else "")
        return DatasetError(f"no column {shown(name)}; there are: {listed or 'none'}", hint=hint)


# --- ids -------------------------------------------------------------------------------------------------------------


def generate_datapoint_id(datapoint: Mapping[str, Any]) -> str:
    """`EXT-` and the datapoint's own `id`, or else 24 hex digits of the MD5 of its JSON with sorted keys.

    The same on every machine and in every place of the dataset, also for values that JSON has no word for.
    """
    if isinstance(datapoint, Mapping) and "id" in datapoint:
        return prefixed(str(datapoint["id"]))
    return hashed_id(datapoint)


def prefixed(text: str) -> str:
    """The `EXT-` form of an id: marks what the platform does not keep itself."""
    return text if text.startswith("EXT-") else f"EXT-{text}"


def hashed_id(value: Any) -> str:
    """The `EXT-` form of a hash of the value."""
    try:
        text = _SORTED_JSON.encode(value)
    except (TypeError, ValueError, RecursionError):
        text = _SORTED_JSON.encode(plain(value))
    # MD5 and 24 digits are what the platform has seen so far; changing either orphans old runs.
    return "EXT-" + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:24]


_SORTED_JSON = json.JSONEncoder(sort_keys=True)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _explicit_id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DatasetError(f"an id that is {_kind(value)}", hint="an id is text or an integer, or is left out")
    text = str(value)
    if not text.removeprefix("EXT-").strip():
        raise DatasetError("an empty id", hint="leave it out of every datapoint, or give each its own")
    if _CONTROL.search(text):
        raise DatasetError(f"a control character in the id {shown(text)}", hint="ids are shown in one line of text")
    return prefixed(text)


# --- tags and metadata -----------------------------------------------------------------------------------------------


def _tags(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        raise DatasetError("tags that are not a list of texts", hint='write "tags": ["one", "two"]')
    return tuple(value)


def _without_misspelt(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The tags, or `DatasetError`: a datapoint that has to pass, and is not known to, would never be missed."""
    for tag in tags:
        if tag != TAG_MUST_PASS and re.sub("[_ ]", "-", tag.strip().lower()) == TAG_MUST_PASS:
            raise DatasetError(
                f"the tag {shown(tag)}, which is not {shown(TAG_MUST_PASS)}", hint=f'write "{TAG_MUST_PASS}"'
            )
    return tags


def _split_tags(text: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DatasetError(f"metadata that is {_kind(value)}", hint='write "metadata": {"name": value}')
    return dict(value)


def _parsed_metadata(text: str) -> dict[str, Any]:
    try:
        return _metadata(load_json(text) if text.strip() else None)
    except Malformed as fault:
        message = f"metadata that is not JSON: {fault.message}"
        raise DatasetError(message, hint='write {"name": value}, or give the column another name') from fault


def _kind(value: Any) -> str:
    """What the value is, in the words of its format."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), f"a {type(value).__name__}")
