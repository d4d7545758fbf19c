from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders_gate import orders, regressed, verdict
from github_server import GitHubServer, Repository
from github_server.state import Level
from honeyhive.ci.github.client import GitHub
from honeyhive.ci.github.comments import post_comment
from honeyhive.ci.reports.folder import write_report
from honeyhive.ci.reports.publishing import Published, publish_reports
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.errors import GitHubError, GitHubPermissionError, InputError
from honeyhive.gate.report import Context, Dataset, render
from scenes_gate import SUMMARIES, several_experiments

HEAD = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
NEXT = "2a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
RUN, NUMBER = 901, 4
ORIGIN = Origin(
    repository="honey/bees",
    repository_id=17,
    number=NUMBER,
    head=HEAD,
    event="pull_request",
    run_id=RUN,
    attempt=1,
    workflow="Gate",
    job="gate",
)


class Scene:
    """A pull request of a fork, whose workflow has run, and the job that is to post what it reported."""

    def __init__(self, server: GitHubServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.bees: Repository = server.repository("honey/bees", id=17)
        server.repository("other/bees", id=18)
        server.repository("evil/bees", id=19)
        self.bees.open_pull(NUMBER, head_sha=HEAD, head_repository="other/bees")
        self.bees.add_workflow_run(RUN, head_sha=HEAD, head_repository="other/bees")
        self.token = server.token(permissions={"actions": "read", "pull-requests": "write"})
        self.payload: dict[str, Any] = {
            "action": "completed",
            "workflow": {"id": 3, "name": "Gate", "path": ".github/workflows/gate.yml"},
            "workflow_run": {
                "id": RUN,
                "name": "✅ all is well",
                "event": "pull_request",
                "head_sha": HEAD,
                "head_branch": "main",
                "run_attempt": 1,
                "head_repository": {"id": 18, "full_name": "other/bees"},
                "pull_requests": [],
            },
        }
        self.situation = Situation(
            kind=Kind.BRANCH,
            event="workflow_run",
            repository="honey/bees",
            repository_id=17,
            server_url=server.url,
            api_url=server.url,
        )
        self.posted: list[Report] = []

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = self.payload["workflow_run"]
        return found

    def reported(self, *, at: str = ".", report: Report | None = None, **origin: Any) -> Path:
        """What the fork's job has left in a folder."""
        folder = self.folder / at
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comment.md").write_text("# MERGE ME")
        found = report or reported_by_the_fork()
        write_report(replace(found, origin=replace(ORIGIN, **origin)), folder)
        return folder

    def publish(self) -> Published:
        with GitHub(api_url=self.server.url, token=self.token, repository="honey/bees", pause=lambda _: None) as github:
            return publish_reports(self.folder, self.situation, github, payload=self.payload, post=self.post)

    def post(self, report: Report, github: GitHub) -> str:
        self.posted.append(report)
        assert report.origin.number is not None
        text = render(report.findings, evidence=report.evidence, context=report.context)
        return github.create_comment(report.origin.number, text).url

    def refused(self) -> str:
        """Why the report is refused; nothing at all was written then."""
        with pytest.raises(InputError) as error:
            self.publish()
        assert error.value.hint
        assert self.untouched
        return str(error.value)

    @property
    def untouched(self) -> bool:
        return not self.posted and all(request.method == "GET" for request in self.server.requests)


def reported_by_the_fork() -> Report:
    scene = several_experiments()
    return Report(findings=tuple(scene.findings), evidence=scene.evidence, context=scene.context)


def into_the_comment(report: Report, github: GitHub) -> str:
    return post_comment(report, github, pause=lambda _: None, settle=(0.0, 0.0))


def without_code(markdown: str) -> str:
    """What of a comment may act: all that is in no fence and in no code span."""
    unfenced = re.sub(r"^(`{3,})text\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", unfenced)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with GitHubServer(tmp_path / "github") as server:
        (tmp_path / "honeyhive-report").mkdir()
        yield Scene(server, tmp_path / "honeyhive-report")
        assert server.violations == []


# --- what is posted --------------------------------------------------------------------------------------------------


def test_the_report_of_a_fork_is_posted_to_its_pull_request(scene: Scene) -> None:
    scene.reported()
    published = scene.publish()
    (comment,) = scene.bees.comments[NUMBER]
    assert comment.login == "github-actions[bot]"
    assert published.url == comment.json("honey/bees")["html_url"]
    assert published.verdict == "failed"
    assert published.lines[:3] == (
        "PASSED     replies, as the pull request's own job reports",
        "UNDECIDED  support-agent, as the pull request's own job reports",
        "FAILED     order-sums, as the pull request's own job reports",
    )
    assert published.lines[3] == f"posted to #4: {published.url}"


def test_the_comment_is_written_anew_and_says_who_reported(scene: Scene) -> None:
    scene.reported()
    scene.publish()
    (comment,) = scene.bees.comments[NUMBER]
    assert "MERGE ME" not in comment.body
    assert "reported by the pull request's own job" in comment.body.replace("&#39;", "'")
    assert "1 of 3 experiments failed" in comment.body


def test_addresses_are_those_of_this_repository(scene: Scene) -> None:
    scene.reported()
    scene.publish()
    (report,) = scene.posted
    here = f"{scene.server.url}/honey/bees"
    assert report.context.report_url == f"{here}/actions/runs/{RUN}/attempts/1"
    assert report.context.commit_url == f"{here}/commit/"
    assert report.context.datasets["order-sums"].line_url == f"{here}/blob/{HEAD}/evals/orders.jsonl#L"
    assert "https://github.com" not in scene.bees.comments[NUMBER][0].body


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("evals/a b&c#d?.jsonl", "/evals/a%20b%26c%23d%3F.jsonl#L"),
        ("a\\b", "/a%5Cb#L"),
        ("../../../../evil/bees", None),
        ("evals/../../x", None),
        ("./x", None),
        ("/x", None),
        ("//evil.example/x", None),
        ("", None),
        ("a\nb", None),
    ],
)
def test_no_path_of_a_dataset_leads_elsewhere(path: str, address: str | None, scene: Scene) -> None:
    report = Report(findings=(verdict(),), context=Context(datasets={"order-sums": Dataset(path=path)}))
    scene.reported(report=report)
    scene.publish()
    found = scene.posted[0].context.datasets["order-sums"].line_url
    assert found == (address and f"{scene.server.url}/honey/bees/blob/{HEAD}{address}")


