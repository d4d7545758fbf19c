"""What a metric's scores come to in one number, where it is not their mean: `latency_ms.p95`, `cost.total`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from honeyhive.gate.samples import quantile
from honeyhive.gate.student import mean, saturated

WORDS = ("mean", "median", "total", "p95")
"""What may stand after a metric's name; besides `p95`, any other percentile from `p1` to `p99`."""

_NAMED_LIKE_ONE = "tokens.total"
"""A metric of its own, which every provider reports; its total is `tokens.total.total`."""

_SUFFIX = re.compile(r"(?P<metric>.+)\.(?P<word>mean|median|total|p[1-9][0-9]?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One way to make a number of many, by the word that the user writes for it."""

    word: str

    def __str__(self) -> str:
        """The word."""
        return self.word

    @property
    def is_quantile(self) -> bool:
        """Whether it is the score at some rank: the median or a percentile."""
        return self._percent is not None

    @property
    def least(self) -> int:
        """How many scores it takes: a percentile with none beyond it is no more than the largest there happens to be.

        For `p95` that is 20, in general 1/(1 − q) or 1/q, whichever is more.
        """
        percent = self._percent
        return 1 if percent is None or self.word == "median" else math.ceil(100 / min(percent, 100 - percent))

    def of(self, scores: Sequence[float]) -> float | None:
        """The number; percentiles by type 7 (Hyndman & Fan 1996). `None` where there are fewer than `least`."""
        if len(scores) < self.least:
            return None
        if self.word == "mean":
            return mean(scores)
        if self.word == "total":
            return _total(scores)
        return quantile(scores, (self._percent or 50) / 100)

    @property
    def _percent(self) -> int | None:
        if self.word == "median":
            return 50
        return int(self.word[1:]) if self.word[0] == "p" else None


TOTAL = Aggregate("total")


def split(name: str) -> tuple[str, Aggregate | None]:
    """The metric that a name in the thresholds is about, and the aggregate that it carries."""
    found = None if name == _NAMED_LIKE_ONE else _SUFFIX.fullmatch(name)
    return (found["metric"], Aggregate(found["word"])) if found else (name, None)


def _total(scores: Sequence[float]) -> float:
    """The sum; where one on the way to it might not fit a float, all are scaled by a power of two, in any order."""
    unit = 2.0 ** len(scores).bit_length()
    if max(map(abs, scores)) <= sys.float_info.max / unit:
        return math.fsum(scores)
    return saturated(math.fsum(score / unit for score in scores) * unit)
