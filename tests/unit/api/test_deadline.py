"""The time that a call may take in all, whatever the server does with each step of it."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from honeyhive.api.client import HoneyHive
from honeyhive.api.deadline import Deadline, Line
from honeyhive.errors import ApiUnreachableError
from loopback import KEY, QUICK, Loopback, eventually
from wire import wire

SHORT = replace(QUICK, total=0.3)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nx-long: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", b" "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;", b"x"),
    ],
)
def test_a_server_that_drips_without_end_is_given_up(beginning: bytes, drop: bytes) -> None:
    # Each drop comes within the time of a step: but for the deadline, this would never return.
    with wire() as server, HoneyHive(KEY, server_url=server.url, retries=SHORT) as client:
        server.speak = server.drip(beginning, drop)
        with pytest.raises(ApiUnreachableError, match=r"PUT /events: no whole answer within 0\.3 s"):
            client.events.update({"event_id": "e"})


def test_after_one_that_was_given_up_the_client_works_as_before() -> None:
    with wire() as server, HoneyHive(KEY, server_url=server.url, retries=SHORT, max_connections=1) as client:
        server.speak = server.drip(b"HTTP/1.1 200 OK\r\nx-long: ", b"a")
        with pytest.raises(ApiUnreachableError):
            client.events.update({"event_id": "e"})
        server.speak = lambda connection, _: connection.sendall(WHOLE)
        assert client.events.update({"event_id": "e"}).success is None
        assert len(server.connections) == 2


def test_no_thread_outlives_a_call(server: Loopback, client: HoneyHive) -> None:
    client.events.update({"event_id": "e"})
    eventually(lambda: len(server.connections) == 1)
    before = set(threading.enumerate())
    for _ in range(20):
        client.events.update({"event_id": "e"})
        assert set(threading.enumerate()) <= before


def test_a_connection_opened_after_the_deadline_is_cut_at_once() -> None:
    ours, theirs = socket.socketpair()

    class Stream:
        def get_extra_info(self, _: str) -> socket.socket:
            return ours

    with ours, theirs:
        line = Line()
        line.cut()
        line.trace("connection.connect_tcp.complete", {"return_value": Stream()})
        assert theirs.recv(1) == b""
        line.cut()


def test_a_deadline_that_is_not_reached_cuts_nothing() -> None:
    line = Line()
    with Deadline(line, 30.0) as deadline:
        pass
    assert not deadline.over
    assert not line.is_cut
