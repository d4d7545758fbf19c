"""What to do, settled: flags over action inputs over `honeyhive.yml`. The only module that reads inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from honeyhive.ci.config import (
    CONFIG_FILE,
    MOST,
    ConfigFile,
    ExperimentConfig,
    Names,
    Seconds,
    explain,
    kebab,
    read_config,
)
from honeyhive.documents import Malformed, load_yaml, shown
from honeyhive.errors import ConfigError, InputError
from honeyhive.gate.entries import did_you_mean
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.gate.verdict import Policies, Policy
from honeyhive.result import RunResult

FORBIDDEN_NAMES = (
    "GITHUB_TOKEN", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_PATH",
    "HH_API_KEY", "HONEYHIVE_API_KEY",
)  # fmt: skip
FORBIDDEN_PREFIXES = ("INPUT_", "ACTIONS_")
AUTO, NO_BASELINE, RERUN = "auto", "none", "rerun"


def _to_integer(value: Any) -> Any:
    """Inputs and flags are text; what is no number is left for the complaint."""
    return int(value) if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() else value


def _to_switch(value: Any) -> Any:
    """`true` and `false`, in the spellings that YAML has for them."""
    known = {"true": True, "false": False}
    if isinstance(value, str) and value.strip().lower() in known:
        return known[value.strip().lower()]
    if isinstance(value, bool):
        return value
    raise ValueError("should be true or false")


class Mode(StrEnum):
    """What the action does."""

    GATE = "gate"
    PUBLISH = "publish"


Texts = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
Switch = Annotated[bool, BeforeValidator(_to_switch)]
_Integer = Annotated[int, BeforeValidator(_to_integer), Field(ge=1, strict=True)]


class Inputs(BaseModel):
    """What flags or action inputs say; `None` where they say nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=kebab, populate_by_name=True)

    config: str | None = Field(None, description="the configuration file (default: honeyhive.yml)")
    experiment: Annotated[Names | None, Field(description="which experiments of it (default: all)")] = None
    function: str | None = Field(None, description="the function under test, as module:callable")
    dataset: str | None = Field(None, description="the dataset's path in the repository")
    evaluators: Names | None = Field(None, description="what scores an output: module:callable, one or several")
    inputs: Names | None = Field(None, description="flat rows: the columns that are inputs")
    ground_truth: str | None = Field(None, description="flat rows: the column that holds the expected answer")
    id: str | None = Field(None, description="flat rows: the column that holds the datapoint's id")
    thresholds: Texts | None = Field(
        None, description="what is allowed, for use without a file: 'accuracy: {max-drop: 0.02}'"
    )
    max_workers: _Integer | None = Field(None, le=MOST, description="how many datapoints run at the same time")
    repeats: _Integer | None = Field(None, le=MOST, description="how often each datapoint runs")
    timeout: Seconds | None = Field(None, description="time for each call of the function: 60s")
    time_limit: Seconds | None = Field(None, description="time for the whole run of one experiment: 20m")
    limit: _Integer | None = Field(None, description="run only the first so many datapoints")
    baseline: str | None = Field(
        None, description="what to compare with: auto, none, rerun, a run file, a run's id, a commit or branch"
    )
    store: str | None = Field(
        None, description="where runs are kept for the next gates: git:BRANCH, file:DIR, honeyhive:"
    )
    paths: Names | None = Field(None, description="run only if one of these files has changed, as in .gitignore")
    on_undecided: Policy | None = Field(None, description="when the data cannot tell: warn or fail")
    on_missing_baseline: Policy | None = Field(None, description="when there is no baseline: warn or fail")
    on_incomparable: Policy | None = Field(None, description="when dataset or evaluator changed: fail or warn")
    install: str | None = Field(None, description="requirements file, pyproject folder or packages for your code")
    python_version: str | None = Field(None, description="the Python that your code runs on, with install")
    python_path: Names | None = Field(None, description="folders to import your code from")
    pass_env: Names | None = Field(None, description="environment variables that your code may see")
    working_directory: str | None = Field(None, description="where everything is relative to")
    api_key: str | None = Field(None, repr=False, description="your HoneyHive key: the runs appear there too")
    project: str | None = Field(None, description="the project on HoneyHive (default: the one of the key)")
    server_url: str | None = Field(None, description="the address of HoneyHive's API, if it is your own")
    mode: Mode | None = Field(None, description="gate, or publish: post the report that another job has made")
    github_token: str | None = Field(None, repr=False, description="the job's token: reads the base, comments, saves")
    comment: Switch | None = Field(None, description="whether to comment on the pull request: true or false")
    comment_key: str | None = Field(None, description="tells the jobs of a matrix apart in the comment")
    check_run: str | None = Field(
        None, description="the name of a check run to make besides the job's own (default: none)"
    )
    strict_reporting: Switch | None = Field(None, description="fail when something cannot be reported: true or false")
    allow_pull_request_target: Switch | None = Field(
        None, description="run on pull_request_target, with the code of the base: true or false"
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that a command needs to know of what the user wants."""

    experiments: tuple[ExperimentConfig, ...]
    policies: Policies = field(default_factory=Policies)
    limit: int | None = None
    install: str | None = None
    python_version: str | None = None
    python_path: tuple[str, ...] = ()
    pass_env: tuple[str, ...] = ()
    time_limit: float | None = None
    config_file: str | None = None
    directory: Path = field(default_factory=Path.cwd)
    api_key: str | None = field(default=None, repr=False)
    project: str | None = None
    server_url: str | None = None
    mode: Mode = Mode.GATE
    store: str | None = None
    github_token: str | None = field(default=None, repr=False)
    comment: bool = True
    comment_key: str = ""
    check_run: str | None = None
    strict_reporting: bool = False
    allow_pull_request_target: bool = False

    def experiment_of(self, run: RunResult) -> ExperimentConfig:
        """The experiment that a run is of: the one with its name, or the only one; `InputError` where neither is."""
        named = [experiment for experiment in self.experiments if experiment.name == run.name]
        if not named and len(self.experiments) > 1:
            raise InputError(
                f"the run is of {shown(run.name)}, which the configuration does not have",
                hint="choose with --experiment",
            )
        return (named or list(self.experiments))[0]


def action_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    """The inputs of a GitHub Action: `INPUT_<NAME>`, the name in upper case with its hyphens; empty is not given."""
    names = [definition.alias or name for name, definition in Inputs.model_fields.items()]
    found = {name: environ.get(f"INPUT_{name.upper()}", "").strip() for name in names}
    return {name: value for name, value in found.items() if value}


def load_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], *, directory: Path, whole: bool = True
) -> Settings:
    """The settings that `flags` (by kebab-case name) over action inputs over the configuration file come to.

    Without `whole`, an experiment need not name function and dataset: enough for `compare`, which runs nothing.
    Raises `ConfigError` that names the input or the line of the file.
    """
    inputs = _parse_inputs({**action_inputs(environ), **flags})
    directory = _working_directory(inputs, directory)
    config, config_file = _config(inputs, directory)
    settings = Settings(
        experiments=_experiments(inputs, None if _says_it_all(inputs, whole=whole) else config, whole=whole),
        policies=_policies(inputs, config),
        limit=inputs.limit,
        install=inputs.install or (config.install if config else None),
        python_version=inputs.python_version or (config.python_version if config else None),
        python_path=_either(inputs.python_path, config.python_path if config else ()),
        pass_env=_either(inputs.pass_env, config.pass_env if config else ()),
        time_limit=inputs.time_limit or (config.time_limit if config else None),
        config_file=config_file,
        directory=directory,
        api_key=inputs.api_key,
        project=inputs.project,
        server_url=inputs.server_url,
        mode=inputs.mode or Mode.GATE,
        store=inputs.store or (config.store if config else None),
        github_token=inputs.github_token,
        comment=inputs.comment is not False,
        comment_key=inputs.comment_key or "",
        check_run=inputs.check_run,
        strict_reporting=bool(inputs.strict_reporting),
        allow_pull_request_target=bool(inputs.allow_pull_request_target),
    )
    _refuse_names(settings.pass_env)
    if settings.python_version and not settings.install:
        raise ConfigError("python-version: only together with install", hint="name your requirements with install")
    return settings


def _parse_inputs(given: Mapping[str, Any]) -> Inputs:
    try:
        return Inputs.model_validate(dict(given))
    except ValidationError as error:
        message, hint = explain(error.errors(include_url=False)[0], Inputs)
        raise ConfigError(message, hint=hint) from error


def _working_directory(inputs: Inputs, directory: Path) -> Path:
    if inputs.working_directory is None:
        return directory
    chosen = directory / inputs.working_directory
    if not chosen.is_dir():
        raise ConfigError(
            f"working-directory: there is no folder {shown(inputs.working_directory)}",
            hint=f"it is looked for in {directory}",
        )
    return chosen.resolve()


def _config(inputs: Inputs, directory: Path) -> tuple[ConfigFile | None, str | None]:
    """The configuration file, where one is named or is there: its policies hold whatever else is given."""
    name = inputs.config or CONFIG_FILE
    if inputs.config is None and not (directory / name).exists():
        return None, None
    return read_config(directory / name, name), name


def _says_it_all(inputs: Inputs, *, whole: bool) -> bool:
    """Whether the inputs are an experiment of their own: the file's are left aside then, its policies are not."""
    complete = inputs.function is not None and inputs.dataset is not None if whole else inputs.thresholds is not None
    return complete and inputs.config is None


def _experiments(inputs: Inputs, config: ConfigFile | None, *, whole: bool) -> tuple[ExperimentConfig, ...]:
    if config is None:
        return (_experiment_of_flags(inputs, whole=whole),)
    selected = _selected(inputs.experiment, config.experiments)
    overrides = _overrides(inputs)
    own = sorted({"function", "dataset", "evaluators", "baseline", "thresholds"} & overrides.keys())
    if len(selected) > 1 and own and own != ["baseline"]:
        raise ConfigError(
            f"{own[0]}: given for {len(selected)} experiments at once", hint="choose one of them with experiment"
        )
    if len(selected) > 1 and overrides.get("baseline", NO_BASELINE) != NO_BASELINE:
        raise ConfigError(
            f"baseline: one file given for {len(selected)} experiments",
            hint="choose one of them with experiment, or set `baseline` of each in the file",
        )
    return tuple(experiment.model_copy(update=overrides) for experiment in selected)


def _experiment_of_flags(inputs: Inputs, *, whole: bool) -> ExperimentConfig:
    missing = [name for name in ("function", "dataset") if getattr(inputs, name) is None]
    if whole and missing:
        raise ConfigError(
            f"there is no {CONFIG_FILE} here, and no {' and no '.join(missing)} given",
            hint=f"write a {CONFIG_FILE}, name one with --config, or give --function and --dataset",
        )
    names = inputs.experiment or (_named_after(inputs.function),)
    if len(names) != 1:
        raise ConfigError("experiment: several names, and no configuration file that has them", hint="give one name")
    given = {"name": names[0], "function": inputs.function or "", "dataset": inputs.dataset or "", **_overrides(inputs)}
    try:
        return ExperimentConfig.model_validate(given)
    except ValidationError as error:
        message, hint = explain(error.errors(include_url=False)[0], ExperimentConfig)
        raise ConfigError(message, hint=hint) from error


def _named_after(function: str | None) -> str:
    """A name for the experiment that has none, such as `answer` for `app:Bot.answer`."""
    attribute = (function or "").rpartition(":")[2].rpartition(".")[2]
    return re.sub(r"[^A-Za-z0-9_]", "", attribute).lstrip("_")[:100] or "experiment"


def _selected(names: Sequence[str] | None, experiments: tuple[ExperimentConfig, ...]) -> tuple[ExperimentConfig, ...]:
    if not names:
        return experiments
    known = {experiment.name: experiment for experiment in experiments}
    for name in names:
        if name not in known:
            raise ConfigError(f"experiment: there is no {shown(name)}", hint=did_you_mean(name, tuple(known)))
    return tuple(known[name] for name in dict.fromkeys(names))


def _overrides(inputs: Inputs) -> dict[str, Any]:
    """What the inputs say of an experiment, by field name."""
    fields = ("function", "dataset", "evaluators", "inputs", "ground_truth", "id", "max_workers", "repeats", "timeout")
    given = {
        name: getattr(inputs, name) for name in (*fields, "baseline", "paths") if getattr(inputs, name) is not None
    }
    if inputs.thresholds is not None:
        given["thresholds"] = _thresholds(inputs.thresholds)
    return given


def _thresholds(texts: Sequence[str]) -> Mapping[str, Any]:
    """What all the texts say; each is a mapping in one line, whose outer braces may be left out, or in several."""
    settings: dict[str, Any] = {}
    for text in texts:
        value = _mapping(text)
        parse_thresholds(value)
        twice = sorted(settings.keys() & value.keys())
        if twice:
            raise ConfigError(f"thresholds.{twice[0]}: given twice", hint="put its rules into one mapping")
        settings |= value
    parse_thresholds(settings)
    return settings


def _mapping(text: str) -> Any:
    try:
        return load_yaml(text).value
    except Malformed as error:
        try:
            return load_yaml(f"{{{text}}}").value
        except Malformed:
            place = f" (line {error.line}, column {error.column})"
            hint = "accuracy: {max-drop: 0.02}, errors: {max: 0}"
            raise ConfigError(f"thresholds: {error.message}{place}", hint=hint) from error


def _policies(inputs: Inputs, config: ConfigFile | None) -> Policies:
    usual = Policies()
    return Policies(
        on_undecided=inputs.on_undecided or (config.on_undecided if config else usual.on_undecided),
        on_missing_baseline=inputs.on_missing_baseline
        or (config.on_missing_baseline if config else usual.on_missing_baseline),
        on_incomparable=inputs.on_incomparable or (config.on_incomparable if config else usual.on_incomparable),
    )


def _either(given: tuple[str, ...] | None, otherwise: tuple[str, ...]) -> tuple[str, ...]:
    return otherwise if given is None else given


def _refuse_names(names: Sequence[str]) -> None:
    """Refuse to pass on what would let the user's code act as the job, and what is no name at all."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
            raise ConfigError(
                f"pass-env: {shown(name)} is not the name of a variable", hint="commas or lines part several names"
            )
        if name.upper() in FORBIDDEN_NAMES or name.upper().startswith(FORBIDDEN_PREFIXES):
            raise ConfigError(
                f"pass-env: {name} is never passed to your code",
                hint="with it, code of a pull request could act as the job, or as you",
            )
