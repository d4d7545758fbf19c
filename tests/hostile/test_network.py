"""A network that fails, lies and spies: the verdict stands, what could not be told is said, and no secret leaves.

The gate of a pull request by the command, against a stand-in for GitHub, and for what is worse than it a bare socket.
"""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from itertools import pairwise
from typing import Any

import pytest

from github_server import Kind
from hostile.pulls import Story
from hostile.scene import KEY
from loopback import Loopback, Reply
from platform_server import PlatformServer
from wire import wire

NO_LOGIN = Reply(status=403, body=b'{"message": "Resource not accessible by integration"}')


# --- answers are lost, late or refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reset", "502"])
def test_a_comment_whose_answer_is_lost_is_looked_up_and_not_made_twice(story: Story, kind: Kind) -> None:
    story.fail("POST", story.api, kind, times=1, processed=True)
    story.told()
    assert story.methods.count("POST") == 1


def test_a_comment_that_was_never_made_is_looked_up_and_made(story: Story) -> None:
    story.fail("POST", story.api, "reset-before", times=1)
    story.told()
    posts = [at for at, method in enumerate(story.methods) if method == "POST"]
    assert len(posts) == 2
    assert "GET" in story.methods[posts[0] : posts[1]]


@pytest.mark.parametrize("kind", ["reset", "502"])
def test_a_check_run_whose_answers_are_lost_is_one_and_at_its_end(story: Story, kind: Kind) -> None:
    story.scene.inputs["check-run"] = "quality"
    story.fail("POST", "/repos/honey/bees/check-runs", kind, times=1, processed=True)
    story.fail("PATCH", "/repos/honey/bees/check-runs", kind, times=1, processed=True)
    story.told()
    head = story.bees.repo.pulls[story.number].head_sha
    (check,) = [one for one in story.bees.repo.checks.values() if one["head_sha"] == head]
    assert (check["status"], check["conclusion"]) == ("completed", "success")
    patched = [one for one in story.bees.server.requests[story.before :] if one.method == "PATCH"]
    assert len(patched) == 1


def test_between_two_writes_there_is_a_second(story: Story) -> None:
    story.scene.inputs["check-run"] = "quality"
    story.told()
    writes = [one.moment for one in story.bees.server.requests[story.before :] if one.method != "GET"]
    assert len(writes) == 3
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(writes))


@pytest.mark.parametrize("kind", ["secondary", "429"])
def test_a_limit_that_is_over_soon_is_waited_for(story: Story, kind: Kind) -> None:
    story.fail("POST", story.api, kind, times=2, retry_after="1")
    assert story.told().seconds >= 2.0


@pytest.mark.parametrize(("kind", "how"), [("primary", {"seconds": 3600}), ("secondary", {"retry_after": "3600"})])
def test_a_limit_that_lasts_is_told_and_nothing_more_is_asked(story: Story, kind: Kind, how: dict[str, Any]) -> None:
    story.scene.inputs["check-run"] = "quality"
    story.fail("*", "/repos/", kind, **how)
    after = story.scene.gate().holds(0, "GitHub takes no more requests of this token until", finished=12)
    assert len(after.heard.said("warning")) == 2  # the comment and the check run
    assert story.methods == ["POST"]


def test_a_github_that_is_out_of_order_is_a_warning_and_no_verdict(story: Story) -> None:
    story.fail("*", story.api, "500")
    story.untold("500", "try later")
    assert story.methods.count("GET") == 6  # whose token it is, and five times for the comments


# --- answers that are none --------------------------------------------------------------------------------------------


def _packed(megabytes: int) -> bytes:
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packing.compress(bytes(2**20)) for _ in range(megabytes)) + packing.flush()


def _answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


