"""The example that a newcomer runs first: it decides as its README says, on every machine.

Whoever changes its questions or evaluators records its baseline anew: `python tests/integration/test_examples.py`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "support-bot"
LEFT_BEHIND = shutil.ignore_patterns("honeyhive-report", ".honeyhive", "__pycache__")
COMMAND = re.compile(r"\$ honeyhive (.+)")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The folder in a repository of its own, all of it committed."""
    return copied_into(tmp_path / "shop")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The same with the bot that the baseline is a run of: it takes every word as it is written."""
    return copied_into(tmp_path / "shop", ALIKE="1")


def copied_into(repository: Path, **settings: str) -> Path:
    folder = repository / "examples" / "support-bot"
    shutil.copytree(EXAMPLE, folder, ignore=LEFT_BEHIND)
    for name, value in settings.items():
        source = (folder / "bot.py").read_text(encoding="utf-8")
        changed, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", source)
        assert count == 1
        (folder / "bot.py").write_text(changed, encoding="utf-8")
    for arguments in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-q", "-m", "Answer questions"]):
        subprocess.run(["git", *arguments], cwd=repository, env=environment(), check=True)
    return folder


def environment() -> dict[str, str]:
    """That of a terminal: no job, no key, no configuration of git but this one."""
    others = ("GIT_", "GITHUB_", "INPUT_", "RUNNER_", "HH_", "OTEL_")
    git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        git |= {f"GIT_{role}_NAME": "Support bot", f"GIT_{role}_EMAIL": "support-bot@example.com"}
    return {name: value for name, value in os.environ.items() if not name.startswith(others)} | git


def honeyhive(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "honeyhive", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def comparison(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "honeyhive-report" / "comparison.json").read_text(encoding="utf-8"))
    return found


def reasons(found: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    return {(check["metric"], check["rule"]): check["reason"] for check in found["checks"]}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outcomes(run_file: Path) -> dict[str, tuple[Any, Any]]:
    """What the bot said and how that was scored, by datapoint."""
    rows = [line for line in lines(run_file) if line["type"] == "outcome"]
    return {row["datapoint_id"]: (row["output"], row["scores"]) for row in rows}


# --- the verdicts ----------------------------------------------------------------------------------------------------


def test_the_gate_passes_in_the_folder_as_it_is(example: Path) -> None:
    done = honeyhive(example, "gate")
    found = comparison(example)
    assert done.returncode == 0, done.stderr
    assert found["verdict"] == "passed"
    assert found["paired"] == 200
    assert not found["warnings"]
    assert reasons(found) == {
        ("right_article", "max-drop"): "improved",
        ("right_article", "min"): "met",
        ("reciprocal_rank", "max-drop"): "improved",
        ("errors", "max"): "met",
    }


def test_the_tidy_up_that_looks_harmless_fails_by_comparison_alone(example: Path) -> None:
    done = honeyhive(example, "gate", "--config", "worse.yml")
    found = comparison(example)
    assert done.returncode == 1, done.stderr
    assert found["verdict"] == "failed"
    assert reasons(found) == {
        ("right_article", "max-drop"): "regressed",
        ("right_article", "min"): "met",
        ("reciprocal_rank", "max-drop"): "regressed",
        ("errors", "max"): "met",
    }
    assert all(check["p_adjusted"] < 0.005 for check in found["checks"] if check["reason"] == "regressed")


def test_the_two_configurations_differ_in_the_function_alone() -> None:
    configurations = [yaml.safe_load((EXAMPLE / name).read_text()) for name in ("honeyhive.yml", "worse.yml")]
    functions = [configuration["experiments"][0].pop("function") for configuration in configurations]
    assert functions == ["bot:answer", "worse_bot:answer"]
    assert configurations[0] == configurations[1]


def test_the_readme_quotes_what_the_commands_print(example: Path) -> None:
    quoted = re.findall(r"```console\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    commands = [COMMAND.fullmatch(block.splitlines()[0]) for block in quoted]
    assert [command[1] for command in commands if command] == ["gate", "gate --config worse.yml", "run"]
    for command, block in zip(commands, quoted, strict=True):
        assert command
        printed = honeyhive(example, *command[1].split()).stdout.splitlines()
        said = [line for line in block.splitlines()[1:] if not line.startswith(("latency_ms", "…"))]
        assert said == [line for line in printed if line in said]


# --- the bot ---------------------------------------------------------------------------------------------------------


def test_the_bot_needs_nothing_but_the_standard_library() -> None:
    for path in EXAMPLE.glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        assert imported <= sys.stdlib_module_names | {"bot"}


def test_no_answer_hinges_on_rounding(example: Path) -> None:
    program = (
        "import json, sys, bot, worse_bot\n"
        "for line in open('questions.jsonl', encoding='utf-8'):\n"
        "    question = json.loads(line)['inputs']['question']\n"
        "    for index in (bot.INDEX, worse_bot.INDEX):\n"
        "        scores = [score for _, score in index.search(question)[:2]] + [0, 0]\n"
        "        certain = scores[0] < bot.LEAST_SCORE or scores[0] - scores[1] > 0.01\n"
        "        if abs(scores[0] - bot.LEAST_SCORE) < 0.01 or not certain:\n"
        "            print(question, scores)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=example, capture_output=True, text=True, check=True)
    assert done.stdout == ""


# --- the data --------------------------------------------------------------------------------------------------------


def test_the_dataset_asks_for_every_article_in_two_hundred_questions() -> None:
    articles = {article["id"] for article in json.loads((EXAMPLE / "articles.json").read_text(encoding="utf-8"))}
    questions = lines(EXAMPLE / "questions.jsonl")
    asked = Counter(question["ground_truth"]["article"] for question in questions)
    assert len(questions) == 200
    assert len({question["id"] for question in questions}) == 200
    assert len({question["inputs"]["question"].lower() for question in questions}) == 200
    assert asked.keys() == articles | {"unknown"}
    assert min(asked.values()) >= 7


def test_the_baseline_is_a_run_of_these_questions_and_these_evaluators(example: Path) -> None:
    honeyhive(example, "run", "--out", "run.jsonl")
    recorded, fresh = lines(EXAMPLE / "baseline.jsonl")[0], lines(example / "run.jsonl")[0]
    assert recorded["dataset"]["sha256"] == hashlib.sha256((EXAMPLE / "questions.jsonl").read_bytes()).hexdigest()
    for key in ("name", "dataset_id", "evaluators", "repeats", "expected"):
        assert recorded[key] == fresh[key]


def test_the_baseline_is_what_the_bot_says_when_it_cannot_read_misspelt_words(earlier: Path) -> None:
    done = honeyhive(earlier, "run", "--out", "run.jsonl")
    assert done.returncode == 0, done.stderr
    assert outcomes(earlier / "run.jsonl") == outcomes(EXAMPLE / "baseline.jsonl")


def test_the_baseline_says_nothing_of_the_machine_it_was_made_on() -> None:
    recorded = (EXAMPLE / "baseline.jsonl").read_text(encoding="utf-8")
    header = json.loads(recorded.splitlines()[0])
    assert header["git"]["author_name"] == "Support bot"
    assert header["git"]["is_dirty"] is False
    assert header["dataset"]["path"] == "examples/support-bot/questions.jsonl"
    assert header["environment"].keys() == {"python", "honeyhive", "system"}
    assert not re.search(r"/(home|root|tmp|work|Users|private)/|\\\\Users", recorded)


def record_baseline() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = copied_into(Path(place), ALIKE="1")
        done = honeyhive(folder, "run", "--max-workers", "1", "--out", "run.jsonl")
        print(done.stdout, done.stderr)
        done.check_returncode()
        shutil.copyfile(folder / "run.jsonl", EXAMPLE / "baseline.jsonl")


if __name__ == "__main__":
    record_baseline()
