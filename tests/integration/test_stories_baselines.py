"""Where a baseline may come from in a repository's life, and where not: names, stores, the base run again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from container.runner import Step
from github_server import GitHubServer
from github_server.scenes import Work
from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.stores.folder import FolderStore
from stories import READ, Bees, app, config, numbers

RERUN = {"baseline": "rerun"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bees]:
    folder = tmp_path_factory.mktemp("bees")
    with GitHubServer(folder / "github") as server:
        made = Bees(server, folder)
        made.commit("Double numbers", app(60), numbers(100), config(), {"store/README.md": "Runs.\n"})
        machine = made.machine(job := made.push())
        assert made.step(machine, job).exit_code == 0
        (folder / "run.jsonl").write_bytes((machine.workspace / "honeyhive-report" / "run.jsonl").read_bytes())
        made.propose(7, app(40))
        yield made


@pytest.fixture
def bees(running: Bees) -> Iterator[Bees]:
    """Of the hundred numbers main doubles sixty rightly and its first run is kept; pull request 7 is worse."""
    yield running
    assert running.server.violations == []


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Bees]:
    """An empty repository."""
    with GitHubServer(tmp_path / "github") as server:
        yield Bees(server, tmp_path)
        assert server.violations == []


def proposed(bees: Bees, number: int = 7, **inputs: str) -> Step:
    """The gate of a pull request."""
    return bees.run(bees.pull_request(number, comment="false", **inputs))


def assert_worse(step: Step, *said: str) -> None:
    assert (step.exit_code, step.outputs["verdict"]) == (1, "failed"), step.log
    assert "exact fell 20 points, 60.0 % → 40.0 %" in step.log
    for text in said:
        assert text in step.log


# --- the base, run again ---------------------------------------------------------------------------------------------


def test_a_base_that_is_run_again_needs_no_store(alone: Bees) -> None:
    alone.commit("Double numbers", app(60), numbers(100), config(RERUN))
    alone.propose(7, app(40))
    token = alone.server.token(permissions=READ)
    assert_worse(alone.run(alone.pull_request(7, token=token, comment="false")), "doubling: running main again, at ")
    alone.propose(8, app(90))
    better = proposed(alone, 8)
    assert (better.exit_code, better.outputs["verdict"]) == (0, "passed"), better.log
    assert alone.repo.bare.commit("honeyhive-runs") is None


def test_a_base_that_cannot_be_run_again_decides_nothing(alone: Bees) -> None:
    alone.commit("Double numbers", {"app.py": "raise RuntimeError('not today')\n"}, numbers(100), config(RERUN))
    alone.propose(7, app(60))
    step = proposed(alone)
    assert step.exit_code == 4, step.log
    (error,) = step.errors
    assert error.startswith("::error title=No decision::")
    assert "main cannot be run again" in error


# --- by name ---------------------------------------------------------------------------------------------------------


def by_hand(bees: Bees, number: int, baseline: str) -> Step:
    """The gate of the pull request's branch, started by hand and held against what is named."""
    job = bees.push(token=bees.server.token(permissions=READ), baseline=baseline)
    ref = f"refs/heads/change-{number}"
    payload = {**job.payload, "ref": ref}
    sha = bees.repo.pulls[number].head_sha
    return bees.run(replace(job, event="workflow_dispatch", ref=ref, sha=sha, payload=payload))


def test_a_baseline_may_be_named_by_its_run_its_commit_a_branch_or_a_tag(bees: Bees) -> None:
    commit, run_id = entry(bees).commit, entry(bees).run_id
    bees.work.git("tag", "v1", commit)
    bees.work.publish(bees.repo, "refs/tags/v1")
    for name in (run_id, run_id[:8], commit, commit[:8], "main", "v1"):
        assert_worse(by_hand(bees, 7, name))


def test_a_name_of_nothing_is_wrong_input(bees: Bees) -> None:
    step = by_hand(bees, 7, "nosuch")
    assert step.exit_code == 2, step.log
    assert '"nosuch" is no run file that is there, no run in git:honeyhive-runs, and no commit' in step.errors[0]


# --- a folder --------------------------------------------------------------------------------------------------------


