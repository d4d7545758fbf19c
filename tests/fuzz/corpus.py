"""Where fuzzing begins, made of our own examples, and how long it goes on: `FUZZ_SECONDS`, 60 where nobody says."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

EXAMPLE = Path(__file__).parents[2] / "examples" / "support-bot"
SUFFIXES = (".jsonl", ".json", ".csv", ".yaml")


def runs() -> Iterator[bytes]:
    """A short run, plain and compressed, and each kind of its lines alone."""
    lines = (EXAMPLE / "baseline.jsonl").read_bytes().splitlines(keepends=True)
    short = b"".join([*lines[:3], lines[-1]])
    outcome = json.loads(lines[1])
    retry = {key: outcome[key] for key in ("datapoint_id", "repeat", "scores", "error")} | {"type": "retry"}
    for text in (short, b"".join(lines[:2]), b"".join(lines[:2]) + json.dumps(retry).encode() + b"\n", lines[0]):
        yield b"j" + text
        yield b"Z" + text
        yield b"z" + gzip.compress(text, mtime=0)


def datasets() -> Iterator[bytes]:
    """A few rows in each format."""
    lines = (EXAMPLE / "questions.jsonl").read_bytes().splitlines()[:3]
    rows = [json.loads(line) for line in lines]
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(["id", "question", "ground_truth", "tags", "metadata"])
    table.writerows([row["id"], row["inputs"]["question"], "a, b", ",".join(row["tags"]), "{}"] for row in rows)
    block = "".join(f"- id: {row['id']}\n  inputs:\n    question: {row['inputs']['question']!r}\n" for row in rows)
    texts = [b"\n".join(lines), json.dumps(rows).encode(), written.getvalue().encode(), block.encode()]
    for number, text in enumerate(texts):
        yield bytes([number]) + text


def fuzz(one: Callable[[Path, bytes], None], corpus: Iterator[bytes]) -> None:
    """Try texts that grow out of the corpus until the time is over; whatever `one` raises is a finding, and ends it."""
    with tempfile.TemporaryDirectory() as name:
        seeds, folder = Path(name, "seeds"), Path(name, "tried")
        seeds.mkdir()
        folder.mkdir()
        for number, text in enumerate(corpus):
            (seeds / f"{number}").write_bytes(text)
        seconds = os.environ.get("FUZZ_SECONDS", "60")
        bounds = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=4096"]
        given = sys.argv[1:] or [*bounds, "-artifact_prefix=fuzz-", str(seeds)]
        atheris.Setup([sys.argv[0], *given], lambda data: one(folder, data))
        atheris.Fuzz()
