"""Secrets taken out of whatever leaves: text, values, and text that comes piece by piece.

A secret is found as it is and however it is usually written: escaped for JSON, Python, URLs or HTML, in each other
too; in base64, wherever it stands in what was encoded; in hex; and broken up by white space, the ends of lines among
it. Written backwards it is not: a redactor keeps accidents from the log, it does not keep code from talking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

from pydantic_core import from_json

from honeyhive.documents.plain import compact_json
from honeyhive.documents.spellings import BLANK, Reading, places, readings, spellings

MARK = "***"

SHORTEST = 8
"""Characters; whatever is shorter would be found in ordinary text. No token of anybody's is."""

SHORTEST_LINE = 8
"""Of a secret of several lines, each that has so many characters is one of its own."""

_MARK = MARK.encode()
_PIECE = 2**20
_MOST_HELD = 2**16
_HEAD = 4
_LONGEST_ESCAPE = 12
"""Characters that one of a secret's may be written as."""
_PASSES = 4

_ESCAPES = (b"\\n", b"\\r", b"\\t", b"\\")
"""White space as JSON writes it, and what stands before a quote, in JSON in JSON as well."""

_Span = tuple[int, int]


@dataclass(frozen=True)
class Redactor:
    """Writes `***` in place of each of its secrets, in a time that grows with the text alone."""

    secrets: frozenset[str] = frozenset()

    def __or__(self, more: Iterable[str]) -> Redactor:
        """One that knows these secrets, too."""
        return Redactor(self.secrets | frozenset(more))

    def __repr__(self) -> str:
        """Not the secrets."""
        return f"Redactor({len(self.secrets)} secrets)"

    def text(self, text: str) -> str:
        """The text without the secrets."""
        if not self.secrets:
            return text
        raw = text.encode("utf-8", "surrogatepass")
        found = self.raw(raw)
        return text if found is raw else found.decode("utf-8", "surrogatepass" if b"\xed" in raw else "replace")

    def beginning(self, text: str, length: int) -> str:
        """At least so many characters of `text()`, where there are as many, in a time that the text's does not change.

        What stands after these may be a piece of a secret: cut it off.
        """
        return self.text(text[: (length + 1) * _LONGEST_ESCAPE * max(map(len, self.secrets), default=1)])

    def raw(self, text: bytes) -> bytes:
        """UTF-8 without the secrets; the same object where none is in it."""
        if not self.finds(text):
            return text
        stream = self.stream()
        pieces = [stream.take(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE)]
        return b"".join([*pieces, stream.end()])

    def value(self, value: Any) -> Any:
        """A JSON value without the secrets, in its strings, its keys and its numbers; its structure stays."""
        if not self.secrets or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(part) for part in value]
        return MARK if self.finds(str(value).encode()) else value

    def json_line(self, line: bytes) -> bytes:
        """A line of JSON without the secrets, in its values and keys; what is no JSON is taken for text."""
        if not self.finds(line):
            return line
        try:
            value = from_json(line, allow_inf_nan=False)
        except ValueError:
            return self.raw(line)
        end = b"\n" if line.endswith(b"\n") else b""
        return compact_json(self.value(value)) + end

    def own_line(self, line: bytes) -> bytes:
        """An object in a line, written by us, without the secrets that `touches()` sees; its own keys stay."""
        if not self.touches(line):
            return line
        return compact_json({key: self.value(part) for key, part in from_json(line).items()})

    def touches(self, line: bytes) -> bool:
        """Whether one of the secrets is in this line of JSON as secrets get there: in a small part of `finds()`'s time.

        What is escaped more often than it need be is not undone.
        """
        if not self.secrets:
            return False
        seen = line.translate(None, BLANK)
        joined = seen
        for escape in _ESCAPES:
            joined = joined.replace(escape, b"")
        texts = (seen,) if len(joined) == len(seen) else (seen, joined)
        return any(any(map(text.__contains__, self._spellings)) for text in texts)

    def finds(self, text: bytes) -> bool:
        """Whether one of the secrets is in this UTF-8."""
        return bool(self.secrets) and any(
            any(map(reading.text.__contains__, self._spellings)) for reading in readings(text)
        )

    def stream(self) -> Stream:
        """For text that comes piece by piece: a secret may go on in the next."""
        return Stream(self)

    def spans(self, text: bytes) -> list[_Span]:
        """Where the secrets are, in order and apart from each other."""
        found: list[_Span] = []
        for depth, reading in enumerate(readings(text)):
            there = [span for spelling in self._spellings for span in _all_of(spelling, reading.text)]
            if there:
                begins, ends = places(text, depth)
                found += [(begins[begin], ends[end - 1]) for begin, end in there]
        return list(_merged(sorted(found)))

    def begun(self, text: bytes) -> int:
        """Where a secret begins that may go on after the text; its length where none does."""
        earliest = len(text)
        for depth, reading in enumerate(readings(text)):
            kept = self._begun_in(reading)
            if kept:
                begins, _ = places(text, depth)
                earliest = min(earliest, begins[len(reading.text) - kept])
        return earliest

    def _begun_in(self, reading: Reading) -> int:
        """How many of a reading's last bytes may be a secret's first ones."""
        if not self._spellings:
            return 0
        text = reading.text[: len(reading.text) - reading.begun]
        last = text[-len(self._spellings[0]) :]
        longest = max(map(partial(_overlap, last), self._spellings)) if any(map(last.__contains__, self._heads)) else 0
        sizes = range(min(_HEAD - 1, len(text)), longest, -1)
        return next((size for size in sizes if text[-size:] in self._beginnings), longest) + reading.begun

    @cached_property
    def lines(self) -> frozenset[str]:
        """The secrets, each of several lines with those of its lines that are secrets of their own."""
        return frozenset(line for secret in self.secrets for line in (secret, *_lines(secret)))

    @cached_property
    def _spellings(self) -> tuple[bytes, ...]:
        # What holds another one is found by that; the rest of it, where the two differ, would be left.
        return tuple(sorted({spelling for value in self.lines for spelling in spellings(value)}, key=len, reverse=True))

    @cached_property
    def _heads(self) -> frozenset[bytes]:
        return frozenset(spelling[:_HEAD] for spelling in self._spellings)

    @cached_property
    def _beginnings(self) -> frozenset[bytes]:
        return frozenset(spelling[:size] for spelling in self._spellings for size in range(1, _HEAD))


