from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_gate import check, errors, improved, low_power, metric, must_pass, rate, regressed, verdict
from builders_verdict import judged, scores
from honeyhive.gate import figures
from honeyhive.gate.advice import meaning, way_out
from honeyhive.gate.advice import of as advice
from honeyhive.gate.checks import Check, Place, Reason, Rule, Status
from honeyhive.gate.headline import by_weight, headline, summary_line
from honeyhive.gate.metrics import Decide, Direction, Kind
from honeyhive.gate.words import evidence, message, power, spread

LOWER: dict[str, Any] = {"direction": Direction.LOWER, "rule": Rule.MAX_INCREASE}
STRICT: dict[str, Any] = {"decide": Decide.STRICT, "status": Status.FAILED}
POINT: dict[str, Any] = {"decide": Decide.POINT}
P95: dict[str, Any] = {"kind": Kind.LATENCY, "rule": Rule.MAX, "limit": 2_000.0}


def places(*ids: str) -> tuple[Place, ...]:
    """Datapoints by their ids, from line 17 on."""
    return tuple(Place(datapoint_id=one, line=line) for line, one in enumerate(ids, start=17))


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
            "latency_ms.p95 2.04 s (allowed ≤ 2 s): 0.04 s too high",
        ),
        (
            check("latency_ms.p95", Reason.ABOVE_MAX, **(P95 | {"candidate": 2_400.0})),
            "latency_ms.p95 2.4 s (allowed ≤ 2 s): 0.4 s too high",
        ),
        (
            check("latency_ms.p95", Reason.ABOVE_MAX, **(P95 | {"limit": 990.0, "candidate": 1_020.0})),
            "latency_ms.p95 1.0 s (allowed ≤ 990 ms): 30 ms too high",
        ),
        (
            check("latency_ms.total", Reason.ABOVE_MAX, **(P95 | {"limit": 600_000.0, "candidate": 630_000.0})),
            "latency_ms.total 10.5 min (allowed ≤ 10 min): 0.5 min too high",
        ),
        (
            check("cost.total", Reason.ABOVE_MAX, kind=Kind.COST, rule=Rule.MAX, limit=5.0, candidate=6.5),
            "cost.total 6.5 (allowed ≤ 5): 1.5 too high",
        ),
        (
            check("correct.total", Reason.BELOW_MIN, kind=Kind.SCORE, rule=Rule.MIN, limit=120.0, candidate=100.0),
            "correct.total 100 (allowed ≥ 120): 20 too low",
        ),
        (
            check("latency_ms.p95", Reason.TOO_FEW, n=12, **P95),
            "latency_ms.p95 (allowed ≤ 2 s): needs at least 20 datapoints, there are 12",
        ),
        (
            check("latency_ms.p1", Reason.TOO_FEW, n=1, **P95),
            "latency_ms.p1 (allowed ≤ 2 s): needs at least 100 datapoints, there is 1",
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


TONE: dict[str, Any] = {"kind": Kind.SCORE, "limit": 0.2, "allowed": "0.2", "baseline": 4.0, "candidate": 3.5}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            check("tone", estimate=-0.5, p=0.002, n=200, clusters=40.0, **TONE),
            "tone 4 → 3.5 (−0.5, allowed −0.2): 200 datapoints in 40 clusters; by chance alone 1 time in 500",
        ),
        (
            check("tone", estimate=-0.5, p=0.002, n=200, clusters=31.24, **TONE),
            (
                "tone 4 → 3.5 (−0.5, allowed −0.2): 200 datapoints that count as 31 clusters; by chance alone "
                "1 time in 500"
            ),
        ),
        (
            regressed(clusters=40.0),
            (
                "correct 42.4 % → 35.0 % (−7.4 pts, allowed −2): 121 worse, 72 better of 660 datapoints "
                "in 40 clusters; by chance alone 1 time in 4,900"
            ),
        ),
        (
            check("tone", Reason.ONE_CLUSTER, n=20, clusters=1.0, **TONE),
            "tone 3.5 (allowed −0.2): all of its 20 datapoints belong to one cluster",
        ),
        (
            check("tone", Reason.ONE_CLUSTER, n=20, clusters=1.3, **TONE),
            "tone 3.5 (allowed −0.2): most of its 20 datapoints belong to one cluster",
        ),
        (
            check("tone", Reason.ONE_CLUSTER, n=20, clusters=1.0, **TONE, **STRICT),
            (
                "tone 3.5 (allowed −0.2): all of its 20 datapoints belong to one cluster; "
                "fails because the change has to prove itself (`decide: strict`)"
            ),
        ),
        (
            low_power(**STRICT),
            (
                "reward 44.0 % → 40.0 % (−4 pts, allowed −5): 7 worse, 5 better of 50; at worst −15.6 pts; this "
                "dataset shows drops of 23.5 pts or more; "
                "fails because the change has to prove itself (`decide: strict`)"
            ),
        ),
        (regressed(**POINT), "correct 42.4 % → 35.0 % (−7.4 pts, allowed −2): 121 worse, 72 better of 660"),
        (improved(**POINT), "correct 35.0 % → 42.4 % (+7.4 pts, allowed −2): 72 worse, 121 better of 660"),
        (
            check("tone", Reason.WITHIN_MARGIN, estimate=-0.1, lower=-0.3, p=0.4, n=12, **(TONE | POINT)),
            "tone 4 → 3.5 (−0.1, allowed −0.2): 12 datapoints",
        ),
    ],
)
def test_clusters_proof_and_plain_numbers_have_their_words(found: Check, said: str) -> None:
    assert message(found) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (must_pass(passed=40), "correct: 40 of 40 must-pass datapoints passed"),
        (
            must_pass(passed=39, not_passed=places("a")),
            "correct: 39 of 40 must-pass datapoints passed; a (line 17) did not",
        ),
        (
            must_pass(not_passed=places("a", "b")),
            "correct: 38 of 40 must-pass datapoints passed; a (line 17) and b (line 18) did not",
        ),
        (
            must_pass(passed=0, n=60, not_passed=places(*"abcdef") * 8),
            (
                "correct: 0 of 60 must-pass datapoints passed; "
                "a (line 17), b (line 18), c (line 19), d (line 20), e (line 21) and 55 more did not"
            ),
        ),
        (
            must_pass(passed=40, flaky=(Place(datapoint_id="a", line=None),)),
            "correct: 40 of 40 must-pass datapoints passed; a passed only when tried again (flaky)",
        ),
        (must_pass(n=0), "correct: no datapoint is tagged `must-pass`"),
        (
            replace(must_pass(n=0), reason=Reason.MISSING_METRIC),
            "correct: no datapoint of this change has this metric",
        ),
    ],
)
def test_what_has_to_pass_is_counted_and_what_did_not_is_named(found: Check, said: str) -> None:
    assert message(found) == said


