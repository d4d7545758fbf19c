"""What a gate once got wrong, told as stories: each of these ended green, or without a word, and should not have."""

from __future__ import annotations

import json
import py_compile
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from container.runner import Runner, Step
from honeyhive.gate.comment import MARKER
from stories import APP, COMMENT, READ, Bees, Job, app, config, empty_repository, numbers

CHEAT = {"app.py": APP.format(right=0).replace("return outputs == ground_truth", "return True")}
MIN = config({"thresholds": {"exact": {"min": 0.55}}})
FEWER = numbers(40)
"""The rows that an app which doubles 40 percent rightly gets right."""


@pytest.fixture
def bees(tmp_path: Path) -> Iterator[Bees]:
    """A repository with nothing in it."""
    with empty_repository(tmp_path) as found:
        yield found


def verdict(step: Step) -> tuple[int, str]:
    """Exit code and verdict."""
    return step.exit_code, step.outputs.get("verdict", "")


def quietly(bees: Bees, number: int, **inputs: str) -> Step:
    """The gate of a pull request, without a comment."""
    return bees.run(bees.pull_request(number, comment="false", **inputs))


# --- an evaluator that says whatever the change likes ----------------------------------------------------------------


def test_an_evaluator_that_the_change_has_edited_meets_no_bound_and_lets_nothing_pass(bees: Bees) -> None:
    rows = [json.loads(line) for line in numbers(100)["numbers.jsonl"].splitlines()]
    tagged = "".join(f"{json.dumps({**row, 'tags': ['must-pass'] if at < 5 else []})}\n" for at, row in enumerate(rows))
    bees.commit("Double numbers", app(60), {"numbers.jsonl": tagged}, MIN)
    assert verdict(bees.run(bees.push())) == (0, "passed")
    bees.propose(7, CHEAT)
    step = quietly(bees, 7)
    assert verdict(step) == (4, "undecided"), step.log
    (found,) = json.loads(step.outputs["summary"])
    open_checks = {check["rule"]: check["reason"] for check in found["checks"] if check["status"] == "undecided"}
    assert open_checks == {"min": "not_comparable", "must-pass": "not_comparable"}
    assert step.errors[0].startswith("::error title=No decision::doubling: exact")
    for told in (step.errors[0], step.summary):
        assert "its evaluator is not the one that scored the baseline" in told
        assert "merging is a maintainer's decision" in told


@pytest.mark.parametrize("baseline", ["auto", "none"])
def test_where_no_run_tells_of_an_edited_evaluator_its_file_is_named(bees: Bees, baseline: str) -> None:
    of_base = config({"baseline": baseline, "thresholds": {"exact": {"min": 0.5}}})
    bees.commit("Double numbers", app(60), numbers(100), of_base)
    bees.propose(7, CHEAT)
    edited = quietly(bees, 7)
    said = "edits `app.py`, which has the evaluator `app:exact`: there is no run that would tell"
    assert f"doubling: this change {said}" in edited.log
    assert said in edited.summary
    bees.propose(8, {"README.md": "Bees.\n"})
    assert "this change edits" not in quietly(bees, 8).log
    bees.propose(9, {"app/__init__.py": CHEAT["app.py"]})
    shadowing = quietly(bees, 9)
    assert "this change edits `app/__init__.py`, which has the evaluator `app:exact`" in shadowing.log


# --- what the change takes away --------------------------------------------------------------------------------------


def test_rows_that_a_change_deletes_are_run_where_inputs_alone_describe_the_experiment(bees: Bees) -> None:
    inputs = {
        "function": "app:double", "dataset": "numbers.jsonl", "evaluators": "app:exact",
        "thresholds": "exact: {min: 0.55}",
    }  # fmt: skip
    bees.commit("Double numbers", app(60), numbers(100))
    bees.propose(7, app(40), FEWER)
    step = quietly(bees, 7, **inputs)
    assert verdict(step) == (1, "failed"), step.log
    assert "this change removes 60 rows of `numbers.jsonl`" in step.log
    assert "100 of 100" in step.log


def test_rows_that_a_change_deletes_are_run_with_the_first_configuration_of_a_repository(bees: Bees) -> None:
    bees.commit("Double numbers", app(60), numbers(100))
    bees.propose(7, app(40), FEWER, MIN)
    step = quietly(bees, 7)
    assert verdict(step) == (1, "failed"), step.log
    assert "this change removes 60 rows of `numbers.jsonl`" in step.log


