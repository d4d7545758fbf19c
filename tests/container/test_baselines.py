"""How baselines come about and which one is taken, through the image: pushes, a queue, nights and releases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from container.hive import Hive, another_step, hive
from stories import READ, app, config, numbers

BRANCH = "honeyhive-runs"


@pytest.fixture
def empty(image: str, tmp_path: Path) -> Iterator[Hive]:
    """A repository whose main has no run yet: 60 of 100 numbers are doubled rightly."""
    with hive(tmp_path, image) as bees:
        bees.commit("Double numbers", app(60), numbers(), config())
        yield bees


# --- pushes ----------------------------------------------------------------------------------------------------------


def test_the_first_push_saves_its_run_on_a_branch_of_its_own(empty: Hive) -> None:
    done = empty.run(empty.push())
    assert done.exit_code == 0, done.log
    commit = empty.work.git("rev-parse", "main")
    assert f"saved in git:{BRANCH} as the baseline of {commit[:7]}" in done.log
    assert sum(name.endswith(f"{done.outputs['run-id']}.jsonl.gz") for name in empty.stored) == 1
    assert empty.repo.bare.parents(f"refs/heads/{BRANCH}") == []
    assert empty.repo.bare.commit("main") == commit


def test_after_ten_pushes_the_list_has_ten_runs_and_the_branch_one_commit(empty: Hive) -> None:
    runs = [empty.run(empty.push()).outputs["run-id"]]
    for right in range(61, 70):
        before = empty.work.git("rev-parse", "main")
        empty.commit(f"{right} of 100", app(right))
        done = empty.run(empty.push(before=before))
        assert done.exit_code == 0, done.log
        assert done.outputs["baseline-run-id"] == runs[-1]
        runs.append(done.outputs["run-id"])
    listed = empty.command(empty.nightly(), "baseline", "list")

    rows = [row.split() for row in listed.log.splitlines()[1:]]
    assert [row[1] for row in rows if row] == empty.work.git("log", "--format=%h", "--abbrev=7").split()
    assert empty.repo.bare.git("rev-list", "--count", BRANCH).strip() == "1"
    assert sum(name.endswith(".jsonl.gz") for name in empty.stored) == 10


def test_pushes_whose_jobs_save_at_once_lose_nothing(bees: Hive) -> None:
    jobs = []
    for right in (61, 62, 63, 64):
        bees.commit(f"{right} of 100", app(right))
        jobs.append(bees.push())
    done = bees.at_once(*jobs)
    assert [step.exit_code for step in done] == [0] * 4, [step.log for step in done]
    for step in done:
        assert any(step.outputs["run-id"] in name for name in bees.stored)
    assert sum(name.endswith(".jsonl.gz") for name in bees.stored) == 5
    assert bees.repo.bare.git("rev-list", "--count", BRANCH).strip() == "1"


def test_a_push_whose_token_may_not_write_fails_and_names_the_permission(empty: Hive) -> None:
    done = empty.run(empty.push(token=empty.server.token(permissions=READ)))
    assert done.exit_code == 5, done.log
    assert "permissions: contents: write" in done.errors[-1]
    assert done.outputs["verdict"] == "undecided"
    assert empty.repo.bare.commit(BRANCH) is None


def test_two_gates_in_one_job_save_a_run_each(image: str, tmp_path: Path) -> None:
    """What the first leaves in the workspace is no change of anybody's to the second."""
    with hive(tmp_path, image) as bees:
        for place in ("left", "right"):
            files = app(60) | numbers() | config({"name": place})
            bees.commit(f"Double on the {place}", {f"{place}/{name}": text for name, text in files.items()})
        job = bees.push()
        machine = bees.machine(job)
        for place in ("left", "right"):
            done = bees.step(another_step(machine), replace(job, inputs={"working-directory": place}))
            assert done.exit_code == 0, done.log
            assert f"{place}: saved in git:{BRANCH}" in done.log


# --- what is held against what ---------------------------------------------------------------------------------------


def test_an_entry_of_the_merge_queue_is_held_against_the_base_of_the_queue(bees: Hive) -> None:
    base = bees.work.git("rev-parse", "main")
    bees.branch("queued")
    bees.commit("Worse", app(40))
    runs = bees.repo.bare.commit(BRANCH)
    done = bees.run(bees.queue(base=base))

    assert done.exit_code == 1
    assert "in the merge queue: pull request 7" in done.log
    assert "base of the queue" in done.log
    assert not bees.repo.comments
    assert bees.repo.bare.commit(BRANCH) == runs


def test_a_release_is_held_against_the_release_before_it(bees: Hive) -> None:
    bees.work.git("tag", "v1")
    first = bees.run(bees.release("v1"))
    assert first.exit_code == 0, first.log
    before = bees.work.git("rev-parse", "main")
    bees.commit("Half of it", app(30))
    nearer = bees.run(bees.push(before=before))
    assert nearer.exit_code == 1
    assert "saved in git:honeyhive-runs" in nearer.log
    bees.commit("As bad", {"README.md": "It doubles."})
    bees.work.git("tag", "v2")
    done = bees.run(bees.release("v2"))
    assert done.exit_code == 1, done.log
    assert done.outputs["baseline-run-id"] == first.outputs["run-id"]
    assert "release v1" in done.summary
    assert "fell 30 points" in done.summary


def test_the_nightly_run_is_held_against_mains_own_and_saves_nothing(bees: Hive) -> None:
    before = bees.repo.bare.refs()
    done = bees.run(bees.nightly())
    assert done.exit_code == 0, done.log
    assert done.outputs["verdict"] == "passed"
    assert "this commit" in done.summary
    assert bees.repo.bare.refs() == before
    assert not [request for request in bees.server.requests if request.method != "GET"]
