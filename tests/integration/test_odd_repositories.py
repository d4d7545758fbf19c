"""Repositories that are not the simple one of the README: an exit code that is defined, and one line that says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from container.runner import Step
from github_server import GitHubServer
from github_server.scenes import Work
from stories import ID, NAME, SAVE, Bees, Job, app, config, numbers

Prepare = Callable[[Path], object]


def nothing(_: Path) -> None:
    """The checkout stays as actions/checkout leaves it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bees]:
    folder = tmp_path_factory.mktemp("bees")
    with GitHubServer(folder / "github") as server:
        made = Bees(server, folder)
        made.commit("Double numbers", app(60), numbers(100), config())
        assert made.run(made.push()).exit_code == 0
        made.propose(7, app(40))
        yield made


@pytest.fixture
def bees(running: Bees) -> Iterator[Bees]:
    """Of the hundred numbers main doubles sixty rightly and its run is kept; pull request 7 is worse."""
    yield running
    running.server.mend()
    assert running.server.violations == []


def gated(bees: Bees, job: Job, prepare: Prepare = nothing) -> Step:
    """The gate on a checkout to which something has happened."""
    machine = bees.machine(job)
    prepare(machine.workspace)
    return bees.step(machine, job)


def head_of(bees: Bees, number: int) -> Job:
    """The pull request's job where the workflow checks out its head, and not the test merge."""
    return replace(bees.pull_request(number, comment="false"), checkout=bees.repo.pulls[number].head_sha)


def assert_worse(step: Step, base: str = "first parent of main") -> None:
    """It was held against the run of main, and is worse."""
    assert (step.exit_code, step.outputs["verdict"]) == (1, "failed"), step.log
    assert f"({base})" in step.log
    assert "exact fell 20 points, 60.0 % → 40.0 %" in step.log


# --- the checkout ----------------------------------------------------------------------------------------------------


def belongs_to_another_user(workspace: Path) -> None:
    for path in (workspace, *workspace.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)


def has_no_origin(workspace: Path) -> None:
    subprocess.run(["git", "remote", "remove", "origin"], cwd=workspace, check=True)


def has_no_git(workspace: Path) -> None:
    shutil.rmtree(workspace / ".git")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_checkout_of_another_user_is_read_all_the_same(bees: Bees) -> None:
    assert_worse(gated(bees, bees.pull_request(7, comment="false"), belongs_to_another_user))


def test_a_checkout_without_origin_is_that_of_the_jobs_repository(bees: Bees) -> None:
    assert_worse(gated(bees, bees.pull_request(7, comment="false"), has_no_origin))


def test_without_git_there_is_the_event_and_what_can_be_fetched(bees: Bees) -> None:
    step = gated(bees, bees.pull_request(7, comment="false"), has_no_git)
    assert_worse(step, "merge base of main")
    assert "there is no commit checked out that git can read" in step.log


def test_where_the_head_is_checked_out_github_tells_the_merge_base(bees: Bees) -> None:
    assert_worse(gated(bees, head_of(bees, 7)), "merge base of main")
    assert bees.server.of("GET", "/repos/{owner}/{repo}/compare/{basehead}")


def test_without_a_token_the_history_is_fetched(bees: Bees) -> None:
    before = len(bees.server.requests)
    assert_worse(gated(bees, replace(bees.pull_request(7), token="")))
    assert_worse(gated(bees, replace(head_of(bees, 7), token="")), "merge base of main")
    assert len(bees.server.requests) == before


def test_without_a_token_there_is_no_comment_and_a_warning(bees: Bees) -> None:
    step = gated(bees, replace(bees.pull_request(7), token=""))
    assert "no comment: there is no token" in step.log


# --- the server ------------------------------------------------------------------------------------------------------


def test_where_github_answers_nothing_git_is_enough_for_a_verdict(bees: Bees) -> None:
    bees.server.fail("*", "/repos", "500")
    step = gated(bees, bees.pull_request(7))
    assert_worse(step)
    assert "::warning title=GitHub not reached::" in step.log


def test_where_github_knows_nothing_the_history_is_fetched(bees: Bees) -> None:
    bees.server.fail("*", "/repos", "404")
    assert_worse(gated(bees, head_of(bees, 7)), "merge base of main")


