"""An end to a blocking exchange: each of its steps has a time, and a server may make it of any number of steps."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

_OPENED = (".connect_tcp.complete", ".start_tls.complete")


class Line:
    """The socket of a client with one connection, as httpcore's `trace` tells of it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self.is_cut = False

    def trace(self, event: str, told: dict[str, Any]) -> None:
        """What httpcore calls at each step of a request."""
        if event.endswith(_OPENED):
            self._socket = told["return_value"].get_extra_info("socket")
            if self.is_cut:
                self.cut()

    def cut(self) -> None:
        """End the connection, this one or the one that is being opened: who waits for it, waits no longer.

        It is not closed, which would not wake who waits, and might hit whatever has the socket's number next.
        """
        self.is_cut = True
        if self._socket is not None:
            with suppress(OSError):  # the server was quicker
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # TLS says goodbye only after its reads


class Deadline:
    """Cuts the line after so many seconds, unless the block has ended before; no thread outlives the block."""

    def __init__(self, line: Line, seconds: float) -> None:
        self.over = False
        self._line = line
        self._timer = threading.Timer(max(seconds, 0.0), self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        """Begun."""
        try:
            self._timer.start()
        except RuntimeError:
            # Python starts no threads once it is about to exit. What is sent then has its time for each step.
            self._timer.cancel()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Called off; had it passed, it has cut by now."""
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()

    def _pass(self) -> None:
        self.over = True
        self._line.cut()
