"""The user that the user's code runs as, in a world that was not made for it."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from container.project import Project
from container.runner import SECRETS, Runner
from container.users import BEE, app, owned_by_the_runner

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give the workspace to the runner's user")

ALONE = {"baseline": "none", "limit": "1"}


def test_a_template_is_shown_though_everything_that_the_code_began_is_ended(runner: Runner, project: Project) -> None:
    project.write("gate.md.j2", '{% extends "comment.md.j2" %}{% block table %}BEES WERE HERE{% endblock %}')
    project.write("honeyhive.yml", (project.folder / "honeyhive.yml").read_text() + "template: gate.md.j2\n")
    project.change(app("subprocess.Popen(['sleep', '1000'], start_new_session=True)\nreturn 1"))
    step = runner.step(ALONE)
    assert step.exit_code == 0, step.log
    assert "Template not used" not in step.log
    assert "BEES WERE HERE" in step.summary


# --- a container that may do less ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dropped", [("ALL",), ("CHOWN",), ("SETUID", "SETGID")], ids=" ".join)
def test_a_root_that_may_not_change_users_runs_the_code_itself_and_says_what_does_not_hold(
    runner: Runner, project: Project, dropped: tuple[str, ...]
) -> None:
    project.change(app("return os.getuid()"))
    runner = replace(runner, options=tuple(f"--cap-drop={capability}" for capability in dropped))
    step = runner.step(ALONE)
    assert step.exit_code == 0, step.log
    assert [outcome["output"] for outcome in project.outcomes()] == [0]
    assert "root may not change users here: Operation not permitted" in step.log
    assert "your code runs as the job's own user" in step.log


def test_command_files_may_lie_where_temporary_files_do(runner: Runner, project: Project) -> None:
    project.change(app("return [tried(open, '/tmp/out'), tried(open, '/tmp/other')]"))
    runner = replace(runner, job={"GITHUB_OUTPUT": "/tmp/out"}, options=("-v", f"{runner.folder}/out:/tmp/out"))
    (runner.folder / "out").write_text("")
    step = runner.step(ALONE)
    assert step.exit_code == 0, step.log
    assert [outcome["output"] for outcome in project.outcomes()] == [["PermissionError", "FileNotFoundError"]]
    assert "verdict" in (runner.folder / "out").read_text()


# --- files that others cannot read -----------------------------------------------------------------------------------

READING = """
names = ("GOOGLE_APPLICATION_CREDENTIALS", "RELATIVE", "OF_GIT", "OF_THE_HOME", "LINKED", "OF_A_TOKEN")
return {name: tried(lambda: Path(os.environ[name]).read_text()) for name in names}
"""


def test_a_file_that_a_passed_variable_names_is_handed_over_and_no_token_with_it(
    runner: Runner, project: Project
) -> None:
    """A title of a pull request may be what a variable says: what a job may act by is not to be had that way."""
    project.git("config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic eDpnaHM=")
    workspace, home = project.folder, runner.mounts["/github/home"]
    home.mkdir(parents=True)
    (home / ".netrc").write_text("password hunter2")
    (workspace / ".gitignore").write_text("*.json\n")
    for name, said in {"gha-creds.json": '{"a": 1}', "token.json": f"x {SECRETS['GITHUB_TOKEN']} y"}.items():
        (workspace / name).write_text(said)
        (workspace / name).chmod(0o640)
    (workspace / "link.json").symlink_to("/github/home/.netrc")
    variables = {
        "GOOGLE_APPLICATION_CREDENTIALS": "/github/workspace/gha-creds.json",
        "RELATIVE": "gha-creds.json",
        "OF_GIT": ".git/config",
        "OF_THE_HOME": "/github/home/.netrc",
        "LINKED": "link.json",
        "OF_A_TOKEN": "token.json",
    }
    project.change(app(READING))
    owned_by_the_runner(runner)
    step = runner.step({**ALONE, "pass-env": ", ".join(variables)}, **variables)
    assert step.exit_code == 0, step.log
    refused = dict.fromkeys(("OF_GIT", "OF_THE_HOME", "LINKED", "OF_A_TOKEN"), "PermissionError")
    found = {"GOOGLE_APPLICATION_CREDENTIALS": '{"a": 1}', "RELATIVE": '{"a": 1}', **refused}
    assert project.outcomes()[0]["output"] == found
    assert (workspace / "gha-creds.json").stat().st_uid == BEE


@pytest.mark.parametrize("name", ["numbers.jsonl", "app.py"])
def test_a_file_that_it_cannot_read_is_told_with_the_way_out(runner: Runner, project: Project, name: str) -> None:
    owned_by_the_runner(runner)
    (project.folder / name).chmod(0o600)
    step = runner.step(ALONE)
    assert step.exit_code == 2, step.log
    assert "Permission denied" in step.errors[0]
    assert "your code runs as a user of its own" in step.errors[0]
    assert "chmod -R o+rX" in step.errors[0]


# --- what it may not write -------------------------------------------------------------------------------------------


def test_code_that_writes_to_the_workspace_is_told_of_writable(runner: Runner, project: Project) -> None:
    project.change(app("open('trace.log', 'w')"))
    owned_by_the_runner(runner)
    step = runner.step(ALONE | {"thresholds": "exact: {min: 0.5}"})
    assert step.exit_code == 1, step.log
    (error,) = step.errors
    assert "the commonest error: PermissionError" in error
    assert "`writable`" in error
    opening = step.log[: step.log.index("doubling")]
    assert "your code runs as a user of its own" in opening