def test_the_table_counts_what_has_to_pass_and_names_nobody() -> None:
    found = must_pass(not_passed=places("evil|id", "b"), flaky=places("c"))
    assert figures.of_check(found).candidate == "38 of 40"
    assert evidence(found) == "2 did not pass; 1 passed only when tried again (flaky)"
    assert evidence(must_pass(passed=40)) == "met"


def test_an_id_cannot_break_the_line() -> None:
    found = message(must_pass(not_passed=places("a\nb\x1b[31m", "\u202e" * 9)))
    assert found == "correct: 38 of 40 must-pass datapoints passed; a b[31m (line 17) and (empty) (line 18) did not"


def test_the_names_of_metrics_in_the_advice_cannot_break_the_line() -> None:
    found = judged(scores("a\nb\x1b[31m", [True]), None, {"c": {"min": 1}}).checks[0]
    assert "There are: a b[31m, latency_ms" in found.advice


@given(st.floats(0, 1))
def test_nobody_asks_chance_where_the_numbers_decide(p: float) -> None:
    for reason in Reason:
        found = replace(regressed(p=p, p_adjusted=p, **POINT), reason=reason)
        assert not any("chance" in said or "at worst" in said for said in (message(found), evidence(found)))
        assert figures.of_check(found).limits == ""


@pytest.mark.parametrize("reason", Reason)
def test_under_a_red_cross_nothing_is_luck(reason: Reason) -> None:
    found = replace(regressed(**STRICT), reason=reason)
    assert not any("luck" in said for said in (advice(found), message(found), headline(verdict(found))))


@pytest.mark.parametrize(
    "reason",
    [
        *(Reason.APPARENT_DROP, Reason.NEAR_LIMIT, Reason.LOW_POWER, Reason.ONE_PAIR, Reason.ONE_CLUSTER),
        *(Reason.ZERO_BASELINE, Reason.UNBOUNDED_ERRORS),
    ],
)
def test_what_fails_for_want_of_proof_says_so(reason: Reason) -> None:
    found = replace(regressed(**STRICT), reason=reason)
    assert "fails because the change has to prove itself (`decide: strict`)" in message(found)
    assert "fails because the change has to prove itself (`decide: strict`)" in evidence(found)
    assert headline(verdict(found)).startswith("correct could not be shown to hold: ")


def test_what_got_worse_for_sure_is_not_called_unproven() -> None:
    assert "prove" not in message(regressed(**STRICT))
    assert headline(verdict(regressed(**STRICT))).startswith("correct fell")


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
    decide=st.sampled_from(Decide),
    clusters=st.one_of(st.none(), st.floats(1, 1e6)),
    not_passed=st.lists(st.builds(Place, datapoint_id=st.text(), line=ANY_COUNT), max_size=7).map(tuple),
    flaky=st.lists(st.builds(Place, datapoint_id=st.text(), line=ANY_COUNT), max_size=7).map(tuple),
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
    words = message(replace(found, metric="m", not_passed=(), flaky=())) + evidence(found) + advice(found)
    assert not {"None", "nan", "inf"} & set(words.replace("(", " ").split())


