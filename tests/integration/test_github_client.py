"""The client of GitHub's API against a stand-in on loopback: what it asks, what it makes of the answers, what fails."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from github_server import GitHubServer, Kind, Repository
from github_server.scenes import ID, NAME, Work, client_of, history
from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.github.answers import refusal_message
from honeyhive.ci.github.client import MOST_PAGES, GitHub
from honeyhive.ci.github.limits import allowed_in
from honeyhive.ci.github.permissions import needed
from honeyhive.errors import ArgumentError, GitHubError, GitHubPermissionError

COMMENTS = f"/repos/{NAME}/issues/5/comments"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def github(server: GitHubServer, repository: Repository, pauses: list[float]) -> Iterator[GitHub]:
    with client_of(server, pauses=pauses) as found:
        yield found


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


# --- comments --------------------------------------------------------------------------------------------------------


def test_a_comment_is_made_read_changed_and_deleted(github: GitHub, repository: Repository) -> None:
    made = github.create_comment(5, "first\n\nü 🐝")
    assert (made.body, made.author, made.is_bot, made.app) == (
        "first\n\nü 🐝",
        "github-actions[bot]",
        True,
        "github-actions",
    )
    assert made.url == f"https://github.com/{NAME}/pull/5#issuecomment-{made.id}"
    changed = github.update_comment(made.id, "second")
    assert (changed.id, changed.body) == (made.id, "second")
    assert changed.updated_at > made.updated_at
    assert github.comment(made.id) == changed
    assert [one.bodies for one in repository.comments[5]] == [["first\n\nü 🐝", "second"]]
    github.delete_comment(made.id)
    assert repository.comments[5] == []
    github.delete_comment(made.id)  # that it is gone already is no error


def test_all_comments_are_read_over_all_pages(github: GitHub, server: GitHubServer, repository: Repository) -> None:
    ids = [repository.add_comment(5, f"comment {at}").id for at in range(250)]
    repository.add_comment(6, "another pull request's")
    assert [one.id for one in github.comments(5)] == ids
    assert [one.query["page"] for one in server.of("GET", COMMENTS)] == [["1"], ["2"], ["3"]]


def test_a_full_last_page_is_followed_by_no_other(github: GitHub, server: GitHubServer, repository: Repository) -> None:
    for at in range(100):
        repository.add_comment(5, f"comment {at}")
    assert len(github.comments(5)) == 100
    assert len(server.of("GET", COMMENTS)) <= 2


def test_comments_tell_who_wrote_them(github: GitHub, repository: Repository) -> None:
    repository.add_comment(5, "by a user", login="alice")
    repository.add_comment(5, "by a bot", login="renovate[bot]", is_bot=True, app="renovate")
    repository.add_comment(5, "by nobody", login=None)
    assert [(one.author, one.is_bot, one.app) for one in github.comments(5)] == [
        ("alice", False, None),
        ("renovate[bot]", True, "renovate"),
        (None, False, None),
    ]


def test_a_personal_token_has_a_login_and_a_workflows_has_none(github: GitHub, server: GitHubServer) -> None:
    assert github.login() is None
    with client_of(server, server.token(login="alice")) as personal:
        assert personal.login() == "alice"


def test_a_comment_that_is_gone_is_a_404(github: GitHub, repository: Repository) -> None:
    for ask in (github.comment, lambda one: github.update_comment(one, "x")):
        with pytest.raises(GitHubError) as caught:
            ask(404404)
        assert (type(caught.value), caught.value.status) == (GitHubError, 404)


# --- code ------------------------------------------------------------------------------------------------------------


def test_a_comparison_names_commits_files_and_merge_base(github: GitHub, repository: Repository, work: Work) -> None:
    base = work.commit("base", {"kept.txt": "kept\n" * 9, "gone.txt": "gone"})
    work.git("checkout", "-q", "-b", "feature/ü#1%2F")
    first = work.commit("first", {"new.txt": "new", "gone.txt": None})
    work.git("mv", "kept.txt", "moved.txt")
    second = work.commit("second")
    work.git("checkout", "-q", "main")
    after = work.commit("after", {"later.txt": "x"})
    work.publish(repository)
    found = github.compare("main", "feature/ü#1%2F")
    assert found is not None
    assert (found.status, found.ahead_by, found.behind_by, found.merge_base) == ("diverged", 2, 1, base)
    assert (found.commits, found.complete) == ((first, second), True)
    assert sorted(found.files) == ["gone.txt", "kept.txt", "moved.txt", "new.txt"]
    assert found.files_complete
    same = github.compare(after, "main")
    assert same is not None
    assert (same.status, same.commits, same.files) == ("identical", (), ())
    behind = github.compare(second, base)
    assert behind is not None
    assert (behind.status, behind.behind_by) == ("behind", 2)


def test_a_comparison_is_read_over_its_pages(github: GitHub, repository: Repository, work: Work) -> None:
    base = work.commit("base")
    work.git("fast-import", "--quiet", "--force", text=_import(base, 230))
    work.publish(repository)
    found = github.compare(base, "long")
    assert found is not None
    assert (found.ahead_by, len(found.commits), found.complete) == (230, 230, True)
    assert list(found.commits) == work.git("rev-list", "--reverse", f"{base}..long").split()


def _import(base: str, count: int) -> str:
    lines = [
        f"commit refs/heads/long\ncommitter bee <bee@example.com> {1_700_000_000 + at} +0000\ndata 1\nx\n"
        + (f"from {base}\n" if at == 0 else "")
        for at in range(count)
    ]
    return "".join(lines)


def test_a_comparison_of_many_files_is_not_complete(github: GitHub, repository: Repository, work: Work) -> None:
    base = work.commit("base")
    work.commit("many", {f"f{at}": str(at) for at in range(301)})
    work.publish(repository)
    found = github.compare(base, "main")
    assert found is not None
    assert (len(found.files), found.files_complete) == (300, False)


@pytest.mark.parametrize("unknown", ["f" * 40, "no-such-branch", "--output=x", "a...b", "..", ".", "", " ", "x\ny"])
def test_what_github_does_not_know_compares_to_none(
    github: GitHub, repository: Repository, work: Work, unknown: str
) -> None:
    work.commit("base")
    work.publish(repository)
    assert github.compare("main", unknown) is None
    assert github.compare(unknown, "main") is None


def test_a_comparison_that_fails_is_not_one_of_unknown_commits(server: GitHubServer, github: GitHub) -> None:
    server.fail("GET", f"/repos/{NAME}/compare", "500")
    with pytest.raises(GitHubError) as caught:
        github.compare("main", "change")
    assert caught.value.status == 500


def test_the_parents_of_a_merge_in_their_order(github: GitHub, repository: Repository, work: Work) -> None:
    base = work.commit("base")
    work.git("checkout", "-q", "-b", "side")
    side = work.commit("side", {"s": "s"})
    work.git("checkout", "-q", "main")
    main = work.commit("main", {"m": "m"})
    work.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    work.publish(repository)
    assert github.parents(work.git("rev-parse", "HEAD")) == (main, side)
    assert github.parents(side) == (base,)
    assert github.parents(base) == ()


def test_a_pull_request_of_a_fork_and_of_a_deleted_one(github: GitHub, repository: Repository, work: Work) -> None:
    base, head = history(work, ["base", "head"])
    work.publish(repository, f"{base}:refs/heads/main", f"{head}:refs/heads/change")
    repository.open_pull(5, head_sha=head, head_repository="other/bees", draft=True)
    repository.open_pull(6, head_sha=head, head_repository=None)
    repository.pulls[6].state, repository.pulls[6].merged = "closed", True
    five, six = github.pull(5), github.pull(6)
    assert (five.head_sha, five.base_sha, five.base_ref) == (head, base, "main")
    assert (five.head_repository, five.base_repository, five.draft, five.state) == ("other/bees", NAME, True, "open")
    assert five.head_repository_id not in (None, ID)
    assert (six.head_repository, six.head_repository_id, six.state, six.merged) == (None, None, "closed", True)
    assert github.pull_files(5) == ("head.txt",)


def test_the_files_of_a_pull_request_with_their_former_names(github: GitHub, repository: Repository) -> None:
    many = [f"f{at}" for at in range(150)]
    repository.open_pull(5, head_sha="1" * 40, files=[*many, ("new", "old")])
    assert github.pull_files(5) == (*many, "new", "old")


def test_more_files_than_github_lists_are_none(github: GitHub, repository: Repository) -> None:
    repository.open_pull(5, head_sha="1" * 40, files=[f"f{at}" for at in range(3_001)])
    assert github.pull_files(5) is None


def test_a_run_of_a_workflow(github: GitHub, repository: Repository) -> None:
    repository.add_workflow_run(7, head_sha="1" * 40, head_repository="other/bees", attempt=2)
    repository.add_workflow_run(8, head_sha="2" * 40, event="push")
    seven, eight = github.workflow_run(7), github.workflow_run(8)
    assert (seven.id, seven.event, seven.head_sha, seven.run_attempt) == (7, "pull_request", "1" * 40, 2)
    assert (seven.head_repository, seven.repository) == ("other/bees", NAME)
    assert (eight.head_repository_id, eight.event) == (ID, "push")


def test_the_repository(github: GitHub) -> None:
    found = github.repository_info()
    assert (found.id, found.full_name, found.default_branch) == (ID, NAME, "main")


# --- check runs ------------------------------------------------------------------------------------------------------


def test_a_check_run_begins_and_ends(github: GitHub, repository: Repository, work: Work) -> None:
    sha = work.commit("base")
    work.publish(repository)
    check = github.create_check("gate", sha, external_id="gsm8k", details_url="https://example.com/1")
    assert repository.checks[check]["status"] == "in_progress"
    notes = [
        Annotation(level=Level.ERROR, title="t" * 300, message="m", file="a.jsonl", line=3),
        Annotation(level=Level.NOTICE, title="nowhere", message="m"),
        *(Annotation(level=Level.WARNING, title="", message="m" * 99_999, file="b") for _ in range(60)),
    ]
    github.finish_check(check, "failure", title="t" * 300, summary="ü" * 70_000, annotations=notes)
    ended = repository.checks[check]
    assert (ended["status"], ended["conclusion"], ended["external_id"]) == ("completed", "failure", "gsm8k")
    assert (len(ended["output"]["summary"]), len(ended["annotations"])) == (65_535, 50)
    assert ended["annotations"][0] == {
        "path": "a.jsonl",
        "start_line": 3,
        "end_line": 3,
        "annotation_level": "failure",
        "message": "m",
        "title": "t" * 255,
    }


# --- what the token may not do ---------------------------------------------------------------------------------------


READS = {"contents": "read", "pull-requests": "read", "issues": "read", "checks": "read"}


@pytest.mark.parametrize(
    ("ask", "permission"),
    [
        (lambda github: github.create_comment(5, "x"), "pull-requests: write"),
        (lambda github: github.update_comment(1, "x"), "pull-requests: write"),
        (lambda github: github.delete_comment(1), "pull-requests: write"),
        (lambda github: github.create_check("gate", "1" * 40), "checks: write"),
        (lambda github: github.workflow_run(7), "actions: read"),
    ],
)
def test_a_refusal_names_the_permission(
    server: GitHubServer, repository: Repository, ask: Callable[[GitHub], Any], permission: str
) -> None:
    repository.private = True
    with client_of(server, server.token(permissions=READS)) as github, pytest.raises(GitHubPermissionError) as caught:  # type: ignore[arg-type]  # the levels are texts
        ask(github)
    assert caught.value.status == 403
    assert "Resource not accessible by integration" in caught.value.message
    assert f"`{permission}`" in caught.value.hint
    assert repository.comments == {}


@pytest.mark.parametrize(
    ("ask", "permission"),
    [
        (lambda github: github.comments(5), "pull-requests: read"),
        (lambda github: github.pull_files(5), "pull-requests: read"),
        (lambda github: github.compare("main", "x"), "contents: read"),
        (lambda github: github.parents("1" * 40), "contents: read"),
        (lambda github: github.workflow_run(7), "actions: read"),
    ],
)
def test_a_token_that_may_nothing_is_told_what_reading_needs(
    server: GitHubServer, repository: Repository, ask: Callable[[GitHub], Any], permission: str
) -> None:
    repository.private = True
    with client_of(server, server.token(permissions={})) as github, pytest.raises(GitHubPermissionError) as caught:
        ask(github)
    assert f"`{permission}`" in caught.value.hint


def test_a_repository_that_the_token_does_not_see_is_a_matter_of_permission(
    server: GitHubServer, repository: Repository
) -> None:
    repository.private = True
    token = server.token(login="mallory", repositories=["mallory/own"])
    with client_of(server, token) as github:
        for ask in (github.repository_info, lambda: github.comments(5), lambda: github.compare("main", "x")):
            with pytest.raises(GitHubPermissionError) as caught:
                ask()
            assert caught.value.status == 404


def test_a_token_without_the_scope_is_a_matter_of_permission() -> None:
    headers = {"x-oauth-scopes": "gist, read:user", "x-accepted-oauth-scopes": "repo"}
    with answering(404, {"message": "Not Found"}, headers) as github, pytest.raises(GitHubPermissionError):
        github.update_comment(1, "x")


def test_a_token_that_is_over(server: GitHubServer, repository: Repository) -> None:
    with client_of(server, "ghs_over") as github, pytest.raises(GitHubPermissionError) as caught:
        github.login()
    assert caught.value.status == 401
    assert "Bad credentials" in caught.value.message
    assert "`github-token`" in caught.value.hint


@pytest.mark.parametrize(
    ("method", "place", "accepted", "permission"),
    [
        ("POST", "/repos/o/r/issues/5/comments", "", "pull-requests: write"),
        ("POST", "/repos/o/r/issues/5/comments", "issues=write; pull_requests=write", "pull-requests: write"),
        ("GET", "/repos/o/r/issues/comments/1", "issues=read", "issues: read"),
        ("GET", "/repos/o/r/pulls/5", "pull_requests=read,contents=read", "pull-requests: read"),
        ("GET", "/repos/o/r", "metadata=read", "contents: read"),
        ("POST", "/repos/o/r/check-runs", "`rm -rf`=write; <b>=x", "checks: write"),
    ],
)
def test_the_permission_of_a_request(method: str, place: str, accepted: str, permission: str) -> None:
    assert needed(method, place, accepted) == permission


# --- limits, faults, lost answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500", "502", "503", "504", "reset", "reset-before", "refuse"])
def test_what_may_be_done_twice_is_asked_again(
    server: GitHubServer, github: GitHub, repository: Repository, pauses: list[float], kind: Kind
) -> None:
    comment = repository.add_comment(5, "before")
    place = f"/repos/{NAME}/issues/comments/{comment.id}"
    server.fail("*", place, kind, times=2)
    assert github.update_comment(comment.id, "after").body == "after"
    assert len(server.of("PATCH", place)) == 3
    assert len(pauses) == 2
    assert 1.0 <= pauses[0] <= 2.0 <= pauses[1] <= 3.0


def test_what_is_deleted_and_not_acknowledged_is_gone(
    server: GitHubServer, github: GitHub, repository: Repository
) -> None:
    comment = repository.add_comment(5, "before")
    place = f"/repos/{NAME}/issues/comments/{comment.id}"
    server.fail("DELETE", place, "502", times=1, processed=True)
    github.delete_comment(comment.id)
    assert [one.answered for one in server.of("DELETE", place)] == [502, 404]


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (httpx.ReadTimeout("slow"), {"GET": 5, "POST": 1}),
        (httpx.ConnectTimeout("slow"), {"GET": 5, "POST": 5}),
        (httpx.ConnectError("refused"), {"GET": 5, "POST": 5}),
        (httpx.RemoteProtocolError("cut"), {"GET": 5, "POST": 1}),
        (httpx.DecodingError("bad"), {"GET": 1, "POST": 1}),
    ],
)
def test_what_never_got_there_is_sent_again(error: httpx.TransportError, asked: dict[str, int]) -> None:
    methods: Counter[str] = Counter()

    def answer(request: httpx.Request) -> httpx.Response:
        methods[request.method] += 1
        raise error

    with mocked(answer) as github:
        for ask in (lambda: github.comments(5), lambda: github.create_comment(5, "x")):
            with pytest.raises(GitHubError):
                ask()
    assert methods == asked


@pytest.mark.parametrize("kind", ["500", "502", "503", "reset", "reset-before"])
def test_a_comment_is_sent_once_only(
    server: GitHubServer, github: GitHub, repository: Repository, pauses: list[float], kind: Kind
) -> None:
    server.fail("POST", COMMENTS, kind, times=1)
    with pytest.raises(GitHubError):
        github.create_comment(5, "x")
    assert len(server.of("POST", COMMENTS)) == 1
    assert len(repository.comments[5]) == (1 if kind == "reset" else 0)
    assert pauses == []


def test_attempts_come_to_an_end(server: GitHubServer, github: GitHub, pauses: list[float]) -> None:
    server.fail("GET", COMMENTS, "502")
    with pytest.raises(GitHubError) as caught:
        github.comments(5)
    assert (caught.value.status, caught.value.hint) == (502, "try later")
    assert (len(server.of("GET", COMMENTS)), len(pauses)) == (5, 4)
    assert pauses == sorted(pauses)


@pytest.mark.parametrize("kind", ["secondary", "429"])
def test_a_limit_is_waited_for(
    server: GitHubServer, github: GitHub, repository: Repository, pauses: list[float], kind: Kind
) -> None:
    server.fail("POST", COMMENTS, kind, times=2, retry_after="17")
    github.create_comment(5, "x")
    assert pauses == [17.0, 17.0]
    assert len(repository.comments[5]) == 1


def test_a_limit_that_does_not_say_how_long_takes_a_minute(
    server: GitHubServer, github: GitHub, pauses: list[float]
) -> None:
    server.fail("GET", COMMENTS, "secondary", times=1, retry_after=None)
    assert github.comments(5) == ()
    assert pauses == [60.0]


def test_the_hours_limit_is_waited_for_where_it_ends_soon(
    server: GitHubServer, github: GitHub, pauses: list[float]
) -> None:
    server.fail("GET", COMMENTS, "primary", times=1, seconds=30)
    assert github.comments(5) == ()
    assert len(pauses) == 1
    assert 25.0 <= pauses[0] <= 32.0


def test_a_limit_that_lasts_is_told_and_not_waited_for(
    server: GitHubServer, github: GitHub, pauses: list[float]
) -> None:
    server.fail("GET", COMMENTS, "primary", seconds=1800)
    with pytest.raises(GitHubError, match="API rate limit exceeded") as caught:
        github.comments(5)
    assert type(caught.value) is GitHubError
    assert " UTC: run again then" in caught.value.hint
    assert pauses == []


@given(
    st.sampled_from([403, 429]),
    st.dictionaries(
        st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "date"]),
        st.one_of(st.text(max_size=20), st.integers().map(str), st.just("Mon, 05 Jan 2026 09:00:00 GMT")),
    ),
)
def test_no_header_makes_a_wait_that_is_none(status: int, headers: dict[str, str]) -> None:
    wait = allowed_in(status, headers, "", NOW)
    assert wait is None or 0 <= wait < 1e12
    assert allowed_in(404, headers, "rate limit", NOW) is None


def test_a_limit_without_end_is_told_too() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 12}
    with answering(403, {"message": "no"}, headers) as github, pytest.raises(GitHubError) as caught:
        github.comments(5)
    assert "takes no more requests" in caught.value.hint


def test_a_limit_is_reckoned_by_githubs_clock() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000", "date": "Thu, 01 Jan 1970 00:16:30 GMT"}
    assert allowed_in(403, headers, "", NOW) == 11.0


def test_a_page_that_fails_is_no_end_of_the_list(server: GitHubServer, github: GitHub, repository: Repository) -> None:
    for at in range(150):
        repository.add_comment(5, f"comment {at}")
    server.fail("GET", COMMENTS, "500", skip=1)
    with pytest.raises(GitHubError):
        github.comments(5)


# --- where the token goes --------------------------------------------------------------------------------------------


def test_a_renamed_repository_is_followed_by_who_asks(
    server: GitHubServer, github: GitHub, repository: Repository
) -> None:
    made = repository.add_comment(5, "x")
    server.rename(NAME, "honey/hive")
    assert github.repository_info().full_name == "honey/hive"
    assert [one.id for one in github.comments(5)] == [made.id]
    with pytest.raises(GitHubError, match="301") as caught:
        github.create_comment(5, "x")
    assert "renamed" in caught.value.hint
    assert len(repository.comments[5]) == 1


def test_a_redirect_to_elsewhere_is_not_followed(server: GitHubServer, github: GitHub, tmp_path: Path) -> None:
    with GitHubServer(tmp_path / "other") as other:
        other.repository(NAME)
        for location in (
            f"{other.url}/repos/{NAME}",
            f"{server.url}/outside",
            f"{server.api_url}.evil/x",
            f"{server.api_url}/../../outside",
            f"{server.api_url}/%2E%2e/%2e./outside",
            "/repositories/17",
            "//[",
            "",
        ):
            server.fail("GET", f"/repos/{NAME}", "redirect", times=1, location=location)
            with pytest.raises(GitHubError, match="301"):
                github.repository_info()
        assert other.requests == []
    assert {one.path for one in server.requests} == {f"/repos/{NAME}"}


def test_redirects_come_to_an_end(server: GitHubServer, github: GitHub) -> None:
    server.fail("GET", f"/repos/{NAME}", "redirect", location=f"{server.api_url}/repos/{NAME}")
    with pytest.raises(GitHubError, match="301"):
        github.repository_info()
    assert len(server.requests) == 3


TOKEN = "ghs_very/secret+token=1"


def mocked(answer: Callable[[httpx.Request], httpx.Response]) -> GitHub:
    """A client of a server that is not there, whose pauses take no time."""
    url, made = "https://github.example/api/v3", httpx.MockTransport(answer)
    return GitHub(api_url=url, token=TOKEN, repository=NAME, transport=made, pause=lambda _: None)


def answering(status: int, body: Any, headers: dict[str, str] | None = None) -> GitHub:
    """A client whose server always answers that."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return mocked(lambda _: httpx.Response(status, headers=headers, **content))


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 422, 500])
def test_no_text_holds_the_token(status: int) -> None:
    body = {"message": f"no: {TOKEN}", "errors": [TOKEN, {"message": TOKEN}], "id": TOKEN}
    for answer in (body, [body], TOKEN.encode()):
        with answering(status, answer, {"location": f"https://evil.example/{TOKEN}"}) as github:
            with pytest.raises(GitHubError) as caught:
                github.comments(5)
            told = "".join(traceback.format_exception(caught.value)) + repr(github) + repr(vars(caught.value))
            assert TOKEN not in told