def test_where_the_base_cannot_be_fetched_nothing_is_run(bees: Bees) -> None:
    job = bees.pull_request(7)
    machine = bees.machine(job)
    bees.server.fail("*", f"/{NAME}.git", "500")
    step = bees.step(machine, job)
    assert step.exit_code == 4
    (error,) = step.errors
    assert error.startswith("::error title=Git::commit ")
    assert "cannot be fetched" in error
    assert "100 of 100" not in step.log


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_branch_whose_name_looks_like_an_option_is_a_branch(bees: Bees) -> None:
    head, odd = bees.repo.pulls[7].head_sha, "--output=x"
    bees.repo.bare.git("update-ref", f"refs/heads/{odd}", bees.work.git("rev-parse", "main"))
    bees.repo.open_pull(30, head_sha=head, head_ref=odd)
    assert_worse(gated(bees, bees.pull_request(30, comment="false")))
    bees.repo.open_pull(31, head_sha=head, head_ref="change-7", base_ref=odd)
    into = gated(bees, bees.pull_request(31, comment="false"))
    assert_worse(into, f"first parent of {odd}")
    assert f"judged by honeyhive.yml of {odd}" in into.log
    machine = bees.machine(job := head_of(bees, 31))
    assert_worse(bees.step(machine, job), f"merge base of {odd}")
    assert not (machine.workspace / "x").exists()


def test_files_may_be_called_whatever_git_allows(bees: Bees) -> None:
    names = ("a b.txt", "q\"uo'te.txt", "new\nline.txt", "-x", "--output=x", "ä.txt", "::error::x.txt")
    bees.propose(32, dict.fromkeys(names, "odd\n"), app(40))
    step = gated(bees, bees.pull_request(32, comment="false", paths="new*"))
    assert_worse(step)
    assert len(step.errors) == 1


def test_what_is_skipped_names_no_file_in_a_way_that_the_log_obeys(tmp_path: Path) -> None:
    with GitHubServer(tmp_path / "github") as server:
        bees = Bees(server, tmp_path)
        bees.commit("Double numbers", app(60), numbers(100), config({"paths": ["app.py"]}))
        bees.propose(7, {"x\n::error::y`z`": "odd\n"})
        step = bees.run(bees.pull_request(7, comment="false"))
        assert (step.exit_code, step.outputs["verdict"]) == (0, "skipped"), step.log
        assert step.errors == []
        assert server.violations == []


def test_a_default_branch_may_have_another_name(tmp_path: Path) -> None:
    with GitHubServer(tmp_path / "github") as server:
        bees = Bees(server, tmp_path)
        bees.repo = server.repository(NAME, id=ID, default_branch="trunk")
        bees.work.git("symbolic-ref", "HEAD", "refs/heads/trunk")
        trunk = bees.commit("Double numbers", app(60), numbers(100), config())
        about = {"repository": {"id": ID, "full_name": NAME, "default_branch": "trunk"}}
        bees.branch("change", "trunk")
        bees.commit("Worse", app(40))
        bees.repo.open_pull(7, head_sha=bees.work.git("rev-parse", "HEAD"))
        job = bees.pull_request(7, comment="false")
        job = replace(job, payload={**job.payload, **about})
        assert "A push to `trunk` runs the gate" in bees.run(job).log
        pushed = {"ref": "refs/heads/trunk", "after": trunk, "deleted": False, **about}
        token = server.token(permissions=SAVE)
        push = Job(event="push", payload=pushed, ref="refs/heads/trunk", sha=trunk, token=token, run_id=1)
        assert "saved in git:honeyhive-runs" in bees.run(push).log
        assert_worse(bees.run(job), "first parent of trunk")
        assert server.violations == []


def test_a_repository_that_was_renamed_keeps_its_baselines(tmp_path: Path) -> None:
    with GitHubServer(tmp_path / "github") as server:
        bees = Bees(server, tmp_path)
        bees.commit("Double numbers", app(60), numbers(100), config())
        assert bees.run(bees.push()).exit_code == 0
        bees.propose(7, app(40))
        job = bees.pull_request(7)
        server.rename(NAME, "honey/wasps")
        late = bees.run(job)
        assert_worse(late)
        assert "was the repository renamed?" in late.log
        now = {**job.variables, "GITHUB_REPOSITORY": "honey/wasps"}
        assert_worse(bees.run(replace(job, variables=now, inputs={"comment": "false"})))
        assert server.violations == []


