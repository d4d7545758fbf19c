"""Experiments: a function over a dataset, scored by evaluators; `evaluate()` is the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeyhive.lazily import lazily

if TYPE_CHECKING:
    from honeyhive.experiments.context import ExperimentContext
    from honeyhive.experiments.core import evaluate
    from honeyhive.experiments.dataset import Dataset, create_external_dataset, generate_datapoint_id
    from honeyhive.experiments.evaluators import EvalResult, aevaluator, evaluator, run_evaluators
    from honeyhive.experiments.managed import fetch_honeyhive_dataset
    from honeyhive.experiments.results import compare_runs, get_run_metrics, get_run_result
    from honeyhive.experiments.running import Experiment, run_experiment
    from honeyhive.models.generated import (
        CreateRunRequest,
        CreateRunResponse,
        Datapoint,
        Datapoint1,
        Detail,
        EvaluationRun,
        ExperimentComparisonResponse,
        ExperimentResultResponse,
        GetRunResponse,
        Metrics,
        UpdateRunRequest,
        UpdateRunResponse,
    )

    ExperimentRun = EvaluationRun
    ExperimentResult = ExperimentResultResponse

_MODELS = "honeyhive.models.generated"

__all__ = [
    "CreateRunRequest",
    "CreateRunResponse",
    "Datapoint",
    "Datapoint1",
    "Dataset",
    "Detail",
    "EvalResult",
    "EvaluationRun",
    "Experiment",
    "ExperimentComparisonResponse",
    "ExperimentContext",
    "ExperimentResult",
    "ExperimentResultResponse",
    "ExperimentRun",
    "GetRunResponse",
    "Metrics",
    "UpdateRunRequest",
    "UpdateRunResponse",
    "aevaluator",
    "compare_runs",
    "create_external_dataset",
    "evaluate",
    "evaluator",
    "fetch_honeyhive_dataset",
    "generate_datapoint_id",
    "get_run_metrics",
    "get_run_result",
    "run_evaluators",
    "run_experiment",
]

__getattr__ = lazily(
    __name__,
    dict.fromkeys(__all__, _MODELS)
    | {"ExperimentRun": f"{_MODELS}:EvaluationRun", "ExperimentResult": f"{_MODELS}:ExperimentResultResponse"}
    | dict.fromkeys(("EvalResult", "evaluator", "aevaluator", "run_evaluators"), "honeyhive.experiments.evaluators")
    | dict.fromkeys(("compare_runs", "get_run_metrics", "get_run_result"), "honeyhive.experiments.results")
    | dict.fromkeys(("Dataset", "create_external_dataset", "generate_datapoint_id"), "honeyhive.experiments.dataset")
    | dict.fromkeys(("Experiment", "run_experiment"), "honeyhive.experiments.running")
    | {
        "ExperimentContext": "honeyhive.experiments.context",
        "evaluate": "honeyhive.experiments.core",
        "fetch_honeyhive_dataset": "honeyhive.experiments.managed",
    },
)
