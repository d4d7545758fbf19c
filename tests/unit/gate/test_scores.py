from __future__ import annotations

import math
import sys
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import evaluators, failed, run, scored
from builders_verdict import CRASH, FAULT, Given, scores
from honeyhive.gate.metrics import Direction, Kind, Metric, default_metric
from honeyhive.gate.scores import Sample, ScoreTable
from honeyhive.result import Fault

RATE = Metric(name="m").of_kind(Kind.RATE)
SCORE = Metric(name="m").of_kind(Kind.SCORE)
ONE_TO_FIVE = Metric(name="m", bounds=(1, 5)).of_kind(Kind.SCORE)
ERRORS = default_metric("errors")
LATENCY = default_metric("latency_ms")


def table(*given: Given) -> ScoreTable:
    return ScoreTable(scores("m", given))


# --- one datapoint ---------------------------------------------------------------------------------------------------


def test_repeats_are_averaged_within_their_datapoint() -> None:
    found = table([True, True, False], [0.5, 1.0])
    assert len(found) == 2
    assert [found.score(RATE, row) for row in range(2)] == [2 / 3, 0.75]


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_an_error_counts_as_the_worst_score(error: Exception) -> None:
    assert table(error).score(RATE, 0) == 0.0
    assert table(error).score(ONE_TO_FIVE, 0) == 1.0
    assert table(error).score(Metric(name="m", bounds=(1, 5), direction=Direction.LOWER), 0) == 5.0


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_an_error_in_one_repeat_counts_as_the_worst_score_of_that_repeat(error: Exception) -> None:
    assert table([5, error, 3]).score(ONE_TO_FIVE, 0) == 3.0


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_without_a_range_an_error_takes_its_datapoint_with_it(error: Exception) -> None:
    found = table([5, error], [4, 2])
    assert [found.score(SCORE, row) for row in range(2)] == [None, 3.0]
    assert [found.faulty(SCORE, row) for row in range(2)] == [True, False]


def test_none_is_not_applicable_and_neither_a_score_nor_an_error() -> None:
    found = table([None, 4], None)
    assert [found.score(ONE_TO_FIVE, row) for row in range(2)] == [4.0, None]
    assert not found.faulty(ONE_TO_FIVE, 1)


def test_a_score_that_is_not_there_is_not_applicable() -> None:
    found = ScoreTable(run([scored("EXT-a", m=1), scored("EXT-b", other=2)]))
    assert [found.score(ONE_TO_FIVE, row) for row in range(2)] == [1.0, None]


def test_where_a_run_says_both_the_error_counts_and_not_the_score() -> None:
    faults = {"m": Fault(type="E", message="")}
    found = ScoreTable(run([scored("EXT-a", {"faults": faults}, m=True)]))
    assert found.score(RATE, 0) == 0.0
    assert not found.has("m")


# --- the run's own metrics -------------------------------------------------------------------------------------------


def test_the_errors_of_a_datapoint_are_the_share_of_its_attempts_that_went_wrong() -> None:
    found = table([True, CRASH, FAULT, None], True)
    assert [found.score(ERRORS, row) for row in range(2)] == [0.5, 0.0]
    assert found.sample(ERRORS).mean == 0.25
    assert found.errors == 1


def test_an_error_is_no_error_of_the_metric_that_counts_errors() -> None:
    assert not table(CRASH).faulty(ERRORS, 0)
    assert table(CRASH, True).sample(ERRORS).errors == 0


def test_time_is_not_measured_by_what_crashed() -> None:
    slow = failed("EXT-a", {"duration_ms": 60_000.0})
    found = ScoreTable(run([slow, scored("EXT-b", {"duration_ms": 20.0})]))
    assert [found.score(LATENCY, row) for row in range(2)] == [None, 20.0]
    assert not found.faulty(LATENCY, 0)


def test_time_is_the_mean_of_the_repeats_that_were_timed() -> None:
    attempts: list[dict[str, Any]] = [{"duration_ms": 10.0}, {"duration_ms": 30.0}, {"duration_ms": None}]
    found = ScoreTable(run([scored("EXT-a", fields | {"repeat": at}) for at, fields in enumerate(attempts)]))
    assert found.score(LATENCY, 0) == 20.0


def test_under_the_name_of_a_built_in_metric_an_evaluator_has_no_say() -> None:
    faults = {"latency_ms": Fault(type="E", message="")}
    found = ScoreTable(
        run([
            scored("EXT-a", {"duration_ms": 10.0}, latency_ms=1e9, errors=1),
            scored("EXT-b", {"duration_ms": 30.0, "faults": faults}, errors=True),
        ])
    )  # fmt: skip
    assert found.sample(LATENCY).mean == 20.0
    assert found.sample(ERRORS).mean == 0.5
    assert found.metrics == ["latency_ms", "errors"]


# --- the run's means -------------------------------------------------------------------------------------------------


def test_every_datapoint_has_the_same_weight_whatever_its_repeats() -> None:
    assert table([True] * 9, False).sample(RATE).mean == 0.5


