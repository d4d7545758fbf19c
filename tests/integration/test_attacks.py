"""What a pull request cannot do to the gate that judges it: the attacks of a review, told as stories."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from container.runner import Step
from github_server import GitHubServer
from platform_server import PlatformServer
from stories import COMMENT, SAVE, Bees, Job, app, config, numbers


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Bees]:
    """A repository with nothing in it."""
    with GitHubServer(tmp_path / "github") as server:
        yield Bees(server, tmp_path)
        assert server.violations == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bees]:
    folder = tmp_path_factory.mktemp("bees")
    with GitHubServer(folder / "github") as server:
        bees = Bees(server, folder)
        bees.commit("Double numbers", app(60), numbers(100), config())
        assert bees.run(bees.push()).exit_code == 0
        yield bees


@pytest.fixture
def begun(running: Bees) -> Iterator[Bees]:
    """A repository whose main doubles 60 of 100 numbers rightly, and has a run of that."""
    yield running
    assert running.server.violations == []


@pytest.fixture
def hive() -> Iterator[PlatformServer]:
    """A stand-in for HoneyHive."""
    with PlatformServer() as server:
        yield server


def verdict(step: Step) -> tuple[int, str]:
    """Exit code and verdict."""
    return step.exit_code, step.outputs.get("verdict", "")


# --- nothing of ours is loaded once the code of a change has run ------------------------------------------------------

AUDIT = """
import sys

into, ran = open(sys.argv[1], "w", buffering=1), False
python = tuple(folder for folder in sys.path if folder)

def audit(event, arguments):
    global ran
    if event == "subprocess.Popen" and "--error-file" in map(str, arguments[1]) and not ran:
        ran = True
        print("ran", file=into)
    elif ran and event == "import":
        print("import", arguments[0], file=into)
    elif ran and event == "open" and str(arguments[0]).startswith(python):
        print("open", arguments[0], file=into)

from honeyhive.cli import main
sys.addaudithook(audit)
sys.argv[1:] = ["gate"]
main()
"""


def loaded(bees: Bees, job: Job) -> tuple[Step, list[str]]:
    """The job's step, and what it imported, or opened where Python's modules are, after the change's code had begun."""
    machine, found = bees.machine(job), bees.folder / f"loaded-{job.run_id}.txt"
    variables = {name: value for name, value in machine.job.items() if "COVERAGE" not in name}
    machine = replace(machine, job=variables)
    step = machine.python("-c", AUDIT, str(found), inputs={"github-token": job.token, **job.inputs})
    ran, *later = found.read_text().splitlines()
    assert ran == "ran", step.log
    return step, later


def with_hive(hive: PlatformServer) -> dict[str, str]:
    return {"api-key": hive.key, "server-url": hive.url}


def test_pull(begun: Bees, hive: PlatformServer) -> None:
    begun.propose(7, app(40))
    token = begun.server.token(permissions={**COMMENT, "checks": "write"})
    for inputs in ({}, with_hive(hive), with_hive(hive) | {"server-url": hive.url.replace("http:", "https:")}):
        step, later = loaded(begun, begun.pull_request(7, token=token, **{"check-run": "gate", **inputs}))
        print(step.log, step.seconds, later)


def test_push(begun: Bees, hive: PlatformServer) -> None:
    begun.on_main()
    for inputs in ({}, with_hive(hive), with_hive(hive) | {"store": "honeyhive:"}):
        step, later = loaded(begun, begun.push(**inputs))
        print(step.log, step.seconds, later)
