from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders import evaluators, run, scored
from builders_verdict import CRASH, FAULT, case, judged, outcomes, pass_fail, scores
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.verdict import MetricSummary, Policies, Policy, Side, Verdict, judge
from honeyhive.gate.verdict_json import from_json, to_json
from honeyhive.result import EvaluatorRef, RunResult

WARN, FAIL = Policy.WARN, Policy.FAIL
DROP = {"correct": {"max-drop": 0.02}}


def by_rule(verdict: Verdict) -> dict[tuple[str, Rule], Reason]:
    return {(check.metric, check.rule): check.reason for check in verdict.checks}


# --- all checks together ---------------------------------------------------------------------------------------------


def test_every_rule_of_every_metric_is_a_check_comparisons_first() -> None:
    candidate, baseline = pass_fail(200, worse=17, better=6)
    rules = {"errors": {"max": 0}, "correct": {"min": 0.5, "max": 0.9, "max-drop": 0.02}}
    assert list(by_rule(judged(candidate, baseline, rules)).items()) == [
        (("correct", Rule.MAX_DROP), Reason.REGRESSED),
        (("errors", Rule.MAX), Reason.MET),
        (("correct", Rule.MIN), Reason.MET),
        (("correct", Rule.MAX), Reason.ABOVE_MAX),
    ]


@pytest.mark.parametrize(
    ("worse", "status", "exit_code"), [(17, Status.FAILED, 1), (8, Status.UNDECIDED, 0), (0, Status.PASSED, 0)]
)
def test_the_worst_check_is_the_verdict(worse: int, status: Status, exit_code: int) -> None:
    candidate, baseline = pass_fail(200, worse=worse, better=worse and 6)
    verdict = judged(candidate, baseline, {**DROP, "errors": {"max": 0}})
    assert (verdict.verdict, verdict.exit_code) == (status, exit_code)


def test_one_failed_check_outweighs_all_others() -> None:
    candidate, baseline = pass_fail(200, better=40)
    verdict = judged(candidate, baseline, {**DROP, "correct": {"max-drop": 0.02, "min": 1}})
    assert by_rule(verdict) == {("correct", Rule.MAX_DROP): Reason.IMPROVED, ("correct", Rule.MIN): Reason.MET}
    strict = judged(baseline, candidate, {"correct": {"max-drop": 0.5, "min": 1}})
    assert (strict.verdict, strict.exit_code) == (Status.FAILED, 1)


def test_a_slower_day_does_not_decide() -> None:
    slow, fast = (
        run([scored(str(at), {"duration_ms": factor * (at + 1.0)}, correct=True) for at in range(20)], evaluators=())
        for factor in (3.0, 1.0)
    )
    verdict = judged(slow, fast, {"latency_ms": {"max-increase": "10%"}, **DROP})
    assert by_rule(verdict)["latency_ms", Rule.MAX_INCREASE] is Reason.REGRESSED
    assert (verdict.verdict, verdict.exit_code) == (Status.PASSED, 0)
    capped = judged(slow, fast, {"latency_ms": {"max-increase": "10%", "max": "20ms"}, **DROP})
    assert (capped.verdict, capped.exit_code) == (Status.FAILED, 1)


def test_every_check_has_its_sentence() -> None:
    verdict = judged(*pass_fail(200, worse=17, better=6), DROP)
    assert verdict.checks[0].message.startswith("correct 97.0 % → 91.5 % (−5.5 pts, allowed −2): 17 worse, 6 better")
    assert verdict.checks[0].advice


# --- open questions --------------------------------------------------------------------------------------------------


def policies(**given: Policy) -> Policies:
    return Policies(**given)


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [
        (policies(), 0),
        (policies(on_undecided=FAIL), 4),
        (policies(on_missing_baseline=FAIL), 0),
        (policies(on_incomparable=WARN), 0),
    ],
)
def test_what_the_data_cannot_tell_goes_by_on_undecided(given: Policies, exit_code: int) -> None:
    verdict = judged(*pass_fail(20, worse=2, better=1), DROP, given)
    assert (verdict.verdict, verdict.exit_code) == (Status.UNDECIDED, exit_code)


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [
        (policies(), 0),
        (policies(on_undecided=FAIL), 0),
        (policies(on_missing_baseline=FAIL), 4),
        (policies(on_incomparable=FAIL), 0),
    ],
)
def test_a_missing_baseline_goes_by_on_missing_baseline(given: Policies, exit_code: int) -> None:
    verdict = judged(scores("correct", [True]), None, DROP, given)
    assert (verdict.verdict, verdict.exit_code, verdict.baseline) == (Status.UNDECIDED, exit_code, None)


