"""The table that `evaluate()` prints: what the metrics come to, and which datapoints went wrong."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from honeyhive.documents import in_one_line
from honeyhive.models.generated import Datapoint1, Detail, ExperimentResultResponse

_MOST = 10
"""So many datapoints that went wrong are named; the run file has them all."""

_LONGEST = 200


def print_result(result: ExperimentResultResponse, stream: TextIO | None = None) -> None:
    """Print the result for people, as text whatever the user's data holds; to standard output unless told otherwise.

    Nobody who listens no more, and no encoding, takes the result away from who called.
    """
    target = stream or sys.stdout
    shown = io.StringIO()
    console = Console(file=shown, highlight=False, markup=False, emoji=False, soft_wrap=True, width=10_000)
    for part in _parts(result):
        console.print(part)
    encoding = getattr(target, "encoding", None) or "utf-8"
    lines = "".join(f"{line.rstrip()}\n" for line in shown.getvalue().splitlines())
    with suppress(BrokenPipeError):
        target.write(lines.encode(encoding, "backslashreplace").decode(encoding))
        target.flush()


def _parts(result: ExperimentResultResponse) -> Iterator[Text | Table]:
    count, passed = len(result.datapoints), len(result.passed)
    yield _text(f"{result.name or 'experiment'}: {result.status}, {passed} of {count} datapoints passed")
    if result.metrics.details:
        yield _table(result.metrics.details)
    for detail in result.metrics.details:
        if not detail.values and not detail.datapoints.failed:
            yield _text(f"  {detail.metric_name}: no score at any datapoint{_why(result, detail.metric_name)}")
    wrong = [datapoint for datapoint in result.datapoints if _errors(datapoint)]
    for datapoint in wrong[:_MOST]:
        yield _text(f"  {datapoint.datapoint_id}: {'; '.join(_errors(datapoint))}")
    if len(wrong) > _MOST:
        yield _text(f"  … and {len(wrong) - _MOST} more datapoints with errors")
    if result.run_file:
        yield _text(f"run {result.run_id}: {result.run_file}")


def _table(details: list[Detail]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("metric")
    for column in ("value", "scores", "passed", "failed"):
        table.add_column(column, justify="right")
    for detail in details:
        counts = (len(detail.values), len(detail.datapoints.passed), len(detail.datapoints.failed))
        table.add_row(_text(detail.metric_name), _number(detail.aggregate), *map(str, counts))
    return table


def _why(result: ExperimentResultResponse, name: str) -> str:
    """What the evaluator's first note says of it."""
    metrics = (metric for datapoint in result.datapoints for metric in datapoint.metrics)
    note = next((metric.explanation for metric in metrics if metric.name == name and metric.explanation), None)
    return f" ({note})" if note else ""


def _errors(datapoint: Datapoint1) -> list[str]:
    own = [datapoint.error] if datapoint.error else []
    return own + [f"{metric.name}: {metric.error}" for metric in datapoint.metrics if metric.error]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def _text(text: str) -> Text:
    """The text in one line of bounded length, with nothing in it that a terminal, or a runner, would obey."""
    line = in_one_line(text)
    return Text(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")
