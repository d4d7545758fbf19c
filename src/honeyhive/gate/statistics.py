"""The tests of the gate: closed forms on the standard library, without seed or simulation.

Everything is paired by datapoint and in units of goodness: positive is better, negative is worse. `p` is one-sided,
for "worse", against no change at all; whether a change exceeds what the user allows is asked of the estimate.
Each of two limits is one-sided too. Every number that comes out is finite, or `None` where it is not defined; what
does not fit a float saturates at the largest one.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import NormalDist

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

TIE = 1e-9
"""Scores that differ by no more than this are equal: they differ by rounding alone."""

CONFIDENCE = 0.95
"""Of each one-sided limit."""

FEW_CHANGES = 5
"""With fewer changed datapoints than this a t-test is trusted no further than the sign test."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Two one-sided confidence limits."""

    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """What a test found, in one shape for all of them.

    `p` is the chance of a change at least this bad if in truth there is none, `p_better` of one at least this good.
    `sd`, `se` and `df` are those of the t statistic: of the deltas, of their logarithms for `paired_log_t`, of the
    relative residuals for `ratio_of_totals`. Ratios are candidate/baseline; `estimate` is then 1 − `ratio`. Below 1.5
    `effective_clusters` (known where clusters are) the data are one cluster, and there is no p.
    """

    n: int
    changed: int
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    p_better: float | None = None
    sd: float | None = None
    se: float | None = None
    df: float | None = None
    ratio: float | None = None
    ratio_lower: float | None = None
    ratio_upper: float | None = None
    effective_clusters: float | None = None


# --- pass/fail -------------------------------------------------------------------------------------------------------


def sign_test_exact(worse: int, better: int) -> float:
    """P(X >= worse) for X ~ Binomial(worse + better, ½); 1 where nothing changed.

    The one-sided sign test (Arbuthnott 1710), for pass/fail pairs the exact McNemar test: as an incomplete beta
    integral, I_½(worse, better + 1). Assumes independent datapoints.
    """
    _check_counts(worse + better, worse, better)
    return _at_least(worse, worse + better)


def sign_test_mid_p(worse: int, better: int) -> float:
    """P(X > worse) + ½ P(X = worse) for X ~ Binomial(worse + better, ½); 1 where nothing changed.

    The McNemar mid-p test (Fagerland, Lydersen & Laake 2013, BMC Med. Res. Methodol. 13:91), which errs about as
    often as it says; the exact test errs less often and misses more. Assumes independent datapoints.
    """
    n = worse + better
    _check_counts(n, worse, better)
    return 0.5 * (_at_least(worse, n) + _at_least(worse + 1, n)) if n else 1.0


def _at_least(count: int, n: int) -> float:
    """P(X >= count) for X ~ Binomial(n, ½)."""
    if count <= 0 or count > n:
        return 1.0 if count <= 0 else 0.0
    return regularised_beta(count, n - count + 1, 0.5)


def _check_counts(n: int, worse: int, better: int) -> None:
    if min(worse, better) < 0 or worse + better > n:
        raise ValueError(f"{worse} worse and {better} better of {n} are no counts")


def bonett_price(n: int, worse: int, better: int, confidence: float = CONFIDENCE) -> Limits:
    """Limits of (better − worse)/n, cut off at ±1: centre ± z·√((q_worse + q_better − centre²)/(n + 2)).

    Wald limits with one more count on each side, q = (count + 1)/(n + 2) and centre = q_better − q_worse (Bonett &
    Price 2012, J. Educ. Behav. Stat. 37:479). Assumes independent datapoints.
    """
    _check_counts(n, worse, better)
    q_worse, q_better = (worse + 1) / (n + 2), (better + 1) / (n + 2)
    centre = q_better - q_worse
    reach = NormalDist().inv_cdf(confidence) * math.sqrt((q_worse + q_better - centre**2) / (n + 2))
    return Limits(lower=max(-1.0, centre - reach), upper=min(1.0, centre + reach))


