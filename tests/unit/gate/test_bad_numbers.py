"""Whatever the numbers, the gate has an answer: for every kind of metric, and every way to decide about it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders import failed, run, scored
from builders_verdict import CRASH, FAULT, judged, outcomes
from honeyhive.gate.checks import Check, Reason, Status
from honeyhive.gate.verdict_json import from_json, to_json
from honeyhive.result import Outcome, RunResult

EXTREMES = [1e308, -1e308, 1.7976931348623157e308, 5e-324, -0.0, 0.0, 1.0, 1e-9, 1 + 1e-12, 0.1 + 0.2, 0.3]
NUMBERS = st.sampled_from(EXTREMES) | st.floats(allow_nan=False, allow_infinity=False)
FEW = st.sampled_from([0, 0.5, 1, 0.3, 0.1 + 0.2])
SIZES = st.sampled_from([0.0, 1e-12, 0.3, 0.1 + 0.2, 5.0, 1e308]) | st.floats(0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of metric: what its scores may be, what the user says of it, and the aggregates that it can have."""

    metric: str
    values: st.SearchStrategy[Any]
    rules: Mapping[str, Any]
    margins: Sequence[Any] = (0, 0.02, 1e-12, "5%")
    words: Sequence[str] = ("mean", "median", "total", "p95")

    @property
    def margin(self) -> str:
        lower = self.metric in ("cost", "latency_ms") or self.rules.get("direction") == "lower"
        return "max-increase" if lower else "max-drop"


WIDEST = [-1.7976931348623157e308, 1.7976931348623157e308]
KINDS = {
    "rate": Kind(metric="m", values=st.booleans(), rules={"kind": "rate"}, words=("mean", "total")),
    "share": Kind(metric="m", values=FEW, rules={"kind": "rate"}, words=("mean", "total")),
    "score": Kind(metric="m", values=NUMBERS | FEW, rules={}),
    "bounded score": Kind(metric="m", values=NUMBERS | FEW, rules={"kind": "score", "range": WIDEST}),
    "lower score": Kind(metric="m", values=FEW, rules={"kind": "score", "range": [0, 1], "direction": "lower"}),
    "cost": Kind(metric="cost", values=NUMBERS | SIZES, rules={}, margins=("0%", "5%", "300%")),
    "latency": Kind(metric="latency_ms", values=SIZES, rules={}, margins=("0%", "5%", "300%")),
    "label": Kind(metric="m", values=st.sampled_from([0, 1, -1, -2, 1.0]), rules={"kind": "label"}, words=("mean",)),
}
DECIDES = ("tested", "point", "strict")
EVERYTHING = list(product(KINDS, DECIDES, (False, True)))

ERRORS: st.SearchStrategy[Any] = st.sampled_from([CRASH, FAULT])


