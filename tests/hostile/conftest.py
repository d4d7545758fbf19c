"""A machine for each story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile.pulls import MAY, SETTINGS, Story
from hostile.scene import Scene, new_scene
from hostile.world import World, new_world
from loopback import Loopback
from stories import INPUTS, Bees, app, empty_repository, numbers


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A push to main, run by the command; what goes wrong in it is the story's affair."""
    return new_scene(tmp_path, inputs=INPUTS)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """GitHub and HoneyHive, for all stories of a file."""
    with new_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def world(begun: World) -> Iterator[World]:
    """The same, in order again after each story."""
    yield begun
    begun.mend()


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bees]:
    """A repository without a baseline, for all pull requests of a file."""
    with empty_repository(tmp_path_factory.mktemp("hive")) as bees:
        bees.commit("Double numbers", app(60), numbers(12), SETTINGS)
        yield bees


@pytest.fixture
def story(hive: Bees) -> Iterator[Story]:
    """A pull request of its own; afterwards nothing fails any more."""
    number = len(hive.repo.pulls) + 1
    hive.propose(number, {"note.txt": str(number)})
    token = hive.server.token(permissions=MAY)
    job = hive.pull_request(number, token=token)
    scene = Scene(runner=hive.machine(job), server=hive.server, inputs={"github-token": token}, secrets=(token,))
    yield Story(hive, number, scene)
    hive.server.mend()


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """A server that nobody should come to."""
    server = Loopback()
    try:
        yield server
    finally:
        server.close()
