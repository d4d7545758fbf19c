"""Numbers as people read them.

- A rate is a percentage with one decimal, `42.4 %`, `35.0 %`. `0 %` and `100 %` stand for exactly that: what only comes
  near is shown with as many decimals as it takes, `99.96 %`.
- A difference of rates is in points, `−7.4 pts`; a ratio is a signed percentage, `+9.2 %`; no difference is `0`. The
  minus sign is U+2212.
- Elsewhere, too, zeros at the end are dropped only where nothing was cut off: `2` is exactly 2, `2.0` is about 2.
- A score has 3 significant digits below 1 and 4 above, `0.833`, `12.35`; time has its unit, `812 ms`, `1.2 s`.
- What a user wrote is shown as it was written: `−0.25 pts`, `≥ 35 %`.
- Estimates are grouped by thousands, `1 time in 4,900`; exact counts from five digits on, `1000`, `12,345`.
- A number never seems to be what it is not: `extra_digits` says how many more digits it takes to tell it from the
  numbers that it is compared with (a drop of 2.04 from an allowed 2).
- `None` is `–`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeGuard

from honeyhive.gate.metrics import Kind

NOTHING = "–"
MINUS = "−"
TIE = 1e-9
"""What differs by no more than this is equal: it differs by rounding alone."""

_MOST_DIGITS = 9
_TOO_LONG = 1e15
_TRAILING_ZEROS = re.compile(r"(\.[0-9]*?)0+(?![0-9])")
_BARE_POINT = re.compile(r"\.(?![0-9])")

Format = Callable[[float, int], str]
"""A number as text, with so many digits more than usual."""


def value(number: float | None, kind: Kind | None, extra: int = 0) -> str:
    """A score or a mean in the manner of its kind."""
    return _VALUES.get(kind, score)(number, extra) if _is_known(number) else NOTHING


def difference(number: float | None, kind: Kind | None, extra: int = 0) -> str:
    """A signed change: points for a rate, percent for latency and cost (`number` is ratio − 1), else its own unit."""
    return _DIFFERENCES.get(kind, signed_score)(number, extra) if _is_known(number) else NOTHING


def amount(number: float | None, kind: Kind | None, extra: int = 0) -> str:
    """How large a change is, without its sign: `5.6 pts`."""
    return difference(abs(number), kind, extra).removeprefix("+") if _is_known(number) else NOTHING


def rate(number: float, extra: int = 0) -> str:
    """`42.4 %` of 0.424."""
    if abs(number) <= TIE or abs(number - 1) <= TIE:
        return "100 %" if number > 0.5 else "0 %"
    percent = _percent(number)
    if abs(percent) >= _TOO_LONG:
        return f"{_power_of_ten(percent, 2 + extra)} %"
    for digits in range(1 + extra, 2 + extra + _MOST_DIGITS):
        shown = _fixed(percent, digits)
        if _bare(shown) not in ("0", "100"):
            break
    return f"{shown} %"


def points(number: float, extra: int = 0) -> str:
    """`−7.4 pts` of −0.074, `+2 pts` of 0.02."""
    shown = _signed_percent(number, extra)
    if shown == "0":
        return shown
    return f"{shown} pt" if shown[1:] == "1" else f"{shown} pts"


def percent_change(number: float, extra: int = 0) -> str:
    """`−2.7 %` of −0.027: a ratio less 1."""
    return f"{_signed_percent(number, extra)} %"


def score(number: float, extra: int = 0) -> str:
    """`0.833` of 5/6, `1,235` of 1234.5."""
    if number == 0:
        return "0"
    size = abs(number)
    if not 1e-6 <= size < _TOO_LONG:
        return _power_of_ten(number, 2 + extra)
    digits = (3 if size < 1 else 4) + extra
    return _rounded(number, max(extra, digits - 1 - math.floor(math.log10(size))))


def signed_score(number: float, extra: int = 0) -> str:
    """`+0.42`, `−0.5`, `0`."""
    shown = "0" if abs(number) <= TIE else score(number, extra)
    return f"+{shown}" if number > 0 and shown != "0" else shown


def latency(number: float, extra: int = 0) -> str:
    """Milliseconds as `0.43 ms`, `812 ms`, `1.2 s`, `12.5 min`."""
    return duration(number, extra)


def duration(number: float, extra: int = 0, *, beside: float = 0.0) -> str:
    """Milliseconds in the unit of their size, or in that of the time they stand beside: `0.4 s` beside `2 s`."""
    size = abs(number)
    if size >= _TOO_LONG:
        return f"{_power_of_ten(number, 2 + extra)} ms"
    unit = max(_time_unit(number, extra), _time_unit(beside, extra))
    usual = (2 if size < 10 else 0) if unit == 1 else 0 if unit == 1_000 and size >= 100_000 else 1
    for digits in range(usual + extra, usual + extra + _MOST_DIGITS):
        shown = _rounded(number / unit, digits)
        if shown.strip("−0.") or not size:
            break
    return f"{shown} {_TIMES[unit]}"


def _time_unit(number: float, extra: int) -> int:
    """How many milliseconds the unit has that a time of this size is shown in."""
    size = abs(number)
    if round(size, extra) < 1_000:
        return 1
    return 1_000 if round(size, -2) < 600_000 else 60_000


_TIMES = {1: "ms", 1_000: "s", 60_000: "min"}


_VALUES: dict[Kind | None, Format] = {Kind.RATE: rate, Kind.LATENCY: latency}
_DIFFERENCES: dict[Kind | None, Format] = {
    Kind.RATE: points,
    Kind.LATENCY: percent_change,
    Kind.COST: percent_change,
}


def written(number: float | None, kind: Kind | None) -> str:
    """A bound as the user gave it, with every digit: `35 %`, `2 s`, `4.25`."""
    if number is None:
        return NOTHING
    if kind is Kind.RATE:
        return f"{_every_digit(_percent(number))} %"
    if kind is not Kind.LATENCY:
        return _every_digit(number)
    unit = 60_000 if abs(number) >= 600_000 and number % 60_000 == 0 else 1_000 if abs(number) >= 1_000 else 1
    return f"{_every_digit(number / unit)} {_TIMES[unit]}"


def margin(number: float | None, kind: Kind | None, *, sign: int, relative: bool = False) -> str:
    """How far a metric may move, as the user allowed it: `−2 pts`, `+10 %`; `0` where it may not."""
    if number is None:
        return NOTHING
    percentage = relative or kind in (Kind.LATENCY, Kind.COST)
    shown = _every_digit(_percent(number) if percentage or kind is Kind.RATE else number)
    if shown != "0":
        shown = ("+" if sign > 0 else MINUS) + shown
    if percentage:
        return f"{shown} %"
    if kind is Kind.RATE and shown != "0":
        return f"{shown} pt" if shown[1:] == "1" else f"{shown} pts"
    return shown


def count(number: int | None) -> str:
    """An exact count: `1000`, `12,345`."""
    if number is None:
        return NOTHING
    return str(number) if abs(number) < 10_000 else f"{number:,}".replace("-", MINUS)


def datapoints(number: int) -> str:
    """`1 datapoint`, `660 datapoints`."""
    return "1 datapoint" if number == 1 else f"{count(number)} datapoints"


def about(number: float | None) -> str:
    """An estimated count, to two significant digits: `88`, `3,700`."""
    if number is None:
        return NOTHING
    whole = round(number)
    return f"{round(whole, 2 - len(str(abs(whole)))):,}"


def chance(p: float | None) -> str:
    """How often chance alone does as much: `1 time in 88` of 0.0113.

    What is significant at 0.05 is 1 time in 20 or rarer, what is not is shown as more often than that.
    """
    if p is None:
        return NOTHING
    if p < 1e-6:
        return "less than 1 time in a million"
    if p < 0.4:
        once_in = round(1 / p) if p <= 0.05 else min(19, round(1 / p))
        return f"1 time in {about(once_in)}"
    tenths = round(p * 10)
    if tenths == 5:
        return "1 time in 2"
    return f"{tenths} times in 10" if tenths < 10 else "nearly every time"


def extra_digits(shown: Format, number: float | None, *others: float | None) -> int:
    """How many more digits it takes until `number` does not look like any of `others` that it is not."""
    if number is None:
        return 0
    apart = [other for other in others if other is not None and abs(other - number) > TIE]
    return next((n for n in range(_MOST_DIGITS) if not _looks_like_any(shown, number, apart, n)), _MOST_DIGITS)


def _looks_like_any(shown: Format, number: float, others: list[float], extra: int) -> bool:
    return any(_bare(shown(other, extra)) == _bare(shown(number, extra)) for other in others)


def _signed_percent(number: float, extra: int) -> str:
    percent = _percent(number)
    if abs(number) <= TIE:
        return "0"
    sign = "+" if percent > 0 else ""
    if abs(percent) >= 100:
        return sign + (_rounded(percent, extra) if abs(percent) < _TOO_LONG else _power_of_ten(percent, 2 + extra))
    for digits in range(1 + extra, 2 + extra + _MOST_DIGITS):
        # A whole number is bare, what is about that number keeps its decimal: +2 and −4.0.
        shown = _fixed(percent, 0) if _is_whole(percent) else _fixed(percent, digits)
        if _bare(shown) != "0":
            break
    return sign + shown


def _rounded(number: float, digits: int) -> str:
    """Zeros at the end only where something was cut off."""
    shown = _fixed(number, digits)
    exact = abs(round(number, digits) - number) <= TIE * max(1.0, abs(number))
    return _bare(shown) if exact else shown


def _fixed(number: float, digits: int) -> str:
    shown = f"{number:,.{digits}f}"
    return (shown if shown.strip("-0.") else shown.lstrip("-")).replace("-", MINUS)


def _every_digit(number: float) -> str:
    if not 1e-9 <= abs(number) < 1e12:
        return "0" if number == 0 else _power_of_ten(number, 9)
    return _bare(f"{number:,.9f}").replace("-", MINUS)


def _power_of_ten(number: float, digits: int) -> str:
    mantissa, exponent = f"{number:.{digits}e}".split("e")
    return f"{_bare(mantissa)}e{int(exponent)}".replace("-", MINUS)


def _bare(shown: str) -> str:
    """Without the zeros after the decimal point."""
    return _BARE_POINT.sub("", _TRAILING_ZEROS.sub(r"\1", shown))


def _percent(number: float) -> float:
    """A share as a percentage; the largest floats have none, they stay the largest."""
    percent = number * 100
    return percent if math.isfinite(percent) else number


def _is_known(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) <= TIE * 100
