"""A check run besides the job's own: it begins when the gate does, and ends whatever happens."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from honeyhive.ci.commands import Annotation
from honeyhive.ci.github.checkruns import LONGEST_SUMMARY, LONGEST_TITLE, Conclusion
from honeyhive.ci.github.comments import sections_of
from honeyhive.ci.lastwords import LAST_WORDS
from honeyhive.ci.reports.report import Report
from honeyhive.errors import Cancelled, GitHubError, ReportingError
from honeyhive.gate.comment import compose
from honeyhive.gate.markdown import one_line

_ENDED = "The gate ended before there was a verdict: see the log of its job."


class Checks(Protocol):
    """What it takes of GitHub: to begin a check run, and to end it."""

    def create_check(
        self, name: str, head_sha: str, *, details_url: str | None = None, external_id: str | None = None
    ) -> int:
        """A check run that is in progress."""

    def finish_check(
        self,
        check_id: int,
        conclusion: Conclusion,
        *,
        title: str,
        summary: str,
        annotations: Sequence[Annotation] = (),
    ) -> None:
        """The check run has come to its end."""


class Check:
    """The check run of a gate. `problems` are what went wrong in telling GitHub of it: the gate goes on without."""

    def __init__(self) -> None:
        self.problems: list[ReportingError] = []
        self._conclusion: Conclusion = "failure"  # nobody has said that it is a success
        self._title = "No verdict"
        self._summary = _ENDED
        self._annotations: tuple[Annotation, ...] = ()

    def conclude(
        self, conclusion: Conclusion, *, title: str, summary: str, annotations: Sequence[Annotation] = ()
    ) -> None:
        """What the check run is to say when it ends; `summary` is Markdown, and what is too long of it not shown."""
        self._conclusion = conclusion
        self._title = one_line(title, LONGEST_TITLE)
        self._summary = summary if fits_a_check(summary) else "The report is too long to be shown here: see the job."
        self._annotations = tuple(annotations)

    def cancel(self) -> None:
        """The gate was stopped."""
        self.conclude("cancelled", title="Cancelled", summary="The gate was stopped before there was a verdict.")

    def begin(self, github: Checks, name: str, head_sha: str, details_url: str | None) -> int | None:
        """Begin it: its id, or `None` with a problem."""
        try:
            return github.create_check(name, head_sha, details_url=details_url, external_id=secrets.token_hex(16))
        except GitHubError as error:
            self.problems.append(error)
            return None

    def end(self, github: Checks, check_id: int) -> None:
        """Tell GitHub how it ended."""
        told = {"title": self._title, "summary": self._summary}
        try:
            LAST_WORDS.telling(
                lambda: github.finish_check(check_id, self._conclusion, **told, annotations=self._annotations)
            )
        except ReportingError as error:
            self.problems.append(error)


@contextmanager
def check_run(github: Checks, name: str, head_sha: str, *, details_url: str | None = None) -> Iterator[Check]:
    """A check run on that commit, in progress until the block is left; a failure where nothing else was concluded."""
    check = Check()
    check_id = check.begin(github, name, head_sha, details_url)
    try:
        yield check
    except (Cancelled, KeyboardInterrupt):
        check.cancel()
        raise
    finally:
        if check_id is not None:
            check.end(github, check_id)


def conclusion_of(verdict: str, exit_code: int) -> Conclusion:
    """The conclusion that a gate's verdict and exit code come to; only what passed is a success."""
    if exit_code > Cancelled.first_exit_code:
        return "cancelled"
    if exit_code or verdict not in ("passed", "undecided", "skipped"):
        return "failure"
    return "success" if verdict == "passed" else "neutral"


def summary_of(report: Report) -> str:
    """The report as a check run shows it, as much of it as there is room for."""
    return compose(sections_of(report), report_url=report.context.report_url, fits=fits_a_check)


def fits_a_check(text: str) -> bool:
    """Whether GitHub takes the text as the summary of a check run: it says characters, and counts bytes."""
    return len(text.encode("utf-8", "replace")) <= LONGEST_SUMMARY
