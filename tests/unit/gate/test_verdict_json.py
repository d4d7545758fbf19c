from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_gate import errors, low_power, orders, regressed, verdict
from honeyhive.errors import InputError
from honeyhive.gate.checks import Check
from honeyhive.gate.verdict import MetricSummary, Side
from honeyhive.gate.verdict_json import from_json, to_json

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.none() | st.integers(0, 10**9)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
CHECKS = st.builds(
    Check,
    metric=TEXTS,
    limit=NUMBERS,
    allowed=TEXTS,
    candidate=NUMBERS,
    estimate=NUMBERS,
    p=NUMBERS,
    worse=COUNTS,
    needed=COUNTS,
)
SIDES = st.builds(Side, run_id=TEXTS, commit=st.none() | TEXTS, chosen=st.none() | TEXTS)
SUMMARIES = st.builds(MetricSummary, metric=TEXTS, candidate=NUMBERS, baseline=NUMBERS, estimate=NUMBERS)


@given(st.lists(CHECKS), SIDES, st.none() | SIDES, st.lists(SUMMARIES), st.lists(TEXTS))
def test_a_verdict_comes_back_from_its_own_json(
    checks: list[Check], candidate: Side, baseline: Side | None, metrics: list[MetricSummary], warnings: list[str]
) -> None:
    found = verdict(*checks, candidate=candidate, baseline=baseline, metrics=tuple(metrics), warnings=tuple(warnings))
    assert from_json(json.loads(json.dumps(to_json(found), allow_nan=False))) == found


def test_the_keys_are_the_documented_ones() -> None:
    changes, _ = orders()
    data = to_json(verdict(regressed(), errors(), changes=changes, warnings=("w",)))
    assert [*data][:4] == ["schema", "verdict", "experiment", "candidate"]
    assert (data["schema"], data["verdict"], data["warnings"]) == (1, "failed", ["w"])
    assert data["baseline"]["chosen"] == "first parent, run 2 hours ago"
    assert data["checks"][0] | {"rule": "max-drop", "status": "failed", "reason": "regressed"} == data["checks"][0]
    assert data["changes"][0] == {
        "datapoint_id": "order-004",
        "line": 4,
        "metric": "correct",
        "baseline": 1.0,
        "candidate": 0.0,
        "better": False,
    }


def test_unknown_keys_are_ignored() -> None:
    found = verdict(low_power(), baseline=None)
    data = to_json(found) | {"mood": "good"}
    data["checks"][0]["mood"] = "good"
    assert from_json(data) == found


def broken(**changes: Any) -> dict[str, Any]:
    data = to_json(verdict(regressed()))
    data["checks"][0] |= changes
    return data


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ([], "a verdict is a JSON object, not list"),
        (None, "a verdict is a JSON object, not NoneType"),
        ({"schema": 2}, "the verdict has schema 2, this version reads up to 1"),
        ({}, "verdict.verdict: field required"),
        (broken(estimate=float("nan")), "verdict.checks.0.estimate: input should be a valid number"),
        (broken(estimate="0.5"), "verdict.checks.0.estimate: input should be a valid number"),
        (broken(status="great"), "verdict.checks.0.status: input should be"),
        (broken(n=True), "verdict.checks.0.n: input should be a valid integer"),
    ],
)
def test_what_is_no_verdict_is_refused(data: Any, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as refused:
        from_json(data)
    assert refused.value.hint


def test_a_check_keeps_its_words() -> None:
    words: Check = from_json(broken(message="m", advice="a")).checks[0]
    assert (words.message, words.advice) == ("m", "a")
