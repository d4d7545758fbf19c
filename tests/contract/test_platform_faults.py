"""The stand-in for the platform when it is slow, wrong or down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import httpx
import pytest

from platform_server import Kind, PlatformServer
from platform_server.asking import RUN, SESSION, client_of, start

RUNS = "/v1/runs"


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found
    assert [one.name for one in threading.enumerate() if one.name.startswith("platform-server")] == []


@pytest.fixture
def client(server: PlatformServer) -> Iterator[httpx.Client]:
    with client_of(server) as found:
        yield found


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as found:
        yield found


def create(client: httpx.Client) -> httpx.Response:
    return client.post(RUNS, json={"run_id": RUN})


@pytest.mark.parametrize("kind", ["500", "503", "429", "401", "404"])
@pytest.mark.parametrize("processed", [False, True])
def test_a_status_instead_of_the_answer(
    server: PlatformServer, client: httpx.Client, kind: Kind, processed: bool
) -> None:
    server.fail("POST", RUNS, kind, processed=processed)
    assert create(client).status_code == int(kind)
    assert (RUN in server.runs) is processed
    assert server.requests[0].answered == int(kind)


@pytest.mark.parametrize("value", ["0", "7", "Wed, 21 Oct 2026 07:28:00 GMT", None])
def test_too_many_requests_say_when_to_come_back(
    server: PlatformServer, client: httpx.Client, value: str | None
) -> None:
    server.fail("POST", RUNS, "429", retry_after=value)
    assert create(client).headers.get("Retry-After") == value


def test_a_fault_happens_as_often_as_it_is_to(server: PlatformServer, client: httpx.Client) -> None:
    fault = server.fail("POST", RUNS, "503", times=2, skip=1)
    assert [create(client).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert fault.hits == 2


def test_a_fault_is_for_the_requests_that_it_is_meant_for(server: PlatformServer, client: httpx.Client) -> None:
    server.fail("PUT", f"{RUNS}/", "500")
    assert create(client).status_code == 200
    assert client.put(f"{RUNS}/{RUN}", json={"status": "failed"}).status_code == 500
    server.fail("*", "/session", "404")
    assert client.post("/session/start", json={"session": {}}).status_code == 404
    server.mend()
    assert client.put(f"{RUNS}/{RUN}", json={"status": "failed"}).status_code == 200


def test_a_fault_that_it_does_not_know_is_refused(server: PlatformServer) -> None:
    with pytest.raises(ValueError, match="'502' is no fault"):
        server.fail("POST", RUNS, cast("Kind", "502"))


@pytest.mark.parametrize(("kind", "kept"), [("refuse", False), ("reset-before", False), ("reset", True)])
def test_a_broken_connection(server: PlatformServer, client: httpx.Client, kind: Kind, kept: bool) -> None:
    server.fail("POST", RUNS, kind, times=1)
    with pytest.raises(httpx.TransportError):
        create(client)
    assert (RUN in server.runs) is kept
    assert server.requests[0].answered is None
    assert create(client).status_code == 200
    assert server.runs[RUN].accepted == 1 + kept


def test_a_refused_request_is_not_read(server: PlatformServer, client: httpx.Client) -> None:
    server.fail("POST", RUNS, "refuse")
    with pytest.raises(httpx.TransportError):
        create(client)
    assert server.requests[0].body is None
    assert server.violations == []


def test_an_answer_that_is_no_json(server: PlatformServer, client: httpx.Client) -> None:
    server.fail("POST", RUNS, "invalid-json")
    answer = create(client)
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()
    assert RUN in server.runs


def test_a_page_instead_of_an_answer(server: PlatformServer, client: httpx.Client) -> None:
    server.fail("POST", RUNS, "html")
    answer = create(client)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert server.runs == {}


def test_a_redirect_goes_where_it_is_told(server: PlatformServer, client: httpx.Client) -> None:
    with PlatformServer() as elsewhere:
        server.fail("POST", RUNS, "redirect", location=f"{elsewhere.url}/v1/runs")
        assert create(client).headers["Location"] == f"{elsewhere.url}/v1/runs"
        assert elsewhere.requests == []


def hanging(
    server: PlatformServer, pool: ThreadPoolExecutor, ask: Callable[[], httpx.Response]
) -> Future[httpx.Response]:
    before = len(server.requests)
    asked = pool.submit(ask)
    server.wait_until(lambda: len(server.requests) > before)
    return asked


@pytest.mark.parametrize("kind", ["hang", "slow"])
@pytest.mark.parametrize("processed", [False, True])
def test_what_hangs_goes_on_when_it_is_released(
    server: PlatformServer, client: httpx.Client, pool: ThreadPoolExecutor, kind: Kind, processed: bool
) -> None:
    server.fail("POST", RUNS, kind, processed=processed, seconds=600)
    asked = hanging(server, pool, lambda: create(client))
    server.wait_until(lambda: (RUN in server.runs) is processed)
    assert server.requests[0].answered is None
    server.release()
    assert asked.result(30).status_code == 200
    assert server.runs[RUN].accepted == 1
    again = hanging(server, pool, lambda: create(client))
    assert not again.done()
    server.mend()
    assert again.result(30).status_code == 200


def test_what_is_slow_answers_in_the_end(server: PlatformServer, client: httpx.Client) -> None:
    server.fail("POST", RUNS, "slow", seconds=0.01)
    assert create(client).status_code == 200


def test_a_client_that_gives_up_leaves_nothing_done(server: PlatformServer, client: httpx.Client) -> None:
    server.fail("POST", RUNS, "hang")
    with pytest.raises(httpx.ReadTimeout):
        client.post(RUNS, json={"run_id": RUN}, timeout=0.1)
    assert server.runs == {}


def test_closing_breaks_off_what_hangs(pool: ThreadPoolExecutor) -> None:
    with PlatformServer() as server, client_of(server) as client:
        server.fail("POST", RUNS, "hang")
        asked = hanging(server, pool, lambda: create(client))
        server.close()
        with pytest.raises(httpx.TransportError):
            asked.result(30)
        assert server.runs == {}


def test_down_and_up_again_where_it_was(server: PlatformServer, client: httpx.Client) -> None:
    create(client)
    server.stop()
    with pytest.raises(httpx.ConnectError):
        create(client)
    assert len(server.requests) == 1
    server.start_again()
    assert client.get(f"{RUNS}/{RUN}").status_code == 200
    assert start(client)["session_id"] == SESSION


def test_how_many_were_in_work_at_once(server: PlatformServer, pool: ThreadPoolExecutor) -> None:
    def ask() -> httpx.Response:
        with client_of(server) as client:
            return create(client)

    assert [ask().status_code for _ in range(3)] == [200, 200, 200]
    assert server.concurrency == 1
    server.fail("POST", RUNS, "hang")
    asked = [hanging(server, pool, ask) for _ in range(3)]
    server.release()
    assert [one.result(30).status_code for one in asked] == [200, 200, 200]
    assert server.concurrency == 3


def test_connections_are_known_by_the_clients_port(server: PlatformServer) -> None:
    with client_of(server) as client, client_of(server) as other:
        for one in (client, client, other):
            create(one)
        first, again, second = (one.connection for one in server.requests)
        assert first == again
        assert server.connections == [first, second]
        assert server.open_connections == {first, second}
    server.wait_until(lambda: server.open_connections == frozenset())


def test_a_body_in_chunks_is_read(server: PlatformServer, client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"run_id": '
        yield b'"' + RUN.encode() + b'"}'

    answer = client.post(RUNS, content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert server.requests[0].body == {"run_id": RUN}


def test_waiting_in_vain_ends(server: PlatformServer) -> None:
    with pytest.raises(TimeoutError):
        server.wait_until(lambda: False, timeout=0.01)


def test_a_fault_of_the_server_itself_is_not_hidden() -> None:
    broken = PlatformServer()
    datapoints: Any = [{"id": "dp1", "inputs": {1, 2}}]  # no JSON
    broken.add_dataset("ds1", datapoints)
    with client_of(broken) as client, pytest.raises(httpx.TransportError):
        client.get("/v1/datapoints/dp1")
    with pytest.raises(ExceptionGroup, match="fake platform is broken"):
        broken.close()
