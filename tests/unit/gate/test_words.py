from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_gate import check, errors, improved, low_power, metric, rate, regressed, verdict
from honeyhive.gate import figures
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.headline import by_weight, headline, summary_line
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.words import advice, evidence, message

LOWER: dict[str, Any] = {"direction": Direction.LOWER, "rule": Rule.MAX_INCREASE}


def accuracy(reason: Reason, **fields: Any) -> Check:
    return check("accuracy", reason, **fields)


# --- one line a check ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            accuracy(
                Reason.REGRESSED,
                baseline=0.71,
                candidate=0.655,
                estimate=-0.055,
                lower=-0.0947,
                upper=-0.0142,
                p=0.011327922344207767,
                n=200,
                worse=17,
                better=6,
                smallest_detectable=0.0627,
            ),
            "accuracy 71.0 % → 65.5 % (−5.5 pts, allowed −2): 17 worse, 6 better of 200; by chance alone 1 time in 88",
        ),
        (
            accuracy(
                Reason.APPARENT_DROP,
                baseline=0.71,
                candidate=0.685,
                estimate=-0.025,
                lower=-0.0562,
                upper=0.0067,
                p=0.08978271484375,
                n=200,
                worse=9,
                better=4,
                smallest_detectable=0.0556584134361555,
            ),
            (
                "accuracy 71.0 % → 68.5 % (−2.5 pts, allowed −2): 9 worse, 4 better of 200; "
                "by chance alone 1 time in 11; this dataset shows drops of 5.6 pts or more"
            ),
        ),
        (
            accuracy(
                Reason.WITHIN_MARGIN,
                baseline=0.8,
                candidate=0.799,
                estimate=-0.001,
                lower=-0.00534088163802011,
                upper=0.0033,
                p=0.34,
                n=1000,
                worse=3,
                better=2,
            ),
            "accuracy 80.0 % → 79.9 % (−0.1 pts, allowed −2): 3 worse, 2 better of 1000; at worst −0.5 pts",
        ),
        (
            accuracy(Reason.UNCHANGED, baseline=0.71, candidate=0.71, estimate=0.0, n=200, worse=0, better=0),
            "accuracy: unchanged, 0 of 200 datapoints differ",
        ),
    ],
)
def test_the_definition_s_own_examples(found: Check, said: str) -> None:
    assert message(found) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            improved(),
            "correct 35.0 % → 42.4 % (+7.4 pts, allowed −2): 72 worse, 121 better of 660",
        ),
        (
            low_power(),
            (
                "reward 44.0 % → 40.0 % (−4 pts, allowed −5): 7 worse, 5 better of 50; at worst −15.6 pts; "
                "this dataset shows drops of 23.5 pts or more"
            ),
        ),
        (
            check(
                reason=Reason.NEAR_LIMIT, baseline=0.8, candidate=0.782, estimate=-0.018, lower=-0.031, p=0.01, n=900
            ),
            (
                "correct 80.0 % → 78.2 % (−1.8 pts, allowed −2): 900 datapoints; by chance alone 1 time in 100; "
                "at worst −3.1 pts"
            ),
        ),
        (
            check(
                "tone",
                kind=Kind.SCORE,
                limit=0.2,
                allowed="0.2",
                baseline=4.0,
                candidate=3.5,
                estimate=-0.5,
                lower=-0.7707398231971248,
                upper=-0.2292601768028753,
                p=0.0034361516544605584,
                n=12,
            ),
            "tone 4 → 3.5 (−0.5, allowed −0.2): 12 datapoints; by chance alone 1 time in 290",
        ),
        (
            check(
                "mqm",
                kind=Kind.SCORE,
                limit=0.3,
                allowed="0.3",
                baseline=1.5,
                candidate=2.1,
                estimate=-0.6,
                p=0.0026,
                n=10,
                **LOWER,
            ),
            "mqm 1.5 → 2.1 (+0.6, allowed +0.3): 10 datapoints; by chance alone 1 time in 380",
        ),
        (
            check(
                "cost",
                kind=Kind.COST,
                limit=0.1,
                allowed="10%",
                baseline=0.0213,
                candidate=0.0547,
                estimate=-1.5662655523944773,
                p=0.00041,
                n=500,
                **LOWER,
            ),
            "cost 0.0213 → 0.0547 (+157 %, allowed +10 %): 500 datapoints; by chance alone 1 time in 2,400",
        ),
        (
            check(
                "latency_ms",
                Reason.WITHIN_MARGIN,
                kind=Kind.LATENCY,
                limit=0.1,
                allowed="10%",
                baseline=812.0,
                candidate=820.0,
                estimate=0.027,
                lower=-0.01,
                n=660,
                **LOWER,
            ),
            "latency_ms 812 ms → 820 ms (typically −2.7 %, allowed +10 %): 660 datapoints; at worst +1 %",
        ),
        (
            check(allowed="2%", limit=0.0142, baseline=0.71, candidate=0.692, estimate=-0.018, p=0.01, n=900),
            "correct 71.0 % → 69.2 % (−1.8 pts, allowed −2 % = −1.4): 900 datapoints; by chance alone 1 time in 100",
        ),
        (errors(5, 60, 0.05), "errors 8.3 % (allowed ≤ 5 %): 5 of 60 datapoints went wrong"),
        (errors(), "errors 0 % (allowed ≤ 0 %): met"),
        (
            check(reason=Reason.BELOW_MIN, rule=Rule.MIN, limit=0.35, candidate=0.31, n=660),
            "correct 31.0 % (allowed ≥ 35 %): 4 pts too low",
        ),
        (
            check(
                "latency_ms.p95", Reason.ABOVE_MAX, kind=Kind.LATENCY, rule=Rule.MAX, limit=2_000.0, candidate=2_040.0
            ),
            "latency_ms.p95 2.04 s (allowed ≤ 2 s): 40 ms too high",
        ),
        (
            check("tone", Reason.MET, kind=Kind.SCORE, rule=Rule.MIN, limit=3.5, candidate=4.25),
            "tone 4.25 (allowed ≥ 3.5): met",
        ),
        (
            check(reason=Reason.NO_BASELINE, candidate=0.424),
            "correct 42.4 % (allowed −2 pts): there is no baseline to compare with yet",
        ),
        (
            check(reason=Reason.MISSING_METRIC, kind=None, limit=0.02),
            "correct (allowed −0.02): no datapoint of this change has this metric",
        ),
        (
            check(reason=Reason.ZERO_BASELINE, allowed="2%", limit=None, candidate=0.1, baseline=0.0),
            "correct 10.0 % (allowed −2 %): the baseline is 0, so a change in % means nothing",
        ),
    ],
)
def test_a_message_says_how_it_moved_what_was_allowed_and_why(found: Check, said: str) -> None:
    assert message(found) == said


