"""`mode: publish`: the report of another job, which had no token to comment with, posted by this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from honeyhive.ci.conclusion import Conclusion
from honeyhive.ci.github.client import GitHub
from honeyhive.ci.github.comments import post_comment
from honeyhive.ci.inputs import read_inputs
from honeyhive.ci.patience import patience_with
from honeyhive.ci.publish import append_outputs
from honeyhive.ci.reports.publishing import publish_reports
from honeyhive.ci.reports.report import Report
from honeyhive.ci.whereabouts.surroundings import look_around
from honeyhive.documents import neutralise
from honeyhive.errors import InputError


def post(
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    directory: Path,
    folder: Path,
    echo: Callable[[str], None],
) -> Conclusion:
    """Post what is reported in `folder`; what is left to print.

    The reported verdict is no verdict of this job, which succeeds where it has posted. Raises `InputError` for reports
    that are not what they say, `GitHubError` where GitHub does not take them.
    """
    inputs = read_inputs(given, environ)
    with look_around(inputs, environ, directory, runs_code=False) as around:
        if around.situation.api_url is None or around.situation.repository is None:
            raise InputError("this is no job of GitHub's", hint="publish in a workflow on `workflow_run`")
        if around.github is None:
            raise InputError(
                "there is no token to comment with", hint="give github-token, in a workflow on workflow_run"
            )

        patience_with(around)

        def posted(report: Report, github: GitHub) -> str:
            return post_comment(report, github, create=report.verdict != "skipped", echo=echo)

        found = publish_reports(
            around.directory / folder, around.situation, around.github, payload=around.payload, post=posted
        )
    append_outputs({"verdict": found.verdict or "", "comment-url": found.url or ""}, environ)
    return Conclusion(lines=tuple(map(neutralise, found.lines)), annotations=(), exit_code=0)
