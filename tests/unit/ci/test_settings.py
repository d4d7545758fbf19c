"""Flags over action inputs over honeyhive.yml; and nothing of the job for the user's code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from honeyhive.ci.settings import Inputs, Settings, action_inputs, load_settings
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Rule
from honeyhive.gate.thresholds import Margin
from honeyhive.gate.verdict import Policies, Policy

CONFIG = """\
version: 1
experiments:
  - {name: qa, function: app:answer, dataset: qa.jsonl, evaluators: app:exact, thresholds: {exact: {min: 0.5}}}
  - {name: safety, function: app:answer, dataset: safety.jsonl, repeats: 3}
on-undecided: fail
install: requirements.txt
python-version: "3.12"
python-path: src
pass-env: FROM_FILE
time-limit: 1h
"""
FLAGS = {"function": "app:answer", "dataset": "qa.jsonl"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with honeyhive.yml."""
    (tmp_path / "honeyhive.yml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def load(folder: Path, flags: Mapping[str, Any], /, whole: bool = True, **inputs: str) -> Settings:
    environ = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
    return load_settings(flags, environ, directory=folder, whole=whole)


def refused(folder: Path, flags: Mapping[str, Any], /, whole: bool = True, **inputs: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, flags, whole, **inputs)
    return str(caught.value)


# --- who is heard ----------------------------------------------------------------------------------------------------


def test_the_file_alone_is_enough(folder: Path) -> None:
    settings = load(folder, {})
    assert [experiment.name for experiment in settings.experiments] == ["qa", "safety"]
    assert settings.policies == Policies(on_undecided=Policy.FAIL)
    assert (settings.install, settings.python_version) == ("requirements.txt", "3.12")
    assert (settings.python_path, settings.pass_env, settings.time_limit) == (("src",), ("FROM_FILE",), 3600)
    assert (settings.config_file, settings.directory, settings.limit) == ("honeyhive.yml", folder, None)


def test_an_input_goes_over_the_file(folder: Path) -> None:
    settings = load(folder, {}, on_undecided="warn", max_workers="3", time_limit="5m", python_path="lib", limit="7")
    assert settings.policies.on_undecided is Policy.WARN
    assert [experiment.max_workers for experiment in settings.experiments] == [3, 3]
    assert (settings.time_limit, settings.python_path, settings.limit) == (300, ("lib",), 7)


def test_a_flag_goes_over_an_input(folder: Path) -> None:
    settings = load(folder, {"max-workers": "4", "pass-env": ("A,B", "C")}, max_workers="3", pass_env="D")
    assert settings.experiments[0].max_workers == 4
    assert settings.pass_env == ("A", "B", "C")


def test_every_policy_can_be_set_from_outside(tmp_path: Path) -> None:
    words = {"on-undecided": "fail", "on-missing-baseline": "fail", "on-incomparable": "warn"}
    assert load(tmp_path, FLAGS | words).policies == Policies(
        on_undecided=Policy.FAIL, on_missing_baseline=Policy.FAIL, on_incomparable=Policy.WARN
    )
    assert load(tmp_path, FLAGS).policies == Policies()


def test_an_input_that_is_empty_or_blank_is_not_given() -> None:
    assert action_inputs({"INPUT_CONFIG": "", "INPUT_DATASET": " \n", "INPUT_MAX-WORKERS": " 3 "}) == {
        "max-workers": "3"
    }


def test_what_the_job_has_besides_inputs_is_no_setting(folder: Path) -> None:
    environ = {"CONFIG": "other.yml", "MAX_WORKERS": "3", "INPUT_MAX_WORKERS": "3", "INPUT_UNKNOWN": "x"}
    assert load_settings({}, environ, directory=folder).experiments[0].max_workers == 10


def test_an_empty_list_in_a_flag_leaves_nothing_of_the_file(folder: Path) -> None:
    assert load(folder, {"pass-env": ","}).pass_env == ()


# --- which experiments -----------------------------------------------------------------------------------------------


def test_experiments_can_be_chosen_in_any_order_and_once(folder: Path) -> None:
    chosen = load(folder, {"experiment": ("safety", "qa,safety")}).experiments
    assert [experiment.name for experiment in chosen] == ["safety", "qa"]


def test_an_unknown_experiment_is_refused_with_the_nearest_name(folder: Path) -> None:
    assert refused(folder, {"experiment": ("safty",)}) == (
        'experiment: there is no "safty" (did you mean safety? known: qa, safety)'
    )


def test_what_belongs_to_one_experiment_is_not_given_to_several(folder: Path) -> None:
    assert "dataset: given for 2 experiments at once" in refused(folder, {"dataset": "x.jsonl"})
    assert "baseline: one file given for 2 experiments" in refused(folder, {"baseline": "main.jsonl"})
    assert load(folder, {"dataset": "x.jsonl"}, experiment="qa").experiments[0].dataset == "x.jsonl"
    assert [experiment.baseline for experiment in load(folder, {"baseline": "none"}).experiments] == ["none", "none"]


@pytest.mark.parametrize(
    "given",
    [
        "exact: {min: 0.5}, errors: {max: 0}",
        "{exact: {min: 0.5}, errors: {max: 0}}",
        "exact: {min: 0.5}\nerrors: {max: 0}",
        ("exact: {min: 0.5}", "errors: {max: 0}"),
    ],
)
def test_several_thresholds_are_one_line_several_or_given_one_by_one(folder: Path, given: Any) -> None:
    (experiment,) = load(folder, {"thresholds": given}, whole=False).experiments
    assert {threshold.name for threshold in experiment.parsed_thresholds()} == {"exact", "errors"}


def test_rules_of_one_metric_given_twice_are_refused(folder: Path) -> None:
    said = refused(folder, {"thresholds": ("exact: {min: 0.5}", "exact: {max-drop: 0}")}, whole=False)
    assert said == "thresholds.exact: given twice (put its rules into one mapping)"


def test_thresholds_from_outside_take_the_place_of_those_in_the_file(folder: Path) -> None:
    given = load(folder, {}, experiment="qa", thresholds="exact: {max-drop: 1e-3}\nlatency_ms: {max: 500ms}")
    exact, latency = given.experiments[0].parsed_thresholds()
    assert (exact.bounds, exact.margins) == ({}, {Rule.MAX_DROP: Margin(value=0.001)})
    assert latency.bounds == {Rule.MAX: 500}


# --- without a file --------------------------------------------------------------------------------------------------


def test_function_and_dataset_need_no_file(tmp_path: Path) -> None:
    flags = {**FLAGS, "evaluators": ("app:a, app:b", "app:c"), "inputs": ("q",), "ground-truth": "a", "id": "qid"}
    (experiment,) = load(tmp_path, flags, timeout="30s", repeats="2").experiments
    assert experiment.name == "answer"
    assert experiment.evaluators == ("app:a", "app:b", "app:c")
    assert (experiment.inputs, experiment.ground_truth, experiment.id) == (("q",), "a", "qid")
    assert (experiment.timeout, experiment.repeats) == (30, 2)


def test_function_and_dataset_together_leave_the_files_experiments_aside_and_not_its_policies(folder: Path) -> None:
    before = load(folder, {})
    (folder / "honeyhive.yml").write_text((folder / "honeyhive.yml").read_text() + "\non-missing-baseline: fail\n")
    settings = load(folder, FLAGS)
    assert settings.experiments[0].function == FLAGS["function"]
    assert settings.experiments[0].name not in {experiment.name for experiment in before.experiments}
    assert settings.policies.on_missing_baseline is Policy.FAIL
    (folder / "honeyhive.yml").write_text("not: right")
    assert "not: unknown key" in refused(folder, FLAGS)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("app:answer", "answer"),
        ("app:Bot.answer", "answer"),
        ("app:_answer", "answer"),
        ("app:réponse", "rponse"),
        ("app:答", "experiment"),
        ("no colon", "nocolon"),
    ],
)
def test_an_experiment_without_a_name_is_called_after_its_function(tmp_path: Path, function: str, name: str) -> None:
    assert load(tmp_path, {**FLAGS, "function": function}).experiments[0].name == name