def test_the_chance_is_the_one_that_counts_all_comparisons_of_the_job() -> None:
    assert "1 time in 33" in message(regressed(p=0.001, p_adjusted=0.03))


def test_a_margin_of_nothing_is_allowed_nothing() -> None:
    assert "(−7.4 pts, allowed 0)" in message(regressed(limit=0.0, allowed="0"))


def test_a_name_cannot_break_the_line() -> None:
    assert message(errors()).count("\n") == message(regressed("a\nb\x1b[31m\u202e")).count("\n") == 0
    assert message(regressed("a\nb")).startswith("a b 42.4 %")


# --- numbers that do not contradict ----------------------------------------------------------------------------------


def test_a_drop_just_beyond_the_margin_does_not_look_like_the_margin() -> None:
    found = regressed(baseline=0.5, candidate=0.4796, estimate=-0.0204)
    assert "(−2.04 pts, allowed −2)" in message(found)


def test_a_share_of_the_baseline_is_shown_with_the_digits_that_tell_it_from_the_change() -> None:
    found = check(
        reason=Reason.WITHIN_MARGIN, allowed="2%", limit=0.0144, baseline=0.72, candidate=0.7059, estimate=-0.0141
    )
    shown = figures.of_check(found)
    assert (shown.change, shown.allowed) == ("−1.41 pts", "−2 % = −1.44 pts")


