from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders import evaluators, run, scored
from builders_verdict import CRASH, FAULT, only_check, outcomes, pass_fail, scores
from honeyhive.gate.chance import USUAL_FLIPS, Flips, Source, Spread, scores_by_datapoint
from honeyhive.gate.checks import Reason
from honeyhive.gate.comparison import compare
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.plan import Plan, Unit, plan
from honeyhive.gate.planning import needed_for_rate
from honeyhive.gate.statistics import paired_sign, paired_t
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.result import Outcome, RunResult

RANGE = {"quality": {"max-drop": 0.02, "range": [0, 1]}}
WORKED = [0.31, 0.55, 0.48, 0.92, 0.17, 0.66, 0.74, 0.29]
OTHERS = [0.35, 0.48, 0.51, 0.93, 0.30, 0.60, 0.71, 0.40]

shares = st.floats(1e-6, 1)
spreads = st.floats(1e-6, 1e6)
counts = st.integers(1, 100_000)
repeats = st.integers(1, 100)


def planned(candidate: RunResult, baseline: RunResult | None = None, rules: Mapping[str, Any] | None = None) -> Plan:
    """The plan of the first metric."""
    return plans(candidate, baseline, rules)[0]


def plans(candidate: RunResult, baseline: RunResult | None, rules: Mapping[str, Any] | None) -> tuple[Plan, ...]:
    return plan(candidate, baseline, [threshold.metric for threshold in parse_thresholds(rules or {})])


def timed(durations: Iterable[float], **fields: Any) -> RunResult:
    return run(
        [scored(f"EXT-{at}", {"duration_ms": time, **fields}) for at, time in enumerate(durations)], evaluators=()
    )


