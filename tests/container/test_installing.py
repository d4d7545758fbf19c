"""`install` in the image: what is built is built by the user's own account, from a copy of the workspace."""

from __future__ import annotations

import os

import pytest

from container.project import Project
from container.runner import SECRETS, Runner
from container.users import BEE, UID, owners, seen

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give the workspace to the runner's user")

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""
SETUP = """
import os
from pathlib import Path
from setuptools import setup

print("built by", os.getuid())
assert not any(name.startswith(("INPUT_", "ACTIONS_")) or "TOKEN" in name for name in os.environ)
left = [path for path in Path(".git").glob("config*")] + [path for path in Path(".").rglob("report.json")]
assert not left, left
Path("bees_built.py").write_text(f"UID = {os.getuid()}")
setup(name="bees-built", version="1", py_modules=["bees_built"])
"""
BUILT = "import bees_built\nreturn [bees_built.UID, bees_built.__file__.startswith('/github')]"


@pytest.mark.parametrize(
    ("install", "requirements"),
    [(".", ""), ("requirements.txt", "."), ("requirements.txt", "-e .")],
    ids=["the folder", "a requirements file", "a requirements file that says editable"],
)
def test_what_is_installed_is_built_by_it_from_a_copy(
    runner: Runner, project: Project, install: str, requirements: str
) -> None:
    project.write("pyproject.toml", PYPROJECT)
    project.write("setup.py", SETUP)
    project.write("requirements.txt", f"{requirements}\n")
    project.write("honeyhive-report/report.json", "{}")
    project.git("config", "http.extraheader", SECRETS["GITHUB_TOKEN"])
    os.mkfifo(project.folder / "pipe")
    (project.folder / "closed").mkdir(mode=0o700)
    assert seen(runner, project, BUILT, install=install) == [UID, False]
    assert not (project.folder / "bees_built.py").exists()
    assert not list(project.folder.glob("*.egg-info"))
    assert owners(project.folder) == {BEE}


MEMBER = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "api"
version = "1"
dependencies = ["xlib"]

[tool.uv.sources]
xlib = {path = "../../libs/x"}

[tool.setuptools]
py-modules = ["bees_api"]
"""
LIBRARY = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "xlib"
version = "1"

[tool.setuptools]
py-modules = ["bees_x"]
"""


def test_a_member_of_a_monorepo_finds_what_lies_beside_it_of_the_base_too(runner: Runner, project: Project) -> None:
    folder = "services/api"
    for name in ("numbers.jsonl", "honeyhive.yml"):
        project.write(f"{folder}/{name}", (project.folder / name).read_text())
    project.write(f"{folder}/pyproject.toml", MEMBER)
    project.write(f"{folder}/bees_api.py", "from bees_x import ONE\n")
    project.write("libs/x/pyproject.toml", LIBRARY)
    project.write("libs/x/bees_x.py", "ONE = 1\n")
    config = (project.folder / "honeyhive.yml").read_text().replace("app:", "work:").replace("main.jsonl", "rerun")
    project.write(f"{folder}/honeyhive.yml", f"install: ./\n{config}")
    project.write(f"{folder}/work.py", "def double(inputs):\n    import bees_api\n    return bees_api.ONE\n\n\n"
                  "def exact(outputs):\n    return outputs == 1\n")  # fmt: skip
    project.commit("A member")
    project.change("")
    step = runner.step({"working-directory": folder, "limit": "2", "thresholds": "exact: {max-drop: 0.9}"})
    assert step.exit_code == 0, step.log
    assert Project(project.folder / folder).outcomes()[0]["output"] == 1
