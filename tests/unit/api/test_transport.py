"""Calls over real connections: what is sent again, and which connections there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from honeyhive.api import calls
from honeyhive.api.client import HoneyHive
from honeyhive.api.clients import ssl_context
from honeyhive.api.connection import Connection
from honeyhive.api.retries import Retries
from honeyhive.api.transport import Transport
from honeyhive.errors import (
    ApiBusyError,
    ApiError,
    ApiStatusError,
    ApiUnreachableError,
)
from honeyhive.models.generated import CreateDatasetRequest
from loopback import KEY, QUICK, Loopback, Reply, eventually

UPDATE = {"event_id": "e", "outputs": {"answer": "A"}}
RUN = Reply(body=b'{"evaluation": {"run_id": "r"}}')


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
    with (
        HoneyHive(KEY, server_url=server.url, retries=replace(QUICK, total=5)) as client,
        pytest.raises(ApiBusyError) as busy,
    ):
        client.events.update(UPDATE)
    assert busy.value.retry_after == 20
    assert len(server.asked) == 1


@pytest.mark.parametrize("wait", ["0", "Fri, 02 Jan 2015 03:04:05 GMT"])
def test_retry_after_is_taken_in_both_forms(server: Loopback, wait: str) -> None:
    # Without the header, the wait would be longer than all the time that there is, and nothing tried again.
    slow = Retries(attempts=3, total=30, wait=60, longest_wait=60, jitter=0)
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
    with (
        HoneyHive(KEY, server_url=url, retries=QUICK) as client,
        pytest.raises(ApiUnreachableError, match=r"PUT /events: .*refused.*HH_API_URL") as refused,
    ):
        client.events.update(UPDATE)
    assert refused.value.request == "PUT /events"
    assert isinstance(refused.value.__cause__, httpx.ConnectError)


def test_a_server_that_does_not_answer_is_given_up(server: Loopback) -> None:
    never = threading.Event()
    server.usual = Reply(waits_for=never)
    with HoneyHive(KEY, server_url=server.url, timeout=0.05, retries=replace(QUICK, attempts=2)) as client:
        with pytest.raises(ApiUnreachableError, match="no answer in time"):
            client.events.update(UPDATE)
        server.wait_for(asked=2)


def test_the_environment_may_say_how_long_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        waits.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json={})

    for environment, argument in (("", None), ("2.5", None), ("2.5", 7.0)):
        monkeypatch.setenv("HH_API_TIMEOUT", environment)
        with HoneyHive(KEY, timeout=argument, transport=httpx.MockTransport(answer)) as client:
            client.events.update(UPDATE)
    assert waits == [30.0, 2.5, 7.0]


def test_a_server_that_never_ends_its_answer_is_given_up() -> None:
    def dripping(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=iter([b" "] * 1000))

    spent = replace(QUICK, total=0.0)
    with (
        HoneyHive(KEY, retries=spent, transport=httpx.MockTransport(dripping)) as client,
        pytest.raises(ApiUnreachableError, match="no whole answer within 0 s"),
    ):
        client.experiments.get_run("r")


# --- connections -----------------------------------------------------------------------------------------------------


def test_many_threads_share_few_connections(server: Loopback) -> None:
    with (
        HoneyHive(KEY, server_url=server.url, retries=QUICK, max_connections=4) as client,
        ThreadPoolExecutor(32) as threads,
    ):
        done = list(threads.map(lambda n: client.events.update({**UPDATE, "n": n}), range(200)))
    assert len(done) == 200
    # Each once: a connection that one thread closed under another would show as a request sent again.
    assert sorted(json.loads(asked.body)["n"] for asked in server.asked) == list(range(200))
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


def test_a_client_that_is_closed_while_it_is_used_closes_what_it_used(server: Loopback, client: HoneyHive) -> None:
    release = threading.Event()
    server.usual = Reply(waits_for=release)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.events.update, UPDATE)
        server.wait_for(asked=1)
        client.close()
        release.set()
        assert waiting.result().success is None
    eventually(lambda: not server.connections)


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
from honeyhive.api.clients import ssl_context
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
