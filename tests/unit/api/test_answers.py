"""What is made of an answer, and what no answer gets: the key."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator

import httpx
import pytest

from honeyhive.api import calls
from honeyhive.api.client import HoneyHive
from honeyhive.api.exchange import MAX_ANSWER
from honeyhive.api.transport import Transport
from honeyhive.errors import (
    ApiAnswerError,
    ApiError,
    ApiKeyError,
    ApiNotFoundError,
    ApiStatusError,
    ApiUnreachableError,
)
from loopback import KEY, QUICK, Loopback, Reply

UPDATE = {"event_id": "e", "outputs": {"answer": "A"}}
RUN = Reply(body=b'{"evaluation": {"run_id": "r"}}')


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """Another origin."""
    other = Loopback()
    yield other
    other.close()


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "shape"),
    [(400, ApiStatusError), (401, ApiKeyError), (403, ApiKeyError), (404, ApiNotFoundError), (418, ApiStatusError)],
)
def test_each_status_is_its_own_error(
    server: Loopback, client: HoneyHive, status: int, shape: type[ApiStatusError]
) -> None:
    server.next(Reply(status=status, body=b"because"))
    with pytest.raises(shape, match=rf"GET /v1/runs/r: {status}.*: because") as refused:
        client.experiments.get_run("r")
    assert (refused.value.status, refused.value.exit_code, len(server.asked)) == (status, 5, 1)


def test_a_status_that_nobody_knows_is_told_as_it_is(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(status=499))
    with pytest.raises(ApiStatusError, match=r"^GET /v1/runs/r: 499: \{\}$"):
        client.experiments.get_run("r")


def test_a_certificate_that_is_not_trusted_is_told_with_the_way_out() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    with (
        HoneyHive(KEY, retries=QUICK, transport=httpx.MockTransport(refuse)) as client,
        pytest.raises(ApiUnreachableError, match="SSL_CERT_FILE"),
    ):
        client.experiments.get_run("r")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"{",
        b"[1]",
        b'"text"',
        b"7",
        b"",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 100_000,
        b"9" * 9_999,
    ],
)
def test_an_answer_that_is_no_json_object_is_refused(server: Loopback, client: HoneyHive, body: bytes) -> None:
    server.next(Reply(body=body))
    with pytest.raises(ApiAnswerError, match=r"GET /v1/runs/r: the answer is"):
        client.experiments.get_run("r")
    assert len(server.asked) == 1


def test_an_answer_of_another_shape_says_what_is_wrong_with_it(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(body=b'{"status": "completed", "success": "perhaps"}'))
    with pytest.raises(ApiAnswerError, match=r"GET /v1/runs/r/result: success: input should be a valid boolean"):
        client.experiments.get_result("r")


@pytest.mark.parametrize("reply", [Reply(status=204, body=b""), Reply(body=b""), Reply(body=b" \n"), Reply(status=201)])
def test_what_only_has_to_arrive_may_be_answered_with_nothing(
    server: Loopback, client: HoneyHive, reply: Reply
) -> None:
    server.next(reply)
    assert client.events.update(UPDATE).success is None


def test_a_compressed_answer_is_read(server: Loopback, client: HoneyHive) -> None:
    server.next(
        Reply(body=gzip.compress(RUN.body), headers={"Content-Encoding": "gzip"}),
        Reply(body=zlib.compress(RUN.body), headers={"Content-Encoding": "deflate"}),
    )
    for _ in range(2):
        evaluation = client.experiments.get_run("r").evaluation
        assert evaluation is not None
        assert evaluation.run_id == "r"


def test_an_answer_that_cannot_be_decompressed_is_refused(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(body=b"not gzip at all", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ApiAnswerError, match="cannot be decompressed"):
        client.experiments.get_run("r")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x"])
def test_an_encoding_that_was_not_asked_for_is_refused(server: Loopback, client: HoneyHive, encoding: str) -> None:
    server.next(Reply(headers={"Content-Encoding": encoding}))
    with pytest.raises(ApiAnswerError, match="not asked for"):
        client.experiments.get_run("r")


def test_an_answer_that_says_it_is_huge_is_not_read(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(declared=MAX_ANSWER + 1))
    with pytest.raises(ApiAnswerError, match="longer than 64 MiB"):
        client.experiments.get_run("r")


def test_an_answer_that_grows_huge_is_not_read_to_its_end(server: Loopback, client: HoneyHive) -> None:
    bomb = gzip.compress(b" " * (MAX_ANSWER + 2**20), compresslevel=1)
    server.next(Reply(body=bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ApiAnswerError, match="longer than 64 MiB"):
        client.experiments.get_run("r")


def test_a_connection_is_of_use_after_an_answer_that_was_refused(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(declared=MAX_ANSWER + 1), Reply(status=400), Reply(body=b"<"), RUN)
    for _ in range(3):
        with pytest.raises(ApiError):
            client.experiments.get_run("r")
    assert client.experiments.get_run("r").evaluation is not None


# --- the key ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: Loopback, client: HoneyHive, elsewhere: Loopback, status: int) -> None:
    server.next(Reply(status=status, headers={"Location": f"{elsewhere.url}/events?token=t0ken"}))
    with pytest.raises(ApiStatusError, match=r"a redirect to http://127\.0\.0\.1, which is not followed") as refused:
        client.events.update(UPDATE)
    assert "t0ken" not in str(refused.value)
    assert elsewhere.asked == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("location", ["", "http://[", "/there", "//there\t"])
def test_a_redirect_to_anywhere_is_an_error(server: Loopback, client: HoneyHive, location: str) -> None:
    server.next(Reply(status=302, headers={"Location": location}))
    with pytest.raises(ApiStatusError, match=r"302 Found: a redirect to .*, which is not followed") as refused:
        client.experiments.get_run("r")
    assert refused.value.message.isprintable()


def test_the_key_goes_with_every_request_and_says_who_we_are(server: Loopback, client: HoneyHive) -> None:
    client.events.update(UPDATE)
    headers = server.asked[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["hh-client-package"] == "honeyhive"
    assert headers["hh-client-language"] == "python"
    assert headers["user-agent"].startswith("honeyhive-python/")
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_an_echoed_key_is_in_no_error(server: Loopback, status: int) -> None:
    key = 'hh-"quoted"<&/key+1234'
    escaped = json.dumps(key)
    slashed = escaped.replace("/", r"\/")
    forms = f"{key} {escaped} {slashed} hh-%22quoted%22%3C%26%2Fkey%2B1234 hh-&quot;quoted&quot;&lt;&amp;/key+1234"
    server.usual = Reply(status=status, body=forms.encode())
    with HoneyHive(key, server_url=server.url, retries=QUICK) as client, pytest.raises(ApiError) as refused:
        client.events.update(UPDATE)
    text = f"{refused.value!s} {refused.value!r} {refused.value.__cause__!r}"
    assert "***" in text
    assert "key" not in text.replace("HH_API_KEY", "").replace("ApiKeyError", "").replace("the key", "")


def test_a_key_echoed_as_a_broken_answer_is_in_no_error() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError(f"illegal header line: {request.headers['authorization']}")

    with (
        HoneyHive(KEY, retries=QUICK, transport=httpx.MockTransport(echo)) as client,
        pytest.raises(ApiUnreachableError) as refused,
    ):
        client.events.update(UPDATE)
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize("body", [f"[{KEY}]", f'{{"evaluation": "{KEY}"}}', f'"{KEY}"'])
def test_a_key_echoed_in_an_answer_is_in_no_error_behind_the_error(
    server: Loopback, client: HoneyHive, body: str
) -> None:
    server.usual = Reply(body=body.encode())
    with pytest.raises(ApiError) as refused:
        client.experiments.get_run("r")
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
    assert KEY not in str(refused.value)


def test_what_a_stranger_says_is_one_short_harmless_line(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(status=400, body="a\n::error::b\r\x1b[31m\u202ec\u2028d\x00".encode() + b"\xff" + b"x" * 9999))
    with pytest.raises(ApiStatusError) as refused:
        client.experiments.get_run("r")
    assert "400 Bad Request: a ::error::b [31m c d" in refused.value.message
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 400


def test_the_key_is_in_no_text_of_client_or_call(client: HoneyHive) -> None:
    transport = Transport(client.connection)
    shown = f"{client} {client!r} {transport!r} {client.connection!r} {calls.update_event(UPDATE)!r}"
    transport.close()
    assert KEY not in shown


def test_an_unencrypted_request_does_not_go_over_a_proxy(
    server: Loopback, elsewhere: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with HoneyHive(KEY, server_url=server.url, retries=QUICK) as client:
        client.events.update(UPDATE)
    assert (len(server.asked), elsewhere.asked) == (1, [])


def test_cookies_are_not_kept(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(headers={"Set-Cookie": "a=b"}))
    client.events.update(UPDATE)
    client.events.update(UPDATE)
    assert "cookie" not in server.asked[1].headers
