from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.gate.aggregates import TOTAL, WORDS, Aggregate, split

LARGEST = sys.float_info.max
scores = st.lists(st.floats(-1e12, 1e12), min_size=1)
percentiles = st.integers(1, 99)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [*WORDS, "p1", "p9", "p10", "p50", "p99"])
@pytest.mark.parametrize("metric", ["quality", "latency_ms", "rouge.f1", "tokens.total", "a.mean", "zwei\nZeilen"])
def test_what_stands_after_a_metrics_name_is_the_aggregate(metric: str, word: str) -> None:
    assert split(f"{metric}.{word}") == (metric, Aggregate(word))
    assert str(Aggregate(word)) == word


@pytest.mark.parametrize(
    "name",
    [
        "quality", "mean", ".mean", "quality.", "quality.p0", "quality.p100", "quality.p05", "quality.p", "quality.P95",
        "quality.average", "quality.p95 ", "quality.p99.9", "quality-mean", "rouge.f1", "qualitymean", "quality.p٣",
    ],
)  # fmt: skip
def test_any_other_name_is_a_metrics_own(name: str) -> None:
    assert split(name) == (name, None)


def test_the_total_of_tokens_is_a_metric_by_itself() -> None:
    assert split("tokens.total") == ("tokens.total", None)
    assert split("tokens.total.total") == ("tokens.total", TOTAL)
    assert split("tokens.input.total") == ("tokens.input", TOTAL)


@given(st.text(min_size=1), st.sampled_from([*WORDS, "p1", "p99"]))
def test_a_name_put_together_is_taken_apart_the_same(metric: str, word: str) -> None:
    found, aggregate = split(f"{metric}.{word}")
    assert f"{found}.{aggregate}" == f"{metric}.{word}"


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_the_words_say_what_they_are() -> None:
    assert [Aggregate(word).of([1, 2, 6, 11]) for word in ("mean", "median", "total")] == [5.0, 4.0, 20.0]


@given(scores, percentiles)
def test_a_percentile_is_the_one_of_numpy(found: list[float], percent: int) -> None:
    aggregate = Aggregate(f"p{percent}")
    enough = found * aggregate.least
    assert aggregate.of(enough) == pytest.approx(float(numpy.percentile(enough, percent)), rel=1e-9, abs=1e-3)


@given(scores)
def test_the_median_is_the_one_of_numpy_of_however_few(found: list[float]) -> None:
    assert Aggregate("median").of(found) == pytest.approx(float(numpy.median(found)), rel=1e-9, abs=1e-3)


@given(scores)
def test_a_total_is_the_sum_to_the_last_bit(found: list[float]) -> None:
    assert Aggregate("total").of(found) == float(sum(map(Fraction, found)))


def test_a_total_that_is_too_large_is_the_largest_number_there_is() -> None:
    assert TOTAL.of([LARGEST, LARGEST]) == LARGEST
    assert TOTAL.of([-LARGEST, -LARGEST]) == -LARGEST
    assert TOTAL.of([LARGEST, LARGEST, -LARGEST]) == LARGEST


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([LARGEST, -LARGEST, 1e308, 1e307])))
def test_a_total_does_not_depend_on_the_order(found: list[float]) -> None:
    totals = {TOTAL.of([0.1, *order]) for order in (found, found[::-1], sorted(found), sorted(found, key=abs))}
    assert len(totals) == 1


def test_a_total_that_fits_is_exact_where_a_sum_on_the_way_to_it_does_not_fit() -> None:
    assert TOTAL.of([1e308, 1e308, 1.0, -1e308, -1e308]) == 1.0
    assert TOTAL.of([LARGEST, 1e292, -1e292, -LARGEST, 5.0]) == 5.0


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from(["mean", "median", "total"])
)
def test_every_aggregate_is_finite(found: list[float], word: str) -> None:
    value = Aggregate(word).of(found)
    assert value is not None
    assert math.isfinite(value)


# --- how many it takes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "least"),
    [
        ("mean", 1),
        ("total", 1),
        ("median", 1),
        ("p50", 2),
        ("p5", 20),
        ("p95", 20),
        ("p90", 10),
        ("p99", 100),
        ("p1", 100),
    ],
)
def test_a_percentile_takes_as_many_scores_as_put_one_beyond_it(word: str, least: int) -> None:
    aggregate = Aggregate(word)
    assert aggregate.least == least
    assert aggregate.of([1.0] * (least - 1)) is None
    assert aggregate.of([1.0] * least) is not None


@given(percentiles)
def test_a_percentile_takes_as_many_as_the_one_on_the_other_side(percent: int) -> None:
    least = Aggregate(f"p{percent}").least
    assert least == Aggregate(f"p{100 - percent}").least
    assert least * min(percent, 100 - percent) >= 100 > (least - 1) * min(percent, 100 - percent)


def test_only_the_median_and_percentiles_are_quantiles() -> None:
    assert [word for word in (*WORDS, "p1") if Aggregate(word).is_quantile] == ["median", "p95", "p1"]
