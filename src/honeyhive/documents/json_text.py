"""JSON read strictly: no duplicate keys, no NaN, no number that loses its value, no half of a character."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from honeyhive.documents.malformed import MAX_DEPTH, Malformed, malformed_at, shown

_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def load_json(text: str) -> Any:
    """The value of a JSON text (RFC 8259), or `Malformed`."""
    value, end = load_json_prefix(text, 0)
    rest = _after_space(text, end)
    if rest < len(text):
        raise malformed_at(text, rest, "more text after the end of the value")
    return value


def load_json_prefix(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start` (white space allowed before it), and where it ends."""
    begin = _after_space(text, start)
    try:
        value, end = _STRICT_JSON.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise malformed_at(text, error.pos, _json_fault(error, text)) from error
    except RefusedValue as error:
        raise _locate_refused(text, begin, str(error)) from error
    except RecursionError:
        raise malformed_at(text, begin, f"nested deeper than {MAX_DEPTH} levels") from None
    # Counting brackets is ten times cheaper than walking the value, and settles it for all but a few.
    if text.count("[", begin, end) + text.count("{", begin, end) > MAX_DEPTH and _too_deep(value):
        raise malformed_at(text, begin, f"nested deeper than {MAX_DEPTH} levels")
    if _MAY_BE_HALF.search(text, begin, end):
        _refuse_halves(text, begin, end)
    return value, end


def _after_space(text: str, start: int) -> int:
    return _JSON_SPACE.match(text, start).end()  # type: ignore[union-attr]  # the pattern matches the empty string


def _refuse_halves(text: str, start: int, end: int) -> None:
    """Refuse what is escaped as half of a character: UTF-8 cannot hold it, so nothing could be written of it again."""
    for escape in _ESCAPE.finditer(text, start, end):
        if escape["half"]:
            raise malformed_at(text, escape.start(), f"half of a character, {shown(escape.group())}")


class RefusedValue(ValueError):  # noqa: N818 - it names what the value is
    """Well-formed JSON that we refuse; the decoder's hooks know what, not where."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise RefusedValue("duplicate key")
    return result


def _constant(name: str) -> Any:
    raise RefusedValue(f"{name} is not a JSON number")


def to_integer(digits: str) -> int:
    """The integer that the digits are; `RefusedValue` where it does not fit 64 bits."""
    if len(digits) > 20:
        raise RefusedValue("number does not fit 64 bits")
    return fitting(int(digits))


def fitting(number: int) -> int:
    """The number, where it fits 64 bits with or without a sign; else `RefusedValue`."""
    if not _INT_MIN <= number <= _INT_MAX:
        raise RefusedValue("number does not fit 64 bits")
    return number


def to_float(digits: str) -> float:
    """The nearest float; `RefusedValue` where it would become infinite or zero."""
    number = float(digits)
    if math.isinf(number) or (number == 0 and _MANTISSA_ABOVE_ZERO.match(digits)):
        raise RefusedValue("number does not fit a 64-bit float")
    return number


_MANTISSA_ABOVE_ZERO = re.compile(r"[-+0.]*[1-9]")
_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=to_integer, parse_float=to_float
)
_MAY_BE_HALF = re.compile(r"\\u[dD][89a-fA-F]")
# Escapes one after the other, so that a backslash that is itself escaped begins none.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL)
_JSON_SPACE = re.compile(r"[ \t\r\n]*")
_JSON_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"(?P<colon>[ \t\r\n]*:)?|-?(?:NaN|Infinity|[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|[{}]'
)


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
                return malformed_at(text, token.start(), f"duplicate key {shown(key)}")
            open_objects[-1].add(key)
        elif not word.startswith(('"', "{", "}")) and (fault := _number_fault(word)):
            return malformed_at(text, token.start(), fault)
    return malformed_at(text, start, message)


def _number_fault(word: str) -> str | None:
    try:
        if word.lstrip("-") in ("NaN", "Infinity"):
            _constant(word)
        to_integer(word) if re.fullmatch(r"-?[0-9]+", word) else to_float(word)
    except RefusedValue as refused:
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
