from __future__ import annotations

import dataclasses
import math
import statistics
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from honeyhive.gate.statistics import (
    FEW_CHANGES,
    TIE,
    Limits,
    PairedTest,
    bonett_price,
    clustered_t,
    paired_log_t,
    paired_sign,
    paired_t,
    ratio_of_totals,
    sign_test_exact,
    sign_test_mid_p,
)

Z95 = float(stats.norm.ppf(0.95))
LARGEST = math.nextafter(math.inf, 0)

counts = st.integers(0, 3) | st.integers(0, 1_000_000)
finite = st.floats(allow_nan=False, allow_infinity=False)
eighths = st.integers(-80, 80).map(lambda number: number / 8)
positive = st.floats(-3, 3).map(lambda exponent: 10**exponent)


def close(value: float, *, within: float = 1e-9) -> object:
    return pytest.approx(value, rel=within, abs=1e-13)


def assert_limits(found: PairedTest | Limits, lower: float, upper: float) -> None:
    assert (found.lower, found.upper) == (close(lower), close(upper))


def assert_sound(test: PairedTest) -> None:
    for name, value in dataclasses.asdict(test).items():
        assert value is None or math.isfinite(value), name
    for p in (test.p, test.p_better):
        assert p is None or 0 <= p <= 1
    if test.lower is not None:
        assert test.estimate is not None
        assert test.upper is not None
        assert test.lower <= test.estimate <= test.upper


# --- pass/fail -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(worse=counts, better=counts)
def test_the_sign_tests_are_the_binomial_distribution(worse: int, better: int) -> None:
    n = worse + better
    at_least, more = float(stats.binom.sf(worse - 1, n, 0.5)), float(stats.binom.sf(worse, n, 0.5))
    assert sign_test_exact(worse, better) == pytest.approx(at_least, rel=1e-9, abs=1e-250)
    if n:
        assert sign_test_mid_p(worse, better) == pytest.approx((at_least + more) / 2, rel=1e-9, abs=1e-250)


@given(worse=st.integers(0, 60), better=st.integers(0, 60))
def test_small_sign_tests_agree_with_counting(worse: int, better: int) -> None:
    n = worse + better
    ways = sum(math.comb(n, k) for k in range(worse, n + 1))
    assert sign_test_exact(worse, better) == close(ways / 2**n, within=1e-13)
    assert sign_test_mid_p(worse, better) + sign_test_mid_p(better, worse) == close(1.0 if n else 2.0)


@settings(deadline=None)
@given(centre=st.integers(1, 500_000), deviation=st.floats(-30, 30))
def test_the_sign_tests_hold_around_the_centre_of_large_counts(centre: int, deviation: float) -> None:
    worse = min(2 * centre, max(0, round(centre + deviation * math.sqrt(centre / 2))))
    expected = float(stats.binom.sf(worse - 1, 2 * centre, 0.5))
    assert sign_test_exact(worse, 2 * centre - worse) == pytest.approx(expected, rel=1e-9, abs=1e-250)


def test_the_sign_tests_of_a_million_changes_take_no_time() -> None:
    start = time.perf_counter()
    for worse in range(1_000_000, 1_002_000, 20):
        sign_test_mid_p(worse, 1_000_000)
    assert time.perf_counter() - start < 2.0


def test_nothing_changed_is_no_evidence() -> None:
    assert sign_test_exact(0, 0) == sign_test_mid_p(0, 0) == 1.0


@pytest.mark.parametrize(("n", "worse", "better"), [(5, -1, 2), (5, 2, -1), (5, 3, 3)])
def test_impossible_counts_are_refused(n: int, worse: int, better: int) -> None:
    with pytest.raises(ValueError, match="no counts"):
        bonett_price(n, worse, better)
    if n > worse + better:
        with pytest.raises(ValueError, match="no counts"):
            sign_test_exact(worse, better)


@given(worse=st.integers(0, 1000), better=st.integers(0, 1000), same=st.integers(0, 1000))
def test_bonett_price_limits_are_wald_limits_of_adjusted_counts(worse: int, better: int, same: int) -> None:
    n = worse + better + same
    b, c, m = worse + 1, better + 1, n + 2
    error = Z95 * math.sqrt((b + c - (c - b) ** 2 / m) / m**2)
    found = bonett_price(n, worse, better)
    assert_limits(found, max(-1, (c - b) / m - error), min(1, (c - b) / m + error))
    mirrored = bonett_price(n, better, worse)
    assert_limits(mirrored, -found.upper, -found.lower)
    assert bonett_price(n, worse, better, 0.99).lower <= found.lower


def test_pass_fail_without_pairs_has_no_answer() -> None:
    assert paired_sign(0, 0, 0) == PairedTest(n=0, changed=0)


