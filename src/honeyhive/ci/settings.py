"""What to do, settled: flags over action inputs over `honeyhive.yml`, or by the rules of the base."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from honeyhive.ci.account import refuse_places
from honeyhive.ci.config import ConfigFile, ExperimentConfig, WrittenConfig, read_config
from honeyhive.ci.inputs import Inputs, Mode, action_inputs, config_name, read_inputs
from honeyhive.ci.rules.own_gate import OwnGateChange
from honeyhive.ci.rules.settled import AUTO, NO_BASELINE, RERUN, by_base, by_itself, is_path
from honeyhive.ci.rules.tightening import NoConfig, without_base
from honeyhive.documents import shown
from honeyhive.errors import ConfigError, InputError
from honeyhive.gate.verdict import Policies
from honeyhive.result import RunResult

__all__ = [
    "AUTO",
    "NO_BASELINE",
    "RERUN",
    "Inputs",
    "Mode",
    "NoConfig",
    "Settings",
    "action_inputs",
    "config_name",
    "is_path",
    "load_settings",
    "read_inputs",
]

FORBIDDEN_NAMES = (
    "GITHUB_TOKEN", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_PATH",
    "HH_API_KEY", "HONEYHIVE_API_KEY",
)  # fmt: skip
FORBIDDEN_PREFIXES = ("INPUT_", "ACTIONS_")


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
    writable: tuple[str, ...] = ()
    time_limit: float | None = None
    config_file: str | None = None
    directory: Path = field(default_factory=Path.cwd)
    api_key: str | None = field(default=None, repr=False)
    project: str | None = None
    server_url: str | None = None
    store: str | None = None
    comment: bool = True
    check_run: str | None = None
    strict_reporting: bool = False
    template: str | None = None
    own_gate: tuple[OwnGateChange, ...] = ()
    """What the change does to the rules that judge it, where those are the base's."""

    def experiment_of(self, run: RunResult) -> ExperimentConfig:
        """The experiment that a run is of: the one with its name, or the only one; `InputError` where neither is."""
        named = [experiment for experiment in self.experiments if experiment.name == run.name]
        if not named and len(self.experiments) > 1:
            raise InputError(
                f"the run is of {shown(run.name)}, which the configuration does not have",
                hint="choose with --experiment",
            )
        return (named or list(self.experiments))[0]


def load_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    directory: Path,
    whole: bool = True,
    base: ConfigFile | NoConfig | None = None,
) -> Settings:
    """The settings that `flags` (by kebab-case name) over action inputs over the configuration file come to.

    Without `whole`, an experiment need not name function and dataset: enough for `compare`, which runs nothing. With
    a `base`, the change is judged by its rules: `own_gate` then says what it does to them. Raises `ConfigError` that
    names the input or the line of the file.
    """
    inputs = read_inputs(flags, environ)
    directory = _working_directory(inputs, directory)
    own = _own_config(inputs, directory, needed=not isinstance(base, ConfigFile))
    settled = by_base(inputs, base, own) if isinstance(base, ConfigFile) else by_itself(inputs, own, whole=whole)
    config = settled.config
    # What reaches the job's variables and files is for the base to give, or for the workflow.
    granting = None if isinstance(base, NoConfig) else config
    settings = Settings(
        experiments=settled.experiments,
        policies=settled.policies,
        limit=inputs.limit,
        install=inputs.install or (config.install if config else None),
        python_version=inputs.python_version or (config.python_version if config else None),
        python_path=_either(inputs.python_path, config.python_path if config else ()),
        pass_env=_either(inputs.pass_env, granting.pass_env if granting else ()),
        writable=_either(inputs.writable, granting.writable if granting else ()),
        time_limit=inputs.time_limit or (config.time_limit if config else None),
        config_file=config_name(inputs) if config else None,
        directory=directory,
        api_key=inputs.api_key,
        project=inputs.project,
        server_url=inputs.server_url,
        store=settled.store,
        comment=inputs.comment is not False,
        check_run=inputs.check_run or None,
        strict_reporting=bool(inputs.strict_reporting),
        template=config.template if config else None,
        own_gate=without_base(config_name(inputs), config) if isinstance(base, NoConfig) else settled.own_gate,
    )
    _refuse_names(settings.pass_env)
    refuse_places(settings.writable)
    if settings.python_version and not settings.install:
        raise ConfigError("python-version: only together with install", hint="name your requirements with install")
    return settings


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


def _own_config(inputs: Inputs, directory: Path, *, needed: bool) -> WrittenConfig | None:
    """The configuration file, where one is named or is there: its policies hold whatever else is given."""
    name = config_name(inputs)
    if not (directory / name).exists() and (inputs.config is None or not needed):
        return None
    return read_config(directory / name, name)


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
