"""YAML read strictly: plain values of the core schema, each with its place; no tags, aliases or merges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from honeyhive.documents.json_text import RefusedValue, fitting, to_float, to_integer
from honeyhive.documents.malformed import MAX_DEPTH, Malformed, malformed_at, shown

Path = tuple[str | int, ...]

MAX_YAML = 4 * 2**20
"""No YAML is longer: reading it takes seconds for each MiB, and a hundred times its memory."""


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


def load_yaml(text: str, *, most: int = MAX_YAML) -> YamlDocument:
    """The value of a YAML text with the types of the YAML 1.2 core schema, or `Malformed`, as where it is too long.

    So `no`, `on` and `2024-01-31` are text, `1e-3` is a number, and a key is always text.
    """
    if len(text) > most:
        raise Malformed(f"more than {most:,} characters of YAML")
    if unreadable := _YAML_UNREADABLE.search(text):
        raise malformed_at(
            text, unreadable.start(), f"the character {shown(unreadable.group())}, which YAML does not allow"
        )
    try:
        return _YamlReader(yaml.parse(text, Loader=_YAML_PARSER)).document()
    except yaml.YAMLError as error:
        message = str(getattr(error, "problem", None) or getattr(error, "context", None) or error)
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = len(text) if mark is None else min(mark.index, len(text))  # it may stand on the line after the last
        raise malformed_at(text, place, " ".join(message.split())) from error


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
            return to_integer(text) if text[:2] not in ("0o", "0x") else fitting(int(text, 0))
        if _YAML_FLOAT.fullmatch(text):
            return to_float(text)
    except RefusedValue as refused:
        raise _at_mark(event, f"{refused}: {shown(text)}") from refused
    if _YAML_NOT_FINITE.fullmatch(text):
        raise _at_mark(event, f"{text} is not a number that can be compared")
    return text


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _at_mark(event: Any, message: str) -> Malformed:
    line, column = _place(event)
    return Malformed(message, line=line, column=column)


_PLAIN_SCALAR = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def yaml_scalar(text: str) -> str:
    """A text as a scalar on one line, which `load_yaml` reads as the same text, and in which nothing acts."""
    if _PLAIN_SCALAR.fullmatch(text) and text.lower() not in ("true", "false", "null"):
        return text
    return '"' + "".join(c if c.isprintable() and c not in '"\\#' else f"\\U{ord(c):08X}" for c in text) + '"'
