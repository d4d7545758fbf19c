"""The HTTP clients of one process, and how they are made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import httpx

from honeyhive.api.deadline import Line
from honeyhive.errors import ApiUnreachableError

C = TypeVar("C", bound=httpx.Client | httpx.AsyncClient)


def made(make: Callable[[], C]) -> C:
    """The client that `make` makes; `ApiUnreachableError` where the environment does not allow for one."""
    try:
        return make()
    except ImportError as error:
        reason = str(error)
    except OSError as error:
        reason = f"the trusted certificates cannot be read: {error.strerror or type(error).__name__}"
    except (ValueError, httpx.InvalidURL):
        reason = "a proxy's address is none that can be used"
    # Raised out here, and without quoting it: a proxy's address may hold a password.
    raise ApiUnreachableError(
        f"no connection can be made here: {reason}", hint="see the proxy variables and SSL_CERT_FILE"
    )


class Client(httpx.Client):
    """A client of one connection, which can be cut."""

    line: Line


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
