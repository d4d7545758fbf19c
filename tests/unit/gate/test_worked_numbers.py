from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from honeyhive.gate.planning import (
    needed_for_rate,
    smallest_detectable_rate,
    smallest_detectable_rate_from_flips,
    smallest_detectable_score,
)
from honeyhive.gate.samples import median, pass_hat_k, quantile, wilson
from honeyhive.gate.statistics import (
    FEW_CHANGES,
    TIE,
    PairedTest,
    clustered_t,
    holm,
    paired_log_t,
    paired_sign,
    paired_t,
    ratio_of_totals,
    sign_test_exact,
)

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the folder `shared` beside the repository")


def read(name: str) -> Any:
    return json.loads((SHARED / name).read_text("utf-8")) if SHARED.is_dir() else {}


WORKED: dict[str, Any] = read("verdict-examples.json")
EXPECTED: Sequence[dict[str, Any]] = read("expected-verdicts.json") or []


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-300)


def title(case: dict[str, Any]) -> str:
    return str(case.get("why") or case.get("name") or f"{case.get('metric')} {case.get('baseline')}")


def assert_worked(test: PairedTest, case: dict[str, Any]) -> None:
    names = {"delta": "estimate"} | {name: name for name in ("p", "lower", "upper", "sd", "se", "df", "changed", "n")}
    names |= {name: name for name in ("ratio", "ratio_lower", "ratio_upper")}
    for key, name in names.items():
        if key in case:
            assert getattr(test, name) == (None if case[key] is None else close(case[key])), key
    assert all(value is None or math.isfinite(value) for value in dataclasses.asdict(test).values())


def assert_detectable(found: float | None, case: dict[str, Any]) -> None:
    assert found == (None if case["mde80"] is None else close(case["mde80"]))


@needs_shared
@pytest.mark.parametrize("case", WORKED.get("boolean", []), ids=title)
def test_worked_pass_fail_numbers(case: dict[str, Any]) -> None:
    n, worse, better = case["n"], case["worse"], case["better"]
    assert_worked(paired_sign(n, worse, better), case)
    if "p_mid" in case:
        assert paired_sign(n, worse, better).p == close(case["p_mid"])
        assert sign_test_exact(worse, better) == close(case["p_exact"])
    assert_detectable(smallest_detectable_rate(n, worse, better), case)


@needs_shared
@pytest.mark.parametrize("case", WORKED.get("numeric", []), ids=title)
def test_worked_scores(case: dict[str, Any]) -> None:
    sign = 1 if case["higher_is_better"] else -1
    deltas = [sign * (y - x) for x, y in zip(case["baseline"], case["candidate"], strict=True)]
    n = len(deltas)
    test = clustered_t(deltas, case["cluster"]) if "cluster" in case else paired_t(deltas)
    if n == 1:  # the file leaves it open; whether the one pair changed is known all the same
        assert test.changed == 1
        case = {key: value for key, value in case.items() if key != "changed"}
    assert_worked(test, case)
    if "p_t" in case and test.changed >= FEW_CHANGES:
        assert test.p == close(case["p_t"])
    assert_detectable(smallest_detectable_score(n, (test.se or 0.0) * math.sqrt(n)), case)


@needs_shared
def test_worked_latency() -> None:
    case = WORKED["latency"]
    test = paired_log_t(case["baseline"], case["candidate"])
    assert_worked(test, case)
    for run in ("baseline", "candidate"):
        assert quantile(case[run], 0.95) == close(case[f"p95_{run}"])


@needs_shared
def test_worked_cost() -> None:
    case = WORKED["cost_total"]
    test = ratio_of_totals(case["baseline"], case["candidate"])
    assert_worked(test, case)
    assert (test.changed, test.p) == (2, close(0.25))
    ratios = [y / x for x, y in zip(case["baseline"], case["candidate"], strict=True) if x]
    assert median(ratios) == close(case["median_ratio"])


@needs_shared
def test_worked_corrections_floors_and_repeats() -> None:
    assert holm(WORKED["holm"]["p"]) == [close(p) for p in WORKED["holm"]["adjusted"]]
    for case in WORKED["floor_wilson"]:
        limits = wilson(case["k"], case["n"])
        assert (limits.lower, limits.upper) == (close(case["lower"]), close(case["upper"]))
    case = WORKED["pass_hat_k"]
    assert pass_hat_k(case["c"], case["trials"], 1) == close(case["pass1"])
    assert pass_hat_k(case["c"], case["trials"], 2) == close(case["pass2"])
    case = WORKED["repeats"]
    means = [[statistics.fmean(scores) for scores in case[run]] for run in ("baseline", "candidate")]
    test = paired_t([y - x for x, y in zip(*means, strict=True)])
    assert (test.n, test.estimate, test.changed) == (4, close(case["delta"]), 3)


@needs_shared
def test_worked_plans() -> None:
    plans = WORKED["planning"]
    for case in plans["mde_numeric"]:
        assert smallest_detectable_score(case["n"], case["sd"]) == close(case["mde"])
    for case in plans["mde_bool"]:
        assert smallest_detectable_rate_from_flips(case["n"], case["discordance"]) == close(case["mde"])
    for case in plans["n_needed_bool"]:
        assert needed_for_rate(case["drop"], case["discordance"]) == case["n"]


def paired_scores(case: dict[str, Any]) -> tuple[list[float], list[float]]:
    runs = []
    for run in (case["baseline"], case["candidate"]):
        lines = (SHARED / case["dataset"] / "scores" / f"{run}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        runs.append({row["id"]: row[case["metric"]] for row in rows if row[case["metric"]] is not None})
    shared = [key for key in runs[0] if key in runs[1]]
    return [float(runs[0][key]) for key in shared], [float(runs[1][key]) for key in shared]


def expected_test(case: dict[str, Any]) -> tuple[PairedTest, float | None]:
    baseline, candidate = paired_scores(case)
    if case["type"] == "total_ratio":
        return ratio_of_totals(baseline, candidate), None
    sign = 1 if case.get("higher_is_better", True) else -1
    deltas = [sign * (y - x) for x, y in zip(baseline, candidate, strict=True)]
    worse, better = sum(d < -TIE for d in deltas), sum(d > TIE for d in deltas)
    assert (worse, better) == (case["worse"], case["better"])
    if case["type"] == "boolean":
        return paired_sign(len(deltas), worse, better), smallest_detectable_rate(len(deltas), worse, better)
    test = paired_t(deltas)
    return test, smallest_detectable_score(test.n, test.sd or 0.0)


@needs_shared
@pytest.mark.parametrize("case", EXPECTED, ids=title)
def test_expected_numbers_of_real_runs(case: dict[str, Any]) -> None:
    test, detectable = expected_test(case)
    assert_worked(test, case)
    if "mde80" in case:
        assert_detectable(detectable, case)


@needs_shared
def test_published_pass_hat_k_of_tau_bench() -> None:
    trials = [
        (SHARED / "tau_bench_airline_gpt4o" / "scores" / f"trial{trial}.jsonl").read_text("utf-8").splitlines()
        for trial in range(4)
    ]
    passes = [sum(json.loads(line)["reward"] == 1.0 for line in lines) for lines in zip(*trials, strict=True)]
    published = read("tau_bench_airline_gpt4o/meta.json")["published"]
    for k in range(1, 5):
        assert pass_hat_k(passes, 4, k) == pytest.approx(published[f"pass^{k}"], abs=1e-3)
