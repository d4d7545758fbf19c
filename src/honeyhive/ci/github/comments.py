"""The one comment on a pull request: found, put together with what other jobs have written, and seen to have arrived.

GitHub cannot be asked to change a comment only if nobody else has: of two jobs that write at once, the later write has
the whole comment. So each reads the comment again after it has written, twice, and writes once more where its sections
have been lost. Where two jobs make a comment each, both go on with the older one.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from honeyhive.ci.github.answers import Comment
from honeyhive.ci.github.once import LOST_ANSWERS, is_lost
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.documents import Malformed, load_json
from honeyhive.errors import GitHubError
from honeyhive.gate.broken import verdict_of
from honeyhive.gate.comment import Section, compose, has_marker, is_overtaken, merged, parse
from honeyhive.gate.markdown import one_line
from honeyhive.gate.report import Context, part

WORKFLOW_BOT = "github-actions[bot]"
"""Who comments with the token of a workflow."""
SETTLE = (1.0, 2.0)
"""Between which seconds a writer waits before it reads again; longer than anybody takes from reading to writing."""
ROUNDS = 10
"""How often a comment is written before that is given up."""

_READINGS = 2
_GONE = (404, 410)
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class Discussion(Protocol):
    """What it takes of GitHub: the comments on a pull request, and whose token writes them."""

    def comments(self, number: int) -> Sequence[Comment]:
        """All comments on the pull request."""

    def comment(self, comment_id: int) -> Comment:
        """The comment as it is now."""

    def create_comment(self, number: int, body: str) -> Comment:
        """A new comment; where the answer is lost, it may be there all the same."""

    def update_comment(self, comment_id: int, body: str) -> Comment:
        """The comment says this from now on."""

    def delete_comment(self, comment_id: int) -> None:
        """The comment is gone."""

    def login(self) -> str | None:
        """Whose token it is; `None` where it is an app's."""


def _unheard(_: str) -> None:
    """Nobody listens."""


def post_comment(
    report: Report,
    github: Discussion,
    *,
    create: bool = True,
    echo: Callable[[str], None] = _unheard,
    pause: Callable[[float], None] = time.sleep,
    settle: tuple[float, float] = SETTLE,
) -> str:
    """Put the report's sections into the comment on its pull request; the comment's address.

    Where a newer run of this job has told its own already, nothing is written, and `echo` is told so. Without `create`
    a comment that is there is brought up to date, and none is made: the address is empty then.
    """
    if report.origin.number is None or not report.findings:
        raise GitHubError("there is nothing to comment on", hint="a comment is for experiments, and on a pull request")
    posting = _Posting(github, report.origin.number, sections_of(report))
    found = posting.find()
    if is_overtaken(posting.there(found), posting.ours):
        echo("not written into the comment: a newer run of this job has told its own there")
    elif found or create:
        return posting.settled(found, lambda round_: pause(random.uniform(*settle) * min(round_, 4)))  # noqa: S311 - no secret
    return found[0].url if found else ""


def sections_of(report: Report) -> tuple[Section, ...]:
    """The report as sections of the comment."""
    origin, context = report.origin, _labelled(report)
    group = _hash(origin.workflow, origin.job, origin.key)
    return tuple(
        Section(
            key=_hash(origin.workflow, origin.job, origin.key, finding.experiment),
            group=group,
            run_id=origin.run_id or 0,
            attempt=origin.attempt,
            head_sha=origin.head if _COMMIT.fullmatch(origin.head or "") and origin.head else "",
            verdict=verdict_of(finding),
            experiment=finding.experiment,
            part=part(finding, report.evidence.get(finding.experiment, {}), context),
            report_url=context.report_url,
        )
        for finding in report.findings
    )


def _hash(*names: str) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]


def _labelled(report: Report) -> Context:
    """Jobs of a matrix judge experiments of the same names: their sections say which is which."""
    return report.context if report.context.label else replace(report.context, label=_label(report.origin))


def _label(origin: Origin) -> str:
    """The values of the matrix, as GitHub puts them behind the job's name."""
    try:
        matrix = load_json(origin.key)
    except Malformed:  # a key of the user's own, in words
        matrix = origin.key
    values = matrix.values() if isinstance(matrix, dict) else [matrix]
    shown = [value if isinstance(value, str) else json.dumps(value) for value in values if value not in (None, "")]
    return one_line(", ".join(shown)) if shown else ""


