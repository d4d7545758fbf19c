from __future__ import annotations

import math
import sys
import tracemalloc
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import evaluators, failed, run, scored
from builders_verdict import CRASH, FAULT, Given, outcomes, scores
from honeyhive.gate.aggregates import Aggregate
from honeyhive.gate.chance import scores_by_datapoint
from honeyhive.gate.checks import Place
from honeyhive.gate.metrics import Direction, Kind, Metric, default_metric
from honeyhive.gate.rows import Rows
from honeyhive.gate.scores import Sample, ScoreTable
from honeyhive.result import Fault, Outcome, Score, Scored

RATE = Metric(name="m").of_kind(Kind.RATE)
SCORE = Metric(name="m").of_kind(Kind.SCORE)
ONE_TO_FIVE = Metric(name="m", bounds=(1, 5)).of_kind(Kind.SCORE)
ERRORS = default_metric("errors")
LATENCY = default_metric("latency_ms")


def table(*given: Given) -> ScoreTable:
    return ScoreTable(scores("m", given))


def means(found: ScoreTable, metric: Metric) -> list[float | None]:
    """The mean score of each datapoint, in the order in which they came."""
    return [None if math.isnan(mean) else mean for mean in found.scores(metric).means]


def faulty(found: ScoreTable, metric: Metric) -> list[bool]:
    scores = found.scores(metric)
    return [scores.is_faulty(row) for row in found.present]


# --- one datapoint ---------------------------------------------------------------------------------------------------


def test_repeats_are_averaged_within_their_datapoint() -> None:
    found = table([True, True, False], [0.5, 1.0])
    assert len(found) == 2
    assert means(found, RATE) == [2 / 3, 0.75]


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_an_error_counts_as_the_worst_score(error: Exception) -> None:
    assert means(table(error), RATE) == [0.0]
    assert means(table(error), ONE_TO_FIVE) == [1.0]
    assert means(table(error), Metric(name="m", bounds=(1, 5), direction=Direction.LOWER)) == [5.0]


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_an_error_in_one_repeat_counts_as_the_worst_score_of_that_repeat(error: Exception) -> None:
    assert means(table([5, error, 3]), ONE_TO_FIVE) == [3.0]


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_without_a_range_an_error_takes_its_datapoint_with_it(error: Exception) -> None:
    found = table([5, error], [4, 2])
    assert means(found, SCORE) == [None, 3.0]
    assert faulty(found, SCORE) == [True, False]


def test_none_is_not_applicable_and_neither_a_score_nor_an_error() -> None:
    found = table([None, 4], None)
    assert means(found, ONE_TO_FIVE) == [4.0, None]
    assert faulty(found, ONE_TO_FIVE) == [False, False]


def test_a_score_that_is_not_there_is_not_applicable() -> None:
    found = ScoreTable(run([scored("EXT-a", m=1), scored("EXT-b", other=2)]))
    assert means(found, ONE_TO_FIVE) == [1.0, None]


# --- scores that are not there ---------------------------------------------------------------------------------------


def named(*given: dict[str, Any] | Outcome, names: Sequence[str] = ("m",)) -> ScoreTable:
    """A table of a run that names these evaluators, of the scores of each datapoint."""
    found = [one if not isinstance(one, dict) else scored(f"EXT-{at}", **one) for at, one in enumerate(given)]
    return ScoreTable(run(found, evaluators=evaluators(*names)))


def test_a_score_of_a_named_evaluator_that_is_not_there_is_an_error() -> None:
    found = named({"m": 5}, {}, {"m": None}, {"other": 3})
    assert means(found, ONE_TO_FIVE) == [5.0, 1.0, None, 1.0]
    assert faulty(found, ONE_TO_FIVE) == [False, True, False, True]
    assert (found.errors, means(found, ERRORS)) == (2, [0.0, 1.0, 0.0, 1.0])
    assert found.sample(ONE_TO_FIVE) == Sample(
        measured=True, scores=array("d", [5, 1, 1]), count=4, errors=2, not_applicable=1
    )


def test_it_is_an_error_whether_it_comes_before_or_after_the_first_score() -> None:
    assert means(named({}, {"m": True}), RATE) == [0.0, 1.0]
    assert means(named({"m": True}, {}), RATE) == [1.0, 0.0]


@pytest.mark.parametrize("given", [[{}, {}], [{}, {"m": None}], [{}, failed("EXT-9")], [{"other": 1}, {}]])
def test_an_evaluator_that_no_outcome_has_a_score_of_is_not_measured(given: list[Any]) -> None:
    found = named(*given)
    assert not found.has("m")
    assert found.errors == sum(not isinstance(one, dict) for one in given)


