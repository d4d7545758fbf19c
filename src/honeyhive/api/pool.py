"""The HTTP clients of one process, each lent to one thread at a time."""

from __future__ import annotations

import threading

from honeyhive.api.clients import Client


class Pool:
    """The httpx clients of one process, each with one connection and in one thread at a time.

    A client of many connections is not safe to share between threads: its pool looks at connections without their
    locks, and now and then closes one that another thread is waiting on, which then waits for its whole timeout.
    """

    def __init__(self, size: int) -> None:
        self.slots = threading.Semaphore(size)
        self._free: list[Client] = []

    def take(self) -> Client | None:
        """The client that was used last, if one is free."""
        try:
            return self._free.pop()
        except IndexError:
            return None

    def give_back(self, client: Client) -> None:
        """Keep the client for the next; one whose connection was cut is not used again."""
        if client.line.is_cut:
            client.close()
        else:
            self._free.append(client)

    def close_free(self) -> None:
        """Close those that nobody uses."""
        while client := self.take():
            client.close()
