from __future__ import annotations

import math
import random
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import evaluators, failed, run, scored
from builders_verdict import CRASH, FAULT, Given, compared, judged, outcomes, pass_fail, scores
from honeyhive.gate.calibration.resampling import Pool
from honeyhive.gate.comparison import KEPT, Comparison, MetricComparison, compare
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.pairs import Pairs
from honeyhive.gate.scores import Sample
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.gate.verdict_json import to_json
from honeyhive.result import EvaluatorRef, RunResult, Score


def one_metric(candidate: list[Any], baseline: list[Any], **rules: Any) -> MetricComparison:
    thresholds = {"m": {"min": 0, **rules}} if rules else {}
    return compared(scores("m", candidate), scores("m", baseline), thresholds).metrics["m"]


def pairs_of(candidate: list[Any], baseline: list[Any], **rules: Any) -> Pairs:
    pairs = one_metric(candidate, baseline, **rules).pairs
    assert pairs is not None
    return pairs


# --- which datapoints pair up ----------------------------------------------------------------------------------------


def by_hash(hashes: dict[str, str], **header: Any) -> RunResult:
    return run([scored(key, {"content_hash": value}, m=1) for key, value in hashes.items()], **header)


def test_datapoints_pair_up_by_id_and_content() -> None:
    found = compare(
        by_hash({"a": "1", "b": "2x", "d": "4", "e": "5"}), by_hash({"a": "1", "b": "2", "c": "3", "d": "4"})
    )
    assert (found.paired, found.edited, found.removed, found.added) == (2, 1, 1, 1)
    assert found.paired_share == 0.5


def test_rows_that_the_candidate_adds_are_no_reason_to_mistrust_the_others() -> None:
    found = compare(by_hash({"a": "1", "b": "2", "c": "3"}), by_hash({"a": "1"}))
    assert (found.added, found.paired_share) == (2, 1.0)


def test_a_limited_candidate_need_not_have_all_of_the_baseline() -> None:
    whole = {"a": "1", "b": "2", "c": "3", "d": "4"}
    assert compare(by_hash({"a": "1"}, limit=1), by_hash(whole)).paired_share == 1.0
    assert compare(by_hash({"a": "1", "b": "x"}, limit=2), by_hash(whole)).paired_share == 0.5
    assert compare(by_hash({"a": "1"}), by_hash(whole)).paired_share == 0.25


def test_without_a_baseline_nothing_is_paired_added_or_removed() -> None:
    found = compare(by_hash({"a": "1"}), None)
    assert (found.paired, found.added, found.removed, found.edited, found.paired_share) == (0, 0, 0, 0, 0.0)
    assert found.metrics["m"].baseline is None
    assert found.metrics["m"].pairs is None


def test_all_is_added_to_a_baseline_without_datapoints() -> None:
    found = compare(by_hash({"a": "1"}), run())
    assert (found.added, found.baseline_count, found.paired_share) == (1, 0, 0.0)
    assert found.metrics["m"].baseline == Sample(measured=False, scores=array("d"), count=0, errors=0, not_applicable=0)


def test_both_runs_count_the_datapoints_that_went_wrong() -> None:
    found = compare(scores("m", [True, CRASH, [FAULT, True]]), scores("m", [CRASH, True, True, True]))
    assert (found.count, found.errors, found.baseline_count, found.baseline_errors) == (3, 2, 4, 1)


# --- what is compared ------------------------------------------------------------------------------------------------


def test_only_datapoints_that_both_runs_have_a_score_for_are_compared() -> None:
    pairs = pairs_of([True, None, False, True], [True, True, None, False])
    assert (pairs.n, pairs.candidate, pairs.baseline, pairs.worse, pairs.better) == (2, 1.0, 0.5, 0, 1)


def test_the_means_of_a_comparison_are_those_of_the_pairs_and_each_run_has_its_own() -> None:
    found = one_metric([1, 3, 8], [1, 1])
    assert found.pairs is not None
    assert (found.pairs.candidate, found.candidate.mean) == (2.0, 4.0)


def test_errors_are_the_worst_score_on_both_sides() -> None:
    pairs = pairs_of([True, True, CRASH, FAULT, True, False], [True, True, False, False, True, True])
    assert (pairs.n, pairs.candidate, pairs.baseline) == (6, 0.5, 4 / 6)
    assert (pairs.worse, pairs.better) == (1, 0)
    mirrored = pairs_of([True, True, False, False, True, True], [True, True, CRASH, FAULT, True, False])
    assert (mirrored.worse, mirrored.better) == (0, 1)


