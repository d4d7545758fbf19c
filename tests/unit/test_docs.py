"""What the documents say is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from honeyhive.ci.config import ConfigFile
from honeyhive.ci.schemas import schema_text
from honeyhive.cli import cli
from honeyhive.errors import HoneyHiveError
from honeyhive.gate.checks import Reason
from honeyhive.gate.rules_schema import RULES_SCHEMA
from honeyhive.runlines import LINES, RunHeader

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SOURCE = ROOT / "src" / "honeyhive"


@pytest.mark.parametrize(("what", "file"), [("config", "honeyhive"), ("comparison", "comparison")])
def test_the_published_schemas_are_those_that_the_command_prints(what: str, file: str) -> None:
    assert (ROOT / "docs" / f"{file}.schema.json").read_text("utf-8").rstrip("\n") == schema_text(what)


def test_the_architecture_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    modules = {path.name for path in SOURCE.rglob("*.py")} - {"__init__.py", "__main__.py"}
    packages = {path.parent.name for path in SOURCE.rglob("__init__.py")} - {"honeyhive"}
    whole = {f"{name}/" for name in ("documents", "tracer", "gate/calibration")}  # described as one
    inside = {path.name for name in whole for path in (SOURCE / name).glob("*.py")}
    assert not {module for module in modules - inside if f"`{module}`" not in text and f"/{module}`" not in text}
    assert not {package for package in packages if not re.search(rf"[`/]{package}/", text)}


def test_the_run_files_keys_are_described() -> None:
    text = (ROOT / "docs" / "run-file.md").read_text("utf-8")
    for kind, shape in LINES.items():
        keys = {field.alias or name for name, field in shape.model_fields.items()} - {"type"}
        assert not {key for key in keys if f"`{key}`" not in text}, kind
    written = set(RunHeader.__dataclass_fields__) - {"dataset_path", "dataset_sha256", "dataset_count"}
    assert not {key for key in written if f"`{key}`" not in text}


def test_the_readme_lists_every_command_and_no_other() -> None:
    assert set(re.findall(r"^\| `honeyhive (\w+)", README, re.MULTILINE)) == set(cli.commands)


def test_the_readme_lists_every_exit_code() -> None:
    def codes(error: type[HoneyHiveError]) -> set[int]:
        return {error.exit_code}.union(*(codes(child) for child in error.__subclasses__()))

    listed = {int(code) for row in re.findall(r"^\| ([0-9, ]+) \|", README, re.MULTILINE) for code in row.split(",")}
    assert listed == codes(HoneyHiveError) | {0, 1, 129, 130, 143}


def test_the_readmes_configuration_is_valid() -> None:
    blocks = re.findall(r"```yaml\n(# honeyhive\.yml\n.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        config = ConfigFile.model_validate(yaml.safe_load(block))
        assert config.experiments[0].parsed_thresholds()


def test_the_page_on_verdicts_names_every_rule_reason_and_word() -> None:
    text = (ROOT / "docs" / "verdict.md").read_text("utf-8")
    properties = RULES_SCHEMA["properties"]
    words = {word for key in properties.values() for word in key.get("enum", ())}
    said = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert not {*properties, *(reason.value for reason in Reason), *words} - said


def test_the_help_names_every_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "honeyhive", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in cli.commands)


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        prose = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", prose):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    """A defence without the test that proves it is a claim."""
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 30
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"