def is_ours(comment: Comment, login: str | None) -> bool:
    """Whether we wrote the comment: by its first line, and by its author.

    Anybody may begin a comment with that line. An app's token does not say whose it is; of the comments that apps have
    written, no person can be the author.
    """
    if not has_marker(comment.body):
        return False
    if login is not None:
        return comment.author == login
    return comment.is_bot and comment.author == (f"{comment.app}[bot]" if comment.app else WORKFLOW_BOT)


class _Posting:
    """The sections of one job on their way into the comment."""

    def __init__(self, github: Discussion, number: int, ours: Sequence[Section]) -> None:
        self.ours = tuple(ours)
        self._github = github
        self._number = number
        self._login = github.login()
        self._lost = 0
        self._is_only = True

    def find(self) -> list[Comment]:
        """Our comments, the oldest first: more than one where two jobs have made one each."""
        ours = [comment for comment in self._github.comments(self._number) if is_ours(comment, self._login)]
        ours.sort(key=lambda comment: comment.id)
        self._is_only = len(ours) == 1 and self._is_only
        return [comment for comment in ours if comment.author == ours[0].author]

    def there(self, found: Sequence[Comment]) -> tuple[Section, ...]:
        """The sections of our comments."""
        sections: tuple[Section, ...] = ()
        for comment in found:
            sections = merged(sections, parse(comment.body))
        return sections

    def settled(self, found: list[Comment], pause: Callable[[int], None]) -> str:
        """Write until our sections are there, and stay there."""
        written = readings = 0
        while written < ROUNDS:
            if self._has_arrived(found) and (written or _same(found[0].body, self._wanted(found))):
                self._delete(found[1:])
                readings += 1
                if not written or readings == _READINGS:
                    return found[0].url
            else:
                readings = 0
                written += 1
                self._write(found)
            pause(written)
            found = self._again(found)
        raise GitHubError(
            f"the comment could not be settled: what this job wrote was lost {ROUNDS} times",
            hint="other jobs write to it at the same time; run this one again",
        )

    def _wanted(self, found: Sequence[Comment]) -> str:
        return compose(merged(self.there(found), self.ours))

    def _has_arrived(self, found: Sequence[Comment]) -> bool:
        """Whether the oldest of our comments has all sections, as far as there is room for them."""
        if not found:
            return False
        return _stamps(parse(self._wanted(found))) == _stamps(parse(found[0].body))

    def _write(self, found: Sequence[Comment]) -> None:
        wanted = self._wanted(found)
        try:
            if not found:
                self._is_only = False
                self._github.create_comment(self._number, wanted)
            elif not _same(found[0].body, wanted):
                self._github.update_comment(found[0].id, wanted)
        except GitHubError as error:
            if not self._is_to_be_seen(error, writing_anew=not found):
                raise

    def _is_to_be_seen(self, error: GitHubError, *, writing_anew: bool) -> bool:
        """Whether to look how things are: the answer is lost, and what was written may be there; or it was deleted."""
        if error.status in _GONE and not writing_anew:
            return True
        self._lost += 1
        return is_lost(error) and self._lost < LOST_ANSWERS

    def _delete(self, doubles: Sequence[Comment]) -> None:
        """All that they say is in the oldest by now."""
        for comment in doubles:
            try:
                self._github.delete_comment(comment.id)
            except GitHubError as error:
                if error.status not in _GONE:
                    raise

    def _again(self, found: Sequence[Comment]) -> list[Comment]:
        """Our comments as they are now. One that was there before is asked for alone: a discussion can be long."""
        if not found or not self._is_only:
            return self.find()
        try:
            return [self._github.comment(found[0].id)]
        except GitHubError as error:
            if error.status not in _GONE:
                raise
            return self.find()


def _stamps(sections: Sequence[Section]) -> set[tuple[str, int, int]]:
    return {one.stamp for one in sections}


def _same(body: str, wanted: str) -> bool:
    """Whether it says this already; a web browser ends lines in its own way."""
    return body.replace("\r\n", "\n").strip() == wanted.strip()