def test_where_lower_is_better_an_error_is_the_highest_score() -> None:
    pairs = pairs_of([1, CRASH], [1, 1], range=[0, 10], direction="lower")
    assert (pairs.candidate, pairs.worse, pairs.better) == (5.5, 1, 0)


def test_a_metric_of_nothing_but_errors_is_not_compared() -> None:
    for found in (one_metric([True, True], [CRASH, FAULT]), one_metric([CRASH, FAULT], [True, True])):
        assert found.pairs is None


def test_a_metric_that_the_baseline_does_not_have_is_not_compared_with_its_crashes() -> None:
    baseline = run([failed("EXT-0000"), failed("EXT-0001"), *outcomes("other", [1, 1], first=2)])
    found = compare(scores("m", [True] * 4), baseline)
    assert found.metrics["m"].pairs is None
    assert [change.metric for change in found.changes] == ["errors", "errors"]


def test_a_difference_by_rounding_is_none() -> None:
    pairs = pairs_of([0.1 + 0.2, 0.3], [0.3, 0.1 + 0.2])
    assert (pairs.worse, pairs.better) == (0, 0)
    assert pairs.test is not None
    assert pairs.test.changed == 0


# --- by which test ---------------------------------------------------------------------------------------------------


def test_pass_fail_with_one_repeat_is_a_sign_test() -> None:
    pairs = pairs_of([True, False, True], [True, True, True])
    assert pairs.pass_fail
    assert pairs.test is not None
    assert pairs.test.p == pytest.approx(0.25)  # half of the only way to lose one toss


@pytest.mark.parametrize(
    ("candidate", "baseline", "rules"),
    [
        ([[True, False], [True, True]], [[True, True], [True, True]], {}),
        ([[True, False], [True, True]], [True, True], {}),
        ([True, False], [[True, True], [True, True]], {}),
        ([0.5, 1.0], [1, 1], {"kind": "rate"}),
        ([True, False], [True, True], {"kind": "score"}),
        ([1, 0], [1, 1], {}),
        ([True, 0], [True, True], {}),
    ],
)
def test_repeats_fractions_and_numbers_are_compared_by_their_means(
    candidate: list[Any], baseline: list[Any], rules: dict[str, Any]
) -> None:
    pairs = pairs_of(candidate, baseline, **rules)
    assert not pairs.pass_fail
    assert pairs.test is not None
    assert pairs.test.sd is not None
    assert pairs.n == 2


def test_numbers_0_and_1_are_pass_fail_where_the_user_says_so() -> None:
    assert pairs_of([1, 0.0, -0.0], [1.0, 1, 0], kind="rate").pass_fail


@pytest.mark.parametrize(("ours", "theirs"), [([True, False], [1, 0]), ([0.0, 1], [False, True])])
def test_one_run_with_true_and_false_and_one_with_0_and_1_makes_a_rate(ours: list[Any], theirs: list[Any]) -> None:
    found = one_metric(ours, theirs)
    assert (found.metric.kind, found.metric.worst, found.redefined) == (Kind.RATE, 0.0, False)
    assert pairs_of(ours, theirs).pass_fail


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"), [([True], [0.5], Kind.RATE), ([7], [False], Kind.SCORE), ([True], [1, 2], Kind.RATE)]
)
def test_one_run_with_true_and_false_and_one_with_other_numbers_is_redefined(
    ours: list[Any], theirs: list[Any], kind: Kind
) -> None:
    found = one_metric(ours, theirs)
    assert (found.metric.kind, found.kind_changed, found.evaluator_changed, found.redefined) == (
        kind,
        True,
        False,
        True,
    )
    assert not found.beyond_range


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ([True, 0.5], [True, True], Kind.SCORE),
        ([True, True], [1, False, 3], Kind.SCORE),
        ([True, 1], [1, 1], Kind.SCORE),
        ([0, 1], [0.5, 1], Kind.SCORE),
        ([True], [None], Kind.RATE),
        ([True], [FAULT], Kind.RATE),
        ([None], [0.5], Kind.SCORE),
        ([None], [None], None),
    ],
)
def test_a_run_with_both_makes_a_score_and_one_without_any_says_nothing(
    ours: list[Any], theirs: list[Any], kind: Kind | None
) -> None:
    for found in (one_metric(ours, theirs), one_metric(theirs, ours)):
        assert (found.metric.kind, found.redefined) == (kind, False)


