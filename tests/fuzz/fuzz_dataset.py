"""Fuzz the readers of datasets, of each format: `make fuzz`."""

from __future__ import annotations

from pathlib import Path

import atheris

from fuzz.corpus import SUFFIXES, datasets, fuzz

with atheris.instrument_imports(include=["honeyhive"], enable_loader_override=False):
    from properties.readings import is_a_dataset_or_refused, is_the_same_dataset_when_written_again


def one(folder: Path, data: bytes) -> None:
    """The first byte says which format the rest is read as."""
    name = f"rows{SUFFIXES[data[0] % len(SUFFIXES) if data else 0]}"
    is_a_dataset_or_refused(folder, name, data[1:])
    is_the_same_dataset_when_written_again(folder, name, data[1:])


if __name__ == "__main__":
    fuzz(one, datasets())