@given(worse=st.integers(0, 1000), better=st.integers(0, 1000), same=st.integers(1, 1000))
def test_pass_fail_tests_are_sound(worse: int, better: int, same: int) -> None:
    test = paired_sign(worse + better + same, worse, better)
    assert_sound(dataclasses.replace(test, lower=None))
    assert test.p == sign_test_mid_p(worse, better)
    assert test.p_better == sign_test_mid_p(better, worse)


# --- t-tests ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(eighths, min_size=6, max_size=60))
def test_paired_t_is_scipys(deltas: list[float]) -> None:
    assume(sum(d != 0 for d in deltas) >= FEW_CHANGES and len(set(deltas)) > 1)
    test = paired_t(deltas)
    worse, better = (stats.ttest_1samp(deltas, 0, alternative=side) for side in ("less", "greater"))
    limits = stats.ttest_1samp(deltas, 0).confidence_interval(0.9)
    assert test.p == close(float(worse.pvalue))
    assert test.p_better == close(float(better.pvalue))
    assert_limits(test, float(limits.low), float(limits.high))
    assert (test.estimate, test.sd) == (close(float(np.mean(deltas))), close(float(np.std(deltas, ddof=1))))
    assert (test.n, test.df, test.changed) == (len(deltas), len(deltas) - 1, sum(d != 0 for d in deltas))
    assert_sound(test)


@given(st.lists(eighths, min_size=2, max_size=40), st.integers(-12, 1000))
def test_paired_t_does_not_depend_on_the_unit(deltas: list[float], exponent: int) -> None:
    test, other = paired_t(deltas), paired_t([math.ldexp(delta, exponent) for delta in deltas])
    assert (other.p, other.p_better, other.changed) == (test.p, test.p_better, test.changed)
    assert other.estimate == math.ldexp(test.estimate or 0.0, exponent)


@given(st.lists(st.just(0.0), max_size=40), st.lists(eighths.filter(bool), min_size=1, max_size=4))
def test_few_changes_are_never_better_proof_than_their_signs(ties: list[float], changes: list[float]) -> None:
    assume(len(ties) + len(changes) > 1)
    test = paired_t([*ties, *changes])
    worse, better = sum(d < 0 for d in changes), sum(d > 0 for d in changes)
    assert test.p is not None
    assert test.p_better is not None
    assert test.p >= sign_test_exact(worse, better)
    assert test.p_better >= sign_test_exact(better, worse)
    assert min(test.p, test.p_better) >= 1 / 16


@pytest.mark.parametrize("shift", [-0.1, 0.25, -1e-8, 1e12, -LARGEST])
@pytest.mark.parametrize("n", [2, 7, 30])
def test_a_constant_shift_is_left_to_the_sign_test(shift: float, n: int) -> None:
    test = paired_t([shift * (1 + 1e-16 * (i % 2)) for i in range(n)])
    ps = (close(0.5**n), 1.0)
    assert (test.p, test.p_better) == (ps if shift < 0 else ps[::-1])
    assert test.estimate == pytest.approx(shift)
    assert (test.lower, test.upper) == ((None, None) if n == 2 else (test.estimate, test.estimate))
    assert (test.sd, test.se, test.df) == (0.0, 0.0, n - 1)


@pytest.mark.parametrize("shift", [-0.25, 0.25])
@pytest.mark.parametrize(("n", "known"), [(2, False), (4, False), (5, True), (6, True)])
def test_a_constant_shift_has_limits_only_where_the_sign_test_sees_it(shift: float, n: int, known: bool) -> None:
    limits = {
        "deltas": paired_t([shift] * n),
        "clusters": clustered_t([shift] * 3 * n, [at % n for at in range(3 * n)]),
        "costs": ratio_of_totals([4.0, 8.0, 2.0, 6.0, 1.0, 3.0][:n], [x * (1 - shift) for x in (4, 8, 2, 6, 1, 3)][:n]),
        "times": paired_log_t([4.0] * n, [4.0 * (1 - shift)] * n),
    }
    for what, test in limits.items():
        assert test.se == 0, what
        assert test.estimate == close(shift), what
        assert (test.lower, test.upper) == ((close(shift), close(shift)) if known else (None, None)), what
        assert (test.ratio_lower is None) == (not known or what in ("deltas", "clusters")), what


def test_clusters_that_shift_alike_count_as_one_each() -> None:
    few = clustered_t([-0.25] * 40, [at % 4 for at in range(40)])
    assert (few.lower, few.upper, few.p) == (None, None, close(0.5**4))


def test_a_shift_that_differs_by_rounding_alone_is_constant() -> None:
    baseline = [0.1, 0.2, 0.3, 0.7, 0.9, 1.1]
    deltas = [(score - 0.1) - score for score in baseline]
    assert len(set(deltas)) > 1
    assert paired_t(deltas).p == close(0.5**6)


