"""What any reading of strangers' text has to be: sound and the same when it is written again, or refused in one line.

For the properties and for the fuzz targets, which make the texts.
"""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path
from typing import Any

from builders import write_run
from honeyhive.ci.commands import error_annotation
from honeyhive.errors import DatasetError, HoneyHiveError
from honeyhive.experiments.datapoint import Datapoint
from honeyhive.experiments.dataset import Dataset
from honeyhive.result import Outcome, RunResult, Scored
from honeyhive.runfile import read_run
from hostile.hearing import hear


def explained(error: HoneyHiveError, *exit_codes: int, file: str | None = None, lines: int | None = None) -> None:
    """Hold an error to what each of ours promises: its exit code, a way out, and one line that no log obeys.

    Where it is about a file, it names that, and no line that the file does not have.
    """
    assert error.file == file
    assert error.line is None or lines is None or 1 <= error.line <= lines
    assert error.exit_code in exit_codes
    assert error.message
    assert error.hint
    heard = hear(error_annotation(error).command())
    (only,) = heard.commands
    assert only.name == "error"
    assert len(heard.log.splitlines()) == 1
    assert heard.log.encode("utf-8", "surrogateescape")
    assert hear(error_annotation(error).plain()).commands == ()


def is_plain(value: Any) -> bool:
    """Whether the value is what JSON has words for, with no number that is none, at any depth."""
    match value:
        case dict():
            return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
        case list() | tuple():
            return all(is_plain(item) for item in value)
        case float():
            return value - value == 0
        case _:
            return value is None or isinstance(value, str | bool | int)


# --- run files -------------------------------------------------------------------------------------------------------


def _read(path: Path, content: bytes) -> tuple[RunResult, tuple[Outcome, ...]] | None:
    """The run and its outcomes, or nothing where it is refused, which then is explained."""
    path.write_bytes(content)
    try:
        run = read_run(path)
        return run, tuple(run.outcomes)
    except HoneyHiveError as error:
        explained(error, 3, file=str(path))
        return None


def is_sound(outcome: Outcome) -> bool:
    """Whether the gate may count it: real numbers alone, a name, a place in the run, and a retry of itself."""
    scores = outcome.scores.values() if isinstance(outcome, Scored) else ()
    numbers = [score for score in scores if score is not None and not isinstance(score, bool)]
    again = outcome.retry
    return (
        all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)
        and (outcome.duration_ms is None or 0 <= outcome.duration_ms < math.inf)
        and outcome.datapoint_id != ""
        and outcome.index >= 0 <= outcome.repeat
        and is_plain([outcome.inputs, outcome.ground_truth, outcome.metadata, outcome.enrichment])
        and (again is None or (again.key == outcome.key and again.retry is None and is_sound(again)))
    )


def is_a_run_or_refused(path: Path, content: bytes) -> None:
    """What is read is sound, each outcome once, and reads back the same after it was written again."""
    found = _read(path, content)
    if found is None:
        return
    run, outcomes = found
    assert len({outcome.key for outcome in outcomes}) == len(outcomes)
    assert run.finished in (None, len(outcomes))
    assert run.repeats >= 1
    assert run.expected >= 0
    assert all(is_sound(outcome) for outcome in outcomes)
    assert is_plain([run.metadata, run.configuration, run.git, run.ci, run.environment])
    again = path.with_name(f"again{path.suffix}")
    assert repr(tuple(read_run(write_run(again, outcomes)).outcomes)) == repr(outcomes)


# --- datasets --------------------------------------------------------------------------------------------------------


def is_a_dataset_or_refused(folder: Path, name: str, content: bytes) -> None:
    """Its datapoints are told apart, known by what they are, and each has the line where it stands."""
    (folder / name).write_bytes(content)
    lines = len(content.decode("utf-8", "replace").splitlines()) + 1
    try:
        dataset = Dataset.open(name, workspace=folder)
    except DatasetError as error:
        explained(error, 2, file=name, lines=lines)
        return
    datapoints = list(dataset)
    assert len(datapoints) == dataset.count > 0
    assert [_said(datapoint) for datapoint in dataset] == [_said(datapoint) for datapoint in datapoints]
    assert len({datapoint.id for datapoint in datapoints}) == dataset.count
    for datapoint in datapoints:
        assert dataset.knows(datapoint.id, datapoint.content_hash, datapoint.tags, datapoint.metadata)
        assert not any(unicodedata.category(char) == "Cc" for char in datapoint.id)
        assert datapoint.line is not None
        assert 1 <= datapoint.line <= lines
        assert is_plain([datapoint.inputs, datapoint.ground_truth, datapoint.metadata])


def is_the_same_dataset_when_written_again(folder: Path, name: str, content: bytes) -> None:
    """What was accepted is accepted as JSON lines, with the same ids and contents."""
    (folder / name).write_bytes(content)
    try:
        datapoints = list(Dataset.open(name, workspace=folder))
    except DatasetError:
        return
    again = folder / "again.jsonl"
    again.write_text("".join(f"{json.dumps(_row(datapoint))}\n" for datapoint in datapoints), encoding="utf-8")
    assert [_said(datapoint) for datapoint in Dataset.open(again.name, workspace=folder)] == [*map(_said, datapoints)]


def _said(datapoint: Datapoint) -> tuple[object, ...]:
    return datapoint.id, datapoint.content_hash, datapoint.tags, datapoint.metadata


def _row(datapoint: Datapoint) -> dict[str, object]:
    return {
        "id": datapoint.id,
        "inputs": datapoint.inputs,
        "ground_truth": datapoint.ground_truth,
        "tags": datapoint.tags,
        "metadata": datapoint.metadata,
    }
