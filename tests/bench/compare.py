"""What comparing two large runs takes, in memory and time, from their files to the verdict: `make bench`.

python tests/bench/compare.py            a million pairs, some minutes
python tests/bench/compare.py --quick    100,000 pairs
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from ratios import Row, report

from honeyhive.documents import compact_json
from honeyhive.gate.comparison import compare
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.gate.verdict import Case, Verdict, judge
from honeyhive.runfile import read_run

THRESHOLDS: dict[str, Any] = {
    "correct": {"max-drop": 0.02, "min": 0.5},
    "helpful": {"max-drop": 0.02},
    "latency_ms": {"max-increase": "10%"},
    "latency_ms.p95": {"max": "2s"},
    "errors": {"max": 0.05},
}


def write_run(path: Path, count: int, seed: int) -> None:
    """A run of `count` small datapoints, in the order of a dataset: two metrics, and one crash in a hundred."""
    random = Random(seed)
    header = {"type": "run", "schema": 1, "run_id": path.stem, "name": "bench", "expected": count}
    with path.open("wb") as stream:
        stream.write(compact_json(header) + b"\n")
        for at in range(count):
            stream.write(compact_json(outcome(at, random)) + b"\n")
        stream.write(compact_json({"type": "end", "finished": count, "status": "completed"}) + b"\n")


def outcome(at: int, random: Random) -> dict[str, Any]:
    crashed = random.random() < 0.01
    return {
        "type": "outcome",
        "index": at,
        "datapoint_id": f"EXT-{at:024x}",
        "content_hash": f"{at:032x}",
        "line": at + 1,
        "inputs": {"question": f"question {at}"},
        "ground_truth": "yes",
        "output": None if crashed else "no",
        "scores": {} if crashed else {"correct": random.random() < 0.8, "helpful": random.randint(1, 5) / 5},
        "error": {"type": "TimeoutError", "message": "30 s"} if crashed else None,
        "duration_ms": round(random.lognormvariate(6, 0.4), 3),
    }


def verdict_of(candidate: Path, baseline: Path) -> Verdict:
    thresholds = parse_thresholds(THRESHOLDS)
    declared = [threshold.metric for threshold in thresholds]
    comparison = compare(read_run(candidate), read_run(baseline), declared)
    return judge([Case(experiment="bench", comparison=comparison, thresholds=thresholds)])[0]


def read(*paths: Path) -> int:
    return sum(1 for path in paths for _ in read_run(path).outcomes)


def print_measured(candidate: Path, baseline: Path, count: int) -> None:
    """Peak memory above that after import, and the seconds of the processor, next to those of reading alone."""
    before = _memory("VmRSS")
    started = time.process_time()
    verdict = verdict_of(candidate, baseline)
    ours, peak = time.process_time() - started, _memory("VmHWM")
    assert verdict.paired == count
    started = time.process_time()
    assert read(candidate, baseline) == 2 * count
    print(json.dumps({"ours": ours, "bound": time.process_time() - started, "bytes": (peak - before) / count}))


def _memory(which: str) -> int:
    """Of this process, in bytes: VmRSS now, VmHWM at its highest (`ru_maxrss` would begin with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(which)) * 1024


def rows(count: int) -> Iterator[Row]:
    """Each in a process of its own, that memory is of what is measured alone."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{name}.jsonl")) for name in ("candidate", "baseline")]
        for seed, path in enumerate(paths):
            subprocess.run([sys.executable, __file__, "--write", path, str(count), str(seed)], check=True)
        command = [sys.executable, __file__, "--measure", *paths, str(count)]
        measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    yield Row(
        what=f"memory of {count:,} pairs",
        ours=measured["bytes"],
        unit="bytes a pair",
        bound=500.0,
        bound_is="500 bytes a pair above import",
        allowed=1.0,
    )
    yield Row(
        what=f"two run files of {count:,} to the verdict",
        ours=measured["ours"],
        unit="s",
        bound=measured["bound"],
        bound_is="reading them, and no more",
        allowed=2.0,
    )


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--write"]:
        write_run(Path(arguments[1]), int(arguments[2]), seed=int(arguments[3]))
        return 0
    if arguments[:1] == ["--measure"]:
        print_measured(Path(arguments[1]), Path(arguments[2]), int(arguments[3]))
        return 0
    return report(rows(100_000 if "--quick" in arguments else 1_000_000))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
