"""Calls over real connections: what is retried, what is refused, and where the key goes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from honeyhive.api import calls
from honeyhive.api.client import HoneyHive
from honeyhive.api.connection import Connection
from honeyhive.api.exchange import MAX_ANSWER
from honeyhive.api.retries import Retries
from honeyhive.api.transport import Transport, ssl_context
from honeyhive.errors import (
    ApiAnswerError,
    ApiBusyError,
    ApiError,
    ApiKeyError,
    ApiNotFoundError,
    ApiStatusError,
    ApiUnreachableError,
)
from honeyhive.models.generated import CreateDatasetRequest
from loopback import KEY, QUICK, Loopback, Reply

UPDATE = {"event_id": "e", "outputs": {"answer": "A"}}
RUN = Reply(body=b'{"evaluation": {"run_id": "r"}}')


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """Another origin."""
    other = Loopback()
    yield other
    other.close()


# --- retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_until_it_has(server: Loopback, client: HoneyHive, status: int) -> None:
    server.next(Reply(status=status), Reply(status=status), Reply(body=b'{"success": true}'))
    assert client.events.update(UPDATE).success is True
    assert [json.loads(asked.body) for asked in server.asked] == [UPDATE] * 3


def test_attempts_are_bounded_and_the_last_error_is_told(server: Loopback, client: HoneyHive) -> None:
    server.usual = Reply(status=503, body=b'{"error": "down for repairs"}')
    with pytest.raises(ApiStatusError, match=r"PUT /events: 503 Service Unavailable: .*down for repairs"):
        client.events.update(UPDATE)
    assert len(server.asked) == QUICK.attempts


def test_retry_after_is_waited_for_unless_the_time_does_not_allow_it(server: Loopback) -> None:
    server.usual = Reply(status=429, headers={"Retry-After": "20"})
    with HoneyHive(KEY, server_url=server.url, retries=replace(QUICK, total=5)) as client:
        with pytest.raises(ApiBusyError) as busy:
            client.events.update(UPDATE)
    assert busy.value.retry_after == 20
    assert len(server.asked) == 1


@pytest.mark.parametrize("wait", ["0", "Fri, 02 Jan 2015 03:04:05 GMT"])
def test_retry_after_is_taken_in_both_forms(server: Loopback, wait: str) -> None:
    # Without the header, the wait would be longer than all the time that there is.
    slow = Retries(attempts=3, total=30, wait=25, longest_wait=25, jitter=0)
    server.next(Reply(status=503, headers={"Retry-After": wait}), Reply())
    with HoneyHive(KEY, server_url=server.url, retries=slow) as client:
        client.events.update(UPDATE)
    assert len(server.asked) == 2


def test_what_must_not_be_done_twice_is_not_sent_twice(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(status=500))
    with pytest.raises(ApiStatusError, match="500"):
        client.datasets.create(CreateDatasetRequest(name="d"))
    server.next(Reply(declared=100, body=b"{", reset=True))
    with pytest.raises(ApiUnreachableError):
        client.datasets.create(CreateDatasetRequest(name="d"))
    assert len(server.asked) == 2


def test_a_server_that_has_done_nothing_is_asked_again(server: Loopback, client: HoneyHive) -> None:
    server.next(Reply(status=503), Reply(status=429), Reply(body=b'{"inserted": true, "result": {"insertedId": "d"}}'))
    assert client.datasets.create(CreateDatasetRequest(name="d")).dataset_id == "d"
    assert len(server.asked) == 3


@pytest.mark.parametrize("cut", [Reply(declared=100, body=b'{"a"'), Reply(declared=100, body=b'{"a"', reset=True)])
def test_an_answer_that_breaks_off_is_asked_for_again(server: Loopback, client: HoneyHive, cut: Reply) -> None:
    server.next(cut, cut, RUN)
    assert client.experiments.get_run("r").evaluation is not None
    assert len(server.asked) == 3


def test_nobody_listening_is_told_with_the_way_out(server: Loopback) -> None:
    url = server.url
    server.close()
    with HoneyHive(KEY, server_url=url, retries=QUICK) as client:
        with pytest.raises(ApiUnreachableError, match=r"PUT /events: .*refused.*HH_API_URL") as refused:
            client.events.update(UPDATE)
    assert refused.value.request == "PUT /events"
    assert isinstance(refused.value.__cause__, httpx.ConnectError)


def test_a_server_that_does_not_answer_is_given_up(server: Loopback) -> None:
    never = threading.Event()
    server.usual = Reply(waits_for=never)
    with HoneyHive(KEY, server_url=server.url, timeout=0.05, retries=replace(QUICK, attempts=2)) as client:
        with pytest.raises(ApiUnreachableError, match="no answer in time"):
            client.events.update(UPDATE)
        assert len(server.asked) == 2


def test_a_server_that_never_ends_its_answer_is_given_up() -> None:
    def dripping(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=iter([b" "] * 1000))

    spent = replace(QUICK, total=0.0)
    with HoneyHive(KEY, retries=spent, transport=httpx.MockTransport(dripping)) as client:
        with pytest.raises(ApiUnreachableError, match="no whole answer within 0 s"):
            client.experiments.get_run("r")


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
    forms = f"{key} {escaped} hh-%22quoted%22%3C%26%2Fkey%2B1234 hh-&quot;quoted&quot;&lt;&amp;/key+1234"
    server.usual = Reply(status=status, body=forms.encode())
    with HoneyHive(key, server_url=server.url, retries=QUICK) as client, pytest.raises(ApiError) as refused:
        client.events.update(UPDATE)
    text = f"{refused.value!s} {refused.value!r} {refused.value.__cause__!r}"
    assert "***" in text
    assert "key" not in text.replace("HH_API_KEY", "").replace("ApiKeyError", "").replace("the key", "")


def test_a_key_echoed_as_a_broken_answer_is_in_no_error() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError(f"illegal header line: {request.headers['authorization']}")

    with HoneyHive(KEY, retries=QUICK, transport=httpx.MockTransport(echo)) as client:
        with pytest.raises(ApiUnreachableError) as refused:
            client.events.update(UPDATE)
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None


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


# --- connections -----------------------------------------------------------------------------------------------------


def test_many_threads_share_few_connections(server: Loopback) -> None:
    with HoneyHive(KEY, server_url=server.url, retries=QUICK, max_connections=4) as client:
        with ThreadPoolExecutor(32) as threads:
            done = list(threads.map(lambda n: client.events.update({**UPDATE, "n": n}), range(200)))
    assert len(done) == 200
    assert {json.loads(asked.body)["n"] for asked in server.asked} == set(range(200))
    assert len(server.ports) <= 4


def test_a_connection_is_kept(server: Loopback, client: HoneyHive) -> None:
    for _ in range(10):
        client.events.update(UPDATE)
    assert len(server.ports) == 1


def test_a_closed_client_sends_nothing(server: Loopback, client: HoneyHive) -> None:
    client.events.update(UPDATE)
    client.close()
    client.close()
    with pytest.raises(ApiError, match="is closed"):
        client.events.update(UPDATE)
    assert len(server.asked) == 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_forks_has_connections_of_its_own(server: Loopback, client: HoneyHive) -> None:
    client.events.update(UPDATE)
    child = os.fork()
    if child == 0:
        done = 1
        try:
            client.events.update(UPDATE)
            done = 0
        finally:
            os._exit(done)
    assert os.waitpid(child, 0)[1] == 0
    client.events.update(UPDATE)
    ports = [asked.port for asked in server.asked]
    assert len(ports) == 3
    assert ports[0] == ports[2] != ports[1]


def test_there_is_one_ssl_context_and_none_where_nothing_is_encrypted() -> None:
    script = """
