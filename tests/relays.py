"""Ways to a server on loopback: by TLS with a certificate of one's own, and through a proxy."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate and its key, signed by itself."""

    file: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(self.file, self.key)
        return found


def certificate(folder: Path, name: str = "IP:127.0.0.1") -> Certificate:
    """One for that name."""
    made = Certificate(file=folder / "certificate.pem", key=folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=hive", "-addext", f"subjectAltName={name}", "-keyout", made.key, "-out", made.file],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made


@dataclass
class Relay:
    """Where it listens. `heads` are what a proxy was asked, `refusal` is what it answers in place of going on."""

    port: int = 0
    onward: int | None = None
    tls: ssl.SSLContext | None = None
    refusal: bytes = b""
    heads: list[bytes] = field(default_factory=list)

    def serve(self, connection: socket.socket) -> None:
        port = self.onward if self.onward is not None else self._asked(connection)
        if port is None:
            return
        taken = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
        with taken, socket.create_connection(("127.0.0.1", port)) as onward:
            _pump(taken, onward)

    def _asked(self, connection: socket.socket) -> int | None:
        """The port that a proxy's client wants to be led to."""
        head = b""
        while b"\r\n\r\n" not in head:
            got = connection.recv(65_536)
            if not got:
                return None
            head += got
        self.heads.append(head)
        connection.sendall(self.refusal or b"HTTP/1.1 200 OK\r\n\r\n")
        return None if self.refusal else int(head.split(b" ")[1].rpartition(b":")[2])


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [])[0]:
            content = ready.recv(65_536)
            while isinstance(ready, ssl.SSLSocket) and ready.pending():
                content += ready.recv(65_536)
            if not content:
                return
            (other if ready is one else one).sendall(content)


@contextmanager
def relay(*, to: int | None = None, tls: Certificate | None = None, refusal: bytes = b"") -> Iterator[Relay]:
    """One that leads to the port `to`, or as a proxy to whatever it is asked for."""
    found = Relay(onward=to, tls=tls.context() if tls else None, refusal=refusal)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # either of the two has had enough
                found.serve(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust us leaves."""

    with Server(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
