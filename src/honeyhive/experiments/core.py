"""`evaluate()`: a function over a dataset, scored by evaluators, on HoneyHive where there is a key and without it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from honeyhive.api.client import HoneyHive
from honeyhive.api.connection import Connection
from honeyhive.errors import ApiError, ArgumentError, HoneyHiveWarning
from honeyhive.experiments.dataset import Datapoints, Dataset, create_external_dataset
from honeyhive.experiments.evaluators import Evaluator, callable_name, to_evaluator
from honeyhive.experiments.instrumenting import instrumented
from honeyhive.experiments.managed import ManagedDataset, fetch_honeyhive_dataset
from honeyhive.experiments.platform.delivery import Delivered, Delivery
from honeyhive.experiments.printing import print_result
from honeyhive.experiments.provenance import provenance
from honeyhive.experiments.results import check_aggregate, summarize
from honeyhive.experiments.running import Experiment, run_experiment
from honeyhive.experiments.verbose import progress_lines
from honeyhive.models.generated import Detail, ExperimentResultResponse, Unsent
from honeyhive.result import RunResult
from honeyhive.tracer import HoneyHiveTracer

RUNS = Path(".honeyhive", "runs")
"""Where the run files are, below the working directory; each run has one of its own."""


def evaluate(  # noqa: PLR0913 - the signature is given to us
    function: Callable[..., Any],
    *,
    api_key: str | None = None,
    project: str | None = None,
    name: str | None = None,
    dataset_id: str | None = None,
    dataset: list[dict[str, Any]] | Mapping[str, Any] | None = None,
    evaluators: Sequence[Callable[..., Any] | str] | None = None,
    max_workers: int = 10,
    run_concurrently: bool = True,
    server_url: str | None = None,
    verbose: bool = False,
    metadata: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    aggregate_function: str = "average",
    print_results: bool = True,
    instrumentors: Sequence[Callable[[], Any]] | None = None,
) -> ExperimentResultResponse:
    """Run `function` on every datapoint, score what it answers, and return what came of it, failures included.

    `dataset` is a list of `{"inputs": …, "ground_truth": …}`, or `{"id": …, "data": [...]}` to give it an id;
    `dataset_id` is a dataset on HoneyHive: one of the two. The function is called as `(inputs)`, `(inputs,
    ground_truth)` or `(datapoint)`, evaluators as `(outputs)`, `(outputs, inputs)` or `(outputs, inputs,
    ground_truth)`; which of them, the signature says. All may be async.

    With a key, given or in `HH_API_KEY`, the run appears on HoneyHive too. Where that cannot be reached the run goes
    on: `result.unsent` and a `HoneyHiveWarning` say what it does not have, and `honeyhive upload` sends it later. The
    run file is in `.honeyhive/runs/`; `result.run_file` names it.

    Raises `ArgumentError`, a `ValueError`, for arguments that do not go together, `ApiError` where the dataset cannot
    be fetched. Ctrl-C, SIGTERM and `SystemExit` in the function end the run as cancelled, and go on from here.
    """
    if not callable(function):
        raise ArgumentError("function is not callable", hint="give the function that answers the inputs")
    if max_workers < 1:
        raise ArgumentError(f"max_workers={max_workers}", hint="it takes at least 1 to do the work")
    check_aggregate(aggregate_function)
    graders = tuple(to_evaluator(one) for one in evaluators or ())
    client = _client(api_key=api_key, project=project, server_url=server_url, workers=max_workers)
    with client or nullcontext(), instrumented(instrumentors or ()):
        experiment = Experiment(
            name=name or f"experiment-{uuid.uuid4().hex[:8]}",
            function=function,
            function_name=callable_name(function),
            dataset=_datapoints(dataset, dataset_id, client, project),
            evaluators=graders,
            max_workers=max_workers if run_concurrently else 1,
            git=provenance(Path.cwd(), os.environ),
            run_id=run_id or str(uuid.uuid4()),
            project=project or (client.project if client else None),
            metadata=metadata or {},
            configuration={"max_workers": max_workers, "aggregate_function": aggregate_function},
            exits=True,
            tracing=HoneyHiveTracer,
        )
        out = Path.cwd() / RUNS / f"{_file_name(experiment)}.jsonl"  # whole: the user's code may go elsewhere
        run, delivered = _run(experiment, out, client, verbose=verbose)
        result = summarize(run, aggregate_function=aggregate_function, weights=_weights(graders))
        result.run_file, result.duration_s = _as_known(out), run.duration_s
        if client is not None and delivered is not None:
            _add_platform(result, client, delivered, aggregate_function)
    if print_results:
        print_result(result)
    return result


def _weights(evaluators: Sequence[Evaluator]) -> dict[str, float]:
    return {one.name: weight for one in evaluators if (weight := one.settings.weight) is not None}


def _client(*, api_key: str | None, project: str | None, server_url: str | None, workers: int) -> HoneyHive | None:
    """The client, where there is a key for it."""
    connection = Connection.found(os.environ, api_key=api_key, project=project, server_url=server_url)
    if connection is None:
        return None
    return HoneyHive(
        api_key=connection.api_key,
        project=connection.project,
        server_url=connection.server_url,
        timeout=connection.timeout,
        max_connections=workers,
    )


def _datapoints(
    dataset: list[dict[str, Any]] | Mapping[str, Any] | None,
    dataset_id: str | None,
    client: HoneyHive | None,
    project: str | None,
) -> Datapoints:
    """What the run goes over; `ArgumentError` where the arguments do not say it."""
    if dataset is not None and dataset_id is not None:
        raise ArgumentError("both 'dataset' and 'dataset_id' are given", hint="give one of the two")
    if dataset_id is not None:
        if client is None:
            raise ArgumentError("a dataset on HoneyHive needs an API key", hint="set HH_API_KEY, or give api_key")
        return ManagedDataset(dataset_id, *fetch_honeyhive_dataset(client, dataset_id, project))
    if dataset is None:
        raise ArgumentError("neither 'dataset' nor 'dataset_id' is given", hint="give one of the two")
    rows, own_id = _rows(dataset)
    if isinstance(rows, list) and not rows:
        raise ArgumentError("the dataset is empty", hint="a run needs at least one datapoint")
    external_id, _ = create_external_dataset(rows, project or "", own_id)
    return Dataset.of(rows, dataset_id=external_id)


def _rows(dataset: list[dict[str, Any]] | Mapping[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """The datapoints, and the id that the user gave their dataset."""
    if not isinstance(dataset, Mapping):
        return dataset, None
    if "data" not in dataset:
        raise ArgumentError("the dataset has no 'data'", hint='give a list, or {"id": …, "data": [...]}')
    given = dataset.get("id")
    return dataset["data"], None if given is None else str(given)


def _run(
    experiment: Experiment, out: Path, client: HoneyHive | None, *, verbose: bool
) -> tuple[RunResult, Delivered | None]:
    """Run it, and let HoneyHive know in every case how it ended."""
    delivery = None if client is None else Delivery(client, project=experiment.project, workers=experiment.max_workers)
    observer = progress_lines(experiment.name) if verbose else None
    with _terminable():
        try:
            with _writable(out):
                run = run_experiment(experiment, out=out, observer=observer, follower=delivery)
        except BaseException:
            if delivery is not None:
                _warn_of(delivery.end(cancelled=True), out)
            raise
        return run, None if delivery is None else delivery.end(cancelled=False)


def _add_platform(
    result: ExperimentResultResponse, client: HoneyHive, delivered: Delivered, aggregate_function: str
) -> None:
    """Say what HoneyHive has of the run, and add the metrics that it computes itself."""
    result.run_id = delivered.run_id or result.run_id
    for datapoint in result.datapoints:
        datapoint.session_id = delivered.session_ids.get(datapoint.session_id or "", datapoint.session_id)
    result.unsent = _warn_of(delivered, Path(result.run_file or ""))
    if not delivered.complete:  # of a part of the sessions it would compute something else
        return
    try:
        theirs = client.evaluations.get_result(result.run_id or "", aggregate_function)
    except ApiError as error:
        warnings.warn(f"the metrics that HoneyHive computes could not be read: {error}", HoneyHiveWarning, stacklevel=3)
        return
    result.metrics.details += [detail for detail in theirs.metrics.details if _is_theirs(detail)]


def _is_theirs(detail: Detail) -> bool:
    return detail.metric_type not in (None, "CLIENT_SIDE")


def _warn_of(delivered: Delivered, out: Path) -> Unsent | None:
    """What HoneyHive does not have, and one warning of it."""
    if delivered.complete:
        return None
    command = f"honeyhive upload {shlex.quote(_as_known(out))}"
    reason = delivered.reason or "HoneyHive did not take all of it"
    missing = delivered.of - delivered.sessions
    what = f"{missing} of {delivered.of} sessions of this run are" if missing else "how this run ended is"
    message = f"{what} not on HoneyHive ({reason}): it is kept, and `{command}` sends it"
    warnings.warn(message, HoneyHiveWarning, stacklevel=4)
    return Unsent(sessions=missing, of=delivered.of, reason=reason, command=command)


def _as_known(path: Path) -> str:
    """The path as people know it: from here on, where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _file_name(experiment: Experiment) -> str:
    """A name that any file system takes, and no other run has."""
    return (
        f"{re.sub('[^A-Za-z0-9._-]+', '-', experiment.name)[:80].strip('.-') or 'run'}-{(experiment.run_id or '')[:8]}"
    )


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise ArgumentError(
            f"the run file {out} cannot be written: {error.strerror}", hint="work in a folder that you may write to"
        ) from error


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a program on the spot: within the block it ends the run first, where nobody else listens to it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough, while what is finished is being written and sent
    raise SystemExit(128 + number)


__all__ = ["HoneyHive", "HoneyHiveTracer", "evaluate", "run_experiment"]