def paired_sign(n: int, worse: int, better: int) -> PairedTest:
    """Pass/fail, one repeat: estimate (better − worse)/n, p by `sign_test_mid_p`, limits by `bonett_price`."""
    limits = bonett_price(n, worse, better)
    if n == 0:
        return PairedTest(n=0, changed=0)
    return PairedTest(
        n=n,
        changed=worse + better,
        estimate=(better - worse) / n,
        lower=limits.lower,
        upper=limits.upper,
        p=sign_test_mid_p(worse, better),
        p_better=sign_test_mid_p(better, worse),
    )


# --- numbers ---------------------------------------------------------------------------------------------------------


def paired_t(deltas: Sequence[float]) -> PairedTest:
    """Student's paired t (1908): t = mean(d)/(sd(d)/√n) with n − 1 degrees of freedom.

    Assumes independent datapoints, and enough of them for a normal mean: with fewer than `FEW_CHANGES` deltas beyond
    `TIE` neither p is below that of the exact sign test, which decides alone where the deltas do not vary: then there
    are limits, both the estimate, only where it finds a change that is not by chance.
    """
    return _test_deltas(deltas, None)


def clustered_t(deltas: Sequence[float], clusters: Sequence[Hashable]) -> PairedTest:
    """`paired_t` where datapoints depend on others of their cluster, and clusters are independent.

    CR1: se² = G/(G−1) · Σ_g (Σ_{i∈g} (d_i − mean))²/n² (Liang & Zeger 1986; Cameron & Miller 2015), never below the
    independent one; t with G_eff − 1 degrees of freedom, G_eff = n²/Σ n_g² (Carter, Schnepel & Steigerwald 2017).
    Where the deltas do not vary, the sign test counts clusters.
    """
    return _test_deltas(deltas, clusters)


def paired_log_t(
    baseline: Sequence[float], candidate: Sequence[float], *, clusters: Sequence[Hashable] | None = None
) -> PairedTest:
    """For latency: the t-test of ln(baseline/candidate); estimate and limits are those of the geometric mean ratio.

    Assumes changes that multiply; lower is better. With a value that is not above 0 there is no estimate and no p.
    """
    if min(chain(baseline, candidate), default=1.0) <= 0:
        return _untested(baseline, candidate)
    pairs = zip(map(saturated, baseline), map(saturated, candidate), strict=True)
    test = _test_deltas((math.log(x) - math.log(y) for x, y in pairs), clusters)
    return _with_ratios(test, lambda goodness: math.exp(min(-goodness, 709.78)))


def ratio_of_totals(
    baseline: Sequence[float], candidate: Sequence[float], *, clusters: Sequence[Hashable] | None = None
) -> PairedTest:
    """For cost and tokens: r = Σy/Σx, t = (r − 1)/se with se from the residuals (y − r·x)/x̄; lower is better.

    The linearised ratio estimator (Cochran 1977, Sampling Techniques, ch. 6), guarded like `paired_t`; a datapoint's
    delta is (x − y)/x̄, so that their mean is 1 − r. Where the baseline's total is not above 0, or the candidate's is
    below it, there is no estimate and no p, unless every pair ties.
    """
    xs, ys = array("d", map(saturated, baseline)), array("d", map(saturated, candidate))
    x_mean = mean(xs)
    ratio = mean(ys) / x_mean if x_mean > 0 else math.inf
    if not 0 <= ratio < math.inf:
        untested = _untested(xs, ys)
        if untested.changed or not xs:
            return untested
        x_mean = ratio = 1.0
    deltas = array("d", (saturated((x - y) / x_mean) for x, y in zip(xs, ys, strict=True)))
    residuals = array("d", (saturated((ratio * x - y) / x_mean) for x, y in zip(xs, ys, strict=True)))
    return _with_ratios(_test(1 - ratio, residuals, deltas, clusters), lambda goodness: 1 - goodness)


