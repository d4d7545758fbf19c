"""The ways in which a value may be written and still be read back, and text as it reads once they are undone."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from urllib.parse import quote, quote_plus

BLANK = bytes(range(0x21)) + b"\x7f"
"""What may stand between the pieces of a value that was broken up: white space, and what is not seen."""

_DEPTH = 3
"""How many times text is unescaped: JSON in JSON in a URL."""
_SHORTEST = 6
"""No spelling is shorter: ordinary text would have it, too."""

_SPECIAL = rb"""
    # A character in JSON, Python and JavaScript, and one of a pair. All backslashes before it belong to it: a run of
    # them is read once, and JSON in JSON doubles them.
    # (Each alternative begins with a byte of its own: so `re` looks for these alone; and no run is begun twice.)
    \\(?<!\\\\)\\*+ (?: (?-i:U)(?P<wide>[0-9a-f]{8})
           | u(?P<high>d[89ab][0-9a-f]{2}) \\++ u(?P<low>d[c-f][0-9a-f]{2})
           | u(?P<code>[0-9a-f]{4})
           | x(?P<byte>[0-9a-f]{2})
         )
    | % (?:25)* (?P<percent>[0-9a-f]{2})
    | & (?:amp;)* (?: \#x0*+(?P<hex>[0-9a-f]{1,6})(?![0-9a-f]);? | \#0*+(?P<decimal>[0-9]{1,7})(?![0-9]);?
                    | (?P<name>amp|lt|gt|quot|apos); )
    # White space that is not ASCII, and what has no width.
    | \xc2[\x85\xa0\xad] | \xe1\x9a\x80 | \xe2\x80[\x80-\x8f\xa8-\xaf] | \xe2\x81[\x9f-\xa4]
    | \xe3\x80\x80 | \xef\xbb\xbf
"""
_PLAIN = rb"\\\\*+[abfnrtv0]?"
"""What stands for white space, and backslashes that only say that the next character is itself."""
_ESCAPE = re.compile(_SPECIAL + b"|" + _PLAIN, re.IGNORECASE | re.VERBOSE)
_SPECIALS = re.compile(_SPECIAL, re.IGNORECASE | re.VERBOSE)
_PLAINS = re.compile(_PLAIN, re.IGNORECASE)
_BEGUN = re.compile(rb"(?:\\+(?:U[0-9a-f]{0,7}|u[0-9a-f]{0,3}|x[0-9a-f]?)?|%(?:25)*[0-9a-f]?|&[#a-z0-9]{0,12})\Z", re.I)
"""What may be an escape once more of the text is there."""
_LONGEST_BEGUN = 256
_NAMES = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_BLANKS = frozenset(BLANK)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Text without white space, and perhaps unescaped, to be searched; `begun` of its last bytes may yet change."""

    text: bytes
    begun: int


def unescaped(text: bytes) -> Iterator[bytes]:
    """The text as it may be read: without white space, then unescaped as long as that changes it, and not for ever."""
    now = text.translate(None, BLANK)
    yield now
    for _ in range(_DEPTH):
        before, now = now, _unescape(now)
        if now == before:
            return
        yield now


def readings(text: bytes) -> Iterator[Reading]:
    """The same, each with how much of its end more text may change."""
    return map(_reading, unescaped(text))


def places(text: bytes, depth: int) -> tuple[list[int], list[int]]:
    """Where each byte of the reading of this depth begins and ends in the text."""
    seen = [byte not in _BLANKS for byte in text]
    begins = list(compress(range(len(text)), seen))
    ends = [place + 1 for place in begins]
    now = text.translate(None, BLANK)
    for _ in range(depth):
        begins, ends = _through_escapes(now, begins, ends)
        now = _unescape(now)
    return begins, ends


def may_go_on(text: bytes) -> bool:
    """Whether its end may be an escape once more of it is there."""
    return _BEGUN.search(text[-_LONGEST_BEGUN:]) is not None


