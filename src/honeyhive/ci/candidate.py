"""What the child left, checked before anybody believes it: is it the run that was asked for, and all of it?"""

from __future__ import annotations

import os
from collections.abc import Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.worker import Ending
from honeyhive.errors import Cancelled, DatasetError, HoneyHiveError, InputError, RunFileError
from honeyhive.experiments.dataset import Datapoint, KnownDatapoints
from honeyhive.gate.broken import Broken, broken_by
from honeyhive.result import Failed, Outcome, RunResult, content_hash
from honeyhive.runfile import read_run

Key = tuple[str, int]
_NAMED = 5
"""How many of the missing datapoints are named."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The outcomes that are there, by our own count."""

    finished: int
    missing: tuple[str, ...]


def check_candidate(
    path: Path, experiment: ExperimentConfig, dataset: KnownDatapoints, ending: Ending
) -> RunResult | Broken:
    """The run at `path`, or why it cannot be judged: not there, not whole, or not the run that was asked for."""
    expected = dataset.count * experiment.repeats
    try:
        run = _read(path, ending.run_id)
        counted = _count(run, experiment, dataset)
    except DatasetError as error:
        return broken_by(RunFileError(error.message, file=error.file, hint=error.hint), experiment.name)
    except InputError:
        counted = Counted(finished=0, missing=())
        return _unfinished(path, experiment, ending, counted, expected=expected)
    except HoneyHiveError as error:
        if ending.exit_code != RunFileError.exit_code or ending.error is None:
            return broken_by(error, experiment.name)
        # It has said itself what keeps it from writing its file, and that says more than what the file looks like.
        return _unfinished(path, experiment, ending, Counted(finished=0, missing=()), expected=expected)
    if ending.exit_code == 0 and run.complete and counted.finished == expected:
        return run
    return _unfinished(path, experiment, ending, counted, expected=expected)


def interrupted(path: Path, experiment: ExperimentConfig, dataset: KnownDatapoints, error: Cancelled) -> Broken:
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
        hint=_way_on(path) if finished else "run it again",
        exit_code=error.exit_code,
        expected=expected,
        finished=finished,
    )


def _way_on(path: Path) -> str:
    return f"what was finished is kept: go on with `honeyhive run --resume --out {os.path.relpath(path)}`, or run again"


def _read(path: Path, run_id: str) -> RunResult:
    """The run, where it is the one that was asked for: its id goes wherever the run is told of."""
    if path.is_symlink():
        raise _another_run()
    run = read_run(path)
    if run.run_id != run_id:
        raise _another_run()
    return run


def _another_run() -> RunFileError:
    return RunFileError("the run file is that of another run", hint="something else has written to it: run again")


def _count(run: RunResult, experiment: ExperimentConfig, dataset: KnownDatapoints) -> Counted:
    """Count for ourselves: user code ran in the process that wrote the file."""
    expected = dataset.count * experiment.repeats
    asked = (experiment.name, dataset.sha256, dataset.limit, experiment.repeats, expected)
    if asked != (run.name, run.dataset_sha256, run.limit, run.repeats, run.expected):
        raise _another_run()
    seen: set[Key] = set()
    for outcome in run.outcomes:
        known = dataset.knows(outcome.datapoint_id, outcome.content_hash, outcome.tags, outcome.metadata)
        if not known or not _has_its_content(outcome) or outcome.repeat >= experiment.repeats:
            raise RunFileError(
                f"the run file holds a datapoint that is not in the dataset: {outcome.datapoint_id[:100]}",
                hint="something else has written to it: run again",
            )
        seen.add(outcome.key)
    missing = () if len(seen) == expected else _missing(experiment, dataset, seen)
    return Counted(finished=len(seen), missing=missing)


def _has_its_content(outcome: Outcome) -> bool:
    """Whether inputs and ground truth are those of the hash; what could not be recorded has neither."""
    unrecorded = isinstance(outcome, Failed) and outcome.inputs is None and outcome.ground_truth is None
    return unrecorded or content_hash(outcome.inputs, outcome.ground_truth) == outcome.content_hash


def _missing(
    experiment: ExperimentConfig, dataset: KnownDatapoints, present: Set[Key] = frozenset()
) -> tuple[str, ...]:
    """The first few datapoints that have no outcome, by name."""
    keys = ((point, repeat) for repeat in range(experiment.repeats) for point in dataset)
    absent = ((point, repeat) for point, repeat in keys if (point.id, repeat) not in present)
    return tuple(f"missing: {_name(point, repeat)}" for point, repeat in islice(absent, _NAMED))


def _name(point: Datapoint, repeat: int) -> str:
    name = f"line {point.line} ({point.id})" if point.line else point.id
    return f"{name}, repeat {repeat}" if repeat else name


def _unfinished(path: Path, experiment: ExperimentConfig, ending: Ending, counted: Counted, *, expected: int) -> Broken:
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
        hint=_way_on(path) if counted.finished else "the lines above may say more",
        exit_code=RunFileError.exit_code,
        expected=expected,
        finished=counted.finished,
        details=counted.missing,
    )