def test_a_mean_just_below_its_bound_does_not_look_like_the_bound() -> None:
    assert message(check(reason=Reason.BELOW_MIN, rule=Rule.MIN, limit=0.35, candidate=0.3496)).startswith(
        "correct 34.96 % (allowed ≥ 35 %): 0.04 pts"
    )


@given(st.floats(-1, 1), st.floats(0, 1), st.sampled_from([Kind.RATE, Kind.SCORE, Kind.COST]))
def test_what_is_beyond_the_margin_looks_beyond_it(estimate: float, limit: float, kind: Kind) -> None:
    way: dict[str, Any] = LOWER if kind is Kind.COST else {}
    shown = figures.of_check(check(kind=kind, estimate=estimate, limit=limit, allowed="x", **way))
    texts = (text.partition(" ")[0].replace("−", "-").replace(",", "") for text in (shown.change, shown.allowed))
    change, allowed = (-float(text) if way else float(text) for text in texts)
    if estimate < -limit - 1e-8:
        assert change < allowed
    if estimate > -limit + 1e-8:
        assert change > allowed


def test_limits_that_are_one_point_are_left_out() -> None:
    assert figures.of_check(check(estimate=0.0, lower=0.0, upper=0.0)).interval == "0"


def test_limits_bring_their_unit_where_the_change_has_none() -> None:
    assert figures.of_check(check(estimate=0.0, lower=-0.0257, upper=0.0257)).interval == "0 (−2.6 … +2.6 pts)"


def test_limits_of_what_should_be_low_go_its_own_way() -> None:
    found = check("cost", kind=Kind.COST, limit=0.1, estimate=-0.2, lower=-0.3, upper=-0.1, **LOWER)
    assert figures.of_check(found).interval == "+20 % (+10 … +30)"


def test_a_bound_s_change_is_that_of_the_means() -> None:
    found = check("latency_ms", Reason.MET, kind=Kind.LATENCY, rule=Rule.MAX, baseline=800.0, candidate=880.0)
    assert figures.of_check(found).change == "+10 %"
    assert figures.of_check(replace(found, baseline=0.0)).change == "–"


def test_a_margin_that_nobody_can_read_is_taken_from_the_limit() -> None:
    assert figures.of_check(check(allowed="some%")).allowed == "−2 pts"
    assert figures.of_check(check(allowed="nan%")).allowed == "−2 pts"


# --- every reason, every kind ----------------------------------------------------------------------------------------

ANY_NUMBER = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.floats(-1, 1))
ANY_COUNT = st.one_of(st.none(), st.integers(0, 100_000))
CHECKS = st.builds(
    Check,
    metric=st.text(),
    kind=st.sampled_from([None, *Kind]),
    direction=st.sampled_from(Direction),
    rule=st.sampled_from(Rule),
    limit=st.one_of(st.none(), st.floats(0, 1e6)),
    allowed=st.sampled_from(["0.02", "2%", "", "x%"]),
    gating=st.booleans(),
    status=st.sampled_from(Status),
    reason=st.sampled_from(Reason),
    candidate=ANY_NUMBER,
    baseline=ANY_NUMBER,
    estimate=ANY_NUMBER,
    lower=ANY_NUMBER,
    upper=ANY_NUMBER,
    p=st.one_of(st.none(), st.floats(0, 1)),
    p_adjusted=st.one_of(st.none(), st.floats(0, 1)),
    n=st.integers(0, 1_000_000),
    worse=ANY_COUNT,
    better=ANY_COUNT,
    smallest_detectable=st.one_of(st.none(), st.floats(0, 10)),
    needed=st.one_of(st.none(), st.integers(1, 10**9)),
)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("kind", [None, *Kind])
@pytest.mark.parametrize("known", [True, False])
def test_every_reason_and_kind_has_one_line(reason: Reason, kind: Kind | None, known: bool) -> None:
    found = replace(regressed(), reason=reason, kind=kind) if known else check(reason=reason, kind=kind)
    for said in (message(found), evidence(found), summary_line(verdict(found))):
        assert said.strip()
        assert "\n" not in said
        assert not {"None", "nan", "inf"} & set(said.replace(",", " ").split())


