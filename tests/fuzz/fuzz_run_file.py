"""Fuzz the reader of run files, plain and compressed: `make fuzz`."""

from __future__ import annotations

import gzip
from pathlib import Path

import atheris

from fuzz.corpus import fuzz, runs

with atheris.instrument_imports(include=["honeyhive"], enable_loader_override=False):
    from properties.readings import is_a_run_or_refused


def one(folder: Path, data: bytes) -> None:
    """The first byte says how the rest is read: as it is, as something compressed, or after it was compressed."""
    how, content = data[:1], data[1:]
    if how in b"zZ" and how:
        is_a_run_or_refused(folder / "run.jsonl.gz", content if how == b"z" else gzip.compress(content, 1, mtime=0))
    else:
        is_a_run_or_refused(folder / "run.jsonl", content)


if __name__ == "__main__":
    fuzz(one, runs())