ANSWERS = {
    "the page of a captive portal": (_answer(b"<html>Sign in</html>", "Content-Type: text/html"), "not JSON"),
    "a gigabyte that is announced": (_answer(b"{", length=10**9), "longer than 64 MiB"),
    "a bomb of gzip": (_answer(_packed(70), "Content-Encoding: gzip"), "longer than 64 MiB"),
    "gzip within gzip": (_answer(gzip.compress(_packed(1)), "Content-Encoding: gzip, gzip"), "was not asked for"),
    "gzip that is none": (_answer(b"zzzz", "Content-Encoding: gzip"), "cannot be decompressed"),
    "a list a million levels deep": (_answer(b"[" * 10**6), "not JSON"),
    "a number that is none": (_answer(b'{"login": NaN}'), "NaN"),
    "an object of another kind": (_answer(b'{"login": {"::error::WICKED": 1}}'), "login"),
    "commands to the runner": (
        _answer(json.dumps({"message": "no\n::error::WICKED\n::stop-commands::WICKED"}).encode(), status="422 No"),
        "422",
    ),
    "a hundred promises to go on": (
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + _answer(b'{"message": "no"}', status="422 No"),
        "422",
    ),
    "a status that nobody knows": (_answer(b"{}", status="799 \x1b[31mWICKED"), "799"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_githubs_api_that_is(story: Story, answer: str) -> None:
    said, words = ANSWERS[answer]

    def speak(connection: socket.socket, _: bytes) -> None:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    with wire(speak) as server:
        story.untold(words, GITHUB_API_URL=server.url)
    assert story.methods == []


def test_an_answer_that_gives_the_token_back_is_shown_without_it(story: Story, elsewhere: Loopback) -> None:
    token = story.scene.secrets[0]
    body = json.dumps({"message": f"who is {token}?", "errors": [{"message": f"Bearer {token}"}]}).encode()
    elsewhere.usual = Reply(status=422, body=body)
    story.untold("who is ***?", GITHUB_API_URL=elsewhere.url)


# --- where the token goes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "to"), [(301, "another port"), (302, "another scheme"), (307, "a user"), (308, "a folder beside")]
)
def test_a_redirect_elsewhere_is_not_followed(story: Story, elsewhere: Loopback, status: int, to: str) -> None:
    github = Loopback()
    port = elsewhere.url.rpartition(":")[2]
    leads = {
        "another port": f"{elsewhere.url}/user",
        "another scheme": f"https://127.0.0.1:{port}/user",
        "a user": f"{github.url.replace('//', '//x@')}/user",
        "a folder beside": f"{github.url}/api/v3/../../user",
    }
    github.usual = Reply(status=status, headers={"Location": leads[to]})
    try:
        story.untold("The token is not sent to where this leads", GITHUB_API_URL=f"{github.url}/api/v3")
        assert [one.path for one in github.asked] == ["/api/v3/user"]
    finally:
        github.close()
    assert elsewhere.asked == []


def test_a_next_page_elsewhere_is_asked_for_here(story: Story, elsewhere: Loopback) -> None:
    github = Loopback()
    github.next(
        NO_LOGIN,
        Reply(body=b"[]", headers={"Link": f'<{elsewhere.url}/next>; rel="next"', "Set-Cookie": "spy=1"}),
        Reply(body=b"[]"),
    )
    github.usual = Reply(status=422, body=b'{"message": "no"}')
    try:
        story.untold("422", GITHUB_API_URL=github.url)
        assert [one.path.partition("page=")[2][-6:] for one in github.asked] == ["", "page=1", "page=2", ""]
        assert all("cookie" not in one.headers for one in github.asked)
    finally:
        github.close()
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("address", "words"),
    [("http://github.example", "unencrypted"), ("https://github.example.", "is not the address of a server")],
)
def test_an_address_that_the_token_must_not_be_sent_to_ends_the_gate(story: Story, address: str, words: str) -> None:
    story.scene.gate(GITHUB_API_URL=address).holds(5, words)
    assert story.methods == []


def test_an_address_that_is_none_is_no_github(story: Story) -> None:
    story.scene.secrets += ("pa55word",)
    story.untold("no address of GitHub's API", GITHUB_API_URL="https://bee:pa55word@github.example")
    assert story.methods == []


# --- HoneyHive, and git -----------------------------------------------------------------------------------------------


def test_the_key_does_not_follow_a_redirect(story: Story, elsewhere: Loopback) -> None:
    story.scene.secrets += (KEY,)
    with PlatformServer() as platform:
        platform.fail("*", "/", "redirect", location=f"{elsewhere.url}/v1/runs")
        after = story.scene.gate(HH_API_KEY=KEY, HH_API_URL=platform.url).holds(0, "redirect", finished=12)
    assert len(after.heard.said("warning")) == 1
    assert elsewhere.asked == []
    assert len(story.comments) == 1


def test_a_git_server_that_stumbles_is_asked_again(story: Story) -> None:
    before = len(story.bees.server.git_requests)
    story.fail("GET", "/honey/bees.git/info/refs", "503", times=1)
    story.fail("POST", "/honey/bees.git/git-upload-pack", "reset", times=1)
    story.told()
    answered = [one.answered for one in story.bees.server.git_requests[before:]]
    assert answered[0] == 503
    assert answered.count(200) >= 3
