"""`run_experiment()`: a function over a dataset, scored by evaluators, into a run file."""

from __future__ import annotations

import contextvars
import dataclasses
import os
import platform
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from honeyhive.documents import plain
from honeyhive.documents.redactor import NO_SECRETS, Redactor
from honeyhive.errors import Cancelled, HoneyHiveWarning, InputError, RunFileError, UserCodeError
from honeyhive.experiments.calling import Binding, bind_function
from honeyhive.experiments.context import ExperimentContext
from honeyhive.experiments.dataset import Datapoints
from honeyhive.experiments.evaluators import Evaluator, callable_name, fingerprint
from honeyhive.experiments.loop import EventLoop
from honeyhive.experiments.recorded import Cleaning, without_secrets
from honeyhive.experiments.traces import Traces
from honeyhive.experiments.trial import Procedure, Tracing, Trial
from honeyhive.experiments.workers import Workers
from honeyhive.result import BUILT_IN, Failed, Outcome, RunResult
from honeyhive.runfile import RunWriter, read_run
from honeyhive.runlines import Kept, RunHeader, Status
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.routing import routing

_FLUSH_INTERVAL = 1.0

_MANY = 10_000
"""A run of more datapoints than this is made on the platform without naming them all."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What to run: a function over a dataset, its evaluators, and within which bounds.

    `timeout` is in seconds, for the function and again for the evaluators of each datapoint; `None` is no limit.
    `retry` says of which outcomes the datapoint is tried once more; that never replaces the outcome. `metadata` goes
    with the run and its sessions, `configuration` with the run alone. With `exits`, `SystemExit` in the user's code
    ends the run; without, it is an error of its datapoint. `tracing` makes the tracer of each datapoint. What
    `redactor` knows is in nothing that is written of the run, or told of it.
    """

    name: str
    function: Callable[..., Any]
    function_name: str = ""
    dataset: Datapoints
    evaluators: tuple[Evaluator, ...] = ()
    max_workers: int = 10
    repeats: int = 1
    timeout: float | None = None
    retry: Callable[[Outcome], bool] = lambda _: False
    git: Mapping[str, Any] = field(default_factory=dict)
    ci: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    project: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    exits: bool = False
    tracing: Tracing = HoneyHiveTracer
    redactor: Redactor = NO_SECRETS

    def __post_init__(self) -> None:
        """Refuse evaluators that would hide each other or a built-in metric."""
        names = [evaluator.name for evaluator in self.evaluators]
        for name in names:
            if name in BUILT_IN:
                raise UserCodeError(
                    f"an evaluator may not be called {name!r}", hint="it is a built-in metric: rename it"
                )
            if names.count(name) > 1:
                raise UserCodeError(
                    f"two evaluators are called {name!r}",
                    hint='each gives a metric of its own: name one, as in evaluator(function, name="other")',
                )


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; counted in datapoints × repeats, times in seconds."""

    total: int
    done: int
    errors: int
    resumed: int
    elapsed: float
    last_error: str = ""


class Follower(Protocol):
    """Is told what a run writes, as it writes it, on the run's threads."""

    def begin(self, run_file: Path, header: RunHeader, datapoint_ids: Sequence[str]) -> None:
        """The run begins; the ids are those of all its datapoints, or none where there are very many."""

    def follow(self, outcome: Outcome, spans: bytes | None) -> None:
        """An outcome has been written, and its spans, as the line that the spans file has."""


Observer = Callable[[Progress], None]
"""Is told of the progress some times a second, on the thread that called `run_experiment()`."""


def run_experiment(
    experiment: Experiment,
    *,
    out: Path,
    resume: bool = False,
    retry_errors: bool = False,
    observer: Observer | None = None,
    follower: Follower | None = None,
) -> RunResult:
    """Run every datapoint of the experiment and leave the run at `out`.

    A datapoint or an evaluator that fails is an outcome and stops nothing. With `resume`, what `out` already holds
    is kept and not run again (`retry_errors`: but for the failed ones); a retry that it lacks is made up for. On a
    signal the run ends as `cancelled` and the exception goes on; what was finished is in the file. The spans of the
    datapoints stand beside it, and go to the OpenTelemetry backend that the environment names. Raises `InputError`
    where `out` is another run.
    """
    function = bind_function(experiment.function, _function_name(experiment))  # refused before a file is touched
    header = without_secrets(_header(experiment), experiment.redactor)
    if resume and out.exists():
        header = _of_resumed(header, out)
        writer, kept = RunWriter.resume(out, header, retry_errors=retry_errors, retry=experiment.retry)
    else:
        writer, kept = RunWriter.create(out, header), Kept()
    _Run(experiment, function, header, writer, kept).execute(observer or (lambda _: None), follower)
    try:
        return read_run(out)
    except InputError as error:  # it was there: that it is gone is nothing that the user has put in
        raise RunFileError(f"{error.message} any more", file=error.file, hint="see what takes it away") from error


