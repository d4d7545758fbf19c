"""What people see is one thing: action.yml, settings, flags, README, schema, examples, workflows, image."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.pipeline import Judged
from honeyhive.ci.settings import Inputs, action_inputs
from honeyhive.ci.telling import outputs
from honeyhive.cli import cli
from honeyhive.documents import load_json
from honeyhive.gate.broken import Broken

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
DESCRIPTIONS = {field.alias or name: field.description for name, field in Inputs.model_fields.items()}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COPIED = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
EXAMPLES = sorted({*ROOT.glob("examples/*/*.yml"), ROOT / "examples/support-bot/honeyhive.yml"} - {*COPIED})

DEFAULTS = {"github-token": "${{ github.token }}", "comment-key": "${{ toJSON(matrix) }}"}
"""What the runner alone knows. Any other default would go over what honeyhive.yml says."""

FLAT_ROWS = {"inputs", "ground-truth", "id"}
"""What the columns of a dataset mean: a workflow says it in honeyhive.yml, and gives no input for it."""


def flags(command: str) -> set[str]:
    options = (option for parameter in cli.commands[command].params for option in parameter.opts)
    return {option.removeprefix("--") for option in options}


def yaml_blocks(text: str) -> Iterator[Any]:
    """What stands in the YAML blocks of a Markdown page."""
    return (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_every_input_of_the_action_is_a_setting_and_every_setting_but_the_columns_an_input() -> None:
    assert ACTION["inputs"].keys() == DESCRIPTIONS.keys() - FLAT_ROWS


def test_every_setting_is_a_flag_of_gate_and_every_flag_of_gate_a_setting() -> None:
    assert flags("gate") == DESCRIPTIONS.keys()


def test_a_flag_of_run_that_is_no_setting_says_where_the_run_goes_or_how_it_goes_on() -> None:
    assert flags("run") - DESCRIPTIONS.keys() == {
        "out", "resume", "retry-errors", "error-file", "run-id", "besides",
    }  # fmt: skip


@pytest.mark.parametrize("name", ACTION["inputs"])
def test_an_input_is_optional_and_described_as_in_the_settings(name: str) -> None:
    default = {"default": DEFAULTS[name]} if name in DEFAULTS else {}
    assert ACTION["inputs"][name] == {"description": DESCRIPTIONS[name], "required": False, **default}


@pytest.mark.parametrize("name", ACTION["inputs"])
def test_an_input_reaches_the_settings_as_the_runner_passes_it(name: str) -> None:
    assert action_inputs({f"INPUT_{name.upper()}": " some text\n"}) == {name: "some text"}


@pytest.mark.parametrize("name", ACTION["inputs"])
def test_the_readme_describes_an_input_in_the_same_words(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| (.*) \|$", README, re.MULTILINE)
    assert row, f"the README has no row for {name}"
    assert row[1].replace("`", "") == DESCRIPTIONS[name]


# --- outputs ---------------------------------------------------------------------------------------------------------


def test_the_outputs_of_the_action_are_those_that_the_gate_writes(tmp_path: Path) -> None:
    broken = Broken(experiment="qa", title="Broken run", message="no outcome", exit_code=3)
    config = ExperimentConfig(name="qa", function="app:answer", dataset="qa.jsonl")
    judged = Judged(config=config, finding=broken, folder=tmp_path, run_file=tmp_path / "run.jsonl", baseline_file=None)
    written = outputs([judged], Edge(environ={}, echo=print, report_dir=tmp_path), exit_code=0)
    assert ACTION["outputs"].keys() == written.keys()


@pytest.mark.parametrize("name", ACTION["outputs"])
def test_the_readme_names_an_output(name: str) -> None:
    rows = [line for line in README.splitlines() if line.startswith("|")]
    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


# --- examples and the schema -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    printed = CliRunner().invoke(cli, ["schema"], catch_exceptions=False).output
    Draft202012Validator.check_schema(load_json(printed))
    return Draft202012Validator(load_json(printed))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_schema_accepts_the_example(schema: Draft202012Validator, example: Path) -> None:
    schema.validate(yaml.safe_load(example.read_text(encoding="utf-8")))


def test_the_schema_accepts_the_configuration_in_the_readme(schema: Draft202012Validator) -> None:
    configurations = [block for block in yaml_blocks(README) if "experiments" in block]
    assert configurations
    for configuration in configurations:
        schema.validate(configuration)


def test_the_schema_refuses_a_key_that_it_does_not_know(schema: Draft202012Validator) -> None:
    experiment = {"name": "qa", "function": "app:answer", "dataset": "qa.jsonl"}
    assert schema.is_valid({"version": 1, "experiments": [experiment]})
    assert not schema.is_valid({"version": 1, "experiments": [experiment], "treshold": {}})
    assert not schema.is_valid({"version": 1, "experiments": [{**experiment, "treshold": {}}]})


# --- workflows, image, and how they are checked ----------------------------------------------------------------------


def steps_with_inputs() -> list[tuple[str, dict[str, Any]]]:
    """The steps that use the action, in the workflows and in the README, by where they stand."""
    pages = [(path.name, yaml.safe_load(path.read_text(encoding="utf-8"))) for path in WORKFLOWS]
    pages += [("README", block) for block in yaml_blocks(README) if "jobs" in block]
    steps = [(page, step) for page, workflow in pages for job in workflow["jobs"].values() for step in job["steps"]]
    return [(page, step) for page, step in steps if not step.get("uses", "actions/").startswith("actions/")]


def test_a_workflow_gives_the_action_inputs_that_it_has() -> None:
    steps = steps_with_inputs()
    assert {page for page, _ in steps} == {"README", "selftest.yml"}
    for page, step in steps:
        assert step["with"].keys() <= ACTION["inputs"].keys(), page


@pytest.mark.parametrize(
    ("builtin", "files"),
    [("vendor.github-actions", [ROOT / "action.yml"]), ("vendor.github-workflows", [*WORKFLOWS, *COPIED])],
    ids=["action.yml", "workflows"],
)
def test_github_would_accept(builtin: str, files: list[Path]) -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run([program, "--builtin-schema", builtin, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_the_readme_says_about_running_the_tests_is_what_ci_runs() -> None:
    line = next(line for line in README.splitlines() if line.endswith("pytest -n auto"))
    assert f"\n{line} " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