def test_an_outcome_that_lacks_two_scores_went_wrong_once() -> None:
    faults = {"n": Fault(type="E", message="")}
    found = named({"m": 1, "n": 1, "p": 1}, {}, scored("EXT-2", {"faults": faults}), names=("m", "n", "p", "never"))
    assert means(found, ERRORS) == [0.0, 1.0, 1.0]
    for name, metric in {name: Metric(name=name).of_kind(Kind.RATE) for name in ("m", "n", "p")}.items():
        assert faulty(found, metric) == [False, True, True], name
        assert means(found, metric) == [1.0, 0.0, 0.0], name
    assert not found.has("never")


def test_a_repeat_that_lacks_its_score_counts_as_the_worst_of_its_datapoint() -> None:
    repeats = [scored("EXT-a", {"repeat": at}, **given) for at, given in enumerate([{"m": 5}, {}, {"m": 3}])]
    found = named(*repeats)
    assert means(found, ONE_TO_FIVE) == [3.0]
    assert means(found, ERRORS) == [1 / 3]


def test_what_crashed_has_no_scores_to_lack() -> None:
    found = named({"m": 1}, failed("EXT-b"))
    assert (means(found, RATE), means(found, ERRORS)) == ([1.0, 0.0], [0.0, 1.0])


def test_an_evaluator_under_the_name_of_a_built_in_metric_is_not_missed() -> None:
    found = named({"latency_ms": 5.0}, {}, names=("latency_ms", "errors"))
    assert (found.errors, means(found, LATENCY)) == (0, [1.5, 1.5])


def test_a_label_that_is_not_there_is_not_the_expected_one() -> None:
    rows = [scored("EXT-a", {"ground_truth": 3}, m=3), scored("EXT-b", {"ground_truth": 3})]
    found = ScoreTable(run(rows, evaluators=evaluators("m")), labels=["m"])
    assert (means(found, LABELS), found.errors) == ([1.0, 0.0], 1)


def test_the_tagged_outcomes_know_what_they_lack_and_so_do_their_retries() -> None:
    lacks = scored("EXT-a", {"tags": ("must-pass",), "retry": scored("EXT-a", n=1)}, n=0)
    (kept,) = named(lacks, {"m": 1}, names=("m", "n")).tagged[0]
    assert isinstance(kept, Scored)
    assert isinstance(kept.retry, Scored)
    assert kept.faults.keys() == kept.retry.faults.keys() == {"m"}


def test_the_repeats_tell_of_what_is_not_there_as_the_table_does() -> None:
    given: list[dict[str, Any]] = [{"m": 5}, {}, {"m": None}, {"m": 4}]
    whole = run(
        [scored("EXT-a", {"repeat": at}, **one) for at, one in enumerate(given)],
        repeats=4,
        evaluators=evaluators("m", "never"),
    )
    found = scores_by_datapoint(whole, [ONE_TO_FIVE, ERRORS])
    assert [list(found[name]["EXT-a"]) for name in ("m", "errors")] == [[5.0, 1.0, 4.0], [0.0, 1.0, 0.0, 0.0]]
    table_of_it = ScoreTable(whole)
    assert means(table_of_it, ONE_TO_FIVE) == [10 / 3]
    assert means(table_of_it, ERRORS) == [0.25]


def test_what_is_not_there_takes_a_few_bytes_a_datapoint() -> None:
    count = 10_000

    def most(given: dict[str, Any]) -> int:
        """The most memory that reading such a run takes."""
        outcomes_of = (scored(str(at), **(given if at else {"m": 1, "n": 1})) for at in range(count))
        tracemalloc.start()
        ScoreTable(replace(run(evaluators=evaluators("m", "n")), outcomes=outcomes_of))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert (most({}) - most({"m": 1, "n": 1})) / count < 40


# --- the rest of one datapoint ---------------------------------------------------------------------------------------


def test_where_a_run_says_both_the_error_counts_and_not_the_score() -> None:
    faults = {"m": Fault(type="E", message="")}
    found = ScoreTable(run([scored("EXT-a", {"faults": faults}, m=True)]))
    assert means(found, RATE) == [0.0]
    assert not found.has("m")


# --- the run's own metrics -------------------------------------------------------------------------------------------


def test_the_errors_of_a_datapoint_are_the_share_of_its_attempts_that_went_wrong() -> None:
    found = table([True, CRASH, FAULT, None], True)
    assert means(found, ERRORS) == [0.5, 0.0]
    assert found.sample(ERRORS).mean == 0.25
    assert found.errors == 1