class _Run:
    """The run while it goes on: what is counted, written and told."""

    def __init__(
        self, experiment: Experiment, function: Binding, header: RunHeader, writer: RunWriter, kept: Kept
    ) -> None:
        self._experiment = experiment
        self._header = header
        self._writer = writer
        self._kept = kept
        self._cleaning = Cleaning(experiment.redactor)
        self._traces = Traces(writer.path, os.environ, self._cleaning)
        self._follower: Follower | None = None
        self._lock = threading.Lock()
        self._errors = 0
        self._last_error = ""
        self._started = time.monotonic()
        self._flushed = self._started
        self._loop = EventLoop(threads=experiment.max_workers)
        self._procedure = self._prepare(function)

    def execute(self, observer: Observer, follower: Follower | None) -> None:
        status: Status = "failed"
        try:
            if follower is not None:
                follower.begin(self._writer.path, self._header, self._datapoint_ids())
                self._follower = follower
            left = self._header.expected - len(self._kept.done) + len(self._kept.owed)
            size = max(1, min(self._experiment.max_workers, left))
            workers = Workers(self._trials(), size=size, done=self._record)
            with routing():
                workers.run(lambda: self._tick(observer))
            status = "completed"
        except (KeyboardInterrupt, SystemExit, Cancelled):
            status = "cancelled"
            raise
        finally:
            self._follower = None  # who still works has nothing to tell: what it finishes is not in the file
            try:
                self._writer.close(status=status, duration_s=time.monotonic() - self._started)
                observer(self._progress())
            finally:
                self._loop.close()  # after the file: what it cancels has no outcome
                self._traces.close()
        if self._cleaning.told is not None:
            warnings.warn(self._cleaning.told, HoneyHiveWarning, stacklevel=3)

    def _datapoint_ids(self) -> list[str]:
        dataset = self._experiment.dataset
        return [datapoint.id for datapoint in dataset] if dataset.count <= _MANY else []

    def _prepare(self, function: Binding) -> Procedure:
        experiment = self._experiment
        return Procedure(
            function=function,
            function_name=_function_name(experiment),
            evaluators=experiment.evaluators,
            context=ExperimentContext(
                run_id=self._header.run_id,
                project=experiment.project,
                dataset_id=experiment.dataset.dataset_id,
                metadata=experiment.metadata,
                session_name=experiment.name,
            ),
            timeout=experiment.timeout,
            loop=self._loop,
            variables=contextvars.copy_context(),
            tracing=experiment.tracing,
            exits=experiment.exits,
        )

    def _trials(self) -> Iterator[Trial]:
        done, owed = self._kept.done, self._kept.owed
        for repeat in range(self._experiment.repeats):
            for datapoint in self._experiment.dataset:
                key = hash((datapoint.id, repeat))
                if key not in done or key in owed:
                    yield Trial(datapoint=datapoint, repeat=repeat, procedure=self._procedure, is_retry=key in owed)

    def _record(self, trial: Trial) -> Trial | None:
        """Write what became of the datapoint at once, whatever is to come; and give its retry where it is owed one."""
        outcome, line = self._cleaning.recorded(trial.outcome(), is_retry=trial.is_retry)
        error = "" if trial.is_retry else _error_of(outcome)
        if error:
            with self._lock:
                self._errors += 1
                self._last_error = error
        self._writer.append_line(line)
        spans = self._traces.record(trial.close(self._traces.record_late))
        if trial.is_retry:
            return None
        follower = self._follower
        if follower is not None:
            follower.follow(outcome, spans)
        return trial.again() if self._experiment.retry(outcome) else None

    def _tick(self, observer: Observer) -> None:
        now = time.monotonic()
        if now - self._flushed >= _FLUSH_INTERVAL:
            self._writer.flush()
            self._flushed = now
        self._traces.flush()
        observer(self._progress())

    def _progress(self) -> Progress:
        return Progress(
            total=self._header.expected,
            done=self._writer.finished,
            errors=self._errors,
            resumed=len(self._kept.done),
            elapsed=time.monotonic() - self._started,
            last_error=self._last_error,
        )


def _error_of(outcome: Outcome) -> str:
    """The first thing that went wrong with a datapoint, in a line; empty where nothing did."""
    where = outcome.datapoint_id if outcome.line is None else f"line {outcome.line} ({outcome.datapoint_id})"
    if isinstance(outcome, Failed):
        return f"{where}: {outcome.fault}"
    return next((f"{where}: {metric}: {fault}" for metric, fault in outcome.faults.items()), "")


def _function_name(experiment: Experiment) -> str:
    return experiment.function_name or callable_name(experiment.function)


def _header(experiment: Experiment) -> RunHeader:
    dataset = experiment.dataset
    return RunHeader(
        run_id=experiment.run_id or str(uuid.uuid4()),
        name=experiment.name,
        dataset_id=dataset.dataset_id,
        dataset_path=dataset.path,
        dataset_sha256=dataset.sha256,
        dataset_count=dataset.count,
        function=_function_name(experiment),
        function_fingerprint=fingerprint(experiment.function),
        evaluators=tuple(evaluator.ref for evaluator in experiment.evaluators),
        repeats=experiment.repeats,
        limit=dataset.limit,
        expected=dataset.count * experiment.repeats,
        git=experiment.git,
        ci=experiment.ci,
        environment={
            "python": platform.python_version(),
            "honeyhive": version("honeyhive"),
            "system": platform.system(),
        },
        metadata=plain(experiment.metadata),
        configuration=plain(experiment.configuration),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _of_resumed(header: RunHeader, out: Path) -> RunHeader:
    """The header with the id of the run that goes on."""
    return dataclasses.replace(header, run_id=read_run(out).run_id)
