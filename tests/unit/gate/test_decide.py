from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import run, scored
from builders_verdict import CRASH, judged, only_check, outcomes, pass_fail, scores
from honeyhive.gate.checks import Check, Reason, Status
from honeyhive.gate.metrics import Decide
from honeyhive.gate.verdict import Policies, Policy
from honeyhive.result import EvaluatorRef, RunResult, Scored

FAILED, PASSED, UNDECIDED = Status.FAILED, Status.PASSED, Status.UNDECIDED
DECIDES = ["tested", "point", "strict"]


def of_counts(n: int, worse: int, better: int, **rules: Any) -> Check:
    return only_check(*pass_fail(n, worse=worse, better=better), correct=rules)


def of_scores(candidate: list[Any], baseline: list[Any], **rules: Any) -> Check:
    return only_check(scores("m", candidate), scores("m", baseline), m=rules)


def timed(*durations: float) -> RunResult:
    return run([scored(f"EXT-{at}", {"duration_ms": duration}) for at, duration in enumerate(durations)])


def outcome(check: Check) -> tuple[Status, Reason]:
    return check.status, check.reason


# --- strict: the candidate has to prove itself -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worse", "better", "margin", "reason"),
    [
        (9, 4, 0.02, Reason.APPARENT_DROP),
        (17, 6, 0.06, Reason.NEAR_LIMIT),
        (4, 4, 0.02, Reason.LOW_POWER),
        (17, 6, 0.02, Reason.REGRESSED),
    ],
)
def test_strict_fails_what_the_data_cannot_tell(worse: int, better: int, margin: float, reason: Reason) -> None:
    rules = {"correct": {"max-drop": margin, "decide": "strict"}}
    verdict = judged(*pass_fail(200, worse=worse, better=better), rules)
    (check,) = verdict.checks
    assert (check.status, check.reason, check.decide, verdict.exit_code) == (FAILED, reason, Decide.STRICT, 1)
    tested = of_counts(200, worse, better, **{"max-drop": margin})
    assert outcome(tested) == (FAILED if reason is Reason.REGRESSED else UNDECIDED, reason)


@pytest.mark.parametrize(
    ("worse", "better", "margin", "reason"),
    [(0, 0, 0.0, Reason.UNCHANGED), (2, 14, 0.0, Reason.IMPROVED), (4, 4, 0.05, Reason.WITHIN_MARGIN)],
)
def test_strict_passes_what_has_proved_itself(worse: int, better: int, margin: float, reason: Reason) -> None:
    assert outcome(of_counts(200, worse, better, **{"max-drop": margin, "decide": "strict"})) == (PASSED, reason)


ONE_TALK = [0.2, 0.3, 0.1]
UNPROVEN: list[tuple[Reason, RunResult, RunResult | None, dict[str, Any]]] = [
    (Reason.ONE_PAIR, scores("m", [0.1]), scores("m", [0.5]), {"max-drop": 0.1}),
    (Reason.ONE_CLUSTER, scores("m", ONE_TALK), scores("m", [0.5] * 3), {"max-drop": 0.1, "cluster": "talk"}),
    (Reason.ZERO_BASELINE, scores("m", [1, 2]), scores("m", [0, 0]), {"max-drop": "5%"}),
    (Reason.UNBOUNDED_ERRORS, scores("m", [0.5, CRASH]), scores("m", [0.5, 0.5]), {"max-drop": 0.1}),
]
NOT_ITS_FAULT: list[tuple[Reason, RunResult, RunResult | None, dict[str, Any]]] = [
    (Reason.NO_BASELINE, scores("m", [True]), None, {"max-drop": 0.1}),
    (Reason.NO_PAIRS, scores("m", [True]), run(outcomes("m", [True], first=9)), {"max-drop": 0.1}),
    (Reason.DATASET_CHANGED, scores("m", [True]), scores("m", [True] * 9), {"max-drop": 0.1}),
    (
        Reason.NOT_COMPARABLE,
        scores("m", [True], evaluators=(EvaluatorRef(name="m", fingerprint="new"),)),
        scores("m", [True], evaluators=(EvaluatorRef(name="m", fingerprint="old"),)),
        {"max-drop": 0.1},
    ),
]