@pytest.mark.parametrize("kind", ["rate", "score", "label"])
def test_what_the_user_says_of_a_metric_is_what_it_is_in_both_runs(kind: str) -> None:
    assert not one_metric([True], [0.5], kind=kind).redefined


def test_without_a_baseline_nothing_is_redefined() -> None:
    assert not compare(scores("m", [True, 0.5]), None).metrics["m"].redefined


def test_what_is_redefined_in_a_comparison_is_so_in_a_pool() -> None:
    changed, same = (
        Pool([scores("m", [True] * 5), scores("m", given)], parse_thresholds({"m": {"max-drop": 0.1}}))
        for given in ([0.5] * 5, [1, 0, 1, 1, 1])
    )
    for pool, redefined, kind in ((changed, True, Kind.RATE), (same, False, Kind.RATE)):
        found = pool.comparison(pool.pair(0, 1), parse_thresholds({"m": {"max-drop": 0.1}})).metrics["m"]
        assert (found.redefined, found.metric.kind) == (redefined, kind)


def timed(*durations: float | None) -> RunResult:
    return run([scored(f"EXT-{at}", {"duration_ms": duration}) for at, duration in enumerate(durations)])


def test_latency_is_compared_by_its_logarithm() -> None:
    pairs = compare(timed(200, 400, 50), timed(100, 200, 25)).metrics["latency_ms"].pairs
    assert pairs is not None
    assert pairs.test is not None
    assert pairs.test.ratio == pytest.approx(2.0)


def test_a_latency_of_nothing_has_no_logarithm_and_is_left_out_of_the_test() -> None:
    pairs = compare(timed(200, 0, 50), timed(100, 200, 25)).metrics["latency_ms"].pairs
    assert pairs is not None
    assert pairs.test is not None
    assert (pairs.n, pairs.test.n) == (3, 2)
    untimed = compare(timed(0, 0), timed(0, 0)).metrics["latency_ms"].pairs
    assert untimed is not None
    assert untimed.test is None


def test_the_latency_of_what_crashed_is_left_out() -> None:
    candidate = run([failed("EXT-0", {"duration_ms": 9_000.0}), scored("EXT-1", {"duration_ms": 30.0})])
    pairs = compare(candidate, timed(20.0, 20.0)).metrics["latency_ms"].pairs
    assert pairs is not None
    assert (pairs.n, pairs.candidate) == (1, 30.0)


def test_the_bill_follows_the_total() -> None:
    found = compare(scores("cost", [2.0, 10.0]), scores("cost", [1.0, 11.0])).metrics["cost"]
    assert found.pairs is not None
    assert found.pairs.test is not None
    assert found.pairs.test.ratio == pytest.approx(1.0)
    assert found.metric.direction is Direction.LOWER


def test_an_error_costs_nothing_and_takes_its_pair_with_it() -> None:
    found = compare(scores("cost", [2.0, CRASH, 4.0]), scores("cost", [1.0, 11.0, 2.0])).metrics["cost"]
    assert found.pairs is not None
    assert found.pairs.n == 2
    assert not found.unbounded_errors


def lacking(given: list[Any], *without: int) -> RunResult:
    """A run that names its evaluator, and has no score of it of these datapoints."""
    found = outcomes("m", given)
    for at in without:
        found[at] = scored(f"EXT-{at:04}", {"index": at, "line": at + 1})
    return run(found, evaluators=evaluators("m"))


def test_a_score_that_a_run_lacks_is_an_error_on_both_sides() -> None:
    whole, lacks = lacking([True] * 6), lacking([True] * 6, 0, 1, 2)
    for ours, theirs, worse, better in ((lacks, whole, 3, 0), (whole, lacks, 0, 3)):
        pairs = compare(ours, theirs).metrics["m"].pairs
        assert pairs is not None
        assert (pairs.n, pairs.worse, pairs.better) == (6, worse, better)
    assert compare(lacks, whole).errors == compare(whole, lacks).baseline_errors == 3
    assert compare(lacking([0.5] * 6, 0), lacking([0.5] * 6)).metrics["m"].unbounded_errors


