"""What the gate found, told wherever it should be known: report folder, summary, comment, outputs, baselines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from honeyhive.ci.baselines.listing import entry_of
from honeyhive.ci.conclusion import exit_code, overall
from honeyhive.ci.config import ConfigFile
from honeyhive.ci.edge import Edge
from honeyhive.ci.github.comments import post_comment
from honeyhive.ci.pipeline import Judged, experiment_folder, run_file
from honeyhive.ci.preparing import Preparation, is_kept_in_a_store
from honeyhive.ci.publish import append_outputs, append_summary, write_file, write_json
from honeyhive.ci.reporting import COMMENT, COMPARISON, finding_json, gather_evidence
from honeyhive.ci.reports.folder import REPORT, write_report
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.ci.rows import relative
from honeyhive.ci.settings import Settings
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.documents import neutralise
from honeyhive.errors import HoneyHiveError, InputError, NoDecisionError, ReportingError, RunFileError, StoreError
from honeyhive.gate.broken import Skipped
from honeyhive.gate.report import Context, Dataset, Evidence, render
from honeyhive.gate.verdict import Verdict
from honeyhive.gate.verdict_json import prepare_to_read
from honeyhive.runfile import set_aside

SUMMARY_OUTPUT = 500_000
"""A job's outputs are at most 1 MB together: a longer summary goes without its `changes`, which the report has."""

