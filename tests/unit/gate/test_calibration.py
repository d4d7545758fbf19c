"""What several runs of one system say of the thresholds: flips, false alarms, drops that are caught, suggestions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import evaluators, failed, run, scored
from builders_verdict import CRASH, scores
from honeyhive.errors import ConfigError, InputError
from honeyhive.gate.calibration.calibrate import CalibratedCheck, Calibration, calibrate, tally
from honeyhive.gate.calibration.rehearsal import Rehearsal
from honeyhive.gate.calibration.resampling import Pool
from honeyhive.gate.calibration.sensitivity import smallest_size
from honeyhive.gate.calibration.suggestion import suggest
from honeyhive.gate.checks import Rule, Status
from honeyhive.gate.comparison import compare
from honeyhive.gate.planning import smallest_detectable_rate_from_flips
from honeyhive.gate.statistics import paired_sign
from honeyhive.gate.thresholds import parse_thresholds, with_default_errors
from honeyhive.gate.verdict import Case, checked
from honeyhive.result import EvaluatorRef, RunResult, Score

QUICK = 300
"""Resamples where a rough answer is enough."""


def reruns(metric: str, count: int, of_run: Callable[[Random], Sequence[Any]], **header: Any) -> list[RunResult]:
    """So many runs, each with the scores that it draws by lots of its own."""
    return [
        scores(metric, of_run(Random(number)), **({"run_id": f"run-{number}"} | header))
        for number in range(1, count + 1)
    ]


def coins(n: int) -> Callable[[Random], Sequence[bool]]:
    return lambda random: [random.random() < 0.5 for _ in range(n)]


def passing(chances: Sequence[float]) -> Callable[[Random], Sequence[bool]]:
    """Each datapoint passes with a chance of its own."""
    return lambda random: [random.random() < chance for chance in chances]


def noisy(n: int, sd: float) -> Callable[[Random], Sequence[float]]:
    return lambda random: [at / n + random.gauss(0, sd) for at in range(n)]


def calibrated(runs: Sequence[RunResult], *, most: int = QUICK, seed: int = 0, **rules: Any) -> Calibration:
    return calibrate(runs, parse_thresholds(rules), seed=seed, most=most)


def check_of(found: Calibration, metric: str, rule: Rule = Rule.MAX_DROP) -> CalibratedCheck:
    (check,) = (check for check in found.checks if (check.metric, check.rule) == (metric, rule))
    return check


# --- what differs between the runs -----------------------------------------------------------------------------------


def test_identical_runs_flip_nothing_and_keep_their_thresholds() -> None:
    found = calibrated(reruns("correct", 3, lambda _: [True] * 30 + [False] * 10), correct={"max-drop": 0})
    (noise,) = found.noise
    assert (noise.flips, noise.lowest, noise.highest, noise.typical) == (0, 0, 0, 0)
    assert (found.pairs.failed, found.pairs.count) == (0, 6)
    assert (found.resampled.failed, found.resampled.count) == (0, QUICK)
    assert check_of(found, "correct").suggested == "0"
    assert found.suggested == {"correct": {"max-drop": "0"}}


def test_two_runs_flip_what_differs_between_them() -> None:
    runs = [scores("correct", [True] * 6 + [False] * 4), scores("correct", [True] * 9 + [False], run_id="run-2")]
    (noise,) = calibrated(runs, correct={"max-drop": 0}).noise
    assert (noise.flips, noise.lowest, noise.highest) == (0.3, 0.3, 0.3)
    assert noise.typical == pytest.approx(math.sqrt(0.3))


def test_a_coin_flips_half_of_the_time() -> None:
    (noise,) = calibrated(reruns("correct", 4, coins(400)), correct={"max-drop": 0}).noise
    assert noise.lowest <= noise.flips <= noise.highest
    assert noise.flips == pytest.approx(0.5, abs=0.04)


def test_scores_change_typically_by_the_root_of_the_mean_square() -> None:
    (noise,) = calibrated(reruns("quality", 3, noisy(200, 0.1)), quality={"max-drop": 0.05}).noise
    assert noise.flips == 1
    assert noise.typical == pytest.approx(0.1 * math.sqrt(2), rel=0.1)


def test_costs_change_typically_by_a_share_of_the_mean() -> None:
    runs = [
        scores("cost", [10.0, 20.0, 30.0]),
        scores("cost", [13.0, 20.0, 27.0], run_id="run-2"),
    ]
    (noise,) = calibrated(runs, cost={"max-increase": "10%"}).noise
    assert noise.flips == pytest.approx(2 / 3)
    assert noise.typical == pytest.approx(math.sqrt(6) / 20)


# --- the pairs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules",
    [
        {"correct": {"max-drop": 0.02, "min": 0.55}},
        {"correct": {"max-drop": 0, "decide": "point"}, "errors": {"max": 0.1}},
        {"correct": {"max-drop": "2%", "decide": "strict"}},
        {"correct": {"max-drop": 0, "cluster": "question"}},
        {"correct": {"max-drop": 0}, "latency_ms": {"max-increase": "10%", "max": "2s"}},
    ],
)
def test_every_ordered_pair_is_judged_as_the_gate_judges_it(rules: Any) -> None:
    given: list[Any] = [True] * 20 + [None, CRASH]
    runs = reruns("correct", 3, lambda random: [*coins(40)(random), *random.sample(given, k=10)])
    thresholds = with_default_errors(parse_thresholds(rules))
    rehearsal = Rehearsal(Pool(runs, thresholds), thresholds, seed=0)
    for (ours, theirs), found in rehearsal.pairs.items():
        comparison = compare(runs[ours], runs[theirs], [threshold.metric for threshold in thresholds])
        (expected,) = checked([Case(experiment="", comparison=comparison, thresholds=thresholds)])
        told = [(check.status, check.reason, check.estimate, check.p, check.p_adjusted, check.n) for check in expected]
        assert [(c.status, c.reason, c.estimate, c.p, c.p_adjusted, c.n) for c in found] == told
    assert len(rehearsal.pairs) == 6


def test_a_pair_that_fails_is_named() -> None:
    runs = [scores("correct", [True] * 40), scores("correct", [False] * 20 + [True] * 20, run_id="run-2")]
    found = calibrated(runs, correct={"max-drop": 0})
    assert found.failed_pairs == ((2, 1),)
    assert (found.pairs.failed, found.pairs.passed) == (1, 1)


def test_must_pass_is_judged_on_the_pairs_and_not_resampled() -> None:
    def tagged(passed: bool, run_id: str) -> RunResult:
        first = scored("EXT-0", {"tags": ("must-pass",)}, correct=passed)
        return run([first, *(scored(f"EXT-{at}", {"index": at}, correct=True) for at in range(1, 20))], run_id=run_id)

    found = calibrated([tagged(False, "run-1"), tagged(True, "run-2")], correct={"must-pass": True, "max-drop": 0})
    check = check_of(found, "correct", Rule.MUST_PASS)
    assert (check.pairs.failed, check.pairs.passed, check.resampled, check.suggested) == (1, 1, None, None)
    assert found.suggested["correct"]["must-pass"] is True
    assert found.resampled.share < 0.05


# --- false alarms ----------------------------------------------------------------------------------------------------


@cache
def simulated_false_alarms(n: int, flips: float, margin: float) -> float:
    """How often two runs fail that differ in so many datapoints by chance, seen in many such pairs."""
    random, trials, failures = Random("direct"), 20_000, 0
    judge = cache(paired_sign)
    for _ in range(trials):
        changed = binomial(random, n, flips)
        worse = binomial(random, changed, 0.5)
        test = judge(n, worse, changed - worse)
        failures += (test.p or 0) <= 0.05 and (test.estimate or 0) < -margin - 1e-9
    return failures / trials


def binomial(random: Random, n: int, p: float) -> int:
    return sum(random.random() < p for _ in range(n))


@pytest.mark.parametrize("margin", [0, 0.05])
def test_the_false_alarms_are_those_of_a_direct_simulation(margin: float) -> None:
    n, flips = 100, 0.2
    chance = 0.5 + math.sqrt(0.25 - flips / 2)  # each datapoint flips with a chance of 2p(1 − p)
    found = calibrated(reruns("correct", 6, passing([chance] * n)), most=2_000, correct={"max-drop": margin})
    direct = simulated_false_alarms(n, found.noise[0].flips, margin)
    assert found.resampled.share == pytest.approx(direct, abs=4 * found.resampled.error)
    assert found.noise[0].flips == pytest.approx(flips, abs=0.04)


def test_a_gate_on_any_drop_is_shown_for_what_it_is() -> None:
    found = calibrated(reruns("correct", 4, coins(200)), most=2_000, correct={"max-drop": 0, "decide": "point"})
    assert 0.4 < found.resampled.share < 0.5
    assert check_of(found, "correct").suggested not in (None, "0")
    assert found.reached.share <= 0.01


def test_a_run_that_is_worse_than_another_by_more_than_chance_is_told() -> None:
    runs = [
        scores("correct", [True] * (20 * number) + [False] * (100 - 20 * number), run_id=f"run-{number}")
        for number in range(5)
    ]
    found = calibrated(runs, correct={"max-drop": 0})
    assert found.pairs.failed == 10
    assert any(warning.startswith("run 1 is worse than run 5 by more than chance") for warning in found.warnings)
    assert not any(warning.startswith("run 5 is worse") for warning in found.warnings)


def test_the_same_seed_gives_the_same_answer_and_another_one_another() -> None:
    runs = reruns("correct", 3, coins(60))
    first, again, other = (calibrated(runs, seed=seed, correct={"max-drop": 0}) for seed in (1, 1, 2))
    assert first == again
    assert first.resampled != other.resampled


def test_the_datapoints_of_a_cluster_stay_together() -> None:
    """Ten datapoints a conversation that flip together: drawn one by one they would seem far more than they are."""

    def of_run(number: int) -> RunResult:
        random = Random(number)
        moods = [random.random() < 0.5 for _ in range(20)]
        return run(
            [
                scored(f"EXT-{at:03}", {"index": at, "metadata": {"talk": at // 10}}, correct=moods[at // 10])
                for at in range(200)
            ],
            run_id=f"run-{number}",
        )

    rules = {"max-drop": 0, "decide": "point"}
    runs = [of_run(number) for number in range(4)]
    alone = check_of(calibrated(runs, correct=rules), "correct").suggested
    together = check_of(calibrated(runs, correct=rules | {"cluster": "talk"}), "correct").suggested
    assert alone is not None
    assert together is not None
    assert float(together) > 1.8 * float(alone)


# --- the smallest drop that is caught --------------------------------------------------------------------------------


@pytest.mark.parametrize("chance", [0.8, 0.95])
def test_the_caught_drop_of_a_rate_agrees_with_the_formula(chance: float) -> None:
    n = 200
    found = calibrated(reruns("correct", 5, passing([chance] * n)), most=400, correct={"max-drop": 0})
    formula = smallest_detectable_rate_from_flips(n, found.noise[0].flips)
    assert check_of(found, "correct").caught == pytest.approx(formula, rel=0.2)


def test_the_caught_drop_of_a_score_agrees_with_the_formula() -> None:
    found = calibrated(reruns("quality", 4, noisy(100, 0.1)), most=400, quality={"max-drop": 0})
    formula = 2.4865 * found.noise[0].typical / math.sqrt(100)
    assert check_of(found, "quality").caught == pytest.approx(formula, rel=0.15)


def test_the_caught_rise_of_a_cost_is_a_share_of_it() -> None:
    runs = reruns("cost", 4, lambda random: [random.lognormvariate(0, 0.3) for _ in range(100)])
    found = calibrated(runs, most=400, cost={"max-increase": "5%"})
    check = check_of(found, "cost", Rule.MAX_INCREASE)
    assert check.caught is not None
    assert 0.06 < check.caught < 0.2
    assert check.suggested is not None
    assert check.suggested.endswith("%")


def test_a_larger_margin_catches_less() -> None:
    runs = reruns("correct", 4, passing([0.9] * 150))
    sizes = [check_of(calibrated(runs, correct={"max-drop": margin}), "correct").caught for margin in (0, 0.1, 0.3)]
    assert None not in sizes
    assert sizes == sorted(sizes, key=lambda size: size or 0)
    assert sizes[2] is not None
    assert sizes[2] > 0.3


def test_where_lower_is_better_a_rise_is_caught() -> None:
    found = calibrated(reruns("toxic", 4, passing([0.1] * 150)), toxic={"max-increase": 0, "direction": "lower"})
    check = check_of(found, "toxic", Rule.MAX_INCREASE)
    assert check.caught == pytest.approx(smallest_detectable_rate_from_flips(150, found.noise[0].flips), rel=0.25)


def test_scores_without_noise_show_any_drop() -> None:
    found = calibrated(reruns("quality", 2, lambda _: [0.5] * 20), quality={"max-drop": 0})
    assert check_of(found, "quality").caught == 0


def test_a_drop_that_cannot_be_seen_has_a_reason() -> None:
    check = check_of(calibrated(reruns("correct", 2, lambda _: [True] * 3), correct={"max-drop": 0}), "correct")
    assert (check.caught, check.why) == (None, "too few datapoints to see any drop")


def test_a_score_in_a_range_falls_no_further_than_the_range_goes() -> None:
    runs = reruns("quality", 3, lambda random: [random.choice([0.0, 0.1]) for _ in range(60)])
    rules = {"max-drop": 0, "range": [0, 1]}
    caught = check_of(calibrated(runs, quality=rules), "quality").caught
    assert caught is not None
    assert 0.01 < caught < 0.05


@given(st.lists(st.floats(0, 120), min_size=1, max_size=60), st.integers(0, 9))
@example([50.0] * 10 + [1.0] * 90, 0)
@example([1.0] * 10 + [50.0] * 90, 0)
def test_the_smallest_size_is_the_one_at_which_four_of_five_fail(limits: list[float], shift: int) -> None:
    limits = [limit * 10**-shift for limit in limits]
    found = smallest_size(limits, lambda limit, size: size >= limit, largest=100.0)
    expected = sorted(limits)[math.ceil(0.8 * len(limits)) - 1]
    if expected > 100:
        assert found is None
    elif expected < 1e-4:
        assert found is not None
        assert found < 2e-4
    else:
        assert found is not None
        assert expected <= found <= expected / 0.98


# --- suggested thresholds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules",
    [
        {"correct": {"max-drop": 0}},
        {"correct": {"max-drop": "1%"}},
        {"correct": {"max-drop": 0.02, "decide": "strict"}},
        {"correct": {"max-drop": 0, "decide": "point", "min": 0.5}, "errors": {"max": 0}},
        {"correct": {"max": 0.5}},
        {"correct.total": {"min": 50}, "correct": {"max-increase": 0, "direction": "lower"}},
    ],
)
def test_suggested_thresholds_are_thresholds_and_seldom_fail(rules: Any) -> None:
    runs = reruns("correct", 4, coins(100))
    found = calibrated(runs, most=1_000, **rules)
    assert found.resampled.share > 0.01
    assert found.reached.failed <= 10
    again = calibrate(runs, parse_thresholds(found.suggested), most=1_000)
    assert again.resampled == found.reached
    assert again.suggested == found.suggested


def test_a_threshold_that_holds_already_is_kept() -> None:
    found = calibrated(reruns("correct", 3, coins(50)), correct={"max-drop": 0.5}, latency_ms={"max": "5s"})
    assert found.suggested == {"correct": {"max-drop": "0.5"}, "latency_ms": {"max": 5000.0}}
    assert found.reached == found.resampled


def test_a_bound_is_rounded_away_from_failing() -> None:
    runs = reruns("quality", 3, lambda random: [random.gauss(0.5, 0.2) for _ in range(50)])
    found = calibrated(runs, quality={"min": 0.5})
    suggested = check_of(found, "quality", Rule.MIN).suggested
    assert suggested is not None
    assert 0.35 < float(suggested) < 0.5
    assert len(suggested.removeprefix("0.")) <= 3


def test_a_bound_that_cannot_be_asked_now_and_then_is_found_from_the_others() -> None:
    runs = reruns("quality", 3, lambda random: [*(random.gauss(0.5, 0.1) for _ in range(30)), CRASH])
    found = calibrated(runs, quality={"min": 0.5}, errors={"max": 1})
    check = check_of(found, "quality", Rule.MIN)
    assert check.resampled is not None
    assert check.resampled.undecided > 0
    assert check.suggested is not None
    assert 0.4 < float(check.suggested) < 0.5
    nothing = calibrated(reruns("correct", 2, lambda _: [False] * 5), correct={"min": 0.2})
    assert check_of(nothing, "correct", Rule.MIN).suggested == "0"


def test_jobs_that_always_fail_have_no_suggestion() -> None:
    runs = reruns("quality", 2, lambda random: [random.random()])
    found = calibrated(runs, quality={"max-drop": 0, "decide": "strict"})
    assert found.resampled.failed == QUICK
    assert check_of(found, "quality").suggested is None
    assert found.suggested == {"quality": {"max-drop": "0", "decide": "strict"}}


def test_without_resamples_that_fail_nothing_is_suggested() -> None:
    thresholds = parse_thresholds({"correct": {"max-drop": 0}})
    assert suggest(thresholds, []).thresholds == thresholds


def test_without_thresholds_no_metric_may_get_worse() -> None:
    runs = [
        run(
            [scored(f"EXT-{at}", {"index": at}, correct=True, cost=1.5, **{"a.p95": 1.0}) for at in range(10)],
            run_id=f"run-{number}",
        )
        for number in range(2)
    ]
    found = calibrated(runs)
    assert found.assumed
    assert found.suggested == {"correct": {"max-drop": "0"}, "cost": {"max-increase": "0%"}}


# --- runs that cannot be held against each other ---------------------------------------------------------------------


def two(**header: Any) -> list[RunResult]:
    return [scores("correct", [True] * 5), scores("correct", [True] * 5, **({"run_id": "run-2"} | header))]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "no run"),
        (two()[:1], "one run"),
        (
            [*two(), run({"EXT-0000": {"correct": True}}, run_id="run-3", evaluators=())],
            "they have 5, 5, 1 datapoints, and share 1",
        ),
        ([run([], run_id="run-1"), run([], run_id="run-2")], "share 0"),
    ],
)
def test_runs_that_tell_nothing_are_refused(runs: list[RunResult], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        calibrated(runs, correct={"max-drop": 0})
    assert refused.value.exit_code == 2
    assert refused.value.hint


def test_runs_of_other_evaluators_are_refused() -> None:
    other = (EvaluatorRef(name="correct", fingerprint="another"),)
    runs = [
        scores("correct", [True], run_id=f"run-{at}", evaluators=found)
        for at, found in enumerate([(EvaluatorRef(name="correct", fingerprint=""),), evaluators("correct"), other])
    ]
    with pytest.raises(InputError, match=r"correct.* is not the same in runs 2 and 3"):
        calibrated(runs, correct={"max-drop": 0})


def test_datapoints_that_were_edited_are_left_out() -> None:
    runs = reruns("correct", 2, coins(20))
    edited = [scored(o.datapoint_id, {"index": o.index, "inputs": "edited"}, correct=True) for o in runs[1].outcomes]
    mixed = [*list(runs[1].outcomes)[:17], *edited[17:]]
    found = calibrated([runs[0], run(mixed, run_id="run-2", evaluators=())], correct={"max-drop": 0})
    assert (found.datapoints, found.left_out) == (17, 3)


def test_a_threshold_on_a_metric_of_no_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="none of the runs has the metric") as refused:
        calibrated(two(), corect={"max-drop": 0})
    assert "did you mean correct?" in refused.value.hint


def test_a_metric_that_one_run_lacks_is_judged_on_the_pairs_alone() -> None:
    runs = [*two(), scores("other", [True] * 5, run_id="run-3")]
    found = calibrated(runs, correct={"max-drop": 0})
    check = check_of(found, "correct")
    assert (check.pairs.failed, check.pairs.undecided, check.resampled, check.caught) == (2, 2, None, None)
    assert "run 3 has no score of it" in found.warnings[0]
    assert found.suggested == {"correct": {"max-drop": "0"}}


def test_what_else_differs_between_the_runs_is_told() -> None:
    told = calibrated(two(git={"commit_hash": "b"}, name="other", repeats=3), correct={"max-drop": 0}).warnings
    assert [one.partition(":")[0] for one in told] == [
        "the runs have different name",
        "the runs have different repeats",
    ]
    runs = [scores("correct", [True] * 5, run_id=commit, git={"commit_hash": commit}) for commit in "ab"]
    assert calibrated(runs, correct={"max-drop": 0}).warnings[0].startswith("the runs are not of the same commit")


def test_several_kinds_of_clusters_are_told() -> None:
    def of_run(run_id: str) -> RunResult:
        fields = [{"index": at, "metadata": {"talk": at // 4, "user": at // 2}} for at in range(12)]
        return run([scored(f"EXT-{at}", fields[at], a=at % 3, b=at % 2) for at in range(12)], run_id=run_id)

    rules: Any = {"a": {"max-drop": 0, "cluster": "user"}, "b": {"max-drop": 0, "cluster": "talk"}}
    pool = Pool([of_run("run-1"), of_run("run-2")], parse_thresholds(rules))
    drawn = pool.draw(Random(0))
    assert [at % 12 // 4 for at in drawn.candidate[::4]] == [at % 12 // 4 for at in drawn.candidate[3::4]]
    found = calibrated([of_run("run-1"), of_run("run-2")], **rules)
    assert found.warnings == (
        "metrics have different clusters (user, talk): what is drawn together are those of the fewest",
    )


def test_a_total_that_some_datapoints_do_not_tell_is_undecided_as_the_gate_has_it() -> None:
    def told(run_id: str, *, silent: bool) -> RunResult:
        costs = [{} if silent and at == 0 else {"cost": 1.0} for at in range(20)]
        return run([scored(f"EXT-{at}", {"index": at}, **cost) for at, cost in enumerate(costs)], run_id=run_id)

    rules: Any = {"cost.total": {"max": 90}}
    whole = check_of(calibrated([told("1", silent=False), told("2", silent=False)], **rules), "cost.total", Rule.MAX)
    assert (whole.pairs.passed, whole.pairs.undecided) == (2, 0)
    partly = check_of(calibrated([told("1", silent=False), told("2", silent=True)], **rules), "cost.total", Rule.MAX)
    assert (partly.pairs.passed, partly.pairs.undecided) == (1, 1)


def test_errors_without_a_range_leave_the_check_undecided() -> None:
    runs = reruns("quality", 2, lambda random: [0.5, 0.6, 0.7, CRASH, random.random()])
    found = calibrated(runs, quality={"max-drop": 0}, errors={"max": 1})
    check = check_of(found, "quality")
    assert check.pairs.undecided == 2
    assert check.resampled is not None
    assert check.resampled.failed == 0


# --- whatever the numbers are ----------------------------------------------------------------------------------------

NUMBERS = st.sampled_from([0.0, 1.0, 0.5, -1.0, 1e-300, 5e-324, 1e308, -1e308, True, False, None])
RULES = st.sampled_from(
    [
        {"m": {"max-drop": 0}},
        {"m": {"max-drop": "2%", "min": 0}},
        {"m": {"max-increase": 0, "decide": "strict", "kind": "score"}},
        {"m": {"max-drop": 0, "decide": "point", "kind": "score", "range": [0, 1]}},
        {"m": {"max-increase": "10%", "kind": "cost"}, "m.total": {"max": 5}},
        {"m": {"max-increase": "10%", "kind": "latency"}, "m.p95": {"max": 1}},
        {"m": {"max-drop": 0, "kind": "score", "cluster": "question"}},
        {},
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(NUMBERS, min_size=n, max_size=n), min_size=2, max_size=3)),
    RULES,
)
@example([[1e308], [-1e308]], {"m": {"max-drop": 0}})
@example([[None, 1.0], [0.0, None]], {"m": {"max-drop": 0, "kind": "score"}})
@example([[None], [0.0]], {"m": {"max-drop": 0, "kind": "score"}})
def test_whatever_the_numbers_there_is_an_answer(of_runs: list[list[Score]], rules: dict[str, Any]) -> None:
    runs = [scores("m", given, run_id=f"run-{number}") for number, given in enumerate(of_runs)]
    try:
        found = calibrated(runs, most=20, **rules)
    except InputError:  # a rate has other bounds, no run has the metric: refused in words
        return
    json.dumps(asdict(found), allow_nan=False)
    parse_thresholds(found.suggested)
    assert found.resampled.count == 20
    assert found.reached.count == 20


def test_a_function_that_always_breaks_is_no_metric() -> None:
    runs = [run([failed(f"EXT-{at}", {"index": at}) for at in range(5)], run_id=f"run-{n}") for n in range(2)]
    found = calibrated(runs, errors={"max": 0.5})
    assert check_of(found, "errors", Rule.MAX).suggested == "1"
    assert found.reached.failed == 0


def test_a_tally_counts_and_is_never_certain() -> None:
    found = tally([Status.FAILED, Status.PASSED, Status.PASSED, Status.UNDECIDED])
    assert (found.failed, found.passed, found.undecided, found.share, found.count) == (1, 2, 1, 0.25, 4)
    assert tally([Status.PASSED] * 10).error > 0
    assert tally([]).share == 0