def test_leaving_failures_out_of_a_run_does_not_lift_its_mean() -> None:
    baseline = lacking([True] * 10)
    honest = judged(lacking([True] * 6 + [False] * 4), baseline, {"m": {"max-drop": 0.02}})
    hiding = judged(lacking([True] * 10, 6, 7, 8, 9), baseline, {"m": {"max-drop": 0.02}})
    assert [check.estimate for check in hiding.checks] == [check.estimate for check in honest.checks] == [-0.4]


# --- errors without a range ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [CRASH, FAULT, [0.5, FAULT]])
def test_an_error_in_a_pair_is_unbounded_where_no_range_is_known(error: Given) -> None:
    assert one_metric([0.5, error], [0.5, 0.5]).unbounded_errors
    assert one_metric([0.5, 0.5], [0.5, error]).unbounded_errors
    assert not one_metric([0.5, error], [0.5, 0.5], range=[0, 1]).unbounded_errors


def test_an_error_of_a_datapoint_that_does_not_pair_up_unbounds_nothing() -> None:
    assert not one_metric([0.5, 0.5, CRASH], [0.5, 0.5]).unbounded_errors
    assert not one_metric([0.5, 0.5], [0.5, 0.5, CRASH]).unbounded_errors
    assert not compare(scores("m", [0.5, CRASH]), None).metrics["m"].unbounded_errors


def test_scores_outside_of_the_range_in_either_run_are_noticed() -> None:
    assert one_metric([0.5], [7], range=[0, 1]).beyond_range
    assert one_metric([-3], [0.5], range=[0, 1]).beyond_range
    assert not one_metric([0], [1], range=[0, 1]).beyond_range


# --- evaluators ------------------------------------------------------------------------------------------------------


def graded(**fingerprints: str) -> RunResult:
    refs = tuple(EvaluatorRef(name=name, fingerprint=value) for name, value in fingerprints.items())
    return scores("m", [True, True], evaluators=refs)


def test_a_metric_knows_that_its_evaluator_changed() -> None:
    assert compare(graded(m="2"), graded(m="1")).metrics["m"].evaluator_changed
    assert compare(graded(m="2"), graded(m="1")).metrics["m"].redefined
    assert not compare(graded(m="1"), graded(m="1")).metrics["m"].evaluator_changed
    assert not compare(graded(m="1", other="2"), graded(m="1", other="1")).metrics["m"].evaluator_changed


def test_an_evaluator_that_one_run_does_not_name_has_not_changed() -> None:
    assert not compare(graded(m="1"), graded()).metrics["m"].evaluator_changed
    assert not compare(graded(), graded(m="1")).metrics["m"].evaluator_changed
    assert not compare(graded(m="1"), None).metrics["m"].evaluator_changed


def test_an_evaluator_without_a_fingerprint_is_not_known_to_have_changed() -> None:
    assert not compare(graded(m="1"), graded(m="")).metrics["m"].evaluator_changed
    assert not compare(graded(m=""), graded(m="1")).metrics["m"].evaluator_changed


# --- what changed ----------------------------------------------------------------------------------------------------


def test_the_datapoints_that_changed_most_come_first_those_that_got_worse_before_the_others() -> None:
    found = compare(scores("m", [1, 5, 2, 9, 4]), scores("m", [2, 4, 5, 4, 4]))
    assert [(change.line, change.better, change.baseline, change.candidate) for change in found.changes] == [
        (3, False, 5.0, 2.0),
        (1, False, 2.0, 1.0),
        (4, True, 4.0, 9.0),
        (2, True, 4.0, 5.0),
    ]


def test_changes_of_the_same_size_come_in_the_order_of_the_dataset() -> None:
    candidate, baseline = pass_fail(9, worse=4, better=4)
    shuffled = run(random.Random(3).sample(list(candidate.outcomes), 9), evaluators=())
    found = compare(shuffled, baseline)
    assert [change.line for change in found.changes] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [change.better for change in found.changes] == [False] * 4 + [True] * 4


def test_what_got_worse_is_judged_by_the_metrics_direction() -> None:
    thresholds = {"m": {"max-increase": 1}}
    found = compared(scores("m", [9, 1]), scores("m", [5, 5]), thresholds)
    assert [(change.line, change.better) for change in found.changes] == [(1, False), (2, True)]


def test_no_more_changes_are_kept_than_anybody_reads() -> None:
    found = compare(*pass_fail(300, worse=120, better=110))
    assert sum(change.better for change in found.changes) == KEPT
    assert sum(not change.better for change in found.changes) == KEPT


