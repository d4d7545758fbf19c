"""Targets: what a value is held against where an evaluator has one, as users write them."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from honeyhive.documents import plain, shown
from honeyhive.errors import ArgumentError

_RANGE = re.compile(r"\s*([\[(])([^,\[\]()]*),([^,\[\]()]*)([\])])\s*")
_MEANT_AS_RANGE = re.compile(r"\s*[\[\]()].*,.*[\[\]()]\s*", re.DOTALL)
_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+|inf)\s*"
_ONE_SIDED = rf"(?:[^\[\]()]*,[^\[\]()]*|{_NUMBER})"
_HALF_WRITTEN = re.compile(
    rf"\s*(?:[\[(]{_ONE_SIDED}|{_ONE_SIDED}[\])]|[\[(]{_NUMBER}(?:[;:–-]|\.{{2,3}}|\s){_NUMBER}[\])])\s*"
)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The numbers from `low` to `high`, an end belonging to it where it is `closed`."""

    low: float
    high: float
    closed: tuple[bool, bool] = (True, True)

    def __contains__(self, value: Any) -> bool:
        """Whether the number is one of them; `TypeError` where it is no number."""
        if not isinstance(value, numbers.Real):
            raise TypeError(f"a {type(value).__name__} cannot be held against the range {self}")
        above = self.low <= value if self.closed[0] else self.low < value  # type: ignore[operator]  # mypy's Real has none
        below = value <= self.high if self.closed[1] else value < self.high
        return bool(above and below)

    def __str__(self) -> str:
        """As users write it."""
        return f"{'[' if self.closed[0] else '('}{self.low:g}, {self.high:g}{']' if self.closed[1] else ')'}"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a value has to be: in a range or a list, at least a number, or equal to anything else."""

    value: Any

    def met_by(self, value: Any) -> bool:
        """Whether the value is on target; `TypeError` where the two cannot be compared."""
        target = self.value
        if isinstance(target, Interval | range):
            return value in target
        if isinstance(target, Collection) and not isinstance(target, str):
            return any(type(one) is type(value) and one == value for one in target) or _number_in(value, target)
        is_number = isinstance(target, numbers.Real)
        if is_number is not isinstance(value, numbers.Real) or not (is_number or isinstance(value, type(target))):
            raise TypeError(f"a {type(value).__name__} cannot be held against the target {self}")
        return bool(value >= target if is_number and not isinstance(target, bool) else value == target)

    def __str__(self) -> str:
        """As users write it."""
        return str(self.value) if isinstance(self.value, Interval | numbers.Real) else str(self.described())

    def described(self) -> Any:
        """What a fingerprint knows of it."""
        return str(self.value) if isinstance(self.value, range) else plain(self.value)


def _number_in(value: Any, target: Collection[Any]) -> bool:
    """Whether an equal number is there; true and false are no numbers here."""
    return _is_number(value) and any(_is_number(one) and one == value for one in target)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def read_target(written: Any) -> Target:
    """The target as it is written: a value, a list of values, or a range such as `"[0.5, 1]"` or `"(0, 1]"`."""
    if isinstance(written, str) and _MEANT_AS_RANGE.fullmatch(written):
        return Target(value=_read_interval(written))
    if isinstance(written, str) and _HALF_WRITTEN.fullmatch(written):
        raise ArgumentError(
            f"the target {shown(written)} is a range half written",
            hint=f'such as "[0.5, 1]"; as a text it goes into a list: [{shown(written)}]',
        )
    if isinstance(written, Collection) and not isinstance(written, str) and not written:
        raise ArgumentError("the target is empty: nothing could be in it", hint='such as ["yes"] or "[0.5, 1]"')
    if isinstance(written, float) and not math.isfinite(written):
        raise ArgumentError(f"the target {written} is not a finite number", hint='such as 0.8 or "[0.5, 1]"')
    return Target(value=written)


def _read_interval(written: str) -> Interval:
    match = _RANGE.fullmatch(written)
    try:
        low, high = (float(match[2]), float(match[3])) if match else (math.nan, math.nan)
    except ValueError:
        low = high = math.nan
    if match is None or not low <= high:
        raise ArgumentError(f"the target {shown(written)} is no range", hint='such as "[0.5, 1]" or "(0, inf)"')
    interval = Interval(low=low, high=high, closed=(match[1] == "[", match[4] == "]"))
    if low == high and interval.closed != (True, True):
        raise ArgumentError(f"the target {shown(written)} is empty: nothing could be in it", hint='such as "[0.5, 1]"')
    return interval
