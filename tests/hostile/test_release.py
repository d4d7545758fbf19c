"""A release, done as its workflow does it: digests where they belong, a commit of its own, tags that do not move."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from honeyhive.documents import load_yaml
from repositories import git

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
WORKFLOW: Any = load_yaml((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")).value
DIGEST = "sha256:" + "0123456789abcdef" * 4
BASE = f"python:3.13-slim@{DIGEST}"
IMAGE = f"ghcr.io/acme/experiment-gate@{DIGEST}"
SETTLED = ("pyproject.toml", "CHANGELOG.md", "Dockerfile", "action.yml")


def released(folder: Path, command: str, value: str) -> subprocess.CompletedProcess[str]:
    """What release.py does in a folder with the four files that a release is settled in."""
    for name in SETTLED:
        if not (folder / name).exists():
            shutil.copy(ROOT / name, folder)
    script = [sys.executable, str(ROOT / "scripts" / "release.py"), command, value]
    return subprocess.run(script, cwd=folder, capture_output=True, text=True, check=False)


def test_a_released_action_names_its_image_by_digest_and_nothing_else_of_it_has_changed(tmp_path: Path) -> None:
    assert released(tmp_path, "image", IMAGE).returncode == 0
    before, after = ((folder / "action.yml").read_text(encoding="utf-8") for folder in (ROOT, tmp_path))
    assert after == before.replace("image: Dockerfile", f"image: docker://{IMAGE}")
    checker = str(Path(sys.executable).with_name("check-jsonschema"))
    github = [checker, "--builtin-schema", "vendor.github-actions", str(tmp_path / "action.yml")]
    subprocess.run(github, check=True, capture_output=True)


def test_a_released_image_is_built_on_a_base_of_one_digest(tmp_path: Path) -> None:
    assert released(tmp_path, "base", BASE).returncode == 0
    after = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    assert after == DOCKERFILE.replace("ARG BASE=python:3.13-slim\n", f"ARG BASE={BASE}\n")
    subprocess.run([Path(sys.executable).with_name("hadolint"), tmp_path / "Dockerfile"], check=True)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("image", "ghcr.io/acme/gate@sha256:null"),
        ("image", f"ghcr.io/acme/gate@{DIGEST[:-1]}"),
        ("image", f"ghcr.io/acme/gate@{DIGEST}0"),
        ("image", f"ghcr.io/acme/gate@{DIGEST.upper()}"),
        ("image", f"ghcr.io/acme/gate@{DIGEST}\n  entrypoint: sh"),
        ("image", f"ghcr.io/Acme/gate@{DIGEST}"),
        ("image", f"evil.example/acme/gate@{DIGEST}"),
        ("image", f"ghcr.io/acme/../gate@{DIGEST}"),
        ("image", "ghcr.io/acme/gate:2.0.0"),
        ("image", ""),
        ("base", f"python@{DIGEST}"),
        ("base", f"python:3.12-slim@{DIGEST}"),
        ("base", "python:3.13-slim"),
        ("base", "python:3.13-slim@null"),
        ("base", f"python:3.13-slim@{DIGEST}\nRUN id"),
        ("version", "v2.0.0"),
        ("version", "2.0"),
        ("version", "2.0.0; id"),
        ("version", "99.0.0"),
        ("publish", "2.0.0"),
    ],
)
def test_what_is_no_digest_or_no_version_is_refused_and_nothing_is_written(
    tmp_path: Path, command: str, value: str
) -> None:
    done = released(tmp_path, command, value)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert all((tmp_path / name).read_bytes() == (ROOT / name).read_bytes() for name in SETTLED)


@pytest.mark.parametrize(("name", "command"), [("Dockerfile", "base"), ("action.yml", "image")])
def test_what_was_settled_is_not_settled_again(tmp_path: Path, name: str, command: str) -> None:
    value = BASE if command == "base" else IMAGE
    assert released(tmp_path, command, value).returncode == 0
    once = (tmp_path / name).read_bytes()
    assert released(tmp_path, command, value).returncode == 2
    assert (tmp_path / name).read_bytes() == once


def test_a_version_is_released_once_the_changelog_says_so_too(tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version} (unreleased)\n\n- all\n", encoding="utf-8")
    assert released(tmp_path, "version", version).returncode == 2
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {version}\n\n- all\n", encoding="utf-8")
    assert released(tmp_path, "version", version).returncode == 0


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout of main as the job has it, with the files of a release; `origin` is a repository beside it."""
    checkout = tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(tmp_path, "clone", "--quiet", str(tmp_path / "origin.git"), str(checkout))
    for name in ("action.yml", "Dockerfile"):
        shutil.copy(ROOT / name, checkout)
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "Everything")
    git(checkout, "push", "--quiet", "origin", "HEAD:refs/heads/main")
    git(checkout, "checkout", "--quiet", "--detach")
    return checkout


def publish(checkout: Path, version: str) -> int:
    """Run the last step of the workflow as it stands there; `gh`, which is GitHub's affair, does nothing."""
    job = WORKFLOW["jobs"]["publish"]
    released(checkout, "base", BASE)
    released(checkout, "image", IMAGE)
    tools = checkout.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    (tools / "gh").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "VERSION": version, "GH_TOKEN": "none"}
    run = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", job["steps"][-1]["run"]]
    return subprocess.run(run, cwd=checkout, env=environ, check=False, capture_output=True).returncode


def test_a_release_is_a_commit_of_its_own_that_two_tags_lead_to_and_main_stays(repository: Path) -> None:
    origin = repository.parent / "origin.git"
    main = git(origin, "rev-parse", "main").strip()
    assert publish(repository, "2.1.0") == 0
    commit = git(origin, "rev-parse", "v2.1.0").strip()
    assert git(origin, "rev-parse", "v2", f"{commit}^", "main").split() == [commit, main, main]
    assert f"image: docker://{IMAGE}" in git(origin, "show", "v2:action.yml")
    assert f"ARG BASE={BASE}" in git(origin, "show", "v2:Dockerfile")
    assert git(origin, "diff", "--name-only", "main", "v2").split() == ["Dockerfile", "action.yml"]


def test_a_tag_of_a_version_never_moves_and_that_of_the_major_one_never_back(repository: Path) -> None:
    origin = repository.parent / "origin.git"
    assert publish(repository, "2.10.0") == 0
    first = git(origin, "rev-parse", "v2.10.0").strip()
    git(repository, "checkout", "--quiet", "--detach", "origin/main")
    assert publish(repository, "2.9.1") == 0
    assert git(origin, "rev-parse", "v2").strip() == first
    git(repository, "checkout", "--quiet", "--detach", "origin/main")
    git(repository, "tag", "--delete", "v2.10.0")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Something else")
    assert publish(repository, "2.10.0") != 0
    assert git(origin, "rev-parse", "v2.10.0", "v2").split() == [first, first]
