"""Whatever a workflow gives as inputs: settings within their bounds, or a complaint that names the input."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.config import MOST
from honeyhive.ci.inputs import Inputs, action_inputs, read_inputs
from honeyhive.ci.settings import FORBIDDEN_NAMES, FORBIDDEN_PREFIXES, load_settings
from honeyhive.errors import ConfigError
from often import OFTEN
from properties.accidents import ODD
from properties.readings import explained

NAMES = [definition.alias or name for name, definition in Inputs.model_fields.items()]
WRITTEN = [
    *("1", "0", "-1", "1001", "999999999999999999999", "٣", "²", "1.5", "1e3", " 7\n", "true", "FALSE", "yes"),
    *("60s", "0s", "10m", "240h", "1e9s", "0.0000001ms", "nan", "inf", "warn", "fail", "gate", "publish"),
    *("auto", "none", "rerun", "git:x", "file:../..", "app:f", "accuracy: {min: 1}", "a: [", "*a", "{}", "..", "/"),
    *("a, b,\n,c", "GITHUB_TOKEN", "INPUT_API-KEY, PATH", "github_token", "HOME", "ACTIONS_RUNTIME_TOKEN"),
    *(
        '{"python": "3.11"}',
        "null",
        "[1, 2]",
        '{"a": {"b": "\\u0000"}}',
        "\x1b[2J",
        "::error::EVIL",
        "a\n::error::EVIL",
    ),
]
TEXTS = st.sampled_from(WRITTEN) | st.text(st.characters(codec="utf-8"), max_size=12)
GIVEN = st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@OFTEN
@given(GIVEN)
def test_any_inputs_are_within_their_bounds_or_refused(given_: dict[str, str]) -> None:
    environ = {f"INPUT_{name.upper()}": value for name, value in given_.items()}
    try:
        inputs = read_inputs({}, environ)
    except ConfigError as error:
        explained(error, 2)
        named = error.message
    else:
        named = ""
        within_bounds(inputs, given_)
    assert named == "" or named.startswith(tuple(action_inputs(environ)))


def within_bounds(inputs: Inputs, given_: dict[str, str]) -> None:
    for count in (inputs.max_workers, inputs.repeats):
        assert count is None or 1 <= count <= MOST
    assert inputs.limit is None or inputs.limit >= 1
    for seconds in (inputs.timeout, inputs.time_limit):
        assert seconds is None or 0 < seconds < 10 * 24 * 3600
    assert inputs.comment_key is None or len(inputs.comment_key.splitlines()) == 1
    said = {name for name, value in given_.items() if value.strip()}
    assert {alias for alias, value in inputs.model_dump(by_alias=True).items() if value is not None} <= said


@OFTEN
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), ODD, max_size=3))
def test_any_flags_are_settings_or_refused(flags: dict[str, object]) -> None:
    try:
        read_inputs(flags, {})
    except ConfigError as error:
        explained(error, 2)


@OFTEN
@given(GIVEN)
def test_whatever_is_given_no_variable_of_the_job_reaches_the_users_code(folder: Path, given_: dict[str, str]) -> None:
    environ = {f"INPUT_{name.upper()}": value for name, value in given_.items()}
    try:
        settings = load_settings({"function": "app:f", "dataset": "a.jsonl"}, environ, directory=folder)
    except ConfigError as error:
        explained(error, 2, file=error.file)
        return
    for name in settings.pass_env:
        assert name.upper() not in FORBIDDEN_NAMES
        assert not name.upper().startswith(FORBIDDEN_PREFIXES)
    assert settings.experiments
