"""Gates in a row against a GitHub that fails at random: each is right, and none of them leaves anything.

20 of them in two rows; as many as HONEYHIVE_SOAK says where it does, by the seed that HONEYHIVE_SOAK_SEED names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from github_server.state import Level
from honeyhive.gate.comment import parse
from hostile.scene import Aftermath, Scene
from stories import Bees, app, running_repository

ROWS = 2
GATES = int(os.environ.get("HONEYHIVE_SOAK", "20")) // ROWS
SEED = int(os.environ.get("HONEYHIVE_SOAK_SEED", "7"))
NUMBER = 5
MAY: dict[str, Level] = {"contents": "read", "pull_requests": "write", "checks": "write"}


@pytest.mark.parametrize("row", range(ROWS))
def test_no_fault_of_githubs_changes_a_verdict_or_leaves_anything(tmp_path: Path, row: int) -> None:
    with running_repository(tmp_path) as bees:
        bees.propose(NUMBER, app(60))
        for number in range(GATES):
            fine = number % 2 == 1
            after = _pushed(bees, number, fine=fine, seed=SEED * 100_000 + row * 10_000 + number)
            after.holds(0 if fine else 1, "doubling")
            _told_once(bees, fine=fine, completely="not reached" not in after.output)
        _pushed(bees, GATES, fine=True, seed=None).holds(0, "doubling")
        _told_once(bees, fine=True, completely=True)
        assert len(bees.server.weather.struck) > GATES


def _pushed(bees: Bees, number: int, *, fine: bool, seed: int | None) -> Aftermath:
    """The gate of a push in such weather; its machine is as it was found, and gone afterwards."""
    bees.commit(f"Push {number}", app(60 if fine else 30), {"pushes.txt": str(number)})
    bees.push_to(NUMBER)
    token = bees.server.token(permissions=MAY)
    job = bees.pull_request(NUMBER, token=token)
    scene = Scene(runner=bees.machine(job), server=bees.server, secrets=(token,))
    scene.inputs = {"github-token": token, "check-run": "quality"}
    temporary = scene.runner.folder / "tmp"
    temporary.mkdir()
    if seed is not None:
        bees.server.weather.storm(seed)
    after = scene.gate(TMPDIR=str(temporary))
    bees.server.weather.calm()
    assert list(temporary.iterdir()) == [], after.output
    assert list(_left_running(temporary)) == []
    bees.server.wait_until(lambda: not bees.server.open_connections)
    shutil.rmtree(scene.runner.folder)
    return after


def _left_running(temporary: Path) -> Iterator[list[str]]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(temporary):
                yield process.cmdline()
        except psutil.Error:  # of another user, or gone
            continue


def _told_once(bees: Bees, *, fine: bool, completely: bool) -> None:
    """One comment, and of each push one check run; those of this one say what it came to, where all could be told."""
    assert bees.server.violations == []
    comments, checks = bees.repo.comments[NUMBER], list(bees.repo.checks.values())
    assert len(comments) == 1
    assert len({one["head_sha"] for one in checks}) == len(checks)
    if completely:
        head = bees.repo.pulls[NUMBER].head_sha
        assert [one.head_sha for one in parse(comments[0].body)] == [head]
        told = [(one["status"], one["conclusion"]) for one in checks if one["head_sha"] == head]
        assert told == [("completed", "success" if fine else "failure")]