@pytest.mark.parametrize(
    ("given", "exit_code"),
    [
        (policies(), 4),
        (policies(on_incomparable=WARN), 0),
        (policies(on_incomparable=WARN, on_undecided=FAIL, on_missing_baseline=FAIL), 0),
    ],
)
def test_runs_that_cannot_be_compared_go_by_on_incomparable(given: Policies, exit_code: int) -> None:
    other = run(outcomes("correct", [True] * 3, first=100))
    verdict = judged(scores("correct", [True] * 3), other, DROP, given)
    assert (verdict.verdict, verdict.exit_code) == (Status.UNDECIDED, exit_code)


def test_a_bound_that_is_broken_fails_whatever_is_left_open() -> None:
    verdict = judged(scores("correct", [False]), None, {"correct": {"max-drop": 0.02, "min": 0.5}})
    assert (verdict.verdict, verdict.exit_code) == (Status.FAILED, 1)


@pytest.mark.parametrize(("given", "exit_code"), [(policies(), 4), (policies(on_incomparable=WARN), 0)])
def test_where_the_base_judges_a_bound_that_is_met_by_an_edited_evaluator_is_left_open(
    given: Policies, exit_code: int
) -> None:
    baseline = scores("correct", [True, False], evaluators=evaluators("correct"))
    edited = (EvaluatorRef(name="correct", fingerprint="another"),)
    own = case(scores("correct", [True] * 2, evaluators=edited), baseline, {"correct": {"min": 0.5}}, policies=given)
    (by_itself,) = judge([own])
    assert (by_itself.verdict, by_itself.exit_code) == (Status.PASSED, 0)
    (by_base,) = judge([replace(own, judged_by_base=True)])
    assert (by_base.verdict, by_base.exit_code) == (Status.UNDECIDED, exit_code)
    assert by_rule(by_base) == {("correct", Rule.MIN): Reason.NOT_COMPARABLE}
    (check,) = by_base.checks
    assert check.message.endswith("its evaluator is not the one that scored the baseline")
    assert check.advice.startswith("Only a baseline that ran again with today's evaluator can tell")


def test_a_late_note_on_time_is_not_fatal_even_where_undecided_is() -> None:
    candidate = run([scored("a", {"duration_ms": 1.0}, correct=True), scored("b", {"duration_ms": 1.0}, correct=True)])
    verdict = judged(candidate, None, {"latency_ms": {"max-increase": "10%"}}, policies(on_missing_baseline=FAIL))
    assert verdict.checks[0].status is Status.UNDECIDED
    assert (verdict.verdict, verdict.exit_code) == (Status.PASSED, 0)


# --- several experiments in one job ----------------------------------------------------------------------------------


def test_the_comparisons_of_all_experiments_are_one_family() -> None:
    pairs = [pass_fail(200, worse=9, better=3), pass_fail(200, worse=9, better=3)]
    alone = [judged(*pair, DROP) for pair in pairs]
    assert {verdict.verdict for verdict in alone} == {Status.FAILED}
    together = judge([case(*pair, DROP) for pair in pairs])
    assert {verdict.checks[0].reason for verdict in together} == {Reason.APPARENT_DROP}
    for verdict in together:
        check = verdict.checks[0]
        assert check.p == pytest.approx(0.04614257812499999)
        assert check.p_adjusted == pytest.approx(2 * 0.04614257812499999)


def test_holms_steps_go_through_all_experiments() -> None:
    counts = [(17, 6), (9, 3), (30, 2), (4, 4)]
    verdicts = judge([case(*pass_fail(200, worse=worse, better=better), DROP) for worse, better in counts])
    checks = [verdict.checks[0] for verdict in verdicts]
    for check, factor in zip(checks, (3, 2, 4, 1), strict=True):  # the smallest of four p-values counts fourfold
        assert check.p is not None
        assert check.p_adjusted == pytest.approx(factor * check.p)
    assert [check.status for check in checks] == [
        Status.FAILED,
        Status.UNDECIDED,
        Status.FAILED,
        Status.UNDECIDED,
    ]


def test_a_real_drop_within_the_limit_stays_one_however_many_experiments_there_are() -> None:
    rules = {"correct": {"max-drop": 0.05}}
    verdicts = judge([case(*pass_fail(200, worse=9, better=3), rules) for _ in range(3)])
    assert {verdict.checks[0].reason for verdict in verdicts} == {Reason.NEAR_LIMIT}


def test_what_is_not_tested_costs_the_others_nothing() -> None:
    candidate, baseline = pass_fail(200, worse=9, better=3)
    rules = {
        **DROP,
        "missing": {"max-drop": 0.1},
        "latency_ms": {"max-increase": "10%"},
        "errors": {"max": 0.1, "max-increase": "10%"},
    }
    verdict = judged(candidate, baseline, rules)
    tested = {(check.metric, check.rule): check.p_adjusted for check in verdict.checks}
    assert tested["correct", Rule.MAX_DROP] == pytest.approx(0.04614257812499999)
    assert [key for key, p in tested.items() if p is not None] == [("correct", Rule.MAX_DROP)]