@given(CHECKS)
def test_no_check_leaves_the_words_speechless(found: Check) -> None:
    for said in (message(found), evidence(found), summary_line(verdict(found))):
        assert len(said.splitlines()) == 1
    words = message(replace(found, metric="m")) + evidence(found) + advice(found)
    assert not {"None", "nan", "inf"} & set(words.replace("(", " ").split())


@given(CHECKS)
def test_worse_and_better_are_counted_for_pass_fail_metrics_only(found: Check) -> None:
    if found.worse is None or found.better is None:
        assert " better" not in message(replace(found, metric="m"))


# --- what to do ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Reason.MET, Reason.UNCHANGED, Reason.IMPROVED, Reason.WITHIN_MARGIN])
def test_what_passed_needs_no_advice(reason: Reason) -> None:
    assert advice(check(reason=reason)) == ""


@pytest.mark.parametrize(
    ("found", "way_out"),
    [
        (regressed(), "a larger `max-drop`"),
        (low_power(), "To see a drop of 5 pts four times of five takes about 650 datapoints; there are 50."),
        (low_power(needed=None), "More datapoints would tell"),
        (low_power(**LOWER), "To see a rise of 5 pts"),
        (check(reason=Reason.APPARENT_DROP), "Read the datapoints that got worse."),
        (check(reason=Reason.NEAR_LIMIT), "Read the datapoints that got worse."),
        (check(reason=Reason.NO_BASELINE), "`baseline: FILE`"),
        (check(reason=Reason.DATASET_CHANGED), "again with today's dataset"),
        (check(reason=Reason.NO_PAIRS), "again with today's dataset"),
        (check(reason=Reason.NOT_COMPARABLE), "again with today's evaluator"),
        (check(reason=Reason.UNBOUNDED_ERRORS), "`range: [lo, hi]`"),
        (check(reason=Reason.MISSING_METRIC), "names that the evaluators give"),
        (check(reason=Reason.NO_DATA), "read the errors"),
        (check(reason=Reason.ONE_PAIR), "a bound needs no pairs"),
        (check(reason=Reason.ZERO_BASELINE, kind=Kind.SCORE), "in the metric's own unit"),
        (check("cost", Reason.ZERO_BASELINE, kind=Kind.COST), "Set a `max` instead"),
        (check(reason=Reason.BELOW_MIN, rule=Rule.MIN), "If the `min` asks too much"),
        (errors(3), "Read the errors"),
    ],
)
def test_advice_names_the_way_out(found: Check, way_out: str) -> None:
    assert way_out in advice(found)


def test_advice_on_what_does_not_gate_says_so() -> None:
    assert "does not fail the job" in advice(regressed("latency_ms", kind=Kind.LATENCY, gating=False, **LOWER))
    assert advice(check(reason=Reason.MET, gating=False)) == ""


