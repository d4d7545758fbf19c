"""The gate's middle: prepare everything, run in a child, judge together. What it finds is a value; `cli` acts on it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from honeyhive.ci.account import WAY_OUT
from honeyhive.ci.candidate import check_candidate, interrupted
from honeyhive.ci.cases import make_case
from honeyhive.ci.cleaning import Cleaning, refuse_secrets, without_secrets
from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.install import users_python
from honeyhive.ci.preparing import Preparation, Prepared
from honeyhive.ci.rerun import rerun
from honeyhive.ci.rules.own_gate import OwnGateChange
from honeyhive.ci.settings import Settings
from honeyhive.ci.worker import run_in_child
from honeyhive.documents import neutralise
from honeyhive.errors import Cancelled, HoneyHiveError, InputError, RunFileError
from honeyhive.experiments.beside import open_beside
from honeyhive.gate.broken import Broken, Finding, Skipped, broken_by
from honeyhive.gate.commonest import commonest_error
from honeyhive.gate.verdict import Case, judge
from honeyhive.regular import is_vast
from honeyhive.runfile import set_aside


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One experiment with what became of it, and the files that it is made from.

    `run_id` is what its run was to be called. `digest` is that of the run file when it was judged, `None` where there
    was none: experiments after it run code too, and what they make of the file is nothing that was judged.
    `commonest_error` is there where most datapoints went wrong.
    """

    config: ExperimentConfig
    finding: Finding
    folder: Path
    run_file: Path
    baseline_file: Path | None
    run_id: str = ""
    own_gate: tuple[OwnGateChange, ...] = ()
    digest: str | None = None
    commonest_error: str = ""

    @property
    def is_as_judged(self) -> bool:
        """Whether the run file is still what was judged."""
        return self.digest is not None and _digest(self.run_file) == self.digest


@dataclass(frozen=True, kw_only=True)
class _Ran:
    """What became of an experiment, the digest of its run file at that moment, and what it was held against."""

    case: Case | Broken | Skipped
    digest: str | None = None
    baseline_file: Path | None = None
    commonest_error: str = ""


def run_gate(preparation: Preparation, edge: Edge) -> tuple[Judged, ...]:
    """Run every experiment of the settings and judge them together.

    What is wrong with one experiment is its finding (`Broken`). Nothing is run while something is known to be
    wrong: it would be paid for and thrown away.
    """
    settings = preparation.settings
    folders = [experiment_folder(edge.report_dir, config, settings) for config in settings.experiments]
    prepared = [
        _guarded(config, preparation, run_file(folder), edge.environ)
        for config, folder in zip(settings.experiments, folders, strict=True)
    ]
    ran = _ran(prepared, preparation, edge)
    verdicts = iter(judge([one.case for one in ran if isinstance(one.case, Case)]))
    findings = [next(verdicts) if isinstance(one.case, Case) else _with_way_out(one.case, preparation) for one in ran]
    return tuple(
        Judged(
            config=config,
            finding=without_secrets(finding),
            folder=folder,
            run_file=run_file(folder),
            baseline_file=one.baseline_file,
            run_id=item.run_id if isinstance(item, Prepared) else "",
            own_gate=item.own_gate if isinstance(item, Prepared) else (),
            digest=one.digest,
            commonest_error=one.commonest_error,
        )
        for config, item, one, folder, finding in zip(
            settings.experiments, prepared, ran, folders, findings, strict=True
        )
    )


def _with_way_out(finding: Broken | Skipped, preparation: Preparation) -> Broken | Skipped:
    """What the base still asks for may be what the change has removed: the error alone would not say what to do."""
    changes = preparation.settings.own_gate
    if not isinstance(finding, Broken) or finding.exit_code != InputError.exit_code:
        return finding
    if not any(change.loosens and change.experiment == finding.experiment for change in changes):
        return finding
    base = preparation.around.base_name
    way_out = f"{base} still asks for it: keep it in this change and remove it in the next, or let a maintainer merge"
    return replace(finding, hint=f"{finding.hint}; {way_out}" if finding.hint else way_out)


def _ran(prepared: Sequence[Prepared | Skipped | Broken], preparation: Preparation, edge: Edge) -> list[_Ran]:
    """What became of each: run only where nothing is known to be wrong with any."""
    ready = [item for item in prepared if isinstance(item, Prepared)]
    for item in ready:
        for change in item.own_gate:
            edge.echo(neutralise(f"{item.config.name}: this change {change.text}"))
    if any(isinstance(item, Broken) for item in prepared):
        return [_Ran(case=_not_run(item) if isinstance(item, Prepared) else item) for item in prepared]
    ran = iter(_all_ran(ready, preparation, edge) if ready else ())
    return [next(ran) if isinstance(item, Prepared) else _Ran(case=item) for item in prepared]


def experiment_folder(report_dir: Path, config: ExperimentConfig, settings: Settings) -> Path:
    """Where the files of one experiment go: the report folder itself, or a folder in it where there are several."""
    return report_dir if len(settings.experiments) == 1 else report_dir / config.name


def run_file(folder: Path) -> Path:
    """The run file in an experiment's folder."""
    return folder / "run.jsonl"