def test_a_metric_that_vanished_is_no_test_even_where_its_datapoints_crashed() -> None:
    candidate, baseline = pass_fail(200, worse=9, better=3)
    crashed = run([*list(candidate.outcomes)[:198], *outcomes("correct", [CRASH, CRASH], first=198)], evaluators=())
    with_tone = run(
        [
            scored(one.datapoint_id, {"index": one.index}, tone=True, correct=at >= 9)
            for at, one in enumerate(baseline.outcomes)
        ],
        evaluators=(),
    )
    verdict = judged(crashed, with_tone, {"tone": {"max-drop": 0.1}, "correct": {"max-drop": 0.02}})
    tone, correct = verdict.checks
    assert (tone.reason, tone.p) == (Reason.MISSING_METRIC, None)
    assert correct.p == correct.p_adjusted


def test_each_experiment_keeps_its_own_verdict_and_order() -> None:
    good, bad = case(*pass_fail(50), DROP, experiment="good"), case(*pass_fail(50, worse=20), DROP, experiment="bad")
    assert [(verdict.experiment, verdict.verdict) for verdict in judge([bad, good])] == [
        ("bad", Status.FAILED),
        ("good", Status.PASSED),
    ]
    assert judge([]) == ()


def test_a_threshold_that_a_rate_can_never_reach_is_refused_once_it_is_known_to_be_one() -> None:
    with pytest.raises(ConfigError, match="35 can never be reached"):
        judged(scores("correct", [True]), None, {"correct": {"min": 35}})
    assert judged(scores("correct", [40.0]), None, {"correct": {"min": 35}}).verdict is Status.PASSED


# --- what it was decided on ------------------------------------------------------------------------------------------


def test_a_verdict_says_which_runs_it_is_about() -> None:
    candidate = scores("m", [True, CRASH], run_id="c", git={"commit_hash": "1a2b", "branch": "fix"})
    baseline = scores("m", [True], run_id="b", git={"commit_hash": None, "branch": ["main"]})
    verdict = judged(candidate, baseline, {"m": {"min": 0}})
    assert verdict.candidate == Side(run_id="c", commit="1a2b", branch="fix", count=2, errors=1)
    assert verdict.baseline == Side(run_id="b", count=1, errors=0)
    assert (verdict.paired, verdict.added, verdict.removed, verdict.edited) == (1, 1, 0, 0)


def test_metrics_without_a_threshold_are_summed_up_too() -> None:
    candidate = run([scored("a", tone=4, correct=True), scored("b", tone=2, correct=False)], evaluators=())
    baseline = run([scored("a", tone=2, correct=True)], evaluators=())
    verdict = judged(candidate, baseline, {"absent": {"min": 1}})
    summaries = {summary.metric: summary for summary in verdict.metrics}
    assert list(summaries) == ["absent", "correct", "tone", "latency_ms", "errors"]
    assert summaries["tone"] == MetricSummary(
        metric="tone", kind=Kind.SCORE, direction=Direction.HIGHER, candidate=4.0, baseline=2.0, estimate=2.0, n=1
    )
    assert summaries["absent"] == MetricSummary(
        metric="absent", kind=None, direction=Direction.HIGHER, candidate=None, baseline=None, estimate=None, n=0
    )


def test_without_a_baseline_a_summary_is_of_the_candidate() -> None:
    verdict = judged(scores("m", [1, 3]), None, {"m": {"min": 0}})
    assert verdict.metrics[0] == MetricSummary(
        metric="m", kind=Kind.SCORE, direction=Direction.HIGHER, candidate=2.0, baseline=None, estimate=None, n=2
    )


# --- whatever the runs hold ------------------------------------------------------------------------------------------

EXTREMES = st.sampled_from([1e308, -1e308, 1.7976931348623157e308, 5e-324, -0.0, 1e-9, 0.1])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | EXTREMES
ERRORS: st.SearchStrategy[Any] = st.sampled_from([CRASH, FAULT])
MARGINS = st.sampled_from([0, 0.02, 1e-12, "5%", "300%"])


