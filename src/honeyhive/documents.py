"""JSON and YAML, strictly: text in, values with their places out; values in, stable text out.

Strict means: no duplicate keys, no NaN or infinity, no number that loses its value, no YAML tags, aliases or
merges, nothing nested deeper than `MAX_DEPTH`. What is refused is refused by line and column.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import numbers
import pathlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

MAX_DEPTH = 100
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


class Malformed(ValueError):  # noqa: N818 - it names what the text is
    """The text is not what it should be; `line` and `column` count from 1 within that text."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


# --- reading JSON ----------------------------------------------------------------------------------------------------


def load_json(text: str) -> Any:
    """The value of a JSON text (RFC 8259), or `Malformed`."""
    value, end = load_json_prefix(text, 0)
    rest = _after_space(text, end)
    if rest < len(text):
        raise _at(text, rest, "more text after the end of the value")
    return value


def load_json_prefix(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start` (white space allowed before it), and where it ends."""
    begin = _after_space(text, start)
    try:
        value, end = _STRICT_JSON.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise _at(text, error.pos, _json_fault(error, text)) from error
    except _RefusedValue as error:
        raise _locate_refused(text, begin, str(error)) from error
    except RecursionError:
        raise _at(text, begin, f"nested deeper than {MAX_DEPTH} levels") from None
    # Counting brackets is ten times cheaper than walking the value, and settles it for all but a few.
    if text.count("[", begin, end) + text.count("{", begin, end) > MAX_DEPTH and _too_deep(value):
        raise _at(text, begin, f"nested deeper than {MAX_DEPTH} levels")
    return value, end


def _after_space(text: str, start: int) -> int:
    return _JSON_SPACE.match(text, start).end()  # type: ignore[union-attr]  # the pattern matches the empty string


class _RefusedValue(ValueError):  # noqa: N818
    """Well-formed JSON that we refuse; the decoder's hooks know what, not where."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _RefusedValue("duplicate key")
    return result


def _constant(name: str) -> Any:
    raise _RefusedValue(f"{name} is not a JSON number")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise _RefusedValue("number does not fit 64 bits")
    return _fitting(int(digits))


def _fitting(number: int) -> int:
    if not _INT_MIN <= number <= _INT_MAX:
        raise _RefusedValue("number does not fit 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number) or (number == 0 and _MANTISSA_ABOVE_ZERO.match(digits)):
        raise _RefusedValue("number does not fit a 64-bit float")
    return number


_MANTISSA_ABOVE_ZERO = re.compile(r"[-+0.]*[1-9]")
_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
)
_JSON_SPACE = re.compile(r"[ \t\r\n]*")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?P<colon>[ \t\r\n]*:)?|-?(?:NaN|Infinity|[0-9][0-9.eE+-]*)|[{}]')


def _json_fault(error: json.JSONDecodeError, text: str) -> str:
    rest = text[error.pos :].rstrip()
    cut_off = any(word.startswith(rest) for word in ("true", "false", "null", "-"))  # so does nothing at all
    if cut_off or error.msg.startswith("Unterminated string"):
        return "the text ends in the middle of a value"
    if error.msg.startswith("Invalid control character"):
        return "a line end or another control character inside a string"
    return error.msg[0].lower() + error.msg[1:]


def _locate_refused(text: str, start: int, message: str) -> Malformed:
    """Read the tokens again, slowly, to find the one that the decoder's hooks refused."""
    open_objects: list[set[str]] = []
    for token in _JSON_TOKEN.finditer(text, start):
        word = token.group()
        if word == "{":
            open_objects.append(set())
        elif word == "}" and open_objects:
            open_objects.pop()
        elif token.group("colon") and open_objects:
            key = json.loads(word[: word.rindex('"') + 1], strict=False)
            if key in open_objects[-1]:
                return _at(text, token.start(), f"duplicate key {shown(key)}")
            open_objects[-1].add(key)
        elif not word.startswith(('"', "{", "}")) and (fault := _number_fault(word)):
            return _at(text, token.start(), fault)
    return _at(text, start, message)


def _number_fault(word: str) -> str | None:
    try:
        if word.lstrip("-") in ("NaN", "Infinity"):
            _constant(word)
        _integer(word) if re.fullmatch(r"-?[0-9]+", word) else _float(word)
    except _RefusedValue as refused:
        return f"{refused}: {shown(word)}"
    return None


def _too_deep(value: Any, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return True
    if isinstance(value, dict):
        return any(_too_deep(item, depth + 1) for item in value.values() if isinstance(item, dict | list))
    if isinstance(value, list):
        return any(_too_deep(item, depth + 1) for item in value if isinstance(item, dict | list))
    return False


def _at(text: str, position: int, message: str) -> Malformed:
    line = text.count("\n", 0, position) + 1
    return Malformed(message, line=line, column=position - (text.rfind("\n", 0, position) + 1) + 1)


def shown(text: str, limit: int = 60) -> str:
    """`text` quoted for a message: one line, control characters escaped, at most `limit` characters of it."""
    quoted = json.dumps(text if len(text) <= limit else text[: limit - 1] + "…", ensure_ascii=False)
    return _UNSHOWABLE.sub(lambda character: f"\\u{ord(character.group()):04x}", quoted)


# Terminal controls, ends of lines, changes of writing direction, and halves of characters, which UTF-8 cannot hold.
_UNSHOWABLE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


# --- writing JSON ----------------------------------------------------------------------------------------------------

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """The same text for the same value on every machine: ASCII, sorted keys, no white space, `plain()` for the rest."""
    try:
        return _CANONICAL.encode(value)
    except (TypeError, ValueError, RecursionError):
        return _CANONICAL.encode(plain(value))


def compact_json(value: Any) -> bytes:
    """The value as one line of UTF-8 JSON without its newline, `plain()` for what JSON has no word for."""
    try:
        text = _COMPACT.encode(value)
    except (TypeError, ValueError, RecursionError):
        text = _COMPACT.encode(plain(value))
    # A lone surrogate is no character: UTF-8 cannot hold it, so it becomes "?".
    return text.encode("utf-8", "replace")


def plain(value: Any, around: tuple[int, ...] = ()) -> Any:
    """`value` in JSON's own types, the same on every machine; never an object's address, never NaN.

    What JSON has no word for becomes: dataclasses and Pydantic models a mapping, sets a sorted list, bytes their
    hex digits, dates their ISO form, enums and arrays what they hold, other numbers, paths and UUIDs their text, a
    number that is not finite its name as text, anything else its type's name. `around` is for its own use.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _LONGEST_INT else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if len(around) >= MAX_DEPTH:
        return "<nested too deep>"
    if id(value) in around:
        return "<contains itself>"
    return _plain_compound(value, (*around, id(value)))


_LONGEST_INT = 10_000  # bits: Python refuses to write out integers of more than 4,300 digits
_AS_TEXT = (numbers.Number, uuid.UUID, pathlib.PurePath, datetime.timedelta)


def _plain_compound(value: Any, around: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        return {_plain_key(key): plain(item, around) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item, around) for item in value), key=canonical_json)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Sequence):
        return [plain(item, around) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name), around) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return plain(value.value, around)
    return _plain_object(value, around)


def _plain_object(value: Any, around: tuple[int, ...]) -> Any:
    for method, arguments in (("model_dump", {"mode": "python"}), ("isoformat", {}), ("tolist", {})):
        convert = getattr(type(value), method, None)
        if callable(convert):
            return plain(convert(value, **arguments), around)
    return str(value) if isinstance(value, _AS_TEXT) else f"<{type(value).__module__}.{type(value).__qualname__}>"


def _plain_key(key: Any) -> str:
    return key if isinstance(key, str) else canonical_json(plain(key)).strip('"')


# --- reading YAML ----------------------------------------------------------------------------------------------------

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class YamlDocument:
    """The value of a YAML text, and where each part of it stands."""

    value: Any
    places: Mapping[Path, tuple[int, int]]

    def place(self, path: Sequence[str | int]) -> tuple[int, int]:
        """Line and column of the value at `path`, or of the nearest thing around it that is there."""
        known = tuple(path)
        while known and known not in self.places:
            known = known[:-1]
        return self.places.get(known, (1, 1))


def load_yaml(text: str) -> YamlDocument:
    """The value of a YAML text with the types of the YAML 1.2 core schema, or `Malformed`.

    So `no`, `on` and `2024-01-31` are text, `1e-3` is a number, and a key is always text.
    """
    if unreadable := _YAML_UNREADABLE.search(text):
        raise _at(text, unreadable.start(), f"the character {shown(unreadable.group())}, which YAML does not allow")
    try:
        return _YamlReader(yaml.parse(text, Loader=_YAML_PARSER)).document()
    except yaml.YAMLError as error:
        message = str(getattr(error, "problem", None) or getattr(error, "context", None) or error)
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = len(text) if mark is None else min(mark.index, len(text))  # it may stand on the line after the last
        raise _at(text, place, " ".join(message.split())) from error


_YAML_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YAML_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_YAML_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_YAML_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# What the YAML specification calls not printable; halves of characters among them.
_YAML_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_YAML_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}


class _YamlReader:
    """Builds one value from the parser's events; the events carry the places and show what was written as a tag."""

    def __init__(self, events: Iterator[Any]) -> None:  # the stubs give events no marks; the parser's have them
        self._events = events
        self._places: dict[Path, tuple[int, int]] = {}

    def document(self) -> YamlDocument:
        """The only document of the stream; an empty stream is `None`."""
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return YamlDocument(value=None, places={})
        value = self._value(next(self._events), ())
        next(self._events)  # document end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise _at_mark(after, "a second document (`---`): one file holds one")
        return YamlDocument(value=value, places=self._places)

    def _value(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.AliasEvent):
            raise _at_mark(event, "an alias (`*name`): write the value out")
        _refuse_tag(event)
        if len(path) > MAX_DEPTH:
            raise _at_mark(event, f"nested deeper than {MAX_DEPTH} levels")
        self._places[path] = _place(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return _scalar(event)

    def _mapping(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _at_mark(event, "a key that is not plain text")
            _refuse_tag(event)
            key = event.value
            if key == "<<" and not event.style:
                raise _at_mark(event, "a merge key (`<<`): write the values out")
            if key in result:
                raise _at_mark(event, f"duplicate key {shown(key)}")
            place = _place(event)
            result[key] = self._value(next(self._events), (*path, key))
            self._places[*path, key] = place  # what is wrong with a value is best shown at its key
        return result

    def _sequence(self, path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            result.append(self._value(event, (*path, len(result))))
        return result


def _refuse_tag(event: Any) -> None:
    if event.tag is not None:
        raise _at_mark(event, f"a YAML tag ({shown(event.tag)}): only plain values are read")


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style:  # quoted or a block: text as it stands
        return text
    if text in _YAML_WORDS:
        return _YAML_WORDS[text]
    try:
        if _YAML_INT.fullmatch(text):
            return _integer(text) if text[:2] not in ("0o", "0x") else _fitting(int(text, 0))
        if _YAML_FLOAT.fullmatch(text):
            return _float(text)
    except _RefusedValue as refused:
        raise _at_mark(event, f"{refused}: {shown(text)}") from refused
    if _YAML_NOT_FINITE.fullmatch(text):
        raise _at_mark(event, f"{text} is not a number that can be compared")
    return text


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _at_mark(event: Any, message: str) -> Malformed:
    line, column = _place(event)
    return Malformed(message, line=line, column=column)
