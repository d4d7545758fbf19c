from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from honeyhive.gate.student import (
    clustered_standard_error,
    effective_clusters,
    mean,
    regularised_beta,
    saturated,
    standard_deviation,
    student_t_quantile,
    student_t_survival,
    sum_by_cluster,
)

LARGEST = math.nextafter(math.inf, 0)

degrees = st.floats(-1, 6.5).map(lambda exponent: 10**exponent)
finite = st.floats(allow_nan=False, allow_infinity=False)


def close(value: float, *, within: float = 1e-10) -> object:
    return pytest.approx(value, rel=within, abs=1e-300)


@settings(deadline=None, max_examples=500)
@given(t=st.floats(-4, 12).map(lambda exponent: 10**exponent), df=degrees)
@example(t=2.273094489670967, df=2223013.811962203)
@example(t=27.611506093085747, df=938875.8434667712)
def test_the_survival_is_that_of_scipy(t: float, df: float) -> None:
    expected = float(stats.t.sf(t, df))
    assert student_t_survival(t, df) == close(expected)
    assert student_t_survival(-t, df) == close(1 - expected)


@settings(deadline=None, max_examples=500)
@given(tail=st.floats(-15, -0.4).map(lambda exponent: 10**exponent), df=degrees)
def test_the_quantile_is_that_of_scipy(tail: float, df: float) -> None:
    p = 1 - tail
    assert student_t_quantile(tail, df) == close(float(stats.t.ppf(tail, df)))
    assert student_t_quantile(p, df) == close(float(stats.t.ppf(p, df)))


@given(p=st.floats(-280, -0.31).map(lambda exponent: 10**exponent), df=degrees)
def test_the_quantile_undoes_the_survival(p: float, df: float) -> None:
    t = -student_t_quantile(p, df)
    assume(t < 1e290)
    # What rounding t alone does to the tail: its relative slope there is at most df.
    assert student_t_survival(t, df) == close(p, within=1e-11 + min(df, 1e4) * 1e-15)


@given(nearness=st.floats(-14, -2).map(lambda exponent: 10**exponent), df=degrees)
def test_the_quantile_keeps_its_digits_near_the_middle(nearness: float, df: float) -> None:
    nearness = (0.5 + nearness) - 0.5
    t = student_t_quantile(0.5 + nearness, df)
    # P(0 < T <= t), by SciPy's incomplete beta: its own quantile loses up to seven digits here.
    assert special.betainc(0.5, df / 2, t * t / (df + t * t)) / 2 == close(nearness)
    assert student_t_quantile(0.5 - nearness, df) == -t


@pytest.mark.parametrize(
    ("p", "df", "t"), [(0.95, 1, 6.313751514675043), (0.95, 9, 1.8331129326536335), (0.975, 30, 2.0422724563012373)]
)
def test_the_quantile_is_that_of_the_tables(p: float, df: float, t: float) -> None:
    assert student_t_quantile(p, df) == close(t)


def test_the_middle_of_the_distribution_is_exact() -> None:
    assert student_t_survival(0.0, 7) == 0.5
    assert student_t_quantile(0.5, 7) == 0.0


@pytest.mark.parametrize("t", [1e150, 1e200, 1e300, LARGEST])
@pytest.mark.parametrize("df", [0.01, 0.5, 1.0])
def test_far_tails_follow_the_power_law_without_overflow(t: float, df: float) -> None:
    reference = 1e9 * math.sqrt(df)
    expected = math.log(float(stats.t.sf(reference, df))) - df * (math.log(t) - math.log(reference))
    assert math.log(student_t_survival(t, df)) == pytest.approx(expected, rel=1e-12)


def test_infinity_has_no_tail() -> None:
    assert student_t_survival(math.inf, 3) == 0.0
    assert student_t_survival(-math.inf, 3) == 1.0
    assert student_t_survival(1e200, 3) == 0.0


@settings(deadline=None, max_examples=500)
@given(
    a=st.floats(-1, 5).map(lambda exponent: 10**exponent),
    b=st.floats(-1, 5).map(lambda exponent: 10**exponent),
    z=st.floats(-5, 5),
)
def test_the_incomplete_beta_is_that_of_scipy(a: float, b: float, z: float) -> None:
    spread = math.sqrt(a * b / (a + b + 1)) / (a + b)
    x = min(1.0, max(0.0, a / (a + b) + z * spread))
    assert regularised_beta(a, b, x) == pytest.approx(float(special.betainc(a, b, x)), rel=1e-9, abs=1e-100)


def test_the_incomplete_beta_keeps_its_digits_where_scipy_does_not() -> None:
    # By mpmath with 50 digits; SciPy 1.15 is off by 2e-9.
    found = regularised_beta(1050.4089003913691, 27.31392886013526, 0.5)
    assert found == close(3.0411772149570570823e-272)


def test_the_incomplete_beta_covers_its_whole_range() -> None:
    assert regularised_beta(2, 3, 0) == 0.0
    assert regularised_beta(2, 3, 1) == 1.0
    assert regularised_beta(1, 1, 0.25) == close(0.25)


@pytest.mark.parametrize(("a", "b", "x"), [(0, 1, 0.5), (1, -1, 0.5), (1, 1, 1.5), (1, 1, math.nan)])
def test_no_incomplete_beta_outside_its_domain(a: float, b: float, x: float) -> None:
    with pytest.raises(ValueError, match="no incomplete beta"):
        regularised_beta(a, b, x)


def test_no_t_distribution_outside_its_domain() -> None:
    with pytest.raises(ValueError, match="no t distribution"):
        student_t_survival(1, 0)
    with pytest.raises(ValueError, match="no t distribution"):
        student_t_survival(math.nan, 3)
    with pytest.raises(ValueError, match="no t quantile"):
        student_t_quantile(1, 3)


@given(st.lists(finite, max_size=20))
def test_means_and_deviations_never_overflow(values: list[float]) -> None:
    slack = 1e-15 * max(map(abs, values), default=0.0) + 5e-324
    assert min(values, default=0.0) - slack <= mean(values) <= max(values, default=0.0) + slack
    if len(values) > 1:
        assert math.isfinite(standard_deviation(values))
        assert math.isfinite(clustered_standard_error(values, [index % 3 for index in range(len(values))]))


def test_the_mean_of_the_largest_floats_is_the_largest_float() -> None:
    assert mean([LARGEST] * 7) == pytest.approx(LARGEST)
    assert mean([LARGEST, -LARGEST]) == 0.0
    assert mean([]) == 0.0
    assert mean([5e-324]) == 5e-324


def test_what_does_not_fit_saturates_and_nan_is_refused() -> None:
    assert saturated(math.inf) == LARGEST
    assert saturated(-math.inf) == -LARGEST
    assert saturated(-1.5) == -1.5
    with pytest.raises(ValueError, match="NaN"):
        saturated(math.nan)


def test_clusters_of_one_size_count_fully_and_unequal_ones_less() -> None:
    assert effective_clusters(["a", "a", "b", "b", "c", "c"]) == 3.0
    assert effective_clusters(["a"] * 9 + ["b"]) == pytest.approx(100 / 82)
    assert effective_clusters([]) == 0.0
    assert sum_by_cluster([1.0, 2.0, 4.0], ["b", "a", "b"]) == [5.0, 2.0]


def test_one_cluster_has_no_standard_error_between_clusters() -> None:
    assert clustered_standard_error([1.0, -1.0], ["a", "a"]) == 0.0
