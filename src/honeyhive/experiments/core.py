"""`evaluate()`: a function over a dataset, scored by evaluators, on HoneyHive where there is a key and without it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from honeyhive.api.client import HoneyHive
from honeyhive.api.connection import KEY_VARIABLES, Connection
from honeyhive.documents.redactor import Redactor, redactor_of_keys
from honeyhive.errors import ApiError, HoneyHiveWarning
from honeyhive.experiments.arguments import (
    Rows,
    read_aggregate,
    read_datapoints,
    read_evaluators,
    read_function,
    read_metadata,
    read_run_id,
    read_workers,
)
from honeyhive.experiments.evaluators import callable_name
from honeyhive.experiments.instrumenting import instrumented
from honeyhive.experiments.places import Place, place_for
from honeyhive.experiments.platform.delivery import Delivered, Delivery, upload_command
from honeyhive.experiments.printing import print_result
from honeyhive.experiments.provenance import provenance
from honeyhive.experiments.running import Experiment, run_experiment
from honeyhive.experiments.summary import summarize
from honeyhive.experiments.verbose import progress_lines, tell
from honeyhive.models.generated import Detail, ExperimentResultResponse, Unsent
from honeyhive.result import RunResult
from honeyhive.tracer import HoneyHiveTracer

_MOST = 1_000
"""So many metrics of the platform's are taken over at most."""


def evaluate(  # noqa: PLR0913 - the signature is given to us
    function: Callable[..., Any],
    *,
    api_key: str | None = None,
    project: str | None = None,
    name: str | None = None,
    dataset_id: str | None = None,
    dataset: Rows | None = None,
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
    workers = read_workers(max_workers, run_concurrently=run_concurrently)
    known = read_run_id(run_id) or str(uuid.uuid4())
    aggregate = read_aggregate(aggregate_function)
    graders = read_evaluators(evaluators)
    client = _client(api_key=api_key, project=project, server_url=server_url, workers=max_workers)
    with client or nullcontext(), instrumented(instrumentors or ()):
        experiment = Experiment(
            name=name or f"experiment-{uuid.uuid4().hex[:8]}",
            function=read_function(function),
            function_name=callable_name(function),
            dataset=read_datapoints(dataset, dataset_id, client, project),
            evaluators=graders,
            max_workers=workers,
            git=provenance(Path.cwd(), os.environ),
            run_id=known,
            project=project or (client.project if client else None),
            metadata=read_metadata(metadata),
            configuration={"max_workers": max_workers, "aggregate_function": aggregate},
            exits=True,
            tracing=HoneyHiveTracer,
            redactor=_redactor(client),
        )
        with place_for(experiment.name, known) as place:
            run, delivered = _run(experiment, place, client, verbose=verbose or (print_results and _on_terminal()))
        weights = {one.name: weight for one in graders if (weight := one.settings.weight) is not None}
        result = summarize(run, aggregate_function=aggregate, weights=weights)
        result.run_file, result.duration_s = place.shown, run.duration_s
        problems = [] if client is None or delivered is None else _add_platform(result, client, delivered, aggregate)
    if print_results:
        print_result(result)
    for problem in problems:
        warnings.warn(problem, HoneyHiveWarning, stacklevel=2)
    return result


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


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


def _redactor(client: HoneyHive | None) -> Redactor:
    """Knows the keys that are at hand, that which is used and those of the environment."""
    there = [os.environ.get(name, "").strip() for name in KEY_VARIABLES]
    return redactor_of_keys([*there, client.connection.api_key] if client else there)


def _run(
    experiment: Experiment, place: Place, client: HoneyHive | None, *, verbose: bool
) -> tuple[RunResult, Delivered | None]:
    """Run it, and let HoneyHive know in every case how it ended."""
    delivery = None if client is None else Delivery(client, project=experiment.project, workers=experiment.max_workers)
    observer = progress_lines(experiment.name) if verbose else None
    with _terminable():
        try:
            run = run_experiment(experiment, out=place.file, observer=observer, follower=delivery)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                tell(f"{experiment.name}: cancelled; what was finished is in {place.shown}")
            left = (
                None
                if delivery is None or client is None
                else _unsent(delivery.end(cancelled=True), client, place.shown)
            )
            if left is not None:
                tell(_sentence(left))  # no warning: whoever makes errors of warnings has an error already
            raise
        return run, None if delivery is None else delivery.end(cancelled=False)


def _add_platform(
    result: ExperimentResultResponse, client: HoneyHive, delivered: Delivered, aggregate_function: str
) -> list[str]:
    """Say what HoneyHive has of the run, and add the metrics that it computes itself; what there is to warn of."""
    result.run_id = delivered.run_id or result.run_id
    for datapoint in result.datapoints:
        datapoint.session_id = delivered.session_ids.get(datapoint.session_id or "", datapoint.session_id)
    result.unsent = _unsent(delivered, client, result.run_file or "")
    if result.unsent is not None:  # of a part of the sessions it would compute something else
        return [_sentence(result.unsent)]
    try:
        theirs = client.evaluations.get_result(result.run_id or "", aggregate_function)
    except ApiError as error:
        return [f"the metrics that HoneyHive computes could not be read: {error}"]
    ours = result.metrics.list_metrics()
    result.metrics.details += [_theirs(detail) for detail in theirs.metrics.details[:_MOST] if _is_theirs(detail, ours)]
    return []


def _is_theirs(detail: Detail, ours: Sequence[str]) -> bool:
    """Whether the platform has computed it itself, and it says nothing of a metric that we know better."""
    return detail.metric_type not in (None, "CLIENT_SIDE") and detail.metric_name not in ours


def _theirs(detail: Detail) -> Detail:
    """The platform's metric; how much it weighs is ours to say."""
    return detail.model_copy(update={"weight": None})


def _unsent(delivered: Delivered, client: HoneyHive, run_file: str) -> Unsent | None:
    """What HoneyHive does not have, and how it gets there."""
    if delivered.complete:
        return None
    return Unsent(
        sessions=delivered.of - delivered.sessions,
        of=delivered.of,
        reason=delivered.reason or "HoneyHive did not take all of it",
        command=upload_command(Path(run_file), client, os.environ),
    )


def _sentence(unsent: Unsent) -> str:
    what = f"{unsent.sessions} of {unsent.of} sessions of this run are" if unsent.sessions else "how this run ended is"
    return f"{what} not on HoneyHive ({unsent.reason}): it is kept, and `{unsent.command}` sends it"


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