@pytest.mark.parametrize("deltas", [[0.0, 0.0], [5e-10, -1e-9, TIE], [5.551115123125783e-17] * 10])
def test_ties_are_unchanged(deltas: list[float]) -> None:
    test = paired_t(deltas)
    assert test == PairedTest(
        n=len(deltas), changed=0, estimate=0.0, lower=0.0, upper=0.0, p=1.0, p_better=1.0, sd=0.0, se=0.0
    )


def test_the_smallest_difference_beyond_a_tie_is_a_change() -> None:
    assert paired_t([0.0, 0.0, -1.01e-9]).changed == 1


def test_one_pair_has_an_estimate_and_no_p() -> None:
    assert paired_t([-0.4]) == PairedTest(n=1, changed=1, estimate=-0.4)
    assert paired_t([1e-12]) == PairedTest(n=1, changed=0, estimate=0.0)
    assert ratio_of_totals([2.0], [3.0]) == PairedTest(n=1, changed=1, estimate=-0.5, ratio=1.5)
    assert paired_log_t([2.0], [2.0]) == PairedTest(n=1, changed=0, estimate=0.0, ratio=1.0)


def test_no_pairs_have_no_answer() -> None:
    nothing = PairedTest(n=0, changed=0)
    assert paired_t([]) == paired_log_t([], []) == ratio_of_totals([], []) == nothing
    assert clustered_t([], []) == dataclasses.replace(nothing, effective_clusters=0.0)


@given(st.lists(finite | st.sampled_from([1e308, -1e308, 1e-308, 5e-324, math.inf]), max_size=12))
def test_no_input_makes_nan_or_infinity(values: list[float]) -> None:
    shifted, clusters = values[::-1], [index % 3 for index in range(len(values))]
    sizes, others = [abs(value) for value in values], [abs(value) for value in shifted]
    for groups in (None, clusters):
        assert_sound(ratio_of_totals(sizes, others, clusters=groups))
        assert_sound(paired_log_t(sizes, others, clusters=groups))
    assert_sound(ratio_of_totals(values, shifted))
    assert_sound(paired_log_t(values, shifted))
    assert_sound(paired_t(values))
    assert_sound(clustered_t(values, clusters))


def test_nan_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        paired_t([0.0, math.nan])
    with pytest.raises(ValueError, match="shorter"):
        paired_log_t([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="longer"):
        clustered_t([1.0, 2.0], ["a", "b", "c"])


def test_a_million_deltas_take_seconds_at_most() -> None:
    deltas = [((i * 7919) % 1013 - 500) / 1000 for i in range(1_000_000)]
    start = time.perf_counter()
    test = paired_t(deltas)
    assert time.perf_counter() - start < 10
    assert test.estimate == close(statistics.fmean(deltas))


# --- clusters --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(eighths.filter(bool), st.integers(0, 6)), min_size=6, max_size=60))
def test_clustered_t_is_the_textbooks(rows: list[tuple[float, int]]) -> None:
    deltas, clusters = np.array([d for d, _ in rows]), np.array([g for _, g in rows])
    sizes = np.array([np.sum(clusters == g) for g in set(clusters)])
    groups, effective = len(sizes), float(len(rows) ** 2 / np.sum(sizes**2))
    assume(effective >= 1.5 and len(set(deltas)) > 1)
    residuals = deltas - deltas.mean()
    meat = sum(float(residuals[clusters == g].sum()) ** 2 for g in set(clusters))
    cr1 = math.sqrt(groups / (groups - 1) * meat) / len(rows)
    independent = float(np.std(deltas, ddof=1)) / math.sqrt(len(rows))
    se, df = max(cr1, independent), effective - 1
    t, reach = float(deltas.mean()) / se, float(stats.t.ppf(0.95, df)) * se
    test = clustered_t(list(deltas), list(clusters))
    assert (test.se, test.df, test.effective_clusters) == (close(se), close(df), close(effective))
    assert (test.p, test.p_better) == (close(float(stats.t.cdf(t, df))), close(float(stats.t.sf(t, df))))
    assert_limits(test, float(deltas.mean()) - reach, float(deltas.mean()) + reach)


@given(st.lists(eighths, min_size=2, max_size=30))
def test_clusters_of_one_change_nothing(deltas: list[float]) -> None:
    single, plain = clustered_t(deltas, range(len(deltas))), paired_t(deltas)
    assert single.effective_clusters == pytest.approx(len(deltas))
    for name in ("estimate", "lower", "upper", "p", "p_better", "sd", "se", "df"):
        assert getattr(single, name) == (None if getattr(plain, name) is None else close(getattr(plain, name)))


@pytest.mark.parametrize("clusters", ["aaaaaa", "aaaaab"])
def test_one_cluster_has_an_estimate_and_no_p(clusters: str) -> None:
    test = clustered_t([-0.1, -0.2, -0.3, 0.1, 0.1, -0.5], clusters)
    assert test.effective_clusters is not None
    assert test.effective_clusters < 1.5
    assert test.estimate == close(-0.15)
    assert (test.p, test.p_better, test.lower, test.upper) == (None, None, None, None)


def test_a_constant_shift_counts_clusters_rather_than_datapoints() -> None:
    test = clustered_t([-0.1] * 12, list("aaabbbcccddd"))
    assert (test.p, test.p_better, test.se) == (close(0.5**4), 1.0, 0.0)


# --- ratios ----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(positive, positive), min_size=6, max_size=40))
def test_paired_log_t_is_paired_t_of_logarithms(pairs: list[tuple[float, float]]) -> None:
    baseline, candidate = [x for x, _ in pairs], [y for _, y in pairs]
    logs = np.log(candidate) - np.log(baseline)
    assume(np.sum(np.abs(logs) > 1e-6) >= FEW_CHANGES and np.std(logs) > 1e-3)
    test, n = paired_log_t(baseline, candidate), len(logs)
    se = float(np.std(logs, ddof=1)) / math.sqrt(n)
    reach = float(stats.t.ppf(0.95, n - 1)) * se
    assert test.ratio == close(math.exp(logs.mean()))
    assert test.ratio_lower == close(math.exp(logs.mean() - reach))
    assert test.ratio_upper == close(math.exp(logs.mean() + reach))
    assert test.ratio is not None
    assert test.ratio_lower is not None
    assert test.ratio_upper is not None
    assert test.estimate == close(1 - test.ratio)
    assert_limits(test, 1 - test.ratio_upper, 1 - test.ratio_lower)
    assert test.p == pytest.approx(float(stats.t.sf(logs.mean() / se, n - 1)), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(positive, positive), min_size=6, max_size=40))
