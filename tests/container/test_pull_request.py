"""The life of a pull request, through the image: one comment, whoever writes to it, and a fork that may not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from container.hive import REPORT, Hive, hive
from container.runner import Runner
from stories import Job, app, config, numbers

MARKER = "<!-- honeyhive-gate -->"
FELL = "`exact` fell 20 points, 60.0 % → 40.0 %"


@pytest.fixture(scope="module")
def main(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose main has a run: 60 of 100 numbers are doubled rightly."""
    folder = tmp_path_factory.mktemp("main")
    with hive(folder, image) as bees:
        bees.commit("Double numbers", app(60), numbers(), config())
        done = bees.run(bees.push())
        assert done.exit_code == 0, done.log
    return folder


@pytest.fixture
def bees(image: str, main: Path, tmp_path: Path) -> Iterator[Hive]:
    """That repository, as it was before this test."""
    with hive(tmp_path, image, like=main) as bees:
        yield bees


def worse(bees: Hive, number: int = 7, *, fork: str | None = None) -> Job:
    """A pull request of somebody who has made it 40 of 100; its job."""
    bees.branch(f"change-{number}")
    bees.commit("Worse", app(40))
    bees.open(number, f"change-{number}", fork=fork)
    bees.on_main()
    return bees.pull_request(number)


def in_matrix(job: Job, attempt: int = 1, **values: str) -> Job:
    """The job with these values of its matrix, and the key that `toJSON(matrix)` makes of them."""
    return replace(job, attempt=attempt, inputs={"comment-key": json.dumps(values, indent=2)})


# --- its baseline ----------------------------------------------------------------------------------------------------


def test_the_first_gate_of_a_repository_explains_how_its_baseline_comes_about(image: str, tmp_path: Path) -> None:
    with hive(tmp_path, image) as bees:
        bees.commit("Double numbers", app(60), numbers(), config())
        done = bees.run(worse(bees))
    
        assert done.exit_code == 0
        assert done.outputs["verdict"] == "undecided"
        assert "nothing to compare with yet" in bees.comment(7)
        assert "There is no run of `doubling` in `git:honeyhive-runs` yet" in bees.comment(7)
        assert "a push to `main`" in bees.comment(7)


def test_a_pull_request_is_held_against_the_run_of_main(bees: Hive) -> None:
    job = worse(bees)
    done = bees.run(job)
    assert done.exit_code == 1, done.log
    assert done.outputs["verdict"] == "failed"
    assert FELL in bees.comment(7)
    assert FELL in done.summary
    assert "::warning title=doubling,file=numbers.jsonl,line=41::" in done.log
    (comment,) = bees.repo.comments[7]
    assert comment.login == "github-actions[bot]"
    assert done.outputs["comment-url"].endswith(f"#issuecomment-{comment.id}")


def test_where_main_has_moved_on_without_a_run_the_nearest_one_before_is_taken(bees: Hive) -> None:
    bees.commit("Say what it does", {"README.md": "It doubles."})
    bees.commit("Say it better", {"README.md": "It doubles numbers."})
    done = bees.run(worse(bees))

    assert done.exit_code == 1
    assert "2 commits back" in bees.comment(7)
    assert FELL in bees.comment(7)


def test_on_an_enterprise_server_everything_is_asked_below_its_prefix(bees: Hive) -> None:
    job = worse(bees)
    done = bees.run(replace(job, variables={**job.variables, "GITHUB_API_URL": bees.server.api_url}))
    assert done.exit_code == 1, done.log
    assert FELL in bees.comment(7)
    assert {request.headers[":prefix"] for request in bees.server.requests} == {"/api/v3"}


# --- one comment -----------------------------------------------------------------------------------------------------


def test_a_second_push_updates_the_same_comment(bees: Hive) -> None:
    assert bees.run(worse(bees)).exit_code == 1
    (before,) = bees.repo.comments[7]
    bees.work.git("checkout", "-q", "change-7")
    bees.commit("Better", app(80))
    bees.push_to(7)
    done = bees.run(bees.pull_request(7))
    assert done.exit_code == 0, done.log
    (after,) = bees.repo.comments[7]
    assert after.id == before.id
    assert "80.0 %" in after.body
    assert "40.0 %" not in after.body


def test_a_re_run_updates_the_comment_and_an_older_attempt_that_ends_late_does_not(bees: Hive) -> None:
    first = worse(bees)
    assert bees.run(first).exit_code == 1
    assert "attempt 1" in bees.comment(7)
    again = bees.run(replace(first, attempt=2))
    assert again.exit_code == 1, again.log
    (comment,) = bees.repo.comments[7]
    assert "attempt 2" in comment.body
    late = bees.run(first)
    assert late.exit_code == 1
    assert "a newer run of this job has told its own there" in late.log
    assert bees.repo.comments[7] == [comment]


