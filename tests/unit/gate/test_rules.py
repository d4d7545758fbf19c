from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import run, scored
from builders_verdict import CRASH, FAULT, Given, judged, only_check, pass_fail, scores
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.comparison import compare
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.plan import plan
from honeyhive.gate.planning import repeats_for_rate, repeats_for_score
from honeyhive.gate.thresholds import parse_thresholds, with_default_errors
from honeyhive.gate.verdict import Case, Policies, Policy, judge
from honeyhive.result import EvaluatorRef, RunResult

FAILED, PASSED, UNDECIDED = Status.FAILED, Status.PASSED, Status.UNDECIDED


def of_counts(n: int, worse: int, better: int, margin: Any) -> Check:
    return only_check(*pass_fail(n, worse=worse, better=better), correct={"max-drop": margin})


def of_scores(candidate: Sequence[Any], baseline: Sequence[Any], **rules: Any) -> Check:
    return only_check(scores("m", candidate), scores("m", baseline), m=rules)


def outcome(check: Check) -> tuple[Status, Reason]:
    return check.status, check.reason


# --- bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "rules", "expected"),
    [
        ([True, False], {"min": 0.5}, (PASSED, Reason.MET)),
        ([True, False], {"min": 0.5 + 1e-10}, (PASSED, Reason.MET)),
        ([True, False], {"min": 0.5 + 1e-8}, (FAILED, Reason.BELOW_MIN)),
        ([2, 4], {"max": 3}, (PASSED, Reason.MET)),
        ([2, 4], {"max": 3 - 1e-10}, (PASSED, Reason.MET)),
        ([2, 4], {"max": 2.9}, (FAILED, Reason.ABOVE_MAX)),
        ([0.1 + 0.2], {"max": 0.3}, (PASSED, Reason.MET)),
        ([True, CRASH], {"min": 0.5}, (PASSED, Reason.MET)),
        ([True, FAULT], {"min": 0.6}, (FAILED, Reason.BELOW_MIN)),
        ([True, None], {"min": 1}, (PASSED, Reason.MET)),
        ([9, CRASH], {"min": 5, "range": [0, 10]}, (FAILED, Reason.BELOW_MIN)),
        ([1, CRASH], {"max": 5, "range": [0, 10], "direction": "lower"}, (FAILED, Reason.ABOVE_MAX)),
        ([9, CRASH], {"min": 5}, (UNDECIDED, Reason.UNBOUNDED_ERRORS)),
        ([True, 0], {"min": 0.5}, (PASSED, Reason.MET)),
        ([True, 0, CRASH], {"min": 0.1}, (UNDECIDED, Reason.UNBOUNDED_ERRORS)),
        ([[True, False, False], True], {"min": 0.66}, (PASSED, Reason.MET)),
    ],
)
def test_a_bound_is_about_the_mean_over_all_datapoints(
    given: list[Given], rules: dict[str, Any], expected: tuple[Status, Reason]
) -> None:
    assert outcome(only_check(scores("m", given), None, m=rules)) == expected


def test_a_bound_sees_new_and_edited_datapoints_too() -> None:
    check = only_check(scores("m", [True, False, False]), scores("m", [True]), m={"min": 0.5})
    assert (check.status, check.candidate, check.baseline, check.n) == (FAILED, 1 / 3, 1.0, 3)


def test_an_error_of_the_baseline_keeps_no_bound_from_being_checked() -> None:
    check = only_check(scores("m", [0.1, 0.1]), scores("m", [0.9, CRASH]), m={"min": 0.5})
    assert outcome(check) == (FAILED, Reason.BELOW_MIN)


@pytest.mark.parametrize("given", [[None, None], [CRASH, CRASH], [FAULT, None], []])
@pytest.mark.parametrize("baseline", [None, [True, True], [0.5, 0.5]])
@pytest.mark.parametrize("rules", [{"min": 0.0}, {"max": 1.0}, {"max-drop": 1.0}, {"max-drop": "50%"}])
def test_a_metric_that_no_outcome_of_the_candidate_has_fails_baseline_or_not(
    given: list[Given], baseline: list[Given] | None, rules: dict[str, Any]
) -> None:
    check = only_check(scores("m", given), scores("m", baseline) if baseline else None, m=rules)
    assert outcome(check) == (FAILED, Reason.MISSING_METRIC)
    assert (check.candidate, check.estimate, check.p, check.p_adjusted) == (None, None, None, None)


