"""The worked examples, from run files through the command to the comparison's JSON: status, reason and numbers.

The numbers come from SciPy and from published evaluations, in the folder `shared` beside the repository.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import failed, scored, write_run
from builders_verdict import pass_fail
from honeyhive.result import Fault, Outcome

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason="needs the folder `shared` beside the repository")

INCOMPARABLE = ("no_pairs", "dataset_changed", "not_comparable")
CRASH, FAULT = "ERROR", "evaluator's ERROR"

Values = Mapping[str, Any]
"""What each datapoint scored, by its id: a score, a list of repeats, `CRASH` or `FAULT`."""


@dataclass(frozen=True, kw_only=True)
class Worked:
    """Two runs of one metric, what is allowed, and what the one comparison has to come to."""

    title: str
    metric: str
    candidate: Values
    baseline: Values
    rules: Mapping[str, Any]
    expected: Mapping[str, Any]
    exit_code: int
    metadata: Sequence[Mapping[str, Any]] = ()


def read(name: str) -> Any:
    return json.loads((DATA / name).read_text("utf-8")) if DATA.is_dir() else {}


EXAMPLES: Mapping[str, Any] = read("verdict-examples.json")
PUBLISHED: Sequence[Mapping[str, Any]] = read("expected-verdicts.json") or []


# --- the examples, as cases ------------------------------------------------------------------------------------------


def worked(case: Mapping[str, Any], **fields: Any) -> Worked:
    """A case; its exit code is that of a job with the usual policies."""
    codes = {"failed": 1, "undecided": 4 if case["reason"] in INCOMPARABLE else 0, "passed": 0}
    return Worked(**({"exit_code": codes[case["verdict"]]} | fields))


def booleans() -> Iterator[Worked]:
    for case in EXAMPLES.get("boolean", []):
        n, worse, better = case["n"], case["worse"], case["better"]
        candidate, baseline = (
            {one.datapoint_id: one.scores["correct"] for one in run.outcomes}  # type: ignore[union-attr]  # all scored
            for run in pass_fail(n, worse=worse, better=better)
        )
        expected = verdict_of(case) | {"p": case.get("p_mid"), "worse": worse, "better": better}
        if n == 0:  # no pair is left where every datapoint is another
            candidate, baseline = {"new": True}, {"old": True}
            expected |= {"worse": None, "better": None}
        yield worked(
            case,
            title=case["why"],
            metric="correct",
            candidate=candidate,
            baseline=baseline,
            rules={"max-drop": case["margin"]},
            expected=expected,
        )


def numbers() -> Iterator[Worked]:
    for case in EXAMPLES.get("numeric", []):
        rules = {"max-drop" if case["higher_is_better"] else "max-increase": case["margin"]}
        expected = verdict_of(case) | {"n": len(case["candidate"]), "worse": None, "better": None}
        if "cluster" in case:
            rules, expected = rules | {"cluster": "talk"}, expected | {"clusters": case["df"] + 1}
        yield worked(
            case,
            title=case["name"],
            metric="quality",
            candidate=by_place(case["candidate"]),
            baseline=by_place(case["baseline"]),
            rules=rules,
            expected=expected,
            metadata=[{"talk": talk} for talk in case.get("cluster", ())],
        )


def published() -> Iterator[Worked]:
    for case in PUBLISHED:
        metric = "cost" if case["type"] == "total_ratio" else case["metric"]
        rules: dict[str, Any] = {"max-drop": case.get("margin")}
        if case["type"] == "total_ratio":
            rules = {"max-increase": f"{case['max_increase']:.0%}"}
        elif case["type"] == "boolean":
            rules["kind"] = "rate"
        elif not case["higher_is_better"]:
            rules = {"max-increase": case["margin"]}
        changed = {} if case["type"] == "boolean" else {"worse": None, "better": None}
        yield worked(
            case,
            title=f"{case['dataset']} {case['baseline']} {case['candidate']} {case['metric']}",
            metric=metric,
            candidate=system(case["dataset"], case["candidate"], case["metric"]),
            baseline=system(case["dataset"], case["baseline"], case["metric"]),
            rules=rules,
            expected=verdict_of(case) | changed,
        )


def latency_and_cost() -> Iterator[Worked]:
    if not EXAMPLES:
        return
    case = EXAMPLES["latency"]
    yield worked(
        case | {"reason": "regressed"},
        title="latency",
        metric="latency_ms",
        candidate=by_place([1_000 * seconds for seconds in case["candidate"]]),
        baseline=by_place([1_000 * seconds for seconds in case["baseline"]]),
        rules={"max-increase": "10%"},
        expected=verdict_of(case) | {"reason": "regressed", "gating": False},
        exit_code=0,
    )
    case = EXAMPLES["cost_total"]
    yield worked(
        case,
        title="cost",
        metric="cost",
        candidate=by_place(case["candidate"]),
        baseline=by_place(case["baseline"]),
        rules={"max-increase": "10%"},
        expected=verdict_of(case),
    )


def by_place(values: Sequence[Any]) -> Values:
    return {f"EXT-{at:04}": value for at, value in enumerate(values)}


@cache
def system(dataset: str, name: str, metric: str) -> Values:
    """The scores that one system was published with; `null` where a datapoint was not annotated."""
    lines = (DATA / dataset / "scores" / f"{name}.jsonl").read_text("utf-8").splitlines()
    return {row["id"]: row[metric] for row in map(json.loads, lines)}


def verdict_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """What the case says of its check, by the names of the JSON."""
    names = {name: name for name in ("n", "p", "lower", "upper", "worse", "better", "reason")}
    names |= {"verdict": "status", "delta": "estimate", "mde80": "smallest_detectable"}
    names |= {"base_mean": "baseline", "cand_mean": "candidate"}
    expected = {name: case[key] for key, name in names.items() if key in case}
    if "ratio" in case:
        ratios = {"estimate": "ratio", "lower": "ratio_upper", "upper": "ratio_lower"}
        expected |= {name: 1 - case[key] for name, key in ratios.items()}
    return expected


CASES = [*booleans(), *numbers(), *latency_and_cost(), *published()]


# --- from run files to JSON ------------------------------------------------------------------------------------------


def outcomes(values: Values, metric: str, metadata: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    return [
        outcome(key, metric, one, {"index": at, "repeat": repeat, "metadata": metadata[at] if metadata else {}})
        for at, (key, repeats) in enumerate(values.items())
        for repeat, one in enumerate(repeats if isinstance(repeats, list) else [repeats])
    ]


def outcome(key: str, metric: str, value: Any, fields: dict[str, Any]) -> Outcome:
    if value == CRASH:
        return failed(key, fields)
    if value == FAULT:
        return scored(key, fields | {"faults": {metric: Fault(type="E", message="")}})
    if metric == "latency_ms":
        return scored(key, fields | {"duration_ms": value})
    return scored(key, fields, **{metric: value})


def written(folder: Path, case: Worked) -> tuple[Path, Path, str]:
    """Both run files, and the thresholds as the command line takes them."""
    candidate = write_run(folder / "candidate.jsonl", outcomes(case.candidate, case.metric, case.metadata))
    baseline = write_run(folder / "baseline.jsonl", outcomes(case.baseline, case.metric, case.metadata))
    return candidate, baseline, json.dumps({case.metric: case.rules})


def compared(candidate: Path, baseline: Path, thresholds: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and standard output of the command."""
    file = candidate.with_name("comparison.json")
    command = [sys.executable, "-m", "honeyhive", "compare", str(candidate), str(baseline), "--thresholds", thresholds]
    ended = subprocess.run(
        [*command, "--json", str(file)],
        cwd=candidate.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert file.exists(), ended.stderr
    return ended.returncode, json.loads(file.read_text("utf-8")), ended.stdout


def check_of(found: Mapping[str, Any], metric: str, rule: str) -> dict[str, Any]:
    (check,) = (check for check in found["checks"] if (check["metric"], check["rule"]) == (metric, rule))
    assert isinstance(check, dict)
    return check


def assert_as_worked(found: Mapping[str, Any], case: Worked) -> None:
    rule = next(rule for rule in case.rules if rule.startswith("max-"))
    check = check_of(found, case.metric, rule)
    assert {key: check[key] for key in case.expected} == {key: close(value) for key, value in case.expected.items()}
    assert check["p_adjusted"] == (check["p"] if check["gating"] else None)
    assert found["exit_code"] == case.exit_code
    assert check_of(found, "errors", "max")["reason"] == "met"


def close(value: Any) -> Any:
    return pytest.approx(value, rel=1e-6, abs=1e-300) if isinstance(value, float) else value


@needs_shared
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_command_decides_and_exits_as_it_was_worked_out(case: Worked, tmp_path: Path) -> None:
    exit_code, found, printed = compared(*written(tmp_path, case))
    assert_as_worked(found, case)
    gating = check_of(found, case.metric, next(iter(case.rules)))["gating"]
    assert found["verdict"] == (case.expected["status"] if gating else "passed")
    assert exit_code == case.exit_code
    assert printed.startswith(f"{found['verdict'].upper()} ")
    for check in found["checks"]:
        assert check["message"] in printed


@needs_shared
def test_there_are_as_many_worked_verdicts_as_the_files_have() -> None:
    assert len(CASES) == 19 + 9 + 2 + len(PUBLISHED)
    assert len(PUBLISHED) == 18


# --- errors, edited datasets, repeats, several comparisons -----------------------------------------------------------


@needs_shared
@pytest.mark.parametrize("error", [CRASH, FAULT])
def test_errors_count_as_the_worst_score_and_hide_no_crash(error: str, tmp_path: Path) -> None:
    example = EXAMPLES["errors"]
    candidate, baseline = (
        {key: error if value == "ERROR" else bool(value) for key, value in example[run].items()}
        for run in ("candidate", "baseline")
    )
    rules = {"max-drop": 0.02}
    case = Worked(
        title="", metric="correct", candidate=candidate, baseline=baseline, rules=rules, expected={}, exit_code=1
    )
    exit_code, found, _ = compared(*written(tmp_path, case))
    check, worst = check_of(found, "correct", "max-drop"), example["worst"]
    assert (check["n"], check["worse"], check["better"]) == (worst["n"], worst["worse"], worst["better"])
    assert (check["baseline"], check["candidate"]) == (close(worst["base_mean"]), close(worst["cand_mean"]))
    errors = check_of(found, "errors", "max")
    assert (errors["candidate"], errors["reason"]) == (close(example["error_rate"]), "above_max")
    assert (found["verdict"], exit_code) == ("failed", 1)


@needs_shared
def test_a_dataset_that_changed_too_much_is_not_compared(tmp_path: Path) -> None:
    example = EXAMPLES["dataset_change"]
    candidate, baseline = (
        write_run(
            tmp_path / f"{run}.jsonl",
            [scored(key, {"content_hash": value}, correct=True) for key, value in example[f"{run}_ids"].items()],
        )
        for run in ("candidate", "baseline")
    )
    exit_code, found, _ = compared(candidate, baseline, "correct: {max-drop: 0.02}")
    assert {key: found[key] for key in ("paired", "edited", "removed", "added")} == {
        key: len(example[key]) for key in ("paired", "edited", "removed", "added")
    }
    check = check_of(found, "correct", "max-drop")
    assert (check["status"], check["reason"], exit_code) == ("undecided", "dataset_changed", 4)
    assert example["paired_share"] == found["paired"] / found["baseline"]["count"] < 0.8


@needs_shared
def test_repeats_are_averaged_within_their_datapoint(tmp_path: Path) -> None:
    example = EXAMPLES["repeats"]
    candidate, baseline = (
        by_place([[bool(passed) for passed in repeats] for repeats in example[run]])
        for run in ("candidate", "baseline")
    )
    case = Worked(
        title="",
        metric="correct",
        candidate=candidate,
        baseline=baseline,
        rules={"max-drop": 0.02},
        expected={},
        exit_code=0,
    )
    _, found, _ = compared(*written(tmp_path, case))
    check = check_of(found, "correct", "max-drop")
    assert (check["n"], check["estimate"]) == (len(example["item_d"]), close(example["delta"]))
    assert (check["worse"], check["better"]) == (None, None)
    changes = {change["datapoint_id"]: change["candidate"] - change["baseline"] for change in found["changes"]}
    for key, delta in by_place(example["item_d"]).items():
        assert changes.get(key, 0.0) == pytest.approx(delta)


@needs_shared
def test_several_comparisons_of_one_job_are_corrected_for_each_other(tmp_path: Path) -> None:
    cases = [case for case in EXAMPLES["boolean"] if case["n"] == 200 and case["worse"] != case["better"]]
    assert len(cases) > 3
    columns = {f"metric-{at}": pass_fail(200, worse=c["worse"], better=c["better"]) for at, c in enumerate(cases)}
    candidate, baseline = (
        write_run(
            tmp_path / f"{run}.jsonl",
            [
                scored(f"EXT-{at:04}", {"index": at}, **{name: one.scores["correct"] for name, one in row.items()})
                for at, row in enumerate(rows_of({name: pair[side] for name, pair in columns.items()}))
            ],
        )
        for side, run in enumerate(("candidate", "baseline"))
    )
    thresholds = json.dumps({name: {"max-drop": case["margin"]} for name, case in zip(columns, cases, strict=True)})
    exit_code, found, _ = compared(candidate, baseline, thresholds)
    ps = sorted((case["p_mid"], name) for name, case in zip(columns, cases, strict=True))
    highest = 0.0
    for rank, (p, name) in enumerate(ps):
        highest = max(highest, min(1.0, (len(ps) - rank) * p))
        check = check_of(found, name, "max-drop")
        assert (check["p"], check["p_adjusted"]) == (close(p), close(highest))
        assert (check["status"] == "failed") == (highest <= 0.05 and check["estimate"] < -check["limit"] - 1e-9)
    assert exit_code == (1 if found["verdict"] == "failed" else 0)


def rows_of(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The outcomes of each datapoint, by metric."""
    for row in zip(*(run.outcomes for run in columns.values()), strict=True):
        yield dict(zip(columns, row, strict=True))


# --- contracts on aggregates, limits of a rate -----------------------------------------------------------------------


def of_one_run(
    folder: Path, metric: str, values: Sequence[Any], rules: Mapping[str, Any], **header: Any
) -> dict[str, Any]:
    """The comparison of a run with itself."""
    run = write_run(folder / "run.jsonl", outcomes(by_place(values), metric, ()), **header)
    same = write_run(folder / "same.jsonl", outcomes(by_place(values), metric, ()), **header)
    return compared(run, same, json.dumps(rules))[1]


@needs_shared
@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_a_cap_on_the_95th_percentile_is_held_against_the_type_7_quantile(side: str, tmp_path: Path) -> None:
    example = EXAMPLES["latency"]
    seconds = example[side] * 2
    milliseconds = [1_000 * value for value in seconds]
    found = of_one_run(tmp_path, "latency_ms", milliseconds, {"latency_ms.p95": {"max": "3s"}})
    check = check_of(found, "latency_ms.p95", "max")
    assert check["candidate"] == close(1_000 * float(np.quantile(seconds, 0.95)))
    assert check["reason"] == ("met" if check["candidate"] <= 3_000 else "above_max")
    few = of_one_run(tmp_path, "latency_ms", milliseconds[:10], {"latency_ms.p95": {"max": "3s"}})
    check = check_of(few, "latency_ms.p95", "max")
    assert (check["status"], check["reason"], check["n"]) == ("undecided", "too_few", 10)


@needs_shared
def test_a_cap_on_the_total_is_held_against_the_sum(tmp_path: Path) -> None:
    costs = EXAMPLES["cost_total"]["candidate"]
    found = of_one_run(tmp_path, "cost", costs, {"cost.total": {"max": sum(costs) - 0.01}})
    check = check_of(found, "cost.total", "max")
    assert (check["candidate"], check["status"], check["reason"]) == (close(sum(costs)), "failed", "above_max")


@needs_shared
@pytest.mark.parametrize("case", EXAMPLES.get("floor_wilson", []), ids=lambda case: f"{case['k']} of {case['n']}")
def test_the_limits_of_a_rate_are_those_that_were_worked_out(case: Mapping[str, Any], tmp_path: Path) -> None:
    passed = [True] * case["k"] + [False] * (case["n"] - case["k"])
    found = of_one_run(tmp_path, "correct", passed, {"correct": {"min": 0}})
    (metric,) = (metric for metric in found["metrics"] if metric["metric"] == "correct")
    assert (metric["lower"], metric["upper"]) == (close(case["lower"]), close(case["upper"]))


@needs_shared
def test_the_chance_that_all_repeats_pass_is_told(tmp_path: Path) -> None:
    example = EXAMPLES["pass_hat_k"]
    trials = example["trials"]
    repeats = [[True] * passes + [False] * (trials - passes) for passes in example["c"]]
    found = of_one_run(tmp_path, "correct", repeats, {"correct": {"min": 0}}, repeats=trials)
    (metric,) = (metric for metric in found["metrics"] if metric["metric"] == "correct")
    assert metric["candidate"] == close(example["pass1"])
    assert metric["all_passed"] == sum(passes == trials for passes in example["c"]) / len(repeats)


# --- real runs of one system -----------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize("ordered", list(permutations(range(4), 2)), ids=str)
def test_no_two_trials_of_the_same_agent_fail(ordered: tuple[int, int], tmp_path: Path) -> None:
    candidate, baseline = (system("tau_bench_airline_gpt4o", f"trial{trial}", "reward") for trial in ordered)
    rules = {"max-drop": 0, "kind": "rate"}  # what does not fail here fails with no larger margin
    case = Worked(
        title="", metric="reward", candidate=candidate, baseline=baseline, rules=rules, expected={}, exit_code=0
    )
    exit_code, found, _ = compared(*written(tmp_path, case))
    assert (found["verdict"] in ("passed", "undecided"), exit_code) == (True, 0)
