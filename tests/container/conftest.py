"""The image, built once; a runner for each test; a repository with an experiment to judge."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from container.hive import Hive, hive
from container.project import Project
from container.runner import Runner
from stories import app, config, numbers

ROOT = Path(__file__).parents[2]
IMAGE = "honeyhive-container-tests"


@pytest.fixture(scope="session")
def image() -> str:
    """The image that the Dockerfile makes, by its name."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command here; .ci/run sees to one")
    built = subprocess.run(["docker", "build", "--tag", IMAGE, ROOT], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return IMAGE


@pytest.fixture
def runner(image: str, tmp_path: Path) -> Iterator[Runner]:
    """A machine with an empty workspace."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    runner = Runner(image=image, folder=tmp_path, inputs=tuple(action["inputs"]))
    yield runner
    runner.end()
    if os.getuid() != 0:  # what the container wrote is root's: pytest could not take it away
        owner = f"{os.getuid()}:{os.getgid()}"
        command = ["docker", "run", "--rm", "-v", f"{tmp_path}:/mine", "--entrypoint", "chown", image, "-R", owner]
        subprocess.run([*command, "/mine"], check=True)


@pytest.fixture(scope="session")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run file of the experiment as it is on main: 120 of 200 are right."""
    project = Project(tmp_path_factory.mktemp("main"))
    project.begin(right=60)
    return project.run()


@pytest.fixture
def project(runner: Runner, baseline: Path) -> Project:
    """The repository in the workspace, with its baseline; what a change does to it is the test's affair."""
    project = Project(runner.workspace)
    project.begin(right=60, baseline=baseline)
    return project


@pytest.fixture(scope="session")
def main(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose main has a run: 60 of 100 numbers are doubled rightly."""
    folder = tmp_path_factory.mktemp("main")
    with hive(folder, image) as bees:
        bees.commit("Double numbers", app(60), numbers(), config())
        done = bees.run(bees.push())
        assert done.exit_code == 0, done.log
    return folder


@pytest.fixture
def bees(image: str, main: Path, tmp_path: Path) -> Iterator[Hive]:
    """That repository, as it was before this test."""
    with hive(tmp_path, image, like=main) as bees:
        yield bees
