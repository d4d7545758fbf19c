"""What the gate found, told wherever it should be known: report folder, summary, comment, outputs, baselines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from honeyhive.ci.conclusion import overall
from honeyhive.ci.config import CONFIG_FILE, NAME_PATTERN, ConfigFile
from honeyhive.ci.edge import Edge
from honeyhive.ci.github.comments import post_comment
from honeyhive.ci.inputs import Inputs
from honeyhive.ci.lastwords import LAST_WORDS
from honeyhive.ci.outlet import OUTLET
from honeyhive.ci.pipeline import Judged, experiment_folder, run_file
from honeyhive.ci.preparing import Preparation
from honeyhive.ci.publish import append_outputs, append_summary, refuse_links, write_file, write_json
from honeyhive.ci.reporting import COMMENT, COMPARISON, finding_json, gather_evidence
from honeyhive.ci.reports.customised import customised
from honeyhive.ci.reports.folder import REPORT, write_report
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.ci.rows import relative
from honeyhive.ci.rules.own_gate import code
from honeyhive.ci.settings import Settings
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.ci.whereabouts.surroundings import Surroundings
from honeyhive.errors import (
    Cancelled,
    HoneyHiveError,
    InputError,
    ReportingError,
    RunFileError,
)
from honeyhive.gate.broken import Skipped, broken_by
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
    url: str = ""


def begin(settings: Settings, report_dir: Path) -> None:
    """Take away what an earlier gate left: nothing old may look like the answer of this one. Its runs are set aside."""
    prepare_to_read()  # later the user's code may have been where it is loaded from
    clear(report_dir, *(experiment_folder(report_dir, config, settings) for config in settings.experiments))


def clear(report_dir: Path, *folders: Path) -> None:
    """Do it for some folders; `InputError` where something is in the way."""
    try:
        for folder in dict.fromkeys((report_dir, *folders)):
            refuse_links(folder, report_dir.parent)
            for name in (COMMENT, COMPARISON, REPORT):
                (folder / name).unlink(missing_ok=True)
            set_aside(run_file(folder))
    except ReportingError as error:
        raise InputError(error.message, file=error.file, hint=error.hint) from error
    except OSError as error:
        raise InputError(
            f"cannot be cleared for a new report: {error.strerror}", file=str(report_dir), hint="move it away"
        ) from error


def tell(judged: Sequence[Judged], preparation: Preparation, edge: Edge) -> tuple[Report, Told]:
    """Tell all of it but the outputs; each thing may fail alone, and none of them changes the verdict."""
    # What can be said without the run files is said even if somebody takes them away.
    teller = _Teller(
        report_of(judged, preparation, {}), preparation.around, edge, comments=preparation.settings.comment
    )

    def add_evidence() -> None:
        teller.report = report_of(judged, preparation, _evidence(judged))

    def customise() -> None:
        teller.report = customised(teller.report, preparation.template)

    inside = edge.report_dir.parent
    files = [
        lambda item=item: write_json(item.folder / COMPARISON, finding_json(item.finding), inside=inside)
        for item in judged
    ]
    told = teller.told([add_evidence, customise, *files])
    return teller.report, told


def tell_why_not(error: HoneyHiveError, inputs: Inputs, around: Surroundings, edge: Edge) -> Told:
    """Tell that the gate could not begin: what an earlier push was told must not stand there as the answer to this one.

    The outputs are among it: there is nothing to come after it.
    """
    name = Path(around.config).name
    finding = broken_by(error, name if re.fullmatch(NAME_PATTERN, name) else CONFIG_FILE)
    context = _context(around.situation, judged_by=around.config)
    report = Report(findings=(finding,), context=context, origin=_origin(around.situation))
    stopped = isinstance(error, Cancelled)  # by another push, mostly, whose job comments
    teller = _Teller(report, around, edge, comments=inputs.comment is not False and not stopped)
    summary = json.dumps(OUTLET.clean_value([finding_json(finding)]), ensure_ascii=False)
    told = teller.told([])
    outputs = {"verdict": "broken", "passed": "false", "summary": summary}
    outputs |= {"report-dir": _for_the_next_step(edge.report_dir, edge), "comment-url": told.url}
    problem = attempted(lambda: append_outputs(outputs, edge.environ))
    return replace(told, problems=(*told.problems, *([problem] if problem else [])))


class _Teller:
    """A report on its way to where it should be known; `report` may get its evidence meanwhile."""

    def __init__(self, report: Report, around: Surroundings, edge: Edge, *, comments: bool) -> None:
        self.report = report
        self._around = around
        self._edge = edge
        self._comments = comments
        self._lines: list[str] = []
        self._url = ""

    def told(self, first: Sequence[Callable[[], None]]) -> Told:
        """Do these steps `first`, then tell the report; what came of it."""
        steps = [*first, self._write_comment, self._write_report, self._add_summary, self._comment]
        problems = [problem for step in steps if (problem := attempted(step)) is not None]
        return Told(problems=tuple(problems), lines=tuple(self._lines), url=self._url)

    def _text(self) -> str:
        return render(self.report.findings, evidence=self.report.evidence, context=self.report.context)

    def _write_comment(self) -> None:
        write_file(self._edge.report_dir / COMMENT, self._text(), inside=self._edge.report_dir.parent)

    def _write_report(self) -> None:
        write_report(self.report, self._edge.report_dir)

    def _add_summary(self) -> None:
        append_summary(self._text(), self._edge.environ)

    def _comment(self) -> None:
        """Comment on the pull request, where there is one and the token may."""
        situation, github = self._around.situation, self._around.github
        if not self._comments or situation.kind is not Kind.PULL_REQUEST:
            return
        if situation.is_fork:
            self._lines.append(
                "no comment from here: the job of a fork has a token that may only read. The workflow with "
                "`mode: publish` comments"
            )
        elif situation.number is None:
            raise ReportingError(
                "no comment: the event names no pull request", hint="set `comment: false` if none is due"
            )
        elif github is None:
            unknown = "token" if situation.api_url else "address of GitHub's API that can be used"
            raise ReportingError(
                f"no comment: there is no {unknown}", hint="give github-token, or set `comment: false`"
            )
        else:
            nothing_new = all(isinstance(finding, Skipped) for finding in self.report.findings)
            report, say = self.report, self._lines.append
            self._url = LAST_WORDS.telling(lambda: post_comment(report, github, create=not nothing_new, echo=say))
            if self._url:
                self._lines.append(f"comment: {self._url}")


def _evidence(judged: Sequence[Judged]) -> _Evidence:
    """What the run files hold of the datapoints that the comment shows."""
    evidence: _Evidence = {}
    for item in judged:
        if isinstance(item.finding, Verdict):
            if not item.is_as_judged:
                raise changed(item)
            evidence[item.finding.experiment] = gather_evidence(item.finding, item.run_file, item.baseline_file)
    return evidence


def attempted(step: Callable[[], None]) -> ReportingError | None:
    """Do it; what was in the way, as something that changes no verdict."""
    try:
        step()
    except Cancelled:  # whoever stops the job has the last word
        raise
    except ReportingError as error:
        return error
    except (OSError, InputError, RunFileError) as error:  # a run file may be another by now, or gone
        return ReportingError(f"the report cannot be written: {error}", hint="the verdict stands all the same")
    except HoneyHiveError as error:  # such as a repository that cannot be reached any more
        return ReportingError(error.message, hint=error.hint)
    return None


def changed(item: Judged) -> RunFileError:
    """The run file is not what was judged."""
    return RunFileError("changed after it was judged", file=str(item.run_file), hint="see what writes to it")


# --- what is told ----------------------------------------------------------------------------------------------------


def report_of(judged: Sequence[Judged], preparation: Preparation, evidence: _Evidence) -> Report:
    """The report as one value."""
    settings, around = preparation.settings, preparation.around
    several = len(judged) > 1
    edits = [
        f"{code(item.config.name)}: {change.text}" if several else change.text
        for item in judged
        for change in item.own_gate
    ]
    datasets = {item.finding.experiment: _dataset(item, preparation) for item in judged if item.config.dataset}
    context = replace(
        _context(around.situation, judged_by=settings.config_file or "the flags given"),
        judged_at=around.base_name if isinstance(around.rules, ConfigFile) else None,
        own_gate=(*(change.text for change in settings.own_gate), *edits),
        datasets=datasets,
    )
    return Report(
        findings=tuple(item.finding for item in judged),
        evidence=evidence,
        context=context,
        origin=_origin(around.situation),
    )


def _context(situation: Situation, *, judged_by: str) -> Context:
    web, job = _web(situation), situation.job
    return Context(
        judged_by=judged_by,
        commit_url=f"{web}/commit/" if web else None,
        report_url=run_url(situation),
        attempt=job.attempt if job else None,
    )


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


def outputs(judged: Sequence[Judged], edge: Edge, *, exit_code: int, comment_url: str = "") -> dict[str, str]:
    """The outputs of the action, for a job that ends with this code."""
    found = OUTLET.clean_value([finding_json(item.finding) for item in judged])
    summary = json.dumps(found, ensure_ascii=False, allow_nan=False)
    if len(summary) > SUMMARY_OUTPUT:
        summary = json.dumps([finding | {"changes": []} for finding in found], ensure_ascii=False)
    values = {
        "verdict": overall(judged),
        "passed": "true" if exit_code == 0 else "false",
        "summary": summary,
        "report-dir": _for_the_next_step(edge.report_dir, edge),
        "comment-url": comment_url,
    }
    if len(judged) == 1:
        finding = judged[0].finding
        there = judged[0].run_file.is_file() and not isinstance(finding, Skipped)
        values["run-file"] = _for_the_next_step(judged[0].run_file, edge) if there else ""
        values["run-id"] = finding.candidate.run_id if isinstance(finding, Verdict) else ""
        baseline = finding.baseline if isinstance(finding, Verdict) else None
        values["baseline-run-id"] = baseline.run_id if baseline is not None else ""
    return values


def write_outputs(judged: Sequence[Judged], edge: Edge, *, exit_code: int, comment_url: str) -> None:
    """Set the step's outputs."""
    append_outputs(outputs(judged, edge, exit_code=exit_code, comment_url=comment_url), edge.environ)


def _for_the_next_step(path: Path, edge: Edge) -> str:
    """The path from the workspace on: the next step may see that in another place than a container does."""
    return str(relative(path, Path(edge.environ.get("GITHUB_WORKSPACE") or Path.cwd())))
