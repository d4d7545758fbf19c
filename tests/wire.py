"""A server on loopback that sends bytes as it is told, whether or not they are HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Where it listens, and how it answers: `speak(connection, request)`, once on each connection."""

    speak: Callable[[socket.socket, bytes], None]
    port: int = 0
    connections: list[socket.socket] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65_536)
            self.speak(connection, request)

    def drip(self, beginning: bytes, drop: bytes) -> Callable[[socket.socket, bytes], None]:
        """Says the beginning, then one drop after the other without end."""

        def speak(connection: socket.socket, _: bytes) -> None:
            connection.sendall(beginning)
            while not self.closing.wait(0.01):
                connection.sendall(drop)

        return speak


@contextmanager
def wire(speak: Callable[[socket.socket, bytes], None] | None = None) -> Iterator[Wire]:
    """One that runs; without `speak` it is to be given later."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Wire(speak=speak or (lambda _, __: None), port=listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections.append(connection)
            thread = threading.Thread(target=server.serve, args=(connection,))
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()
        listener.close()
        for connection in server.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