def entry(bees: Bees) -> Entry:
    """The run of main as an entry of a store."""
    content = (bees.folder / "run.jsonl").read_bytes()
    header = json.loads(content.splitlines()[0])
    return Entry(
        experiment="doubling",
        commit=header["git"]["commit_hash"],
        run_id=header["run_id"],
        sha256=sha256(content).hexdigest(),
        size=len(content),
        event="push",
        ref="main",
        repository_id=17,
        saved_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def test_machines_that_share_a_folder_share_the_runs_in_it(alone: Bees, tmp_path: Path) -> None:
    alone.commit("Double numbers", app(60), numbers(100), config(store=f"file:{tmp_path / 'shared'}"))
    assert f"saved in file:{tmp_path / 'shared'} as the baseline of" in alone.run(alone.push()).log
    alone.propose(7, app(40))
    assert_worse(proposed(alone))
    assert alone.repo.bare.commit("honeyhive-runs") is None


def held_against(bees: Bees, number: int, store: str) -> Step:
    """The gate of a pull request that is worse, where main keeps its runs in this store."""
    bees.on_main()
    bees.commit("Keep the runs elsewhere", config(store=store))
    bees.propose(number, app(40))
    return proposed(bees, number)


@pytest.mark.parametrize("place", ["store", "store/", ".", "./app.py", "store/../store", "link/runs"])
def test_a_folder_that_the_change_may_have_filled_is_no_store(bees: Bees, place: str) -> None:
    number = next(number for number in range(20, 40) if number not in bees.repo.pulls)
    bees.on_main()
    bees.commit("Keep the runs here", config(store=f"file:{place}"))
    bees.branch(f"change-{number}")
    (bees.work.folder / "link").symlink_to("store")
    bees.commit("A change", app(40), {"store/runs/mine.jsonl": "{}\n"})
    bees.open(number, f"change-{number}")
    step = proposed(bees, number)
    assert step.exit_code == 2, step.log
    assert "a change could bring its own baseline" in step.errors[0]
    assert "100 of 100" not in step.log


def test_a_folder_that_git_does_not_know_is_one(bees: Bees) -> None:
    step = held_against(bees, 40, "file:elsewhere/runs")
    assert (step.exit_code, step.outputs["verdict"]) == (0, "undecided"), step.log
    assert "There is no run of `doubling` in `file:elsewhere/runs` yet" in step.log


def test_the_run_of_main_is_one_whoever_has_put_it_there(bees: Bees, tmp_path: Path) -> None:
    FolderStore(tmp_path / "runs").save(bees.folder / "run.jsonl", entry(bees))
    assert_worse(held_against(bees, 41, f"file:{tmp_path / 'runs'}"))


@pytest.mark.parametrize(
    ("number", "change", "why"),
    [
        (50, lambda made: replace(made, is_fork=True), "from a fork"),
        (51, lambda made: replace(made, repository_id=99), "from another repository"),
        (52, lambda made: replace(made, event="pull_request"), "made by `pull_request`"),
        (53, lambda made: replace(made, event="local"), "made by `local`"),
    ],
    ids=["of a fork", "of another repository", "of a pull request", "of somebody's machine"],
)
def test_a_run_that_is_not_of_this_repositorys_main_is_no_baseline(
    bees: Bees, tmp_path: Path, number: int, change: Callable[[Entry], Entry], why: str
) -> None:
    FolderStore(tmp_path / "runs").save(bees.folder / "run.jsonl", change(entry(bees)))
    step = held_against(bees, number, f"file:{tmp_path / 'runs'}")
    assert (step.exit_code, step.outputs["verdict"]) == (0, "undecided"), step.log
    assert why in step.log


@pytest.mark.parametrize("named", ["git:elsewhere", "file:elsewhere"])
def test_an_input_names_no_other_store_where_the_base_judges(bees: Bees, named: str) -> None:
    bees.on_main()
    bees.commit("Keep the runs where they are usually kept", config())
    step = proposed(bees, store=named)
    assert_worse(step, f"this change by an input, changes `store` to `{named}`; the usual one is used")


def test_a_kept_run_that_somebody_has_changed_decides_nothing(alone: Bees, tmp_path: Path) -> None:
    alone.commit("Double numbers", app(60), numbers(100), config())
    alone.run(alone.push())
    kept = Work(tmp_path / "kept")
    kept.git("fetch", "-q", str(alone.repo.path), "honeyhive-runs")
    kept.git("checkout", "-q", "-b", "honeyhive-runs", "FETCH_HEAD")
    (run,) = kept.folder.rglob("*.jsonl.gz")
    content = gzip.decompress(run.read_bytes())
    assert b'"exact":true' in content
    run.write_bytes(gzip.compress(content.replace(b'"exact":true', b'"exact":false')))
    kept.commit("Nobody will see")
    kept.publish(alone.repo, "honeyhive-runs")
    alone.propose(7, app(40))
    step = proposed(alone)
    assert (step.exit_code, step.outputs["verdict"]) == (4, "broken"), step.log
    assert step.errors[0].startswith("::error title=No decision::")
