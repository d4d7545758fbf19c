"""Whatever stands in a run file: it is a run that reads back the same, or it is refused in one line."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import failed, header, scored, write_run
from honeyhive.errors import HoneyHiveError
from honeyhive.result import Fault, Outcome
from honeyhive.runfile import RunWriter, read_run
from often import OFTEN
from properties.accidents import accidental_lines, accidents, altered_lines
from properties.readings import explained, is_a_run_or_refused, is_sound

OUTCOMES: tuple[Outcome, ...] = (
    scored("EXT-a", {"index": 0, "output": {"text": "a\n::error::b"}, "tags": ("must-pass",)}, correct=True, f1=0.25),
    replace(
        scored("EXT-b", {"index": 1, "line": 2, "metadata": {"lang": "tr"}, "ground_truth": [1, 2.5]}, f1=None),
        faults={"correct": Fault(type="ValueError", message="ü")},
        notes={"f1": "because"},
        enrichment={"feedback": {"good": True}},
    ),
    failed("EXT-c", {"index": 2, "session_id": "s-1", "repeat": 1}),
    replace(
        failed("EXT-d", {"index": 3, "tags": ("must-pass",)}),
        retry=scored("EXT-d", {"index": 3, "tags": ("must-pass",)}, correct=True),
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def whole_runs() -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        ended = write_run(Path(name, "ended.jsonl"), OUTCOMES).read_bytes()
        open_ = write_run(Path(name, "open.jsonl"), OUTCOMES[:2], status=None, metadata={"a": 1}).read_bytes()
    return [ended, open_]


RUNS = whole_runs()
PACKED = [gzip.compress(run, mtime=0) for run in RUNS]
PACKED.append(b"".join(gzip.compress(line, mtime=0) for line in RUNS[0].splitlines(keepends=True)))
FILES = accidental_lines(RUNS) | st.sampled_from(RUNS).flatmap(altered_lines)


@OFTEN
@given(FILES)
def test_any_bytes_are_a_run_or_refused(folder: Path, content: bytes) -> None:
    is_a_run_or_refused(folder / "run.jsonl", content)


@OFTEN
@given(accidents(PACKED))
def test_any_bytes_that_are_called_compressed_are_a_run_or_refused(folder: Path, content: bytes) -> None:
    is_a_run_or_refused(folder / "run.jsonl.gz", content)


@OFTEN
@given(FILES.map(lambda text: gzip.compress(text, 1, mtime=0)))
def test_what_was_packed_is_no_safer(folder: Path, content: bytes) -> None:
    is_a_run_or_refused(folder / "packed.jsonl.gz", content)


@OFTEN
@given(FILES, st.booleans())
def test_a_run_that_is_resumed_keeps_what_was_sound_and_ends_whole(folder: Path, content: bytes, again: bool) -> None:
    path = folder / "resumed.jsonl"
    path.write_bytes(content)
    before = header()
    try:
        writer, kept = RunWriter.resume(path, before, retry_errors=again)
    except HoneyHiveError as error:
        explained(error, 2, 3, file=str(path))
        assert path.read_bytes() == content
        return
    writer.append(scored("EXT-another", {"index": 9}, correct=True) if not kept.done else failed("EXT-e", {"index": 9}))
    writer.close(status="completed", duration_s=1.0)
    run = read_run(path)
    outcomes = tuple(run.outcomes)
    assert len(outcomes) == len(kept.done) + 1 == run.finished
    assert all(is_sound(outcome) for outcome in outcomes)
