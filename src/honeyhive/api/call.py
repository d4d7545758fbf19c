"""A request to the API as a value: what is sent, what is made of the answer, and whether it may be sent twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from honeyhive.documents import compact_json, shown
from honeyhive.errors import ApiAnswerError, ArgumentError
from honeyhive.models.shapes import Answer

T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A", bound=Answer)

_LONGEST_PATH = 200


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T_co]):
    """One request. `parse` makes the answer of its JSON, of None where the answer is empty.

    `idempotent` says that sending it twice leaves the platform as sending it once does. Its body is `json`, or
    `content`, which is JSON already.
    """

    method: str
    path: str
    parse: Callable[[Any], T_co] = field(repr=False)
    params: Sequence[tuple[str, str]] = ()
    json: Mapping[str, Any] | None = None
    content: bytes | None = None
    idempotent: bool = True

    @property
    def request(self) -> str:
        """Method and path, for messages."""
        path = self.path if len(self.path) <= _LONGEST_PATH else f"{self.path[: _LONGEST_PATH - 1]}…"
        return f"{self.method} {path}"

    @property
    def body(self) -> bytes | None:
        """What is sent as the body, if anything is."""
        return self.content if self.json is None else compact_json(self.json)


def path(template: str, *parts: object) -> str:
    """The template with its `{}` replaced, each part staying one part of the path whatever is in it."""
    return template.format(*map(_part, parts))


def _part(part: object) -> str:
    text = str(part)
    # Clients and servers alike take these two for steps in the tree, however they are written.
    if text.strip() in ("", ".", ".."):
        raise ArgumentError(f"{shown(text)} is not an id", hint="give the id as HoneyHive shows it")
    return quote(text, safe="", errors="replace")


def params(**values: str | float | Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """The query of these parameters, without those that are None; a list repeats its name, as the API describes."""
    return tuple((name, item) for name, value in values.items() if value is not None for item in _texts(value))


def _texts(value: str | float | Sequence[str]) -> Sequence[str]:
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)] if isinstance(value, str | int | float) else [str(item) for item in value]


def answer(shape: type[A], **known: object) -> Callable[[Any], A]:
    """Reads an answer of that shape; it must be an object. What is `known` of it fills what the answer leaves out."""

    def parse(value: Any) -> A:
        if not isinstance(value, Mapping):
            raise ApiAnswerError(f"the answer is {_kind(value)}, not an object")
        missing = {name: item for name, item in known.items() if value.get(name) is None}
        return shape.model_validate({**value, **missing})

    return parse


def acknowledged(shape: type[A]) -> Callable[[Any], A]:
    """Reads the answer to what only has to arrive: it may be empty, and must not say that it failed."""

    def parse(value: Any) -> A:
        if isinstance(value, Mapping) and value.get("success") is False:
            raise ApiAnswerError("the answer says that it failed")
        return answer(shape)({} if value is None else value)

    return parse


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    return {"str": "a text", "list": "a list", "bool": "true or false"}.get(type(value).__name__, "a number")
