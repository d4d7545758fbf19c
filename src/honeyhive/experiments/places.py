"""Where `evaluate()` keeps its runs: a file for each, which no other run has or gets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from honeyhive.errors import ArgumentError

RUNS = Path(".honeyhive", "runs")
"""Below the working directory. Git does not see it: a run that is to be kept is copied to where it belongs."""

_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


@dataclass(frozen=True, kw_only=True)
class Place:
    """A run file: where it is, whatever becomes of the working directory, and as people know it."""

    file: Path
    shown: str


@contextmanager
def place_for(name: str, run_id: str) -> Iterator[Place]:
    """A new run file, reserved by being made; it is taken away again where the run never began.

    Raises `ArgumentError` where no file can be written here.
    """
    folder = Path.cwd() / RUNS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _hide_from_git(folder.parent)
        file = _reserved(folder, f"{_clean(name) or 'run'}-{_short(run_id)}")
    except OSError as error:
        hint = "work in a folder that you may write to"
        raise ArgumentError(f"no run file can be written in {RUNS}: {error.strerror}", hint=hint) from error
    try:
        yield Place(file=file, shown=str(RUNS / file.name))
    finally:
        if file.is_file() and not file.stat().st_size:
            file.unlink()


def _reserved(folder: Path, stem: str) -> Path:
    for number in itertools.count(1):
        file = folder / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")
        try:
            file.open("x").close()
        except FileExistsError:
            continue
        return file
    raise AssertionError  # there is always another number


def _short(run_id: str) -> str:
    return run_id[:8] if _UUID(run_id) else _clean(run_id) or "run"


def _clean(text: str) -> str:
    """So much of the text as any file system takes in a name, and no name of a companion of a run file."""
    return re.sub("[^A-Za-z0-9_-]+", "-", text)[:80].strip("-")


def _hide_from_git(folder: Path) -> None:
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
