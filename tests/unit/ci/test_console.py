"""What people see of a run while it goes on, and when it is over."""

from __future__ import annotations

import io

import pytest

from builders import failed, run, scored
from honeyhive.ci.console import progress_line, progress_on, run_lines
from honeyhive.experiments.running import Progress
from honeyhive.result import Fault, Outcome


def progress(done: int, **fields: int | float | str) -> Progress:
    known: dict[str, int | float | str] = {"total": 100, "errors": 0, "resumed": 0, "elapsed": 10.0}
    return Progress(done=done, **(known | fields))  # type: ignore[arg-type]  # of whatever type the field is


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (progress(0, elapsed=0.0), "0 of 100 · 0/s"),
        (progress(25), "25 of 100 · 2.5/s · 30.0 s left"),
        (progress(50, elapsed=100.0), "50 of 100 · 0.5/s · 1 min 40 s left"),
        (progress(1, total=5001, elapsed=2.0), "1 of 5,001 · 0.5/s · 2 h 46 min left"),
        (progress(100, elapsed=0.5), "100 of 100 · 200/s · done in 0.5 s"),
        (progress(60, resumed=50), "60 of 100 · 1/s · 50 kept from before · 40.0 s left"),
        (
            progress(20, errors=3, last_error="line 7 (EXT-a): ValueError: no\nanswer"),
            "20 of 100 · 2/s · 3 with errors, the last 'line 7 (EXT-a): ValueError: no\\nanswer' · 40.0 s left",
        ),
    ],
)
def test_a_line_says_how_far_how_fast_what_went_wrong_and_how_long(seen: Progress, line: str) -> None:
    assert progress_line(seen) == line


def test_a_log_gets_a_line_every_few_seconds_and_one_at_the_end() -> None:
    stream, times = io.StringIO(), iter([0.0, 1.0, 5.0, 5.0, 6.0, 6.5, 7.0])
    with progress_on(stream, "qa", clock=lambda: next(times)) as show:
        for done in (1, 20, 30, 100, 100):
            show(progress(done))
    shown = stream.getvalue().splitlines()
    assert [line.partition(" of ")[0] for line in shown] == ["qa: 20", "qa: 100"]


def test_an_error_message_is_no_command_in_the_log() -> None:
    stream = io.StringIO()
    with progress_on(stream, "qa") as show:
        show(progress(100, errors=1, last_error="x\n::error::y ##[error]z"))
    (line,) = stream.getvalue().splitlines()
    assert "##[" not in line
    assert line.startswith("qa: 100 of 100")


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with progress_on(stream, "[bold]qa") as show:
        show(progress(100, elapsed=1.0, errors=1, last_error="[/x]"))
    assert "[bold]qa" in stream.getvalue()
    assert "100 of 100" in stream.getvalue()


def test_the_metrics_of_a_run_are_a_line_each() -> None:
    outcomes: list[Outcome] = [
        scored("EXT-a", {"duration_ms": 10.0}, exact=True, grade=0.5, never=None),
        scored("EXT-b", {"duration_ms": 30.0}, exact=False, grade=None, never=None),
        failed("EXT-c", {"duration_ms": 99.0}),
    ]
    assert list(run_lines(run(outcomes))) == [
        "exact: 1 of 3 (33.3%)",
        "grade: 0.5 (mean of 1, 1 not applicable, 1 with an error)",
        "latency_ms: 20 ms (mean of 2)",
        "errors: 1 of 3 (33.3%)",
    ]


def test_a_metric_without_a_mean_is_left_out() -> None:
    fault = Fault(type="ValueError", message="no")
    outcomes = [scored("EXT-a", grade=0.5), scored("EXT-a", {"repeat": 1, "faults": {"grade": fault}})]
    assert [line.partition(":")[0] for line in run_lines(run(outcomes, repeats=2))] == ["latency_ms", "errors"]


def test_a_metric_that_does_not_apply_everywhere_says_so() -> None:
    outcomes = [scored("EXT-a", grade=0.25), scored("EXT-b", grade=None)]
    assert next(run_lines(run(outcomes))) == "grade: 0.25 (mean of 1, 1 not applicable)"