def test_without_a_file_the_experiment_can_be_named_once(tmp_path: Path) -> None:
    assert load(tmp_path, {**FLAGS, "experiment": ("qa",)}).experiments[0].name == "qa"
    assert "several names, and no configuration file" in refused(tmp_path, {**FLAGS, "experiment": ("a", "b")})
    assert '"a/b" is no name' in refused(tmp_path, {**FLAGS, "experiment": ("a/b",)})


def test_where_nothing_says_what_to_run_the_ways_to_say_it_are_named(tmp_path: Path) -> None:
    said = refused(tmp_path, {})
    assert said.startswith("there is no honeyhive.yml here, and no function and no dataset given")
    assert "--config" in said
    assert "no dataset given" in refused(tmp_path, {"function": "app:answer"})


def test_to_compare_takes_no_experiment(tmp_path: Path, folder: Path) -> None:
    (experiment,) = load(tmp_path / "elsewhere", {"thresholds": "exact: {min: 0.5}"}, whole=False).experiments
    assert (experiment.name, experiment.function) == ("experiment", "")
    assert load(folder, {}, whole=False).config_file == "honeyhive.yml"
    with_policies = load(folder, {"thresholds": "exact: {min: 0.5}"}, whole=False)
    assert with_policies.experiments[0].function == ""
    assert with_policies.config_file == "honeyhive.yml"


