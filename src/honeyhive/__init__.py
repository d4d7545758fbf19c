"""HoneyHive: experiments on AI products, and the gate that decides whether a change may be merged."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "HoneyHiveTracer": "honeyhive.tracer",
    "Dataset": "honeyhive.experiments.dataset",
    "Experiment": "honeyhive.experiments.core",
    "run_experiment": "honeyhive.experiments.core",
}

__all__ = ["Dataset", "Experiment", "HoneyHiveTracer", "run_experiment"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: `import honeyhive` itself costs nothing."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
