"""Whose things are on the machine of a job: the runner's user has the workspace, your code is another user."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from container.project import Project
from container.runner import Runner

BEE = 1001
"""The user of the runner, to whom the workspace and the command files belong."""
UID = 60600
"""The user that the image has for the user's code."""

APP = r"""
import json, os, signal, subprocess, sys, time
from pathlib import Path

def tried(attempt, *arguments):
    try:
        return attempt(*arguments) or "done"
    except OSError as error:
        return type(error).__name__

def double(inputs):
{body}

def exact(outputs):
    return True
"""


def app(body: str) -> str:
    """The app whose function does this."""
    return APP.replace("{body}", "".join(f"    {line}\n" for line in body.strip().splitlines()))


def owned_by_the_runner(runner: Runner) -> None:
    """The workspace and the runner's own folders belong to its user, as on a machine."""
    for folder in (runner.workspace, *runner.mounts.values()):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["chown", "-R", f"{BEE}:{BEE}", folder], check=True)


def seen(runner: Runner, project: Project, body: str, **inputs: str) -> Any:
    """What the function gave back for one datapoint, in a job of the runner's user."""
    project.change(app(body))
    owned_by_the_runner(runner)
    step = runner.step({"baseline": "none", "limit": "1", **inputs})
    assert step.exit_code == 0, step.log
    (outcome,) = project.outcomes()
    assert outcome["error"] is None, outcome
    return outcome["output"]


def owners(folder: Path) -> set[int]:
    """Whose all this is."""
    return {path.lstat().st_uid for path in (folder, *folder.rglob("*"))}