NO_SECRETS = Redactor()
"""It leaves everything as it is, in no time."""


def redactor_of_keys(keys: Iterable[str]) -> Redactor:
    """Knows these keys but for those that are too short to be one."""
    return Redactor(frozenset(key for key in keys if len(key) >= SHORTEST))


@lru_cache(maxsize=8)
def redactor_of(secret: str) -> Redactor:
    """The redactor of one secret, kept: to make one takes longer than to use it."""
    return Redactor(frozenset({secret}))


class Stream:
    """Text on its way out: what could be the beginning of a secret is kept back until more of it is known."""

    def __init__(self, redactor: Redactor) -> None:
        """Nothing has come yet."""
        self._redactor = redactor
        self._held = b""

    def take(self, piece: bytes, *, by_line: bool = False) -> bytes:
        """What can be given out once this has come; `by_line` it ends where a line does."""
        if self._held and not piece.translate(None, BLANK) and len(self._held) < _MOST_HELD:
            self._held += piece  # nothing to be read in it: it is not looked at again and again
            return b""
        text = self._cleaned(self._held + piece)
        at = self._redactor.begun(text)
        if len(text) - at > _MOST_HELD:  # nobody breaks a secret up so far by accident
            at = len(text)
        elif by_line:
            at = text.rfind(b"\n", 0, at) + 1
        self._held = text[at:]
        return text[:at]

    def end(self) -> bytes:
        """The rest: nothing comes after it."""
        rest, self._held = self._cleaned(self._held), b""
        return rest

    def _cleaned(self, text: bytes) -> bytes:
        for _ in range(_PASSES):  # what is left and right of a secret may make another one
            if not self._redactor.finds(text):
                break
            text = b"".join(_without(text, self._redactor.spans(text)))
        return text


def _lines(secret: str) -> list[str]:
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_LINE] if len(lines) > 1 else []


def _all_of(spelling: bytes, text: bytes) -> Iterator[_Span]:
    at = text.find(spelling)
    while at >= 0:
        yield at, at + len(spelling)
        at = text.find(spelling, at + len(spelling))


def _overlap(text: bytes, spelling: bytes) -> int:
    """How many of the text's last bytes are the spelling's first ones; of fewer than `_HEAD` it knows nothing."""
    head = spelling[:_HEAD]
    at = text.find(head, max(0, len(text) - len(spelling) + 1))
    while at >= 0:
        if spelling.startswith(text[at:]):
            return len(text) - at
        at = text.find(head, at + 1)
    return 0


def _merged(spans: Iterable[_Span]) -> Iterator[_Span]:
    """The spans, those that overlap as one."""
    last: _Span | None = None
    for begin, end in spans:
        if last is None or begin >= last[1]:
            if last is not None:
                yield last
            last = (begin, end)
        else:
            last = (last[0], max(last[1], end))
    if last is not None:
        yield last


def _without(text: bytes, spans: Iterable[_Span]) -> Iterator[bytes]:
    at = 0
    for begin, end in spans:
        yield text[at:begin]
        yield _MARK
        at = end
    yield text[at:]
