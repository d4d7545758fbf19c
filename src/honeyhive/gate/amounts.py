"""Numbers as people write them in thresholds, and back: `0.02`, `2%`, `1e-3`, `500ms`, `2s`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

EXAMPLES = "0.02, 2%, 1e-3, 500ms or 2s"

PATTERN = r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(%|ms|s|m)?\s*"
"""A number and its unit, as a regular expression that JSON Schema reads too."""

_AMOUNT = re.compile(PATTERN)
_LONGEST = 400
"""No number needs more characters; a longer text would keep the expression busy."""

_LARGEST = 10**308
_MILLISECONDS = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Amount:
    """A finite number and the unit it was written in: milliseconds for a time, a share for a percentage."""

    value: float
    unit: str | None

    @property
    def is_time(self) -> bool:
        """Whether it was written as a time."""
        return self.unit in _MILLISECONDS

    @property
    def is_share(self) -> bool:
        """Whether it was written as a percentage."""
        return self.unit == "%"


def read_amount(written: Any) -> Amount | None:
    """The amount that a number or a text stands for; `None` where that is no finite number."""
    text = _text(written)
    match = _AMOUNT.fullmatch(text) if text is not None else None
    value = _in_base_unit(match.group(1), match.group(2)) if match else math.nan
    return Amount(value, match.group(2)) if match and math.isfinite(value) else None


def _text(written: Any) -> str | None:
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    if isinstance(written, int) and abs(written) > _LARGEST:  # to write out such a number takes long, or is refused
        return None
    return str(written) if not isinstance(written, str) or len(written) <= _LONGEST else None


def as_written(written: Any) -> str:
    """What stands where a number belongs, for a message; Python does not write out the largest integers."""
    return "such a number" if isinstance(written, int) and abs(written) > _LARGEST else str(written)


def written_number(value: float) -> str:
    """The number as a person would write it, and read back the same to the last bit."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _in_base_unit(number: str, unit: str | None) -> float:
    if unit != "%":
        return float(number) * _MILLISECONDS.get(unit or "", 1.0)
    # Shifted in the text, not divided: 2% has to be 0.02 to the last bit.
    digits, _, exponent = number.lower().partition("e")
    return float(f"{digits}e{int(exponent or 0) - 2}")
