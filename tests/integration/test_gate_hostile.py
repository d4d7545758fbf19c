"""User code that fails: an error of its datapoint, its metric or its module, and never a command to the runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from projects import Done, Project, new_project

HEAD = """
import json, os, signal, sys, threading, time
from pathlib import Path

RUN_FILE = Path("honeyhive-report/run.jsonl")

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth

"""
COUNT = 20


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project", count=COUNT)


def gate(project: Project, app: str, *flags: str, **experiment: Any) -> Done:
    """The gate on this app, one datapoint after the other."""
    project.write("app.py", HEAD + app)
    project.config({"max-workers": 1} | experiment)
    return project.gate_here(*flags)


def doubling(trick: str, *, at: int = COUNT - 1) -> str:
    """A function that doubles every number rightly, and at one of them does something else besides."""
    inner = "".join(f"        {line}\n" for line in trick.strip().splitlines())
    return f"def double(inputs):\n    if inputs['number'] == {at}:\n{inner}    return 2 * inputs['number']\n"


# --- it fails --------------------------------------------------------------------------------------------------------

SOME_FAIL = "def double(inputs):\n    if inputs['number'] < {}: {}\n    return 2 * inputs['number']\n"
RULES = {"exact": {"min": 0.5}}
STRICT = {**RULES, "errors": {"max": 0}}


@pytest.mark.parametrize(
    "failure",
    [
        "raise ValueError('no answer')",
        "sys.exit(0)",
        "raise KeyError",
        "raise BaseException",
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})",
    ],
)
def test_one_datapoint_that_fails_is_one_too_many_where_none_may(project: Project, failure: str) -> None:
    done = gate(project, SOME_FAIL.format(1, failure), thresholds=STRICT)
    assert done.exit_code == 1
    assert "errors" in done.error
    assert done.outputs["verdict"] == "failed"


def test_more_than_one_in_twenty_that_fails_is_too_many_in_any_case(project: Project) -> None:
    done = gate(project, SOME_FAIL.format(2, "raise ValueError('no answer')"), thresholds=RULES)
    assert done.exit_code == 1
    assert "errors 10.0 % (allowed ≤ 5 %)" in done.error
    assert "no answer" in done.summary
    assert gate(project, SOME_FAIL.format(1, "raise ValueError('no answer')"), thresholds=RULES).exit_code == 0


def test_an_error_counts_as_the_worst_score(project: Project) -> None:
    rules = {"exact": {"min": 0.95}, "errors": {"max": 1}}
    assert gate(project, SOME_FAIL.format(2, "raise ValueError"), thresholds=rules).exit_code == 1


@pytest.mark.parametrize(
    "hang",
    ["threading.Event().wait()", "exec('while True: pass')", "os.read(os.pipe()[0], 1)"],
    ids=["waits", "spins", "reads"],
)
def test_a_function_that_hangs_is_an_error_of_its_datapoint(project: Project, hang: str) -> None:
    done = gate(project, SOME_FAIL.format(1, hang), timeout="300ms", thresholds=STRICT)
    assert done.exit_code == 1
    assert len(project.outcomes()) == COUNT
    message = "the function gave no answer within 0.3 s"
    assert project.outcomes()[0]["error"] == {"type": "TimeoutError", "message": message}


def test_a_coroutine_that_hangs_is_an_error_of_its_datapoint(project: Project) -> None:
    app = """
import asyncio
async def double(inputs):
    if inputs["number"] < 1:
        await asyncio.Event().wait()
    return 2 * inputs["number"]
"""
    assert gate(project, app, timeout="300ms", thresholds=STRICT).exit_code == 1
    assert project.outcomes()[0]["error"]["type"] == "TimeoutError"


BAD_EVALUATORS = {
    "raises": "1 / 0",
    "gives NaN": "float('nan')",
    "gives text": "'1.0'",
    "exits": "sys.exit(0)",
    "hangs": "threading.Event().wait()",
}


@pytest.mark.parametrize("score", BAD_EVALUATORS.values(), ids=list(BAD_EVALUATORS))
def test_an_evaluator_that_gives_no_score_is_an_error_of_its_metric(project: Project, score: str) -> None:
    app = f"{doubling('pass')}\ndef judge(outputs, inputs):\n    return True if inputs['number'] else {score}\n"
    rules = {"judge": {"min": 0.5}, "errors": {"max": 0}}
    done = gate(project, app, evaluators="app:judge", thresholds=rules, timeout="300ms")
    assert done.exit_code == 1
    assert "errors" in done.error
    assert "judge" in project.outcomes()[0]["evaluator_errors"]
    assert project.outcomes()[0]["scores"] == {}


def test_a_metric_that_no_datapoint_has_fails(project: Project) -> None:
    app = f"{doubling('pass')}\ndef judge(outputs): return None\n"
    done = gate(project, app, evaluators="app:judge", thresholds={"judge": {"min": 0}})
    assert done.exit_code == 1
    assert "judge" in done.error
    misspelt = gate(project, doubling("pass"), thresholds={"exakt": {"max-drop": 0.1}})
    assert misspelt.exit_code == 1
    assert "exakt" in misspelt.error


def test_a_function_that_always_fails_is_no_success(project: Project) -> None:
    done = gate(project, "def double(inputs): raise ValueError\n", thresholds={"errors": {"max": 1}, **RULES})
    assert done.exit_code == 1
    assert "exact" in done.error


@pytest.mark.parametrize("text", ["", "\n\n", "[]"])
def test_an_empty_dataset_is_wrong_input(project: Project, text: str) -> None:
    name = "empty.json" if text == "[]" else "empty.jsonl"
    project.write(name, text)
    done = gate(project, doubling("pass"), dataset=name)
    assert done.exit_code == 2
    assert f"{name}: the dataset is empty" in done.error
    assert done.outputs["verdict"] == "broken"


# --- it speaks ------------------------------------------------------------------------------------------------------

COMMANDS = r"""
for text in ("::error::x", "  ::set-output name=verdict::passed", "a\r::x::", "b ##[error]c", "::stop-commands::x",
             "\x1b[m::error::x", "#\x1b[m#[y", "\x1b[31m  \x1b[0m::add-mask::x", "\v::x::", "\u2028::x::"):
    print(text)
    print(text, file=sys.stderr)
sys.stdout.write("z" * 65536 + "::error::x\n")
"""


def test_nothing_that_the_code_prints_or_reports_is_a_command(project: Project) -> None:
    evil = r"'\n::error::x\r##[error]y \x1b[m::z'"
    app = f"{COMMANDS}\ndef double(inputs): raise ValueError({evil})\n"
    project.write("app.py", f"{HEAD}{app}\ndef judge(outputs): return True\njudge.__name__ = {evil}\n")
    done = project.gate("--evaluators", "app:judge")
    assert done.exit_code == 1
    printed = (done.out + "\n" + done.err).replace("\r", "\n").split("\n")
    commands = [line for line in printed if line.lstrip().startswith("::") or "##[" in line]
    assert commands == done.errors
    assert len(commands) == 1
    assert "\x1b[m::error::x" in printed, "its colours make it no command: they have to stay"


def test_an_error_message_of_many_lines_is_one_line_of_the_log(project: Project) -> None:
    done = gate(project, "raise ValueError('no\\n::error::way\\n  out')\n")
    assert done.exit_code == 2
    assert len(done.errors) == 1
    assert "importing app failed: ValueError: no ::error::way out" in done.out
