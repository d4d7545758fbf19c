"""What we are made of, and what a release is made of: pinned, checked, and with no more rights than it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from honeyhive.documents import load_yaml
from repositories import git

ROOT = Path(__file__).parents[2]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
# Not by PyYAML: to YAML 1.1 the key `on` is the value true.
WORKFLOWS: dict[str, Any] = {name: load_yaml(text).value for name, text in TEXTS.items()}
EXAMPLES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "examples" / "workflows").glob("*.yml")}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SECRET = re.compile(
    rb"gh[opsu]_\w{30}|github_pat_\w{30}|sk-[\w-]{20}|hh_live_|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY"
)


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def unpacked(folder: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The files of the wheel and of the source distribution in a folder."""
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    with tarfile.open(source) as archive:
        files = [(member.name.partition("/")[2], archive.extractfile(member)) for member in archive]
        return inside, {name: file.read() for name, file in files if file is not None}


# --- packages --------------------------------------------------------------------------------------------------------


def test_every_package_has_a_hash_for_every_file_and_comes_from_the_public_index() -> None:
    others = [package for package in LOCK if package["name"] != "honeyhive"]
    assert len(others) > 50
    for package in others:
        assert package["source"] == {"registry": "https://pypi.org/simple"}, package["name"]
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]), package["name"]
            assert file["url"].startswith("https://files.pythonhosted.org/packages/")


def test_the_parser_of_the_workflows_has_a_hash_for_everything_too() -> None:
    lock = load_yaml((ROOT / "tests" / "workflows" / "package-lock.json").read_text(encoding="utf-8")).value
    assert all(package["integrity"].startswith("sha512-") for name, package in lock["packages"].items() if name)


def test_bandit_leaves_out_nothing_but_what_ruff_asks_line_by_line() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert "S" in settings["ruff"]["lint"]["select"]
    assert not [rule for rule in settings["ruff"]["lint"]["ignore"] if re.fullmatch(r"S\d*", rule)]
    assert {"B404"} | {f"B{rule}" for rule in (101, 105, 113, 311, 603, 701)} == {*settings["bandit"]["skips"]}


def test_a_package_of_ours_holds_our_source_and_nothing_else(tmp_path: Path) -> None:
    # Without a network: the backend is the one that is locked.
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    inside, apart = unpacked(tmp_path)
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "src").splitlines()
    ours = {name for name in listed if (ROOT / name).is_file()}
    assert {f"src/{name}" for name in inside if ".dist-info/" not in name} == ours
    assert {name for name in apart if name.startswith("src/")} == ours
    assert {name for name in apart if not name.startswith("src/")} == {
        "README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", ".gitignore",
    }  # fmt: skip
    assert not [name for name, content in (inside | apart).items() if SECRET.search(content)]


def test_installing_us_from_source_runs_no_code_but_that_of_the_build_backend() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert [re.split("[<>=]", name)[0] for name in project["build-system"]["requires"]] == ["hatchling"]
    assert project["build-system"]["build-backend"] == "hatchling.build"
    assert "hooks" not in project["tool"]["hatch"]["build"]
    assert not [name for name in ("setup.py", "setup.cfg", "hatch_build.py") if (ROOT / name).exists()]


# --- workflows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_has_no_rights_and_each_job_has_those_that_it_says_why_it_needs(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]
    given = re.findall(r"^      [\w-]+: (?:read|write)\b(.*)$", TEXTS[name], re.MULTILINE)
    reasonless = {"      contents: read"}  # what every checkout takes
    for line in re.findall(r"^      [\w-]+: (?:read|write)$", TEXTS[name], re.MULTILINE):
        assert line in reasonless
    assert given


def test_only_a_release_may_write_and_only_a_person_starts_one() -> None:
    writing = {name for name, text in TEXTS.items() if re.search(r"^ +[\w-]+: write\b", text, re.MULTILINE)}
    assert writing == {"release.yml"}
    assert WORKFLOWS["release.yml"]["on"].keys() == {"workflow_dispatch"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_an_action_is_githubs_own_and_pinned_by_its_commit_with_its_version_beside_it(name: str) -> None:
    uses = re.findall(r"^ +-? ?uses: (.*)$", TEXTS[name], re.MULTILINE)
    assert uses
    for used in uses:
        assert used == "./" or re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


def test_one_version_of_an_action_is_one_commit_everywhere() -> None:
    pins = {pin for text in TEXTS.values() for pin in re.findall(r"uses: (actions/[\w-]+)@(\w+) # (\S+)", text)}
    assert len(pins) == len({action for action, _, _ in pins})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_script_of_a_step_has_text_of_strangers_in_it(name: str) -> None:
    for step in steps(name):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_step_finds_a_token_in_the_checkout_or_another_run_in_a_cache(name: str) -> None:
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert not step.get("uses", "").startswith("actions/cache@")
        assert "cache" not in step.get("with", {})
    assert "secrets." not in TEXTS[name]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_script_of_every_step_is_one_that_bash_can_read(name: str) -> None:
    for step in steps(name):
        subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=True)


def test_the_examples_name_no_action_but_githubs_own_and_this_one() -> None:
    used = {action for text in EXAMPLES.values() for action in re.findall(r"uses: ([\w./-]+)@", text)}
    assert used <= {"OWNER/REPOSITORY"} | {action for action in used if action.startswith("actions/")}


def test_every_place_that_pins_something_is_looked_after() -> None:
    dependabot = load_yaml((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8")).value
    watched = {(update["package-ecosystem"], update["directory"]) for update in dependabot["updates"]}
    assert watched == {("github-actions", "/"), ("uv", "/"), ("docker", "/"), ("npm", "/tests/workflows")}


# --- the image -------------------------------------------------------------------------------------------------------


def test_all_that_the_image_is_made_of_has_its_hash_in_the_lock() -> None:
    build, image = re.split(r"^FROM \$\{BASE\}.*$", DOCKERFILE, flags=re.MULTILINE)[1:]
    installs = re.findall(r"\b(?:pip install|uv sync|uv build|uv pip install)\b.*", build)
    assert [re.findall(r"--require-hashes|--frozen|--no-deps", line) for line in installs] == [
        ["--require-hashes"], ["--frozen"], ["--require-hashes"], ["--no-deps"],
    ]  # fmt: skip
    assert not re.search(r"\b(?:pip|uv (?:sync|build|pip)|npm|curl|wget)\b|^ADD ", image, re.MULTILINE)
    assert 'ENTRYPOINT ["/opt/honeyhive/bin/python", "-I", "-m", "honeyhive"]' in image


def test_on_main_the_action_is_built_from_the_dockerfile_beside_it() -> None:
    runs = load_yaml((ROOT / "action.yml").read_text(encoding="utf-8")).value["runs"]
    assert runs == {"using": "docker", "image": "Dockerfile"}