def test_ratio_of_totals_is_the_linearised_one(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array([x for x, _ in pairs]), np.array([y for _, y in pairs])
    ratio, n = float(y.sum() / x.sum()), len(pairs)
    residuals = (y - ratio * x) / x.mean()
    se = float(np.std(residuals, ddof=1)) / math.sqrt(n)
    assume(np.sum(np.abs(x - y) / x.mean() > 1e-6) >= FEW_CHANGES and np.max(np.abs(residuals)) > 1e-6 * max(1, ratio))
    reach = float(stats.t.ppf(0.95, n - 1)) * se
    test = ratio_of_totals(list(x), list(y))
    assert (test.ratio, test.se) == (close(ratio), close(se))
    assert (test.ratio_lower, test.ratio_upper) == (close(ratio - reach), close(ratio + reach))
    assert_limits(test, 1 - ratio - reach, 1 - ratio + reach)
    assert test.p == pytest.approx(float(stats.t.sf((ratio - 1) / se, n - 1)), rel=1e-9, abs=1e-12)


def test_a_bill_that_doubles_everywhere_is_left_to_the_sign_test() -> None:
    test = ratio_of_totals([0.1, 0.2, 0.7, 0.3, 0.9], [0.2, 0.4, 1.4, 0.6, 1.8])
    assert (test.ratio, test.p, test.se) == (close(2.0), close(0.5**5), 0.0)


def test_cost_ties_do_not_depend_on_the_currency() -> None:
    small = ratio_of_totals([2e-10, 4e-10, 3e-10], [3e-10, 4e-10, 4e-10])
    large = ratio_of_totals([2.0, 4.0, 3.0], [3.0, 4.0, 4.0])
    assert small.changed == large.changed == 2
    assert small.p == pytest.approx(large.p)


def test_a_ratio_over_nothing_is_undefined_unless_nothing_is_still_nothing() -> None:
    assert ratio_of_totals([0.0, 0.0], [0.0, 0.1]) == PairedTest(n=2, changed=1)
    unchanged = ratio_of_totals([0.0, 0.0], [0.0, 0.0])
    assert (unchanged.changed, unchanged.estimate, unchanged.ratio, unchanged.p) == (0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_latency_that_is_not_above_zero_has_no_ratio(bad: float) -> None:
    assert paired_log_t([1.0, bad, 2.0], [1.5, 1.0, 2.0]) == PairedTest(n=3, changed=2)


def test_ratios_can_be_clustered_too() -> None:
    baseline, candidate = [1.0, 2.0, 1.5, 3.0, 2.0, 1.0], [1.2, 2.5, 1.4, 3.9, 2.1, 1.3]
    for test in (paired_log_t, ratio_of_totals):
        plain, clustered = test(baseline, candidate), test(baseline, candidate, clusters="aabbcc")
        assert clustered.estimate == plain.estimate
        assert clustered.df == pytest.approx(2.0)
        assert clustered.se is not None
        assert plain.se is not None
        assert clustered.se >= plain.se
