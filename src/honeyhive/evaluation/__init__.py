"""The older spelling of `honeyhive.experiments`: its names, its arguments in their order, and its result.

It warns once a call, and runs the very same experiment.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from honeyhive.documents import plain
from honeyhive.errors import ArgumentError
from honeyhive.experiments import core
from honeyhive.experiments.evaluators import aevaluator, evaluator
from honeyhive.models.generated import Datapoint1, ExperimentResultResponse

__all__ = ["EvaluationResult", "aevaluator", "evaluate", "evaluator"]


class EvaluationResult(ExperimentResultResponse):
    """What a run came to, also under the older names.

    `data` has a list for each of `input`, `output`, `metrics`, `metadata` and `ground_truth`, with an item for each
    datapoint in the dataset's order, failed ones included; `stats` has the run's `duration_s`.
    """

    suite: str = "default"
    session_ids: list[str] = Field(default_factory=list)
    stats: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, list[Any]] = Field(default_factory=dict)

    def to_json(self) -> None:
        """Write `data` to `SUITE.json` in the working directory. Raises `ArgumentError` where that is no file name."""
        if not re.fullmatch(r"\w[\w. -]{0,200}", self.suite):
            raise ArgumentError(f"the suite {self.suite!r} is not a file name", hint="letters and digits, no folder")
        text = json.dumps(plain(self.data), indent=4, ensure_ascii=False)
        Path(f"{self.suite}.json").write_text(text, encoding="utf-8")


def evaluate(  # noqa: PLR0913, PLR0917 - the signature, and its order, are given to us
    api_key: str | Callable[..., Any] | None = None,
    project: str | None = None,
    name: str | None = None,
    suite: str | None = None,
    function: Callable[..., Any] | None = None,
    dataset: list[dict[str, Any]] | Mapping[str, Any] | None = None,
    evaluators: Sequence[Callable[..., Any] | str] | None = None,
    dataset_id: str | None = None,
    max_workers: int | None = None,
    run_concurrently: bool = True,  # noqa: FBT001, FBT002 - as above
    disable_http_tracing: bool = False,  # noqa: ARG001, FBT001, FBT002 - as above; we trace no HTTP
    server_url: str | None = None,
    verbose: bool = False,  # noqa: FBT001, FBT002 - as above
    metadata: Mapping[str, Any] | None = None,
    print_results: bool = True,  # noqa: FBT001, FBT002 - as above
    **newer: Any,
) -> EvaluationResult:
    """Run an experiment as `honeyhive.experiments.evaluate` does, with its errors and its warnings.

    `dataset` may also be `{"id": …, "name": …, "data": [...]}`. `suite` names the file that `to_json()` writes; it is
    the name of the folder that you are in where none is given. Called as the newer one is, with the function first and
    its further arguments by name, it does what that does.
    """
    message = "honeyhive.evaluation.evaluate() is the older spelling: use `from honeyhive.experiments import evaluate`"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    as_newer = callable(api_key)
    if callable(api_key):
        api_key, function = None, api_key
    if function is None:
        raise ArgumentError("no function is given", hint="evaluate(function=…, dataset=…)")
    result = core.evaluate(
        function,
        api_key=api_key,
        project=project,
        name=name,
        dataset_id=dataset_id,
        dataset=dataset,
        evaluators=evaluators,
        max_workers=(10 if as_newer else 1) if max_workers is None else max_workers,
        run_concurrently=run_concurrently,
        server_url=server_url,
        verbose=verbose,
        metadata=metadata,
        print_results=print_results,
        **newer,
    )
    return EvaluationResult.model_validate(
        {
            **dict(result),
            "suite": suite or Path.cwd().name or "default",
            "session_ids": [datapoint.session_id for datapoint in result.datapoints if datapoint.session_id],
            "stats": {"duration_s": result.duration_s},
            "data": _data(result.datapoints),
        }
    )


def _data(datapoints: Sequence[Datapoint1]) -> dict[str, list[Any]]:
    return {
        "input": [datapoint.inputs for datapoint in datapoints],
        "output": [datapoint.outputs for datapoint in datapoints],
        "metrics": [{metric.name: metric.value for metric in datapoint.metrics} for datapoint in datapoints],
        "metadata": [_problems(datapoint) for datapoint in datapoints],
        "ground_truth": [datapoint.ground_truth for datapoint in datapoints],
    }


def _problems(datapoint: Datapoint1) -> dict[str, Any]:
    """What went wrong with a datapoint; empty where nothing did."""
    errors = {metric.name: metric.error for metric in datapoint.metrics if metric.error}
    return ({"error": datapoint.error} if datapoint.error else {}) | ({"evaluator_errors": errors} if errors else {})
