"""The action in its container, run as a runner runs it: the verdict, outputs and summary that the command gives."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from container.project import APP, Project
from container.runner import Runner

ROOT = Path(__file__).parents[2]
GSM8K = ROOT.parent / "shared" / "data" / "gsm8k_openai"

WORSE, BETTER = APP.format(right=40), APP.format(right=80)

SLOW = """
import time

def double(inputs):
    time.sleep(0 if inputs["number"] < 20 else 60)
    return 2 * inputs["number"]

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""

GSM8K_APP = """
import json
from pathlib import Path

OUTPUTS = dict(json.loads(line).values() for line in Path("outputs.jsonl").read_text().splitlines())

def solve(datapoint):
    return OUTPUTS[datapoint["id"]]

def correct(outputs, inputs, ground_truth):
    try:
        return float(outputs.rpartition("A:")[2].strip().replace(",", "")) == float(ground_truth.replace(",", ""))
    except ValueError:
        return False
"""

GSM8K_CONFIG = """
version: 1
experiments:
  - name: gsm8k
    function: app:solve
    dataset: dataset.jsonl
    inputs: [input]
    ground-truth: expected
    id: id
    evaluators: [app:correct]
    baseline: main.jsonl
    thresholds:
      correct: {max-drop: 0.02}
"""


OTHER_PYTHON = "not the same environment as the baseline's: `python` "
"""The image has a Python of its own, and says so."""


def comparison(workspace: Path) -> dict[str, Any]:
    """comparison.json without what differs from run to run: ids, the time that the function took, and its Python."""
    found: dict[str, Any] = json.loads((workspace / "honeyhive-report" / "comparison.json").read_text())
    found["metrics"] = [metric for metric in found["metrics"] if metric["metric"] != "latency_ms"]
    found["warnings"] = [said for said in found["warnings"] if not said.startswith(OTHER_PYTHON)]
    for side in ("candidate", "baseline"):
        del found[side]["run_id"]
    return found


def without_run(markdown: str) -> list[str]:
    """A summary without what differs from run to run, and the note on the image's Python."""
    note = r"<details>\n<summary>Notes</summary>\n+- not the same environment[^\n]*\n+</details>\n*"
    lines = [line for line in re.sub(note, "", markdown).splitlines() if line and "latency_ms" not in line]
    return [re.sub(r"run `[0-9a-f-]+`", "run", line) for line in lines]


# --- the verdict -----------------------------------------------------------------------------------------------------


def test_a_worse_candidate_fails_the_step_and_says_so_in_outputs_and_summary(runner: Runner, project: Project) -> None:
    project.change(WORSE)
    step = runner.step()
    assert step.exit_code == 1, step.log
    assert step.outputs["verdict"] == "failed"
    assert step.outputs["passed"] == "false"
    assert json.loads(step.outputs["summary"])[0]["checks"][0]["reason"] == "regressed"
    assert "`exact` fell 20 points, 60.0 % → 40.0 %" in step.summary
    assert len(step.errors) == 1
    assert "exact" in step.errors[0]


def test_a_better_candidate_passes(runner: Runner, project: Project) -> None:
    project.change(BETTER)
    step = runner.step()
    assert step.exit_code == 0, step.log
    assert step.outputs["verdict"] == "passed"
    assert step.outputs["passed"] == "true"
    assert not step.errors


def test_the_outputs_name_files_that_the_next_step_finds(runner: Runner, project: Project) -> None:
    project.write("evals/honeyhive.yml", (project.folder / "honeyhive.yml").read_text())
    for name in ("app.py", "numbers.jsonl", "main.jsonl"):
        shutil.move(project.folder / name, project.folder / "evals" / name)
    step = runner.step({"working-directory": "evals"})
    assert step.exit_code == 0, step.log
    assert (step.outputs["report-dir"], step.outputs["run-file"]) == (
        "evals/honeyhive-report",
        "evals/honeyhive-report/run.jsonl",
    )
    assert (runner.workspace / step.outputs["report-dir"] / "comment.md").read_text().strip() == step.summary.strip()
    assert project.lines("evals/honeyhive-report")[0]["run_id"] == step.outputs["run-id"]
    report = runner.workspace / step.outputs["report-dir"]
    assert all(path.stat().st_mode & 0o004 for path in report.iterdir()), "the next step is not root"


def test_the_container_and_the_command_come_to_the_same(runner: Runner, project: Project, tmp_path: Path) -> None:
    project.change(WORSE)
    outside = Runner(image="none", folder=tmp_path / "outside", inputs=())
    shutil.copytree(runner.workspace, outside.workspace)
    step, command = runner.step({"max-workers": "4"}), outside.command("--max-workers", "4")
    assert step.exit_code == command.exit_code == 1, command.log
    assert comparison(runner.workspace) == comparison(outside.workspace)
    assert without_run(step.summary) == without_run(command.summary)
    ours, theirs = dict(step.outputs), dict(command.outputs)
    for outputs in (ours, theirs):
        del outputs["run-id"], outputs["summary"]
    assert ours == theirs


