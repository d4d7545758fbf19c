"""The server: sockets, threads, HTTP. What it answers is `platform`'s."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from platform_server.replies import Reply

RESET = struct.pack("ii", 1, 0)
"""To linger for no time: closing the socket tells the client that the connection is broken."""

LONG = 30.0
POLL = 0.02

Headers = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """What the server tells, and asks."""

    connected: Callable[[int], None]
    disconnected: Callable[[int], None]
    asked: Callable[[int, str, str, Headers, Callable[[], bytes]], Reply | None]
    """Port, method, target, headers, and the body once it is called for; None is to close without an answer."""
    broken: Callable[[BaseException], None]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: Listener

    def answer(self) -> None:
        """Answer one request, or break the connection."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.callbacks.asked(self.client_address[1], self.command, self.path, headers, self._body)
        if reply is None:
            self.close_connection = True
            self.server.breaks(self.connection)
            return
        self._send(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer  # noqa: N815  # http.server looks for these names

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._chunk, b""))
        return self._exactly(int(self.headers.get("Content-Length", "0")))

    def _chunk(self) -> bytes:
        content = self._exactly(int(self.rfile.readline(), 16))
        self._exactly(len(b"\r\n"))
        return content

    def _exactly(self, length: int) -> bytes:
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionAbortedError(f"the client sent {len(content)} of {length} bytes")
        return content

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.content) + reply.cut))
        self.end_headers()
        self.wfile.write(reply.content[: len(reply.content) // 2] if reply.cut else reply.content)
        self.wfile.flush()
        if reply.cut:
            self.close_connection = True
            self.server.breaks(self.connection)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the base class gives it
        """Say nothing."""


class Listener(ThreadingHTTPServer):
    """Takes connections, and knows all of them, so that closing leaves neither a socket nor a thread behind."""

    request_queue_size = 256
    block_on_close = False  # `end` waits for the threads, after it has closed what they read from

    def __init__(self, port: int, callbacks: Callbacks) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.callbacks = callbacks
        self._lock = threading.Lock()
        self._sockets: dict[socket.socket, int] = {}
        self._to_reset: set[socket.socket] = set()
        self._threads_of_ours: list[threading.Thread] = []
        self._loop = threading.Thread(target=self.serve_forever, args=(POLL,), name="platform-server", daemon=True)
        self._loop.start()

    def server_bind(self) -> None:
        """Bind; the base class would ask the name service who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve the connection in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="platform-server-connection",
            daemon=True,
        )
        with self._lock:
            self._sockets[request] = client_address[1]
            self._threads_of_ours = [one for one in self._threads_of_ours if one.is_alive()]
        self.callbacks.connected(client_address[1])
        thread.start()
        with self._lock:
            self._threads_of_ours.append(thread)

    def breaks(self, request: socket.socket) -> None:
        """Reset the connection instead of ending it in order, as soon as it is closed."""
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with self._lock:
            self._to_reset.add(request)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection."""
        with self._lock:
            reset = request in self._to_reset
            self._to_reset.discard(request)
            port = self._sockets.pop(request, 0)
        self.callbacks.disconnected(port)
        if reset:
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is nothing to speak of; all else is a fault of this server."""
        exc = sys.exception()
        if exc is not None and not isinstance(exc, ConnectionError):
            self.callbacks.broken(exc)

    def end(self) -> None:
        """Take no more connections, and close those that there are."""
        self.shutdown()
        self._loop.join(LONG)
        self.server_close()
        with self._lock:
            held, threads = list(self._sockets), list(self._threads_of_ours)
        for one in held:
            with suppress(OSError):  # it may be closed by now
                one.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(LONG)
