"""The life of a pull request, on this machine; tests/container tells it through the image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from container.runner import Step
from github_server import GitHubServer
from honeyhive.ci.github.answers import COMPARED_FILES
from stories import COMMENT, READ, SAVE, Bees, app, config, numbers

CHECKS = {**COMMENT, "checks": "write"}


def first_commit(bees: Bees) -> Bees:
    """60 of 100 numbers are doubled rightly, and README.md does not matter to that."""
    bees.commit("Double numbers", app(60), numbers(100), config({"paths": ["app.py"]}), {"README.md": "Bees.\n"})
    return bees


@pytest.fixture
def bees(tmp_path: Path) -> Iterator[Bees]:
    """A repository without a run."""
    with GitHubServer(tmp_path / "github") as server:
        yield first_commit(Bees(server, tmp_path))
        assert server.violations == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bees]:
    folder = tmp_path_factory.mktemp("bees")
    with GitHubServer(folder / "github") as server:
        made = first_commit(Bees(server, folder))
        assert made.run(made.push()).exit_code == 0
        made.propose(7, app(40))
        made.propose(8, app(90))
        yield made


@pytest.fixture
def begun(running: Bees) -> Iterator[Bees]:
    """A repository whose main has a run, with a pull request that is worse (7) and one that is better (8)."""
    yield running
    assert running.server.violations == []


def verdict(step: Step) -> tuple[int, str]:
    """Exit code and verdict."""
    return step.exit_code, step.outputs.get("verdict", "")


# --- one pull request, from its first push to its last ---------------------------------------------------------------


def test_a_pull_request_from_its_first_push_to_its_last(begun: Bees) -> None:
    begun.propose(9, app(40), config({"paths": ["app.py"], "thresholds": {"exact": {"max-drop": 0.9}}}))
    first = begun.pull_request(9)
    worse = begun.run(first)
    assert verdict(worse) == (1, "failed"), worse.log
    comment = begun.comment(9)
    assert "fell 20 points" in comment
    assert "This pull request changes its own gate" in comment
    assert "raises `exact.max-drop` 0.02 → 0.9; judged by 0.02" in comment

    begun.commit("Better", app(90))
    begun.push_to(9)
    better = begun.run(begun.pull_request(9))
    assert verdict(better) == (0, "passed"), better.log
    assert "improved 30 points" in begun.comment(9)
    assert better.outputs["comment-url"] == worse.outputs["comment-url"]

    late = begun.run(replace(first, attempt=2))
    assert verdict(late) == (1, "failed"), late.log
    assert "a newer run of this job has told its own there" in late.log
    assert "improved 30 points" in begun.comment(9)


def test_the_first_gate_of_a_repository_says_how_its_baseline_comes_about(bees: Bees) -> None:
    bees.propose(7, app(40))
    done = bees.run(bees.pull_request(7, comment="false"))
    assert verdict(done) == (0, "undecided"), done.log
    assert "A push to `main` runs the gate and saves its run" in done.log
    assert "A push to `main` runs the gate and saves its run" in done.summary


# --- paths -----------------------------------------------------------------------------------------------------------


def test_what_does_not_matter_is_skipped_and_said_where_there_is_a_comment_already(begun: Bees) -> None:
    begun.propose(5, {"README.md": "Bees and wasps.\n"})
    skipped = begun.run(begun.pull_request(5))
    assert verdict(skipped) == (0, "skipped"), skipped.log
    assert skipped.outputs["passed"] == "true"
    said = "`README.md`, the only file that changed, does not match `app.py`"
    assert f"SKIPPED    doubling: {said}" in skipped.log
    assert said in skipped.summary
    assert json.loads(skipped.outputs["summary"])[0]["verdict"] == "skipped"
    assert begun.repo.comments[5] == []

    begun.commit("Matters", app(61))
    begun.push_to(5)
    assert verdict(begun.run(begun.pull_request(5))) == (0, "passed")
    assert "⏭️" not in begun.comment(5)
    begun.commit("Matters no more", app(60))
    begun.push_to(5)
    assert verdict(begun.run(begun.pull_request(5))) == (0, "skipped")
    assert "⏭️ doubling: not run" in begun.comment(5)


def test_where_nobody_can_tell_what_has_changed_it_is_run(bees: Bees, tmp_path: Path) -> None:
    store = f"file:{tmp_path / 'runs'}"
    assert verdict(bees.run(bees.push(store=store))) == (0, "undecided")
    bees.commit("Does not matter", {f"docs/{number}.md": "Wasps.\n" for number in range(COMPARED_FILES)})
    job = bees.push(store=store)
    known = bees.run(job)
    assert verdict(known) == (0, "skipped"), known.log
    machine = bees.machine(job)
    bees.server.fail("*", "/honey", "404")  # git is away, and GitHub lists no more files than that
    unknown = bees.step(machine, job)
    assert verdict(unknown) == (0, "passed"), unknown.log
    assert "100 of 100" in unknown.log


def test_by_hand_everything_is_run_whatever_has_changed(begun: Bees) -> None:
    begun.on_main()
    assert verdict(begun.run(replace(begun.push(token=reading(begun)), event="workflow_dispatch"))) == (0, "passed")


# --- a check run -----------------------------------------------------------------------------------------------------


def only_check(bees: Bees, name: str) -> dict[str, Any]:
    """The one check run of that name."""
    (found,) = [check for check in bees.repo.checks.values() if check["name"] == name]
    return found


def checked(bees: Bees, number: int, name: str, **inputs: str) -> Step:
    """A pull request's job that also makes a check run of that name."""
    token = bees.server.token(permissions=CHECKS)
    return bees.run(bees.pull_request(number, token=token, comment="false", **{"check-run": name, **inputs}))