def test_the_token_of_a_broken_connection_is_in_no_text() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(f"lost {request.headers['authorization']}")

    with mocked(answer) as github, pytest.raises(GitHubError) as caught:
        github.comments(5)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


# --- answers that are none -------------------------------------------------------------------------------------------


COMMENT: dict[str, Any] = {"id": 1, "body": "x", "html_url": "u", "user": {"login": "a", "type": "User"}}


@pytest.mark.parametrize(
    "change",
    [{"id": "1"}, {"id": 0}, {"id": True}, {"id": 2**70}, {"body": 3}, {"user": "alice"}, {"user": {"login": ["x"]}}],
)
def test_an_answer_of_other_types_is_refused(change: dict[str, Any]) -> None:
    with answering(200, COMMENT | change) as github, pytest.raises(GitHubError, match="GET /repos"):
        github.comment(1)


def test_an_answer_with_more_keys_and_fewer_is_read() -> None:
    with answering(200, {"id": 1, "body": None, "user": None, "author": "me", "new": {"deep": [1]}}) as github:
        found = github.comment(1)
    assert (found.id, found.body, found.author, found.app) == (1, "", None, None)


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"id": NaN}', b"null"])
def test_an_answer_that_is_no_object_is_refused(body: bytes) -> None:
    with answering(200, body) as github, pytest.raises(GitHubError):
        github.comment(1)