def test_what_the_base_still_asks_for_is_kept_until_the_next_change(bees: Bees) -> None:
    old = {"name": "old", "function": "old:double", "dataset": "old.jsonl", "evaluators": ["old:exact"]}
    files = {"old.py": app(60)["app.py"], "old.jsonl": numbers(100)["numbers.jsonl"]}
    bees.commit("Double numbers", app(60), numbers(100), config({}, old), files)
    bees.propose(7, config(), dict.fromkeys(files))
    gone = quietly(bees, 7)
    assert verdict(gone) == (2, "broken"), gone.log
    apart = {"app.py": app(60)["app.py"].partition("def exact")[0], "evals.py": app(60)["app.py"]}
    bees.propose(8, apart, config({"evaluators": ["evals:exact"]}, old))
    moved = quietly(bees, 8)
    assert verdict(moved) == (2, "broken"), moved.log
    for step in (gone, moved):
        assert "main still asks for it: keep it in this change and remove it in the next" in step.errors[0]
    assert "100 of 100" not in gone.log
    bees.propose(9, {"numbers.jsonl": "{\n"})
    broken = quietly(bees, 9)
    assert verdict(broken) == (2, "broken"), broken.log
    assert "still asks for it" not in broken.log


# --- a gate that cannot begin ----------------------------------------------------------------------------------------

BROKEN = {"honeyhive.yml": "version: 1\nexperimnts: []\n"}


def test_a_green_comment_does_not_outlive_the_configuration(begun: Bees) -> None:
    begun.propose(10, app(61))
    assert verdict(begun.run(begun.pull_request(10))) == (0, "passed")
    assert "✅" in begun.comment(10)
    begun.commit("A slip of the pen", BROKEN)
    begun.push_to(10)
    job = begun.pull_request(10)
    machine = begun.machine(job)
    step = begun.step(machine, job)
    assert step.exit_code == 2, step.log
    assert (step.outputs["verdict"], step.outputs["passed"]) == ("broken", "false")
    (found,) = json.loads(step.outputs["summary"])
    assert found["verdict"] == "broken"
    assert len(step.errors) == 1
    for told in (begun.comment(10), step.summary, (machine.workspace / "honeyhive-report" / "report.json").read_text()):
        assert "experimnts" in told
        assert "✅" not in told
        assert "doubling" not in told
    assert begun.repo.pulls[10].head_sha[:7] in begun.comment(10)


def test_a_fork_hands_on_that_its_gate_could_not_begin(begun: Bees) -> None:
    begun.propose(11, BROKEN, fork="wasp/bees")
    job = begun.pull_request(11)
    machine = begun.machine(job)
    step = begun.step(machine, job)
    assert (step.exit_code, step.outputs["passed"]) == (2, "false"), step.log
    after = begun.workflow_run(job)
    there = begun.machine(after)
    (machine.workspace / "honeyhive-report").rename(there.workspace / "honeyhive-report")
    posted = begun.step(there, after)
    assert posted.exit_code == 0, posted.log
    assert "experimnts" in begun.comment(11)


# --- a job that is stopped -------------------------------------------------------------------------------------------


def test_a_job_that_is_stopped_while_it_comments_has_not_passed(begun: Bees) -> None:
    begun.propose(12, app(61))
    token = begun.server.token(permissions={**COMMENT, "checks": "write"})
    job = begun.pull_request(12, token=token, **{"check-run": "stopped"})
    machine = begun.machine(job)
    process = started(machine, job)
    begun.server.wait_until(lambda: bool(begun.repo.comments[12]))
    process.send_signal(signal.SIGTERM)
    step = machine.finish(process)
    assert step.exit_code == 143, step.log
    assert step.outputs["passed"] == "false"
    (check,) = [check for check in begun.repo.checks.values() if check["name"] == "stopped"]
    assert (check["status"], check["conclusion"]) == ("completed", "cancelled")


