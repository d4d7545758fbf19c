"""`mode: publish`: what the job of a fork or of Dependabot reports, posted by a job that may.

That job runs the pull request's code, so all that it reports may be forged. Where it is posted is decided by what
cannot be: the event that started us, and GitHub's own answers. What they contradict is refused, and nothing is posted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from honeyhive.ci.github.answers import Pull, WorkflowRun
from honeyhive.ci.reports.folder import find_reports, read_report
from honeyhive.ci.reports.report import Report
from honeyhive.ci.whereabouts.situation import Situation
from honeyhive.documents import in_one_line, shown
from honeyhive.errors import GitHubError, GitHubPermissionError, InputError
from honeyhive.gate.broken import verdict_of
from honeyhive.gate.report import Dataset
from honeyhive.gate.templating import WORST_FIRST

_EVENT = "pull_request"
_GITHUB = "https://github.com"
_NOTE = "reported by the pull request's own job, which runs what the pull request says"


class Source(Protocol):
    """What is asked of GitHub."""

    def workflow_run(self, run_id: int) -> WorkflowRun:
        """The workflow run as it is now."""

    def pull(self, number: int) -> Pull:
        """The pull request as it is now."""


_Source = TypeVar("_Source", bound=Source)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was posted, and where. `verdict` is the worst that was reported, `lines` are for the log.

    Where the pull request has moved on there is a verdict and no `url`: nothing was posted.
    """

    lines: tuple[str, ...]
    url: str | None = None
    verdict: str | None = None


