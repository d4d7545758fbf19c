"""The gate's runs on HoneyHive: sent by the process that has the key, and never in the verdict's way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from platform_server import PlatformServer
from projects import APP, Project, new_project

SPYING = APP.replace(
    "def double(inputs):",
    """import os, pathlib

def double(inputs):
    seen = "\\n".join(f"{name}={value}" for name, value in os.environ.items())
    pathlib.Path("seen.txt").write_text(seen)""",
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = new_project(tmp_path / "project", count=5)
    project.write("app.py", SPYING)
    return project


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as server:
        yield server


def keys(server: PlatformServer) -> dict[str, str]:
    return {"HH_API_KEY": server.key, "HH_API_URL": server.url}


def test_with_a_key_the_run_appears_there_and_the_users_code_never_sees_the_key(
    project: Project, server: PlatformServer
) -> None:
    done = project.gate(env=keys(server))
    assert (done.exit_code, done.errors) == (0, [])
    (run,) = server.runs.values()
    assert (run.value["status"], len(run.value["event_ids"])) == ("completed", 5)
    assert {session.value["outputs"]["result"] for session in server.sessions.values()} == {0, 2, 4, 6, 8}
    assert all(session.value["metrics"] == {"exact": True} for session in server.sessions.values())
    assert server.violations == []
    assert f"doubling: 5 of 5 sessions are on HoneyHive, run {project.lines()[0]['run_id']}" in done.out
    assert server.key not in (project.folder / "seen.txt").read_text("utf-8")
    assert server.key not in done.out + done.err + done.summary
    assert all(
        server.key.encode() not in file.read_bytes()
        for file in (project.folder / "honeyhive-report").rglob("*")
        if file.is_file()
    )


def test_the_key_may_come_as_an_input(project: Project, server: PlatformServer) -> None:
    inputs = {"INPUT_API-KEY": server.key, "INPUT_SERVER-URL": server.url, "INPUT_PROJECT": "demo"}
    assert project.gate(env=inputs).exit_code == 0
    assert len(server.sessions) == 5
    assert server.key not in (project.folder / "seen.txt").read_text("utf-8")


@pytest.mark.parametrize("kind", ["500", "401", "refuse"])
def test_a_platform_that_fails_is_a_warning_and_changes_no_verdict(
    project: Project, server: PlatformServer, kind: str
) -> None:
    server.fail("*", "/", kind)
    done = project.gate(env=keys(server))
    assert (done.exit_code, done.errors) == (0, [])
    (warning,) = [line for line in done.err.splitlines() if "HoneyHive" in line and line.startswith("::warning")]
    assert "not everything was sent" in warning
    assert "honeyhive upload honeyhive-report/run.jsonl" in warning

    server.mend()
    uploaded = project.honeyhive("upload", "honeyhive-report/run.jsonl", env=keys(server))
    assert (uploaded.exit_code, uploaded.errors) == (0, [])
    assert [run.value["status"] for run in server.runs.values()] == ["completed"]
    assert len(server.sessions) == 5


def test_a_run_that_breaks_is_sent_as_far_as_it_came(project: Project, server: PlatformServer) -> None:
    project.write("app.py", APP.replace('2 * inputs["number"]', '(__import__("os")._exit(9))'))
    done = project.gate(env=keys(server))
    assert done.exit_code == 3
    assert [run.value["status"] for run in server.runs.values()] == ["failed"]


def test_without_a_key_nothing_is_sent_anywhere(project: Project, server: PlatformServer) -> None:
    assert project.gate(env={"HH_API_URL": server.url}).exit_code == 0
    assert server.requests == []


def test_a_server_that_is_none_is_a_warning(project: Project) -> None:
    done = project.gate(env={"HH_API_KEY": "key", "HH_API_URL": "ftp://nowhere"})
    assert done.exit_code == 0
    assert "the runs are not on HoneyHive" in done.err
