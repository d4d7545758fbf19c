"""The experiment of a configuration with the user's code in it."""

from __future__ import annotations

import os
from pathlib import Path

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.outlet import OUTLET
from honeyhive.ci.rows import Besides, open_dataset
from honeyhive.ci.secrets import passed_secrets
from honeyhive.ci.settings import Settings
from honeyhive.experiments.evaluators import to_evaluator
from honeyhive.experiments.loading import load_callable, prepend_paths
from honeyhive.experiments.provenance import provenance
from honeyhive.experiments.running import Experiment
from honeyhive.gate.must_pass import retry_rule


def load_experiment(config: ExperimentConfig, settings: Settings, besides: Path | None) -> Experiment:
    """The experiment with the user's code imported; ours is imported before, so that nothing of theirs replaces it."""
    known = Besides.of_json(besides.read_text(encoding="utf-8")) if besides else None
    OUTLET.learn(passed_secrets(os.environ, known.passed if known else ()))
    dataset = open_dataset(config, settings, base_rows=known.base_rows if known else None)
    git = provenance(settings.directory, os.environ) if known is None else known.provenance
    prepend_paths([settings.directory, *(settings.directory / path for path in settings.python_path)])
    function = load_callable(config.function)
    evaluators = tuple(to_evaluator(load_callable(reference)) for reference in config.evaluators)
    return Experiment(
        name=config.name,
        function=function,
        function_name=config.function,
        dataset=dataset,
        evaluators=evaluators,
        max_workers=config.max_workers,
        repeats=config.repeats,
        timeout=config.timeout,
        retry=retry_rule(config.parsed_thresholds()),
        git=git,
        redactor=OUTLET.redactor,
    )
