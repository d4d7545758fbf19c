"""A rule of the user's applied to one comparison: `Check`, with its status and the reason for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from honeyhive.gate.metrics import Decide, Direction, Kind


class Status(StrEnum):
    """What a check, or all checks together, came to."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Rule(StrEnum):
    """What the user allowed: a bound on the candidate, or on its distance from the baseline; or what has to pass."""

    MIN = "min"
    MAX = "max"
    MAX_DROP = "max-drop"
    MAX_INCREASE = "max-increase"
    MUST_PASS = "must-pass"  # noqa: S105 - no password


class Reason(StrEnum):
    """Why a check has its status."""

    MET = "met"
    BELOW_MIN = "below_min"
    ABOVE_MAX = "above_max"
    TOO_FEW = "too_few"
    NO_DATA = "no_data"
    MISSING_METRIC = "missing_metric"

    REGRESSED = "regressed"
    UNCHANGED = "unchanged"
    IMPROVED = "improved"
    WITHIN_MARGIN = "within_margin"
    APPARENT_DROP = "apparent_drop"
    NEAR_LIMIT = "near_limit"
    LOW_POWER = "low_power"

    NO_BASELINE = "no_baseline"
    NO_PAIRS = "no_pairs"
    DATASET_CHANGED = "dataset_changed"
    NOT_COMPARABLE = "not_comparable"
    ONE_PAIR = "one_pair"
    ONE_CLUSTER = "one_cluster"
    ZERO_BASELINE = "zero_baseline"
    UNBOUNDED_ERRORS = "unbounded_errors"


class Cause(StrEnum):
    """What is behind a reason, where more is known of it than the reason says."""

    NOT_IN_BASELINE = "not_in_baseline"
    ONLY_ERRORS = "only_errors"
    NO_AGGREGATE = "no_aggregate"
    NOTHING_EXPECTED = "nothing_expected"
    NO_CLUSTER_KEY = "no_cluster_key"
    ONLY_NUMBERS = "only_numbers"
    OTHER_KIND = "other_kind"
    NO_TIME = "no_time"
    UNTOLD = "untold"


INCOMPARABLE = frozenset({Reason.NO_PAIRS, Reason.DATASET_CHANGED, Reason.NOT_COMPARABLE})
"""The reasons that the policy `on-incomparable` is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A datapoint by its id, and the line of the dataset that it came from."""

    datapoint_id: str
    line: int | None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule applied to one metric, which may carry an aggregate: `latency_ms.p95`.

    `candidate` and `baseline` are means (or what the aggregate says): over all datapoints for a bound, over the paired
    ones for a comparison; for `must-pass` the share of the `n` tagged datapoints that passed. `estimate`, `lower` and
    `upper` are in goodness units of the metric (negative is worse; 1 − ratio for latency and cost), `limit` in the
    metric's own. `clusters` is how
    many independent ones the pairs are worth. `not_passed` and `flaky` name the first datapoints that did not pass, or
    only when tried again. Where the data cannot show a drop of `limit` four times of five, `needed` datapoints would,
    or these with `repeats_needed` repeats in both runs. Every number is finite, or `None` where it cannot be
    computed.
    """

    metric: str
    kind: Kind | None
    direction: Direction
    rule: Rule
    limit: float | None
    allowed: str
    decide: Decide = Decide.TESTED
    gating: bool = True
    status: Status
    reason: Reason
    cause: Cause | None = None
    candidate: float | None = None
    baseline: float | None = None
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    n: int = 0
    worse: int | None = None
    better: int | None = None
    clusters: float | None = None
    not_passed: tuple[Place, ...] = ()
    flaky: tuple[Place, ...] = ()
    smallest_detectable: float | None = None
    needed: int | None = None
    repeats_needed: int | None = None
    message: str = ""
    advice: str = ""
