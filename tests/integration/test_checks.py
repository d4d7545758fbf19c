"""The check run of a gate, against a stand-in for GitHub: it begins, and it ends whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders_gate import improved, regressed, verdict
from github_server import GitHubServer, Repository
from github_server.scenes import ID, NAME, Work, client_of, history
from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.github.checks import check_run, conclusion_of, fits_a_check, summary_of
from honeyhive.ci.github.client import GitHub
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.errors import Cancelled, ConfigError, GitHubPermissionError
from honeyhive.gate.comment import parse
from scenes_gate import failed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with GitHubServer(tmp_path / "github") as found:
        yield found
        assert found.violations == []


@pytest.fixture
def repository(server: GitHubServer) -> Repository:
    return server.repository(NAME, id=ID)


@pytest.fixture
def head(tmp_path: Path, repository: Repository) -> str:
    work = Work(tmp_path / "work")
    (commit,) = history(work, ["one"])
    work.publish(repository)
    return commit


@pytest.fixture
def github(server: GitHubServer, repository: Repository) -> Iterator[GitHub]:
    with client_of(server) as found:
        yield found


def only(repository: Repository) -> dict[str, Any]:
    """The check run that there is."""
    (found,) = repository.checks.values()
    return found


def test_a_check_run_is_in_progress_and_then_says_what_was_found(
    repository: Repository, github: GitHub, head: str
) -> None:
    with check_run(github, "honeyhive", head, details_url="https://github.com/honey/bees/actions/runs/17") as check:
        began = only(repository)
        note = Annotation(level=Level.WARNING, title="e", message="q17: correct ✅ → ❌", file="a.jsonl", line=17)
        check.conclude("success", title="1 of 1 experiments passed", summary="## ✅ order-sums", annotations=[note])
    assert (began["name"], began["head_sha"], began["status"]) == ("honeyhive", head, "in_progress")
    ended = only(repository)
    assert (ended["status"], ended["conclusion"]) == ("completed", "success")
    assert (ended["output"]["title"], ended["output"]["summary"]) == ("1 of 1 experiments passed", "## ✅ order-sums")
    assert check.problems == []


def test_what_nobody_concluded_is_no_success(repository: Repository, github: GitHub, head: str) -> None:
    with check_run(github, "honeyhive", head):
        pass
    assert (only(repository)["status"], only(repository)["conclusion"]) == ("completed", "failure")


@pytest.mark.parametrize(
    ("error", "conclusion"),
    [
        (ConfigError("wrong"), "failure"),
        (RuntimeError("a fault of ours"), "failure"),
        (SystemExit(70), "failure"),
        (Cancelled("stopped by SIGTERM", signal_number=signal.SIGTERM), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
    ],
)
def test_a_gate_that_ends_in_an_error_ends_its_check_run(
    repository: Repository, github: GitHub, head: str, error: BaseException, conclusion: str
) -> None:
    with pytest.raises(type(error)), check_run(github, "honeyhive", head):
        raise error
    assert (only(repository)["status"], only(repository)["conclusion"]) == ("completed", conclusion)


def test_a_token_that_may_not_make_one_does_not_end_the_gate(
    server: GitHubServer, repository: Repository, head: str
) -> None:
    token = server.token(permissions={"contents": "read"})
    with client_of(server, token) as github, check_run(github, "honeyhive", head) as check:
        check.conclude("success", title="passed", summary="fine")
    (problem,) = check.problems
    assert isinstance(problem, GitHubPermissionError)
    assert "checks: write" in str(problem)
    assert repository.checks == {}


def test_a_check_run_that_cannot_be_ended_is_a_problem_and_no_end(
    server: GitHubServer, repository: Repository, github: GitHub, head: str
) -> None:
    server.fail("PATCH", f"/repos/{NAME}/check-runs", "500", processed=False)
    with check_run(github, "honeyhive", head) as check:
        check.conclude("success", title="passed", summary="fine")
    assert len(check.problems) == 1
    assert only(repository)["status"] == "in_progress"


@pytest.mark.parametrize(
    ("found", "code", "conclusion"),
    [
        ("passed", 0, "success"),
        ("passed", 5, "failure"),
        ("undecided", 0, "neutral"),
        ("undecided", 4, "failure"),
        ("skipped", 0, "neutral"),
        ("failed", 1, "failure"),
        ("failed", 0, "failure"),
        ("broken", 3, "failure"),
        ("broken", 0, "failure"),
        ("broken", 130, "cancelled"),
        ("broken", 143, "cancelled"),
        ("passed", 70, "failure"),
        ("perfect", 0, "failure"),
    ],
)
def test_only_what_passed_is_a_success(found: str, code: int, conclusion: str) -> None:
    assert conclusion_of(found, code) == conclusion


def report(*, experiments: int) -> Report:
    """Experiments with much to say, in letters of several bytes."""
    scene = failed()
    long = {
        key: replace(found, candidate_output="蜂蜜が足りない。" * 150, baseline_output="蜂蜜は十分だ。" * 150)
        for key, found in scene.evidence["order-sums"].items()
    }
    names = [f"e{at}" for at in range(experiments)]
    return Report(
        findings=tuple(replace(scene.findings[0], experiment=name) for name in names),
        evidence=dict.fromkeys(names, long),
        context=scene.context,
        origin=Origin(number=5, run_id=17, workflow="evals", job="gate"),
    )


def test_a_summary_has_as_many_bytes_as_github_takes(repository: Repository, github: GitHub, head: str) -> None:
    summary = summary_of(report(experiments=3))
    assert 10_000 < len(summary.encode()) <= 65_535
    assert "A partial view" in summary
    assert summary.count("<b>121 datapoints got worse</b>") == 3
    assert len(parse(summary)) == 3
    with check_run(github, "honeyhive", head) as check:
        check.conclude("failure", title="3 of 3 experiments failed", summary=summary)
    assert only(repository)["output"]["summary"] == summary


def test_a_summary_that_is_too_long_is_not_cut_but_left_out(repository: Repository, github: GitHub, head: str) -> None:
    with check_run(github, "honeyhive", head) as check:
        check.conclude("failure", title="蜂 " * 300, summary="```\n" + "蜂" * 22_000 + "\n```")
    assert only(repository)["output"]["summary"] == "The report is too long to be shown here: see the job."
    assert len(only(repository)["output"]["title"]) <= 255
    assert not fits_a_check("蜂" * 22_000)
    assert fits_a_check("b" * 65_535)


def test_a_short_report_is_shown_whole() -> None:
    found = Report(findings=(verdict(regressed()), verdict(improved(), experiment="other")), origin=Origin(number=5))
    assert "A partial view" not in summary_of(found)
