"""Flags over action inputs over honeyhive.yml; and nothing of the job for the user's code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from honeyhive.ci.config import parse_config
from honeyhive.ci.settings import (
    Inputs,
    Mode,
    NoConfig,
    Settings,
    action_inputs,
    config_name,
    is_path,
    load_settings,
    read_inputs,
)
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
        ("mode", "judge", "mode: should be 'gate' or 'publish', not \"judge\""),
        ("comment", "maybe", 'comment: should be true or false, not "maybe"'),
        ("strict-reporting", "1", 'strict-reporting: should be true or false, not "1"'),
        ("allow-pull-request-target", "yes", 'allow-pull-request-target: should be true or false, not "yes"'),
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


# --- what is told where ----------------------------------------------------------------------------------------------


def test_where_nothing_is_said_it_comments_and_makes_no_check_run(tmp_path: Path) -> None:
    settings = load(tmp_path, FLAGS)
    assert (settings.comment, settings.check_run) == (True, None)
    assert settings.strict_reporting is False
    assert (settings.store, settings.own_gate) == (None, ())


def test_what_is_told_where_can_be_said(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        FLAGS,
        comment="False",
        check_run="evals",
        strict_reporting=" true ",
        store="file:runs",
    )
    assert (settings.comment, settings.check_run) == (False, "evals")
    assert (settings.strict_reporting, settings.store) == (True, "file:runs")


def test_no_token_and_no_key_is_ever_shown(tmp_path: Path) -> None:
    environ = {"INPUT_GITHUB-TOKEN": "ghs_secret", "INPUT_API-KEY": "hh_secret"}
    shown = f"{read_inputs(FLAGS, environ)!r} {load_settings(FLAGS, environ, directory=tmp_path)!r}"
    assert "secret" not in shown
    with pytest.raises(ConfigError) as caught:
        read_inputs({"github-token": ["ghs_secret"]}, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("null", None),
        ("{}", None),
        ("  ", None),
        ('{\n  "python": "3.12",\n  "os": "ubuntu-latest"\n}', "python: 3.12, os: ubuntu-latest"),
        ('{"n": 3, "fast": true, "case": {"a": [1, 2]}}', 'n: 3, fast: true, case: {"a":[1,2]}'),
        ("my own\nkey", "my own key"),
        ("3.12", "3.12"),
        ("{not json", "{not json"),
    ],
)
def test_a_matrix_is_a_key_in_one_line_and_no_matrix_is_none(given: str, key: str | None) -> None:
    assert read_inputs({}, {"INPUT_COMMENT-KEY": given}).comment_key == key
    assert read_inputs({"comment-key": given}, {}).comment_key == key


def test_inputs_are_known_before_there_are_settings() -> None:
    inputs = read_inputs({}, {"INPUT_MODE": "publish", "INPUT_CONFIG": "evals/gate.yml"})
    assert (inputs.mode, config_name(inputs)) == (Mode.PUBLISH, "evals/gate.yml")
    assert config_name(read_inputs({}, {})) == "honeyhive.yml"


@pytest.mark.parametrize(
    ("baseline", "path"),
    [
        ("main.jsonl", True),
        ("runs/main.jsonl.gz", True),
        ("./main", True),
        ("/tmp/main", True),
        (".", True),
        ("auto", False),
        ("none", False),
        ("rerun", False),
        ("release/1.2", False),
        ("1a2b3c4", False),
        ("5f0c6c1e-8a53-4dd1-9a0c-0d1f7f0a2b11", False),
    ],
)
def test_a_path_of_a_run_file_is_told_from_a_commit_by_its_looks(baseline: str, path: bool) -> None:
    assert is_path(baseline) is path


def test_several_experiments_have_one_branch_to_compare_with_and_not_one_file(folder: Path) -> None:
    (folder / "main").write_text("a file called like a branch")
    for baseline in ("main", "rerun", "auto", "1a2b3c4"):
        found = load(folder, {"baseline": baseline}).experiments
        assert [experiment.baseline for experiment in found] == [baseline, baseline]
    assert "baseline: one file given for 2 experiments" in refused(folder, {"baseline": "./main"})
    assert load(folder, {"baseline": "./main"}, experiment="qa").experiments[0].baseline == "./main"


# --- by the rules of the base ----------------------------------------------------------------------------------------

BASE = parse_config(CONFIG, "honeyhive.yml of main")


def judged(folder: Path, own: str | None, flags: Mapping[str, Any] | None = None, **inputs: str) -> Settings:
    (folder / "honeyhive.yml").unlink(missing_ok=True)
    if own is not None:
        (folder / "honeyhive.yml").write_text(own, encoding="utf-8")
    environ = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
    return load_settings(flags or {}, environ, directory=folder, base=BASE)


def said(settings: Settings) -> list[str]:
    return [change.text for change in settings.own_gate]


def test_a_change_that_changes_no_rules_has_nothing_said_of_it(tmp_path: Path) -> None:
    settings = judged(tmp_path, CONFIG)
    assert settings == load(tmp_path, {})
    assert settings.own_gate == ()


def test_a_threshold_that_the_change_lowers_is_judged_by_the_old_one(tmp_path: Path) -> None:
    settings = judged(tmp_path, CONFIG.replace("min: 0.5", "min: 0.1").replace("on-undecided: fail", ""))
    assert settings.experiments == BASE.experiments
    assert settings.policies.on_undecided is Policy.FAIL
    assert said(settings) == [
        "`qa`: lowers `exact.min` 0.5 → 0.1; judged by 0.5",
        "changes `on-undecided` fail → warn; judged by fail",
    ]
    assert [(change.file, change.line) for change in settings.own_gate] == [("honeyhive.yml", 3), ("honeyhive.yml", 1)]


def test_a_change_without_the_file_is_judged_by_that_of_the_base(tmp_path: Path) -> None:
    settings = judged(tmp_path, None)
    assert settings.experiments == BASE.experiments
    assert settings.config_file == "honeyhive.yml"
    assert said(settings) == ["removes `honeyhive.yml`; judged by the rules of the base all the same"]
    named = judged(tmp_path, None, {"config": "honeyhive.yml"})
    assert named.experiments == BASE.experiments


def test_an_experiment_that_only_the_base_has_can_be_chosen(tmp_path: Path) -> None:
    own = "\n".join(line for line in CONFIG.splitlines() if "safety" not in line)
    settings = judged(tmp_path, own, {"experiment": ("safety",)})
    assert [experiment.name for experiment in settings.experiments] == ["safety"]
    assert said(settings) == ["removes the experiment `safety`; it is run as the base has it"]


def test_only_what_is_about_the_chosen_experiments_is_said(tmp_path: Path) -> None:
    own = CONFIG.replace("min: 0.5", "min: 0.1").replace("repeats: 3", "repeats: 1")
    assert said(judged(tmp_path, own, experiment="safety")) == ["`safety`: lowers `repeats` 3 → 1; judged by 3"]


def test_inputs_may_be_stricter_than_the_base_and_no_less(tmp_path: Path) -> None:
    flags = {"experiment": ("qa",), "thresholds": "exact: {min: 0.7}", "on-undecided": "warn", "repeats": "2"}
    settings = judged(tmp_path, CONFIG, flags, on_missing_baseline="fail", max_workers="3", store="file:mine")
    (experiment,) = settings.experiments
    assert experiment.thresholds == {"exact": {"min": 0.7}}
    assert (experiment.repeats, experiment.max_workers) == (2, 3)
    assert settings.policies == Policies(on_undecided=Policy.FAIL, on_missing_baseline=Policy.FAIL)
    assert settings.store is None
    assert said(settings) == [
        "by an input, changes `on-undecided` fail → warn; judged by fail",
        "by an input, changes `store` to `file:mine`; the usual one is used",
    ]
    assert judged(tmp_path, CONFIG, flags | {"thresholds": "exact: {min: 0}"}).experiments[0].thresholds == {
        "exact": {"min": 0.5}
    }


def test_the_store_of_the_base_is_not_changed_by_an_input(tmp_path: Path) -> None:
    base = parse_config(CONFIG + "store: 'git:runs'\n", "honeyhive.yml of main")
    (tmp_path / "honeyhive.yml").write_text(CONFIG + "store: 'git:runs'\n")
    settings = load_settings({"store": "file:mine"}, {}, directory=tmp_path, base=base)
    assert settings.store == "git:runs"
    assert said(settings) == ["by an input, changes `store` to `file:mine`; `git:runs` is used"]


def test_what_an_input_would_loosen_in_several_experiments_names_each(tmp_path: Path) -> None:
    assert said(judged(tmp_path, CONFIG, {"baseline": "none"})) == [
        "`qa`: by an input, changes `baseline` `auto` → `none`; judged by `auto`",
        "`safety`: by an input, changes `baseline` `auto` → `none`; judged by `auto`",
    ]


def test_an_experiment_that_inputs_describe_is_judged_by_the_base_where_the_base_has_it(tmp_path: Path) -> None:
    flags = {**FLAGS, "thresholds": "exact: {min: 0.1}"}
    (experiment,) = judged(tmp_path, CONFIG, {**flags, "experiment": ("qa",), "function": "app:other"}).experiments
    assert (experiment.function, experiment.thresholds) == ("app:other", {"exact": {"min": 0.5}})
    alone = judged(tmp_path, CONFIG, flags)
    assert alone.experiments[0].thresholds == {"exact": {"min": 0.1}}
    assert said(alone) == ["runs the experiment `answer`, which inputs alone describe: judged by its own rules"]


def test_where_the_base_has_no_file_a_change_is_judged_by_its_own_and_that_is_said(folder: Path) -> None:
    settings = load_settings({}, {}, directory=folder, base=NoConfig())
    assert settings.experiments == load(folder, {}).experiments
    assert said(settings)[0] == "is judged by its own rules: the base has no `honeyhive.yml` yet"
    with pytest.raises(ConfigError, match="no such file"):
        load_settings({"config": "other.yml"}, {}, directory=folder, base=NoConfig())


def test_where_the_base_has_no_file_a_change_gives_itself_nothing_of_the_job(folder: Path) -> None:
    file = folder / "honeyhive.yml"
    text = re.sub(r"^pass-env:.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE)
    file.write_text(f"{text}pass-env: [NPM_TOKEN]\nwritable: [build]\n", "utf-8")
    settings = load_settings({}, {}, directory=folder, base=NoConfig())
    assert (settings.pass_env, settings.writable) == ((), ())
    assert said(settings)[1:] == [
        "asks for `NPM_TOKEN` in `pass-env`: given from the merge on, or by the input `pass-env`",
        "asks for `build` in `writable`: given from the merge on, or by the input `writable`",
    ]
    given = load_settings({"pass-env": "OTHER"}, {}, directory=folder, base=NoConfig())
    assert given.pass_env == ("OTHER",)


def test_a_file_of_the_change_that_is_wrong_is_refused_whatever_the_base_says(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        judged(tmp_path, CONFIG + "polcies: {}\n")