def spellings(value: str) -> frozenset[bytes]:
    """What stands in one of the readings of any text that has the value in it.

    As it is, as JSON, Python, URLs and HTML escape it, in base64 wherever it stands in what was encoded, and in hex.
    """
    raw = value.encode("utf-8", "surrogatepass")
    shortest = min(_SHORTEST, len(raw.translate(None, BLANK))) or 1
    if len(raw) < _SHORTEST:
        return frozenset({raw.translate(None, BLANK)} - {b""})
    once = {escape(value) for escape in _ESCAPES}
    # What is unescaped twice may lose an escape that is the value's own, at its ends too: as it is written then.
    twice = {escape(form) for form in once for escape in _ESCAPES}
    forms = {form.encode("utf-8", "surrogatepass") for form in (value, repr(value)[1:-1], *once, *twice)}
    forms |= {quote_plus(raw).encode(), repr(raw)[2:-1].encode(), raw.hex().encode(), raw.hex().upper().encode()}
    forms |= set(_encoded(raw))
    with suppress(UnicodeEncodeError):  # Python writes a character of Latin-1 as the one byte
        forms.add(value.encode("latin-1"))
    return frozenset(reading.text for form in forms for reading in readings(form) if len(reading.text) >= shortest)


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _json_with_slashes(text: str) -> str:
    return _json(text).replace("/", r"\/")


def _json_as_it_is(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _url(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


_ESCAPES = (_json, _json_with_slashes, _json_as_it_is, _url, html.escape)


def _encoded(raw: bytes) -> Iterator[bytes]:
    """The base64 of whatever holds `raw`, as far as that alone settles it: it may begin at any of three places."""
    for before in range(3):
        standard = base64.b64encode(bytes(before) + raw)
        settled = standard[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield settled
        yield settled.translate(bytes.maketrans(b"+/", b"-_"))


def _reading(text: bytes) -> Reading:
    last = text[-_LONGEST_BEGUN:]
    found = _BEGUN.search(last) if b"\\" in last or b"%" in last or b"&" in last else None
    return Reading(text=text, begun=len(last) - found.start() if found else 0)


def _through_escapes(text: bytes, begins: list[int], ends: list[int]) -> tuple[list[int], list[int]]:
    """The places of the bytes of `text` once it is unescaped, from those that they had before."""
    new_begins: list[int] = []
    new_ends: list[int] = []
    at = 0
    for found in _ESCAPE.finditer(text):
        length = len(_unescaped(found))
        new_begins += begins[at : found.start()]
        new_begins += [begins[found.start()]] * length
        new_ends += ends[at : found.start()]
        new_ends += [ends[found.end() - 1]] * length
        at = found.end()
    return new_begins + begins[at:], new_ends + ends[at:]


def _unescape(text: bytes) -> bytes:
    """What `_ESCAPE.sub(_unescaped, text)` comes to, in a tenth of the time where all that is escaped is plain."""
    pieces, at = [], 0
    for found in _SPECIALS.finditer(text):
        pieces += [_without_plain(text[at : found.start()]), _unescaped(found)]
        at = found.end()
    return b"".join([*pieces, _without_plain(text[at:])]) if pieces else _without_plain(text)


def _without_plain(text: bytes) -> bytes:
    while b"\\\\" in text:  # a run of backslashes is one
        text = text.replace(b"\\\\", b"\\")
    if b"\\" not in text:
        return text
    text = text.replace(b"\\n", b"").replace(b'\\"', b'"')  # nearly all there is in JSON
    return _PLAINS.sub(b"", text) if b"\\" in text else text


def _unescaped(found: re.Match[bytes]) -> bytes:
    """What an escape stands for; nothing for white space, and for a backslash alone."""
    kind = found.lastgroup
    if kind is None:
        return b""
    digits = found[kind]
    if kind == "name":
        return _NAMES[digits.lower()]
    if kind in ("byte", "percent"):
        plain = bytes([int(digits, 16)])
    elif kind == "low":
        plain = _character(0x10000 + ((int(found["high"], 16) - 0xD800) << 10) + int(digits, 16) - 0xDC00)
    else:
        plain = _character(int(digits, 10 if kind == "decimal" else 16))
    return plain.translate(None, BLANK)


def _character(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else b""
