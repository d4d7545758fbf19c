"""HoneyHive: experiments on AI products, and the gate that decides whether a change may be merged.

The names that the published SDKs have at the top are here too. `evaluate` is the older one, of `honeyhive.evaluation`;
the newer is `honeyhive.experiments.evaluate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeyhive.lazily import lazily

if TYPE_CHECKING:
    from honeyhive.api.client import HoneyHive
    from honeyhive.evaluation import evaluate
    from honeyhive.experiments.dataset import Dataset
    from honeyhive.experiments.evaluators import aevaluator, evaluator
    from honeyhive.experiments.running import Experiment, run_experiment
    from honeyhive.tracer import (
        HoneyHiveTracer,
        atrace,
        enrich_session,
        enrich_span,
        flush,
        set_default_tracer,
        trace,
    )

__all__ = [
    "Dataset",
    "Experiment",
    "HoneyHive",
    "HoneyHiveTracer",
    "aevaluator",
    "atrace",
    "enrich_session",
    "enrich_span",
    "evaluate",
    "evaluator",
    "flush",
    "run_experiment",
    "set_default_tracer",
    "trace",
]

__getattr__ = lazily(
    __name__,
    dict.fromkeys(__all__, "honeyhive.tracer")
    | {
        "HoneyHive": "honeyhive.api.client",
        "Dataset": "honeyhive.experiments.dataset",
        "evaluate": "honeyhive.evaluation",
    }
    | dict.fromkeys(("Experiment", "run_experiment"), "honeyhive.experiments.running")
    | dict.fromkeys(("aevaluator", "evaluator"), "honeyhive.experiments.evaluators"),
)