def test_a_repository_has_a_default_branch() -> None:
    with answering(200, {"id": 1, "full_name": "a/b"}) as github, pytest.raises(GitHubError, match="default branch"):
        github.repository_info()


@pytest.mark.parametrize("sha", ["x", "1" * 41, "../../x", "--output=x", 7])
def test_a_sha_is_one(sha: object) -> None:
    with answering(200, {"sha": "1" * 40, "parents": [{"sha": sha}]}) as github, pytest.raises(GitHubError):
        github.parents("1" * 40)


def test_a_list_without_end_is_refused_and_not_cut() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["page"])
        link = '<https://evil.example/next>; rel="next"'
        return httpx.Response(200, json=[COMMENT], headers={"link": link})

    with mocked(answer) as github, pytest.raises(GitHubError, match="longer than"):
        github.comments(5)
    assert asked == [str(at) for at in range(1, MOST_PAGES + 1)]


def test_without_links_a_short_page_is_the_last() -> None:
    pages = {"1": [COMMENT | {"id": at} for at in range(1, 101)], "2": [COMMENT | {"id": 101}, COMMENT | {"id": 100}]}

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "github.example"
        return httpx.Response(200, json=pages[request.url.params["page"]])

    with mocked(answer) as github:
        assert [one.id for one in github.comments(5)] == list(range(1, 102))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["message", "errors", "x"]), inner),
    )
)
def test_any_refusal_has_a_message_or_none(answer: Any) -> None:
    assert isinstance(refusal_message(answer), str)


