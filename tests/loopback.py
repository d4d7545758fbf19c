"""A server on loopback that answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from honeyhive.api.retries import Retries

KEY = "hh-secret/key+1234567890"
LONG = 30.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    port: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. With `declared` above its length, or `reset`, the connection ends in the middle of it."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    declared: int | None = None
    reset: bool = False
    waits_for: threading.Event | None = None


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, loopback: Loopback) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.loopback = loopback

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break are the point of some tests."""


class Loopback:
    """Replies in the order in which they are queued, then with `usual`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.queued: deque[Reply] = deque()
        self.usual = Reply()
        self.closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def open_connections(self) -> int:
        return len(self.connections)

    @property
    def ports(self) -> set[int]:
        return {asked.port for asked in self.asked}

    def wait_for(self, *, asked: int) -> None:
        """Until so many requests have come."""
        eventually(lambda: len(self.asked) >= asked)

    def next(self, *replies: Reply) -> None:
        self.queued.extend(replies)

    def reply(self) -> Reply:
        try:
            return self.queued.popleft()
        except IndexError:
            return self.usual

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        for connection in self.connections.copy():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def loopback(self) -> Loopback:
        assert isinstance(self.server, _Server)
        return self.server.loopback

    def setup(self) -> None:
        super().setup()
        self.loopback.connections.add(self.connection)

    def finish(self) -> None:
        self.loopback.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked is kept."""

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        port = self.client_address[1]
        self.loopback.asked.append(Asked(method=self.command, path=self.path, headers=headers, body=body, port=port))
        self.answer(self.loopback.reply())

    do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the names that the library calls

    def answer(self, reply: Reply) -> None:
        while not (reply.waits_for is None or reply.waits_for.wait(0.01) or self.loopback.closing.is_set()):
            pass
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        declared = len(reply.body) if reply.declared is None else reply.declared
        if reply.status != 204:
            self.send_header("Content-Length", str(declared))
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        self.close_connection = self.close_connection or reply.reset or declared > len(reply.body)


def eventually(condition: Callable[[], bool]) -> None:
    """Until it holds; fails where it does not in a time that is long for anything."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


QUICK = Retries(attempts=4, total=LONG, wait=0.0, longest_wait=0.0, jitter=0.0)