import ssl, httpx
from honeyhive.api.client import HoneyHive
from honeyhive.api.transport import ssl_context
answer = httpx.MockTransport(lambda request: httpx.Response(200, json={}))
with HoneyHive("key", server_url="http://localhost", transport=answer) as client:
    client.events.update({"event_id": "e"})
assert ssl_context.cache_info().currsize == 0
for _ in range(3):
    with HoneyHive("key", transport=answer) as client:
        client.events.update({"event_id": "e"})
assert ssl_context.cache_info().misses == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_certificates_are_checked() -> None:
    context = ssl_context()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


def test_retries_say_nothing_on_stderr_and_something_to_who_listens(
    server: Loopback, client: HoneyHive, caplog: pytest.LogCaptureFixture
) -> None:
    script = """
import sys, httpx
from honeyhive.api.client import HoneyHive
from honeyhive.api.retries import Retries
answer = httpx.MockTransport(lambda request: httpx.Response(503))
client = HoneyHive("key", retries=Retries(attempts=3, wait=0, longest_wait=0, jitter=0), transport=answer)
try:
    client.experiments.list_runs(name="private")
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("ApiStatusError\n", "")
    server.next(Reply(status=503), Reply(body=b'{"evaluations": []}'))
    client.experiments.list_runs(name="private")
    (record,) = [record for record in caplog.records if record.name == "stamina"]
    assert "GET /v1/runs" in str(vars(record))
    assert "private" not in str(vars(record))
    assert KEY not in str(vars(record))


def test_a_transport_is_a_context_manager(server: Loopback) -> None:
    with Transport(Connection(api_key=KEY, server_url=server.url), retries=QUICK) as transport:
        assert transport.send(calls.update_event(UPDATE)).success is None
    with pytest.raises(ApiError, match="is closed"):
        transport.send(calls.update_event(UPDATE))
