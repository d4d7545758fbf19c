"""The user's requirements go into an environment together with ours; a stand-in for uv says what it was asked."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from honeyhive.ci.edge import Edge
from honeyhive.ci.install import install, our_source
from honeyhive.errors import InstallError

UV = """#!/bin/sh
for argument in "$@"; do echo "$argument"; done >> {log}
env >> {log}.env
{then}
"""


class FakeUv:
    """A uv beside an interpreter of its own; what it does comes after `then`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.then("true")

    def then(self, script: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "uv").write_text(UV.format(log=self.log, then=script))
        (self.folder / "uv").chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeUv:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    return FakeUv(tmp_path / "bin")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "into").mkdir()
    return folder


def run(requirements: str, project: Path, *, python_version: str | None = None) -> tuple[Path, list[str]]:
    said: list[str] = []
    python = install(
        requirements,
        python_version=python_version,
        folder=Path(tempfile.mkdtemp(dir=project.parent, prefix="into-")),
        directory=project,
        edge=edge(said, PIP_INDEX="mirror"),
    )
    return python, said


def edge(said: list[str], **environ: str) -> Edge:
    return Edge(environ={"PATH": os.environ["PATH"], **environ}, echo=said.append, report_dir=Path("unused"))


def complaint(requirements: str, project: Path) -> InstallError:
    with pytest.raises(InstallError) as caught:
        run(requirements, project)
    assert caught.value.exit_code == 2
    return caught.value


# --- what is asked of uv ---------------------------------------------------------------------------------------------


def test_ours_and_theirs_are_resolved_together_and_ours_goes_over(uv: FakeUv, project: Path) -> None:
    python, _ = run("six, attrs>=20", project, python_version="3.12")
    into = python.parent.parent
    assert python == into / "bin" / "python"
    override = into.parent.parent / "override.txt"
    ours = f"honeyhive @ {our_source()}"
    assert uv.asked == [
        *("venv", "--no-project", "--python", "3.12", str(into)),
        *("pip", "install", "--python", str(python), "--override", str(override)),
        *(ours, "six", "attrs>=20"),
    ]
    assert override.read_text() == f"{ours}\n"


def test_without_a_version_it_is_our_own_python(uv: FakeUv, project: Path) -> None:
    run("six", project)
    assert uv.asked[:4] == ["venv", "--no-project", "--python", sys.executable]


def test_a_requirements_file_and_a_project_folder_are_told_from_packages(uv: FakeUv, project: Path) -> None:
    (project / "requirements.txt").write_text("six\n")
    (project / "lib").mkdir()
    run("requirements.txt", project)
    assert uv.asked[-2:] == ["-r", str(project / "requirements.txt")]
    run("lib", project)
    assert uv.asked[-1] == str(project / "lib")


def test_the_installer_sees_only_the_environment_that_it_is_given(
    uv: FakeUv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    run("six", project)
    seen = (project.parent / "bin" / "log.env").read_text()
    assert "PIP_INDEX=mirror" in seen
    assert "GITHUB_TOKEN" not in seen


def test_where_uv_is_not_beside_us_it_is_found_on_the_path(
    uv: FakeUv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    monkeypatch.setenv("PATH", f"{uv.folder}:/usr/bin:/bin")
    run("six", project)
    assert uv.asked[0] == "venv"


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_without_uv_the_way_to_get_it_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    monkeypatch.setenv("PATH", str(project))
    error = complaint("six", project)
    assert (error.message, error.hint) == ("install: uv is not there to install with", "pip install uv")


@pytest.mark.parametrize("name", ["requirements.txt", "lib/", "uv.lock", "pyproject.toml"])
def test_a_file_that_is_not_there_is_named_with_where_it_was_looked_for(uv: FakeUv, project: Path, name: str) -> None:
    error = complaint(name, project)
    assert error.message == f'install: there is no "{name}"'
    assert str(project) in error.hint


def test_an_option_belongs_in_a_requirements_file(uv: FakeUv, project: Path) -> None:
    error = complaint("--index-url https://evil.example six", project)
    assert error.message.endswith("has an option in it")
    assert error.hint == "put options in a requirements file"


def test_a_conflict_is_told_in_the_resolvers_words_in_one_line(uv: FakeUv, project: Path) -> None:
    uv.then(
        """case "$1" in pip) printf 'Using Python\\n  × No solution found:\\n  ╰─▶ Because honeyhive needs\\n"""
        """      pydantic>=2 and you need pydantic<2, no.\\n'; exit 1;; esac"""
    )
    error = complaint("pydantic<2", project)
    assert error.message == (
        "install: No solution found: Because honeyhive needs pydantic>=2 and you need pydantic<2, no."
    )


def test_an_installer_that_fails_and_says_nothing_is_a_failure_too(uv: FakeUv, project: Path) -> None:
    uv.then("exit 3")
    assert complaint("six", project).message == "install: the installer failed and said nothing"


def test_what_the_installer_prints_is_passed_on_and_is_no_command(uv: FakeUv, project: Path) -> None:
    uv.then("echo '::error::x'; echo '##[error]y' >&2")
    _, said = run("six", project)
    assert said == [": :error::x", "# #[error]y"] * 2


def test_a_build_step_leaves_no_process_behind(uv: FakeUv, project: Path) -> None:
    pid = project / "pid"
    uv.then(f"setsid sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 1000' >/dev/null 2>&1 & "
            f"while [ ! -e {pid} ]; do :; done")  # fmt: skip
    run("six", project)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


# --- the real thing --------------------------------------------------------------------------------------------------


def test_our_own_source_is_the_address_that_we_were_installed_from() -> None:
    recorded = distribution("honeyhive").read_text("direct_url.json")
    assert recorded
    assert our_source() == json.loads(recorded)["url"]


def test_where_it_is_not_recorded_the_ways_to_install_us_are_named(
    uv: FakeUv, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = project / "honeyhive-2.0.0.dist-info"
    copied.mkdir()
    (copied / "METADATA").write_text("Metadata-Version: 2.1\nName: honeyhive\nVersion: 2.0.0\n")
    monkeypatch.syspath_prepend(project)
    error = complaint("six", project)
    assert error.message == "install: it is not recorded where this honeyhive came from"
    assert "its wheel" in error.hint


@pytest.mark.skipif(shutil.which("uv", path=str(Path(sys.executable).parent)) is None, reason="needs uv beside us")
def test_uv_understands_what_it_is_asked_and_its_complaint_is_told(project: Path) -> None:
    said: list[str] = []
    with pytest.raises(InstallError) as caught:
        install(
            "no-such-package-of-bees",
            python_version=None,
            folder=project.parent / "into",
            directory=project,
            edge=edge(said, UV_OFFLINE="1", UV_NO_CACHE="1"),
        )
    assert caught.value.message.removeprefix("install: ")
    assert "unexpected argument" not in caught.value.message
    assert (project.parent / "into" / "own" / "environment" / "bin" / "python").exists()
    assert any("Creating virtual environment" in line for line in said)