def reading(bees: Bees) -> str:
    """A token that may only read."""
    return bees.server.token(permissions=READ)


def test_a_check_run_begins_with_the_gate_and_ends_as_it_does(begun: Bees) -> None:
    begun.propose(20, app(59))
    for number, name, conclusion in ((7, "worse", "failure"), (8, "better", "success"), (20, "unsure", "neutral")):
        step = checked(begun, number, name)
        assert only_check(begun, name)["conclusion"] == conclusion, step.log
        assert only_check(begun, name)["head_sha"] == begun.repo.pulls[number].head_sha
    assert "fell 20 points" in only_check(begun, "worse")["output"]["title"]
    began = begun.server.of("POST", "/repos/{owner}/{repo}/check-runs")
    assert {one.body["status"] for one in began} == {"in_progress"}


def test_a_job_that_is_cancelled_ends_its_check_run_as_cancelled(begun: Bees) -> None:
    hanging = """
import os, signal, threading

def double(inputs):
    os.kill(os.getppid(), signal.SIGTERM)
    threading.Event().wait()

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""
    begun.propose(21, {"app.py": hanging})
    step = checked(begun, 21, "cancelled")
    assert step.exit_code == 143, step.log
    assert only_check(begun, "cancelled")["status"] == "completed"
    assert only_check(begun, "cancelled")["conclusion"] == "cancelled"


def test_who_may_make_no_check_run_is_warned_and_judged_all_the_same(begun: Bees) -> None:
    token = begun.server.token(permissions=COMMENT)
    step = begun.run(begun.pull_request(8, token=token, comment="false", **{"check-run": "forbidden"}))
    assert verdict(step) == (0, "passed"), step.log
    assert "::warning title=The token may not do that::POST /repos/honey/bees/check-runs" in step.log
    assert "`checks: write`" in step.log
    assert "forbidden" not in {check["name"] for check in begun.repo.checks.values()}


# --- reporting -------------------------------------------------------------------------------------------------------


def test_who_may_not_comment_is_warned_and_with_strict_reporting_fails(begun: Bees) -> None:
    lax = begun.run(begun.pull_request(8, token=reading(begun)))
    assert verdict(lax) == (0, "passed"), lax.log
    assert "::warning title=The token may not do that::" in lax.log
    assert "`pull-requests: write`" in lax.log
    strict = begun.run(begun.pull_request(8, token=reading(begun), **{"strict-reporting": "true"}))
    assert verdict(strict) == (5, "passed"), strict.log
    assert strict.errors[0].startswith("::error title=The token may not do that::")
    worse = begun.run(begun.pull_request(7, token=reading(begun), **{"strict-reporting": "true"}))
    assert verdict(worse) == (1, "failed"), worse.log


def test_who_wants_no_comment_gets_none(begun: Bees) -> None:
    before = len(begun.server.requests)
    step = begun.run(begun.pull_request(8, comment="false"))
    assert verdict(step) == (0, "passed"), step.log
    assert not [one for one in begun.server.requests[before:] if "comments" in one.path]
    assert step.outputs["comment-url"] == ""


# --- other events ----------------------------------------------------------------------------------------------------


def test_pull_request_target_is_refused_and_where_it_is_allowed_runs_the_code_of_main_alone(begun: Bees) -> None:
    main = begun.work.git("rev-parse", "main")
    named = replace(begun.pull_request(7), event="pull_request_target", ref="refs/heads/main", sha=main)
    refused = begun.run(named)
    assert refused.exit_code == 2
    assert "pull_request_target is refused" in refused.errors[0]
    assert "100 of 100" not in refused.log
    allowed = replace(named, inputs={"allow-pull-request-target": "true"})
    theirs = begun.run(replace(allowed, checkout=begun.repo.pulls[7].head_sha))
    assert theirs.exit_code == 2
    assert "only the commit that it is for" in theirs.errors[0]
    assert "100 of 100" not in theirs.log
    ours = begun.run(allowed)
    assert verdict(ours) == (0, "passed"), ours.log
    assert "it is the base branch that is run, and not the pull request" in ours.log


def test_by_hand_a_branch_is_held_against_where_it_left_main_and_saves_nothing(begun: Bees) -> None:
    before = begun.repo.bare.commit("honeyhive-runs")
    sha = begun.repo.pulls[7].head_sha
    payload = {**begun.push(token=reading(begun)).payload, "ref": "refs/heads/change-7"}
    by_hand = replace(begun.push(token=begun.server.token(permissions=SAVE)), event="workflow_dispatch")
    step = begun.run(replace(by_hand, ref="refs/heads/change-7", sha=sha, payload=payload))
    assert verdict(step) == (1, "failed"), step.log
    assert "(merge base)" in step.log
    assert begun.repo.bare.commit("honeyhive-runs") == before


@pytest.mark.parametrize("text", [None, "{", "[]"], ids=["missing", "broken", "no event"])
def test_without_its_event_a_pull_request_is_known_by_its_variables(
    begun: Bees, tmp_path: Path, text: str | None
) -> None:
    event = tmp_path / "event.json"
    if text is not None:
        event.write_text(text)
    job = begun.pull_request(7, comment="false")
    job = replace(job, variables={**job.variables, "GITHUB_EVENT_PATH": str(event)})
    step = begun.run(job)
    assert verdict(step) == (1, "failed"), step.log
    assert "the event's file cannot be read" in step.log
    assert "judged by honeyhive.yml of main" in step.log
