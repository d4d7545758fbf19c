"""The one comment on a pull request, against a stand-in for GitHub: who writes it, and that nobody's words are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders_gate import improved, regressed, verdict
from github_server import GitHubServer, Repository
from github_server.scenes import ID, NAME, client_of
from honeyhive.ci.github.answers import Comment
from honeyhive.ci.github.client import GitHub
from honeyhive.ci.github.comments import ROUNDS, is_ours, post_comment, sections_of
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.errors import GitHubError, GitHubPermissionError
from honeyhive.gate.broken import Skipped
from honeyhive.gate.comment import MARKER, compose, parse
from honeyhive.gate.report import Context

BOT = "github-actions[bot]"
OLD, NEW = "1" * 40, "2" * 40
COMMENTS = f"/repos/{NAME}/issues/5/comments"
ONE_COMMENT = f"/repos/{NAME}/issues/comments"


@pytest.fixture
def github(server: GitHubServer, repository: Repository) -> Iterator[GitHub]:
    with client_of(server) as found:
        yield found


def report(*experiments: str, number: int | None = 5, fell: bool = True, **origin: Any) -> Report:
    """What a job found out about these experiments."""
    about: dict[str, Any] = {"number": number, "head": NEW, "run_id": 17, "workflow": "evals", "job": "gate"}
    return Report(
        findings=tuple(
            verdict(regressed() if fell else improved(), experiment=name) for name in experiments or ("order-sums",)
        ),
        context=Context(report_url=f"https://github.com/{NAME}/actions/runs/17"),
        origin=Origin(**(about | origin)),
    )


def post(found: Report, github: GitHub, **options: Any) -> str:
    """Post it without waiting."""
    return post_comment(found, github, **({"pause": lambda _: None} | options))


def bodies(repository: Repository, number: int = 5) -> list[str]:
    """What our comments say."""
    return [one.body for one in repository.comments[number] if one.login == BOT]


def told(body: str) -> dict[str, tuple[int, int]]:
    """The experiments in a comment, with the run and the attempt that they are of."""
    return {one.experiment: one.version for one in parse(body)}


# --- push by push ----------------------------------------------------------------------------------------------------


def test_the_first_push_makes_the_comment_the_second_and_a_rerun_change_it(
    repository: Repository, github: GitHub
) -> None:
    first = post(report(head=OLD), github)
    (made,) = repository.comments[5]
    assert first.endswith(f"#issuecomment-{made.id}")
    assert made.body.startswith(f"{MARKER}\n\n<!-- honeyhive:section ")
    assert "\n\n## ❌ order-sums: `correct` fell 7.4 points" in made.body

    assert post(report(run_id=18, fell=False), github) == first
    assert post(report(run_id=18, attempt=2), github) == first
    (changed,) = repository.comments[5]
    assert changed.id == made.id
    assert told(changed.body) == {"order-sums": (18, 2)}
    assert " · attempt" not in changed.body


def test_what_is_there_already_is_not_written_again(
    server: GitHubServer, repository: Repository, github: GitHub
) -> None:
    first = post(report(), github)
    before = len(server.requests)
    assert post(report(), github) == first
    assert {one.method for one in server.requests[before:]} == {"GET"}


def test_the_same_attempt_may_say_more_later(repository: Repository, github: GitHub) -> None:
    post(report(), github)
    post(report(fell=False), github)
    assert "## ✅ order-sums" in bodies(repository)[0]


def test_jobs_of_a_matrix_share_the_comment_and_are_told_apart(repository: Repository, github: GitHub) -> None:
    for key in ('{"model": "small", "python": 3.12}', '{"model": "large", "python": 3.12}', "null", ""):
        post(report(key=key), github)
    (body,) = bodies(repository)
    headings = [line.partition(":")[0] for line in body.split("\n") if line.startswith("#")]
    assert headings[0] == "## ❌ 4 of 4 experiments failed"
    assert sorted(headings[1:]) == [
        "### ❌ order-sums",
        "### ❌ order-sums",
        "### ❌ order-sums (large, 3.12)",
        "### ❌ order-sums (small, 3.12)",
    ]


def test_an_experiment_that_is_gone_leaves_the_comment_and_other_jobs_stay(
    repository: Repository, github: GitHub
) -> None:
    post(report("a", "b"), github)
    post(report("c", job="nightly"), github)
    post(report("b", run_id=18), github)
    assert told(bodies(repository)[0]) == {"b": (18, 1), "c": (17, 1)}


def test_of_a_job_that_has_not_run_on_the_newest_commit_the_comment_says_so(
    repository: Repository, github: GitHub
) -> None:
    post(report("a", head=OLD), github)
    post(report("b", head=NEW, run_id=18, job="other"), github)
    assert bodies(repository)[0].count("Of an older commit, `1111111`: of the newest one, `2222222`") == 1


def test_an_older_run_writes_nothing_and_says_so(server: GitHubServer, repository: Repository, github: GitHub) -> None:
    post(report(attempt=2), github)
    before, heard = bodies(repository), list[str]()
    url = post(report(run_id=17, attempt=1, fell=False), github, echo=heard.append)
    assert url.endswith(f"#issuecomment-{repository.comments[5][0].id}")
    assert bodies(repository) == before
    assert heard == ["not written into the comment: a newer run of this job has told its own there"]


def test_nothing_new_makes_no_comment_but_brings_one_up_to_date(repository: Repository, github: GitHub) -> None:
    skipped = replace(report(), findings=(Skipped(experiment="order-sums", reason="nothing has changed"),))
    assert post(skipped, github, create=False) == ""
    assert bodies(repository) == []
    post(report(), github)
    again = replace(skipped, origin=replace(skipped.origin, run_id=18))
    assert post(again, github, create=False) != ""
    assert "⏭️ order-sums: not run" in bodies(repository)[0]


@pytest.mark.parametrize("found", [report(number=None), replace(report(), findings=())])
def test_without_a_pull_request_or_a_finding_there_is_nothing_to_comment_on(found: Report, github: GitHub) -> None:
    with pytest.raises(GitHubError, match="nothing to comment on"):
        post(found, github)


# --- whose comment it is ---------------------------------------------------------------------------------------------


def test_ours_is_found_among_many_and_nobody_elses_is_touched(
    server: GitHubServer, repository: Repository, github: GitHub
) -> None:
    stolen = compose(sections_of(report(run_id=99)))
    for at in range(60):
        repository.add_comment(5, stolen if at % 3 == 0 else f"looks good {at}", login=f"person-{at}")
    url = post(report(head=OLD), github)
    for at in range(60):
        repository.add_comment(5, [stolen, f"> {MARKER}", f"hello\n{MARKER}"][at % 3], login="mallory")
    others = [one for one in repository.comments[5] if one.login != BOT]

    assert post(report(run_id=18), github) == url
    assert [one for one in repository.comments[5] if one.login != BOT] == others
    assert len(others) == 120
    (body,) = bodies(repository)
    assert told(body) == {"order-sums": (18, 1)}
    assert all(one.login != BOT or one.body == body for one in repository.comments[5])


def test_a_person_with_the_name_of_an_app_is_none(repository: Repository, github: GitHub) -> None:
    forged = compose(sections_of(report(run_id=99)))
    repository.add_comment(5, forged, login="github-actions")
    repository.add_comment(5, forged, login=BOT, is_bot=False, app=None)
    repository.add_comment(5, forged, login="evil[bot]", is_bot=True, app="good")
    repository.add_comment(5, forged, login="evil[bot]", is_bot=True, app=None)
    repository.add_comment(5, forged, login=None)
    post(report(), github)
    assert len(repository.comments[5]) == 6
    assert told(repository.comments[5][-1].body) == {"order-sums": (17, 1)}


def test_with_a_personal_token_the_comment_is_that_persons(server: GitHubServer, repository: Repository) -> None:
    repository.add_comment(5, compose(sections_of(report(run_id=99))), login="alice")
    with client_of(server, server.token(login="carol")) as github:
        url = post(report(), github)
        assert post(report(run_id=18), github) == url
    assert [one.login for one in repository.comments[5]] == ["alice", "carol"]


def test_two_comments_of_ours_become_the_older_one(repository: Repository, github: GitHub) -> None:
    for at, name in enumerate("abc"):
        body = compose(sections_of(report(name, job=name)))
        repository.add_comment(5, body, login=BOT, is_bot=True, app="github-actions")
        repository.add_comment(
            5, body, login="mallory" if at else "other[bot]", is_bot=not at, app=None if at else "other"
        )
    first = repository.comments[5][0]
    assert post(report("d"), github).endswith(f"-{first.id}")
    assert told(bodies(repository)[0]).keys() == set("abcd")
    assert [one.login for one in repository.comments[5]] == [BOT, "other[bot]", "mallory", "mallory"]


def test_a_comment_that_somebody_has_edited_loses_no_more_than_was_edited(
    repository: Repository, github: GitHub
) -> None:
    body = compose([*sections_of(report("a", job="a")), *sections_of(report("b", job="b"))])
    edited = body.replace("## ❌ 2 of 2", "## hello 2 of 2").replace("\n", "\r\n").replace('"failed"', '"fine"', 1)
    repository.add_comment(5, edited, login=BOT, is_bot=True, app="github-actions")
    post(report("c", job="c"), github)
    assert told(bodies(repository)[0]).keys() == {"b", "c"}


# --- what happens meanwhile ------------------------------------------------------------------------------------------


def meanwhile(*events: Callable[[], object]) -> Callable[[float], None]:
    """A pause in which one of these happens each time."""
    left = list(events)

    def pause(_: float) -> None:
        if left:
            left.pop(0)()

    return pause


@pytest.mark.parametrize("readings", [0, 1])
def test_what_another_jobs_write_has_lost_is_written_again(
    server: GitHubServer, repository: Repository, github: GitHub, readings: int
) -> None:
    post(report("other", job="other"), github)
    overtaken = compose(sections_of(report("third", job="third")))

    def overtake() -> None:
        github.update_comment(repository.comments[5][0].id, overtaken)

    quiet = [lambda: None] * readings
    post(report("ours"), github, pause=meanwhile(*quiet, overtake))
    assert told(bodies(repository)[0]).keys() == {"third", "ours"}
    assert len(server.of("PATCH", f"{ONE_COMMENT}/{repository.comments[5][0].id}")) == 3


def test_a_comment_that_is_always_written_over_is_given_up(repository: Repository, github: GitHub) -> None:
    post(report("other", job="other"), github)
    before = bodies(repository)[0]
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        github.update_comment(repository.comments[5][0].id, before)

    with pytest.raises(GitHubError, match=f"was lost {ROUNDS} times"):
        post(report("ours"), github, pause=pause)
    assert len(waited) == ROUNDS
    assert 1 <= waited[0] <= 2
    assert sum(waited) < 90


def test_a_comment_that_is_deleted_meanwhile_is_made_anew(repository: Repository, github: GitHub) -> None:
    first = post(report(head=OLD), github)

    def delete() -> None:
        github.delete_comment(repository.comments[5][0].id)

    second = post(report(run_id=18), github, pause=meanwhile(delete))
    assert second != first
    assert told(bodies(repository)[0]) == {"order-sums": (18, 1)}


def test_a_comment_that_is_deleted_before_it_is_written_is_made_anew(
    server: GitHubServer, repository: Repository, github: GitHub
) -> None:
    first = post(report(head=OLD), github)
    server.fail("PATCH", ONE_COMMENT, "404", times=1)

    def delete() -> None:
        github.delete_comment(repository.comments[5][0].id)

    assert post(report(run_id=18), github, pause=meanwhile(delete)) != first
    assert told(bodies(repository)[0]) == {"order-sums": (18, 1)}


def test_an_answer_that_is_lost_makes_no_second_comment(
    server: GitHubServer, repository: Repository, github: GitHub
) -> None:
    server.fail("POST", COMMENTS, "reset", times=1, processed=True)
    url = post(report(), github)
    (made,) = repository.comments[5]
    assert url.endswith(f"-{made.id}")


def test_a_request_that_is_lost_is_made_again(server: GitHubServer, repository: Repository, github: GitHub) -> None:
    server.fail("POST", COMMENTS, "500", times=1, processed=False)
    post(report(), github)
    assert told(bodies(repository)[0]) == {"order-sums": (17, 1)}


def test_a_github_that_takes_no_comment_is_told_of(
    server: GitHubServer, repository: Repository, github: GitHub
) -> None:
    server.fail("POST", COMMENTS, "500", processed=False)
    with pytest.raises(GitHubError):
        post(report(), github)
    assert len(server.of("POST", COMMENTS)) == 3
    assert bodies(repository) == []


def test_a_token_that_may_only_read_is_named_at_once(server: GitHubServer, repository: Repository) -> None:
    token = server.token(permissions={"contents": "read", "pull-requests": "read"})
    with client_of(server, token) as github, pytest.raises(GitHubPermissionError, match="pull-requests: write"):
        post(report(), github)
    assert len(server.of("POST", COMMENTS)) == 1


# --- at the same time ------------------------------------------------------------------------------------------------


class Meeting:
    """A pause that is over when every job pauses or has ended: as long as the longest takes from reading to writing."""

    def __init__(self, jobs: int) -> None:
        self._jobs, self._waiting, self._round = jobs, 0, 0
        self._changed = threading.Condition()

    def pause(self, _: float) -> None:
        with self._changed:
            self._waiting += 1
            now = self._round
            self._go_on()
            assert self._changed.wait_for(lambda: self._round > now, timeout=60)

    def leave(self) -> None:
        with self._changed:
            self._jobs -= 1
            self._go_on()

    def _go_on(self) -> None:
        if self._waiting >= self._jobs:
            self._waiting, self._round = 0, self._round + 1
            self._changed.notify_all()


def at_once(server: GitHubServer, reports: list[Report]) -> None:
    """Post them all, each from a job of its own."""
    meeting, token = Meeting(len(reports)), server.token()

    def job(found: Report) -> None:
        try:
            with client_of(server, token) as github:
                post_comment(found, github, pause=meeting.pause)
        finally:
            meeting.leave()

    with ThreadPoolExecutor(len(reports)) as pool:
        list(pool.map(job, reports))


def test_two_jobs_at_once_lose_no_section_in_fifty_tries(tmp_path: Path) -> None:
    with GitHubServer(tmp_path, validate=False) as server:  # each of these requests is validated in other tests
        repository = server.repository(NAME, id=ID)
        tries = range(1, 51)
        for number in tries:
            repository.issues.add(number)
            if number % 2:  # half of them have a comment already, of the last push
                old = compose([*sections_of(report(job="a", run_id=16)), *sections_of(report(job="b", run_id=16))])
                repository.add_comment(number, old, login=BOT, is_bot=True, app="github-actions")

        def one_try(number: int) -> None:
            at_once(server, [report(job, number=number, job=job) for job in "ab"])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one_try, tries))
        for number in tries:
            (body,) = bodies(repository, number)
            assert told(body) == {"a": (17, 1), "b": (17, 1)}


def test_six_jobs_at_once_lose_no_section(server: GitHubServer, repository: Repository) -> None:
    at_once(server, [report("same", job="gate", key=f'{{"model": "m{n}"}}') for n in range(6)])
    (body,) = bodies(repository)
    assert len(parse(body)) == 6
    assert compose(parse(body)) == body


def test_of_two_attempts_at_once_the_newer_one_is_left(server: GitHubServer, repository: Repository) -> None:
    at_once(server, [report(attempt=1), report(attempt=2)])
    (body,) = bodies(repository)
    assert told(body) == {"order-sums": (17, 2)}


def test_an_author_is_ours_by_marker_and_account() -> None:
    ours = Comment(id=1, body=MARKER, author=BOT, is_bot=True, app="github-actions")
    assert is_ours(ours, None)
    assert not is_ours(ours, "alice")
    assert not is_ours(replace(ours, body=f"x\n{MARKER}"), None)
    assert is_ours(replace(ours, author="alice", is_bot=False, app=None), "alice")
    assert not is_ours(replace(ours, author="alice", is_bot=False, app=None), None)
    assert not is_ours(replace(ours, author=None, app=None), None)
