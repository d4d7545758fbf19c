"""Secrets taken out of whatever leaves: text, values, and text that comes piece by piece.

A secret is found as it is and however it is usually written: escaped for JSON, Python, URLs or HTML, in each other
too; in base64, wherever it stands in what was encoded; in hex; and broken up by white space, the ends of lines among
it. Written backwards it is not: a redactor keeps accidents from the log, it does not keep code from talking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

from pydantic_core import from_json

from honeyhive.documents.plain import compact_json
from honeyhive.documents.spans import HEAD, Span, all_of, merged, overlap, without
from honeyhive.documents.spellings import BLANK, Reading, may_go_on, places, readings, spellings, unescaped

MARK = "***"

SHORTEST = 8
"""Characters; whatever is shorter would be found in ordinary text. No token of anybody's is."""

SHORTEST_LINE = 8
"""Of a secret of several lines, each that has so many characters is one of its own."""

_MARK = MARK.encode()
_PIECE = 2**20
_MOST_HELD = 2**16
_LONGEST_ESCAPE = 12
"""Characters that one of a secret's may be written as."""
_PASSES = 4
_PIECE_OF_SPELLING = 8

_BREAKS = (b"\\n", b"\\r", b"\\t")
"""White space as JSON writes it."""


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
        if not self.secrets or (len(text) < self._shortest and text.isascii()):
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
        if len(text) <= _PIECE:
            return self.cleaned(text)
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
        return self._has(seen) or (b"\\" in seen and any(map(_bare(seen).__contains__, self._bare_spellings)))

    def finds(self, text: bytes) -> bool:
        """Whether one of the secrets is in this UTF-8."""
        return bool(self.secrets) and any(map(self._has, unescaped(text)))

    def _has(self, reading: bytes) -> bool:
        return any(map(reading.__contains__, self._pieces)) and any(map(reading.__contains__, self._spellings))

    def stream(self) -> Stream:
        """For text that comes piece by piece: a secret may go on in the next."""
        return Stream(self)

    def cleaned(self, text: bytes) -> bytes:
        """The text with the mark in the place of each secret that is in it as a whole."""
        steps = [self._as_they_are] if self._are_apart else []
        for spans in (*steps, *[self.spans] * _PASSES):  # what is left and right of one may make another one
            if not self.finds(text):
                break
            text = b"".join(without(text, merged(sorted(spans(text))), _MARK))
        return text

    def spans(self, text: bytes) -> list[Span]:
        """Where the secrets are, in however they are written."""
        found: list[Span] = []
        for depth, reading in enumerate(unescaped(text)):
            if self._has(reading):
                begins, ends = places(text, depth)
                there = [span for spelling in self._spellings for span in all_of(spelling, reading)]
                found += [(begins[begin], ends[end - 1]) for begin, end in there]
        return found

    def _as_they_are(self, text: bytes) -> list[Span]:
        """Where they are as they are: most are, and to look further takes ten times as long."""
        return [span for secret in self._raw for span in all_of(secret, text)]

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
        longest = max(map(partial(overlap, last), self._spellings)) if any(map(last.__contains__, self._heads)) else 0
        sizes = range(min(HEAD - 1, len(text)), longest, -1)
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
    def _bare_spellings(self) -> frozenset[bytes]:
        return frozenset(bare for spelling in self._spellings if len(bare := _bare(spelling)) >= HEAD)

    @cached_property
    def _pieces(self) -> tuple[bytes, ...]:
        """As few pieces as will do for each spelling to have one of them: where none is, no secret is either."""
        pieces: list[bytes] = []
        left = set(self._spellings)
        while left:
            first = min(left, key=lambda spelling: (len(spelling), spelling))
            size = min(_PIECE_OF_SPELLING, len(first))
            parts = (first[at : at + size] for at in range(len(first) - size + 1))
            pieces.append(max(parts, key=lambda part: sum(part in spelling for spelling in left)))
            left = {spelling for spelling in left if pieces[-1] not in spelling}
        return tuple(pieces)

    @cached_property
    def _are_apart(self) -> bool:
        """Whether none is a part of another one, of which then a rest would stay where the part alone is found."""
        return not any(one is not other and one in other for one in self.lines for other in self.lines)

    @cached_property
    def _raw(self) -> tuple[bytes, ...]:
        raw = (secret.encode("utf-8", "surrogatepass") for secret in self.lines)
        return tuple(secret for secret in raw if not may_go_on(secret))  # else a rest of an escape would stay

    @cached_property
    def _shortest(self) -> int:
        return min(map(len, self._spellings), default=0)

    @cached_property
    def _heads(self) -> frozenset[bytes]:
        return frozenset(spelling[:HEAD] for spelling in self._spellings)

    @cached_property
    def _beginnings(self) -> frozenset[bytes]:
        return frozenset(spelling[:size] for spelling in self._spellings for size in range(1, HEAD))


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

    @property
    def holds(self) -> bool:
        """Whether something is kept back."""
        return bool(self._held)

    def take(self, piece: bytes, *, by_line: bool = False) -> bytes:
        """What can be given out once this has come; `by_line` it ends where a line does."""
        if self._held and not piece.translate(None, BLANK) and len(self._held) < _MOST_HELD:
            self._held += piece  # nothing to be read in it: it is not looked at again and again
            return b""
        text = self._redactor.cleaned(self._held + piece)
        at = self._redactor.begun(text)
        if len(text) - at > _MOST_HELD:  # nobody breaks a secret up so far by accident
            at = len(text)
        elif by_line:
            at = text.rfind(b"\n", 0, at) + 1
        self._held = text[at:]
        return text[:at]

    def end(self) -> bytes:
        """The rest: nothing comes after it."""
        rest, self._held = self._redactor.cleaned(self._held), b""
        return rest


def _lines(secret: str) -> list[str]:
    lines = [line.strip() for line in secret.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_LINE] if len(lines) > 1 else []


def _bare(text: bytes) -> bytes:
    """Without white space as JSON writes it, and without what it has before quotes, JSON in JSON included."""
    for escape in _BREAKS:
        text = text.replace(escape, b"")
    return text.translate(None, b"\\")