def test_the_workflow_goes_by_the_name_that_this_repository_has_for_it(scene: Scene) -> None:
    scene.reported(workflow="Nightly")
    scene.publish()
    assert scene.posted[0].origin == ORIGIN


def test_the_reports_of_a_matrix_are_posted_one_after_the_other(scene: Scene) -> None:
    for key in ("3.11", "3.12"):
        scene.reported(at=f"report-{key}", key=key)
    published = scene.publish()
    assert [report.origin.key for report in scene.posted] == ["3.11", "3.12"]
    assert len(published.lines) == 8
    assert len(scene.server.of("GET", f"/repos/honey/bees/pulls/{NUMBER}")) == 1


def test_of_two_attempts_of_one_job_the_newer_one_is_posted(scene: Scene) -> None:
    scene.run["run_attempt"] = 2
    scene.bees.add_workflow_run(RUN, head_sha=HEAD, head_repository="other/bees", attempt=2)
    scene.reported(at="b", attempt=1)
    scene.reported(at="a", attempt=2)
    scene.publish()
    assert [report.origin.attempt for report in scene.posted] == [2]


def test_a_job_that_did_not_run_again_is_posted_as_it_was(scene: Scene) -> None:
    scene.run["run_attempt"] = 2
    scene.bees.add_workflow_run(RUN, head_sha=HEAD, head_repository="other/bees", attempt=3)
    scene.reported()
    assert scene.publish().url


def test_a_pull_request_of_dependabot_comes_from_this_repository(scene: Scene) -> None:
    scene.bees.open_pull(NUMBER, head_sha=HEAD, head_repository="honey/bees")
    scene.bees.add_workflow_run(RUN, head_sha=HEAD, head_repository="honey/bees")
    scene.run["head_repository"] = {"id": 17, "full_name": "honey/bees"}
    scene.reported()
    assert scene.publish().url


def test_a_repository_that_was_renamed_meanwhile_is_still_itself(scene: Scene) -> None:
    scene.run["head_repository"]["full_name"] = "other/wasps"
    scene.reported(repository="Honey/Beehive")
    assert scene.publish().url
    assert scene.posted[0].origin.repository == "honey/bees"