def test_an_error_is_no_error_of_the_metric_that_counts_errors() -> None:
    assert faulty(table(CRASH), ERRORS) == [False]
    assert table(CRASH, True).sample(ERRORS).errors == 0


def test_time_is_not_measured_by_what_crashed() -> None:
    slow = failed("EXT-a", {"duration_ms": 60_000.0})
    found = ScoreTable(run([slow, scored("EXT-b", {"duration_ms": 20.0})]))
    assert means(found, LATENCY) == [None, 20.0]
    assert faulty(found, LATENCY) == [False, False]


def test_time_is_the_mean_of_the_repeats_that_were_timed() -> None:
    attempts: list[dict[str, Any]] = [{"duration_ms": 10.0}, {"duration_ms": 30.0}, {"duration_ms": None}]
    found = ScoreTable(run([scored("EXT-a", fields | {"repeat": at}) for at, fields in enumerate(attempts)]))
    assert means(found, LATENCY) == [20.0]


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
    widest = Metric(name="m", bounds=(-largest, largest)).of_kind(Kind.SCORE)
    (found,) = means(table([*repeats, FAULT]), widest)
    assert found is not None
    assert math.isfinite(found)


def test_repeats_too_large_to_be_added_up_and_errors_too_bad_to_be_still_have_a_mean() -> None:
    widest = Metric(name="m", bounds=(-largest, largest)).of_kind(Kind.SCORE)
    (found,) = means(table([largest, largest, FAULT, FAULT]), widest)
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
    rows = ScoreTable(run([scored("EXT-b", {"index": 7, "line": 12}), scored("EXT-a", {"index": 0})])).rows
    assert [rows.place(row) for row in range(2)] == [
        Place(datapoint_id="EXT-b", line=12),
        Place(datapoint_id="EXT-a", line=None),
    ]
    assert [rows.position(row) for row in range(2)] == [7, 0]


# --- rows that two runs share ----------------------------------------------------------------------------------------


def two_tables(ours: list[Outcome], theirs: list[Outcome]) -> tuple[ScoreTable, ScoreTable]:
    rows = Rows(["talk"])
    return ScoreTable(run(ours), rows), ScoreTable(run(theirs), rows)


def test_a_datapoint_has_the_same_row_in_every_run() -> None:
    ours, theirs = two_tables([scored("a", m=1), scored("b", m=2)], [scored("c", m=3), scored("b", m=4)])
    assert (list(ours.present), list(theirs.present)) == ([0, 1], [2, 1])
    assert ours.rows is theirs.rows
    assert [ours.rows.place(row).datapoint_id for row in range(3)] == ["a", "b", "c"]
    assert (means(ours, SCORE), means(theirs, SCORE)) == ([1.0, 2.0, None], [None, 4.0, 3.0])


def test_a_run_counts_only_the_datapoints_that_it_has() -> None:
    ours, theirs = two_tables([scored("a", m=1)], [failed("b"), scored("c", m=3), scored("d")])
    assert (len(ours), ours.errors, len(theirs), theirs.errors) == (1, 0, 3, 1)
    assert ours.sample(SCORE) == Sample(measured=True, scores=array("d", [1]), count=1, errors=0, not_applicable=0)
    assert theirs.sample(SCORE) == Sample(measured=True, scores=array("d", [3]), count=3, errors=1, not_applicable=1)
    assert theirs.sample(ERRORS).mean == 1 / 3


def test_a_sample_may_be_of_some_of_the_datapoints() -> None:
    found = table(1, CRASH, None, 4)
    assert found.scores(ONE_TO_FIVE).sample([1, 3]) == Sample(
        measured=True, scores=array("d", [1, 4]), count=2, errors=1, not_applicable=0
    )
    assert found.scores(SCORE).sample([1, 2]) == Sample(
        measured=True, scores=array("d"), count=2, errors=1, not_applicable=1
    )


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from([1, CRASH, FAULT, None])), max_size=30))
def test_gaps_between_the_rows_of_a_run_hold_nothing(given: list[tuple[int, Given]]) -> None:
    """The baseline of a candidate with other datapoints has rows far apart."""
    rows, latest = Rows(), dict(given)
    ScoreTable(run([scored(str(at)) for at in range(301)]), rows)
    found = ScoreTable(run([one for at, score in latest.items() for one in renamed(at, score)]), rows)
    worst = [None if score is None else float(score == 1) for score in (latest.get(at) for at in range(301))]
    assert means(found, RATE) == worst
    assert found.errors == sum(isinstance(score, Exception) for score in latest.values())


def renamed(at: int, score: Given) -> list[Outcome]:
    return [replace(one, datapoint_id=str(at)) for one in outcomes("m", [score])]