_Evidence = dict[str, Mapping[str, Evidence]]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What could not be told, and what there is to say of the rest."""

    problems: tuple[ReportingError, ...]
    lines: tuple[str, ...]


def begin(settings: Settings, report_dir: Path) -> None:
    """Take away what an earlier gate left: nothing old may look like the answer of this one. Its runs are set aside."""
    prepare_to_read()  # later the user's code may have been where it is loaded from
    clear(report_dir, *(experiment_folder(report_dir, config, settings) for config in settings.experiments))


def clear(report_dir: Path, *folders: Path) -> None:
    """Do it for some folders; `InputError` where something is in the way."""
    try:
        for folder in dict.fromkeys((report_dir, *folders)):
            for name in (COMMENT, COMPARISON, REPORT):
                (folder / name).unlink(missing_ok=True)
            set_aside(run_file(folder))
    except OSError as error:
        raise InputError(
            f"cannot be cleared for a new report: {error.strerror}", file=str(report_dir), hint="move it away"
        ) from error


def tell(judged: Sequence[Judged], preparation: Preparation, edge: Edge) -> tuple[Report, Told]:
    """Tell all of it; each thing may fail alone, and none of them changes the verdict."""
    teller = _Teller(judged, preparation, edge)
    problems = [problem for step in teller.steps() if (problem := _attempted(step)) is not None]
    return teller.report, Told(problems=tuple(problems), lines=tuple(teller.lines))


class _Teller:
    """The steps of telling, in their order, and what they have come to so far."""

    def __init__(self, judged: Sequence[Judged], preparation: Preparation, edge: Edge) -> None:
        self._judged = judged
        self._preparation = preparation
        self._situation = preparation.around.situation
        self._edge = edge
        # What can be said without the run files is said even if somebody takes them away.
        self.report = report_of(judged, preparation, {})
        self.lines: list[str] = []
        self.url = ""

    def steps(self) -> list[Callable[[], None]]:
        folder = self._edge.report_dir
        return [
            self._add_evidence,
            lambda: write_file(folder / COMMENT, self._text()),
            *(
                lambda item=item: write_json(item.folder / COMPARISON, finding_json(item.finding))
                for item in self._judged
            ),
            self._write_report,
            lambda: append_summary(self._text(), self._edge.environ),
            self._comment,
            lambda: append_outputs(outputs(self._judged, self._edge, self.url), self._edge.environ),
        ]

    def _write_report(self) -> None:
        write_report(self.report, self._edge.report_dir)

    def _text(self) -> str:
        return render(self.report.findings, evidence=self.report.evidence, context=self.report.context)

    def _add_evidence(self) -> None:
        evidence: _Evidence = {}
        for item in self._judged:
            if isinstance(item.finding, Verdict):
                if not item.is_as_judged:
                    raise _changed(item)
                evidence[item.finding.experiment] = gather_evidence(item.finding, item.run_file, item.baseline_file)
        self.report = report_of(self._judged, self._preparation, evidence)

    def _comment(self) -> None:
        """Comment on the pull request, where there is one and the token may."""
        if not self._preparation.settings.comment or self._situation.kind is not Kind.PULL_REQUEST:
            return
        github = self._preparation.around.github
        if self._situation.is_fork:
            self.lines.append(
                "no comment from here: the job of a fork has a token that may only read. The workflow with "
                "`mode: publish` comments, see docs/github.md"
            )
        elif self._situation.number is None:
            raise ReportingError(
                "no comment: the event names no pull request", hint="set `comment: false` if none is due"
            )
        elif github is None:
            raise ReportingError("no comment: there is no token", hint="give github-token, or set `comment: false`")
        else:
            nothing_new = all(isinstance(finding, Skipped) for finding in self.report.findings)
            self.url = post_comment(self.report, github, create=not nothing_new, echo=self.lines.append)
            if self.url:
                self.lines.append(f"comment: {self.url}")


def keep(judged: Sequence[Judged], preparation: Preparation) -> Told:
    """Keep each run as the baseline of the changes to come, where this is what they start from."""
    problems: list[ReportingError] = []
    lines: list[str] = []
    for item in judged:
        concerned = preparation.around.situation.saves and is_kept_in_a_store(item.config)
        if concerned and isinstance(item.finding, Verdict):
            try:
                lines.append(_kept(item, preparation))
            except StoreError as error:
                problems.append(error)
    return Told(problems=tuple(problems), lines=tuple(lines))


def _kept(item: Judged, preparation: Preparation) -> str:
    """Keep one run, and say so; `StoreError` where that cannot be done."""
    name, store = item.finding.experiment, preparation.store
    try:
        if not item.is_as_judged:
            raise _changed(item)
        entry = entry_of(item.run_file, preparation.around.situation, preparation.now)
        store.save(item.run_file, entry)
    except (InputError, NoDecisionError, RunFileError) as error:
        message = f"{name}: the run is not saved as a baseline: {error.message}"
        raise StoreError(message, hint=error.hint) from error
    return neutralise(f"{name}: saved in {store.name} as the baseline of {entry.commit[:7]}")


def _attempted(step: Callable[[], None]) -> ReportingError | None:
    try:
        step()
    except ReportingError as error:
        return error
    except (OSError, InputError, RunFileError) as error:  # a run file may be another by now, or gone
        return ReportingError(f"the report cannot be written: {error}", hint="the verdict stands all the same")
    except HoneyHiveError as error:  # such as a repository that cannot be reached any more
        return ReportingError(error.message, hint=error.hint)
    return None


def _changed(item: Judged) -> RunFileError:
    return RunFileError("changed after it was judged", file=str(item.run_file), hint="see what writes to it")


# --- what is told ----------------------------------------------------------------------------------------------------


def report_of(judged: Sequence[Judged], preparation: Preparation, evidence: _Evidence) -> Report:
    """The report as one value."""
    situation = preparation.around.situation
    datasets = {item.finding.experiment: _dataset(item, preparation) for item in judged if item.config.dataset}
    web, job = _web(situation), situation.job
    edits = (change for item in judged for change in item.own_gate)
    context = Context(
        judged_by=preparation.settings.config_file or "the flags given",
        judged_at=preparation.around.base_name if isinstance(preparation.around.rules, ConfigFile) else None,
        datasets=datasets,
        commit_url=f"{web}/commit/" if web else None,
        report_url=run_url(situation),
        attempt=job.attempt if job else None,
        own_gate=tuple(change.text for change in (*preparation.settings.own_gate, *edits)),
    )
    findings = tuple(item.finding for item in judged)
    return Report(findings=findings, evidence=evidence, context=context, origin=_origin(situation))


def _origin(situation: Situation) -> Origin:
    job = situation.job
    return Origin(
        repository=situation.repository,
        repository_id=situation.repository_id,
        number=situation.number,
        head=situation.head,
        event=situation.event,
        run_id=job.run_id if job else None,
        attempt=job.attempt if job else 1,
        workflow=job.workflow if job else "",
        job=job.name if job else "",
        key=job.key if job else "",
    )


def _web(situation: Situation) -> str | None:
    if situation.server_url is None or situation.repository is None:
        return None
    return f"{situation.server_url}/{situation.repository}"


def run_url(situation: Situation) -> str | None:
    """The page of the attempt that the job belongs to."""
    web, job = _web(situation), situation.job
    return f"{web}/actions/runs/{job.run_id}/attempts/{job.attempt}" if web and job else None


def _dataset(item: Judged, preparation: Preparation) -> Dataset:
    """Where the rows are: the path in the repository, and the address of a line but for its number."""
    situation, web = preparation.around.situation, _web(preparation.around.situation)
    place = preparation.around.in_repository(Path(item.config.dataset))
    commit = situation.head or situation.commit
    line_url = f"{web}/blob/{commit}/{quote(place)}#L" if web and place and commit else None
    return Dataset(path=place or item.config.dataset, line_url=line_url)


def outputs(judged: Sequence[Judged], edge: Edge, comment_url: str = "") -> dict[str, str]:
    """The outputs of the action."""
    summary = json.dumps([finding_json(item.finding) for item in judged], ensure_ascii=False, allow_nan=False)
    if len(summary) > SUMMARY_OUTPUT:
        summary = json.dumps([finding_json(item.finding) | {"changes": []} for item in judged], ensure_ascii=False)
    values = {
        "verdict": overall(judged),
        "passed": "true" if exit_code(judged) == 0 else "false",
        "summary": summary,
        "report-dir": _for_the_next_step(edge.report_dir, edge),
        "comment-url": comment_url,
    }
    if len(judged) == 1:
        finding = judged[0].finding
        skipped = isinstance(finding, Skipped)
        values["run-file"] = "" if skipped else _for_the_next_step(judged[0].run_file, edge)
        values["run-id"] = finding.candidate.run_id if isinstance(finding, Verdict) else ""
        baseline = finding.baseline if isinstance(finding, Verdict) else None
        values["baseline-run-id"] = baseline.run_id if baseline is not None else ""
    return values


def _for_the_next_step(path: Path, edge: Edge) -> str:
    """The path from the workspace on: the next step may see that in another place than a container does."""
    return str(relative(path, Path(edge.environ.get("GITHUB_WORKSPACE") or Path.cwd())))
