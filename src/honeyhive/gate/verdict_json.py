"""A `Verdict` as plain JSON values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from honeyhive.documents import compact_json
from honeyhive.errors import InputError
from honeyhive.gate.verdict import SCHEMA, Verdict

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict as dicts, lists, strings, numbers, booleans and `None`."""
    return {field.name: _plain(getattr(verdict, field.name)) for field in fields(verdict)}


def from_json(data: Any) -> Verdict:
    """The verdict that `to_json` gave, or `InputError`. Unknown keys are ignored; a newer schema is refused."""
    if not isinstance(data, Mapping):
        raise InputError(
            f"a verdict is a JSON object, not {type(data).__name__}", hint="honeyhive compare --json writes one"
        )
    schema = data.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(
            f"the verdict has schema {schema}, this version reads up to {SCHEMA}", hint="update honeyhive to read it"
        )
    from pydantic import ValidationError  # noqa: PLC0415 - most commands never read a verdict, and it is slow to load

    try:
        # By way of text: there Pydantic takes strings for enums and lists for tuples, and yet no string for a number,
        # which is what `compact_json` makes of NaN.
        return _adapter().validate_json(compact_json(data), strict=True)
    except ValidationError as error:
        raise InputError(_first_fault(error.errors()), hint="honeyhive compare --json writes one") from error


def prepare_to_read() -> None:
    """Load now what `from_json` takes."""
    _adapter()


@cache
def _adapter() -> TypeAdapter[Verdict]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - slow to load, and only reading needs it

    return TypeAdapter(Verdict)


def _first_fault(faults: Any) -> str:
    place = ".".join(str(part) for part in faults[0]["loc"])
    return f"verdict.{place}: {faults[0]['msg'].lower()}"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
