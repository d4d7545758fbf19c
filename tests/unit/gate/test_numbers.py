from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from honeyhive.gate import numbers
from honeyhive.gate.metrics import Kind

NUMBERS = st.floats(-1e300, 1e300)
SHARES = st.floats(min_value=0, max_value=1)
KINDS = st.sampled_from([None, *Kind])


def parsed(shown: str) -> float:
    """The number that a reader sees."""
    return float(shown.partition(" ")[0].replace("−", "-").replace(",", ""))


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (280 / 660, "42.4 %"),
        (0.35, "35.0 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.9996, "99.96 %"),
        (0.99996, "99.996 %"),
        (0.0004, "0.04 %"),
        (1.0004, "100.04 %"),
        (1 - 1e-12, "100 %"),
        (1.5, "150.0 %"),
        (-0.2, "−20.0 %"),
        (1e300, "1e302 %"),
    ],
)
def test_a_rate_is_a_percentage_with_one_decimal(share: float, shown: str) -> None:
    assert numbers.rate(share) == shown


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (-0.07424, "−7.4 pts"),
        (0.02, "+2 pts"),
        (-0.0396, "−4.0 pts"),
        (0.01, "+1 pt"),
        (0.0, "0"),
        (-0.0004, "−0.04 pts"),
        (1.5, "+150 pts"),
        (1e300, "+1e302 pts"),
    ],
)
def test_a_difference_of_rates_is_in_points(change: float, shown: str) -> None:
    assert numbers.points(change) == shown


@pytest.mark.parametrize(
    ("change", "shown"),
    [(-0.027, "−2.7 %"), (0.1, "+10 %"), (0.0, "0 %"), (1.566, "+157 %"), (25.334, "+2,533 %"), (1e308, "+1e308 %")],
)
def test_a_ratio_is_a_signed_percentage(change: float, shown: str) -> None:
    assert numbers.percent_change(change) == shown


@pytest.mark.parametrize(
    ("score", "shown"),
    [
        (5 / 6, "0.833"),
        (4.25, "4.25"),
        (12.345, "12.35"),
        (1_234.6, "1,235"),
        (123_456.7, "123,457"),
        (0.1 + 0.2, "0.3"),
        (3.99996, "4.000"),
        (4.0, "4"),
        (-0.5, "−0.5"),
        (0.0, "0"),
        (1.23e-7, "1.23e−7"),
        (1.5e20, "1.5e20"),
    ],
)
def test_a_score_has_three_or_four_significant_digits(score: float, shown: str) -> None:
    assert numbers.score(score) == shown


@pytest.mark.parametrize(("change", "shown"), [(0.42, "+0.42"), (-0.5, "−0.5"), (0.0, "0"), (1e-12, "0")])
def test_a_difference_of_scores_has_a_sign(change: float, shown: str) -> None:
    assert numbers.difference(change, Kind.SCORE) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0.43, "0.43 ms"),
        (812.1, "812 ms"),
        (999.7, "1.0 s"),
        (1_000, "1 s"),
        (1_234, "1.2 s"),
        (95_000, "95 s"),
        (125_300, "125 s"),
        (600_000, "10 min"),
        (750_000, "12.5 min"),
        (1e300, "1e300 ms"),
    ],
)
def test_time_has_a_unit(milliseconds: float, shown: str) -> None:
    assert numbers.value(milliseconds, Kind.LATENCY) == shown


@pytest.mark.parametrize(
    ("milliseconds", "beside", "shown"),
    [
        (400, 2_000, "0.4 s"),
        (40, 2_000, "0.04 s"),
        (47, 2_000, "0.05 s"),
        (30, 990, "30 ms"),
        (1_900, 500, "1.9 s"),
        (30_000, 600_000, "0.5 min"),
        (0.4, 2_000, "0.0004 s"),
        (0, 2_000, "0 s"),
        (90_000, 30_000, "90 s"),
    ],
)
def test_a_time_beside_another_has_no_smaller_unit(milliseconds: float, beside: float, shown: str) -> None:
    assert numbers.duration(milliseconds, beside=beside) == shown


@given(st.floats(min_value=1e-3, max_value=1e9), st.floats(min_value=0, max_value=1e9))
def test_a_time_beside_another_is_never_nothing(milliseconds: float, beside: float) -> None:
    assert parsed(numbers.duration(milliseconds, beside=beside)) > 0


@pytest.mark.parametrize(
    ("bound", "kind", "shown"),
    [
        (0.35, Kind.RATE, "35 %"),
        (0.0, Kind.RATE, "0 %"),
        (0.07, Kind.RATE, "7 %"),
        (0.995, Kind.RATE, "99.5 %"),
        (2_000, Kind.LATENCY, "2 s"),
        (500, Kind.LATENCY, "500 ms"),
        (90_000, Kind.LATENCY, "90 s"),
        (600_000, Kind.LATENCY, "10 min"),
        (650_000, Kind.LATENCY, "650 s"),
        (4.25, Kind.SCORE, "4.25"),
        (1e6, Kind.COST, "1,000,000"),
        (1e-12, None, "1e−12"),
        (None, Kind.RATE, "–"),
    ],
)
def test_a_bound_is_shown_as_it_was_written(bound: float | None, kind: Kind | None, shown: str) -> None:
    assert numbers.written(bound, kind) == shown


