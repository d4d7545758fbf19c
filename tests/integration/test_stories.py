"""The life of a pull request, on this machine; tests/container tells it through the image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from github_server import GitHubServer
from stories import Bees, app, config, numbers


@pytest.fixture
def bees(tmp_path: Path) -> Iterator[Bees]:
    with GitHubServer(tmp_path / "github") as server:
        yield Bees(server, tmp_path)
        assert server.violations == []


@pytest.fixture
def begun(bees: Bees) -> Bees:
    """A repository whose main has a run: 60 of 100 numbers are doubled rightly."""
    bees.commit("Double numbers", app(60), numbers(), config())
    done = bees.run(bees.push())
    assert done.exit_code == 0, done.log
    return bees


def test_a_pull_request_is_held_against_the_run_of_main(begun: Bees) -> None:
    begun.branch("change")
    begun.commit("Worse", app(40))
    begun.open(7)
    done = begun.run(begun.pull_request(7))
    print(done.log)
    assert done.exit_code == 1
    assert "fell 20 points" in begun.comment(7)
