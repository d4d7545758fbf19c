"""What is behind a reason, in words: each cause once, through two runs and the gate."""

from __future__ import annotations

from typing import Any

import pytest

from builders import evaluators, failed, run, scored
from builders_verdict import FAULT, compared, judged, pass_fail, scores
from honeyhive.gate import advice
from honeyhive.gate.causes import by_known_evaluator
from honeyhive.gate.checks import Cause, Check, Reason, Rule, Status
from honeyhive.gate.headline import headline
from honeyhive.gate.words import evidence
from honeyhive.result import EvaluatorRef, RunResult

LABELS = [scored(f"EXT-{at}", {"index": at, "ground_truth": "refund"}, intent=at % 3) for at in range(6)]
TAGGED = [scored(f"EXT-{at}", {"index": at, "tags": ("must-pass",)}, quality=0.5) for at in range(6)]
INSTANT = [scored(f"EXT-{at}", {"index": at, "duration_ms": 0.0}, correct=True) for at in range(6)]

CASES: dict[Cause, tuple[RunResult, RunResult | None, dict[str, Any], Reason]] = {
    Cause.NOT_IN_BASELINE: (
        *(scores("quality", [0.5] * 6), scores("other", [0.5] * 6)),
        *({"quality": {"max-drop": 0.1}}, Reason.NO_BASELINE),
    ),
    Cause.ONLY_ERRORS: (
        *(scores("quality", [FAULT] * 6), scores("quality", [0.5] * 6)),
        *({"quality": {"max-drop": 0.1}}, Reason.MISSING_METRIC),
    ),
    Cause.NO_AGGREGATE: (
        *(scores("price", [0.5] * 6), None),
        *({"price.sum": {"max": 3}}, Reason.MISSING_METRIC),
    ),
    Cause.NOTHING_EXPECTED: (
        *(run(LABELS), run(LABELS)),
        *({"intent": {"max-drop": 0, "kind": "label"}}, Reason.MISSING_METRIC),
    ),
    Cause.NO_CLUSTER_KEY: (
        *pass_fail(60, worse=8, better=4),
        *({"correct": {"max-drop": 0.1, "cluster": "talk"}}, Reason.ONE_CLUSTER),
    ),
    Cause.ONLY_NUMBERS: (
        *(run(TAGGED), None),
        *({"quality": {"min": 0}}, Reason.NO_DATA),
    ),
    Cause.OTHER_KIND: (
        *(scores("quality", [True, False] * 6), scores("quality", [40, 42] * 6)),
        *({"quality": {"max-drop": 0.1}}, Reason.NOT_COMPARABLE),
    ),
    Cause.NO_TIME: (
        *(run(INSTANT), run(INSTANT)),
        *({"latency_ms": {"max-increase": "10%"}}, Reason.ONE_PAIR),
    ),
    Cause.UNTOLD: (
        *(run([scored("EXT-0", cost=0.5), scored("EXT-1", {"index": 1})]), None),
        *({"cost.total": {"max": 2}}, Reason.TOO_FEW),
    ),
}


def check_with(cause: Cause) -> Check:
    candidate, baseline, thresholds, _ = CASES[cause]
    found = judged(candidate, baseline, thresholds)
    (check,) = (check for check in found.checks if check.cause is not None)
    return check


def test_every_cause_has_a_case() -> None:
    assert set(CASES) == set(Cause)


@pytest.mark.parametrize("cause", list(Cause))
def test_a_cause_is_found_behind_its_reason(cause: Cause) -> None:
    check = check_with(cause)
    assert (check.cause, check.reason) == (cause, CASES[cause][3])
    assert check.status is not Status.PASSED


@pytest.mark.parametrize("cause", list(Cause))
def test_a_cause_says_what_happened_and_what_to_do_in_the_place_of_its_reason(cause: Cause) -> None:
    check = check_with(cause)
    assert evidence(check) in check.message
    assert check.advice.endswith(advice.way_out(check))
    assert advice.way_out(check) != advice.way_out(Check(**{f: getattr(check, f) for f in without_cause(check)}))
    candidate, baseline, thresholds, _ = CASES[cause]
    said = headline(judged(candidate, baseline, thresholds))
    assert check.gating is False or evidence(check) in said