@pytest.mark.parametrize(("reason", "candidate", "baseline", "rules"), UNPROVEN)
def test_strict_fails_what_cannot_be_tested(
    reason: Reason, candidate: RunResult, baseline: RunResult | None, rules: dict[str, Any]
) -> None:
    assert outcome(only_check(candidate, baseline, m=rules)) == (UNDECIDED, reason)
    assert outcome(only_check(candidate, baseline, m={**rules, "decide": "strict"})) == (FAILED, reason)


@pytest.mark.parametrize(("reason", "candidate", "baseline", "rules"), NOT_ITS_FAULT)
@pytest.mark.parametrize("decide", DECIDES)
def test_what_is_not_the_candidates_fault_is_left_to_its_own_policy(
    decide: str, reason: Reason, candidate: RunResult, baseline: RunResult | None, rules: dict[str, Any]
) -> None:
    warn, fail = (
        judged(
            candidate,
            baseline,
            {"m": {**rules, "decide": decide}},
            Policies(on_missing_baseline=policy, on_incomparable=policy),
        )
        for policy in (Policy.WARN, Policy.FAIL)
    )
    assert outcome(warn.checks[0]) == outcome(fail.checks[0]) == (UNDECIDED, reason)
    assert (warn.exit_code, fail.exit_code) == (0, 4)


@pytest.mark.parametrize("decide", DECIDES)
def test_a_missing_metric_fails_however_it_is_decided(decide: str) -> None:
    check = of_scores([None], [True], **{"max-drop": 0.1, "decide": decide})
    assert outcome(check) == (FAILED, Reason.MISSING_METRIC)


def test_a_strict_comparison_of_time_does_not_fail_the_job_either() -> None:
    rules = {"latency_ms": {"max-increase": "10%", "decide": "strict"}}
    verdict = judged(timed(100.0, 150.0, 120.0), timed(100.0, 120.0, 130.0), rules)
    assert (verdict.checks[0].status, verdict.checks[0].gating) == (FAILED, False)
    assert (verdict.verdict, verdict.exit_code) == (PASSED, 0)


# --- point: by the estimate alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worse", "better", "margin", "expected"),
    [
        (1, 0, 0.0, (FAILED, Reason.REGRESSED)),
        (9, 4, 0.02, (FAILED, Reason.REGRESSED)),
        (4, 0, 0.02, (PASSED, Reason.WITHIN_MARGIN)),
        (5, 0, 0.02, (FAILED, Reason.REGRESSED)),
        (4, 4, 0.0, (PASSED, Reason.WITHIN_MARGIN)),
        (4, 5, 0.0, (PASSED, Reason.IMPROVED)),
        (0, 0, 0.0, (PASSED, Reason.UNCHANGED)),
    ],
)
def test_a_point_estimate_decides_alone(
    worse: int, better: int, margin: float, expected: tuple[Status, Reason]
) -> None:
    check = of_counts(200, worse, better, **{"max-drop": margin, "decide": "point"})
    assert outcome(check) == expected
    assert (check.p_adjusted, check.smallest_detectable, check.needed) == (None, None, None)


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [(0.3, (FAILED, Reason.REGRESSED)), (0.45, (PASSED, Reason.WITHIN_MARGIN)), (0.5, (PASSED, Reason.UNCHANGED))],
)
def test_one_pair_is_enough_for_a_point_estimate(candidate: float, expected: tuple[Status, Reason]) -> None:
    assert outcome(of_scores([candidate], [0.5], **{"max-drop": 0.1, "decide": "point"})) == expected