def test_new_errors_are_changes_and_times_are_not() -> None:
    found = compare(scores("m", [True, CRASH]), scores("m", [True, True]))
    assert [(change.metric, change.candidate) for change in found.changes] == [("m", 0.0), ("errors", 1.0)]
    assert not compare(timed(900.0, 1.0), timed(1.0, 900.0)).changes


# --- whatever the runs hold ------------------------------------------------------------------------------------------

EIGHTHS = st.integers(-16, 16).map(lambda count: count / 8)
ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
ERROR: st.SearchStrategy[Any] = st.sampled_from([CRASH, FAULT])


def columns(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    one = values | st.none() | ERROR
    return st.lists(one | st.lists(one, min_size=1, max_size=3), min_size=1, max_size=12)


KINDS = [st.booleans(), EIGHTHS, st.sampled_from([0, 1, 0.5])]
TWO_COLUMNS = st.sampled_from(KINDS).flatmap(lambda values: st.tuples(columns(values), columns(values)))
BOUNDED: dict[str, Any] = {"m": {"max-drop": 0.05, "range": [-2, 2], "kind": "score"}}


@given(TWO_COLUMNS, st.randoms(use_true_random=False))
def test_the_order_of_the_outcomes_changes_nothing(
    given_columns: tuple[list[Any], list[Any]], dice: random.Random
) -> None:
    candidate, baseline = (outcomes("m", column) for column in given_columns)
    thresholds = {"m": {"max-drop": 0.05, "min": 0.5}, "errors": {"max": 0.5, "max-increase": 0.1}}
    in_order = judged(run(candidate), run(baseline), thresholds)
    dice.shuffle(candidate)
    dice.shuffle(baseline)
    assert to_json(judged(run(candidate), run(baseline), thresholds)) == to_json(in_order)


@given(TWO_COLUMNS)
def test_the_other_way_round_worse_is_better(given_columns: tuple[list[Any], list[Any]]) -> None:
    ours, theirs = (scores("m", column) for column in given_columns)
    forth, back = compared(ours, theirs, BOUNDED), compared(theirs, ours, BOUNDED)
    assert (forth.paired, forth.added, forth.removed) == (back.paired, back.removed, back.added)
    for name in ("m", "errors"):
        assert_mirrored(forth.metrics[name].pairs, back.metrics[name].pairs)


@given(st.integers(1, 200), st.data())
def test_the_other_way_round_a_pass_fail_metric_is_mirrored(n: int, data: st.DataObject) -> None:
    worse = data.draw(st.integers(0, n))
    better = data.draw(st.integers(0, n - worse))
    candidate, baseline = pass_fail(n, worse=worse, better=better)
    forth, back = (
        compare(candidate, baseline).metrics["correct"].pairs,
        compare(baseline, candidate).metrics["correct"].pairs,
    )
    assert forth is not None
    assert (forth.n, forth.worse, forth.better) == (n, worse, better)
    assert_mirrored(forth, back)


def assert_mirrored(forth: Pairs | None, back: Pairs | None) -> None:
    if forth is None or back is None:
        assert forth is back
        return
    assert (forth.worse, forth.better, forth.candidate) == (back.better, back.worse, back.baseline)
    assert forth.test is not None
    assert back.test is not None
    for found, mirrored in (
        (forth.test.estimate, back.test.estimate),
        (forth.test.lower, back.test.upper),
        (forth.test.upper, back.test.lower),
    ):
        assert (found is None) == (mirrored is None)
        assert found is None or mirrored is None or found == pytest.approx(-mirrored, abs=1e-12)
    assert forth.test.p == (None if back.test.p_better is None else pytest.approx(back.test.p_better, abs=1e-12))


@given(columns(ANY_FLOAT), columns(ANY_FLOAT))
def test_whatever_the_scores_every_number_of_a_comparison_is_finite(candidate: list[Any], baseline: list[Any]) -> None:
    found = compared(scores("m", candidate), scores("m", baseline), {"m": {"max-drop": 1, "range": [-1e308, 1e308]}})
    for number in numbers_of(found):
        assert math.isfinite(number)


def numbers_of(found: Comparison) -> list[float]:
    numbers: list[Score] = []
    for metric in found.metrics.values():
        numbers.append(metric.candidate.mean)
        if metric.pairs is not None and metric.pairs.test is not None:
            test = metric.pairs.test
            numbers += [metric.pairs.candidate, metric.pairs.baseline, test.estimate, test.lower, test.upper, test.p]
    return [number for number in numbers if number is not None]