def without_cause(check: Check) -> list[str]:
    return [field for field in Check.__dataclass_fields__ if field != "cause"]


def test_where_nothing_more_is_known_there_is_no_cause() -> None:
    candidate, baseline = pass_fail(200, worse=17, better=6)
    checks = judged(candidate, baseline, {"correct": {"max-drop": 0.02}, "colour": {"min": 1}}).checks
    assert [(check.reason, check.cause) for check in checks] == [
        (Reason.REGRESSED, None),
        (Reason.MISSING_METRIC, None),
    ]


def test_a_crash_of_one_datapoint_is_not_that_of_all() -> None:
    candidate = run([failed("EXT-0"), scored("EXT-1", {"index": 1}, quality=0.5)])
    (check,) = judged(candidate, None, {"quality": {"min": 0.4, "range": [0, 1]}}).checks
    assert (check.reason, check.cause) == (Reason.BELOW_MIN, None)


def test_a_metric_with_the_name_of_an_aggregate_has_to_pass_like_any_other() -> None:
    candidate = run([scored("EXT-0", {"tags": ("must-pass",)}, **{"score.p95": False})])
    (check,) = judged(candidate, None, {"errors": {"must-pass": False, "max": 0}}).checks[1:]
    assert (check.metric, check.reason, check.cause) == ("score.p95", Reason.BELOW_MIN, None)


# --- by whose evaluator ----------------------------------------------------------------------------------------------

Held = tuple[Rule, Status, Reason]
KNOWN = evaluators("correct", "tone")
EDITED = tuple(EvaluatorRef(name=known.name, fingerprint="another") for known in KNOWN)
TONE = {"min": 0.4, "range": [0, 1]}


def held(
    rules: dict[str, Any], *, by: tuple[EvaluatorRef, ...] = EDITED, baseline: bool = True, tags: tuple[str, ...] = ()
) -> dict[str, Held]:
    """The checks of a run by these evaluators, each by its metric, held to the evaluators of the baseline."""
    rows = [scored(f"EXT-{at}", {"index": at, "tags": tags}, correct=True, tone=0.5) for at in range(6)]
    candidate, known = run(rows, evaluators=by), run(rows, evaluators=KNOWN) if baseline else None
    checks = judged(candidate, known, rules).checks
    found = [by_known_evaluator(check, compared(candidate, known, rules)) for check in checks]
    return {check.metric: (check.rule, check.status, check.reason) for check in found}


@pytest.mark.parametrize(
    ("rules", "metric", "rule"),
    [
        ({"correct": {"min": 0.5}}, "correct", Rule.MIN),
        ({"correct": {"max": 1}}, "correct", Rule.MAX),
        ({"correct": {"must-pass": True}}, "correct", Rule.MUST_PASS),
        ({"tone": TONE}, "tone", Rule.MIN),
        ({"tone.p50": {"min": 0.4}}, "tone.p50", Rule.MIN),
    ],
)
def test_no_bound_is_met_by_the_scores_of_an_evaluator_that_the_change_has_edited(
    rules: dict[str, Any], metric: str, rule: Rule
) -> None:
    tags = ("must-pass",) if rule is Rule.MUST_PASS else ()
    assert held(rules, tags=tags)[metric] == (rule, Status.UNDECIDED, Reason.NOT_COMPARABLE)
    assert held(rules, tags=tags, by=KNOWN)[metric] == (rule, Status.PASSED, Reason.MET)
    assert held(rules, tags=tags, baseline=False)[metric] == (rule, Status.PASSED, Reason.MET)


def test_only_the_bounds_of_the_edited_evaluator_are_left_open() -> None:
    rules = {"correct": {"min": 0.5}, "tone": TONE, "latency_ms": {"max": "10s"}, "errors": {"max": 0}}
    found = {metric: status for metric, (_, status, _) in held(rules, by=(EDITED[0], KNOWN[1])).items()}
    assert found.pop("correct") is Status.UNDECIDED
    assert found == dict.fromkeys(("tone", "latency_ms", "errors"), Status.PASSED)


def test_what_fails_by_the_edited_evaluator_fails() -> None:
    assert held({"tone": {**TONE, "min": 0.6}})["tone"] == (Rule.MIN, Status.FAILED, Reason.BELOW_MIN)
