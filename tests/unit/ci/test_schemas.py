"""The schemas describe what is read and written: what passes one passes the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from builders import write_run
from honeyhive.ci.config import ConfigFile
from honeyhive.ci.reporting import finding_json, judge_files
from honeyhive.ci.schemas import schema_of, schema_text
from honeyhive.ci.settings import load_settings

EXPERIMENT = {"name": "qa", "function": "app:answer", "dataset": "qa.jsonl"}
RIGHT: list[dict[str, Any]] = [
    {"evaluators": "app:a", "timeout": "60s", "inputs": "q"},
    {"evaluators": ["app:a"], "timeout": 0.5, "inputs": ["q", "r"], "max-workers": 16},
    {"thresholds": {"a": {"min": "35%", "max-drop": 0.02, "range": [0, 10], "direction": "higher", "kind": "score"}}},
]
WRONG: list[dict[str, Any]] = [
    {"evaluators": 1},
    {"max-workers": 0},
    {"max-workers": 1001},
    {"max-workers": "3"},
    {"name": "a/b"},
    {"thresholds": {"a": {"mni": 1}}},
    {"thresholds": {"a": {}}},
    {"thresholds": {"a": {"kind": "latency"}}},
    {"max_workers": 3},
]


@pytest.mark.parametrize("what", ["config", "comparison"])
def test_a_schema_is_one_and_says_what_it_describes(what: str) -> None:
    schema = json.loads(schema_text(what))
    Draft202012Validator.check_schema(schema)
    assert schema == schema_of(what)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] in ("honeyhive.yml", "HoneyHive comparison")


@pytest.mark.parametrize("fields", RIGHT)
def test_what_the_schema_accepts_the_file_may_say(fields: dict[str, Any]) -> None:
    config = {"version": 1, "experiments": [EXPERIMENT | fields]}
    Draft202012Validator(schema_of("config")).validate(config)
    ConfigFile.model_validate(config).experiments[0].parsed_thresholds()


@pytest.mark.parametrize("fields", WRONG, ids=str)
def test_what_the_file_may_not_say_the_schema_refuses(fields: dict[str, Any]) -> None:
    config = {"version": 1, "experiments": [EXPERIMENT | fields]}
    assert not Draft202012Validator(schema_of("config")).is_valid(config)


def test_a_comparison_is_what_its_schema_says(tmp_path: Path) -> None:
    ours = write_run(tmp_path / "ours.jsonl", {f"EXT-{n}": {"correct": n > 3} for n in range(10)})
    theirs = write_run(tmp_path / "theirs.jsonl", {f"EXT-{n}": {"correct": n > 1} for n in range(10)})
    settings = load_settings({"thresholds": "correct: {max-drop: 0.02}"}, {}, directory=tmp_path, whole=False)
    found = finding_json(judge_files(ours, theirs, settings).finding)
    Draft202012Validator(schema_of("comparison")).validate(json.loads(json.dumps(found)))
    assert found["checks"]
    assert found["changes"]