class _Repository(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    id: int
    full_name: str


class _Run(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    id: int
    event: str
    head_sha: str
    run_attempt: int = Field(1, ge=1)
    head_repository: _Repository | None = None


class _Workflow(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    name: str


class _Event(BaseModel):
    """The payload of `workflow_run`. `workflow_run.name` is what the run calls itself: the pull request's own text."""

    model_config = ConfigDict(frozen=True, strict=True)

    workflow_run: _Run
    workflow: _Workflow | None = None


class _Named(NamedTuple):
    """A repository by its number, which no other ever gets, and its name, which may change."""

    id: int | None
    name: str | None

    def is_gone(self) -> bool:
        return self.id is None and self.name is None

    def is_same(self, other: _Named) -> bool:
        if self.id is not None and other.id is not None:
            return self.id == other.id
        return self.name is not None and other.name is not None and self.name.casefold() == other.name.casefold()


def publish_reports(
    root: Path,
    situation: Situation,
    github: _Source,
    *,
    payload: Mapping[str, Any],
    post: Callable[[Report, _Source], str],
) -> Published:
    """Post every report in `root` or in a folder below it, once GitHub confirms that it is of the run that started us.

    `post` gives the address of the comment, an empty one where it wrote none. Raises `InputError` where there is no
    report, where one is malformed, or where GitHub contradicts one; nothing is posted then. Nor is it where the pull
    request was closed or has another commit by now, which is said and no error.
    """
    event = _event(payload)
    run = event.workflow_run
    if run.event != _EVENT:
        said = f"nothing to post: the workflow run {run.id} is of {in_one_line(run.event)}, not of {_EVENT}"
        return Published(lines=(said,))
    _confirm(run, github.workflow_run(run.id))
    reports = _newest([_report(folder, run, situation) for folder in find_reports(root)])
    verdict = next(word for word in WORST_FIRST if word in {report.verdict for report in reports})
    number = _number(reports)
    stopped = _hindrance(_pull(number, github), run, situation)
    lines = [line for report in reports for line in _lines(report)]
    if stopped:
        return Published(lines=(*lines, f"nothing posted: {stopped}"), verdict=verdict)
    urls = dict.fromkeys(post(_as_posted(report, event, situation), github) for report in reports)
    told = [url for url in urls if url]
    lines += [f"posted to #{number}: {url}" for url in told]
    return Published(lines=tuple(lines), url=told[-1] if told else None, verdict=verdict)


def _event(payload: Mapping[str, Any]) -> _Event:
    try:
        return _Event.model_validate(payload)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
        raise InputError(
            f"the event that started this job is not that of a finished workflow run: {place}",
            hint="mode: publish belongs into a workflow with `on: workflow_run`,",
        ) from error


# --- what cannot be forged -------------------------------------------------------------------------------------------


def _confirm(run: _Run, answer: WorkflowRun) -> None:
    """Refuse to go on where GitHub knows the run as another one; an attempt may have been added to it since."""
    known = (run.id, run.event, run.head_sha) == (answer.id, answer.event, answer.head_sha)
    theirs = _Named(answer.head_repository_id, answer.head_repository)
    if not known or answer.run_attempt < run.run_attempt or not (theirs.is_gone() or theirs.is_same(_head(run))):
        raise InputError(
            f"GitHub knows the workflow run {run.id} as another one than the event that started this job",
            hint="start it by `on: workflow_run` alone",
        )


def _report(folder: Path, run: _Run, situation: Situation) -> Report:
    """The report in `folder`; `InputError` where it is not of this run of this repository."""
    report = read_report(folder)
    origin = report.origin
    here, there = (_Named(place.repository_id, place.repository) for place in (situation, origin))
    claims = {
        f"of the repository {shown(origin.repository or '')}": there.is_same(here),
        f"of the event {shown(origin.event)}": origin.event == run.event,
        f"of the workflow run {origin.run_id}": origin.run_id == run.id,
        f"of attempt {origin.attempt}": origin.attempt <= run.run_attempt,
        f"of the commit {origin.head}": origin.head == run.head_sha,
        "of no pull request": origin.number is not None,
    }
    for claim, holds in claims.items():
        if not holds:
            raise InputError(
                f"the report says that it is {claim}, and that is not what started this job",
                file=in_one_line(str(folder)),
                hint=f"download the artifacts of the workflow run {run.id} and no others",
            )
    return report


def _newest(reports: Sequence[Report]) -> list[Report]:
    """One report a job, the newest attempt of each; `InputError` where two jobs cannot be told apart."""
    newest: dict[tuple[str, str], Report] = {}
    for report in sorted(reports, key=lambda report: report.origin.attempt):
        job = (report.origin.job, report.origin.key)
        before = newest.get(job)
        if before is not None and before.origin.attempt == report.origin.attempt:
            raise InputError(
                f"two reports are of the same job {shown(report.origin.job)}",
                hint="tell the jobs of a matrix apart with `comment-key`",
            )
        newest[job] = report
    return list(newest.values())


def _number(reports: Sequence[Report]) -> int:
    numbers = {report.origin.number for report in reports}
    if len(numbers) > 1:
        raise InputError(
            f"the reports of one workflow run are of {len(numbers)} pull requests", hint="a run is of one of them"
        )
    return next(number for number in numbers if number is not None)


def _pull(number: int, github: Source) -> Pull:
    try:
        return github.pull(number)
    except GitHubPermissionError:
        raise
    except GitHubError as error:
        if error.status != 404:
            raise
        raise _forged(number, "which this repository does not have") from error


def _hindrance(pull: Pull, run: _Run, situation: Situation) -> str:
    """Why nothing may be posted, if so; `InputError` where the run cannot be of this pull request."""
    head, asked = _head(run), _Named(pull.head_repository_id, pull.head_repository)
    if head.is_gone() or asked.is_gone():
        return f"the repository that #{pull.number} comes from is gone"
    if not _Named(None, pull.base_repository).is_same(_Named(None, situation.repository)):
        raise _forged(pull.number, f"which goes into {shown(pull.base_repository)}")
    if not head.is_same(asked):
        raise _forged(pull.number, f"which does not come from {shown(head.name or '')}")
    if pull.state != "open":
        return f"#{pull.number} was closed"
    if pull.head_sha != run.head_sha:
        return f"#{pull.number} has another commit by now, {pull.head_sha[:7]}; its own run will report"
    return ""


def _forged(number: int, message: str) -> InputError:
    return InputError(
        f"the report says that it is of #{number}, {message}", hint="it is forged, or its pull request was moved"
    )


def _head(run: _Run) -> _Named:
    head = run.head_repository
    return _Named(head.id, head.full_name) if head else _Named(None, None)


# --- what is posted --------------------------------------------------------------------------------------------------


def _lines(report: Report) -> Iterator[str]:
    for finding in report.findings:
        yield f"{verdict_of(finding).upper():<10} {finding.experiment}, as the pull request's own job reports"


def _as_posted(report: Report, event: _Event, situation: Situation) -> Report:
    """The report with addresses of ours, and under the name that this repository has for the workflow."""
    origin = replace(
        report.origin,
        repository=situation.repository,
        repository_id=situation.repository_id,
        workflow=event.workflow.name if event.workflow else report.origin.workflow,
    )
    here = f"{situation.server_url or _GITHUB}/{situation.repository}"
    run = event.workflow_run
    context = replace(
        report.context,
        datasets={
            name: Dataset(path=dataset.path, line_url=_line_url(f"{here}/blob/{run.head_sha}", dataset.path))
            for name, dataset in report.context.datasets.items()
        },
        commit_url=f"{here}/commit/",
        report_url=f"{here}/actions/runs/{run.id}/attempts/{origin.attempt}",
        attempt=origin.attempt,
        notes=(_NOTE, *report.context.notes),
    )
    return replace(report, origin=origin, context=context)


def _line_url(at: str, path: str) -> str | None:
    """The address of the file's lines; `None` for a path that would lead elsewhere: a browser follows `..`."""
    parts = path.split("/")
    if "" in parts or "." in parts or ".." in parts or not path.isprintable():
        return None
    return f"{at}/{quote(path)}#L"
