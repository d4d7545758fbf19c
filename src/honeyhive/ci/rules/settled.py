"""Which experiments are run, and what judges them: the rules of the change itself, or those of its base."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from honeyhive.ci.config import CONFIG_FILE, ConfigFile, ExperimentConfig, WrittenConfig, explain
from honeyhive.ci.inputs import Inputs, config_name
from honeyhive.ci.rules.own_gate import POLICIES, OwnGateChange, code, own_gate
from honeyhive.ci.rules.tightening import judged_config, of_experiments, stricter_policies, tightened
from honeyhive.documents import Malformed, load_yaml, shown
from honeyhive.errors import ConfigError
from honeyhive.gate.entries import did_you_mean
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.gate.verdict import Policies

AUTO, NO_BASELINE, RERUN = "auto", "none", "rerun"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What judges, and where that is found: `config` is `None` where no file has it."""

    config: ConfigFile | None
    experiments: tuple[ExperimentConfig, ...]
    policies: Policies
    store: str | None
    own_gate: tuple[OwnGateChange, ...] = ()


# --- by the change's own rules ---------------------------------------------------------------------------------------


def by_itself(inputs: Inputs, own: WrittenConfig | None, *, whole: bool) -> Settled:
    """What judges where nobody else does: inputs over the file.

    Without `whole`, an experiment need not name function and dataset.
    """
    config = own.config if own else None
    given = {name: value for name in POLICIES if (value := getattr(inputs, name)) is not None}
    written = {name: getattr(config, name) for name in POLICIES} if config else {}
    if config is None or _says_it_all(inputs, whole=whole):
        experiments: tuple[ExperimentConfig, ...] = (_experiment_of_flags(inputs, whole=whole),)
    else:
        overrides, selected = _overrides(inputs), _selected(inputs.experiment, config.experiments)
        _refuse_for_several(overrides, selected)
        experiments = tuple(experiment.model_copy(update=overrides) for experiment in selected)
    return Settled(
        config=config,
        experiments=experiments,
        policies=Policies(**{**written, **given}),
        store=inputs.store or (config.store if config else None),
    )


def _says_it_all(inputs: Inputs, *, whole: bool) -> bool:
    """Whether the inputs are an experiment of their own: the file's are left aside then, its policies are not."""
    complete = inputs.function is not None and inputs.dataset is not None if whole else inputs.thresholds is not None
    return complete and inputs.config is None


# --- by the rules of the base ----------------------------------------------------------------------------------------


def by_base(inputs: Inputs, base: ConfigFile, own: WrittenConfig | None) -> Settled:
    """What judges a change: the rules of its base, and what the inputs say that is stricter."""
    config = judged_config(base, own.config if own else None)
    found = list(_tightened(inputs, base, config))
    experiments = tuple(experiment for experiment, _ in found)
    policies, refused = stricter_policies(base, {name: getattr(inputs, name) for name in POLICIES})
    changes = [*own_gate(base, own, file=config_name(inputs)), *refused]
    for experiment, of_one in found:
        name = f"{code(experiment.name)}: " if len(found) > 1 else ""
        changes += (replace(one, text=f"{name}{one.text}") for one in of_one)
    if inputs.store not in (None, base.store):
        used = code(base.store) if base.store else "the usual one"
        text = f"by an input, changes `store` to {code(inputs.store or '')}; {used} is used"
        changes.append(OwnGateChange(text=text, loosens=True))
    return Settled(
        config=config,
        experiments=experiments,
        policies=Policies(**policies),
        store=base.store,
        own_gate=of_experiments(changes, (experiment.name for experiment in experiments)),
    )


def _tightened(
    inputs: Inputs, base: ConfigFile, config: ConfigFile
) -> Iterator[tuple[ExperimentConfig, tuple[OwnGateChange, ...]]]:
    """Each experiment that the inputs select, with what they say of it besides, and what of that is not taken."""
    overrides = _overrides(inputs)
    of_base = {experiment.name for experiment in base.experiments}
    if _says_it_all(inputs, whole=True):
        alone = _experiment_of_flags(inputs, whole=True)
        if alone.name not in of_base:
            text = f"runs the experiment {code(alone.name)}, which inputs alone describe: judged by its own rules"
            yield alone, (OwnGateChange(text=text, loosens=True, experiment=alone.name),)
            return
        selected = _selected((alone.name,), config.experiments)
    else:
        selected = _selected(inputs.experiment, config.experiments)
    _refuse_for_several(overrides, selected)
    for experiment in selected:
        if experiment.name in of_base:
            yield tightened(experiment, overrides)
        else:
            yield experiment.model_copy(update=overrides), ()


# --- experiments -----------------------------------------------------------------------------------------------------


def is_path(baseline: str) -> bool:
    """Whether a `baseline` is the path of a run file, and not a run's id, a commit or a branch.

    By its looks alone: a change that adds a file called `main` does not change what `main` means.
    """
    return baseline.endswith((".jsonl", ".jsonl.gz")) or baseline.startswith(("/", "."))


def _refuse_for_several(overrides: Mapping[str, Any], selected: Sequence[ExperimentConfig]) -> None:
    """Refuse what can only be meant for one experiment, where there are several."""
    if len(selected) == 1:
        return
    own = [name for name in ("dataset", "evaluators", "function", "thresholds") if name in overrides]
    if own:
        raise ConfigError(
            f"{own[0]}: given for {len(selected)} experiments at once", hint="choose one of them with experiment"
        )
    if is_path(overrides.get("baseline", AUTO)):
        raise ConfigError(
            f"baseline: one file given for {len(selected)} experiments",
            hint="choose one of them with experiment, or set `baseline` of each in the file",
        )


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
