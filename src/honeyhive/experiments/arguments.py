"""The arguments of `evaluate()`, read once: what does not go together is refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from honeyhive.api.client import HoneyHive
from honeyhive.errors import ArgumentError
from honeyhive.experiments.dataset import Datapoints, Dataset, create_external_dataset
from honeyhive.experiments.evaluators import Evaluator, to_evaluator
from honeyhive.experiments.managed import ManagedDataset, fetch_honeyhive_dataset
from honeyhive.experiments.summary import AGGREGATES

Rows = Iterable[dict[str, Any]] | Mapping[str, Any]
"""Datapoints, or `{"id": …, "data": datapoints}`."""


def read_function(function: Any) -> Callable[..., Any]:
    """The function under test."""
    if callable(function):
        read: Callable[..., Any] = function
        return read
    hint = "give the function itself; `honeyhive run` takes module:callable" if isinstance(function, str) else ""
    raise ArgumentError("function is not callable", hint=hint or "give the function that answers the inputs")


def read_workers(max_workers: Any, *, run_concurrently: bool) -> int:
    """How many datapoints run at the same time."""
    if isinstance(max_workers, bool) or not isinstance(max_workers, int) or max_workers < 1:
        raise ArgumentError(f"max_workers={max_workers!r}", hint="a whole number, at least 1")
    return max_workers if run_concurrently else 1


def read_aggregate(name: Any) -> str:
    """The name of the function by which scores are aggregated."""
    if name not in AGGREGATES:
        raise ArgumentError(f"aggregate_function={name!r}", hint=f"known: {', '.join(AGGREGATES)}")
    return str(name)


def read_evaluators(evaluators: Any) -> tuple[Evaluator, ...]:
    """The evaluators: callables, or the names of registered ones."""
    if isinstance(evaluators, str) or callable(evaluators):
        raise ArgumentError("evaluators is a single one", hint="give a list of them: evaluators=[…]")
    if not isinstance(evaluators, Sequence | set | frozenset | None):
        raise ArgumentError(f"evaluators is a {type(evaluators).__name__}", hint="give a list of them: evaluators=[…]")
    return tuple(to_evaluator(one) for one in evaluators or ())


def read_metadata(metadata: Any) -> Mapping[str, Any]:
    """What goes with the run and its sessions."""
    if not isinstance(metadata, Mapping | None):
        raise ArgumentError(f"metadata is a {type(metadata).__name__}", hint='give a mapping: {"team": "search"}')
    return metadata or {}


def read_run_id(run_id: Any) -> str | None:
    """The id that the run is to have."""
    if run_id is None or (isinstance(run_id, str) and run_id.strip() and run_id.isprintable()):
        return run_id
    raise ArgumentError(f"run_id={run_id!r}", hint="text in one line; leave it out to have one made")


def read_datapoints(
    dataset: Rows | None, dataset_id: str | None, client: HoneyHive | None, project: str | None
) -> Datapoints:
    """What the run goes over."""
    if dataset is not None and dataset_id is not None:
        raise ArgumentError("both 'dataset' and 'dataset_id' are given", hint="give one of the two")
    if dataset_id is not None:
        if client is None:
            raise ArgumentError("a dataset on HoneyHive needs an API key", hint="set HH_API_KEY, or give api_key")
        return ManagedDataset(dataset_id, *fetch_honeyhive_dataset(client, dataset_id, project))
    if dataset is None:
        raise ArgumentError("neither 'dataset' nor 'dataset_id' is given", hint="give one of the two")
    rows, own_id = _rows(dataset)
    if not rows:
        raise ArgumentError("the dataset is empty", hint="a run needs at least one datapoint")
    external_id, _ = create_external_dataset(rows, project or "", own_id)
    return Dataset.of(rows, dataset_id=external_id)


def _rows(dataset: Any) -> tuple[list[dict[str, Any]], str | None]:
    """The datapoints, and the id that the user gave their dataset."""
    rows, own_id = dataset, None
    if isinstance(dataset, Mapping):
        if "data" not in dataset:
            raise ArgumentError("the dataset has no 'data'", hint='give a list, or {"id": …, "data": [...]}')
        rows, own_id = dataset["data"], dataset.get("id")
    if isinstance(rows, str | bytes) or not isinstance(rows, Iterable):
        hint = 'a list of {"inputs": …}; `honeyhive run` takes the path of a file'
        raise ArgumentError(f"the dataset is a {type(rows).__name__}, not a list", hint=hint)
    return list(rows), None if own_id is None else str(own_id)