def started(machine: Runner, job: Job) -> subprocess.Popen[str]:
    """The job's step, while it goes on."""
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "honeyhive", "gate"],
        cwd=machine.workspace,
        env=machine.environment_here({"github-token": job.token, **job.inputs}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# --- a stranger's files ----------------------------------------------------------------------------------------------


def test_what_git_ignores_is_no_hiding_place_on_pull_request_target(bees: Bees) -> None:
    main = bees.commit("Double numbers", app(60), numbers(20), MIN, {".gitignore": "__pycache__/\n"})
    bees.propose(7, app(90), fork="wasp/bees")
    allowed = {"allow-pull-request-target": "true"}
    job = replace(bees.pull_request(7), event="pull_request_target", ref="refs/heads/main", sha=main, inputs=allowed)
    machine = bees.machine(job)
    theirs = bees.folder / "theirs.py"
    theirs.write_text(app(100)["app.py"] + "\nprint('A stranger was here')\n")
    compiled = machine.workspace / "__pycache__" / f"app.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(theirs), str(compiled), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    step = bees.step(machine, job)
    assert step.exit_code == 2, step.log
    assert "files of the checkout differ from its commit" in step.errors[0]
    assert "A stranger was here" not in step.log
    assert "20 of 20" not in step.log
    assert "20 of 20" in bees.run(job).log


# --- other events ----------------------------------------------------------------------------------------------------


def test_a_release_that_runs_its_base_again_runs_the_release_before(bees: Bees) -> None:
    old = {"baseline": "rerun", "function": "old:double", "evaluators": ["old:exact"]}
    first = bees.commit("Double numbers", {"old.py": app(60)["app.py"]}, numbers(100), config(old))
    tag(bees, "v1")
    bees.commit("Worse, and called otherwise", app(30), {"old.py": None}, config({"baseline": "rerun"}))
    bees.commit("A word", {"README.md": "Bees.\n"})
    tag(bees, "v2")
    step = bees.run(bees.release("v2"))
    assert verdict(step) == (1, "failed"), step.log
    assert "exact fell 30 points, 60.0 % → 30.0 %" in step.log
    assert f"doubling: running v1 again, at {first[:7]}" in step.log
    assert json.loads(step.outputs["summary"])[0]["baseline"]["commit"] == first
    taken_back = bees.release("v2")
    step = bees.run(replace(taken_back, payload={**taken_back.payload, "action": "deleted"}))
    assert step.exit_code == 2, step.log
    assert "this release was taken back" in step.errors[0]
    assert "100 of 100" not in step.log


def tag(bees: Bees, name: str) -> None:
    """Tag the commit that the developer is on, and push the tag."""
    bees.work.git("tag", name)
    bees.work.publish(bees.repo, f"refs/tags/{name}")


def test_a_push_whose_run_is_not_kept_has_not_passed(bees: Bees) -> None:
    bees.commit("Double numbers", app(60), numbers(20), MIN)
    step = bees.run(bees.push(token=bees.server.token(permissions=READ)))
    assert verdict(step) == (5, "passed"), step.log
    assert step.outputs["passed"] == "false"
    kept = bees.run(bees.push())
    assert verdict(kept) == (0, "passed"), kept.log
    assert kept.outputs["passed"] == "true"


def test_what_a_push_without_a_run_has_changed_matters_to_the_next(bees: Bees) -> None:
    bees.commit("Double numbers", app(60), numbers(100), config({"paths": ["app.py"]}))
    bees.run(bees.push())
    bees.commit("A word", {"README.md": "Bees.\n"})
    assert verdict(bees.run(bees.push())) == (0, "skipped")
    before = bees.commit("Worse, and its job is stopped", app(30))
    bees.commit("Another word", {"README.md": "Wasps.\n"})
    step = bees.run(bees.push(before=before))
    assert verdict(step) == (1, "failed"), step.log
    assert "exact fell 30 points, 60.0 % → 30.0 %" in step.log


# --- one comment -----------------------------------------------------------------------------------------------------


def test_a_comment_of_which_github_does_not_say_the_app_is_still_ours(begun: Bees) -> None:
    begun.propose(13, app(61))
    for login in ("wasp[bot]", "github-actions[bot]"):
        begun.repo.add_comment(13, f"{MARKER}\nOf {login}.", login=login, is_bot=True, app=None)
    step = begun.run(begun.pull_request(13))
    assert verdict(step) == (0, "passed"), step.log
    wasps, ours = begun.repo.comments[13]
    assert wasps.body == f"{MARKER}\nOf wasp[bot]."
    assert "doubling" in ours.body
