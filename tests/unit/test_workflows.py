"""The workflows that people copy: held to the action, to the code, and to what the documents say of them."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenced import blocks
from honeyhive.ci.config import ConfigFile
from honeyhive.ci.inputs import Inputs
from honeyhive.ci.paths import is_relevant
from honeyhive.ci.reporting import REPORT_DIR
from honeyhive.ci.stores.branch import BRANCH
from honeyhive.documents import load_yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "workflows"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yml"))}
# Not by `yaml`: to YAML 1.1 the key `on` is the value true.
WORKFLOWS: dict[str, Any] = {name: load_yaml(text).value for name, text in TEXTS.items()}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GITHUB = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
OURS = "OWNER/REPOSITORY@v2"
GATES = [name for name in WORKFLOWS if name != "publish.yml"]
UNTRUSTED = {"pull_request", "pull_request_target", "issue_comment", "workflow_run", "merge_group"}


def jobs(name: str) -> list[Any]:
    return list(WORKFLOWS[name]["jobs"].values())


def steps(name: str, uses: str) -> Iterator[Any]:
    for job in jobs(name):
        yield from (step for step in job["steps"] if step.get("uses", "").startswith(uses))


def permissions(name: str) -> dict[str, str]:
    """What the jobs of a workflow may do, all of them together."""
    return {scope: level for job in jobs(name) for scope, level in job["permissions"].items()}


# --- each of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_gives_the_action_inputs_that_it_has_and_values_that_it_takes(name: str) -> None:
    (step,) = steps(name, OURS)
    given = step.get("with", {})
    assert given.keys() <= ACTION["inputs"].keys()
    Inputs.model_validate({key: value for key, value in given.items() if "${{" not in value})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_says_first_what_it_is_for(name: str) -> None:
    comment = [line for line in TEXTS[name].split("name:")[0].splitlines() if line]
    assert 2 <= len(comment) <= 3
    assert all(line.startswith("# ") for line in comment)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_permission_belongs_to_a_job_and_says_why(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert all("permissions" in job for job in jobs(name))
    for scope, level in permissions(name).items():
        assert re.search(rf"^      {scope}: {level} # \S", TEXTS[name], re.MULTILINE)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_ends_by_itself(name: str) -> None:
    assert all(job["timeout-minutes"] <= 60 for job in jobs(name))


@pytest.mark.parametrize("name", GATES)
def test_the_users_code_finds_no_token_in_the_checkout(name: str) -> None:
    (checkout,) = steps(name, "actions/checkout@")
    assert checkout["with"] == {"persist-credentials": False}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_only_what_runs_merged_code_may_write_to_the_repository(name: str) -> None:
    events = WORKFLOWS[name]["on"]
    writes = permissions(name).get("contents") == "write"
    assert writes == (events.keys() == {"push"})
    assert not writes or not UNTRUSTED & events.keys()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_is_started_by_paths_or_with_the_rights_of_the_base(name: str) -> None:
    # A required check whose workflow does not start waits for ever; `paths` in honeyhive.yml skips in its place.
    events = WORKFLOWS[name]["on"]
    assert "pull_request_target" not in events
    assert not any("paths" in (settings or {}) for settings in events.values() if not isinstance(settings, list))


# --- together --------------------------------------------------------------------------------------------------------


def test_a_push_to_main_is_neither_cancelled_nor_waits_where_the_next_would_take_its_place() -> None:
    concurrency = WORKFLOWS["main.yml"]["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    assert "${{ github.sha }}" in concurrency["group"]
    assert WORKFLOWS["main.yml"]["on"] == {"push": {"branches": ["main"]}}
    assert BRANCH in TEXTS["main.yml"]


@pytest.mark.parametrize("name", ["pull-request.yml", "monorepo.yml"])
def test_publish_listens_to_the_workflow_and_finds_what_it_uploads(name: str) -> None:
    publish = WORKFLOWS["publish.yml"]
    assert publish["on"]["workflow_run"] == {"workflows": [WORKFLOWS[name]["name"]], "types": ["completed"]}
    (upload,), (download,) = steps(name, "actions/upload-artifact@"), steps("publish.yml", "actions/download-artifact@")
    assert upload["if"] == "always()"
    assert upload["with"]["path"].rstrip("/") == download["with"]["path"] == REPORT_DIR
    assert fnmatch.fnmatch(upload["with"]["name"], download["with"]["pattern"])
    assert download["with"]["run-id"] == "${{ github.event.workflow_run.id }}"


def test_publish_runs_nothing_and_checks_nothing_out() -> None:
    (job,) = jobs("publish.yml")
    assert [step["uses"].split("@")[0] for step in job["steps"]] == ["actions/download-artifact", "OWNER/REPOSITORY"]
    assert job["steps"][1]["with"] == {"mode": "publish"}
    assert "env" not in job


def test_publish_leaves_to_the_gate_what_it_comments_on_itself() -> None:
    (job,) = jobs("publish.yml")
    condition = " ".join(job["if"].split())
    assert "github.event.workflow_run.event == 'pull_request' &&" in condition
    assert "(github.event.workflow_run.head_repository.full_name != github.repository ||" in condition
    assert condition.endswith("startsWith(github.event.workflow_run.head_branch, 'dependabot/'))")


@pytest.mark.parametrize("name", ["pull-request.yml", "merge-queue.yml", "monorepo.yml"])
def test_one_required_check_is_called_the_same_everywhere(name: str) -> None:
    assert "gate" in [job["name"] for job in jobs(name)]


def test_the_required_check_of_many_experiments_is_green_only_if_each_was() -> None:
    experiments, gate = jobs("monorepo.yml")
    assert experiments["strategy"]["fail-fast"] is False
    # Without `always()` it would be skipped where one failed, and what is skipped counts as passed.
    assert gate["needs"] == "experiment"
    assert gate["if"] == "always()"
    (step,) = gate["steps"]
    assert step["env"] == {"RESULT": "${{ needs.experiment.result }}"}
    for result, code in {"success": 0, "failure": 1, "cancelled": 1, "skipped": 1, "": 1}.items():
        done = subprocess.run(["bash", "-e", "-c", step["run"]], env={"RESULT": result}, check=False)
        assert done.returncode == code


# --- what the documents say ------------------------------------------------------------------------------------------


def test_a_workflow_in_the_documents_is_one_of_the_examples_word_for_word() -> None:
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if re.search(r"^jobs:", block.text, re.MULTILINE):
                assert block.text.strip() in [text.strip() for text in TEXTS.values()], f"{page.name}:{block.line}"


@pytest.mark.parametrize("name", ["pull-request.yml", "publish.yml"])
def test_the_pair_for_forks_stands_in_the_page_on_github(name: str) -> None:
    assert TEXTS[name].strip() in [block.text.strip() for block in blocks(GITHUB)]


def test_the_table_has_a_row_for_every_workflow_and_its_permissions() -> None:
    rows = dict(re.findall(r"^\| \[([\w-]+\.yml)\]\(\.\./examples/workflows/\1\) \| (.*) \|$", GITHUB, re.MULTILINE))
    assert rows.keys() == WORKFLOWS.keys()
    for name, row in rows.items():
        events, told, _ = row.split(" | ")
        assert set(re.findall(r"`([^`]+)`", told)) == {f"{scope}: {is_}" for scope, is_ in permissions(name).items()}
        assert set(re.findall(r"`(\w+)`", events)) == set(WORKFLOWS[name]["on"])


def test_the_configuration_in_the_page_on_github_skips_what_it_says_it_skips() -> None:
    (block,) = (block for block in blocks(GITHUB) if block.text.startswith("version: 1") and "paths:" in block.text)
    config = ConfigFile.model_validate(load_yaml(block.text).value)
    paths = config.experiments[0].paths
    assert is_relevant(["search/index.py"], paths, ()).relevant
    assert is_relevant(["prompts/search.md"], paths, ()).relevant
    assert not is_relevant(["search/README.md", "docs/index.md", "prompts/old/search.md"], paths, ()).relevant


# --- how they are checked --------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_every_example_is_linted() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "workflows"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for linter in ("zizmor", "parse.mjs"):
        (line,) = (line for line in told.splitlines() if linter in line)
        assert all(f"examples/workflows/{name}" in line.split() for name in WORKFLOWS)
    assert ".github/workflows/ci.yml" in told


def test_the_lock_of_the_parser_names_no_address() -> None:
    lock = (ROOT / "tests" / "workflows" / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity": "sha512-' in lock
    assert '"resolved"' not in lock
