"""What a number of pairs can show, and how many it takes: one-sided α = 0.05, power 0.8, z = z(0.95) + z(0.8)."""

from __future__ import annotations

import math
from statistics import NormalDist

from honeyhive.gate.statistics import CONFIDENCE
from honeyhive.gate.student import saturated

_Z_POWER = NormalDist().inv_cdf(CONFIDENCE) + NormalDist().inv_cdf(0.8)
_K_POWER = _Z_POWER**2
_MOST = 10**15
"""More pairs than this are no plan but `None`; nor would every reader of JSON take the number."""


def smallest_detectable_score(n: int, sd: float) -> float | None:
    """The drop of a mean that n pairs show four times of five: z·sd/√n (normal approximation).

    With clusters, `sd` is se·√n. `None` where there is nothing to go by: below two pairs, or without any variance.
    """
    return saturated(_Z_POWER * (sd / math.sqrt(n))) if n > 1 and sd > 0 else None


def smallest_detectable_rate(n: int, worse: int, better: int) -> float | None:
    """`smallest_detectable_rate_from_flips`, the flips estimated as ψ = (2·min(worse, better) + 1)/(n + 2).

    Of the datapoints that changed, those of the smaller side and as many of the larger are taken for noise.
    """
    return smallest_detectable_rate_from_flips(n, (2 * min(worse, better) + 1) / (n + 2))


def smallest_detectable_rate_from_flips(n: int, discordance: float) -> float | None:
    """The drop δ of a rate that n pairs show four times of five: (k + √(k² + 4nkψ))/(2n), where k = z².

    Solves n = k(ψ + δ)/δ²: Connor's sample size for McNemar's test (1987, Biometrics 43:207) without its −δ², where a
    share ψ flips by chance and the drop adds δ. `None` where it exceeds 1: no rate falls that far.
    """
    if n < 1:
        return None
    drop = (_K_POWER + math.sqrt(_K_POWER**2 + 4 * n * _K_POWER * discordance)) / (2 * n)
    return drop if drop <= 1 else None


def needed_for_rate(drop: float, discordance: float) -> int | None:
    """How many pairs show a drop δ of a rate four times of five: k(ψ + δ)/δ², rounded up; `None` for no drop.

    The source and the assumptions are those of `smallest_detectable_rate_from_flips`.
    """
    return _rounded_up(_K_POWER * (discordance + drop) / drop / drop) if drop > 0 else None


def needed_for_score(drop: float, sd: float) -> int | None:
    """How many pairs show a drop of a mean four times of five: (z·sd/drop)², rounded up; `None` for no drop.

    At least 2, for less has no variance. Normal approximation, as in `smallest_detectable_score`.
    """
    ratio = _Z_POWER * (sd / drop) if drop > 0 else math.inf
    needed = _rounded_up(ratio * ratio)
    return None if needed is None else max(2, needed)


def repeats_for_rate(drop: float, discordance: float, n: int) -> int | None:
    """How many repeats of both runs let n datapoints show a drop δ of a rate: ψ/(nδ²/k − δ), rounded up.

    Solves n = k(ψ/K + δ)/δ² for K, where `discordance` is ψ of one repeat. `None` where n ≤ k/δ: repeats take away the
    flips, but not that the drop itself falls on some datapoints and not on others.
    """
    left = n * drop * drop / _K_POWER - drop
    return _at_least_one(discordance / left) if left > 0 else None


def repeats_for_score(drop: float, sd: float, n: int) -> int | None:
    """How many repeats of both runs let n datapoints show a drop of a mean: (z·sd/drop)²/n, rounded up.

    Solves n = (z·sd/drop)²/K for K, where `sd` is that of one repeat; `None` for no drop, or no datapoints.
    """
    ratio = _Z_POWER * (sd / drop) if drop > 0 and n > 0 else math.inf
    return _at_least_one(ratio * ratio / max(1, n))


def _at_least_one(count: float) -> int | None:
    needed = _rounded_up(count)
    return None if needed is None else max(1, needed)


def _rounded_up(count: float) -> int | None:
    return math.ceil(count) if count <= _MOST else None
