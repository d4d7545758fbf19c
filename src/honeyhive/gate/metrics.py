"""What a metric is: its kind, which way is better, and the range its scores can take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from honeyhive.result import ERRORS, LATENCY, Score


class Kind(StrEnum):
    """Which row of the decision table a metric belongs to."""

    RATE = "rate"
    SCORE = "score"
    LATENCY = "latency"
    COST = "cost"


class Decide(StrEnum):
    """How a comparison is decided.

    `TESTED` fails what is worse than allowed and unlikely by chance, `POINT` whatever is worse than allowed, and with
    `STRICT` what the data cannot tell fails too.
    """

    TESTED = "tested"
    POINT = "point"
    STRICT = "strict"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric by name. `kind` is `None` until its values tell; `bounds` is `None` where no range is known.

    `labels` are rates too: a score is a label, and what counts is whether it is the one that was expected. `cluster`
    is the key of the datapoints' `inputs` or `metadata` that groups those which depend on each other.
    """

    name: str
    kind: Kind | None = None
    direction: Direction = Direction.HIGHER
    bounds: tuple[float, float] | None = None
    labels: bool = False
    cluster: str | None = None
    direction_implied: bool = field(default=False, compare=False)
    """Whether only `max-increase` says that lower is better."""

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


def expected(label: Score, ground_truth: Any) -> bool | None:
    """Whether a label is the one that was expected; `None` where nothing says so.

    An evaluator that compares labels itself says `True` or `False`. A number stands for a class, and is held against a
    ground truth that is a number too.
    """
    if label is None or isinstance(label, bool):
        return label
    return label == ground_truth if isinstance(ground_truth, int | float) else None


def default_metric(name: str) -> Metric:
    """What is known of a metric by its name alone."""
    if name == LATENCY:
        return Metric(name=name, kind=Kind.LATENCY, direction=Direction.LOWER)
    if name == ERRORS:
        return Metric(name=name, kind=Kind.RATE, direction=Direction.LOWER, bounds=(0.0, 1.0))
    if name == "cost" or name.startswith("tokens."):
        return Metric(name=name, kind=Kind.COST, direction=Direction.LOWER)
    return Metric(name=name)
