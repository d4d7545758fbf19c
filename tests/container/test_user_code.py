"""The user's code in the container: what it can and cannot reach of the job, and how it gets its requirements."""

from __future__ import annotations

import pytest

from container.project import Project
from container.runner import COMMAND_FILES, SECRETS, Runner

ENVIRONMENT = """
import os

def double(inputs):
    return dict(os.environ)

def exact(outputs):
    return True
"""

PROCESSES = """
from pathlib import Path

def read(path):
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        return type(error).__name__

def double(inputs):
    return {str(path): read(path) for path in Path("/proc").glob("[0-9]*/environ")}

def exact(outputs):
    return True
"""

FORGER = r"""
from pathlib import Path

def double(inputs):
    prefixes = ("set_output_", "step_summary_", "set_env_", "add_path_", "save_state_")
    found = [Path("/github/file_commands", prefix + SUFFIX) for prefix in prefixes]
    refused = 0
    for path in found:
        try:
            path.write_text("verdict=passed\nBASH_ENV=/github/workspace/evil.sh\n")
        except PermissionError:
            refused += 1
    return refused

def exact(outputs):
    return False
"""

VANDAL = r"""
from pathlib import Path

PASS = "import os\nos._exit(0)\n"

def double(inputs):
    refused = 0
    for path in [*Path("/opt/honeyhive").rglob("*"), *Path("/usr").rglob("python3*/**/*")]:
        try:
            if path.suffix in (".py", ".j2"):
                path.write_text(PASS)
            elif path.suffix == ".pyc":
                path.unlink()
        except PermissionError:
            refused += 1
    return refused

def exact(outputs):
    return False
"""

PYDANTIC = """
import pydantic, slugify

def double(inputs):
    return pydantic.VERSION, slugify.slugify("Hello, Bees!")

def exact(outputs):
    return True
"""

# --- what the user's code sees ---------------------------------------------------------------------------------------


def test_the_users_code_sees_what_pass_env_names_and_nothing_of_the_job(runner: Runner, project: Project) -> None:
    project.change(ENVIRONMENT)
    inputs = {"pass-env": "OPENAI_API_KEY", "baseline": "none"}
    step = runner.step(inputs, OPENAI_API_KEY="sk-1", STRIPE_KEY="sk-2")
    assert step.exit_code == 0, step.log
    seen = project.outcomes()[0]["output"]
    assert seen["OPENAI_API_KEY"] == "sk-1"
    assert "STRIPE_KEY" not in seen
    assert not seen.keys() & (SECRETS.keys() | COMMAND_FILES)
    assert not [name for name in seen if name.startswith(("INPUT_", "ACTIONS_"))]
    assert not set(seen.values()) & set(SECRETS.values())
    assert seen["GITHUB_REPOSITORY"] == "honey/bees"


def test_the_users_code_cannot_read_the_job_out_of_the_process_of_the_gate(runner: Runner, project: Project) -> None:
    project.change(PROCESSES)
    step = runner.step({"baseline": "none", "limit": "1"})
    assert step.exit_code == 0, step.log
    environments = project.outcomes()[0]["output"]
    assert environments["/proc/1/environ"] == "PermissionError"
    assert not [path for path, text in environments.items() if any(secret in text for secret in SECRETS.values())]


def test_the_users_code_cannot_rewrite_the_installation(runner: Runner, project: Project) -> None:
    project.change(VANDAL)  # which is another user than the one that the installation belongs to
    step = runner.step({"baseline": "none", "limit": "1", "thresholds": "exact: {min: 0.5}"})
    assert step.exit_code == 1, step.log
    assert step.outputs["verdict"] == "failed"
    assert "`exact`" in step.summary
    assert project.outcomes()[0]["output"] > 1000


def test_the_users_code_cannot_write_to_the_command_files(runner: Runner, project: Project) -> None:
    project.change(FORGER.replace("SUFFIX", repr(runner.suffix)))
    step = runner.step({"baseline": "none", "limit": "1", "thresholds": "exact: {min: 0.5}"})
    assert step.exit_code == 1, step.log
    assert project.outcomes()[0]["output"] == len(COMMAND_FILES)
    written = {path.name: path.read_text() for path in runner.mounts["/github/file_commands"].iterdir()}
    assert len(written) == len(COMMAND_FILES)
    assert not [name for name, text in written.items() if "verdict=passed" in text or "BASH_ENV" in text]


@pytest.mark.parametrize("name", ["github_token", "INPUT_API-KEY", "ACTIONS_RUNTIME_TOKEN", "GITHUB_OUTPUT"])
def test_pass_env_does_not_give_the_job_away(runner: Runner, project: Project, name: str) -> None:
    step = runner.step({"pass-env": name})
    assert step.exit_code == 2
    assert name in step.errors[0]


def test_nothing_in_the_workspace_or_in_pythonpath_stands_in_for_our_modules(runner: Runner, project: Project) -> None:
    for name in ("honeyhive/__init__.py", "json.py", "pydantic.py", "path/sitecustomize.py", "path/json.py"):
        project.write(name, "from pathlib import Path\nPath('imported').touch()\nraise SystemExit('shadowed')\n")
    step = runner.step(PYTHONPATH="/github/workspace/path:/github/workspace")
    assert step.exit_code == 0, step.log
    assert not (runner.workspace / "imported").exists()


# --- what the user's code needs --------------------------------------------------------------------------------------


def test_requirements_are_installed_together_with_ours(runner: Runner, project: Project) -> None:
    project.write("requirements.txt", "python-slugify==8.0.4\nhoneyhive>=1.0\npydantic==2.11.10\n")
    project.change(PYDANTIC)
    step = runner.step({"install": "requirements.txt", "baseline": "none", "limit": "3"})
    assert step.exit_code == 0, step.log
    assert [outcome["output"] for outcome in project.outcomes()] == [["2.11.10", "hello-bees"]] * 3
    assert "hardlink" not in step.log, "uv warns that it cannot link from its cache"


def test_requirements_that_do_not_go_with_ours_are_named(runner: Runner, project: Project) -> None:
    project.write("requirements.txt", "pydantic<2\n")
    step = runner.step({"install": "requirements.txt"})
    assert step.exit_code == 2, step.log
    assert len(step.errors) == 1
    assert "pydantic<2" in step.errors[0]
    assert "honeyhive" in step.errors[0]
