from __future__ import annotations

import pytest

from honeyhive.gate.metrics import Direction, Kind, Metric, default_metric


def test_a_metric_is_better_when_higher_and_its_values_tell_its_kind() -> None:
    assert default_metric("accuracy") == Metric(name="accuracy", kind=None, direction=Direction.HIGHER, bounds=None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("latency_ms", Kind.LATENCY),
        ("errors", Kind.RATE),
        ("cost", Kind.COST),
        ("tokens.input", Kind.COST),
        ("tokens.total", Kind.COST),
    ],
)
def test_what_is_paid_or_waited_for_or_goes_wrong_is_better_when_lower(name: str, kind: Kind) -> None:
    metric = default_metric(name)
    assert (metric.kind, metric.direction) == (kind, Direction.LOWER)


@pytest.mark.parametrize("name", ["costs", "token", "tokens", "latency", "error", "Errors"])
def test_a_name_that_is_only_like_a_known_one_means_nothing(name: str) -> None:
    assert default_metric(name) == Metric(name=name)


def test_an_error_counts_as_the_worst_end_of_the_range() -> None:
    assert Metric(name="m", bounds=(1, 5)).worst == 1
    assert Metric(name="m", bounds=(1, 5), direction=Direction.LOWER).worst == 5


def test_without_a_range_nothing_is_the_worst() -> None:
    assert Metric(name="m").worst is None


def test_goodness_falls_as_a_metric_rises_that_is_better_when_lower() -> None:
    assert Metric(name="m").sign == 1
    assert Metric(name="m", direction=Direction.LOWER).sign == -1


def test_a_rate_goes_from_0_to_1() -> None:
    assert Metric(name="m").of_kind(Kind.RATE) == Metric(name="m", kind=Kind.RATE, bounds=(0.0, 1.0))


def test_a_score_has_the_range_that_was_declared_or_none() -> None:
    assert Metric(name="m", bounds=(0, 10)).of_kind(Kind.SCORE).bounds == (0, 10)
    assert Metric(name="m").of_kind(Kind.SCORE).bounds is None


def test_settling_the_kind_twice_is_settling_it_once() -> None:
    for kind in Kind:
        once = Metric(name="m", bounds=None).of_kind(kind)
        assert once.of_kind(kind) == once


@pytest.mark.parametrize(
    ("kind", "bounds", "unbounded"),
    [
        (Kind.SCORE, None, True),
        (Kind.SCORE, (0.0, 1.0), False),
        (Kind.RATE, (0.0, 1.0), False),
        (Kind.LATENCY, None, False),
        (Kind.COST, None, False),
        (None, None, False),
    ],
)
def test_only_of_a_score_without_a_range_nobody_knows_what_an_error_counts_as(
    kind: Kind | None, bounds: tuple[float, float] | None, unbounded: bool
) -> None:
    assert Metric(name="m", kind=kind, bounds=bounds).errors_unbounded is unbounded