def test_a_fork_that_is_gone_is_a_fork(bees: Bees) -> None:
    bees.propose(33, app(40))
    bees.repo.pulls[33].head_repository = None
    step = gated(bees, bees.pull_request(33))
    assert_worse(step)
    assert "the repository that the pull request came from is gone" in step.log
    assert "no comment from here" in step.log


def test_an_experiment_in_a_folder_has_its_own_configuration_there(tmp_path: Path) -> None:
    def below(files: Mapping[str, str]) -> dict[str, str]:
        return {f"bots/one/{name}": text for name, text in files.items()}

    with GitHubServer(tmp_path / "github") as server:
        bees = Bees(server, tmp_path)
        bees.commit("Double", below(app(60)), below(numbers(100)), below(config({"paths": ["bots/one/"]})))
        inputs = {"working-directory": "bots/one"}
        assert "saved in git:honeyhive-runs" in bees.run(bees.push(**inputs)).log
        lax = config({"paths": ["bots/one/"], "thresholds": {"exact": {"max-drop": 0.9}}})
        bees.propose(7, below(app(40)), below(lax), below(numbers(50)))
        step = bees.run(bees.pull_request(7, comment="false", **inputs))
        assert_worse(step)
        assert "file=bots/one/honeyhive.yml,line=" in step.log
        assert step.outputs["report-dir"] == "bots/one/honeyhive-report"
        bees.propose(8, {"bots/two.py": "\n"})
        other = bees.run(bees.pull_request(8, comment="false", **inputs))
        assert (other.exit_code, other.outputs["verdict"]) == (0, "skipped"), other.log
        assert server.violations == []


# --- somebody's own machine ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """A clone on somebody's own machine, without CI."""

    work: Work

    def honeyhive(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, which has to end so."""
        shutil.rmtree(self.work.folder / "__pycache__", ignore_errors=True)  # it goes by the second, and we are faster
        measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        done = subprocess.run(
            [sys.executable, "-I", "-m", "honeyhive", *arguments],
            cwd=self.work.folder,
            env={**measured, "PATH": os.environ["PATH"], "HOME": str(self.work.folder.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A repository in which sixty of the hundred numbers are doubled rightly."""
    work = Work(tmp_path / "desk")
    ignored = {".gitignore": ".honeyhive/\nhoneyhive-report/\n__pycache__/\n"}
    work.commit("Double numbers", {**app(60), **numbers(100), **config(), **ignored})
    return Desk(work)


def test_a_run_on_main_is_what_a_branch_is_held_against(desk: Desk) -> None:
    desk.honeyhive("run")
    desk.work.git("checkout", "-q", "-b", "change")
    desk.work.commit("Worse", app(40))
    assert "exact fell 20 points" in desk.honeyhive("gate", code=1)


def test_what_is_not_committed_yet_is_held_against_the_last_commit(desk: Desk) -> None:
    desk.honeyhive("run")
    (desk.work.folder / "app.py").write_text(app(40)["app.py"], "utf-8")
    assert "exact fell 20 points" in desk.honeyhive("gate", code=1)
    refused = desk.honeyhive("baseline", "save", "honeyhive-report/run.jsonl", code=2)
    assert "with changes that are not in it" in refused


def test_without_a_run_it_says_how_the_first_comes_about(desk: Desk) -> None:
    desk.work.git("checkout", "-q", "-b", "change")
    desk.work.commit("Worse", app(40))
    assert "`honeyhive run` on `main` makes the first" in desk.honeyhive("gate")


def test_the_runs_of_a_folder_are_listed_shown_saved_and_pruned(desk: Desk) -> None:
    assert "has no run" in desk.honeyhive("baseline", "list")
    first = desk.work.git("rev-parse", "HEAD")
    desk.honeyhive("run")
    desk.honeyhive("baseline", "save", ".honeyhive/runs/doubling.jsonl")
    second = desk.work.commit("Better", app(70))
    desk.honeyhive("run", "--out", "second.jsonl")
    desk.honeyhive("baseline", "save", "second.jsonl")
    listed = desk.honeyhive("baseline", "list")
    assert first[:7] in listed
    assert second[:7] in listed
    shown = desk.honeyhive("baseline", "show", second[:7])
    assert f"commit {second}" in shown
    assert "70 of 100" in shown
    assert "has no run of" in desk.honeyhive("baseline", "show", "0" * 40, code=2)
    assert "is gone" in desk.honeyhive("baseline", "prune", "--keep", "1")
    kept = desk.honeyhive("baseline", "list")
    assert first[:7] not in kept
    assert second[:7] in kept
