"""What the child left, checked before anybody believes it: is it the run that was asked for, and all of it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.worker import Ending
from honeyhive.errors import Cancelled, HoneyHiveError, InputError, RunFileError
from honeyhive.experiments.dataset import Dataset
from honeyhive.gate.broken import Broken, broken_by
from honeyhive.result import RunResult
from honeyhive.runfile import read_run

_NAMED = 5
"""How many of the missing datapoints are named."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The outcomes that are there, by our own count."""

    finished: int
    missing: tuple[str, ...]


def check_candidate(path: Path, experiment: ExperimentConfig, dataset: Dataset, ending: Ending) -> RunResult | Broken:
    """The run at `path`, or why it cannot be judged: not there, not whole, or not the run that was asked for."""
    expected = dataset.count * experiment.repeats
    try:
        run = read_run(path)
        counted = _count(run, experiment, dataset)
    except InputError:
        return _unfinished(experiment, ending, expected, Counted(finished=0, missing=tuple(_names(dataset, set()))))
    except HoneyHiveError as error:
        return broken_by(error, experiment.name)
    if ending.exit_code == 0 and run.complete and counted.finished == expected:
        return run
    return _unfinished(experiment, ending, expected, counted)


def interrupted(path: Path, experiment: ExperimentConfig, dataset: Dataset, error: Cancelled) -> Broken:
    """A run that a signal has ended, with what it has finished."""
    try:
        finished = sum(1 for _ in read_run(path).outcomes)
    except HoneyHiveError:
        finished = 0
    expected = dataset.count * experiment.repeats
    return Broken(
        experiment=experiment.name,
        title=error.title,
        message=f"{error.message}; {finished:,} of {expected:,} datapoints were finished",
        hint=f"what was finished is kept in {path.name}",
        exit_code=error.exit_code,
        expected=expected,
        finished=finished,
    )


def _count(run: RunResult, experiment: ExperimentConfig, dataset: Dataset) -> Counted:
    """Count for ourselves: user code ran in the process that wrote the file."""
    if run.dataset_sha256 != dataset.sha256 or run.name != experiment.name:
        raise RunFileError("the run file is that of another run", hint="something else has written to it: run again")
    seen: set[tuple[str, int]] = set()
    for outcome in run.outcomes:
        if not dataset.knows(outcome.datapoint_id, outcome.content_hash) or outcome.repeat >= experiment.repeats:
            raise RunFileError(
                f"the run file holds a datapoint that is not in the dataset: {outcome.datapoint_id[:100]}",
                hint="something else has written to it: run again",
            )
        seen.add(outcome.key)
    finished = len(seen)
    missing = () if finished == dataset.count * experiment.repeats else tuple(_names(dataset, {key[0] for key in seen}))
    return Counted(finished=finished, missing=missing)


def _names(dataset: Dataset, present: set[str]) -> Iterator[str]:
    """The first few datapoints that have no outcome."""
    absent = (point for point in dataset if point.id not in present)
    for point, _ in zip(absent, range(_NAMED), strict=False):
        yield f"missing: line {point.line} ({point.id})" if point.line else f"missing: {point.id}"


def _unfinished(experiment: ExperimentConfig, ending: Ending, expected: int, counted: Counted) -> Broken:
    said = ending.error
    if ending.exit_code == InputError.exit_code and not counted.finished and said is not None:
        place = f"{said.file}:{said.line}: " if said.file and said.line else f"{said.file}: " if said.file else ""
        return Broken(
            experiment=experiment.name,
            title=said.title or InputError.title,
            message=f"{place}{said.message}",
            hint=said.hint,
            exit_code=InputError.exit_code,
            expected=expected,
            finished=0,
        )
    left = expected - counted.finished
    without = f"{left:,} of {expected:,} datapoints have no outcome" if left else "the run did not end as it should"
    cause = f"{ending.words}: {said.message}" if said else ending.words
    return Broken(
        experiment=experiment.name,
        title="Incomplete run",
        message=f"{without}; {cause}",
        hint="what was finished is in the run file: go on with `honeyhive run --resume`, or run the job again",
        exit_code=RunFileError.exit_code,
        expected=expected,
        finished=counted.finished,
        details=counted.missing,
    )