def in_groups(values: Sequence[float], size: int) -> RunResult:
    found = [
        scored(f"EXT-{at}", {"index": at, "metadata": {"group": at // size}}, quality=value)
        for at, value in enumerate(values)
    ]
    return run(found, evaluators=())


def drops(found: Plan) -> list[float]:
    return [row.drop for row in found.rows]


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


# --- the model -------------------------------------------------------------------------------------------------------


@given(noise=st.builds(Flips, shares) | st.builds(Spread, spreads, logarithmic=st.booleans()), n=counts, k=repeats)
def test_what_a_plan_shows_takes_what_it_says(noise: Flips | Spread, n: int, k: int) -> None:
    drop = noise.smallest_drop(n, k)
    assume(drop is not None and 1e-9 < drop < 1e300)
    assert drop is not None
    assert noise.datapoints(drop, k) in (n, n + 1)
    found = noise.repeats(drop, n)
    assert found is None or noise.datapoints(drop * (1 + 1e-9), found) in range(n + 2)
    assert noise.repeats(drop * (1 + 1e-6), n) in range(1, k + 1)


@given(
    noise=st.builds(Flips, shares) | st.builds(Spread, spreads, logarithmic=st.booleans()),
    drop=st.floats(1e-4, 0.5),
    n=counts,
    k=repeats,
)
def test_less_to_see_takes_more_and_more_repeats_take_no_more(
    noise: Flips | Spread, drop: float, n: int, k: int
) -> None:
    few, many = noise.datapoints(2 * drop, k), noise.datapoints(drop, k)
    assert many is None or (few is not None and few <= many)
    steadier = noise.datapoints(drop, k + 1)
    assert many is None or (steadier is not None and steadier <= many)
    easily, hardly = noise.repeats(2 * drop, n), noise.repeats(drop, n)
    assert hardly is None or (easily is not None and easily <= hardly)
    with_more = noise.repeats(drop, n + 1)
    assert hardly is None or (with_more is not None and with_more <= hardly)


@pytest.mark.parametrize(("flips", "drop"), [(0.08, 0.05), (0.3, 0.1)])
def test_the_planned_datapoints_show_the_drop_four_times_of_five(flips: float, drop: float) -> None:
    n, random = needed_for_rate(drop, flips), Random(3)
    assert n is not None
    seen = 0
    for _ in range(1_500):
        rolls = [random.random() for _ in range(n)]
        worse = sum(1 for roll in rolls if roll < flips / 2 + drop)
        better = sum(1 for roll in rolls if roll > 1 - flips / 2)
        p = paired_sign(n, worse, better).p
        seen += p is not None and p <= 0.05
    assert seen / 1_500 == pytest.approx(0.8, abs=0.05)


def test_the_planned_repeats_show_a_drop_that_falls_on_some_datapoints_whole() -> None:
    flips, drop, n, random = 0.3, 0.1, 124, Random(4)
    k = Flips(flips).repeats(drop, n)
    assert k == 3

    def delta() -> float:
        """Of a datapoint that falls from pass to fail, that is a coin, or that never changes."""
        roll = random.random()
        if roll < drop or roll > drop + 2 * flips:
            return -float(roll < drop)
        return sum(random.choice((-1, 0, 0, 1)) for _ in range(k)) / k

    tests = [paired_t([delta() for _ in range(n)]) for _ in range(1_000)]
    seen = sum(1 for test in tests if test.p is not None and test.p <= 0.05)
    assert seen / 1_000 == pytest.approx(0.8, abs=0.05)


# --- from two runs ---------------------------------------------------------------------------------------------------


def test_pass_fail_pairs_are_planned_as_the_checks_plan_them() -> None:
    candidate, baseline = pass_fail(50, worse=7, better=5)
    found, check = planned(candidate, baseline), only_check(candidate, baseline, correct={"max-drop": 0.05})
    assert (found.source, found.n, found.repeats, found.sd) == (Source.BASELINE, 50, 1, None)
    assert found.flips == 11 / 52
    assert found.smallest_detectable == check.smallest_detectable
    assert drops(found) == [0.01, 0.02, 0.05, 0.1]
    assert found.rows[2].datapoints == check.needed == 647
    assert [row.repeats for row in found.rows] == [None] * 4, "50 datapoints are too few, however steady"


@pytest.mark.parametrize(
    ("name", "candidate", "baseline", "rules"),
    [
        ("quality", scores("quality", WORKED), scores("quality", OTHERS), {"max-drop": 0.02}),
        ("latency_ms", timed([x * 900 for x in WORKED]), timed([x * 1000 for x in OTHERS]), {"max-increase": "2%"}),
        ("cost", scores("cost", WORKED), scores("cost", OTHERS), {"max-increase": "2%"}),
        ("quality", in_groups(WORKED, 2), in_groups(OTHERS, 2), {"max-drop": 0.02, "cluster": "group"}),
    ],
    ids=["score", "latency", "cost", "clusters"],
)
def test_the_pairs_are_planned_as_the_checks_plan_them(
    name: str, candidate: RunResult, baseline: RunResult, rules: Mapping[str, Any]
) -> None:
    found, check = planned(candidate, baseline, {name: rules}), only_check(candidate, baseline, **{name: rules})
    assert (found.source, found.n) == (Source.BASELINE, len(WORKED))
    assert found.smallest_detectable == close(check.smallest_detectable or math.nan)
    if found.unit is Unit.RATIO:
        assert found.rows[1].datapoints == check.needed


def test_of_pairs_with_repeats_their_number_is_taken_out() -> None:
    twice = [[value, value] for value in WORKED]
    candidate, baseline = scores("quality", twice, repeats=2), scores("quality", OTHERS)
    sd = statistics.stdev(x - y for x, y in zip(WORKED, OTHERS, strict=True))
    assert planned(candidate, baseline).sd == close(sd * math.sqrt(4 / 3))
    both = planned(candidate, dataclasses.replace(candidate, outcomes=baseline.outcomes))
    assert both.sd == close(sd * math.sqrt(2))
    assert both.repeats == 2


def test_a_rate_with_repeats_flips_as_much_as_its_deltas_vary() -> None:
    ours, theirs = [[True, False], [True, True], [False, False]] * 5, [[True, True], [True, False], [False, False]] * 5
    found = planned(scores("correct", ours, repeats=2), scores("correct", theirs, repeats=2))
    assert found.flips == close(2 * statistics.variance([-0.5, 0.5, 0.0] * 5))
    assert found.sd is None
    same = planned(scores("correct", ours, repeats=2), scores("correct", ours, repeats=2))
    assert same.flips == 1 / 17, "what no flip of 15 leaves possible"


def test_two_runs_that_do_not_differ_show_every_drop_that_five_datapoints_can_show() -> None:
    found = planned(scores("quality", WORKED), scores("quality", WORKED))
    assert (found.sd, found.smallest_detectable) == (0.0, None)
    assert {(row.datapoints, row.repeats) for row in found.rows} == {(5, 1)}
    few = planned(scores("quality", WORKED[:4]), scores("quality", WORKED[:4]))
    assert {(row.datapoints, row.repeats) for row in few.rows} == {(5, None)}


@pytest.mark.parametrize(
    ("metric", "candidate", "baseline", "aside"),
    [
        ("quality", scores("quality", WORKED), scores("other", WORKED), Reason.NO_BASELINE),
        (
            "quality",
            scores("quality", WORKED, evaluators=evaluators("quality")),
            scores("quality", WORKED, evaluators=[dataclasses.replace(evaluators("quality")[0], fingerprint="new")]),
            Reason.NOT_COMPARABLE,
        ),
        (
            "quality",
            scores("quality", WORKED),
            run(outcomes("quality", WORKED, first=8), evaluators=()),
            Reason.NO_PAIRS,
        ),
        ("quality", scores("quality", WORKED), scores("quality", WORKED[:1]), Reason.ONE_PAIR),
        ("quality", in_groups(WORKED, 8), in_groups(OTHERS, 8), Reason.ONE_CLUSTER),
        ("cost", scores("cost", WORKED), scores("cost", [0.0] * 8), Reason.ZERO_BASELINE),
        ("latency_ms", timed(WORKED), timed([0.0] * 8), Reason.ONE_PAIR),
    ],
)
def test_a_baseline_that_tells_nothing_is_left_aside(
    metric: str, candidate: RunResult, baseline: RunResult, aside: Reason
) -> None:
    margin = {"max-drop": 0.02} if metric == "quality" else {"max-increase": "10%"}
    grouped = {"cluster": "group"} if aside is Reason.ONE_CLUSTER else {}
    found = planned(candidate, baseline, {metric: {**margin, **grouped}})
    assert (found.aside, found.source, found.n) == (aside, Source.ASSUMED, 8)
    assert found == dataclasses.replace(
        planned(candidate, None, {metric: {**margin, **grouped}}), aside=aside, rows=found.rows
    )


# --- from repeats ----------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=30))
def test_flips_within_a_run_are_the_chance_that_two_repeats_differ(given: list[list[bool]]) -> None:
    found = planned(scores("correct", given, repeats=4))
    differ = [2 * sum(of_one) * (4 - sum(of_one)) / (4 * 3) for of_one in given]
    assert found.source is Source.REPEATS
    assert found.flips == pytest.approx(max(statistics.fmean(differ), 1 / (len(given) + 2)))
    assert (found.n, found.repeats) == (len(given), 4)


def test_scores_within_a_run_vary_twice_as_much_as_within_their_datapoint() -> None:
    rounds = [[0.1, 0.3, 0.2], [0.8, 0.9, 0.9], [0.5, 0.4, 0.1]]
    within = statistics.fmean(map(statistics.variance, rounds))
    assert planned(scores("quality", rounds, repeats=3)).sd == close(math.sqrt(2 * within))
    center = statistics.fmean(map(statistics.fmean, rounds))
    assert planned(scores("cost", rounds, repeats=3)).sd == close(math.sqrt(2 * within) / center)


def test_latency_within_a_run_varies_in_logarithms() -> None:
    rounds = {"EXT-a": [100.0, 120.0], "EXT-b": [900.0, 700.0], "EXT-c": [0.0, 5.0]}
    found = [
        scored(key, {"repeat": at, "duration_ms": time})
        for key, times in rounds.items()
        for at, time in enumerate(times)
    ]
    within = statistics.fmean(statistics.variance(map(math.log, rounds[key])) for key in ("EXT-a", "EXT-b"))
    planned_latency = planned(run(found, repeats=2, evaluators=()))
    assert planned_latency.metric == "latency_ms"
    assert planned_latency.sd == close(math.sqrt(2 * within))
    assert (planned_latency.unit, planned_latency.direction) == (Unit.RATIO, Direction.LOWER)


def test_an_error_is_the_worst_score_of_its_repeat() -> None:
    broken = scores("correct", [[True, CRASH], [True, FAULT], [True, True]], repeats=2)
    assert planned(broken).flips == close(2 / 3)
    errors = planned(broken, None, {"errors": {"max-increase": 0.02}})
    assert (errors.metric, errors.flips) == ("errors", close(2 / 3))
    unbounded = scores("quality", [[0.5, CRASH], [0.25, 0.75], [1.0, None]], repeats=2)
    assert planned(unbounded).sd == close(math.sqrt(2 * statistics.variance([0.25, 0.75])))


@given(st.sampled_from([True, False, 0.25, 3, None, CRASH, FAULT]))
def test_a_repeat_counts_as_what_its_datapoint_would_without_others(given: Any) -> None:
    metric = parse_thresholds({"q": {"max-drop": 0.02, "range": [0, 1], "kind": "score"}})[0].metric
    beside = outcomes("q", [1.0], first=1)  # or nobody would have measured it
    found = compare(run([*outcomes("q", [given]), *beside], evaluators=()), None, [metric]).metrics["q"].candidate
    alone = scores_by_datapoint(run(outcomes("q", [given])), [metric])["q"]
    assert [*alone.get("EXT-0000", ()), 1.0] == list(found.scores)


def test_labels_flip_when_they_become_right_or_wrong() -> None:
    found = [
        scored("EXT-a", {"repeat": at, "ground_truth": 1, "content_hash": "a"}, label=label)
        for at, label in enumerate([1, 2])
    ]
    assert planned(run(found, repeats=2), None, {"label": {"kind": "label", "max-drop": 0.02}}).flips == close(1)


def test_repeats_with_one_score_each_tell_nothing() -> None:
    found = planned(scores("quality", [[0.5, None], [0.75, None]], repeats=2))
    assert (found.source, found.repeats) == (Source.ASSUMED, 2)
    assert found.sd == close(math.sqrt(2 * 2) * statistics.stdev([0.5, 0.75]))


# --- from nothing ----------------------------------------------------------------------------------------------------


def test_the_flips_of_a_single_run_are_assumed_to_be_the_usual_ones() -> None:
    found = planned(scores("correct", [True] * 150 + [False] * 50))
    assert (found.source, found.flips, found.n) == (Source.ASSUMED, USUAL_FLIPS, 200)
    assert [row.datapoints for row in found.rows] == [needed_for_rate(drop, USUAL_FLIPS) for drop in drops(found)]


def test_a_single_run_varies_at_most_as_its_scores_lie_apart() -> None:
    found = planned(scores("quality", WORKED))
    assert (found.source, found.sd) == (Source.ASSUMED, close(math.sqrt(2) * statistics.stdev(WORKED)))


def test_drops_are_shares_of_the_range_or_of_the_mean() -> None:
    candidate, baseline = scores("quality", WORKED), scores("quality", OTHERS)
    of_range = {"quality": {"min": 1, "range": [-5, 5]}}
    assert planned(candidate, None, of_range).unit is Unit.RANGE
    assert drops(planned(candidate, None, of_range)) == close_all([0.1, 0.2, 0.5, 1.0])
    assert planned(candidate).unit is Unit.MEAN
    assert drops(planned(candidate))[3] == close(statistics.fmean(WORKED) / 10)
    assert drops(planned(candidate, baseline))[3] == close(statistics.fmean(OTHERS) / 10)
    assert drops(planned(scores("quality", [-4.0, -2.0])))[3] == close(0.3)


def close_all(values: Sequence[float]) -> object:
    return pytest.approx(values, rel=1e-9)


@pytest.mark.parametrize("of", [["q", True], ["q"], []], ids=["rate", "score", "nothing"])
def test_metrics_that_nobody_measured_have_no_plan(of: list[Any]) -> None:
    given = scores("q", [CRASH, FAULT]) if of else run()
    found = planned(given, None, {"q": {"max-drop": 0.02, **({"kind": "rate"} if len(of) > 1 else {})}})
    assert (found.metric, found.source, found.rows, found.smallest_detectable) == ("q", None, (), None)


def test_scores_that_are_all_the_same_tell_nothing_of_chance() -> None:
    found = planned(scores("quality", [0.7] * 50), None, RANGE)
    assert (found.source, found.n, found.rows) == (None, 50, ())


def test_one_datapoint_shows_nothing() -> None:
    assert planned(scores("quality", [0.7])).source is None
    found = planned(scores("correct", [True]))
    assert (found.n, found.smallest_detectable) == (1, None)
    assert all(row.datapoints and row.repeats is None for row in found.rows)


def test_a_mean_of_zero_has_no_hundredths() -> None:
    found = planned(scores("quality", [1.0, -1.0] * 5))
    assert (found.source, found.rows) == (Source.ASSUMED, ())
    assert found.smallest_detectable is not None


def test_what_takes_more_than_a_billion_is_not_practical() -> None:
    rows = planned(scores("quality", [1e6, -1e6, 1.0] * 5)).rows
    assert [row.datapoints for row in rows] == [None] * 4
    assert [row.repeats for row in rows] == [None] * 4


def test_latency_and_errors_are_planned_where_they_are_declared() -> None:
    candidate = scores("quality", WORKED, evaluators=evaluators("quality"))
    assert [found.metric for found in plans(candidate, None, None)] == ["quality"]
    rules = {"latency_ms": {"max-increase": "10%"}, "errors": {"max": 0}}
    assert [found.metric for found in plans(candidate, None, rules)] == ["latency_ms", "errors", "quality"]
    assert [found.metric for found in plans(timed([1.0, 2.0]), None, None)] == ["latency_ms"]


extreme = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1e308, -1e308, 5e-324, 0.0, 1.0])
scoring = st.booleans() | extreme | st.none() | st.sampled_from([CRASH, FAULT])


@settings(deadline=None)
@given(
    ours=st.lists(st.lists(scoring, min_size=1, max_size=3), max_size=8),
    theirs=st.none() | st.lists(scoring, max_size=8),
    times=st.lists(st.floats(0, 1e308), min_size=8, max_size=8),
    rules=st.sampled_from(
        [
            {},
            {"q": {"max-drop": 0.02, "kind": "rate"}},
            {"q": {"max-drop": 0.02, "range": [-1e308, 1e308]}},
            {"q": {"max-increase": "2%", "kind": "cost"}, "latency_ms": {"max-increase": "5%"}},
            {"q": {"max-increase": "2%", "kind": "latency", "cluster": "question"}, "errors": {"max-increase": 0.1}},
        ]
    ),
)
def test_every_plan_is_finite(ours: Any, theirs: Any, times: list[float], rules: Mapping[str, Any]) -> None:
    most = max(map(len, ours), default=1)
    candidate = run(list(slow(outcomes("q", ours), times)), evaluators=(), repeats=most)
    baseline = None if theirs is None else scores("q", theirs)
    for found in plans(candidate, baseline, rules):
        json.dumps(dataclasses.asdict(found), allow_nan=False)
        needed = [row.datapoints for row in found.rows]
        assert needed == sorted(needed, key=lambda n: -math.inf if n is None else -n)
        assert all(n is None or 5 <= n <= 10**9 for n in needed)
        assert found.kind is not Kind.RATE or found.source is None or found.flips is not None
        assert found.smallest_detectable is None or found.smallest_detectable > 0


def slow(found: Iterable[Outcome], times: Sequence[float]) -> Iterable[Outcome]:
    for one in found:
        yield dataclasses.replace(one, duration_ms=times[one.index])