def columns(values: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    one = values | st.none() | ERRORS
    return st.lists(one | st.lists(one, min_size=1, max_size=3), min_size=least, max_size=10)


def any_runs(metric: str) -> st.SearchStrategy[tuple[RunResult, RunResult | None]]:
    column = st.sampled_from([st.booleans(), NUMBERS, st.sampled_from([0, 1]), st.booleans() | NUMBERS]).flatmap(
        columns
    )
    one = column.map(lambda given: scores(metric, given))
    return st.tuples(one, st.none() | one)


@st.composite
def any_rules(draw: st.DrawFn, metric: str) -> dict[str, Any]:
    if metric == "cost":
        rules: dict[str, Any] = {
            "max": draw(st.sampled_from([0, 1])),
            "max-increase": draw(st.sampled_from(["5%", "0%"])),
        }
    else:
        rules = {draw(st.sampled_from(["min", "max"])): draw(st.sampled_from([0, 0.5, 1])), "max-drop": draw(MARGINS)}
        rules |= draw(st.sampled_from([{}, {"kind": "score", "range": [-1e308, 1e308]}, {"kind": "rate"}]))
    return {
        metric: rules,
        "vanished": {"max-drop": draw(MARGINS)},
        "latency_ms": {"max": 1_000, "max-increase": "10%"},
        "errors": {"max": 0.5, "max-increase": draw(st.sampled_from([0.1, "50%"]))},
    }


ANYTHING = st.sampled_from(["m", "cost"]).flatmap(lambda metric: st.tuples(any_runs(metric), any_rules(metric)))


@given(ANYTHING)
def test_whatever_the_scores_every_number_of_the_json_is_finite_or_null(
    anything: tuple[tuple[RunResult, RunResult | None], dict[str, Any]],
) -> None:
    (candidate, baseline), rules = anything
    verdict = judged(candidate, baseline, rules)
    text = json.dumps(to_json(verdict), allow_nan=False)
    for number in numbers_in(json.loads(text)):
        assert math.isfinite(number)
        assert isinstance(number, float) or abs(number) < 2**63
    assert from_json(json.loads(text)) == verdict


def numbers_in(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in numbers_in(item)]
    return [value] if isinstance(value, int | float) else []


@given(ANYTHING)
def test_no_verdict_is_passed_where_a_check_failed_or_a_metric_vanished(
    anything: tuple[tuple[RunResult, RunResult | None], dict[str, Any]],
) -> None:
    (candidate, baseline), rules = anything
    verdict = judged(candidate, baseline, rules)
    vanished = next(check for check in verdict.checks if check.metric == "vanished")
    assert (vanished.status, vanished.reason) == (Status.FAILED, Reason.MISSING_METRIC)
    assert (verdict.verdict, verdict.exit_code) == (Status.FAILED, 1)
    del rules["vanished"]
    verdict = judged(candidate, baseline, rules)
    statuses = {check.status for check in verdict.checks if check.gating}
    assert (verdict.verdict is Status.FAILED) == (Status.FAILED in statuses) == (verdict.exit_code == 1)
    assert (verdict.verdict is Status.PASSED) == (statuses == {Status.PASSED})


@given(
    st.sampled_from([
        (st.booleans(), {"kind": "rate"}),
        (st.sampled_from([0, 0.5, 1]), {"kind": "rate"}),
        (st.floats(-5, 5), {"kind": "score", "range": [-5, 5]}),
        (st.floats(-5, 5), {"kind": "score", "range": [-5, 5], "direction": "lower"}),
    ]),
    st.sampled_from([0, 0.1, "10%"]),
    st.data(),
)  # fmt: skip
def test_one_more_error_never_turns_a_failed_check_of_a_bounded_metric_into_a_passed_one(
    kind: tuple[st.SearchStrategy[Any], dict[str, Any]], margin: Any, data: st.DataObject
) -> None:
    values, rules = kind
    lower = rules.get("direction") == "lower"
    rules = {**rules, "max-increase" if lower else "max-drop": margin, "max" if lower else "min": 0.4}
    baseline = data.draw(columns(values, 4))
    candidate = [data.draw(values if data.draw(st.booleans()) else st.just(one)) for one in baseline]
    broken = list(candidate)
    at = data.draw(st.integers(0, len(broken) - 1))
    assume(broken[at] is not None)
    broken[at] = data.draw(ERRORS)
    before = judged(scores("m", candidate), scores("m", baseline), {"m": rules})
    after = judged(scores("m", broken), scores("m", baseline), {"m": rules})
    for was, now in zip(before.checks, after.checks, strict=True):
        assert not (was.status is Status.FAILED and now.status is Status.PASSED), (was, now)
    assert not any(better_by_an_error(was, now) for was, now in zip(before.checks, after.checks, strict=True))


def better_by_an_error(was: Check, now: Check) -> bool:
    """Whether the mean rose, in the metric's own direction."""
    if was.candidate is None or now.candidate is None:
        return False
    sign = 1 if was.direction is Direction.HIGHER else -1
    return sign * (now.candidate - was.candidate) > 1e-9