def test_hostile_text_does_nothing_in_the_comment_and_in_the_log(scene: Scene) -> None:
    text = "| x | @octocat [a](https://evil.example) <!-- honeyhive-gate --> <img src=x>\n::error::x ##[error]y"
    found = reported_by_the_fork()
    context = Context(
        judged_by=text, judged_at=text, own_gate=(text,), notes=(text,), datasets={"order-sums": Dataset(path=text)}
    )
    report = replace(
        found,
        findings=(verdict(regressed(), metrics=SUMMARIES, changes=orders()[0], warnings=(text,)),),
        context=context,
        evidence={
            "order-sums": {
                key: replace(one, inputs=text, candidate_output=f"```\n{text}", baseline_output=text)
                for key, one in found.evidence["order-sums"].items()
            }
        },
    )
    scene.reported(report=report, job=text, key=text)
    published = scene.publish()
    body = scene.bees.comments[NUMBER][0].body
    assert "@octocat" in body
    for active in ("@octocat", "](https://evil", "<!--", "<img", "\n::", "| x |"):
        assert active not in without_code(body)
    assert not any("\n" in line or line.startswith("::") or "##[" in line for line in published.lines)


def test_the_jobs_of_a_fork_share_one_comment_which_the_next_push_brings_up_to_date(scene: Scene) -> None:
    scene.post = into_the_comment  # type: ignore[method-assign]  # another way to post
    for key in ("3.11", "3.12"):
        scene.reported(at=f"report-{key}", key=key)
    first = scene.publish()
    scene.bees.pulls[NUMBER].head_sha = NEXT
    scene.bees.add_workflow_run(RUN + 1, head_sha=NEXT, head_repository="other/bees")
    scene.run.update(id=RUN + 1, head_sha=NEXT)
    for key in ("3.11", "3.12"):
        scene.reported(at=f"report-{key}", key=key, run_id=RUN + 1, head=NEXT)
    second = scene.publish()
    (comment,) = scene.bees.comments[NUMBER]
    assert first.url == second.url == comment.json("honey/bees")["html_url"]
    assert comment.body.count("reported by the pull request's own job") == 6
    assert "2 of 6" in comment.body


def test_where_nothing_was_written_there_is_no_address(scene: Scene) -> None:
    scene.post = lambda report, github: ""  # type: ignore[method-assign]  # another way to post
    scene.reported()
    published = scene.publish()
    assert (published.url, published.verdict, len(published.lines)) == (None, "failed", 3)


# --- what is not posted, and no error --------------------------------------------------------------------------------


def test_the_run_of_a_push_is_none_to_publish(scene: Scene) -> None:
    scene.run["event"] = "push\n::error::x"
    published = scene.publish()
    assert published == Published(
        lines=("nothing to post: the workflow run 901 is of push ::error::x, not of pull_request",)
    )
    assert scene.server.requests == []


def test_a_pull_request_that_has_another_commit_by_now_is_left_to_its_own_run(scene: Scene) -> None:
    scene.reported()
    scene.bees.pulls[NUMBER].head_sha = NEXT
    published = scene.publish()
    assert (published.url, published.verdict) == (None, "failed")
    assert published.lines[-1] == ("nothing posted: #4 has another commit by now, 2a2b3c4; its own run will report")
    assert scene.untouched


def test_a_pull_request_that_was_closed_is_left_alone(scene: Scene) -> None:
    scene.reported()
    scene.bees.pulls[NUMBER].state = "closed"
    assert scene.publish().lines[-1] == "nothing posted: #4 was closed"
    assert scene.untouched


@pytest.mark.parametrize("where", ["event", "pull request"])
def test_a_fork_that_is_gone_confirms_nothing(where: str, scene: Scene) -> None:
    scene.reported()
    if where == "event":
        scene.run["head_repository"] = None
        scene.bees.add_workflow_run(RUN, head_sha=HEAD, head_repository=None)
    else:
        scene.bees.pulls[NUMBER].head_repository = None
    assert scene.publish().lines[-1] == "nothing posted: the repository that #4 comes from is gone"
    assert scene.untouched


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"repository": "honey/wasps", "repository_id": 16}, 'of the repository "honey/wasps"'),
        ({"repository_id": 16}, 'of the repository "honey/bees"'),
        ({"repository": "honey/wasps", "repository_id": None}, 'of the repository "honey/wasps"'),
        ({"repository": None, "repository_id": None}, 'of the repository ""'),
        ({"head": NEXT}, f"of the commit {NEXT}"),
        ({"head": None}, "of the commit None"),
        ({"run_id": RUN - 1}, f"of the workflow run {RUN - 1}"),
        ({"run_id": None}, "of the workflow run None"),
        ({"event": "push"}, 'of the event "push"'),
        ({"attempt": 2}, "of attempt 2"),
        ({"number": None}, "of no pull request"),
    ],
)
def test_a_report_of_something_else_is_refused(forged: dict[str, Any], said: str, scene: Scene) -> None:
    folder = scene.reported(**forged)
    error = scene.refused()
    assert f"the report says that it is {said}, and that is not what started this job" in error
    assert error.startswith(str(folder))