def test_a_mean_tells_what_it_is_the_mean_of() -> None:
    found = table(True, False, CRASH, FAULT, None).sample(RATE)
    assert found == Sample(measured=True, scores=array("d", [1, 0, 0, 0]), count=5, errors=2, not_applicable=1)
    assert (found.n, found.mean) == (4, 0.25)


def test_without_a_range_the_mean_is_that_of_the_datapoints_without_errors() -> None:
    found = table(4, 2, CRASH, None).sample(SCORE)
    assert found == Sample(measured=True, scores=array("d", [4, 2]), count=4, errors=1, not_applicable=1)
    assert (found.n, found.mean) == (2, 3.0)


@pytest.mark.parametrize("given", [[], [None, None], [CRASH, FAULT], [None, CRASH]])
def test_a_metric_that_no_outcome_has_a_score_of_has_no_mean(given: list[Given]) -> None:
    found = table(*given).sample(RATE)
    assert (found.measured, found.mean, found.n, found.count) == (False, None, 0, len(given))


def test_a_run_without_datapoints_has_no_share_of_errors() -> None:
    assert table().sample(ERRORS).mean is None
    assert not table().has("errors")


largest = sys.float_info.max


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ([1e308, 1e308, 1e308], 1e308),
        ([largest, -largest], 0.0),
        ([largest] * 5, largest),
        ([0.1] * 10, 0.1),
        ([1e308, 1.0, -1e308], 1 / 3),
    ],
)
def test_large_scores_do_not_add_up_to_infinity(given: list[float], value: float) -> None:
    assert table(*given).sample(SCORE).mean == pytest.approx(value, rel=1e-12)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_repeats_of_any_size_have_a_finite_mean(repeats: list[float]) -> None:
    found = table([*repeats, FAULT]).score(Metric(name="m", bounds=(-largest, largest)).of_kind(Kind.SCORE), 0)
    assert found is not None
    assert math.isfinite(found)


def test_repeats_too_large_to_be_added_up_and_errors_too_bad_to_be_still_have_a_mean() -> None:
    widest = Metric(name="m", bounds=(-largest, largest)).of_kind(Kind.SCORE)
    found = table([largest, largest, FAULT, FAULT]).score(widest, 0)
    assert found is not None
    assert math.isfinite(found)


# --- what kind of metric ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([True, False, None, CRASH], Kind.RATE),
        ([0, 1], Kind.SCORE),
        ([True, 0.5], Kind.SCORE),
        ([None], None),
        ([CRASH, FAULT], None),
        ([], None),
    ],
)
def test_the_values_tell_the_kind(given: list[Given], kind: Kind | None) -> None:
    assert table(*given).kind("m") is kind


def test_a_name_that_no_outcome_has_is_of_no_kind_and_errors_are_a_rate() -> None:
    assert table(True).kind("other") is None
    assert table(True).kind("errors") is Kind.RATE


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([True, False, None, CRASH], True),
        ([0, 1, 1.0, -0.0], True),
        ([0.5, 1], False),
        ([2, 1], False),
        ([[True, True], True], False),
        ([[True], [False]], True),
        ([None], True),
    ],
)
def test_one_repeat_and_no_score_but_0_and_1_is_all_or_nothing(given: list[Given], expected: bool) -> None:
    assert table(*given).all_or_nothing("m") is expected


def test_what_a_run_does_not_have_is_nothing_in_its_way() -> None:
    assert table(True).all_or_nothing("other")
    assert table(0.5).all_or_nothing("errors")


@pytest.mark.parametrize(
    ("given", "beyond"),
    [
        ([1, 5], False),
        ([1 - 1e-12, 5 + 1e-12], False),
        ([0.9], True),
        ([5.1], True),
        ([[1, 9], 3], True),
        ([None, CRASH], False),
    ],
)
def test_a_score_outside_of_the_declared_range_is_noticed(given: list[Given], beyond: bool) -> None:
    assert table(*given).beyond(ONE_TO_FIVE) is beyond


def test_without_a_range_no_score_is_outside_of_it() -> None:
    assert not table(1e308).beyond(SCORE)
    assert not table(CRASH).beyond(ERRORS)


# --- order -----------------------------------------------------------------------------------------------------------


def test_metrics_come_in_the_order_of_the_evaluators_then_by_name_and_the_built_in_ones_last() -> None:
    found = ScoreTable(
        run(
            [scored("EXT-a", zeal=1, brevity=1, tone=1, accuracy=1)],
            evaluators=evaluators("tone", "absent", "accuracy"),
        )
    )
    assert found.metrics == ["tone", "accuracy", "brevity", "zeal", "latency_ms", "errors"]


def test_a_datapoint_knows_its_line_and_its_place_in_the_dataset() -> None:
    found = ScoreTable(run([scored("EXT-b", {"index": 7, "line": 12}), scored("EXT-a", {"index": 0})]))
    assert [found.line(row) for row in range(2)] == [12, None]
    assert [found.position(row) for row in range(2)] == [7, 0]
