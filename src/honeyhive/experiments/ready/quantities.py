"""The ready evaluator of numbers: `numeric_tolerance`."""

from __future__ import annotations

import decimal
import numbers
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from honeyhive.documents import shown
from honeyhive.errors import ArgumentError
from honeyhive.experiments.ready.base import Comparing

_MAX_DIGITS = 400


@dataclass(frozen=True, kw_only=True)
class NumericTolerance(Comparing):
    """Whether the output is near enough to the ground truth, made by `numeric_tolerance()`."""

    called: ClassVar[str] = "numeric_tolerance"
    absolute: float | None = None
    relative: float | None = None

    def __post_init__(self) -> None:
        """Refuse tolerances that are none."""
        given: list[Any] = [tolerance for tolerance in (self.absolute, self.relative) if tolerance is not None]
        if not given:
            raise ArgumentError("numeric_tolerance: no tolerance", hint="give absolute=0.01 or relative=0.05, or both")
        for tolerance in given:
            number = _number(tolerance)
            if number is None or number < 0 or not isinstance(tolerance, numbers.Real | Decimal):
                raise ArgumentError(f"numeric_tolerance: {tolerance!r} is no tolerance", hint="a number, 0 or more")

    def judge(self, outputs: Any, inputs: Any, ground_truth: Any) -> Any:  # noqa: ARG002 - that of all evaluators
        """Whether it is; false for an output of text that is no number."""
        output, expected = self.compared(outputs, ground_truth)
        wanted, found = _number(expected), _number(output)
        if wanted is None:
            raise ValueError(f"the ground truth is no finite number: {_said(expected)}")
        if found is None and not isinstance(output, str):
            raise TypeError(f"the output is no finite number: {_said(output)}")
        if found is None:
            return False, f"not a number: {_said(output)}"
        with decimal.localcontext(prec=50):
            allowed = max(self._absolute, self._relative * abs(wanted))
            difference = abs(found - wanted)
            return True if difference <= allowed else (False, f"off by {difference:.6g}, allowed {allowed:.6g}")

    @property
    def _absolute(self) -> Decimal:
        return _number(self.absolute) or Decimal(0)

    @property
    def _relative(self) -> Decimal:
        return _number(self.relative) or Decimal(0)


def numeric_tolerance(
    *,
    absolute: float | None = None,
    relative: float | None = None,
    key: str | None = None,
    expected_key: str | None = None,
    name: str | None = None,
) -> NumericTolerance:
    """Whether the output is a number no further from the ground truth than `absolute`, or `relative` of it.

    Where both are given, the larger one counts. Numbers may be written as text, such as `"3.14"`; they are compared
    as they are written, in decimal.
    """
    return NumericTolerance(absolute=absolute, relative=relative, key=key, expected_key=expected_key, name=name)


def _number(value: Any) -> Decimal | None:
    """The finite number that a value is or, as text, says; as it is written, not as a binary fraction."""
    if isinstance(value, bool) or not isinstance(value, str | numbers.Real | Decimal):
        return None
    text = value if isinstance(value, str) else str(value)
    if not isinstance(value, str | int | float | Decimal):
        text = repr(float(value))  # of another library, or a fraction
    if len(text) > _MAX_DIGITS or "_" in text:
        return None
    try:
        number = Decimal(text.strip())
    except decimal.InvalidOperation:
        return None
    return number if number.is_finite() and number.adjusted() < _MAX_DIGITS else None


def _said(value: Any) -> str:
    return shown(value) if isinstance(value, str) else f"a {type(value).__name__}"
