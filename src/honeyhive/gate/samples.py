"""What one sample says by itself: limits of a rate, quantiles, and the chance that several trials all pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from honeyhive.gate.statistics import CONFIDENCE, Limits
from honeyhive.gate.student import saturated


def wilson(k: int, n: int, confidence: float = CONFIDENCE) -> Limits:
    """Score limits of the rate k/n: (k + z²/2 ± z·√(k(n−k)/n + z²/4))/(n + z²), z the one-sided normal quantile.

    Wilson 1927 (J. Am. Stat. Assoc. 22:209). Assumes independent datapoints; no data leave everything possible.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no count")
    if n == 0:
        return Limits(lower=0.0, upper=1.0)
    z = NormalDist().inv_cdf(confidence)
    centre, reach = k + z * z / 2, z * math.sqrt(k * (n - k) / n + z * z / 4)
    lower, upper = (centre - reach) / (n + z * z), (centre + reach) / (n + z * z)
    return Limits(lower=max(0.0, lower) if k else 0.0, upper=min(1.0, upper) if k < n else 1.0)


def quantile(values: Sequence[float], q: float) -> float:
    """The value at rank (n − 1)·q of the sorted values, counted from 0, interpolated (Hyndman & Fan 1996, type 7)."""
    if not values or not 0 <= q <= 1:
        raise ValueError(f"no quantile {q} of {len(values)} values")
    ordered = sorted(map(saturated, values))
    below = math.floor((len(ordered) - 1) * q)
    share = (len(ordered) - 1) * q - below
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return min(high, max(low, low * (1 - share) + high * share))


def median(values: Sequence[float]) -> float:
    """The middle value, or the middle of the middle two: `quantile` at ½."""
    return quantile(values, 0.5)


def pass_hat_k(passes: Sequence[int], trials: int, k: int) -> float:
    """The chance that k trials of one datapoint all pass: the mean of C(passes, k)/C(trials, k).

    The unbiased estimate of pass^k (Yao et al. 2024, τ-bench, arXiv:2406.12045). Assumes exchangeable trials.
    """
    if not passes or not 0 < k <= trials or not all(0 <= count <= trials for count in passes):
        raise ValueError(f"no pass^{k} of {trials} trials of {len(passes)} datapoints")
    return sum(math.comb(count, k) for count in passes) / (math.comb(trials, k) * len(passes))
