"""What several of these tests need."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from github_server import GitHubServer, Repository
from github_server.scenes import ID, NAME
from stories import Bees, running_repository
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    """GitHub; what was asked of it has to be as its API is described."""
    with GitHubServer(tmp_path / "github") as found:
        yield found
        assert found.violations == []


@pytest.fixture
def repository(server: GitHubServer) -> Repository:
    """A repository on it, with pull request 5."""
    made = server.repository(NAME, id=ID)
    made.issues.add(5)
    return made


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bees]:
    """A repository whose main has a run, for all stories of a file."""
    with running_repository(tmp_path_factory.mktemp("bees")) as found:
        yield found


@pytest.fixture
def begun(running: Bees) -> Iterator[Bees]:
    """A repository whose main doubles 60 of 100 numbers rightly, and has a run of that."""
    yield running
    assert running.server.violations == []
