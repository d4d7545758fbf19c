"""Any value as attributes of a span: bounded, and never an error, whatever the value does when it is asked."""

from __future__ import annotations

import dataclasses
import math
import traceback
from collections.abc import Mapping, Sequence, Set
from itertools import islice
from typing import Any

from opentelemetry.trace import Span, StatusCode
from opentelemetry.util.types import AttributeValue

from honeyhive.documents import compact_json, plain

MAX_TEXT = 64 * 1024
"""No attribute is longer, in characters."""

MAX_LEAVES = 64
"""One value makes no more attributes than this: what is left is written as one of JSON."""

_MAX_NODES = 4_096
_MAX_DEPTH = 20
_INT64 = 2**63


def attributes_of(name: str, value: Any) -> dict[str, AttributeValue]:
    """The attributes of a value: a mapping one for each of its leaves (`name.key.key`), anything else one."""
    found: dict[str, AttributeValue] = {}
    try:
        _flatten(name, value, found, depth=0)
    except Exception as error:  # noqa: BLE001 - it asks the user's objects, which may answer with anything
        found[name] = _unshowable(value, error)
    return found


def attribute(value: Any) -> AttributeValue:
    """The value as one attribute: numbers, booleans and text as they are, anything else as JSON."""
    try:
        return _leaf(value)
    except Exception as error:  # noqa: BLE001 - it asks the user's objects, which may answer with anything
        return _unshowable(value, error)


def written(value: Any) -> Any:
    """The value in JSON's own types, whole."""
    try:
        return plain(value)
    except Exception as error:  # noqa: BLE001 - it asks the user's objects, which may answer with anything
        return _unshowable(value, error)


def cut(text: str) -> str:
    """The text, or so much of it as an attribute holds, and how long it was."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text):,} characters)"


def record_failure(span: Span, error: BaseException) -> None:
    """Put down on a span that what it stands for has failed, as OpenTelemetry writes exceptions."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    message = _message(error)
    told = {"exception.type": name, "exception.message": message, "exception.stacktrace": _stack(error)}
    span.add_event("exception", told)
    span.set_attribute("honeyhive_error", message or name)
    span.set_status(StatusCode.ERROR, f"{kind.__qualname__}: {message}")


def _flatten(name: str, value: Any, found: dict[str, AttributeValue], depth: int) -> None:
    if not isinstance(value, Mapping) or not value or depth >= _MAX_DEPTH or len(found) + len(value) > MAX_LEAVES:
        found[name] = _leaf(value)
        return
    for key, item in value.items():
        _flatten(f"{name}.{key if isinstance(key, str) else attribute(key)}", item, found, depth + 1)


def _leaf(value: Any) -> AttributeValue:
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else cut(str(plain(value)))
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    written = _Bounded().of(value)
    if isinstance(written, str | int | float):  # what an enum holds, an array's number, the name of a type
        return _leaf(written)
    return cut(compact_json(written).decode())


class _Bounded:
    """A copy of a value, as far as an attribute holds it: nobody waits while a gigabyte is written and cut."""

    def __init__(self) -> None:
        self._nodes = _MAX_NODES
        self._text = MAX_TEXT

    def of(self, value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one for each kind of value that there is
        self._nodes -= 1
        if isinstance(value, str):
            return self._cut(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth >= _MAX_DEPTH:
            return "<nested too deep>"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._cut(bytes(value[:MAX_TEXT]).hex())
        if isinstance(value, Sequence | Set):
            return self._items(value, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._mapping({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth)
        return self._object(value)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            if self._nodes <= 0:
                copy["…"] = f"{len(value) - len(copy):,} more"
                break
            copy[self._cut(key) if isinstance(key, str) else str(plain(key))] = self.of(item, depth + 1)
        return copy

    def _items(self, value: Sequence[Any] | Set[Any], depth: int) -> Any:
        room = max(self._nodes, 0)
        if isinstance(value, Set):
            return plain(value) if len(value) <= room else f"<{type(value).__name__} of {len(value):,}>"
        copy = []
        for item in islice(value, room):
            if self._nodes <= 0:
                break
            copy.append(self.of(item, depth + 1))
        if len(value) > len(copy):
            copy.append(f"… {len(value) - len(copy):,} more")
        return copy

    def _object(self, value: Any) -> Any:
        size = getattr(value, "nbytes", 0)  # arrays of any library say so
        if isinstance(size, int) and size > MAX_TEXT:
            return f"<{type(value).__module__}.{type(value).__qualname__} of {size:,} bytes>"
        return plain(value)

    def _cut(self, text: str) -> str:
        room = max(self._text, 0)
        self._text -= len(text)
        return text if len(text) <= room else f"{text[:room]}… ({len(text):,} characters)"


def _unshowable(value: Any, error: Exception) -> str:
    return f"<{type(value).__module__}.{type(value).__qualname__}, which raises {type(error).__name__}>"


def _message(error: BaseException) -> str:
    try:
        return cut(str(error))
    except Exception as fault:  # noqa: BLE001 - it asks the user's exception
        return _unshowable(error, fault)


def _stack(error: BaseException) -> str:
    try:
        return cut("".join(traceback.format_exception(error)))
    except Exception as fault:  # noqa: BLE001 - it asks the user's exception
        return _unshowable(error, fault)