# --- the sentence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ([regressed(), errors()], "correct fell 7.4 points, 42.4 % → 35.0 %"),
        ([errors(), regressed(estimate=-0.01, baseline=0.5, candidate=0.49)], "correct fell 1 point, 50.0 % → 49.0 %"),
        ([regressed(), errors(3)], "correct fell 7.4 points, 42.4 % → 35.0 %, and 1 more check failed"),
        (
            [regressed(), regressed("b"), errors(3)],
            "correct fell 7.4 points, 42.4 % → 35.0 %, and 2 more checks failed",
        ),
        ([errors(3)], "0.5 % of the datapoints went wrong, 0 % allowed"),
        ([improved()], "correct improved 7.4 points, 35.0 % → 42.4 %"),
        (
            [check(reason=Reason.WITHIN_MARGIN, baseline=0.424, candidate=0.426, estimate=0.002), errors()],
            "correct held, 42.4 % → 42.6 %",
        ),
        ([check(reason=Reason.UNCHANGED, baseline=0.424, candidate=0.424)], "correct unchanged at 42.4 %"),
        ([errors()], "errors is 0 %, at most 0 % as required"),
        (
            [check(reason=Reason.BELOW_MIN, rule=Rule.MIN, limit=0.35, candidate=0.31)],
            "correct is 31.0 %, below the 35 % required",
        ),
        (
            [check("cost.total", Reason.ABOVE_MAX, kind=Kind.COST, rule=Rule.MAX, limit=5.0, candidate=6.5)],
            "cost.total is 6.5, above the 5 allowed",
        ),
        (
            [check("tone", kind=Kind.SCORE, limit=0.2, baseline=4.31, candidate=3.89, estimate=-0.42)],
            "tone fell by 0.42, 4.31 → 3.89",
        ),
        (
            [check("latency_ms", kind=Kind.LATENCY, baseline=800.0, candidate=900.0, estimate=-0.125, **LOWER)],
            "latency_ms rose 12.5 %, 800 ms → 900 ms",
        ),
        (
            [check("latency_ms", kind=Kind.LATENCY, baseline=800.0, candidate=790.0, estimate=-0.125, **LOWER)],
            "latency_ms rose 12.5 %",
        ),
        (
            [check(reason=Reason.APPARENT_DROP, baseline=0.71, candidate=0.685, estimate=-0.025)],
            "correct fell 2.5 points, 71.0 % → 68.5 %, which may be luck",
        ),
        (
            [check(reason=Reason.NEAR_LIMIT, baseline=0.71, candidate=0.692, estimate=-0.018)],
            "correct fell 1.8 points, 71.0 % → 69.2 %, maybe more than the 2 points allowed",
        ),
        ([low_power()], "too few datapoints to tell whether reward fell by more than 5 points"),
        ([low_power(limit=None, **LOWER)], "too few datapoints to tell whether reward rose"),
        (
            [check(reason=Reason.NO_BASELINE, candidate=0.424), check("b", Reason.NO_BASELINE)],
            "nothing to compare with yet, correct is 42.4 %",
        ),
        ([check(reason=Reason.NO_BASELINE)], "nothing to compare with yet"),
        ([check("{name}", Reason.MISSING_METRIC)], "{name} is missing: no datapoint has it"),
        ([check(reason=Reason.UNBOUNDED_ERRORS)], "correct is open: datapoints went wrong, and it has no range"),
        ([], "nothing was checked"),
    ],
)
def test_the_headline_says_what_happened(checks: list[Check], said: str) -> None:
    assert headline(verdict(*checks)) == said


def test_a_check_that_does_not_gate_leads_only_when_alone() -> None:
    slower = regressed("latency_ms", kind=Kind.LATENCY, gating=False, **LOWER)
    assert by_weight([slower, improved()])[0].metric == "correct"
    assert headline(verdict(slower, slower)).startswith("latency_ms rose")


def test_the_headline_writes_names_as_it_is_told() -> None:
    assert headline(verdict(regressed()), name=lambda metric: f"`{metric}`").startswith("`correct` fell")


def test_the_line_for_the_log_begins_with_the_verdict() -> None:
    assert summary_line(verdict(regressed())) == "FAILED order-sums: correct fell 7.4 points, 42.4 % → 35.0 %"


# --- metrics without a check -----------------------------------------------------------------------------------------


def test_a_metric_without_a_check_has_its_change_too() -> None:
    latency, passed = metric(), rate("ok", baseline=0.5, candidate=0.25, estimate=None)
    shown = [
        figures.of_means(m.kind, m.direction, baseline=m.baseline, candidate=m.candidate, estimate=m.estimate)
        for m in (latency, passed)
    ]
    assert [(s.baseline, s.candidate, s.change) for s in shown] == [
        ("812 ms", "790 ms", "−2.7 %"),
        ("50.0 %", "25.0 %", "−25 pts"),
    ]
