"""The gate's middle: prepare everything, run in a child, judge together. What it finds is a value; `cli` acts on it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from honeyhive.ci.candidate import check_candidate, interrupted
from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.install import install
from honeyhive.ci.runs import Baseline, read_baseline
from honeyhive.ci.settings import NO_BASELINE, Settings
from honeyhive.ci.worker import child_environment, run_in_child
from honeyhive.documents import yaml_scalar
from honeyhive.errors import Cancelled, ConfigError, HoneyHiveError, RunFileError
from honeyhive.experiments.beside import open_beside
from honeyhive.experiments.dataset import Columns, Dataset
from honeyhive.experiments.git import workspace_root
from honeyhive.gate.broken import Broken, Finding, broken_by
from honeyhive.gate.comparison import Comparison, compare
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Direction, Kind, Metric
from honeyhive.gate.thresholds import Threshold, with_default_errors
from honeyhive.gate.verdict import Case, judge
from honeyhive.result import BUILT_IN, LATENCY, RunResult
from honeyhive.runfile import set_aside

_NAMED = 10
"""How many metrics a message names."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What the gate touches of the world: the environment, the log, and the folder for its report."""

    environ: Mapping[str, str]
    echo: Callable[[str], None]
    report_dir: Path


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One experiment with what became of it, and the files that it is made from.

    `run_id` is what its run was to be called. `digest` is that of the run file when it was judged, `None` where there
    was none: experiments after it run code too, and what they make of the file is nothing that was judged.
    """

    config: ExperimentConfig
    finding: Finding
    folder: Path
    run_file: Path
    baseline_file: Path | None
    run_id: str = ""
    digest: str | None = None

    @property
    def is_as_judged(self) -> bool:
        """Whether the run file is still what was judged."""
        return self.digest is not None and _digest(self.run_file) == self.digest


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """An experiment whose input has been read and found right, before anything of it runs."""

    config: ExperimentConfig
    dataset: Dataset
    baseline: Baseline | None
    run_file: Path
    run_id: str


@dataclass(frozen=True, kw_only=True)
class _Ran:
    """What became of an experiment, and the digest of its run file at that moment."""

    case: Case | Broken
    digest: str | None = None


def run_gate(settings: Settings, edge: Edge) -> tuple[Judged, ...]:
    """Run every experiment of the settings and judge them together.

    What is wrong with one experiment is its finding (`Broken`). Nothing is run while something is known to be
    wrong: it would be paid for and thrown away.
    """
    prepared = [_guarded(config, settings, edge) for config in settings.experiments]
    ready = [item for item in prepared if isinstance(item, _Prepared)]
    ran = [_Ran(case=_not_run(item) if isinstance(item, _Prepared) else item) for item in prepared]
    if len(ready) == len(prepared):
        ran = _all_ran(ready, settings, edge)
    verdicts = iter(judge([one.case for one in ran if isinstance(one.case, Case)]))
    findings = [next(verdicts) if isinstance(one.case, Case) else one.case for one in ran]
    return tuple(
        Judged(
            config=config,
            finding=finding,
            folder=(folder := experiment_folder(edge.report_dir, config, settings)),
            run_file=run_file(folder),
            baseline_file=_baseline_file(config, settings),
            run_id=item.run_id if isinstance(item, _Prepared) else "",
            digest=one.digest,
        )
        for config, item, one, finding in zip(settings.experiments, prepared, ran, findings, strict=True)
    )


def experiment_folder(report_dir: Path, config: ExperimentConfig, settings: Settings) -> Path:
    """Where the files of one experiment go: the report folder itself, or a folder in it where there are several."""
    return report_dir if len(settings.experiments) == 1 else report_dir / config.name


def run_file(folder: Path) -> Path:
    """The run file in an experiment's folder."""
    return folder / "run.jsonl"


def open_dataset(config: ExperimentConfig, settings: Settings) -> Dataset:
    """The dataset of an experiment, every row of it read and checked."""
    columns = Columns(inputs=config.inputs, ground_truth=config.ground_truth, id=config.id)
    workspace = workspace_root(settings.directory)
    path = relative(settings.directory / config.dataset, workspace)
    return Dataset.open(path, workspace=workspace, columns=columns, limit=settings.limit)


def relative(path: Path, start: Path) -> Path:
    """The path as people know it, from `start` on, where it is below it."""
    return path.relative_to(start) if path.is_relative_to(start) else path


def make_case(
    name: str,
    candidate: RunResult,
    baseline: RunResult | None,
    *,
    thresholds: tuple[Threshold, ...],
    settings: Settings,
) -> Case:
    """Two runs and the user's rules, ready to be judged; `ConfigError` where there is no rule, or none that fits."""
    declared = with_default_errors(thresholds)
    comparison = compare(candidate, baseline, [threshold.metric for threshold in declared])
    if not thresholds and not comparison.tagged:
        seen = sorted(comparison.metrics, key=lambda metric: metric in BUILT_IN)
        raise ConfigError(
            f"no threshold: there is nothing to decide. It saw {_listed(seen)}",
            hint="put the block above into your experiment in honeyhive.yml, with the limits that you want",
            details=_block_to_paste(comparison),
        )
    for metric, found in comparison.metrics.items():
        if found.beyond_range and found.metric.kind is Kind.RATE:
            raise ConfigError(
                f"thresholds.{metric}: a rate goes from 0 to 1, and it has scores beyond that",
                hint="say `kind: score`, and its `range: [lo, hi]`",
                path=(metric,),
            )
    kinds = {metric: found.metric.kind for metric, found in comparison.metrics.items()}
    settled = tuple(t.settled(kind) if (kind := kinds[t.metric.name]) else t for t in declared)
    return Case(experiment=name, comparison=comparison, thresholds=settled, policies=settings.policies)


