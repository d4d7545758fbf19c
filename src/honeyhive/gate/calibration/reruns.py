"""Whether several runs are of one system on one dataset, so that what differs between them is chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from honeyhive.documents import shown
from honeyhive.errors import ConfigError, InputError
from honeyhive.gate.calibration.resampling import Pool
from honeyhive.gate.entries import did_you_mean
from honeyhive.gate.rules import COMPARABLE_SHARE
from honeyhive.gate.thresholds import Threshold
from honeyhive.result import RunResult

_AGAIN = "run the same code on the same dataset again: honeyhive run --out FILE"


def refuse_other_systems(runs: Sequence[RunResult]) -> None:
    """Raise `InputError` where there are not several runs, or they are scored in different ways."""
    if len(runs) < 2:
        raise InputError(
            f"{'one run' if runs else 'no run'}: how much chance does is seen between two runs or more", hint=_AGAIN
        )
    fingerprints: dict[str, tuple[int, str]] = {}
    for number, run in enumerate(runs, start=1):
        for evaluator in run.evaluators:
            first, known = fingerprints.setdefault(evaluator.name, (number, evaluator.fingerprint))
            if known and evaluator.fingerprint not in ("", known):
                raise InputError(
                    f"the evaluator {shown(evaluator.name)} is not the same in runs {first} and {number}",
                    hint="their scores cannot be compared: run all of them with one version of the evaluator",
                )
            if not known:
                fingerprints[evaluator.name] = number, evaluator.fingerprint


def refuse_other_datasets(pool: Pool) -> None:
    """Raise `InputError` where the runs share too few datapoints, or none."""
    sizes = list(map(len, pool.tables))
    largest = max(sizes)
    if len(pool) == 0 or len(pool) < COMPARABLE_SHARE * largest:
        raise InputError(
            f"the runs are of different datasets: they have {', '.join(f'{size:,}' for size in sizes)} datapoints, and "
            f"share {len(pool):,} with the same content",
            hint=_AGAIN,
        )


def refuse_unknown_metrics(thresholds: Sequence[Threshold], pool: Pool) -> None:
    """Raise `ConfigError` where a threshold is about a metric that none of the runs has."""
    known = tuple(name for name, column in pool.columns.items() if any(column.measured))
    for threshold in thresholds:
        if threshold.metric.name not in known:
            raise ConfigError(
                f"thresholds.{threshold.name}: none of the runs has the metric {shown(threshold.metric.name)}",
                hint=did_you_mean(threshold.metric.name, known),
                path=(threshold.name,),
            )


def warnings(pool: Pool, thresholds: Sequence[Threshold]) -> Iterator[str]:
    """What makes the runs differ by more than chance, or what is known of some of them only."""
    runs = pool.runs
    if len(_known(runs, lambda run: run.git.get("commit_hash"))) > 1:
        yield "the runs are not of the same commit: what the change between them did counts as chance here"
    for what, of_run in (("name", lambda run: run.name), ("repeats", lambda run: run.repeats)):
        found = _known(runs, of_run)
        if len(found) > 1:
            yield f"the runs have different {what}: {', '.join(map(str, found))}"
    for threshold in thresholds:
        column = pool.columns[threshold.metric.name]
        if not column.measured_everywhere:
            lacking = [str(number) for number, measured in enumerate(column.measured, start=1) if not measured]
            yield (
                f"{threshold.name} is not resampled: run {' and '.join(lacking)} has no score of it; "
                "its pairs are judged all the same"
            )
    keys = dict.fromkeys(column.metric.cluster for column in pool.columns.values() if column.metric.cluster)
    if len(keys) > 1:
        yield f"metrics have different clusters ({', '.join(keys)}): what is drawn together are those of the fewest"


def _known(runs: Sequence[RunResult], of_run: Callable[[RunResult], object]) -> list[object]:
    """What is known of the runs, each thing once."""
    return list(dict.fromkeys(found for run in runs if (found := of_run(run)) not in (None, "")))