def test_a_report_for_somebody_elses_pull_request_is_refused_though_it_has_the_same_commit(scene: Scene) -> None:
    scene.bees.open_pull(5, head_sha=HEAD, head_repository="evil/bees")
    scene.reported(number=5)
    assert 'of #5, which does not come from "other/bees"' in scene.refused()


def test_a_pull_request_into_a_repository_of_another_name_is_refused(scene: Scene) -> None:
    scene.reported()
    scene.server.rename("honey/bees", "honey/hive")
    assert 'of #4, which goes into "honey/hive"' in scene.refused()


def test_a_report_for_a_pull_request_that_is_not_there_is_refused(scene: Scene) -> None:
    scene.reported(number=99)
    assert "of #99, which this repository does not have" in scene.refused()


def test_github_in_trouble_is_not_held_against_the_report(scene: Scene) -> None:
    scene.reported()
    scene.server.fail("GET", f"/repos/honey/bees/pulls/{NUMBER}", "500")
    with pytest.raises(GitHubError, match="500"):
        scene.publish()
    assert scene.untouched


def test_the_reports_of_one_run_are_of_one_pull_request(scene: Scene) -> None:
    scene.bees.open_pull(5, head_sha=HEAD, head_repository="other/bees")
    scene.reported(at="a", key="1")
    scene.reported(at="b", key="2", number=5)
    assert "of 2 pull requests" in scene.refused()


def test_one_report_that_is_forged_stops_all(scene: Scene) -> None:
    scene.reported(at="a", key="1")
    scene.reported(at="b", key="2", head=NEXT)
    assert f"of the commit {NEXT}" in scene.refused()


def test_jobs_that_cannot_be_told_apart_are_refused(scene: Scene) -> None:
    scene.reported(at="a")
    scene.reported(at="b")
    error = scene.refused()
    assert 'two reports are of the same job "gate"' in error
    assert "comment-key" in error


@pytest.mark.parametrize(
    "other",
    [{"head_sha": NEXT}, {"event": "push"}, {"head_repository": "evil/bees"}],
)
def test_an_event_that_github_does_not_confirm_is_refused(other: dict[str, Any], scene: Scene) -> None:
    scene.reported()
    scene.bees.add_workflow_run(RUN, **({"head_sha": HEAD, "head_repository": "other/bees"} | other))
    assert "GitHub knows the workflow run 901 as another one" in scene.refused()


@pytest.mark.parametrize("payload", [{}, {"workflow_run": None}, {"workflow_run": {"id": "901"}}])
def test_a_job_that_no_workflow_run_started_is_refused(payload: dict[str, Any], scene: Scene) -> None:
    scene.reported()
    scene.payload = payload
    error = scene.refused()
    assert "not that of a finished workflow run" in error
    assert "on: workflow_run" in error


@pytest.mark.parametrize("gone", [True, False])
def test_without_a_report_it_is_said_how_one_gets_there(gone: bool, scene: Scene) -> None:
    if gone:
        shutil.rmtree(scene.folder)
    assert "actions/download-artifact" in scene.refused()


def longer(folder: Path) -> None:
    (folder / "comment.md").write_text("# MERGE ME NOW")


def linked(folder: Path) -> None:
    (folder / "comment.md").unlink()
    (folder / "comment.md").symlink_to("/etc/passwd")


def praised(folder: Path) -> None:
    data = json.loads((folder / "report.json").read_text())
    data["findings"][2]["verdict"] = "passed"
    (folder / "report.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("attack", "said"),
    [(longer, "does not have the 10 bytes"), (linked, "is a link"), (praised, "its checks do not say so")],
)
def test_a_folder_that_was_tampered_with_is_refused(attack: Callable[[Path], None], said: str, scene: Scene) -> None:
    attack(scene.reported())
    assert said in scene.refused()


def test_a_token_that_may_not_comment_is_said_to_be_one(scene: Scene) -> None:
    scene.token = scene.server.token(permissions={"actions": "read", "pull-requests": "read"})
    scene.reported()
    with pytest.raises(GitHubPermissionError) as error:
        scene.publish()
    assert "pull-requests: write" in error.value.hint


@pytest.mark.parametrize(
    ("may", "needed"),
    [({"pull-requests": "write"}, "actions: read"), ({"actions": "read"}, "pull-requests: read")],
)
def test_a_token_that_may_not_ask_is_said_to_be_one(may: dict[str, Level], needed: str, scene: Scene) -> None:
    scene.bees.private = True
    scene.token = scene.server.token(permissions=may)
    scene.reported()
    with pytest.raises(GitHubPermissionError) as error:
        scene.publish()
    assert needed in error.value.hint
    assert scene.untouched