@given(CHECKS)
def test_worse_and_better_are_counted_for_pass_fail_metrics_only(found: Check) -> None:
    if found.worse is None or found.better is None:
        assert " better" not in message(replace(found, metric="m", not_passed=(), flaky=()))


# --- what to do ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Reason.MET, Reason.UNCHANGED, Reason.IMPROVED, Reason.WITHIN_MARGIN])
def test_what_passed_needs_no_advice(reason: Reason) -> None:
    assert advice(check(reason=reason)) == ""


@pytest.mark.parametrize(
    ("found", "way_out"),
    [
        (regressed(), "a larger `max-drop`"),
        (low_power(), "Add datapoints (to see a drop of 5 pts takes about 650, there are 50), or allow more with"),
        (low_power(), "`honeyhive compare --plan CANDIDATE BASELINE` shows how many settle it, best on two runs of"),
        (low_power(needed=None), "Add datapoints. `honeyhive compare --plan CANDIDATE BASELINE` shows"),
        (low_power(clusters=10.0), "takes about 650 in 130 clusters, there are 50"),
        (low_power(**LOWER), "to see a rise of 5 pts"),
        (low_power(limit=0.0), "No number of datapoints rules out the smallest drop: allow a little"),
        (check(reason=Reason.APPARENT_DROP), "Read the datapoints that got worse."),
        (check(reason=Reason.APPARENT_DROP), "`honeyhive compare --plan CANDIDATE BASELINE`"),
        (check(reason=Reason.NEAR_LIMIT), "Read the datapoints that got worse."),
        (check(reason=Reason.NEAR_LIMIT), "`honeyhive compare --plan CANDIDATE BASELINE`"),
        (regressed("latency_ms", kind=Kind.LATENCY, **LOWER), "Look for what takes longer now."),
        (regressed("cost", kind=Kind.COST, **LOWER), "Look for what costs more now."),
        (regressed(**POINT), "`decide: point` takes every change for real"),
        (check("latency_ms.p95", Reason.TOO_FEW, n=12, **P95), "bound the `median`"),
        (check("latency_ms.p95", Reason.ABOVE_MAX, **P95), "that took longest. If the `max` asks too much"),
        (check("tone", Reason.ONE_CLUSTER), "let `cluster` name a key that tells more of them apart"),
        (must_pass(), "Take the tag `must-pass` off"),
        (must_pass(n=0), '`"tags": ["must-pass"]` on the datapoints that have to pass, or say `min: 1`'),
        (must_pass("errors", n=0, direction=Direction.LOWER), "or say `max: 0`"),
        (must_pass(passed=40, flaky=places("a")), "they may fail next time"),
        (replace(must_pass(n=0), reason=Reason.MISSING_METRIC), "names that the evaluators give"),
        (check(reason=Reason.NO_BASELINE), "`baseline: FILE`"),
        (check(reason=Reason.DATASET_CHANGED), "again with today's dataset"),
        (check(reason=Reason.NO_PAIRS), "again with today's dataset"),
        (check(reason=Reason.NOT_COMPARABLE), "again with today's evaluator"),
        (check(reason=Reason.NOT_COMPARABLE), "If a model grades, pin its version"),
        (check(reason=Reason.UNBOUNDED_ERRORS), "`range: [lo, hi]`"),
        (check(reason=Reason.MISSING_METRIC), "names that the evaluators give"),
        (check(reason=Reason.NO_DATA), "Read the errors"),
        (check(reason=Reason.ONE_PAIR), "a bound needs no pairs"),
        (check(reason=Reason.ZERO_BASELINE, kind=Kind.SCORE), "in the metric's own unit"),
        (check("cost", Reason.ZERO_BASELINE, kind=Kind.COST), "Set a `max` instead"),
        (check(reason=Reason.BELOW_MIN, rule=Rule.MIN), "If the `min` asks too much"),
        (errors(3), "Read the errors"),
    ],
)
def test_advice_names_the_way_out(found: Check, way_out: str) -> None:
    assert way_out in advice(found)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (low_power(), "No drop beyond the limit was seen, but with 50 datapoints one cannot be ruled out."),
        (low_power(n=1, limit=0.0), "No drop was seen, but with 1 datapoint one cannot be ruled out."),
        (
            check(reason=Reason.APPARENT_DROP, n=200),
            "It looks worse than allowed, but that may be luck: 200 datapoints cannot tell.",
        ),
        (
            check(reason=Reason.NEAR_LIMIT, n=900),
            "It probably got worse; whether by more than allowed, 900 datapoints cannot tell.",
        ),
        (low_power(**STRICT), "These datapoints prove neither that it got worse than allowed nor that it held."),
        (must_pass(n=0), ""),
        (regressed(), ""),
    ],
)
def test_what_the_numbers_mean_comes_before_what_to_do(found: Check, said: str) -> None:
    assert meaning(found) == said
    assert advice(found) == f"{said} {way_out(found)}".strip()