def test_a_misspelt_metric_is_missing() -> None:
    assert outcome(only_check(scores("m", [1]), scores("m", [1]), n={"max-drop": 1})) == (FAILED, Reason.MISSING_METRIC)


def test_the_default_of_errors_fails_a_run_without_datapoints() -> None:
    assert only_check(run(), None, errors={"max": 0.05}).status is FAILED


def test_a_cost_that_only_crashed_repeats_tell_of_is_no_data() -> None:
    check = only_check(scores("cost", [[2.0, CRASH]]), None, cost={"max": 5})
    assert outcome(check) == (FAILED, Reason.NO_DATA)


@pytest.mark.parametrize(
    ("given", "limit", "status"),
    [
        ([True] * 19 + [CRASH], 0.05, PASSED),
        ([True] * 18 + [CRASH, FAULT], 0.05, FAILED),
        ([True] * 20, 0, PASSED),
        ([True] * 19 + [[True, FAULT]], 0, FAILED),
        ([CRASH] * 20, 1, PASSED),
    ],
)
def test_errors_are_the_share_of_the_attempts_that_went_wrong(given: list[Given], limit: float, status: Status) -> None:
    assert only_check(scores("m", given), None, errors={"max": limit}).status is status


def test_latency_has_a_cap_and_that_one_fails_the_job() -> None:
    candidate = run([scored("a", {"duration_ms": 3_000.0}), scored("b", {"duration_ms": 2_000.0})])
    check = only_check(candidate, None, latency_ms={"max": "2s"})
    assert (check.status, check.reason, check.gating) == (FAILED, Reason.ABOVE_MAX, True)


# --- what keeps two runs from being compared -------------------------------------------------------------------------


def test_without_a_baseline_a_comparison_is_undecided() -> None:
    check = only_check(scores("m", [True, False]), None, m={"max-drop": 0.1})
    assert outcome(check) == (UNDECIDED, Reason.NO_BASELINE)
    assert (check.candidate, check.baseline, check.n) == (0.5, None, 0)


@pytest.mark.parametrize("baseline", [[CRASH, CRASH], [FAULT, FAULT], [None, None], [None, CRASH], []])
def test_a_baseline_that_has_no_score_of_the_metric_is_none(baseline: list[Given]) -> None:
    check = only_check(scores("m", [True, True]), scores("m", baseline), m={"max-drop": 0.1})
    assert outcome(check) == (UNDECIDED, Reason.NO_BASELINE)
    assert (check.baseline, check.estimate, check.p) == (None, None, None)


def test_a_new_metric_is_not_held_against_the_crashes_of_a_baseline_without_it() -> None:
    check = only_check(scores("m", [True] * 20), scores("other", [True] * 10 + [CRASH] * 10), m={"max-drop": 0.1})
    assert outcome(check) == (UNDECIDED, Reason.NO_BASELINE)


def renamed(given: list[Given], prefix: str, share: float) -> RunResult:
    found = list(scores("m", given).outcomes)
    return run(
        [
            scored(prefix + one.datapoint_id if at < share * len(found) else one.datapoint_id, {"index": at}, m=True)
            for at, one in enumerate(found)
        ],
        evaluators=(),
    )


@pytest.mark.parametrize(
    ("share", "reason"),
    [
        (1.0, Reason.NO_PAIRS),
        (0.5, Reason.DATASET_CHANGED),
        (0.3, Reason.DATASET_CHANGED),
        (0.2, Reason.UNCHANGED),
        (0.0, Reason.UNCHANGED),
    ],
)
def test_less_than_four_of_five_datapoints_in_both_runs_are_no_comparison(share: float, reason: Reason) -> None:
    check = only_check(renamed([True] * 10, "new-", share), scores("m", [True] * 10), m={"max-drop": 0.1})
    assert check.reason is reason
    assert check.status is (PASSED if reason is Reason.UNCHANGED else UNDECIDED)


def test_a_metric_that_applies_nowhere_in_both_has_no_pairs() -> None:
    check = of_scores([True, None], [None, True], **{"max-drop": 0.1})
    assert outcome(check) == (UNDECIDED, Reason.NO_PAIRS)


def test_another_evaluator_is_another_metric() -> None:
    refs = [(EvaluatorRef(name="m", fingerprint=fingerprint),) for fingerprint in ("new", "old")]
    candidate, baseline = (scores("m", [True] * 9, evaluators=ref) for ref in refs)
    assert outcome(only_check(candidate, baseline, m={"max-drop": 0.1})) == (UNDECIDED, Reason.NOT_COMPARABLE)
    assert only_check(candidate, baseline, m={"min": 0.1}).status is PASSED


@pytest.mark.parametrize(
    ("candidate", "baseline"),
    [
        ([True] * 9, [0.9] * 9),
        ([True] * 9, [1, 0, 1, 1, 1, 1, 1, 1, 2]),
        ([0.9] * 9, [True] * 9),
        ([99] * 9, [False] * 9),
    ],
)
def test_what_passes_or_fails_in_one_run_and_is_a_number_in_the_other_is_another_metric(
    candidate: list[Given], baseline: list[Given]
) -> None:
    verdict = judged(scores("m", candidate), scores("m", baseline), {"m": {"max-drop": 0.1}})
    assert [outcome(check) for check in verdict.checks] == [(UNDECIDED, Reason.NOT_COMPARABLE)]
    assert verdict.exit_code == 4
    said = of_scores(candidate, baseline, **{"max-drop": 0.1, "kind": "score"})
    assert said.reason is not Reason.NOT_COMPARABLE


def test_a_metric_that_was_another_in_the_baseline_is_bounded_as_what_it_is_now() -> None:
    check = only_check(scores("m", [True] * 9 + [CRASH]), scores("m", [0.5] * 10), m={"min": 0.95})
    assert (outcome(check), check.candidate, check.kind) == ((FAILED, Reason.BELOW_MIN), 0.9, Kind.RATE)
    numbers = only_check(scores("m", [0.9] * 10), scores("m", [True] * 10), m={"min": 0.95})
    assert (outcome(numbers), numbers.kind) == ((FAILED, Reason.BELOW_MIN), Kind.SCORE)


def test_0_and_1_are_held_against_false_and_true() -> None:
    check = of_scores([0] * 5 + [1] * 5, [True] * 10, **{"max-drop": 0.1})
    assert (outcome(check), check.kind, check.worse) == ((FAILED, Reason.REGRESSED), Kind.RATE, 5)
    assert of_scores([True] * 10, [0] * 5 + [1.0] * 5, **{"max-drop": 0.1}).reason is Reason.IMPROVED
    crashed = of_scores([1] * 5 + [CRASH] * 5, [True] * 10, **{"max-drop": 0.1})
    assert outcome(crashed) == (FAILED, Reason.REGRESSED)


@pytest.mark.parametrize(
    ("candidate", "baseline"), [([0.5, CRASH], [0.5, 0.5]), ([0.5, 0.5], [0.5, FAULT]), ([0.5, [1, CRASH]], [0.5, 1])]
)
def test_errors_of_unknown_worth_leave_a_comparison_open(candidate: list[Given], baseline: list[Given]) -> None:
    check = of_scores(candidate, baseline, **{"max-drop": 0.1})
    assert outcome(check) == (UNDECIDED, Reason.UNBOUNDED_ERRORS)
    assert (check.estimate, check.p) == (None, None)
    assert of_scores(candidate, baseline, **{"max-drop": 0.1, "range": [0, 1]}).reason is not Reason.UNBOUNDED_ERRORS


def test_one_pair_of_numbers_is_too_few() -> None:
    assert outcome(of_scores([0.1], [0.5], **{"max-drop": 0.1})) == (UNDECIDED, Reason.ONE_PAIR)
    assert outcome(only_check(scores("cost", [1.0]), scores("cost", [9.0]), cost={"max-increase": "1%"})) == (
        UNDECIDED,
        Reason.ONE_PAIR,
    )


def test_one_pair_of_pass_fail_is_a_small_sample() -> None:
    assert outcome(of_scores([False], [True], **{"max-drop": 0.1})) == (UNDECIDED, Reason.APPARENT_DROP)
    assert outcome(of_scores([True], [True], **{"max-drop": 0.1})) == (UNDECIDED, Reason.LOW_POWER)


def test_fewer_than_two_timed_pairs_are_too_few() -> None:
    candidate = run([scored("a", {"duration_ms": 0.0}), scored("b", {"duration_ms": 5.0})])
    baseline = run([scored("a", {"duration_ms": 5.0}), scored("b", {"duration_ms": 5.0})])
    check = only_check(candidate, baseline, latency_ms={"max-increase": "10%"})
    assert outcome(check) == (UNDECIDED, Reason.ONE_PAIR)
    untimed = run([scored("a", {"duration_ms": 0.0}), scored("b", {"duration_ms": 0.0})])
    assert only_check(candidate, untimed, latency_ms={"max-increase": "10%"}).reason is Reason.ONE_PAIR


@pytest.mark.parametrize("baseline", [[0, 0, 0], [-0.0, 0.0, 0], [-1, 0, 1], [0.1, 0.2, -(0.1 + 0.2)]])
def test_a_share_of_nothing_is_undecided(baseline: list[float]) -> None:
    assert outcome(of_scores([0, 0, 0], baseline, **{"max-drop": "5%"})) == (UNDECIDED, Reason.ZERO_BASELINE)
    assert of_scores([0, 0, 0], baseline, **{"max-drop": 0.05}).reason is not Reason.ZERO_BASELINE


def test_a_bill_of_nothing_is_undecided_unless_it_stays_one() -> None:
    free = scores("cost", [0.0, 0.0])
    check = only_check(scores("cost", [1.0, 0.0]), free, cost={"max-increase": "10%"})
    assert outcome(check) == (UNDECIDED, Reason.ZERO_BASELINE)
    assert only_check(free, free, cost={"max-increase": "10%"}).reason is Reason.UNCHANGED


# --- the seven rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "worse", "better", "margin", "expected"),
    [
        (200, 17, 6, 0.02, (FAILED, Reason.REGRESSED)),
        (200, 0, 0, 0.0, (PASSED, Reason.UNCHANGED)),
        (200, 2, 14, 0.0, (PASSED, Reason.IMPROVED)),
        (200, 4, 4, 0.05, (PASSED, Reason.WITHIN_MARGIN)),
        (1000, 40, 15, 0.05, (PASSED, Reason.WITHIN_MARGIN)),
        (200, 9, 4, 0.02, (UNDECIDED, Reason.APPARENT_DROP)),
        (200, 17, 6, 0.06, (UNDECIDED, Reason.NEAR_LIMIT)),
        (200, 4, 4, 0.02, (UNDECIDED, Reason.LOW_POWER)),
        (200, 12, 8, 0.02, (UNDECIDED, Reason.LOW_POWER)),
    ],
)
def test_the_first_of_seven_rules_that_holds_decides(
    n: int, worse: int, better: int, margin: float, expected: tuple[Status, Reason]
) -> None:
    assert outcome(of_counts(n, worse, better, margin)) == expected


def test_a_drop_of_just_the_margin_is_not_beyond_it() -> None:
    assert of_counts(1000, 20, 0, 0.02).reason is Reason.NEAR_LIMIT
    assert of_counts(1000, 21, 0, 0.02).reason is Reason.REGRESSED
    assert of_scores([0.7] * 9, [0.8] * 9, **{"max-drop": 0.1}).reason is Reason.WITHIN_MARGIN
    assert of_scores([0.7] * 2, [0.8] * 2, **{"max-drop": 0.1}).reason is Reason.LOW_POWER


@given(
    st.integers(1, 300).flatmap(
        lambda n: st.integers(0, n).flatmap(
            lambda worse: st.tuples(st.just(n), st.just(worse), st.integers(0, n - worse))
        )
    ),
    st.sampled_from([0, 0.01, 0.05, 0.5, "10%"]),
)
def test_the_rules_hold_whatever_the_counts(counts: tuple[int, int, int], margin: Any) -> None:
    n, worse, better = counts
    check = of_counts(n, worse, better, margin)
    if check.reason is Reason.ZERO_BASELINE:
        assert better == n
        return
    assert None not in (check.estimate, check.limit, check.lower, check.p)
    assert check.estimate is not None
    assert check.limit is not None
    assert check.lower is not None
    assert check.p is not None
    beyond = check.estimate < -check.limit - 1e-9
    assert (check.status is FAILED) == (beyond and check.p <= 0.05)
    if beyond:
        assert check.reason in (Reason.REGRESSED, Reason.APPARENT_DROP)
    elif worse + better == 0 and n > 1:
        assert check.reason is Reason.UNCHANGED
    elif check.reason is Reason.WITHIN_MARGIN:
        assert check.lower >= -check.limit - 1e-9
    elif check.reason is Reason.NEAR_LIMIT:
        assert check.p <= 0.05
        assert check.lower < -check.limit
    else:
        assert check.reason in (Reason.IMPROVED, Reason.LOW_POWER)


# --- what a check tells ----------------------------------------------------------------------------------------------


def test_a_check_tells_all_that_it_was_decided_on() -> None:
    check = of_counts(200, 17, 6, 0.02)
    assert (check.metric, check.kind, check.direction, check.rule) == (
        "correct",
        Kind.RATE,
        Direction.HIGHER,
        Rule.MAX_DROP,
    )
    assert (check.limit, check.allowed, check.gating) == (0.02, "0.02", True)
    assert (check.candidate, check.baseline, check.n) == (0.915, 0.97, 200)
    assert (check.worse, check.better) == (17, 6)
    assert check.estimate == pytest.approx(-0.055)
    assert check.p == check.p_adjusted == pytest.approx(0.011327922344207767)
    assert check.needed == 1_304  # 6.1826 · (13/202 + 0.02) / 0.02²


def test_worse_and_better_are_counted_for_pass_fail_only() -> None:
    check = of_scores([0.5, 0.1, 0.9], [0.5, 0.2, 0.3], **{"max-drop": 0.1})
    assert (check.worse, check.better, check.n) == (None, None, 3)


def test_a_relative_margin_is_of_the_paired_baseline_mean() -> None:
    check = only_check(scores("m", [8] * 5 + [100]), scores("m", [10] * 5), m={"max-drop": "25%"})
    assert (check.limit, check.allowed, check.baseline, check.reason) == (2.5, "25%", 10.0, Reason.WITHIN_MARGIN)


def test_a_share_of_a_negative_baseline_is_as_wide_as_of_a_positive_one() -> None:
    check = of_scores([-12] * 5, [-10] * 5, **{"max-drop": "25%"})
    assert (check.limit, check.reason) == (2.5, Reason.WITHIN_MARGIN)
    assert of_scores([-13] * 9, [-10] * 9, **{"max-drop": "25%"}).reason is Reason.REGRESSED


def test_an_increase_is_limited_where_lower_is_better() -> None:
    check = of_scores([3] * 9, [1] * 9, **{"max-increase": 1})
    assert (check.reason, check.rule, check.estimate) == (Reason.REGRESSED, Rule.MAX_INCREASE, -2.0)
    assert of_scores([1] * 9, [3] * 9, **{"max-increase": 1}).reason is Reason.IMPROVED


def test_new_errors_can_be_limited_by_their_increase() -> None:
    candidate, baseline = scores("m", [True] * 90 + [CRASH] * 10), scores("m", [True] * 99 + [CRASH])
    check = only_check(candidate, baseline, errors={"max-increase": 0.02})
    assert outcome(check) == (FAILED, Reason.REGRESSED)
    assert (check.worse, check.better, check.candidate, check.baseline) == (9, 0, 0.1, 0.01)


def test_the_time_of_another_day_does_not_fail_the_job() -> None:
    slow, fast = (
        run([scored(str(at), {"duration_ms": factor * (at + 1.0)}) for at in range(20)]) for factor in (3.0, 1.0)
    )
    check = only_check(slow, fast, latency_ms={"max-increase": "10%"})
    assert (check.status, check.reason, check.gating) == (FAILED, Reason.REGRESSED, False)
    assert (check.limit, check.p_adjusted) == (0.1, None)
    assert check.estimate == pytest.approx(-2.0)


def test_what_a_dataset_can_show_is_said_where_the_margin_is_below_it() -> None:
    narrow, wide = of_counts(200, 9, 4, 0.02), of_counts(200, 9, 4, 0.3)
    assert narrow.smallest_detectable == wide.smallest_detectable == pytest.approx(0.0556584134361555)
    assert (narrow.needed, wide.needed) == (998, None)
    assert of_counts(200, 9, 4, 0).needed is None


def test_no_plan_has_more_datapoints_than_there_could_be() -> None:
    check = of_scores([0.1, 0.9, 0.4], [0.2, 0.1, 0.4], **{"max-drop": 1e-12})
    assert check.smallest_detectable is not None
    assert check.needed is None


# --- how many repeats would do ---------------------------------------------------------------------------------------


def repeated(candidate: list[Any], baseline: list[Any], **rules: Any) -> Check:
    ours, theirs = (
        scores("m", given, repeats=len(given[0]) if isinstance(given[0], list) else 1)
        for given in (candidate, baseline)
    )
    return only_check(ours, theirs, m=rules)


def test_how_many_repeats_show_the_margin_is_what_the_plan_says() -> None:
    candidate, baseline = pass_fail(400, worse=9, better=4)
    check = only_check(candidate, baseline, correct={"max-drop": 0.02})
    assert (check.needed, check.repeats_needed) == (656, repeats_for_rate(0.02, 9 / 402, 400))
    assert check.repeats_needed == 4
    (planned,) = plan(candidate, baseline)
    assert check.repeats_needed == next(row.repeats for row in planned.rows if row.hundredths == 2)


def test_repeats_do_not_replace_datapoints_where_the_drop_falls_on_a_few_of_them() -> None:
    check = of_counts(200, 9, 4, 0.02)
    assert (check.needed, check.repeats_needed) == (998, None)


SWINGS = [0.5, 0.9, 0.1, 0.4, 0.6, 0.7]


def test_scores_need_as_many_repeats_as_make_the_datapoints_steady() -> None:
    check = of_scores(SWINGS, SWINGS[::-1], **{"max-drop": 0.1})
    deltas = [ours - theirs for ours, theirs in zip(SWINGS, SWINGS[::-1], strict=True)]
    sd = statistics.stdev(deltas)
    assert check.repeats_needed == repeats_for_score(0.1, sd, 6) == 10
    twice = repeated([[s, s] for s in SWINGS], [[s, s] for s in SWINGS[::-1]], **{"max-drop": 0.1})
    assert twice.repeats_needed == repeats_for_score(0.1, sd * math.sqrt(2), 6)
    once_before = repeated([[s, s] for s in SWINGS], SWINGS[::-1], **{"max-drop": 0.1})
    assert once_before.repeats_needed == repeats_for_score(0.1, sd * math.sqrt(4 / 3), 6)


def test_what_no_more_than_the_repeats_there_are_would_show_takes_no_others() -> None:
    assert of_scores(SWINGS, SWINGS[::-1], **{"max-drop": 0.9}).repeats_needed is None
    steady = [[s] * 30 for s in SWINGS]
    check = repeated(steady, SWINGS[::-1], **{"max-drop": 0.3})
    assert check.needed is not None
    assert check.repeats_needed is None


def test_too_few_datapoints_for_any_test_are_not_helped_by_repeats() -> None:
    check = of_scores(SWINGS[:3], SWINGS[3:], **{"max-drop": 0.01})
    assert check.needed is not None
    assert check.repeats_needed is None


def test_repeats_of_a_latency_are_those_of_its_logarithm() -> None:
    slow = timed(*(100 * 2**swing for swing in SWINGS))
    fast = timed(*(100 * 2**swing for swing in SWINGS[::-1]))
    check = only_check(slow, fast, latency_ms={"max-increase": "10%"})
    sd = math.log(2) * statistics.stdev(ours - theirs for ours, theirs in zip(SWINGS, SWINGS[::-1], strict=True))
    assert check.repeats_needed == repeats_for_score(math.log1p(0.1), sd, 6)