def _guarded(config: ExperimentConfig, settings: Settings, edge: Edge) -> _Prepared | Broken:
    try:
        baseline_file = _baseline_file(config, settings)
        return _Prepared(
            config=config,
            dataset=open_dataset(config, settings),
            baseline=read_baseline(baseline_file) if baseline_file else None,
            run_file=run_file(experiment_folder(edge.report_dir, config, settings)),
            run_id=str(uuid.uuid4()),
        )
    except HoneyHiveError as error:
        return broken_by(error, config.name)


def _baseline_file(config: ExperimentConfig, settings: Settings) -> Path | None:
    if config.baseline is None or config.baseline == NO_BASELINE:
        return None
    return relative(settings.directory / config.baseline, Path.cwd())


def _all_ran(ready: list[_Prepared], settings: Settings, edge: Edge) -> list[_Ran]:
    try:
        with _users_python(settings, edge) as python:
            return list(_run_each(ready, settings, edge, python))
    except HoneyHiveError as error:  # of the installation: no experiment can do without it
        return [_Ran(case=broken_by(error, item.config.name)) for item in ready]


def _run_each(ready: list[_Prepared], settings: Settings, edge: Edge, python: Path | None) -> Iterator[_Ran]:
    stopped = False
    for item in ready:
        case = _not_run(item) if stopped else _case(item, settings, edge, python)
        yield _Ran(case=case, digest=None if stopped else _digest(item.run_file))
        stopped = stopped or (isinstance(case, Broken) and case.exit_code > Cancelled.first_exit_code)


def _digest(file: Path) -> str | None:
    """The hash of a file; `None` where there is none to be read."""
    try:
        with os.fdopen(open_beside(file, os.O_RDONLY), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, HoneyHiveError):
        return None


def _case(item: _Prepared, settings: Settings, edge: Edge, python: Path | None) -> Case | Broken:
    """Run one experiment and make it ready to be judged."""
    config = item.config
    try:
        set_aside(item.run_file)
        ending = run_in_child(
            config,
            settings,
            python=python,
            out=item.run_file,
            run_id=item.run_id,
            environ=edge.environ,
            echo=edge.echo,
        )
        candidate = check_candidate(item.run_file, config, item.dataset, ending)
        if isinstance(candidate, Broken):
            return candidate
        thresholds = config.parsed_thresholds()
        baseline = item.baseline.unchanged() if item.baseline else None
        return make_case(config.name, candidate, baseline, thresholds=thresholds, settings=settings)
    except Cancelled as error:
        return interrupted(item.run_file, config, item.dataset, error)
    except HoneyHiveError as error:
        return broken_by(error, config.name)
    except OSError as error:  # what the user's code has made of the files: this experiment's affair, not the job's
        return broken_by(RunFileError(f"the run cannot be read: {error}", hint="run again"), config.name)


@contextmanager
def _users_python(settings: Settings, edge: Edge) -> Iterator[Path | None]:
    """The interpreter for the user's code: one with their requirements where `install` names some, else our own."""
    if settings.install is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="honeyhive-install-", ignore_cleanup_errors=True) as folder:
        yield install(
            settings.install,
            python_version=settings.python_version,
            directory=settings.directory,
            into=Path(folder, "environment"),
            environ=child_environment(edge.environ, settings.pass_env),
            echo=edge.echo,
        )


def _not_run(item: _Prepared) -> Broken:
    return Broken(
        experiment=item.config.name,
        title="Not run",
        message="not run, because of what is wrong with another experiment",
        exit_code=0,
        expected=item.dataset.count * item.config.repeats,
        finished=0,
    )


def _block_to_paste(comparison: Comparison) -> str:
    """Thresholds that fit what was seen, to start from."""
    names = [name for name in comparison.metrics if name not in BUILT_IN] or [LATENCY]
    rules = (f"      {yaml_scalar(name)}: {_usual_rule(comparison.metrics[name].metric)}" for name in names)
    return "\n".join(["    thresholds:", *rules])


def _listed(names: Sequence[str]) -> str:
    shown = [one_line(name, NAME) for name in names[:_NAMED]]
    return ", ".join(shown) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _usual_rule(metric: Metric) -> str:
    match metric.kind:
        case Kind.LATENCY:
            return "{max: 2s}"
        case Kind.COST:
            return "{max-increase: 10%}"
        case _:
            return "{max-drop: 0.02}" if metric.direction is Direction.HIGHER else "{max-increase: 0.02}"