def test_one_cluster_is_enough_for_a_point_estimate() -> None:
    rules = {"max-drop": 0.1, "cluster": "talk", "decide": "point"}
    assert outcome(of_scores(ONE_TALK, [0.5] * 3, **rules)) == (FAILED, Reason.REGRESSED)


def test_a_drop_of_just_the_margin_is_not_beyond_it_for_a_point_estimate_either() -> None:
    assert of_scores([0.7], [0.8], **{"max-drop": 0.1, "decide": "point"}).status is PASSED
    assert of_scores([0.7 - 1e-8], [0.8], **{"max-drop": 0.1, "decide": "point"}).status is FAILED


def test_a_point_estimate_of_a_bill_and_of_a_share() -> None:
    rules = {"max-increase": "10%", "decide": "point"}
    for bill, status in ((1.1, PASSED), (1.2, FAILED)):
        assert only_check(scores("cost", [bill]), scores("cost", [1.0]), cost=rules).status is status
    assert of_scores([9.0], [10.0], **{"max-drop": "10%", "decide": "point"}).status is PASSED
    assert of_scores([8.9], [10.0], **{"max-drop": "10%", "decide": "point"}).status is FAILED


@pytest.mark.parametrize(("reason", "candidate", "baseline", "rules"), UNPROVEN[2:])
def test_what_has_no_estimate_is_open_for_a_point_estimate_too(
    reason: Reason, candidate: RunResult, baseline: RunResult | None, rules: dict[str, Any]
) -> None:
    assert outcome(only_check(candidate, baseline, m={**rules, "decide": "point"})) == (UNDECIDED, reason)


def test_a_bill_that_came_from_nothing_has_no_estimate() -> None:
    rules = {"max-increase": "10%", "decide": "point"}
    check = only_check(scores("cost", [1.0]), scores("cost", [0.0]), cost=rules)
    assert outcome(check) == (UNDECIDED, Reason.ZERO_BASELINE)


def test_a_point_estimate_costs_the_tests_of_the_job_nothing() -> None:
    candidate, baseline = pass_fail(200, worse=9, better=3)
    both = run(
        [
            replace(one, scores={**one.scores, "exact": at % 2 == 0})
            for at, one in enumerate(candidate.outcomes)
            if isinstance(one, Scored)
        ],
        evaluators=(),
    )
    before = run(
        [replace(one, scores={**one.scores, "exact": True}) for one in baseline.outcomes if isinstance(one, Scored)],
        evaluators=(),
    )
    verdict = judged(both, before, {"correct": {"max-drop": 0.02}, "exact": {"max-drop": 0, "decide": "point"}})
    tested, point = verdict.checks
    assert tested.p == tested.p_adjusted == pytest.approx(0.04614257812499999)
    assert (point.status, point.p_adjusted) == (FAILED, None)


MARGINS = st.sampled_from([0, 0.01, 0.05, 0.5, "10%"])
COUNTS = st.integers(1, 60).flatmap(
    lambda n: st.integers(0, n).flatmap(lambda worse: st.tuples(st.just(n), st.just(worse), st.integers(0, n - worse)))
)


@given(COUNTS, MARGINS)
def test_however_a_comparison_is_decided_its_numbers_are_the_same(counts: tuple[int, int, int], margin: Any) -> None:
    n, worse, better = counts
    tested, point, strict = (
        of_counts(n, worse, better, **{"max-drop": margin, "decide": decide}) for decide in DECIDES
    )
    for check in (point, strict):
        assert (check.estimate, check.lower, check.upper, check.p, check.limit) == (
            tested.estimate,
            tested.lower,
            tested.upper,
            tested.p,
            tested.limit,
        )
    assert strict.reason is tested.reason
    assert strict.status is (FAILED if tested.status is UNDECIDED else tested.status)
    if point.estimate is not None and point.limit is not None:
        assert (point.status is FAILED) == (point.estimate < -point.limit - 1e-9)
        assert tested.status is not FAILED or point.status is FAILED
        assert point.status is not UNDECIDED
