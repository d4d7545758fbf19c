"""What all wire shapes share: requests say exactly what was given; answers are read leniently."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

_T = TypeVar("_T")


def _text(value: object) -> object:
    """Platforms and users give ids as UUIDs too; true and false are no ids, and stay what they are."""
    return str(value) if isinstance(value, uuid.UUID) else value


def _no_list(value: object) -> object:
    return [] if value is None else value


def _no_mapping(value: object) -> object:
    return {} if value is None else value


Id = Annotated[str, BeforeValidator(_text)]
"""An id as text, whatever it came as."""

Listed = Annotated[list[_T], BeforeValidator(_no_list)]
"""A list; an empty one where the answer says null."""

Mapped = Annotated[dict[str, Any], BeforeValidator(_no_mapping)]
"""A mapping; an empty one where the answer says null."""

Number = bool | int | float
Value = Number | str | None
"""What an aggregate may be: a number, a truth, a word, or nothing."""


class Request(BaseModel):
    """The body of a request: unknown keys are refused, and what was not given is not sent."""

    model_config = ConfigDict(
        extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True, protected_namespaces=()
    )

    def to_wire(self) -> dict[str, Any]:
        """What was given, and nothing else; None counts as not given, but inside of what was given it stays."""
        return {name: _wire(value) for name, value in self.given()}

    def given(self) -> Iterator[tuple[str, Any]]:
        """The fields that were given, with their values."""
        for name in type(self).model_fields:
            if name in self.model_fields_set and (value := getattr(self, name)) is not None:
                yield name, value


def _wire(value: Any) -> Any:
    if isinstance(value, Request):
        return value.to_wire()
    if isinstance(value, Mapping):
        return {key: _wire(item) for key, item in value.items()}
    return value


class Answer(BaseModel):
    """What the API answers: unknown keys are kept, ids may be numbers, lists and mappings may be missing or null."""

    model_config = ConfigDict(
        extra="allow",
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,  # what strangers sent is not repeated in messages
        populate_by_name=True,
        protected_namespaces=(),
    )