def test_a_run_of_an_earlier_commit_that_is_run_again_does_not_go_over_the_newer_one(bees: Hive) -> None:
    first = worse(bees)
    bees.work.git("checkout", "-q", "change-7")
    bees.commit("Better", app(80))
    bees.push_to(7)
    assert bees.run(bees.pull_request(7)).exit_code == 0
    newer = bees.comment(7)
    late = bees.run(replace(first, attempt=2))
    assert late.exit_code == 1
    assert "a newer run of this job has told its own there" in late.log
    assert bees.comment(7) == newer


def test_jobs_of_a_matrix_that_end_at_once_share_one_comment_and_lose_nothing(bees: Hive) -> None:
    """On three pull requests at the same time: first each makes the comment, then each updates it."""
    numbers = (7, 8, 9)
    jobs = [worse(bees, number) for number in numbers]
    for attempt in (1, 2):
        done = bees.at_once(
            *(in_matrix(job, attempt, model=model, python="3.13") for job in jobs for model in ("small", "large"))
        )
        assert [step.exit_code for step in done] == [1] * 6, [step.log for step in done]
        for number in numbers:
            comment = bees.comment(number)
            assert "(small, 3.13)" in comment
            assert "(large, 3.13)" in comment
            assert comment.count(f"attempt {attempt}") == 2
            assert len(bees.repo.comments[number]) == 1


def test_among_many_other_comments_ours_alone_is_updated(bees: Hive) -> None:
    job = worse(bees)
    for _ in range(57):
        bees.repo.add_comment(7, "What about zero?")
    bees.repo.add_comment(7, f"{MARKER}\n\nI say what the gate says.", login="mallory")
    bees.repo.add_comment(7, f"> {MARKER}\n\nWhat is this?")
    bees.repo.add_comment(7, f"{MARKER}\n\nAnother bot.", login="other[bot]", is_bot=True)
    assert bees.run(job).exit_code == 1
    for _ in range(60):
        bees.repo.add_comment(7, f"{MARKER}\n\nMe too.", login="mallory")
    done = bees.run(replace(job, attempt=2))
    assert done.exit_code == 1, done.log
    ours = [one for one in bees.repo.comments[7] if one.login == "github-actions[bot]"]
    others = [one for one in bees.repo.comments[7] if one.login != "github-actions[bot]"]
    assert len(ours) == 1
    assert "attempt 2" in ours[0].body
    assert len(others) == 120
    assert all(len(one.bodies) == 1 and not one.edits for one in others)


# --- a fork ----------------------------------------------------------------------------------------------------------


def test_a_fork_leaves_a_report_that_a_second_workflow_comments_with(bees: Hive) -> None:
    job = worse(bees, 8, fork="bob/bees")
    machine = bees.machine(job)
    done = bees.step(machine, job)
    assert done.exit_code == 1, done.log  # the verdict's own
    assert "the job of a fork has a token that may only read" in done.log
    assert done.outputs["comment-url"] == ""
    assert not bees.repo.comments[8]
    assert not [request for request in bees.server.requests if request.method != "GET"]

    publishing = bees.workflow_run(job)
    done = bees.step(handed_on(bees, machine, publishing), publishing)
    assert done.exit_code == 0, done.log
    assert FELL in bees.comment(8)
    assert "reported by the pull request's own job" in bees.comment(8)
    assert done.outputs["verdict"] == "failed"
    assert done.outputs["comment-url"]


def test_a_fork_that_is_no_worse_is_green_without_a_comment(bees: Hive) -> None:
    bees.branch("better")
    bees.commit("Better", app(80))
    bees.open(8, "better", fork="bob/bees")
    done = bees.run(bees.pull_request(8, **{"strict-reporting": "true"}))
    assert done.exit_code == 0, done.log
    assert done.outputs["passed"] == "true"
    assert not done.errors


def handed_on(bees: Hive, machine: Runner, job: Job) -> Runner:
    """The machine of a job that has downloaded what another one has uploaded, and checked nothing out."""
    second = bees.machine(job)
    shutil.copytree(machine.workspace / REPORT, second.workspace / REPORT)
    assert [path.name for path in second.workspace.iterdir()] == [REPORT]
    return second


# --- what it leaves alone --------------------------------------------------------------------------------------------


def test_neither_is_the_checkout_touched_nor_a_token_written_anywhere(bees: Hive) -> None:
    job = worse(bees)
    assert bees.run(job).exit_code == 1  # writes a comment
    bees.commit("Better", app(80))
    assert bees.run(bees.push()).exit_code == 0  # writes a branch
    assert bees.touched() == []
    assert bees.secrets_written() == []
    # ... and the search would have found them.
    machine = bees.begun[0].machine
    (machine.workspace / ".git" / "FETCH_HEAD").unlink()
    bees.repo.add_comment(7, f"Authorization: {job.token}")
    assert bees.touched() == [f"{machine.folder.name}: .git/FETCH_HEAD"]
    assert len(bees.secrets_written()) == 1
