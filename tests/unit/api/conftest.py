"""A server on loopback, and a client of it that waits for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from honeyhive.api.client import HoneyHive
from loopback import KEY, QUICK, Loopback


@pytest.fixture
def server() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.close()


@pytest.fixture
def client(server: Loopback) -> Iterator[HoneyHive]:
    with HoneyHive(KEY, "proj", server_url=server.url, retries=QUICK) as made:
        yield made