def _guarded(
    config: ExperimentConfig, preparation: Preparation, run_file: Path, environ: Mapping[str, str]
) -> Prepared | Skipped | Broken:
    try:
        prepared = preparation.prepare(config, run_file)
        if isinstance(prepared, Prepared):  # its dataset is one, within bounds
            refuse_secrets(config, preparation.settings, environ)
    except HoneyHiveError as error:
        return broken_by(error, config.name)
    return prepared


def _all_ran(ready: list[Prepared], preparation: Preparation, edge: Edge) -> list[_Ran]:
    # The bases first: nothing of the change, not even what it installs, has been where they are run.
    based = [_based(item, preparation, edge) for item in ready]
    try:
        with users_python(preparation.settings, edge, workspace=preparation.around.root) as python:
            return list(_run_each(based, preparation, edge, python))
    except HoneyHiveError as error:  # of the installation: no experiment can do without it
        return [_Ran(case=broken_by(error, item.config.name)) for item in ready]


def _based(item: Prepared, preparation: Preparation, edge: Edge) -> Prepared | _Ran:
    """The experiment with the run of its base, where that is to be run again."""
    try:
        return replace(item, baseline=rerun(item, preparation, edge)) if item.reruns else item
    except Cancelled as error:
        return _Ran(case=interrupted(item.run_file, item.config, item.dataset, error))
    except HoneyHiveError as error:
        return _Ran(case=broken_by(error, item.config.name))


def _run_each(
    based: list[Prepared | _Ran], preparation: Preparation, edge: Edge, python: Path | None
) -> Iterator[_Ran]:
    stopped = any(_is_cancelled(item) for item in based if isinstance(item, _Ran))
    for item in based:
        if isinstance(item, _Ran):
            yield item
            continue
        if stopped:
            yield _Ran(case=_not_run(item))
            continue
        yield (ran := _run_one(item, preparation, edge, python))
        stopped = _is_cancelled(ran)


def _is_cancelled(ran: _Ran) -> bool:
    return isinstance(ran.case, Broken) and ran.case.exit_code > Cancelled.first_exit_code


def _run_one(item: Prepared, preparation: Preparation, edge: Edge, python: Path | None) -> _Ran:
    case = _case(item, preparation, edge, python)
    file, commonest = item.baseline.path if item.baseline else None, ""
    with suppress(InputError, RunFileError, OSError):  # it is in what was judged, and adds nothing to that
        commonest = commonest_error(case.comparison, _ways_out(edge)) if isinstance(case, Case) else ""
    return _Ran(case=case, digest=_digest(item.run_file), baseline_file=file, commonest_error=commonest)


def _ways_out(edge: Edge) -> dict[str, str]:
    """What to do about an error, by its type."""
    return {} if edge.account is None else {"PermissionError": WAY_OUT}


def _digest(file: Path) -> str | None:
    """The hash of a file; `None` where there is none to be read."""
    try:
        with os.fdopen(open_beside(file, os.O_RDONLY), "rb") as stream:
            return None if is_vast(stream.fileno()) else hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, HoneyHiveError):
        return None


def _case(item: Prepared, preparation: Preparation, edge: Edge, python: Path | None) -> Case | Broken:
    """Run one experiment and make it ready to be judged."""
    config, settings = item.config, preparation.settings
    cleaning = Cleaning(item.run_file, config.name, edge)
    try:
        set_aside(item.run_file)
        with cleaning:
            ending = run_in_child(
                config,
                settings,
                base_rows=item.base_rows,
                python=python,
                out=item.run_file,
                run_id=item.run_id,
                edge=replace(edge, environ={**edge.environ, **preparation.around.for_the_child()}),
            )
        candidate = check_candidate(item.run_file, config, item.dataset, ending)
        if isinstance(candidate, Broken):
            return candidate
        thresholds = config.parsed_thresholds()
        baseline = item.baseline.unchanged() if item.baseline else None
        again = preparation.around.rerun_base if item.reruns else None
        case = make_case(config.name, candidate, baseline, thresholds=thresholds, settings=settings)
        return replace(
            case,
            chosen=item.chosen.words or None,
            no_baseline=item.chosen.missing or None,
            commit=preparation.around.situation.head,
            baseline_commit=again[0] if again else None,
            baseline_branch=_branch_of(item, preparation),
            judged_by_base=preparation.around.situation.judged_by_base,
            warnings=(*case.warnings, *item.notes),
        )
    except Cancelled as error:
        cleaning.finish()
        return interrupted(item.run_file, config, item.dataset, error)
    except HoneyHiveError as error:
        return broken_by(error, config.name)
    except OSError as error:  # what the user's code has made of the files: this experiment's affair, not the job's
        return broken_by(RunFileError(f"the run cannot be read: {error}", hint="run again"), config.name)


def _branch_of(item: Prepared, preparation: Preparation) -> str | None:
    """What people call the place where the baseline comes from."""
    situation, entry = preparation.around.situation, item.chosen.entry
    if situation.judged_by_base and situation.base_ref:
        return situation.base_ref
    if entry is not None:
        return entry.tag or entry.ref
    again = preparation.around.rerun_base if item.reruns else None
    return again[1] if again else None


def _not_run(item: Prepared) -> Broken:
    return Broken(
        experiment=item.config.name,
        title="Not run",
        message="not run, because of what is wrong with another experiment",
        exit_code=0,
        expected=item.dataset.count * item.config.repeats,
        finished=0,
    )
