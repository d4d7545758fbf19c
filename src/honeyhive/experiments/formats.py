"""Dataset formats: text in, items with their places out. JSONL and CSV are streamed, JSON and YAML held as text."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from itertools import pairwise
from typing import Any

from honeyhive.documents import Malformed, load_json, load_json_prefix, load_yaml, shown

Placed = tuple[int, int, Any]
"""Line and column where an item starts, counted from 1, and the item."""


MAX_ROW = 16 * 2**20
"""No row is longer, in bytes: an outcome holds it and what came of it, and all of that has to fit a run file's line."""
MAX_WHOLE = 64 * 2**20
"""No file that is read as a whole is longer, in bytes; one whose rows are lines may be of any length."""


class Text:
    """A file's bytes as text, hashed as they pass. What is not UTF-8 text is refused where it stands."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        head = file.peek(64)
        if head.startswith(b"version https://git-lfs.github.com/spec/"):
            raise Malformed("a Git LFS pointer, not the file that it points to")
        if head.startswith(b"\xef\xbb\xbf"):  # a byte order mark, which Excel puts there
            self._sha256.update(file.read(3))

    @property
    def sha256(self) -> str:
        """The hash of the bytes that have passed so far."""
        return self._sha256.hexdigest()

    def lines(self) -> Iterator[str]:
        """The lines with their ends; only a line feed ends one."""
        for number, raw in enumerate(iter(lambda: self._file.readline(MAX_ROW + 1), b""), 1):
            if len(raw) > MAX_ROW:
                raise Malformed(f"a line of more than {MAX_ROW:,} bytes", line=number)
            self._sha256.update(raw)
            yield _decoded(raw, number)

    def whole(self) -> str:
        """All of it at once."""
        raw = self._file.read(MAX_WHOLE + 1)
        if len(raw) > MAX_WHOLE:
            raise Malformed(f"more than {MAX_WHOLE:,} bytes")
        self._sha256.update(raw)
        return _decoded(raw, 1)


def _decoded(raw: bytes, line: int) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise _refused_byte(raw, error.start, line, f"not UTF-8: byte 0x{raw[error.start]:02x}") from error
    if "\0" in text:
        raise _refused_byte(raw, raw.index(0), line, "not text: a NUL byte")
    return text


def _refused_byte(raw: bytes, position: int, line: int, message: str) -> Malformed:
    start = raw.rfind(b"\n", 0, position) + 1
    column = len(raw[start:position].decode()) + 1
    return Malformed(message, line=line + raw.count(b"\n", 0, position), column=column)


# --- JSON ------------------------------------------------------------------------------------------------------------


def _jsonl_rows(text: Text) -> Iterator[Placed]:
    for number, line in enumerate(text.lines(), 1):
        content = line.rstrip(" \t\r\n")
        if not content:
            continue
        try:
            value = load_json(content)
        except Malformed as fault:
            raise Malformed(fault.message, line=number, column=fault.column) from fault
        yield number, 1, value


_JSON_SPACE = re.compile(r"[ \t\r\n]*")


def _json_rows(text: Text) -> Iterator[Placed]:
    """Item by item, so that each has its place and only one at a time is more than text."""
    whole = text.whole()
    start = _after_space(whole, 0)
    if start == len(whole):
        return
    if whole[start] != "[":
        raise _fault_at(whole, start, "not a list of datapoints")
    position = _after_space(whole, start + 1)
    line, line_start, counted = 1, 0, 0
    more = not whole.startswith("]", position)
    while more:
        line += whole.count("\n", counted, position)
        line_start = max(line_start, whole.rfind("\n", counted, position) + 1)
        counted = position
        value, end = load_json_prefix(whole, position)
        yield line, position - line_start + 1, value
        position = _after_space(whole, end)
        more = _has_more(whole, position)
        position = _after_space(whole, position + 1) if more else position
    rest = _after_space(whole, position + 1)
    if rest < len(whole):
        raise _fault_at(whole, rest, "more text after the end of the list")


def _has_more(whole: str, position: int) -> bool:
    if position == len(whole):
        raise _fault_at(whole, position, "the text ends in the middle of a value")
    if whole[position] not in ",]":
        raise _fault_at(whole, position, "expecting ',' or ']' after an item of the list")
    return whole[position] == ","


def _after_space(whole: str, position: int) -> int:
    return _JSON_SPACE.match(whole, position).end()  # type: ignore[union-attr]  # the pattern matches the empty string


def _fault_at(whole: str, position: int, message: str) -> Malformed:
    line = whole.count("\n", 0, position) + 1
    return Malformed(message, line=line, column=position - whole.rfind("\n", 0, position))


# --- YAML ------------------------------------------------------------------------------------------------------------


def _yaml_rows(text: Text) -> Iterator[Placed]:
    document = load_yaml(text.whole())
    if document.value is None:
        return
    if not isinstance(document.value, list):
        line, column = document.place(())
        raise Malformed("not a list of datapoints", line=line, column=column)
    for index, value in enumerate(document.value):
        yield *document.place((index,)), value


# --- CSV -------------------------------------------------------------------------------------------------------------


def _csv_rows(text: Text) -> Iterator[Placed]:
    lines = _CsvLines(text.lines())
    header: list[str] = []
    try:
        for cells in csv.reader(lines, strict=True):
            if cells and not header:
                header = _header(cells, lines)
            elif cells and len(cells) != len(header):
                wrong = f"cells: {len(cells)} in this row, {len(header)} in the header"
                raise lines.fault(wrong, cell=min(len(cells), len(header)))
            elif cells:
                yield lines.start, 1, dict(zip(header, cells, strict=True))
            lines.end_row()
    except csv.Error as error:
        raise _csv_fault(error, lines) from error


def _header(cells: list[str], lines: _CsvLines) -> list[str]:
    seen: set[str] = set()
    for number, name in enumerate(cells):
        if not name.strip():
            raise lines.fault("a column without a name", cell=number)
        if name in seen:
            raise lines.fault(f"two columns with the name {shown(name)}", cell=number)
        seen.add(name)
    return cells


class _CsvLines:
    """The lines on their way to `csv.reader`, keeping those of the row in hand: only they can tell where a cell is."""

    _CELL = re.compile(r'"(?:[^"]|"")*+"|[^",\r\n][^,\r\n]*|')

    def __init__(self, lines: Iterator[str]) -> None:
        self.start = 1
        self._lines = lines
        self._row: list[str] = []
        self._length = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._row.append(line)
            self._length += len(line)
            if self._length > MAX_ROW:
                raise Malformed(f"a row of more than {MAX_ROW:,} characters", line=self.start)
            yield line

    def end_row(self) -> None:
        """The next line begins another row."""
        self.start += len(self._row)
        self._row.clear()
        self._length = 0

    def fault(self, message: str, *, cell: int | None = None) -> Malformed:
        """At the start of that cell of the row in hand, else where the row stops being CSV."""
        row = "".join(self._row)
        starts, end = self._cells(row)
        place = _fault_at(row, end if cell is None or cell >= len(starts) else starts[cell], message)
        return Malformed(message, line=self.start + place.line - 1, column=place.column)

    def longest_cell(self) -> int:
        """The number of the longest cell of the row in hand."""
        row = "".join(self._row)
        starts, _ = self._cells(row)
        lengths = [end - start for start, end in pairwise([*starts, len(row)])]
        return lengths.index(max(lengths))

    def _cells(self, row: str) -> tuple[list[int], int]:
        """Where the cells start, and where the last that can be made out ends."""
        starts = [0]
        while row.startswith(",", end := self._CELL.match(row, starts[-1]).end()):  # type: ignore[union-attr]  # matches ""
            starts.append(end + 1)
        return starts, end


def _csv_fault(error: csv.Error, lines: _CsvLines) -> Malformed:
    message = str(error)
    if message.startswith("unexpected end"):
        return lines.fault("a quote that is opened and never closed")
    if message.startswith("field larger"):
        message = f"a cell of more than {csv.field_size_limit()} characters, or a quote that is never closed"
        return lines.fault(message, cell=lines.longest_cell())
    if message.startswith("new-line character"):
        return lines.fault("a bare carriage return outside quotes")
    return lines.fault("more text after a closing quote")


# --- which is which --------------------------------------------------------------------------------------------------

_HINTS = (
    ("Git LFS", "set `lfs: true` at actions/checkout, or run `git lfs pull`"),
    ("not UTF-8", "save the file as UTF-8"),
    ("NUL byte", "save the file as UTF-8"),
    ("ends in the middle", "the text is cut off: was it written and copied to its end?"),
    ("duplicate key", "keep one of the two"),
    ("does not fit", "write it as text, in quotes"),
    ("not a JSON number", "write null, or text in quotes"),
    ("that can be compared", "write null, or text in quotes"),
    ("YAML tag", "write the plain value, in quotes where it is text"),
    ("column without a name", "with pandas: to_csv(…, index=False)"),
    ("half of a character", "write the whole character, or none"),
    ("a line of more than", "keep large texts in files of their own, and their names in the dataset"),
    ("a row of more than", "is a quote never closed? keep large texts in files of their own"),
    ("characters of YAML", "keep so many rows in a .jsonl file, which is read line by line"),
    ("bytes", "keep so many rows in a .jsonl file, which is read line by line"),
    ("more than", "keep texts of that length in a .jsonl file"),
    ("carriage return", "save the file with LF or CRLF at the ends of lines"),
    ("closing quote", 'inside quotes, a quote is written twice: ""'),
)


@dataclass(frozen=True, slots=True)
class Format:
    """How text becomes items, and what to say to whoever gets it wrong."""

    rows: Callable[[Text], Iterator[Placed]]
    hint: str
    cells_are_text: bool = False

    def hint_for(self, message: str) -> str:
        """The way out of what `message` says is wrong."""
        return next((hint for part, hint in _HINTS if part in message), self.hint)


_YAML = Format(_yaml_rows, "the file is one list; every item starts with `- `")
_JSONL = Format(_jsonl_rows, "every line is one JSON object, whole and on its own")
FORMATS = {
    ".jsonl": _JSONL,
    ".ndjson": _JSONL,
    ".json": Format(_json_rows, "the file is one list, [{…}, {…}]; one object per line would be .jsonl"),
    ".csv": Format(
        _csv_rows, "commas part the cells; one with a comma or a line end goes in quotes", cells_are_text=True
    ),
    ".yaml": _YAML,
    ".yml": _YAML,
}
"""Every format that a dataset can be read from, by its suffix."""
