from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from honeyhive.gate.planning import (
    needed_for_rate,
    needed_for_score,
    smallest_detectable_rate,
    smallest_detectable_rate_from_flips,
    smallest_detectable_score,
)
from honeyhive.gate.samples import median, pass_hat_k, quantile, wilson
from honeyhive.gate.statistics import Limits, holm

finite = st.floats(allow_nan=False, allow_infinity=False)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-300)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(ps: list[float]) -> None:
    adjusted = holm(ps)
    for level in [0.05, *adjusted]:
        rejected, ordered = set(), sorted(range(len(ps)), key=lambda index: ps[index])
        for rank, index in enumerate(ordered):
            if (len(ps) - rank) * ps[index] > level:
                break
            rejected.add(index)
        assert {index for index, p in enumerate(adjusted) if p <= level} >= rejected
        if level < 1:
            assert {index for index, p in enumerate(adjusted) if p <= level} == rejected
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))


@settings(deadline=None)
@given(n=st.integers(1, 100_000), share=st.floats(0, 1), confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_limits_are_scipys(n: int, share: float, confidence: float) -> None:
    k = round(n * share)
    expected = stats.binomtest(k, n).proportion_ci(2 * confidence - 1, method="wilson")
    found = wilson(k, n, confidence)
    assert found.lower == close(float(expected.low))
    assert found.upper == close(float(expected.high))
    assert 0 <= found.lower <= k / n <= found.upper <= 1


def test_wilson_of_no_data_excludes_nothing_and_of_no_count_refuses() -> None:
    assert wilson(0, 0) == Limits(lower=0.0, upper=1.0)
    with pytest.raises(ValueError, match="no count"):
        wilson(3, 2)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_numpys(values: list[float], q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-6)
    assert median(values) == pytest.approx(statistics.median(values), rel=1e-9, abs=1e-6)


@given(st.lists(finite, min_size=1, max_size=10), st.floats(0, 1))
def test_quantiles_stay_within_the_values(values: list[float], q: float) -> None:
    assert min(values) <= quantile(values, q) <= max(values)


@pytest.mark.parametrize(("values", "q"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_quantiles_of_nothing_are_refused(values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        quantile(values, q)


def test_pass_hat_k_of_impossible_trials_is_refused() -> None:
    for passes, trials, k in (([], 4, 1), ([5], 4, 1), ([1], 4, 5), ([1], 4, 0)):
        with pytest.raises(ValueError, match="no pass"):
            pass_hat_k(passes, trials, k)


@given(n=st.integers(1, 1_000_000), flips=st.floats(0, 1))
def test_the_smallest_detectable_rate_needs_just_as_many_pairs(n: int, flips: float) -> None:
    drop = smallest_detectable_rate_from_flips(n, flips)
    assume(drop is not None)
    assert drop is not None
    assert needed_for_rate(drop, flips) in (n, n + 1)


@given(n=st.integers(2, 1_000_000), sd=st.floats(1e-6, 1e6))
def test_the_smallest_detectable_score_needs_just_as_many_pairs(n: int, sd: float) -> None:
    drop = smallest_detectable_score(n, sd)
    assert drop is not None
    assert drop == close(float(stats.norm.ppf(0.95) + stats.norm.ppf(0.8)) * sd / math.sqrt(n))
    assert needed_for_score(drop, sd) in (n, n + 1)


def test_plans_without_an_answer_have_none() -> None:
    assert needed_for_rate(0.0, 0.1) is None
    assert needed_for_rate(1e-300, 0.1) is None
    assert needed_for_score(0.0, 1.0) is None
    assert needed_for_score(1e-300, 1e300) is None
    assert needed_for_score(1e-9, 1.0) is None
    assert needed_for_score(0.1, 0.0) == 2
    assert smallest_detectable_score(1, 0.5) is None
    assert smallest_detectable_score(10, 0.0) is None
    assert smallest_detectable_rate(0, 0, 0) is None
