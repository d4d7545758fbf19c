"""`baseline: rerun`: the base's code, run in the same job, so that both sides meet the same model on the same day."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from honeyhive.ci.candidate import check_candidate
from honeyhive.ci.cleaning import Cleaning
from honeyhive.ci.config import ConfigFile, ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.install import users_python
from honeyhive.ci.preparing import Preparation, Prepared
from honeyhive.ci.rows import open_dataset
from honeyhive.ci.runs import Baseline, read_baseline
from honeyhive.ci.settings import Settings
from honeyhive.ci.worker import run_in_child
from honeyhive.documents import neutralise
from honeyhive.errors import InputError, NoDecisionError, RunFileError
from honeyhive.gate.broken import Broken

_HINT = "see what its run says above, or choose another `baseline`"


def rerun(item: Prepared, preparation: Preparation, edge: Edge) -> Baseline:
    """The run of the base's code on the base's dataset; `NoDecisionError` where there is none to be had.

    The base is put into a folder of ours: the checkout stays as it is.
    """
    around = preparation.around
    if around.rerun_base is None:
        raise NoDecisionError("there is no commit to run again", hint="`baseline: auto` takes a stored run")
    commit, called = around.rerun_base
    folder = around.folder / "rerun" / commit
    if not folder.exists():
        around.repository.export(commit, folder)
    directory = folder / around.directory.relative_to(around.root)
    edge.echo(neutralise(f"{item.config.name}: running {called} again, at {commit[:7]}"))
    try:
        there = around.config_at(commit, called)
        config, settings = _of_the_base(item.config, preparation, there, directory=directory, called=called)
        with users_python(settings, edge, workspace=folder) as python:
            return _run(config, settings, edge, python=python, out=around.folder / "rerun" / f"{config.name}.jsonl")
    except (InputError, RunFileError) as error:  # of the base: this change can do nothing about it
        raise NoDecisionError(f"{called} cannot be run again: {error}", hint=_HINT) from error


def _of_the_base(
    config: ExperimentConfig, preparation: Preparation, found: ConfigFile | None, *, directory: Path, called: str
) -> tuple[ExperimentConfig, Settings]:
    """The experiment as the base has it; as this change has it where the base has no configuration."""
    settings = replace(preparation.settings, directory=directory)
    if found is None:
        return config, settings
    named = [experiment for experiment in found.experiments if experiment.name == config.name]
    if not named:
        raise NoDecisionError(
            f"{called} has no experiment {config.name} to run again",
            hint="`baseline: none` until it is merged",
        )
    as_there = replace(
        settings, install=found.install, python_version=found.python_version, python_path=found.python_path
    )
    return named[0].model_copy(update={"repeats": config.repeats}), as_there


def _run(config: ExperimentConfig, settings: Settings, edge: Edge, *, python: Path | None, out: Path) -> Baseline:
    dataset = open_dataset(config, settings)
    with Cleaning(out, config.name, edge):
        ending = run_in_child(config, settings, run_id=str(uuid.uuid4()), python=python, out=out, edge=edge)
    found = check_candidate(out, config, dataset, ending)
    if isinstance(found, Broken):
        raise RunFileError(found.message, hint=found.hint)
    return read_baseline(out)