def columns(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """What each of up to eight datapoints scored: one score, or those of its repeats."""
    one = values | values | st.none() | ERRORS
    return st.lists(one, max_size=8) | st.lists(st.lists(one, min_size=1, max_size=3), max_size=8)


def run_of(kind: Kind, column: Sequence[Any]) -> RunResult:
    found = timed(column) if kind.metric == "latency_ms" else outcomes(kind.metric, column)
    in_talks = [replace(one, inputs={"talk": one.index % 3}, ground_truth=1) for one in found]
    return run(in_talks, evaluators=(), repeats=max((one.repeat + 1 for one in found), default=1))


def timed(column: Sequence[Any]) -> list[Outcome]:
    found: list[Outcome] = []
    for at, repeats in enumerate(column):
        for repeat, value in enumerate(repeats if isinstance(repeats, Sequence) else [repeats]):
            fields: dict[str, Any] = {"index": at, "line": at + 1, "repeat": repeat}
            crashed = isinstance(value, Exception)
            timing = {"duration_ms": None if crashed else value}
            found.append((failed if crashed else scored)(f"EXT-{at:04}", fields | timing))
    return found


def rules_of(kind: Kind, decide: str, clustered: bool, margin: Any) -> dict[str, Any]:
    cluster = {"cluster": "talk"} if clustered else {}
    return {kind.metric: {kind.margin: margin, "decide": decide, **cluster, **kind.rules}}


def numbers_in(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        return [
            number for item in (value.values() if isinstance(value, dict) else value) for number in numbers_in(item)
        ]
    return [value] if isinstance(value, int | float) else []


def comparison(candidate: RunResult, baseline: RunResult | None, rules: Mapping[str, Any]) -> Check:
    return next(check for check in judged(candidate, baseline, rules).checks if check.rule.value.startswith("max-"))


# --- a defined answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "decide", "clustered"), EVERYTHING)
@settings(max_examples=10)
@given(st.data())
def test_there_is_an_answer_and_every_number_of_it_is_finite_or_null(
    name: str, decide: str, clustered: bool, data: st.DataObject
) -> None:
    kind = KINDS[name]
    candidate = run_of(kind, data.draw(columns(kind.values)))
    baseline = data.draw(st.none() | columns(kind.values).map(lambda column: run_of(kind, column)))
    rules = rules_of(kind, decide, clustered, data.draw(st.sampled_from(kind.margins)))
    rules |= {f"{kind.metric}.{word}": {"max": 1} for word in kind.words}
    verdict = judged(candidate, baseline, rules | {"errors": {"max-increase": 0.1, "decide": decide}})
    written = json.loads(json.dumps(to_json(verdict), allow_nan=False))
    assert all(math.isfinite(number) for number in numbers_in(written))
    assert from_json(written) == verdict
    assert len(verdict.checks) == 2 + len(kind.words)


TIES = [[0.3] * 2, [0.1 + 0.2, 0.3], [0.0, -0.0], [1e308] * 2, [5e-324] * 2]
STEADY = [[1.0, 2.0], [1e308, 1.7e308], [0.1, 0.2], [3.0, 3.0]]


@pytest.mark.parametrize("decide", DECIDES)
@pytest.mark.parametrize("name", ["score", "bounded score", "cost", "latency"])
@pytest.mark.parametrize("column", TIES)
def test_what_differs_by_rounding_alone_is_unchanged(column: list[float], name: str, decide: str) -> None:
    kind = KINDS[name]
    check = comparison(run_of(kind, column), run_of(kind, column[::-1]), rules_of(kind, decide, False, kind.margins[0]))
    untimed = name == "latency" and max(column) == 0
    assert check.reason is (Reason.ONE_PAIR if untimed else Reason.UNCHANGED)
    assert check.estimate in (None, 0.0)


@pytest.mark.parametrize("column", STEADY)
@pytest.mark.parametrize(("decide", "status"), [("tested", Status.UNDECIDED), ("point", Status.FAILED)])
def test_a_shift_of_the_same_size_everywhere_is_a_change(column: list[float], decide: str, status: Status) -> None:
    kind = KINDS["score"]
    lower = [score - abs(column[0]) / 2 for score in column]
    check = comparison(run_of(kind, lower), run_of(kind, column), rules_of(kind, decide, False, 0.02))
    assert check.status is status
    assert check.estimate == pytest.approx(-abs(column[0]) / 2)
    assert (check.lower, check.upper) == (None, None)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("name", ["score", "bounded score", "lower score", "cost", "latency"])
def test_a_few_that_all_got_worse_by_just_the_margin_do_not_pass(name: str, clustered: bool, size: int) -> None:
    kind = KINDS[name]
    worse = 0.75 if kind.margin == "max-increase" else 0.25
    margin = "50%" if name in ("cost", "latency") else 0.25
    ours, theirs = run_of(kind, [worse] * size), run_of(kind, [0.5] * size)
    check = comparison(ours, theirs, rules_of(kind, "tested", clustered, margin))
    assert check.status is Status.UNDECIDED
    assert (check.lower, check.upper) == (None, None)


@pytest.mark.parametrize(("name", "clustered"), list(product(KINDS, (False, True))))
@pytest.mark.parametrize("n", [0, 1, 2])
def test_of_too_few_datapoints_nothing_is_said_to_be_proved(name: str, clustered: bool, n: int) -> None:
    kind = KINDS[name]
    good: list[Any]
    bad: list[Any]
    good, bad = ([False], [True]) if name == "lower score" else ([True], [False])
    if name in ("cost", "latency"):
        good, bad = [1.0], [2.0]
    rules = rules_of(kind, "tested", clustered, kind.margins[0])
    check = comparison(run_of(kind, bad * n), run_of(kind, good * n), rules)
    if n == 0:
        assert (check.status, check.reason) == (Status.FAILED, Reason.MISSING_METRIC)
    else:
        assert check.status is Status.UNDECIDED
        assert check.p is None or check.p > 0.05


# --- what no numbers may do ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "decide", "clustered"), [each for each in EVERYTHING if each[1] != "strict"])
@settings(max_examples=10)
@given(st.data())
def test_no_two_runs_are_both_worse_than_the_other(
    name: str, decide: str, clustered: bool, data: st.DataObject
) -> None:
    kind = KINDS[name]
    ours, theirs = (run_of(kind, data.draw(columns(kind.values))) for _ in range(2))
    rules = rules_of(kind, decide, clustered, data.draw(st.sampled_from(kind.margins)))
    reasons = {comparison(ours, theirs, rules).reason, comparison(theirs, ours, rules).reason}
    assert reasons != {Reason.REGRESSED}


@pytest.mark.parametrize(("name", "decide", "clustered"), EVERYTHING)
@settings(max_examples=10)
@given(st.data())
def test_a_run_held_against_its_copy_never_fails_for_a_change(
    name: str, decide: str, clustered: bool, data: st.DataObject
) -> None:
    kind = KINDS[name]
    column = data.draw(columns(kind.values))
    check = comparison(
        run_of(kind, column),
        run_of(kind, column),
        rules_of(kind, decide, clustered, data.draw(st.sampled_from(kind.margins))),
    )
    unknown = {Reason.ONE_PAIR, Reason.ONE_CLUSTER, Reason.ZERO_BASELINE, Reason.UNBOUNDED_ERRORS}
    allowed = {Reason.MISSING_METRIC}
    if decide == "strict":
        allowed |= unknown | ({Reason.LOW_POWER} if check.n < 2 else set())
    assert check.status is not Status.FAILED or check.reason in allowed
    assert check.estimate in (None, 0.0)


@pytest.mark.parametrize(("name", "decide", "clustered"), EVERYTHING)
@settings(max_examples=10)
@given(st.data())
def test_a_wider_margin_fails_nothing_that_passed(name: str, decide: str, clustered: bool, data: st.DataObject) -> None:
    kind = KINDS[name]
    ours, theirs = (run_of(kind, data.draw(columns(kind.values))) for _ in range(2))
    narrow, wide = ("2%", "30%") if data.draw(st.booleans()) or "%" in str(kind.margins[0]) else (0.02, 0.3)
    first, second = (comparison(ours, theirs, rules_of(kind, decide, clustered, margin)) for margin in (narrow, wide))
    assume(first.reason is not Reason.MISSING_METRIC)
    order = [Status.FAILED, Status.UNDECIDED, Status.PASSED]
    assert order.index(second.status) >= order.index(first.status)


@pytest.mark.parametrize(("name", "decide", "clustered"), EVERYTHING)
@settings(max_examples=10)
@given(st.data(), st.randoms(use_true_random=False))
def test_the_order_of_the_datapoints_changes_nothing(
    name: str, decide: str, clustered: bool, data: st.DataObject, dice: random.Random
) -> None:
    kind = KINDS[name]
    ours, theirs = (run_of(kind, data.draw(columns(kind.values))) for _ in range(2))
    rules = rules_of(kind, decide, clustered, kind.margins[0])
    rules |= {f"{kind.metric}.{word}": {"max": 1} for word in kind.words}
    in_order = judged(ours, theirs, rules)
    assert to_json(judged(shuffled(ours, dice), shuffled(theirs, dice), rules)) == to_json(in_order)


def shuffled(given_run: RunResult, dice: random.Random) -> RunResult:
    """The run with its datapoints in another order, the repeats of each as they were."""
    places = {one.index: dice.random() for one in given_run.outcomes}
    return replace(given_run, outcomes=tuple(sorted(given_run.outcomes, key=lambda one: places[one.index])))