def _untested(baseline: Sequence[float], candidate: Sequence[float]) -> PairedTest:
    pairs = zip(map(saturated, baseline), map(saturated, candidate), strict=True)
    return PairedTest(n=len(baseline), changed=sum(abs(x - y) > TIE for x, y in pairs))


def _with_ratios(test: PairedTest, ratio: Callable[[float], float]) -> PairedTest:
    """The test with what `ratio` makes of its estimate and limits: what is good for one is small for the other."""
    if test.estimate is None:
        return test
    test = replace(test, ratio=ratio(test.estimate), estimate=1 - ratio(test.estimate))
    if test.lower is None or test.upper is None:
        return test
    low, high = saturated(ratio(test.upper)), saturated(ratio(test.lower))
    return replace(test, ratio_lower=low, ratio_upper=high, lower=1 - high, upper=1 - low)


def _test_deltas(given: Iterable[float], clusters: Sequence[Hashable] | None) -> PairedTest:
    deltas = array("d", map(saturated, given))
    estimate = mean(deltas)
    return _test(estimate, array("d", (saturated(delta - estimate) for delta in deltas)), deltas, clusters)


def _test(
    estimate: float, residuals: Sequence[float], deltas: Sequence[float], clusters: Sequence[Hashable] | None
) -> PairedTest:
    """The t-test of an estimate with the residuals of its linearisation, held back by the deltas' sign test."""
    groups = None if clusters is None else effective_clusters(clusters)
    n, (worse, better) = len(deltas), count_signs(deltas)
    test = PairedTest(n=n, changed=worse + better, effective_clusters=groups)
    if n < 2:
        return replace(test, estimate=estimate if test.changed else 0.0) if n else test
    if not test.changed:
        return replace(test, estimate=0.0, lower=0.0, upper=0.0, p=1.0, p_better=1.0, sd=0.0, se=0.0)
    sd, se = _spread(estimate, residuals, clusters)
    df = (n if groups is None else groups) - 1
    test = replace(test, estimate=estimate, sd=sd, se=se, df=df)
    if df < 0.5:
        return test
    if se == 0 and clusters is not None:
        worse, better = count_signs(sum_by_cluster(deltas, clusters))
    guarded = se == 0 or test.changed < FEW_CHANGES
    by_signs = (sign_test_exact(worse, better), sign_test_exact(better, worse)) if guarded else (0.0, 0.0)
    if se == 0:  # to the t-test no doubt is left, be they two
        limit = estimate if min(by_signs) <= 1 - CONFIDENCE else None
        return replace(test, lower=limit, upper=limit, p=by_signs[0], p_better=by_signs[1])
    reach, t = student_t_quantile(CONFIDENCE, df) * se, estimate / se
    return replace(
        test,
        lower=saturated(estimate - reach),
        upper=saturated(estimate + reach),
        p=max(student_t_survival(-t, df), by_signs[0]),
        p_better=max(student_t_survival(t, df), by_signs[1]),
    )


def _spread(estimate: float, residuals: Sequence[float], clusters: Sequence[Hashable] | None) -> tuple[float, float]:
    """Standard deviation and standard error; both 0 where the residuals are no more than rounding."""
    if max(map(abs, residuals)) <= TIE * max(1.0, abs(estimate)):
        return 0.0, 0.0
    sd = standard_deviation(residuals)
    independent = sd / math.sqrt(len(residuals))
    return sd, independent if clusters is None else max(independent, clustered_standard_error(residuals, clusters))


def count_signs(deltas: Sequence[float]) -> tuple[int, int]:
    """How many of the deltas are worse, and how many better."""
    return sum(delta < -TIE for delta in deltas), sum(delta > TIE for delta in deltas)


# --- several tests ---------------------------------------------------------------------------------------------------


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values in the given order: max over j <= i of min(1, (m − j + 1)·p_(j)), p_(1) <= … <= p_(m).

    Holds the chance of any false alarm at the level, however the tests depend on each other (Holm 1979, Scand. J.
    Stat. 6:65).
    """
    adjusted, highest = list(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted
