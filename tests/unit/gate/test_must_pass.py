from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import run
from builders_verdict import CRASH, FAULT, Given, judged, outcome, outcomes, pass_fail, scores
from honeyhive.gate.checks import Check, Place, Reason, Rule, Status
from honeyhive.gate.comparison import compare
from honeyhive.gate.metrics import default_metric
from honeyhive.gate.must_pass import NAMED, Standing, Tagged, passes, retry_rule, without_texts
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.gate.verdict import Policies, Policy, Verdict
from honeyhive.result import TAG_MUST_PASS, Outcome, RunResult, Score, Scored

FAILED, PASSED = Status.FAILED, Status.PASSED
MUST: dict[str, Any] = {"correct": {"must-pass": True}}


def tagged(given: Given, *, metric: str = "correct", at: int = 0, retry: Any = "none") -> list[Outcome]:
    """A datapoint that must pass: its outcomes, each tried again with the given where there is a `retry`."""
    again = retry if isinstance(retry, Sequence) and not isinstance(retry, str) else [retry] * 9
    found = outcomes(metric, [given], first=at)
    retried = [None if one == "none" else outcome(metric, one, at, number) for number, one in enumerate(again)]
    return [replace(one, tags=(TAG_MUST_PASS, "other"), retry=retried[number]) for number, one in enumerate(found)]


def verdict(*datapoints: list[Outcome], rules: Mapping[str, Any] = MUST, others: Sequence[Given] = ()) -> Verdict:
    """The verdict on a run of tagged datapoints, and on some that have no tag."""
    repeats = max((len(one) for one in datapoints), default=1)
    untagged = outcomes("correct", others, first=100)
    return judged(run([*(one for each in datapoints for one in each), *untagged], repeats=repeats), None, rules)


def must_pass(found: Verdict) -> Check:
    (check,) = (check for check in found.checks if check.rule is Rule.MUST_PASS)
    return check


def check_of(*datapoints: list[Outcome], rules: Mapping[str, Any] = MUST, others: Sequence[Given] = ()) -> Check:
    return must_pass(verdict(*datapoints, rules=rules, others=others))


def summary(check: Check) -> tuple[Status, Reason, float | None, int]:
    return check.status, check.reason, check.candidate, check.n


# --- one repeat ------------------------------------------------------------------------------------------------------


def test_all_tagged_datapoints_pass_whatever_the_others_do() -> None:
    check = check_of(tagged(True), tagged(True, at=1), others=[False] * 8)
    assert summary(check) == (PASSED, Reason.MET, 1.0, 2)
    assert (check.metric, check.limit, check.allowed, check.not_passed, check.flaky) == ("correct", 1.0, "true", (), ())


@pytest.mark.parametrize("given", [False, CRASH, FAULT])
def test_one_tagged_datapoint_that_does_not_pass_fails_the_job(given: Given) -> None:
    found = verdict(tagged(given, at=7), *(tagged(True, at=at) for at in range(3)), others=[True] * 50)
    check = must_pass(found)
    assert summary(check) == (FAILED, Reason.BELOW_MIN, 0.75, 4)
    assert [(place.datapoint_id, place.line) for place in check.not_passed] == [("EXT-0007", 8)]
    assert (found.verdict, found.exit_code) == (FAILED, 1)


def test_a_drop_that_no_mean_would_show_is_seen() -> None:
    found = verdict(tagged(False), others=[True] * 999, rules={"correct": {"min": 0.95, "must-pass": True}})
    assert {check.rule: check.status for check in found.checks} == {Rule.MIN: PASSED, Rule.MUST_PASS: FAILED}


def test_those_that_did_not_pass_are_named_in_the_order_of_the_dataset_and_not_without_end() -> None:
    check = check_of(*(tagged(False, at=at) for at in reversed(range(NAMED + 20))))
    assert [place.line for place in check.not_passed] == list(range(1, NAMED + 1))
    assert (check.n, check.candidate) == (NAMED + 20, 0.0)


def test_where_lower_is_better_what_passes_is_0() -> None:
    rules = {"toxic": {"must-pass": True, "direction": "lower", "kind": "rate"}}
    assert check_of(tagged(False, metric="toxic"), tagged(0, metric="toxic", at=1), rules=rules).status is PASSED
    assert check_of(tagged(True, metric="toxic"), rules=rules).status is FAILED
    assert check_of(tagged(CRASH, metric="toxic"), tagged(0, metric="toxic", at=1), rules=rules).status is FAILED


def test_half_a_pass_is_none() -> None:
    rules = {"correct": {"must-pass": True, "kind": "rate"}}
    assert check_of(tagged(0.99), rules=rules).status is FAILED
    assert check_of(tagged(1.0), tagged(1, at=1), rules=rules).status is PASSED


def test_a_label_passes_where_it_is_the_expected_one() -> None:
    rules = {"class": {"must-pass": True, "kind": "label"}}
    right, wrong = (
        [replace(one, ground_truth=3) for one in tagged(label, metric="class", at=label)] for label in (3, 4)
    )
    assert check_of(right, rules=rules).status is PASSED
    assert [place.line for place in check_of(right, wrong, rules=rules).not_passed] == [5]


# --- several repeats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeats", "status"),
    [
        ([True, False], PASSED),
        ([False, False], FAILED),
        ([True, False, False], FAILED),
        ([True, True, False], PASSED),
        ([True, True, False, False], PASSED),
        ([True, CRASH, FAULT, False], FAILED),
        ([True, False, False, False, True], FAILED),
        ([True, False, True, False, True], PASSED),
    ],
)
def test_of_k_repeats_half_have_to_pass(repeats: list[Given], status: Status) -> None:
    assert 2 * repeats.count(True) >= len(repeats) if status is PASSED else 2 * repeats.count(True) < len(repeats)
    assert check_of(tagged(repeats)).status is status


@pytest.mark.parametrize(
    ("repeats", "status"),
    [
        ([None, None, True], FAILED),
        ([None, True, True], PASSED),
        ([None, True], PASSED),
        ([None, None, False], FAILED),
        ([None, None, None, True, True], FAILED),
    ],
)
@pytest.mark.parametrize("rules", [MUST, {}])
def test_repeats_that_a_metric_does_not_apply_to_are_no_passes(
    rules: Mapping[str, Any], repeats: list[Given], status: Status
) -> None:
    assert check_of(tagged(repeats), rules=rules).status is status


def test_a_metric_that_applies_to_no_repeat_says_nothing() -> None:
    (one,) = compare(run(tagged([None, None, None]), repeats=3), None).tagged
    assert one.standing(default_metric("correct")) is None


# --- tried again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [False, CRASH, FAULT])
def test_what_passes_when_tried_again_is_flaky_and_does_not_fail(given: Given) -> None:
    check = check_of(tagged(given, retry=True), tagged(True, at=1))
    assert summary(check) == (PASSED, Reason.MET, 1.0, 2)
    assert [place.line for place in check.flaky] == [1]
    assert check.not_passed == ()


@pytest.mark.parametrize("given", [False, CRASH, FAULT])
@pytest.mark.parametrize("retry", [False, None, CRASH, FAULT])
def test_what_fails_twice_has_failed(given: Given, retry: Any) -> None:
    check = check_of(tagged(given, retry=retry), tagged(True, at=1))
    assert (check.status, [place.line for place in check.not_passed], check.flaky) == (FAILED, [1], ())


@pytest.mark.parametrize(
    ("first", "retries", "standing"),
    [
        ([True, False, False], ["none", True, False], Standing.FLAKY),
        ([True, False, False], ["none", False, False], Standing.FAILED),
        ([False, False, False], [True, True, False], Standing.FLAKY),
        ([False, False, False], [True, False, False], Standing.FAILED),
        ([False, False, False], [True, "none", "none"], Standing.FAILED),
        ([True, False, False, False], ["none", True, False, False], Standing.FLAKY),
        ([True, True, False], ["none", "none", False], Standing.PASSED),
        ([True, None, None], ["none", True, None], Standing.FLAKY),
        ([True, None, None], ["none", None, False], Standing.FAILED),
        ([None], [True], Standing.FLAKY),
        ([None], [False], None),
    ],
)
def test_a_second_try_takes_the_place_of_its_first(
    first: list[Given], retries: list[Any], standing: Standing | None
) -> None:
    found = compare(run(tagged(first, retry=retries), repeats=len(first)), None).tagged
    assert [one.standing(default_metric("correct")) for one in found] == [standing]


def test_a_mean_knows_of_the_first_attempt_alone() -> None:
    rules = {"correct": {"must-pass": True, "min": 0.9}}
    found = verdict(tagged(False, retry=True), tagged(True, at=1), rules=rules)
    assert {check.rule: (check.status, check.candidate) for check in found.checks} == {
        Rule.MIN: (FAILED, 0.5),
        Rule.MUST_PASS: (PASSED, 1.0),
    }


# --- by which metrics ------------------------------------------------------------------------------------------------


def several(at: int = 0, **given: Any) -> list[Outcome]:
    """A tagged datapoint with several metrics."""
    (first,) = tagged(True, at=at)
    assert isinstance(first, Scored)
    return [replace(first, scores=given)]


def named(found: Verdict) -> dict[str, Status]:
    return {check.metric: check.status for check in found.checks if check.rule is Rule.MUST_PASS}


def test_without_a_threshold_the_tag_asks_for_every_pass_fail_metric() -> None:
    found = verdict(several(safe=True, correct=False, tone=0.2), rules={})
    assert named(found) == {"correct": FAILED, "safe": PASSED}
    assert found.exit_code == 1


EXEMPT: dict[str, Any] = {"correct": {"must-pass": False}}


def test_a_metric_may_be_exempt() -> None:
    found = verdict(several(safe=True, correct=False), rules=EXEMPT)
    assert named(found) == {"safe": PASSED}
    assert named(verdict(several(safe=False, correct=True), rules=EXEMPT)) == {"safe": FAILED}


def test_where_every_metric_is_exempt_nothing_may_go_wrong_unless_that_is_exempt_too() -> None:
    everything = {**EXEMPT, "safe": {"must-pass": False}}
    assert named(verdict(several(safe=False, correct=False), rules=everything)) == {"errors": PASSED}
    assert named(verdict(tagged(CRASH), rules=EXEMPT, others=[True] * 9)) == {"errors": FAILED}
    assert named(verdict(tagged(CRASH, retry=False), rules=EXEMPT, others=[True] * 9)) == {"errors": PASSED}
    assert named(verdict(tagged(FAULT), rules=EXEMPT, others=[True] * 9)) == {"errors": FAILED}
    assert named(verdict(tagged(CRASH), rules={**EXEMPT, "errors": {"must-pass": False}}, others=[True])) == {}


def test_what_is_left_where_a_metric_is_exempt_has_to_tell_passed_from_failed() -> None:
    assert named(verdict(several(correct=True, tone=1), rules=EXEMPT)) == {"tone": FAILED}


def test_where_the_user_names_one_the_others_are_not_asked() -> None:
    assert named(verdict(several(safe=False, correct=True))) == {"correct": PASSED}


def test_without_any_metric_nothing_may_go_wrong() -> None:
    assert named(verdict(several(), rules={})) == {"errors": PASSED}
    assert named(verdict(several(), tagged(CRASH, at=1), rules={})) == {"errors": FAILED}
    assert named(verdict(tagged(CRASH, retry=CRASH), rules={"correct": {"min": 0}})) == {"errors": FAILED}


@pytest.mark.parametrize("score", [0.2, 1, 1.0, 0, None])
def test_scores_that_do_not_tell_passed_from_failed_never_pass(score: Score) -> None:
    found = verdict(several(tone=score, style=score), several(1, tone=0.5, style=0.5), rules={})
    (check,) = found.checks
    assert (check.metric, check.status, check.reason, check.n) == ("style", FAILED, Reason.NO_DATA, 2)
    assert (check.candidate, check.not_passed, found.exit_code) == (None, (), 1)
    only = verdict(several(tone=score), rules={"tone": {"min": 0, "kind": "score"}})
    assert named(only) == {"tone": FAILED}


@pytest.mark.parametrize("retry", ["none", 0.1, 1, None, CRASH, FAULT])
def test_an_evaluator_that_is_broken_where_it_is_asked_lets_nothing_pass(retry: Any) -> None:
    assert named(verdict(tagged(FAULT, metric="tone", retry=retry), rules={})) == {"tone": FAILED}
    assert named(verdict(several(tone=0.2), tagged(CRASH, metric="tone", at=1, retry=retry), rules={})) == {
        "tone": FAILED
    }


def test_that_nothing_goes_wrong_can_be_all_that_is_asked() -> None:
    rules = {"errors": {"must-pass": True}}
    assert named(verdict(several(tone=0.2), rules=rules)) == {"errors": PASSED}
    assert named(verdict(several(tone=0.2), tagged(CRASH, at=1), rules=rules)) == {"errors": FAILED}


@pytest.mark.parametrize(
    ("given", "retry", "status", "flaky"),
    [(CRASH, False, FAILED, 0), (CRASH, True, PASSED, 1), (CRASH, 0.5, FAILED, 0), (FAULT, True, PASSED, 1)],
)
def test_what_only_the_second_try_was_scored_by_is_asked(
    given: Given, retry: Score, status: Status, flaky: int
) -> None:
    (check,) = verdict(tagged(given, retry=retry), rules={}).checks
    assert (check.metric, check.status, len(check.flaky)) == ("correct", status, flaky)


# --- what does not disarm the tag ------------------------------------------------------------------------------------


DISARMING: dict[str, tuple[list[Given], RunResult | None, dict[str, Any]]] = {
    "a number elsewhere": ([True, 0.5, 1], None, {}),
    "a baseline of numbers": ([True], scores("correct", [0.7, 0.5]), {}),
    "a baseline of many things": ([True], scores("correct", [True, 1, 0.5]), {}),
    "said to be a score": ([True], None, {"correct": {"kind": "score", "min": 0}}),
}
"""The other datapoints, the baseline and the rules of a run with a tagged datapoint that scored `False`."""


@pytest.mark.parametrize("how", DISARMING)
def test_a_tagged_datapoint_that_scored_false_fails_whatever_stands_elsewhere(how: str) -> None:
    others, baseline, rules = DISARMING[how]
    found = judged(run([*tagged(False), *outcomes("correct", others, first=1)]), baseline, rules)
    check = must_pass(found)
    assert (check.metric, check.status, [place.line for place in check.not_passed]) == ("correct", FAILED, [1])
    assert found.exit_code == 1
    passed = judged(run([*tagged(True), *outcomes("correct", others, first=1)]), baseline, rules)
    assert must_pass(passed).status is PASSED


@pytest.mark.parametrize(("score", "status"), [(1, PASSED), (1.0, PASSED), (0.999, FAILED), (0, FAILED), (2, FAILED)])
def test_among_true_and_false_a_number_passes_as_exactly_1(score: Score, status: Status) -> None:
    check = check_of(tagged(True), tagged(score, at=1), rules={})
    assert (check.metric, check.status, check.n) == ("correct", status, 2)


@pytest.mark.parametrize(("score", "status"), [(0, PASSED), (0.001, FAILED), (1, FAILED), (True, FAILED)])
def test_where_lower_is_better_a_number_passes_as_exactly_0(score: Score, status: Status) -> None:
    rules = {"toxic": {"kind": "score", "max": 9, "direction": "lower"}}
    check = check_of(tagged(False, metric="toxic"), tagged(score, metric="toxic", at=1), rules=rules)
    assert (check.metric, check.status) == ("toxic", status)


def test_a_score_that_is_not_in_the_run_is_no_pass() -> None:
    """Whoever leaves the score of a tagged datapoint out of the run file gets an error of that datapoint."""
    lost = several(1)
    found = verdict(several(correct=True, safe=True), several(1, safe=True), rules={})
    assert named(found) == {"correct": FAILED, "safe": PASSED}
    assert [place.line for place in must_pass_of(found, "correct").not_passed] == [2]
    assert named(verdict(several(correct=True), lost, rules=MUST)) == {"correct": FAILED}
    assert named(verdict(several(correct=True), lost, rules={"errors": {"must-pass": True}})) == {"errors": FAILED}


def must_pass_of(found: Verdict, metric: str) -> Check:
    (check,) = (check for check in found.checks if (check.rule, check.metric) == (Rule.MUST_PASS, metric))
    return check


# --- to which datapoints ---------------------------------------------------------------------------------------------


def test_a_metric_need_not_apply_to_every_datapoint_where_another_does() -> None:
    found = verdict(
        several(safe=True, correct=None), several(1, correct=True), several(2, correct=False, safe=True), rules={}
    )
    by_metric = {check.metric: check for check in found.checks}
    assert (by_metric["safe"].n, by_metric["safe"].status) == (2, PASSED)
    assert (by_metric["correct"].n, by_metric["correct"].status) == (2, FAILED)


def test_a_metric_that_applies_to_no_tagged_datapoint_is_no_check_where_another_does() -> None:
    found = verdict(several(safe=True, correct=None), rules={}, others=[True, False])
    assert named(found) == {"safe": PASSED}


def test_a_datapoint_that_nothing_applies_to_has_not_passed() -> None:
    found = verdict(several(tone=1, correct=None), several(1, correct=True), rules={})
    (check,) = found.checks
    assert (check.status, [place.line for place in check.not_passed]) == (FAILED, [1])


def test_a_metric_that_the_user_names_has_to_apply_to_every_tagged_datapoint() -> None:
    check = check_of(tagged(None), tagged(True, at=1))
    assert summary(check) == (FAILED, Reason.BELOW_MIN, 0.5, 2)


def test_a_threshold_without_a_tagged_datapoint_has_nothing_to_check_and_fails() -> None:
    found = verdict(rules=MUST, others=[True, True])
    assert summary(must_pass(found)) == (FAILED, Reason.NO_DATA, None, 0)
    assert found.exit_code == 1


def test_without_a_tag_and_without_a_threshold_there_is_no_check() -> None:
    assert verdict(rules={}, others=[False]).checks == ()


def test_a_metric_that_the_run_does_not_have_is_missing() -> None:
    assert summary(check_of(several(safe=True))) == (FAILED, Reason.MISSING_METRIC, None, 0)


def test_a_run_of_nothing_but_crashes_does_not_pass() -> None:
    assert named(verdict(tagged(CRASH), rules={})) == {"errors": FAILED}
    assert named(verdict(tagged(CRASH))) == {"correct": FAILED}


def test_no_policy_forgives_what_must_pass() -> None:
    candidate = run(tagged(False))
    lenient = Policies(on_undecided=Policy.WARN, on_missing_baseline=Policy.WARN, on_incomparable=Policy.WARN)
    assert judged(candidate, None, MUST, lenient).exit_code == 1


def test_what_must_pass_needs_no_baseline_and_is_not_held_against_one() -> None:
    baseline = run(tagged(False))
    assert judged(run(tagged(True)), baseline, MUST).exit_code == 0
    assert judged(run(tagged(False)), baseline, MUST).exit_code == 1


def test_a_contract_is_no_test_and_costs_the_others_nothing() -> None:
    candidate, baseline = pass_fail(200, worse=9, better=3)
    both = judged(
        run([*candidate.outcomes, *tagged(True, at=500)]), baseline, {"correct": {"max-drop": 0.02, "must-pass": True}}
    )
    drop, must = both.checks
    assert drop.p == drop.p_adjusted
    assert (must.p, must.p_adjusted) == (None, None)


# --- what is kept of an outcome --------------------------------------------------------------------------------------

PLACE = Place(datapoint_id="EXT-0000", line=1)
ATTEMPTS = st.sampled_from([True, False, None, 1, 0, 0.5, CRASH, FAULT])


@given(ATTEMPTS, st.sampled_from(["none", True, False, None, CRASH, FAULT]), st.sampled_from([1, 0, "yes", None]))
def test_without_its_texts_an_outcome_passes_all_the_same(given: Any, retry: Any, truth: Any) -> None:
    (whole,) = (replace(one, ground_truth=truth, metadata={"a": "b"}) for one in tagged(given, retry=retry))
    kept = without_texts(whole)
    assert (kept.inputs, kept.metadata) == (None, {})
    for name, labels in (("correct", False), ("correct", True), ("errors", False)):
        metric = replace(default_metric(name), labels=labels)
        assert passes(kept, metric) == passes(whole, metric)
        ours, theirs = (Tagged(place=PLACE, outcomes=(one,)).standing(metric) for one in (kept, whole))
        assert ours == theirs


# --- which outcomes are tried again ----------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([True, False, None, CRASH, FAULT]), min_size=1, max_size=4),
    st.sampled_from([{}, MUST, {"correct": {"must-pass": False}}]),
)
def test_what_fails_is_what_was_tried_again(given: list[Any], rules: Mapping[str, Any]) -> None:
    """A datapoint that does not pass, and that nothing was tried again of, can never be flaky."""
    again = retry_rule(parse_thresholds(rules))
    attempts = tagged(given)
    found = named(judged(run(attempts, repeats=len(given)), None, {"errors": {"max": 1}, **rules}))
    # Where nobody says that it has to apply, what does not is no reason to try again.
    if FAILED in found.values() and (rules is MUST or any(score not in (True, None) for score in given)):
        assert any(map(again, attempts))


def test_only_tagged_datapoints_are_tried_again() -> None:
    again = retry_rule(parse_thresholds(MUST))
    assert again(tagged(False)[0])
    assert not again(tagged(True)[0])
    assert not again(replace(tagged(False)[0], tags=()))
    assert not retry_rule(parse_thresholds(EXEMPT))(tagged(False)[0])
    assert retry_rule(parse_thresholds(EXEMPT))(tagged(FAULT)[0])


def test_what_a_named_metric_does_not_apply_to_is_tried_again() -> None:
    assert retry_rule(parse_thresholds(MUST))(tagged(None)[0])
    assert not retry_rule(parse_thresholds({}))(tagged(None)[0])
    assert summary(check_of(tagged(None, retry=True), tagged(True, at=1))) == (PASSED, Reason.MET, 1.0, 2)


def test_where_a_metric_is_named_the_others_are_no_reason_to_try_again() -> None:
    again = retry_rule(parse_thresholds({**MUST, "safe": {"kind": "rate", "min": 0}}))
    assert not again(several(correct=True, safe=False)[0])
    assert again(several(correct=False, safe=True)[0])


def test_a_whole_run_of_tagged_datapoints_is_judged() -> None:
    candidate: RunResult = run([one for at in range(30) for one in tagged(at % 10 != 0, at=at, retry=at == 10)])
    check = must_pass(judged(candidate, scores("correct", [True] * 30), MUST))
    assert ([place.line for place in check.not_passed], [place.line for place in check.flaky]) == ([1, 21], [11])
    assert check.candidate == 28 / 30
