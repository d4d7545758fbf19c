"""Contracts through the gate: datapoints that must pass, aggregates, how a comparison is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from honeyhive.result import content_hash
from projects import APP, Project, new_project

UNSURE = """
from pathlib import Path

def double(inputs):
    number = inputs["number"]
    tries = Path(__file__).with_name(f"tries-{number}")
    tries.write_text(tries.read_text() + "." if tries.exists() else ".")
    wrong = (number == 3 and len(tries.read_text()) == 1) or number == 4
    return None if wrong else 2 * number
""" + APP.partition("\n\n")[2]
"""3 is doubled only when it is tried again, 4 never."""


def rows(*tagged: int) -> list[dict[str, Any]]:
    return [
        {"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n, "tags": ["must-pass"] if n in tagged else []}
        for n in range(10)
    ]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project", app=UNSURE)


def check_of(found: Any, rule: str, metric: str = "exact") -> Any:
    (check,) = (check for check in found["checks"] if (check["metric"], check["rule"]) == (metric, rule))
    return check


def tries(project: Project, number: int) -> int:
    return len((project.folder / f"tries-{number}").read_text())


def test_a_datapoint_that_must_pass_and_does_when_tried_again_is_flaky_and_holds(project: Project) -> None:
    project.rows(rows(1, 3))
    project.config({"thresholds": {"exact": {"must-pass": True}}})
    done = project.gate_here()
    assert (done.exit_code, done.errors) == (0, [])
    check = check_of(done.verdict, "must-pass")
    assert (check["status"], check["reason"], check["n"]) == ("passed", "met", 2)
    assert check["flaky"] == [{"datapoint_id": "EXT-n3", "line": 4}]
    assert "flaky" in done.out
    assert "EXT-n3" in done.out
    assert (tries(project, 3), tries(project, 4), tries(project, 1)) == (2, 1, 1)
    exact = next(metric for metric in done.verdict["metrics"] if metric["metric"] == "exact")
    assert exact["candidate"] == 0.8, "the second try lifts no mean"


def test_a_datapoint_that_must_pass_and_never_does_fails_the_job(project: Project) -> None:
    project.rows(rows(3, 4))
    project.config({"thresholds": {"exact": {"must-pass": True, "min": 0.5}}})
    done = project.gate_here()
    assert done.exit_code == 1
    check = check_of(done.verdict, "must-pass")
    assert (check["status"], check["reason"], check["candidate"]) == ("failed", "below_min", 0.5)
    assert check["not_passed"] == [{"datapoint_id": "EXT-n4", "line": 5}]
    assert check_of(done.verdict, "min")["status"] == "passed"
    assert "EXT-n4" in done.error
    assert tries(project, 4) == 2


def test_the_tag_alone_is_enough(project: Project) -> None:
    project.rows(rows(4))
    project.config({"thresholds": {"errors": {"max": 0}}})
    done = project.gate_here()
    assert done.exit_code == 1
    assert check_of(done.verdict, "must-pass")["status"] == "failed"


def test_the_child_is_told_which_metrics_have_to_pass(project: Project) -> None:
    project.write(
        "app.py", UNSURE.replace("return outputs == ground_truth", "return 1 if outputs == ground_truth else 0")
    )
    project.rows(rows(3))
    project.config({"thresholds": {"exact": {"must-pass": True, "kind": "rate"}}})
    done = project.gate_here()
    assert (done.exit_code, tries(project, 3)) == (0, 2)


def test_a_contract_that_no_datapoint_is_tagged_for_fails(project: Project) -> None:
    project.rows(rows())
    project.config({"thresholds": {"exact": {"must-pass": True}}})
    done = project.gate_here()
    assert done.exit_code == 1
    assert check_of(done.verdict, "must-pass")["reason"] == "no_data"
    assert "must-pass" in done.error


FORGERIES = {
    "the tag is gone": ('"tags":["must-pass"]', '"tags":[]'),
    "the tag is part of another": ('"tags":["safety","must-pass"]', '"tags":["safety\\\\nmust-pass"]'),
    "the tag is part of the hash": ('"content_hash":"HASH"', '"content_hash":"HASH\\\\nmust-pass"'),
    "the cluster is another": ('"metadata":{"talk":3}', '"metadata":{"talk":1}'),
    "the inputs are others": ('"inputs":{"number":3}', '"inputs":{"number":1}'),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_code_cannot_change_what_its_datapoint_is(project: Project, forgery: str) -> None:
    old, new = FORGERIES[forgery]
    if forgery == "the tag is part of the hash":
        true_hash = content_hash({"number": 3}, 6)
        old, new = old.replace("HASH", true_hash), new.replace("HASH", true_hash)
    forged = f"""
