"""What a client asks of GitHub at most: how fast, how often, for how long; and what it makes of lost answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from github_server import GitHubServer, Kind, Repository
from github_server.scenes import ID, NAME, Clock, Work
from honeyhive.api.retries import Budget
from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.git.repository import Address
from honeyhive.ci.git.repository import Repository as Checkout
from honeyhive.ci.github.client import GitHub
from honeyhive.ci.github.limits import Pace
from honeyhive.ci.patience import AFTER_HONEYHIVE, AFTER_THE_COMMENT, REPORTING, Patience
from honeyhive.errors import GitHubError, RepositoryError
from relays import certificate, relay
from wire import wire

COMMENTS = f"/repos/{NAME}/issues/5/comments"
CHECKS = f"/repos/{NAME}/check-runs"
NOTE = Annotation(level=Level.ERROR, title="t", message="m", file="a.jsonl", line=3)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(server: GitHubServer, repository: Repository, clock: Clock) -> Iterator[GitHub]:
    with client(server.api_url, clock, server.token()) as found:
        yield found


def client(url: str, clock: Clock, token: str = "ghs_token") -> GitHub:
    return GitHub(api_url=url, token=token, repository=NAME, pause=clock.pause, clock=clock.now)


# --- how fast ---------------------------------------------------------------------------------------------------------


def test_writes_come_a_second_apart_and_reads_do_not(github: GitHub, clock: Clock) -> None:
    began = time.monotonic()
    made = [github.create_comment(5, str(number)) for number in range(3)]
    for one in made:
        github.comment(one.id)
    github.update_comment(made[0].id, "x")
    github.delete_comment(made[0].id)
    waited = sum(clock.pauses) + time.monotonic() - began
    assert len(clock.pauses) == 4
    assert all(0 < pause <= 1 for pause in clock.pauses)
    assert waited >= 4.0


def test_two_threads_that_write_at_once_take_turns() -> None:
    pace = Pace(lambda: 100.0)
    assert [pace.turn("POST"), pace.turn("PATCH"), pace.turn("GET"), pace.turn("DELETE")] == [0.0, 1.0, 0.0, 2.0]


def test_after_a_slow_write_there_is_a_second_all_the_same() -> None:
    now = [100.0]
    pace = Pace(lambda: now[0])
    assert pace.turn("POST") == 0.0
    now[0] = 130.0
    pace.answered("POST")
    assert pace.turn("PUT") == 1.0


# --- how often, and for how long --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["500", "503", "reset-before"])
def test_a_call_is_five_tries_in_a_minute_and_a_half(
    server: GitHubServer, github: GitHub, clock: Clock, kind: Kind
) -> None:
    server.fail("GET", COMMENTS, kind)
    with pytest.raises(GitHubError):
        github.comments(5)
    assert len(server.of("GET", COMMENTS)) == 5
    assert sum(clock.pauses) < 90


@pytest.mark.parametrize(("wait", "tries"), [("30", 3), ("60", 2), (None, 2)])
def test_limits_are_waited_for_as_long_as_the_call_has_time(
    server: GitHubServer, github: GitHub, clock: Clock, wait: str | None, tries: int
) -> None:
    server.fail("GET", COMMENTS, "secondary", retry_after=wait)
    with pytest.raises(GitHubError, match="secondary rate limit") as caught:
        github.comments(5)
    assert "UTC: run again then" in caught.value.hint
    assert sum(clock.pauses) == 60
    assert len(server.of("GET", COMMENTS)) == tries


def test_while_a_limit_holds_nothing_else_is_asked(
    server: GitHubServer, github: GitHub, repository: Repository, clock: Clock
) -> None:
    server.fail("GET", COMMENTS, "primary", times=1, seconds=1800)
    with pytest.raises(GitHubError, match="API rate limit exceeded"):
        github.comments(5)
    for ask in (lambda: github.create_comment(5, "x"), github.repository_info):
        with pytest.raises(GitHubError, match=r"not asked .*until") as caught:
            ask()
        assert "UTC: run again then" in caught.value.hint
    assert len(server.requests) == 1
    clock.pause(1802)
    github.create_comment(5, "x")
    assert len(repository.comments[5]) == 1


def test_the_last_request_of_the_hour_is_the_last(clock: Clock) -> None:
    reset = int(time.time()) + 1800
    limit = f"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: {reset}"
    body = b'{"id": 17, "full_name": "honey/bees", "default_branch": "main"}'
    answer = f"HTTP/1.1 200 OK\r\n{limit}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with wire(lambda connection, _: connection.sendall(answer)) as server, client(server.url, clock) as github:
        assert github.repository_info().id == ID
        with pytest.raises(GitHubError, match="not asked"):
            github.repository_info()
        assert len(server.connections) == 1


@pytest.mark.parametrize("seconds", [0.0, 40.0])
def test_nothing_takes_longer_than_the_reporting_of_a_gate_may(
    server: GitHubServer, github: GitHub, clock: Clock, seconds: float
) -> None:
    server.fail("GET", COMMENTS, "secondary", retry_after="30")
    github.within(Budget(seconds, clock=clock.now))
    with pytest.raises(GitHubError) as caught:
        github.comments(5)
    assert sum(clock.pauses) <= seconds
    clock.pause(40.0)
    with pytest.raises(GitHubError, match="not asked any more") as caught:
        github.create_comment(5, "x")
    assert "time for reporting was over" in caught.value.hint
    assert server.of("POST", COMMENTS) == []


def test_each_step_of_the_reporting_leaves_the_later_ones_their_time(
    server: GitHubServer, github: GitHub, repository: Repository, clock: Clock, tmp_path: Path
) -> None:
    sha = _commit(repository, tmp_path)
    with Checkout(Address(url=f"{server.url}/{NAME}.git", token=server.token())) as checkout:
        patience = Patience(checkout, github, clock=clock.now)
        patience.leaving(AFTER_THE_COMMENT)
        clock.pause(REPORTING - AFTER_THE_COMMENT)
        with pytest.raises(GitHubError, match="not asked any more"):
            github.comments(5)
        assert 0 < patience.leaving(AFTER_HONEYHIVE).left() <= AFTER_THE_COMMENT - AFTER_HONEYHIVE
        assert github.comments(5) == ()
        assert checkout.branch("main") == sha
        clock.pause(AFTER_THE_COMMENT)
        assert patience.leaving(0.0).left() <= 0
        with pytest.raises(GitHubError, match="not asked any more"):
            github.comments(5)
        with pytest.raises(RepositoryError, match="time for reporting was over"):
            checkout.branch("main")


def test_a_budget_within_another_has_no_more_than_that(clock: Clock) -> None:
    whole = Budget(10, clock=clock.now)
    whole.left()
    clock.pause(7)
    assert 2 < Budget(5, clock=clock.now, within=whole).left() <= 3


# --- what is sent again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "posts"),
    [("reset", 1), ("502", 1), ("reset-before", 2), ("429", 2)],
)
def test_a_check_run_is_begun_once(
    server: GitHubServer, github: GitHub, repository: Repository, tmp_path: Path, kind: Kind, posts: int
) -> None:
    sha = _commit(repository, tmp_path)
    server.fail("POST", CHECKS, kind, times=1, processed=posts == 1)
    check = github.create_check("gate", sha, external_id="one")
    assert list(repository.checks) == [check]
    assert len(server.of("POST", CHECKS)) == posts


def test_another_gates_check_run_of_the_same_name_is_not_ours(
    server: GitHubServer, github: GitHub, repository: Repository, tmp_path: Path
) -> None:
    sha = _commit(repository, tmp_path)
    other = github.create_check("gate", sha, external_id="another")
    server.fail("POST", CHECKS, "reset-before", times=1)
    assert github.create_check("gate", sha, external_id="ours") != other
    assert len(repository.checks) == 2


@pytest.mark.parametrize(("kind", "patches"), [("reset", 1), ("502", 1), ("reset-before", 2)])
def test_a_check_run_ends_once(
    server: GitHubServer, github: GitHub, repository: Repository, tmp_path: Path, kind: Kind, patches: int
) -> None:
    check = github.create_check("gate", _commit(repository, tmp_path), external_id="one")
    server.fail("PATCH", CHECKS, kind, times=1, processed=kind != "reset-before")
    github.finish_check(check, "success", title="t", summary="s", annotations=[NOTE])
    assert len(repository.checks[check]["annotations"]) == 1
    assert len(server.of("PATCH", f"{CHECKS}/{check}")) == patches


def test_answers_that_are_always_lost_are_given_up(
    server: GitHubServer, github: GitHub, repository: Repository, tmp_path: Path
) -> None:
    sha = _commit(repository, tmp_path)
    server.fail("POST", CHECKS, "reset-before")
    with pytest.raises(GitHubError):
        github.create_check("gate", sha, external_id="one")
    assert len(server.of("POST", CHECKS)) == 3
    assert repository.checks == {}


def _commit(repository: Repository, folder: Path) -> str:
    work = Work(folder / "work")
    sha = work.commit("base")
    work.publish(repository)
    return sha


# --- answers that are no HTTP -----------------------------------------------------------------------------------------

SAID: dict[str, Callable[[], bytes]] = {
    "garbage": lambda: b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "an answer of HTTP/0.9": lambda: b"<html>hello</html>",
    "nothing": lambda: b"",
    "headers without end": lambda: b"HTTP/1.1 200 OK\r\n" + b"X-Flood: 0123456789\r\n" * 50_000,
    "a header without end": lambda: b"HTTP/1.1 200 OK\r\nX-Flood: " + b"0" * 10**6,
    "two lengths": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length below zero": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    "a body that is cut off": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{",
    "a chunk of a lying length": lambda: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk that is cut off": lambda: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "an upgrade": lambda: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: spy\r\n\r\n",
}


@pytest.mark.parametrize("what", SAID)
def test_what_is_no_answer_is_an_error_of_ours_after_five_tries(clock: Clock, what: str) -> None:
    said = SAID[what]()
    with wire(lambda connection, _: connection.sendall(said)) as server, client(server.url, clock) as github:
        with pytest.raises(GitHubError) as caught:
            github.repository_info()
        assert len(server.connections) <= 5
    assert "GITHUB_API_URL" in caught.value.hint or caught.value.status is not None


def test_a_certificate_that_is_not_trusted_is_not_tried_again(
    server: GitHubServer, clock: Clock, tmp_path: Path
) -> None:
    with (
        relay(to=server.port, tls=certificate(tmp_path)) as tls,
        client(f"https://127.0.0.1:{tls.port}", clock) as github,
        pytest.raises(GitHubError) as caught,
    ):
        github.repository_info()
    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
    assert "SSL_CERT_FILE" in caught.value.hint
    assert clock.pauses == []