# --- what is no client ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "  ", "two words", "new\nline", "ü"])
def test_without_a_token_there_is_no_client(token: str) -> None:
    with pytest.raises(GitHubPermissionError, match="no GitHub token") as caught:
        GitHub(api_url="https://api.github.com", token=token, repository=NAME)
    assert "github-token" in caught.value.hint


@pytest.mark.parametrize("name", ["", "bees", "a/b/c", "../x", "x/..", "./x", "a b/c", "a/b?x=1", "a/b#"])
def test_a_repository_is_an_owner_and_a_name(name: str) -> None:
    with pytest.raises(GitHubError, match="no repository"):
        GitHub(api_url="https://api.github.com", token=TOKEN, repository=name)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com",
        "http://github.example",
        "https://user:pass@github.example",
        "ftp://x",
        "https://github.example.",
        "https://gıthub.example",
        "httpſ://github.example",
        "https://github.example/api/../..",
    ],
)
def test_the_token_goes_to_no_odd_address(url: str) -> None:
    with pytest.raises(GitHubError, match="GitHub's API") as caught:
        GitHub(api_url=url, token=TOKEN, repository=NAME)
    assert "pass@" not in str(caught.value)
    assert not isinstance(caught.value, ArgumentError)


def test_a_closed_client_asks_nothing(server: GitHubServer, repository: Repository) -> None:
    with client_of(server) as github:
        github.repository_info()
    with pytest.raises(GitHubError, match="closed"):
        github.comments(5)
    assert len(server.requests) == 1


def test_a_server_that_is_down_is_said_so(server: GitHubServer, github: GitHub, pauses: list[float]) -> None:
    server.stop()
    with pytest.raises(GitHubError) as caught:
        github.comments(5)
    assert caught.value.status is None
    assert "GITHUB_API_URL" in caught.value.hint
    assert len(pauses) == 4