OPEN = [reason for reason in Reason if check(reason=reason).status is not Status.PASSED]


@pytest.mark.parametrize("reason", OPEN)
def test_whatever_did_not_pass_has_a_way_out(reason: Reason) -> None:
    assert way_out(check(reason=reason))


@pytest.mark.parametrize("reason", [Reason.BELOW_MIN, Reason.NO_DATA, Reason.MISSING_METRIC])
def test_what_had_to_pass_and_did_not_has_a_way_out(reason: Reason) -> None:
    assert way_out(replace(must_pass(), reason=reason))


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
        (
            [check("latency_ms.p95", Reason.TOO_FEW, n=12, **P95)],
            "latency_ms.p95 needs at least 20 datapoints, there are 12",
        ),
        (
            [check("latency_ms.p95", Reason.ABOVE_MAX, **(P95 | {"candidate": 2_400.0}))],
            "latency_ms.p95 is 2.4 s, above the 2 s allowed",
        ),
        (
            [check("tone", Reason.ONE_CLUSTER)],
            "nothing tells whether tone fell: its datapoints belong to one cluster",
        ),
        ([errors(), must_pass()], "2 of 40 must-pass datapoints did not pass correct"),
        ([must_pass(passed=0, n=1)], "the only must-pass datapoint did not pass correct"),
        ([errors(), must_pass(passed=40)], "40 of 40 must-pass datapoints passed correct"),
        (
            [must_pass(passed=40, flaky=places("a"))],
            "40 of 40 must-pass datapoints passed correct, 1 only when tried again (flaky)",
        ),
        ([must_pass("errors")], "2 of 40 must-pass datapoints went wrong"),
        ([must_pass("errors", passed=1, n=1)], "the only must-pass datapoint passed"),
        ([must_pass(n=0)], "no datapoint is tagged must-pass"),
        ([replace(must_pass(n=0), reason=Reason.MISSING_METRIC)], "correct is missing: no datapoint has it"),
        (
            [check(reason=Reason.APPARENT_DROP, baseline=0.71, candidate=0.685, estimate=-0.025, **STRICT)],
            "correct could not be shown to hold: it fell 2.5 points, 71.0 % → 68.5 %",
        ),
        (
            [low_power(**STRICT)],
            "reward could not be shown to hold: too few datapoints to rule out a drop of more than 5 points",
        ),
        (
            [low_power(limit=0.0, **STRICT)],
            "reward could not be shown to hold: too few datapoints to rule out a drop",
        ),
        ([check("tone", Reason.ONE_PAIR, **STRICT)], "tone could not be shown to hold: too few datapoints to compare"),
        ([errors(3, baseline=None, n=7, candidate=0.5)], "50.0 % of the attempts went wrong, 0 % allowed"),
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


# --- what the dataset can show ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (low_power(), "drops of 23.5 pts or more, four times of five. To see 5 pts: about 650 datapoints."),
        (
            check("latency_ms", kind=Kind.LATENCY, limit=0.1, smallest_detectable=0.157, needed=312, **LOWER),
            "rises of 15.7 % or more, four times of five. To see 10 %: about 310 datapoints.",
        ),
        (
            check("cost", kind=Kind.COST, limit=0.1, smallest_detectable=1.5, needed=None, **LOWER),
            "rises of 150 % or more, four times of five.",
        ),
        (
            check("cost", kind=Kind.COST, limit=0.1, smallest_detectable=0.1004, needed=101, **LOWER),
            "rises of 10.04 % or more, four times of five. To see 10 %: about 100 datapoints.",
        ),
    ],
)
def test_what_the_pairs_can_show_is_in_the_unit_of_the_margin(found: Check, said: str) -> None:
    assert power(found) == said


def test_a_rate_is_shown_with_what_it_may_be_elsewhere() -> None:
    found = check(reason=Reason.BELOW_MIN, rule=Rule.MIN, limit=0.7, candidate=0.62, n=200)
    said = "62.0 % of these 200 datapoints; of all such datapoints probably between 56.2 % and 67.5 %."
    assert spread(found, 0.5624, 0.6745) == said
    assert spread(replace(found, n=1), 0.2, 1.0).startswith("62.0 % of this 1 datapoint; ")
    assert spread(found, None, None) == ""


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
