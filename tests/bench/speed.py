"""How fast a run is, as ratios to a bound that is measured in the same process and minute: `make bench`.

python tests/bench/speed.py            all of it, some minutes (a million datapoints of 1 KB among them)
python tests/bench/speed.py --quick    the same with fewer datapoints
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from ratios import Row, report

from honeyhive.experiments.dataset import Dataset
from honeyhive.experiments.evaluators import to_evaluator
from honeyhive.experiments.running import Experiment, run_experiment

WORKERS = 10


def no_op(inputs: dict[str, Any]) -> str:
    return "x"


def always(outputs: str) -> bool:
    return True


def wait_50_ms(inputs: dict[str, Any]) -> str:
    time.sleep(0.05)
    return "x"


async def await_50_ms(inputs: dict[str, Any]) -> str:
    await asyncio.sleep(0.05)
    return "x"


def write_dataset(path: Path, count: int, size: int = 60) -> Path:
    with path.open("w") as stream:
        for number in range(count):
            filler = "x" * max(0, size - 60)
            stream.write(json.dumps({"id": number, "inputs": {"q": f"{number}{filler}"}, "ground_truth": "x"}) + "\n")
    return path


def seconds_of(folder: Path, count: int, function: Callable[..., Any], *, workers: int = WORKERS) -> float:
    """A whole run over `count` datapoints: ids, an isolated tracer with a span, one evaluator, the file."""
    dataset = Dataset.open(write_dataset(folder / "data.jsonl", count), workspace=folder)
    experiment = Experiment(
        name="bench", function=function, dataset=dataset, evaluators=(to_evaluator(always),), max_workers=workers
    )
    started = time.perf_counter()
    result = run_experiment(experiment, out=folder / "run.jsonl")
    seconds = time.perf_counter() - started
    assert result.complete
    return seconds


class _Lines(SpanProcessor):
    """Writes each span as a line of JSON, as a spans file has it."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", encoding="utf-8")

    def on_end(self, span: ReadableSpan) -> None:
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in (span.attributes or {}).items()]
        written = {"traceId": f"{span.context.trace_id:032x}", "name": span.name, "attributes": attributes}
        self.file.write(json.dumps(written) + "\n")


ATTRIBUTES = {f"honeyhive_metadata.{name}": "00000000-0000-4000-8000-000000000000" for name in "abcdefgh"}
"""As many as a session has on each of its spans."""


def bound_seconds(folder: Path, count: int) -> float:
    """A provider of its own and one span for each datapoint on a thread pool, a line of JSON each, and nothing else."""
    shared = Resource.create({})
    lines = _Lines(folder / "spans.jsonl")

    def one(_: int) -> None:
        provider = TracerProvider(resource=shared, shutdown_on_exit=False)
        provider.add_span_processor(lines)
        with provider.get_tracer("bench").start_as_current_span("datapoint", attributes=ATTRIBUTES):
            no_op({})

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool, lines.file:
        for _ in pool.map(one, range(count)):
            pass
    return time.perf_counter() - started


def per_datapoint(folder: Path, count: int) -> Row:
    rounds = 5 if count <= 1_000 else 1
    ours = statistics.median(seconds_of(folder, count, no_op) for _ in range(rounds))
    bound = statistics.median(bound_seconds(folder, count) for _ in range(rounds))
    return Row(
        what=f"no-op function, {count:,} datapoints, {WORKERS} workers",
        ours=ours / count * 1e6,
        unit="µs a datapoint",
        bound=bound / count * 1e6,
        bound_is="own TracerProvider, a span and its line of JSON each",
        allowed=2.0,
    )


def waiting(folder: Path, function: Callable[..., Any], count: int) -> Row:
    return Row(
        what=f"{function.__name__}, {count:,} datapoints, 100 workers",
        ours=statistics.median(seconds_of(folder, count, function, workers=100) for _ in range(3)),
        unit="s",
        bound=count / 100 * 0.05,
        bound_is="ideal",
        allowed=1.15,
    )


def memory(count: int) -> Row:
    """Memory above that after import, in a process of its own."""
    answer = subprocess.run(
        [sys.executable, __file__, "--memory", str(count)], capture_output=True, text=True, check=True
    )
    return Row(
        what=f"memory for {count:,} datapoints of 1 KB",
        ours=float(answer.stdout),
        unit="MB",
        bound=100.0,
        bound_is="100 MB above import",
        allowed=1.0,
    )


def print_memory(count: int) -> None:
    before = _memory("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.jsonl")
        subprocess.run([sys.executable, __file__, "--write", str(path), str(count)], check=True)
        dataset = Dataset.open(path, workspace=Path(folder))
        experiment = Experiment(name="m", function=no_op, dataset=dataset, evaluators=(to_evaluator(always),))
        run_experiment(experiment, out=Path(folder, "run.jsonl"))
    print(_memory("VmHWM") - before)


def _memory(which: str) -> float:
    """Of this process, in MB: VmRSS now, VmHWM at its highest (`ru_maxrss` would begin with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith(which)) / 1024


def help_time() -> Row:
    def once(command: list[str]) -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started

    command = [str(Path(sys.executable).with_name("honeyhive")), "--help"]
    ours = statistics.median(once(command) for _ in range(9))
    return Row(what="honeyhive --help", ours=ours, unit="s", bound=0.15, bound_is="0.15 s", allowed=1.0)


def threads_left(folder: Path) -> Row:
    before = threading.active_count()
    seconds_of(folder, 200, await_50_ms, workers=20)
    left = threading.active_count() - before
    return Row(what="threads left behind (1 + n)", ours=1.0 + left, unit="", bound=1.0, bound_is="none", allowed=1.0)


def rows(*, quick: bool) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield help_time()
        yield per_datapoint(folder, 1_000)
        yield per_datapoint(folder, 10_000 if quick else 100_000)
        yield waiting(folder, wait_50_ms, 2_000)
        yield waiting(folder, await_50_ms, 2_000)
        yield threads_left(folder)
    yield memory(20_000 if quick else 1_000_000)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--memory"]:
        print_memory(int(arguments[1]))
        return 0
    if arguments[:1] == ["--write"]:
        write_dataset(Path(arguments[1]), int(arguments[2]), size=1_000)
        return 0
    return report(rows(quick="--quick" in arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