def test_of_clusters_only_a_second_run_would_tell_what_repeats_are_worth() -> None:
    in_talks = [
        run([replace(one, metadata={"talk": one.index // 2}) for one in scores("m", given).outcomes], evaluators=())
        for given in (SWINGS, SWINGS[::-1])
    ]
    check = only_check(in_talks[0], in_talks[1], m={"max-drop": 0.1, "cluster": "talk"})
    assert check.needed is not None
    assert check.repeats_needed is None


@pytest.mark.parametrize("same", [[0.5] * 9, [0.5]])
def test_without_variance_nothing_says_what_could_be_shown(same: list[float]) -> None:
    assert of_scores(same, same, **{"max-drop": 0.1}).smallest_detectable is None


@pytest.mark.parametrize("margin", ["300%", 1e308])
def test_a_margin_too_large_for_a_number_is_the_largest_there_is(margin: Any) -> None:
    huge = sys.float_info.max
    check = of_scores([huge / 2, huge], [huge, huge], **{"max-drop": margin, "range": [-huge, huge]})
    assert check.limit is not None
    assert check.limit <= huge
    assert check.reason is not Reason.REGRESSED


# --- aggregates ------------------------------------------------------------------------------------------------------


def timed(*durations: float) -> RunResult:
    return run([scored(f"EXT-{at}", {"duration_ms": duration}) for at, duration in enumerate(durations)])


@pytest.mark.parametrize(
    ("count", "limit", "expected"),
    [
        (19, "1s", (UNDECIDED, Reason.TOO_FEW)),
        (20, "1s", (PASSED, Reason.MET)),
        (20, "19ms", (FAILED, Reason.ABOVE_MAX)),
        (1, "1s", (UNDECIDED, Reason.TOO_FEW)),
    ],
)
def test_a_percentile_takes_enough_datapoints(count: int, limit: str, expected: tuple[Status, Reason]) -> None:
    check = only_check(timed(*range(1, count + 1)), None, **{"latency_ms.p95": {"max": limit}})
    assert outcome(check) == expected
    assert (check.metric, check.n, check.gating) == ("latency_ms.p95", count, True)
    assert check.candidate == (None if count < 20 else pytest.approx(19.05))


def test_too_few_for_a_percentile_is_an_open_question_and_not_a_failure() -> None:
    verdict = judged(timed(*[1.0] * 19), None, {"latency_ms.p95": {"max": "2s"}})
    assert (verdict.verdict, verdict.exit_code) == (UNDECIDED, 0)
    strict = judged(timed(*[1.0] * 19), None, {"latency_ms.p95": {"max": "2s"}}, Policies(on_undecided=Policy.FAIL))
    assert strict.exit_code == 4


@pytest.mark.parametrize(
    ("name", "rules", "candidate", "baseline", "status"),
    [
        ("cost.total", {"max": 5}, 6.0, 3.0, FAILED),
        ("cost.total", {"max": 6}, 6.0, 3.0, PASSED),
        ("cost.median", {"max": 2}, 2.0, 1.0, PASSED),
        ("cost.median", {"max": 1.9}, 2.0, 1.0, FAILED),
        ("cost.mean", {"min": 2}, 2.0, 1.0, PASSED),
        ("cost.p95", {"max": 1}, None, None, UNDECIDED),
    ],
)
def test_an_aggregate_is_bounded_with_that_of_the_baseline_beside_it(
    name: str, rules: dict[str, Any], candidate: float | None, baseline: float | None, status: Status
) -> None:
    check = only_check(scores("cost", [1.0, 2.0, 3.0]), scores("cost", [0.5, 1.0, 1.5]), **{name: rules})
    assert (check.metric, check.status, check.candidate, check.baseline) == (name, status, candidate, baseline)


def test_an_aggregate_is_of_all_datapoints_and_not_of_the_pairs() -> None:
    candidate, baseline = scores("m", [1.0, 2.0, 9.0]), scores("m", [4.0])
    check = only_check(candidate, baseline, **{"m.total": {"max": 20}})
    assert (check.candidate, check.baseline, check.n, check.estimate) == (12.0, 4.0, 3, None)


def test_the_total_of_passes_is_a_count() -> None:
    check = only_check(scores("m", [True, False, True]), None, **{"m.total": {"min": 3}})
    assert (check.status, check.candidate, check.kind, check.limit) == (FAILED, 2.0, Kind.SCORE, 3.0)


def test_a_metric_and_its_aggregates_are_checks_of_their_own() -> None:
    rules = {"cost": {"max-increase": "10%"}, "cost.total": {"max": 1}, "cost.median": {"max": 9}}
    verdict = judged(scores("cost", [1.0] * 5), scores("cost", [1.0] * 5), rules)
    assert [(check.metric, check.status) for check in verdict.checks] == [
        ("cost", PASSED),
        ("cost.total", FAILED),
        ("cost.median", PASSED),
    ]


def told(*given: Any, **header: Any) -> RunResult:
    """A run in which each datapoint tells so much of its cost; `...` where it tells nothing of it."""
    outcomes = [
        scored(f"EXT-{at}", {"index": at}, **({} if one is ... else {"cost": one})) for at, one in enumerate(given)
    ]
    return run(outcomes, **({"evaluators": ()} | header))


@pytest.mark.parametrize(
    ("given", "rules", "expected"),
    [
        ([1.0, 2.0], {"max": 9}, (PASSED, Reason.MET)),
        ([1.0, ...], {"max": 9}, (UNDECIDED, Reason.TOO_FEW)),
        ([..., 1.0], {"max": 0.5}, (FAILED, Reason.ABOVE_MAX)),
        ([1.0, ...], {"min": 0.5}, (PASSED, Reason.MET)),
        ([1.0, None], {"max": 9}, (PASSED, Reason.MET)),
        ([1.0, 0.0], {"max": 9}, (PASSED, Reason.MET)),
        ([..., ...], {"max": 9}, (FAILED, Reason.MISSING_METRIC)),
    ],
)
def test_a_total_of_which_some_datapoints_tell_nothing_is_not_known_to_hold(
    given: Sequence[Any], rules: dict[str, Any], expected: tuple[Status, Reason]
) -> None:
    assert outcome(only_check(told(*given), None, **{"cost.total": rules})) == expected
    mean = only_check(told(*given), None, cost=rules)
    assert mean.reason is not Reason.TOO_FEW, "a mean is of those that tell it"


def test_a_total_is_not_known_where_one_of_the_repeats_tells_nothing() -> None:
    once, again = scored("EXT-0", cost=1.0), scored("EXT-0", {"repeat": 1})
    check = only_check(run([once, again], repeats=2), None, **{"cost.total": {"max": 9}})
    assert outcome(check) == (UNDECIDED, Reason.TOO_FEW)


@pytest.mark.parametrize(("broke", "expected"), [(CRASH, (PASSED, Reason.MET)), (FAULT, (UNDECIDED, Reason.TOO_FEW))])
def test_a_total_is_of_what_did_not_crash_and_not_of_costs_that_are_lost(
    broke: Exception, expected: tuple[Status, Reason]
) -> None:
    assert outcome(only_check(scores("cost", [1.0, 2.0, broke]), None, **{"cost.total": {"max": 9}})) == expected


def test_a_total_counts_an_error_as_the_worst_score_where_that_is_known() -> None:
    broke = scores("m", [2.0, FAULT])
    check = only_check(broke, None, **{"m.total": {"max": 9, "range": [0, 5], "direction": "lower"}})
    assert (outcome(check), check.candidate) == ((PASSED, Reason.MET), 7.0)


def test_a_total_of_times_is_of_all_that_took_any() -> None:
    candidate = run([scored("EXT-0"), scored("EXT-1", {"index": 1, "duration_ms": None})])
    assert outcome(only_check(candidate, None, **{"latency_ms.total": {"max": "2s"}})) == (UNDECIDED, Reason.TOO_FEW)
    untold = {name: found.untold for name, found in compare(candidate, None).metrics.items()}
    assert untold == {"latency_ms": 1, "errors": 0}


def test_a_total_that_is_not_known_says_what_to_do() -> None:
    check = only_check(told(1.0, ...), None, **{"cost.total": {"max": 9}})
    assert check.message == (
        "cost.total 1 (allowed ≤ 9): some datapoints do not tell theirs, so that the total may be larger"
    )
    assert check.advice == "Let an evaluator of that name give it for every datapoint, 0 where there is none."


def test_costs_that_are_lost_are_errors_and_fail_the_run_as_such() -> None:
    candidate, baseline = scores("cost", [1.0] * 20 + [FAULT] * 180), scores("cost", [1.0] * 200)
    rules = with_default_errors(parse_thresholds({"cost": {"max-increase": "1%"}}))
    (verdict,) = judge([Case(experiment="qa", comparison=compare(candidate, baseline), thresholds=rules)])
    assert verdict.exit_code == 1
    assert ("errors", FAILED, Reason.ABOVE_MAX) in [(check.metric, *outcome(check)) for check in verdict.checks]


def test_an_aggregate_of_errors_of_unknown_worth_is_open() -> None:
    assert outcome(only_check(scores("m", [1.0, CRASH]), None, **{"m.total": {"max": 9}})) == (
        UNDECIDED,
        Reason.UNBOUNDED_ERRORS,
    )