@pytest.mark.skipif(not GSM8K.is_dir(), reason="needs the folder `shared` beside the repository")
def test_a_recorded_regression_on_gsm8k_fails_with_the_numbers_of_scipy(runner: Runner) -> None:
    project = Project(runner.workspace)
    runner.workspace.mkdir(parents=True)
    shutil.copy(GSM8K / "dataset.jsonl", runner.workspace)
    shutil.copy(GSM8K / "outputs" / "6b_verification.jsonl", runner.workspace / "outputs.jsonl")
    project.write("app.py", GSM8K_APP)
    project.write("honeyhive.yml", GSM8K_CONFIG)
    project.run()
    shutil.copy(GSM8K / "outputs" / "175b_finetuning.jsonl", runner.workspace / "outputs.jsonl")
    step = runner.step()
    assert step.exit_code == 1, step.log
    examples = json.loads((GSM8K.parent / "expected-verdicts.json").read_text())
    expected = next(
        example
        for example in examples
        if (example["dataset"], example["baseline"], example["candidate"], example["margin"])
        == ("gsm8k_openai", "6b_verification", "175b_finetuning", 0.02)
    )
    check = json.loads(step.outputs["summary"])[0]["checks"][0]
    assert {key: check[key] for key in ("reason", "n", "worse", "better")} == {
        key: expected[key] for key in ("reason", "n", "worse", "better")
    }
    assert [check[key] for key in ("estimate", "lower", "upper", "p")] == pytest.approx(
        [expected[key] for key in ("delta", "lower", "upper", "p")], abs=1e-9
    )


@pytest.mark.parametrize("job", yaml.safe_load((ROOT / ".github/workflows/selftest.yml").read_text())["jobs"].values())
def test_the_selftest_holds(runner: Runner, job: dict[str, Any]) -> None:
    shutil.copytree(ROOT / "examples", runner.workspace / "examples")
    _, gate, check = job["steps"]
    assert gate["uses"] == "./"
    # A runner gives every input as text, whatever YAML makes of it.
    step = runner.step({name: str(value).lower() if value is False else value for name, value in gate["with"].items()})
    context = {f"steps.gate.outputs.{name}": value for name, value in step.outputs.items()}
    context["steps.gate.outcome"] = "failure" if step.exit_code else "success"
    env = {name: context.get(expression.strip("${} "), "") for name, expression in check["env"].items()}
    command = ["bash", "-e", "-c", check["run"]]
    done = subprocess.run(
        command, cwd=runner.workspace, env=os.environ | env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{step.log}\n{done.stderr}"


# --- what is given wrongly -------------------------------------------------------------------------------------------


def test_an_input_with_a_hyphen_arrives_and_is_named_where_it_is_wrong(runner: Runner, project: Project) -> None:
    step = runner.step({"max-workers": "abc"})
    assert step.exit_code == 2
    assert len(step.errors) == 1
    assert "max-workers" in step.errors[0]
    assert "abc" in step.errors[0]


def test_an_empty_workspace_is_told_what_to_write(runner: Runner) -> None:
    runner.workspace.mkdir(parents=True)
    step = runner.step()
    assert step.exit_code == 2
    assert len(step.errors) == 1
    assert "honeyhive.yml" in step.errors[0]


# --- the machine around it -------------------------------------------------------------------------------------------


def test_git_describes_a_workspace_that_belongs_to_another_user(runner: Runner, project: Project) -> None:
    if os.getuid() == 0:  # elsewhere the workspace is somebody's, and the container's user is root
        subprocess.run(["chown", "-R", "1001:1001", runner.workspace], check=True)
    step = runner.step()
    assert step.exit_code == 0, step.log
    git = project.lines()[0]["git"]
    assert git["commit_hash"] == project.git("rev-parse", "HEAD")
    assert git["branch"] == "main"
    assert git["commit_link"] == f"https://github.com/honey/bees/commit/{git['commit_hash']}"


@pytest.mark.parametrize(("name", "exit_code"), [("TERM", 143), ("INT", 130)])
def test_a_cancelled_step_ends_soon_and_keeps_what_was_finished(
    runner: Runner, project: Project, name: str, exit_code: int
) -> None:
    project.change(SLOW)
    process = runner.start({"max-workers": "1"}, {})
    deadline = time.monotonic() + 30
    while not (runner.workspace / "honeyhive-report" / "run.jsonl").exists() or len(project.lines()) < 20:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    runner.signal(name)
    step = runner.finish(process)
    assert step.exit_code == exit_code, step.log
    assert step.seconds < 10
    assert step.outputs["verdict"] == "broken"
    assert [outcome["output"] for outcome in project.outcomes()[:20]] == [2 * number for number in range(20)]


def test_the_image_has_git_and_uv_and_nothing_to_build_with(image: str) -> None:
    script = "PATH=$PATH:/opt/honeyhive/bin; for tool in git uv gcc cc make hatchling; do command -v $tool; done; true"
    command = ["docker", "run", "--rm", "--entrypoint", "sh", image, "-c", script]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert found == ["/usr/bin/git", "/opt/honeyhive/bin/uv"]
