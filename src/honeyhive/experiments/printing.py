"""The table that `evaluate()` prints: what the metrics come to, and which datapoints went wrong."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from honeyhive.models.generated import Datapoint1, Detail, ExperimentResultResponse

_MOST = 10
"""So many datapoints that went wrong are named; the run file has them all."""


def print_result(result: ExperimentResultResponse, stream: TextIO | None = None) -> None:
    """Print the result for people, as text whatever the user's data holds; to standard output unless told otherwise."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    count, passed = len(result.datapoints), len(result.passed)
    console.print(_text(f"{result.name or 'experiment'}: {result.status}, {passed} of {count} datapoints passed"))
    if result.metrics.details:
        console.print(_table(result.metrics.details))
    wrong = [datapoint for datapoint in result.datapoints if _errors(datapoint)]
    for datapoint in wrong[:_MOST]:
        console.print(_text(f"  {datapoint.datapoint_id}: {'; '.join(_errors(datapoint))}"))
    if len(wrong) > _MOST:
        console.print(_text(f"  … and {len(wrong) - _MOST} more datapoints with errors"))
    if result.run_file:
        console.print(_text(f"run {result.run_id}: {result.run_file}"))


def _table(details: list[Detail]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False)
    table.add_column("metric")
    for column in ("value", "scores", "passed", "failed"):
        table.add_column(column, justify="right")
    for detail in details:
        counts = (len(detail.values), len(detail.datapoints.passed), len(detail.datapoints.failed))
        table.add_row(_text(detail.metric_name), _number(detail.aggregate), *map(str, counts))
    return table


def _errors(datapoint: Datapoint1) -> list[str]:
    own = [datapoint.error] if datapoint.error else []
    return own + [f"{metric.name}: {metric.error}" for metric in datapoint.metrics if metric.error]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def _text(text: str) -> Text:
    """The text in one line, with nothing in it that a terminal would obey."""
    return Text("".join(char if char.isprintable() else " " for char in text)[:500])
