"""What a metric is: its kind, which way is better, and the range its scores can take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """Which row of the decision table a metric belongs to."""

    RATE = "rate"
    SCORE = "score"
    LATENCY = "latency"
    COST = "cost"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


LATENCY = "latency_ms"
ERRORS = "errors"
BUILT_IN = (LATENCY, ERRORS)
"""The metrics that every run has, whatever its evaluators."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric by name. `kind` is `None` until its values tell; `bounds` is `None` where no range is known."""

    name: str
    kind: Kind | None = None
    direction: Direction = Direction.HIGHER
    bounds: tuple[float, float] | None = None

    @property
    def worst(self) -> float | None:
        """The score that an error counts as; `None` where the range is not known."""
        if self.bounds is None:
            return None
        return self.bounds[0] if self.direction is Direction.HIGHER else self.bounds[1]

    @property
    def errors_unbounded(self) -> bool:
        """Whether nothing says what an error counts as: a score without a range. It is no latency, and no cost."""
        return self.worst is None and self.kind is Kind.SCORE

    @property
    def sign(self) -> int:
        """+1 where higher is better, −1 where lower is: goodness = sign × score."""
        return 1 if self.direction is Direction.HIGHER else -1

    def of_kind(self, kind: Kind) -> Metric:
        """The metric with its kind settled; a rate lies between 0 and 1 unless the user said otherwise."""
        bounds = (0.0, 1.0) if kind is Kind.RATE and self.bounds is None else self.bounds
        return replace(self, kind=kind, bounds=bounds)


def default_metric(name: str) -> Metric:
    """What is known of a metric by its name alone."""
    if name == LATENCY:
        return Metric(name=name, kind=Kind.LATENCY, direction=Direction.LOWER)
    if name == ERRORS:
        return Metric(name=name, kind=Kind.RATE, direction=Direction.LOWER, bounds=(0.0, 1.0))
    if name == "cost" or name.startswith("tokens."):
        return Metric(name=name, kind=Kind.COST, direction=Direction.LOWER)
    return Metric(name=name)
