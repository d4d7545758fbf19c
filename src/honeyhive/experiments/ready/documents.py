"""Ready evaluators of JSON: `json_valid` and `json_schema`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import referencing
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.exceptions import best_match as most_telling
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, extend, validator_for
from referencing.exceptions import Unresolvable

from honeyhive.documents import Malformed, canonical_json, load_json, plain, shown
from honeyhive.errors import ArgumentError
from honeyhive.experiments.ready.base import Configurable, Ready, text_of, value_of

_MAX_NOTE = 500
MAX_VALUES = 100_000
"""An output of more values than these, at any depth, is not held to a schema: some keywords would take for ever."""


@dataclass(frozen=True, kw_only=True)
class JsonValid(Configurable):
    """Whether the output is a JSON text, strictly: one value, no duplicate keys, no NaN, nothing around it."""

    called: ClassVar[str] = "json_valid"
    key: str | None = None

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> Any:  # noqa: ARG002 - that of all evaluators
        """Whether it can be read, and what is wrong with it where not."""
        text = outputs if isinstance(outputs, str) else value_of(outputs, self.key, "the output")
        _, problem = _read(text_of(text, "the output"))
        return (False, problem) if problem else True


@dataclass(frozen=True, kw_only=True)
class JsonSchema(Ready):
    """Whether the output meets a JSON Schema, made by `json_schema()`."""

    called: ClassVar[str] = "json_schema"
    schema: Mapping[str, Any]
    key: str | None = None
    validator: Validator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no schema, and one that everything meets."""
        if not isinstance(self.schema, Mapping) or not self.schema:
            raise ArgumentError("json_schema: the schema is no mapping, or an empty one, which everything meets")
        kind = validator_for(self.schema, default=None) if "$schema" in self.schema else Draft202012Validator
        if kind is None:
            raise ArgumentError(
                f"json_schema: {shown(str(self.schema['$schema']))} is no version of JSON Schema we know"
            )
        try:
            kind.check_schema(self.schema)
        except SchemaError as error:
            raise ArgumentError(f"json_schema: at {error.json_path}: {error.message[:_MAX_NOTE]}") from error
        # A registry of its own, with nothing in it: the library's own one goes and fetches.
        linear = extend(kind, {"uniqueItems": _unique_items})
        object.__setattr__(self, "validator", linear(self.schema, registry=referencing.Registry()))

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> Any:  # noqa: ARG002 - that of all evaluators
        """Whether it meets it, and where it does not."""
        value = outputs if self.key is None else value_of(outputs, self.key, "the output")
        if isinstance(value, str):
            value, problem = _read(value)
            if problem:
                return False, problem
        elif not isinstance(value, Mapping | list):
            raise TypeError(f"the output is a {type(value).__name__}, neither JSON text nor a mapping or a list")
        value = plain(value)
        if (count := sum(1 for _ in _values(value))) > MAX_VALUES:
            raise ValueError(f"the output holds {count} values; {MAX_VALUES} is the most that a schema is held to")
        try:
            error = most_telling(self.validator.iter_errors(value))
        except Unresolvable as unresolvable:
            raise ValueError(f"the schema refers to {shown(unresolvable.ref)}, and nothing is fetched") from None
        return True if error is None else (False, f"at {error.json_path}: {error.message}"[:_MAX_NOTE])


def json_schema(schema: Mapping[str, Any], *, key: str | None = None, name: str | None = None) -> JsonSchema:
    """Whether the output, JSON text or what it says, meets a JSON Schema (2020-12 where it does not say which).

    References reach within the schema only: nothing is fetched. `format` is not checked.
    """
    return JsonSchema(schema=schema, key=key, name=name)


json_valid = JsonValid()


def _read(text: str) -> tuple[Any, str]:
    """The value of a JSON text and no problem; or what is wrong with it, and where."""
    try:
        return load_json(text), ""
    except Malformed as error:
        return None, f"line {error.line}, column {error.column}: {error.message}"


def _values(value: Any) -> Iterator[Any]:
    """The value, and all that is in it."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        yield item
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _unique_items(validator: Validator, wanted: Any, items: Any, _: Any) -> Iterator[ValidationError]:
    """The keyword, in a time that grows with the items: the library compares mappings each with each."""
    if wanted and validator.is_type(items, "array"):
        seen: dict[str, int] = {}
        for position, item in enumerate(items):
            first = seen.setdefault(canonical_json(_numbers_alike(item)), position)
            if first != position:
                yield ValidationError(f"items {first} and {position} are equal")
                return


def _numbers_alike(value: Any) -> Any:
    """The value with 1.0 as 1: JSON Schema has them equal."""
    if isinstance(value, dict):
        return {key: _numbers_alike(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_alike(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