import json, atexit, sys
from pathlib import Path

def double(inputs):
    return None

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth

def forge():
    out = Path(sys.argv[sys.argv.index("--out") + 1])
    text = out.read_text()
    assert {old!r} in text
    out.write_text(text.replace({old!r}, {new!r}))

import os
leave = os._exit
os._exit = lambda code: (forge(), leave(code))
"""
    project.write("app.py", forged)
    tags = ["safety", "must-pass"] if "safety" in old else ["must-pass"]
    project.rows({**row, "tags": tags, "metadata": {"talk": 3}} for row in rows() if row["id"] == "n3")
    project.config({"thresholds": {"exact": {"min": 0}}})
    done = project.gate_here()
    assert done.exit_code == 3
    assert "not in the dataset" in done.error


def test_aggregates_are_held_against_their_bounds(project: Project) -> None:
    project.rows(rows())
    project.config(
        {"thresholds": {"latency_ms.p95": {"max": "1m"}, "latency_ms.median": {"max": "1m"}, "exact.total": {"min": 9}}}
    )
    done = project.gate_here()
    assert done.exit_code == 1
    assert check_of(done.verdict, "max", "latency_ms.p95")["reason"] == "too_few"
    assert check_of(done.verdict, "max", "latency_ms.median")["reason"] == "met"
    total = check_of(done.verdict, "min", "exact.total")
    assert (total["candidate"], total["reason"]) == (8, "below_min")


@pytest.mark.parametrize(
    ("decide", "exit_code", "reason"),
    [("tested", 0, "apparent_drop"), ("strict", 1, "apparent_drop"), ("point", 1, "regressed")],
)
def test_how_a_comparison_is_decided_decides_the_job(
    project: Project, decide: str, exit_code: int, reason: str
) -> None:
    project.write("app.py", APP)
    project.rows(rows())
    assert project.honeyhive("run", "--out", "main.jsonl").exit_code == 0
    project.write("app.py", UNSURE)
    project.config({"baseline": "main.jsonl", "thresholds": {"exact": {"max-drop": 0.02, "decide": decide}}})
    done = project.gate_here()
    check = check_of(done.verdict, "max-drop")
    assert (done.exit_code, check["reason"], check["decide"]) == (exit_code, reason, decide)
    assert bool(done.errors) is bool(exit_code)


def test_a_datapoint_that_was_removed_is_named_with_what_it_scored(project: Project) -> None:
    project.rows(rows())
    assert project.honeyhive("run", "--out", "main.jsonl").exit_code == 0
    project.rows(row for row in rows() if row["id"] != "n4")
    project.config({"baseline": "main.jsonl", "thresholds": {"exact": {"max-drop": 0.02}}})
    found = project.gate_here().verdict
    (removed,) = found["removed_datapoints"]
    assert (removed["datapoint_id"], removed["line"], removed["scores"]["exact"]) == ("EXT-n4", 5, 0.0)
    exact = next(metric for metric in found["metrics"] if metric["metric"] == "exact")
    assert (found["removed"], exact["removed"]) == (1, 0.0)
