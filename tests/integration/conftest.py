"""What several of these tests need."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from threads import ours

LONG = 60.0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hangs waits for this event; every thread of ours ends once it is set."""
    event = threading.Event()
    yield event
    event.set()
    for thread in ours():
        thread.join(LONG)
    assert ours() == []
    gc.collect()