# --- labels ----------------------------------------------------------------------------------------------------------

LABELS = Metric(name="m", kind=Kind.RATE, bounds=(0.0, 1.0), labels=True)


def labelled(*given: tuple[Score, Any], **fields: Any) -> ScoreTable:
    """A table of one metric of labels, of `(label, ground truth)` by datapoint."""
    rows = [scored(f"EXT-{at}", {"ground_truth": truth, **fields}, m=label) for at, (label, truth) in enumerate(given)]
    return ScoreTable(run(rows), labels=["m"])


def test_a_label_is_reduced_to_whether_it_is_the_expected_one() -> None:
    found = labelled((3, 3), (3, 4), (2.0, 2), (None, 1))
    assert means(found, LABELS) == [1.0, 0.0, 1.0, None]
    assert (found.kind("m"), found.all_or_nothing("m")) == (Kind.RATE, True)


def test_an_evaluator_may_compare_labels_itself() -> None:
    assert means(labelled((True, "refund"), (False, "refund")), LABELS) == [1.0, 0.0]


def test_a_number_is_no_label_of_a_ground_truth_that_is_none() -> None:
    found = labelled((3, "3"), (3, None))
    assert means(found, LABELS) == [None, None]
    assert not found.has("m")


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ([3], [3.0], True),
        ([3], [4], False),
        ([-1], [-2], False),
        ([1, 3], [3, 1], True),
        ([1, 3], [2, 2], False),
        ([1, 1], [1], False),
        ([None, 1], [1, None], True),
    ],
)
def test_labels_are_the_same_whatever_the_order_of_the_repeats(
    ours: list[Score], theirs: list[Score], same: bool
) -> None:
    found = [
        ScoreTable(
            run([scored("EXT-a", {"repeat": at, "ground_truth": 1}, m=label) for at, label in enumerate(labels)]),
            labels=["m"],
        ).label("m", 0)
        for labels in (ours, theirs)
    ]
    assert (found[0] == found[1]) is same


def test_the_label_beside_a_score_is_in_its_note() -> None:
    refund, other = (labelled((False, "x"), notes={"m": note}).label("m", 0) for note in ("refund", "complaint"))
    assert refund != other
    assert labelled((False, "x")).label("m", 0) != labelled((True, "x")).label("m", 0)
    assert ScoreTable(run([failed("EXT-a")]), labels=["m"]).label("m", 0) == 0


# --- several repeats that all pass -----------------------------------------------------------------------------------


def repeated(*passes: list[Given], metric: str = "m") -> ScoreTable:
    return ScoreTable(scores(metric, passes, repeats=len(passes[0])))


def test_all_repeats_pass_of_the_share_of_the_datapoints_that_never_failed() -> None:
    found = repeated([True, True], [True, False], [False, False], [True, True])
    assert found.pass_hat_k(RATE) == 0.5


@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_an_error_does_not_pass(error: Exception) -> None:
    assert repeated([True, True], [True, error]).pass_hat_k(RATE) == 0.5


def test_where_lower_is_better_what_passes_is_0() -> None:
    lower = Metric(name="m", direction=Direction.LOWER).of_kind(Kind.RATE)
    assert repeated([False, False], [True, False], [True, True], [False, FAULT]).pass_hat_k(lower) == 0.25


def test_datapoints_that_do_not_have_all_repeats_say_nothing() -> None:
    assert repeated([True, True], [True, None]).pass_hat_k(RATE) == 1.0
    assert repeated([True, None], [None, None]).pass_hat_k(RATE) is None


def test_only_pass_fail_metrics_of_several_repeats_can_all_pass() -> None:
    assert repeated([True], [True]).pass_hat_k(RATE) is None
    assert repeated([0.5, 1], [1, 1]).pass_hat_k(RATE) is None
    assert repeated([1, 1], [1, 1]).pass_hat_k(SCORE) is None
    assert repeated([CRASH, CRASH], [CRASH, CRASH]).pass_hat_k(RATE) is None


# --- aggregates ------------------------------------------------------------------------------------------------------


def test_a_sample_has_a_mean_or_what_an_aggregate_makes_of_it() -> None:
    found = table(1, 2, 9).sample(SCORE)
    assert found.value(None) == found.mean == 4.0
    assert found.value(Aggregate("total")) == 12.0
    assert found.value(Aggregate("median")) == 2.0
    assert found.value(Aggregate("p95")) is None
    assert table().sample(SCORE).value(None) is None


def test_a_total_that_fits_no_float_is_the_largest_one() -> None:
    assert table(largest, largest).sample(SCORE).value(Aggregate("total")) == largest
