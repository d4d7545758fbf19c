"""Arithmetic of expressions: with numbers alone, and with none that takes long to calculate with."""

from __future__ import annotations

import functools
import numbers
import operator
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

_MAX_BITS = 4_096
_FRACTION_BITS = 64
_MAX_DIGITS = 30
_BITS_OF_A_DIGIT = 4


def on_numbers(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The operation for numbers alone: on texts and lists it would format or repeat them without bounds."""

    def calculate(left: Any, right: Any) -> Any:
        for side in (left, right):
            if not isinstance(side, numbers.Number):
                raise TypeError(f"an expression calculates with numbers, not with a {type(side).__name__}")
            _check_digits(side)
        return operation(left, right)

    return calculate


def of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, where none of the numbers that it is given, alone or in a list, has too many digits."""

    def calculate(*args: Any, **kwargs: Any) -> Any:
        for argument in (*args, *kwargs.values()):
            alone = isinstance(argument, str) or not isinstance(argument, Collection)
            for number in (argument,) if alone else argument:
                _check_digits(number)
        return function(*args, **kwargs)

    return calculate


def total(values: Iterable[Any], start: Any = 0) -> Any:
    """`sum()` of numbers: of lists it would make one without bounds."""
    return functools.reduce(on_numbers(operator.add), values, start)


def power(base: Any, exponent: Any) -> Any:
    """`base ** exponent`, unless it is a number without bounds."""
    bits = base.bit_length() if isinstance(base, int) else _FRACTION_BITS
    if not isinstance(base, float) and isinstance(exponent, int) and bits * abs(exponent) > _MAX_BITS:
        raise ValueError(f"{base} ** {exponent} is too large a number")
    return base**exponent


def rounded(number: Any, digits: int = 0) -> Any:
    """`round()`, as far as it makes sense: Python computes ten to that power."""
    if abs(digits) > _MAX_DIGITS:
        raise ValueError(f"round() to {digits} digits; {_MAX_DIGITS} is the most")
    return round(number, digits) if digits else round(number)


def _check_digits(number: Any) -> None:
    """Refuse a number with too many digits: `Decimal("1e3000000")` is short, and `int()` of it takes minutes."""
    bits = 0
    if isinstance(number, int):
        bits = number.bit_length()
    elif isinstance(number, Fraction):
        bits = max(number.numerator.bit_length(), number.denominator.bit_length())
    elif isinstance(number, Decimal) and number.is_finite():
        bits = _BITS_OF_A_DIGIT * max(abs(number.adjusted()), len(number.as_tuple().digits))
    if bits > _MAX_BITS:
        raise ValueError("an expression calculates with numbers of at most 1,000 digits")
