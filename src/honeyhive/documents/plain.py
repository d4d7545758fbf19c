"""Values written as JSON: the same text for the same value on every machine, whatever the value is."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import numbers
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from honeyhive.documents.malformed import MAX_DEPTH

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
    hex digits, dates their ISO form, durations their seconds, enums and arrays what they hold, paths, UUIDs and other
    numbers their text, a number that is not finite its name as text, anything else its type's name. `around` holds
    what is being written, from the outside in.
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
_AS_TEXT = (numbers.Number, uuid.UUID)
# Known by their methods: whatever a library calls its own dates and arrays has these, and we need not import it.
_CONVERSIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("model_dump", {"mode": "python"}),
    ("isoformat", {}),
    ("total_seconds", {}),
    ("tolist", {}),
    ("__fspath__", {}),
)


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
    for method, arguments in _CONVERSIONS:
        convert = getattr(type(value), method, None)
        if callable(convert):
            return plain(convert(value, **arguments), around)
    return str(value) if isinstance(value, _AS_TEXT) else f"<{type(value).__module__}.{type(value).__qualname__}>"


def _plain_key(key: Any) -> str:
    return key if isinstance(key, str) else canonical_json(plain(key)).strip('"')