# --- where -----------------------------------------------------------------------------------------------------------


def test_everything_is_relative_to_the_working_directory(folder: Path) -> None:
    (folder / "evals").mkdir()
    (folder / "evals" / "honeyhive.yml").write_text(CONFIG)
    settings = load(folder, {}, working_directory="evals/../evals")
    assert settings.directory == (folder / "evals").resolve()


def test_a_working_directory_that_is_not_there_is_named(folder: Path) -> None:
    said = refused(folder, {"working-directory": "evalz"})
    assert said == f'working-directory: there is no folder "evalz" (it is looked for in {folder})'


def test_a_file_that_is_named_has_to_be_there(folder: Path) -> None:
    assert refused(folder, {"config": "other.yml"}) == (
        "other.yml: no such file (create it, or name another with --config)"
    )


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("max-workers", "many", 'max-workers: should be a whole number, not "many"'),
        ("max-workers", "5000", 'max-workers: should be less than or equal to 1000, not "5000"'),
        ("repeats", "0", 'repeats: should be greater than or equal to 1, not "0"'),
        ("limit", "-1", 'limit: should be a whole number, not "-1"'),
        ("timeout", "soon", 'timeout: not a time: write 60s, 500ms, 2m or 1h, not "soon"'),
        ("on-undecided", "ignore", "on-undecided: should be 'warn' or 'fail', not \"ignore\""),
        ("thresholds", "exact: [", "thresholds: "),
        ("thresholds", "exact", 'thresholds: str "exact" where a mapping of metrics belongs'),
        ("thresholds", "exact: {mni: 1}", 'thresholds.exact: unknown rule "mni"'),
    ],
)
def test_an_input_that_makes_no_sense_is_named_with_what_would(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    as_input = {f"INPUT_{name.upper()}": value}
    with pytest.raises(ConfigError) as caught:
        load_settings(FLAGS, as_input, directory=tmp_path)
    for given in (refused(tmp_path, {**FLAGS, name: value}), str(caught.value)):
        assert given.startswith(said)
        assert given.endswith(")"), "there is no hint"


def test_a_flag_that_is_no_setting_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, {**FLAGS, "evaluatorz": "x"}).startswith(
        "evaluatorz: unknown key (did you mean evaluators?"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "github_token", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"),
        *("GITHUB_PATH", "INPUT_GITHUB-TOKEN", "Input_x", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    ],
)
def test_what_could_act_as_the_job_is_never_passed_on(folder: Path, name: str) -> None:
    said = refused(folder, {"pass-env": f"OPENAI_API_KEY,{name}"})
    assert said.startswith(f"pass-env: {name} is never passed to your code")


def test_what_is_no_name_of_a_variable_is_not_passed_on_in_silence(folder: Path) -> None:
    assert refused(folder, {"pass-env": "A B"}) == (
        'pass-env: "A B" is not the name of a variable (commas or lines part several names)'
    )


def test_another_python_takes_requirements_to_install(tmp_path: Path) -> None:
    assert refused(tmp_path, {**FLAGS, "python-version": "3.12"}) == (
        "python-version: only together with install (name your requirements with install)"
    )
    assert load(tmp_path, {**FLAGS, "python-version": "3.12", "install": "six"}).python_version == "3.12"


@pytest.mark.parametrize("name", Inputs.model_fields)
def test_every_input_says_what_it_is(name: str) -> None:
    assert Inputs.model_fields[name].description