@pytest.mark.parametrize(
    ("limit", "kind", "sign", "shown"),
    [
        (0.02, Kind.RATE, -1, "−2 pts"),
        (0.0025, Kind.RATE, -1, "−0.25 pts"),
        (0.01, Kind.RATE, -1, "−1 pt"),
        (0.0, Kind.RATE, -1, "0"),
        (0.1, Kind.COST, 1, "+10 %"),
        (0.1, Kind.LATENCY, 1, "+10 %"),
        (0.2, Kind.SCORE, -1, "−0.2"),
        (None, Kind.SCORE, -1, "–"),
    ],
)
def test_a_margin_is_shown_as_it_was_allowed(limit: float | None, kind: Kind, sign: int, shown: str) -> None:
    assert numbers.margin(limit, kind, sign=sign) == shown


def test_a_relative_margin_is_a_percentage_whatever_the_metric() -> None:
    assert numbers.margin(0.02, Kind.RATE, sign=-1, relative=True) == "−2 %"


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (0.011327922344207767, "1 time in 88"),
        (0.08978271484375, "1 time in 11"),
        (0.00020343013357924846, "1 time in 4,900"),
        (0.05, "1 time in 20"),
        (0.0501, "1 time in 19"),
        (0.3, "1 time in 3"),
        (0.42, "4 times in 10"),
        (0.5, "1 time in 2"),
        (0.94, "9 times in 10"),
        (0.99, "nearly every time"),
        (1.0, "nearly every time"),
        (1e-9, "less than 1 time in a million"),
        (0.0, "less than 1 time in a million"),
        (None, "–"),
    ],
)
def test_a_probability_is_so_many_times(p: float | None, shown: str) -> None:
    assert numbers.chance(p) == shown


@given(st.floats(min_value=1e-6, max_value=0.39))
def test_what_is_significant_is_one_time_in_twenty_or_rarer(p: float) -> None:
    once_in = int(numbers.chance(p).removeprefix("1 time in ").replace(",", ""))
    assert (once_in >= 20) is (p <= 0.05)


def test_exact_counts_are_grouped_from_five_digits_on_and_estimates_always() -> None:
    assert [numbers.count(n) for n in (0, 1_000, 12_345, None)] == ["0", "1000", "12,345", "–"]
    assert [numbers.about(n) for n in (0, 88, 3_712, 12_345, None)] == ["0", "88", "3,700", "12,000", "–"]
    assert [numbers.datapoints(n) for n in (0, 1, 660)] == ["0 datapoints", "1 datapoint", "660 datapoints"]


@given(KINDS)
def test_what_is_not_known_is_a_dash(kind: Kind | None) -> None:
    for missing in (None, math.nan, math.inf):
        assert numbers.value(missing, kind) == numbers.difference(missing, kind) == numbers.amount(missing, kind) == "–"


@given(SHARES)
def test_only_none_and_all_are_shown_without_decimals(share: float) -> None:
    shown = numbers.rate(share)
    assert (shown == "100 %") is (share >= 1 - 1e-9)
    assert (shown == "0 %") is (share <= 1e-9)
    assert parsed(shown) == pytest.approx(share * 100, abs=0.0501)


@given(SHARES, SHARES)
def test_a_larger_rate_never_looks_smaller(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert parsed(numbers.rate(low)) <= parsed(numbers.rate(high))


@given(NUMBERS, KINDS, st.integers(min_value=0, max_value=9))
def test_every_finite_number_has_a_form(number: float, kind: Kind | None, extra: int) -> None:
    for shown in (
        numbers.value(number, kind, extra),
        numbers.difference(number, kind, extra),
        numbers.amount(number, kind, extra),
        numbers.written(number, kind),
        numbers.margin(abs(number), kind, sign=-1),
    ):
        assert math.isfinite(parsed(shown))
        assert "-" not in shown
        assert len(shown) < 60


@given(st.floats(-1, 1), st.floats(-1, 1), KINDS)
def test_two_changes_that_differ_are_told_apart_in_the_right_order(one: float, other: float, kind: Kind | None) -> None:
    assume(abs(one - other) > 1e-8)

    def shown(number: float, extra: int) -> str:
        return numbers.difference(number, kind, extra)

    digits = numbers.extra_digits(shown, one, other)
    assert (parsed(shown(one, digits)) < parsed(shown(other, digits))) is (one < other)


def test_equal_numbers_need_no_more_digits() -> None:
    assert numbers.extra_digits(numbers.points, -0.02, -0.02 + 1e-12, None) == 0
    assert numbers.extra_digits(numbers.points, None, 0.02) == 0


def test_a_drop_just_beyond_the_margin_shows_the_digit_that_says_so() -> None:
    digits = numbers.extra_digits(numbers.points, -0.0204, -0.02)
    assert numbers.points(-0.0204, digits) == "−2.04 pts"
