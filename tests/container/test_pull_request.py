"""The life of a pull request, through the image: one comment, whoever writes to it, and a fork that may not."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

from container.hive import REPORT, Hive, hive
from container.runner import Runner
from stories import Job, app, config, numbers

BOT = "github-actions[bot]"
MARKER = "<!-- honeyhive-gate -->"
FELL = "`exact` fell 20 points, 60.0 % → 40.0 %"
OVERTAKEN = "a newer run of this job has told its own there"


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
        assert done.exit_code == 0, done.log
        assert done.outputs["verdict"] == "undecided"
        assert "nothing to compare with yet" in bees.comment(7)
        assert "There is no run of `doubling` in `git:honeyhive-runs` yet" in bees.comment(7)
        assert "A push to `main` runs the gate and saves its run on the branch `honeyhive-runs`" in bees.comment(7)
        assert "`permissions: contents: write`" in bees.comment(7)
        assert bees.repo.bare.commit("honeyhive-runs") is None


def test_where_main_has_moved_on_without_a_run_the_nearest_one_before_is_taken(bees: Hive) -> None:
    bees.commit("Say what it does", {"README.md": "It doubles."})
    bees.commit("Say it better", {"README.md": "It doubles numbers."})
    done = bees.run(replace(worse(bees), inputs={"comment": "false"}))
    assert done.exit_code == 1, done.log
    assert "2 commits back" in done.summary
    assert FELL in done.summary
    assert not bees.repo.comments


def test_on_an_enterprise_server_everything_is_asked_below_its_prefix(bees: Hive) -> None:
    job = worse(bees)
    done = bees.run(replace(job, variables={**job.variables, "GITHUB_API_URL": bees.server.api_url}))
    assert done.exit_code == 1, done.log
    assert FELL in bees.comment(7)
    assert {request.headers[":prefix"] for request in bees.server.requests} == {"/api/v3"}


# --- one comment -----------------------------------------------------------------------------------------------------


def test_a_pull_request_is_held_against_the_run_of_main_and_each_push_updates_the_comment(bees: Hive) -> None:
    first = worse(bees)
    done = bees.run(first)
    assert done.exit_code == 1, done.log
    assert done.outputs["verdict"] == "failed"
    assert FELL in done.summary
    assert "::warning title=doubling,file=numbers.jsonl,line=41::" in done.log
    (before,) = bees.repo.comments[7]
    assert FELL in before.body
    assert done.outputs["comment-url"].endswith(f"#issuecomment-{before.id}")

    bees.work.git("checkout", "-q", "change-7")
    bees.commit("Better", app(80))
    bees.push_to(7)
    done = bees.run(bees.pull_request(7))
    assert done.exit_code == 0, done.log
    (after,) = bees.repo.comments[7]
    assert after.id == before.id
    assert "80.0 %" in after.body
    assert "40.0 %" not in after.body

    late = bees.run(replace(first, attempt=2))  # somebody runs the job of the first push again
    assert late.exit_code == 1
    assert OVERTAKEN in late.log
    assert bees.repo.comments[7] == [after]


def test_jobs_of_a_matrix_that_end_at_once_share_one_comment_and_lose_nothing(bees: Hive) -> None:
    """On two pull requests at the same time: first each makes the comment, then each updates it."""
    jobs = [worse(bees, number) for number in (7, 8)]
    for attempt in (1, 2):
        done = bees.at_once(
            *(in_matrix(job, attempt, model=model, python="3.13") for job in jobs for model in ("small", "large"))
        )
        assert [step.exit_code for step in done] == [1] * 4, [step.log for step in done]
        for number in (7, 8):
            comment = bees.comment(number)
            assert comment.count("model: small, python: 3.13") == 1
            assert comment.count("model: large, python: 3.13") == 1
            assert comment.count(f"attempt {attempt}") == 2
            assert len(bees.repo.comments[number]) == 1


def test_among_many_other_comments_a_re_run_updates_ours_and_an_attempt_that_ends_late_does_not(bees: Hive) -> None:
    job = worse(bees)
    bees.repo.add_comment(7, f"Coverage is 80 %.\n\n{MARKER}", login=BOT, is_bot=True, app="github-actions")
    for _ in range(56):
        bees.repo.add_comment(7, "What about zero?")
    bees.repo.add_comment(7, f"{MARKER}\n\nI say what the gate says.", login="mallory")
    bees.repo.add_comment(7, f"> {MARKER}\n\nWhat is this?")
    bees.repo.add_comment(7, f"{MARKER}\n\nAnother bot.", login="other[bot]", is_bot=True)
    assert bees.run(job).exit_code == 1
    for _ in range(60):
        bees.repo.add_comment(7, f"{MARKER}\n\nMe too.", login="mallory")
    again = bees.run(replace(job, attempt=2))
    assert again.exit_code == 1, again.log
    left = bees.repo.comments[7]
    (ours,) = [one for one in left if one.login == BOT and one.body.startswith(MARKER)]
    assert "attempt 1" in ours.bodies[0]
    assert "attempt 2" in ours.body
    assert len(left) == 121
    assert all(not one.edits for one in left if one.id != ours.id)

    late = bees.run(job)
    assert late.exit_code == 1
    assert OVERTAKEN in late.log
    assert bees.repo.comments[7] == left


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
    # ... and what is looked for would have been found.
    machine = bees.begun[0].machine
    planted = machine.workspace / ".git" / "planted"
    planted.write_bytes(base64.b64encode(f"x-access-token:{job.token}".encode()))
    assert bees.touched() == [f"{machine.folder.name}: .git/planted"]
    assert bees.secrets_written() == [f"{planted.relative_to(bees.folder)}"]
    planted.unlink()
