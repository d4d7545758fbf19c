"""What people see while a run goes on and when it is over: a bar on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from honeyhive.documents import neutralise
from honeyhive.experiments.running import Observer, Progress
from honeyhive.gate.metrics import Kind, default_metric
from honeyhive.gate.scores import Sample, ScoreTable
from honeyhive.result import ERRORS, LATENCY, RunResult

_LOG_INTERVAL = 5.0


@contextmanager
def progress_on(stream: TextIO, name: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Observer]:
    """An observer that shows the progress on `stream`: a bar where it is a terminal, else a line every few seconds."""
    if stream.isatty():
        with _bar(stream, name) as observer:
            yield observer
    else:
        yield _LogLines(stream, name, clock)


class _LogLines:
    """One line every five seconds, and at the end."""

    def __init__(self, stream: TextIO, name: str, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._name = name
        self._clock = clock
        self._next = clock() + _LOG_INTERVAL
        self._finished = False

    def __call__(self, progress: Progress) -> None:
        finished = progress.done >= progress.total
        if self._finished or (not finished and self._clock() < self._next):
            return
        self._finished = finished
        self._next = self._clock() + _LOG_INTERVAL
        with suppress(OSError, ValueError):  # nobody hears us any more: no reason to end the run
            self._stream.write(f"{neutralise(f'{self._name}: {progress_line(progress)}')}\n")
            self._stream.flush()


@contextmanager
def _bar(stream: TextIO, name: str) -> Iterator[Observer]:
    from rich.console import Console  # noqa: PLC0415 - a terminal's affair: the log need not wait for it
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - as above
    from rich.progress import Progress as Bar  # noqa: PLC0415 - as above

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[line]}", markup=False),
    )
    with Bar(*columns, console=Console(file=stream)) as bar:
        task = bar.add_task(name, total=None, line="")

        def show(progress: Progress) -> None:
            bar.update(task, total=progress.total, completed=progress.done, line=progress_line(progress))

        yield show


def progress_line(progress: Progress) -> str:
    """How far it is, how fast it goes, what went wrong, and how long it will take."""
    fresh = progress.done - progress.resumed
    rate = fresh / progress.elapsed if progress.elapsed > 0 else 0.0
    parts = [f"{progress.done:,} of {progress.total:,}", f"{_rate(rate)}"]
    if progress.resumed:
        parts.append(f"{progress.resumed:,} kept from before")
    if progress.errors:
        parts.append(f"{progress.errors:,} with errors, the last {progress.last_error[:300]!r}")
    left = progress.total - progress.done
    if left and rate > 0:
        parts.append(f"{_seconds(left / rate)} left")
    if not left:
        parts.append(f"done in {_seconds(progress.elapsed)}")
    return " · ".join(parts)


def run_lines(run: RunResult) -> Iterator[str]:
    """The metrics of a run in a few lines: passed datapoints of a rate, the mean of a number."""
    table = ScoreTable(run)
    for name in table.metrics:
        if not table.has(name):
            continue
        metric = default_metric(name)
        metric = metric.of_kind(metric.kind or table.kind(name) or Kind.SCORE)
        sample = table.sample(metric)
        if sample.mean is None:
            continue
        if metric.kind is Kind.RATE and name != ERRORS:
            yield f"{name}: {sample.mean * sample.n:,.10g} of {sample.n:,} ({sample.mean:.1%})"
        elif name == ERRORS:
            yield f"{name}: {table.errors:,} of {len(table):,} ({sample.mean:.1%})"
        else:
            unit, without = (" ms", "") if name == LATENCY else ("", _without(sample))
            yield f"{name}: {sample.mean:.4g}{unit} (mean of {sample.n:,}{without})"


def _without(sample: Sample) -> str:
    left_out = {"not applicable": sample.not_applicable, "with an error": sample.errors}
    return "".join(f", {count:,} {why}" for why, count in left_out.items() if count)


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
