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
    is_amount = isinstance(written, int | float | str) and not isinstance(written, bool)
    match = _AMOUNT.fullmatch(str(written)) if is_amount else None
    value = _in_base_unit(match.group(1), match.group(2)) if match else math.nan
    return Amount(value, match.group(2)) if match and math.isfinite(value) else None


def written_number(value: float) -> str:
    """The number as a person would write it, and read back the same to the last bit."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _in_base_unit(number: str, unit: str | None) -> float:
    if unit != "%":
        return float(number) * _MILLISECONDS.get(unit or "", 1.0)
    # Shifted in the text, not divided: 2% has to be 0.02 to the last bit.
    digits, _, exponent = number.lower().partition("e")
    return float(f"{digits}e{int(exponent or 0) - 2}")
