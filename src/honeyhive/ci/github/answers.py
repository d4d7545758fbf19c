"""What GitHub answers, as values; strangers' JSON is read into shapes first, which are strict on what we use of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

COMPARED_FILES = 300
"""How many files a comparison lists at most."""


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment. `author` is its account, None where that is gone; `app` the app whose token wrote it."""

    id: int
    body: str
    url: str = ""
    author: str | None = None
    is_bot: bool = False
    app: str | None = None
    updated_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How `head` stands to `base`: `ahead_by` are the commits that it has and `base` has not.

    `commits` are these, the oldest first, and all of them where it is `complete`. `files` are the paths that differ
    from the merge base, also those that files had before; all of them where `files_complete`.
    """

    status: Literal["diverged", "ahead", "behind", "identical"]
    ahead_by: int
    behind_by: int
    merge_base: str
    commits: tuple[str, ...]
    complete: bool
    files: tuple[str, ...]
    files_complete: bool


@dataclass(frozen=True, kw_only=True)
class Pull:
    """A pull request; without `head_repository` where the fork has been deleted."""

    number: int
    state: Literal["open", "closed"]
    head_sha: str
    head_repository: str | None
    head_repository_id: int | None
    base_ref: str
    base_sha: str
    base_repository: str
    merged: bool
    draft: bool


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """A run of a workflow; without `head_repository` where the fork has been deleted."""

    id: int
    event: str
    head_sha: str
    head_repository: str | None
    head_repository_id: int | None
    run_attempt: int
    repository: str


@dataclass(frozen=True, kw_only=True)
class RepositoryInfo:
    """The repository by its number, its name, and the branch that it shows."""

    id: int
    full_name: str
    default_branch: str


# --- shapes ----------------------------------------------------------------------------------------------------------

_Number = Annotated[int, Field(ge=1, lt=2**63)]
_Count = Annotated[int, Field(ge=0, lt=2**31)]
_Sha = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
_Word = Annotated[str, StringConstraints(max_length=255)]
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")]
_Address = Annotated[str, StringConstraints(max_length=2_000)]
_Path = Annotated[str, StringConstraints(max_length=8_000)]
_Body = Annotated[str, StringConstraints(max_length=2**20)]


class Shape(BaseModel):
    """Part of an answer: what we do not use of it is left out, what we use is exactly of its type."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class AccountShape(Shape):
    """A user, a bot among them."""

    login: _Word
    type: _Word = ""


class _AppShape(Shape):
    slug: _Word | None = None


class CommentShape(Shape):
    """A comment."""

    id: _Number
    body: _Body | None = None
    html_url: _Address = ""
    user: AccountShape | None = None
    performed_via_github_app: _AppShape | None = None
    updated_at: _Word = ""

    def value(self) -> Comment:
        """The comment."""
        app = self.performed_via_github_app
        return Comment(
            id=self.id,
            body=self.body or "",
            url=self.html_url,
            author=self.user.login if self.user else None,
            is_bot=self.user is not None and self.user.type == "Bot",
            app=app.slug if app else None,
            updated_at=self.updated_at,
        )


class ObjectShape(Shape):
    """Anything that has a sha."""

    sha: _Sha


class CommitShape(ObjectShape):
    """A commit."""

    parents: list[ObjectShape]


class FileShape(Shape):
    """A file of a difference."""

    filename: _Path
    previous_filename: _Path | None = None


def paths(files: Sequence[FileShape]) -> tuple[str, ...]:
    """The files' paths, and those that they had before."""
    return tuple(path for file in files for path in (file.filename, file.previous_filename) if path is not None)


class ComparisonShape(Shape):
    """A page of a comparison; the first one lists the files."""

    status: Literal["diverged", "ahead", "behind", "identical"]
    ahead_by: _Count
    behind_by: _Count
    merge_base_commit: ObjectShape
    commits: list[ObjectShape]
    files: list[FileShape] = []

    def value(self, commits: Sequence[str]) -> Compared:
        """The comparison, with the commits of all of its pages."""
        return Compared(
            status=self.status,
            ahead_by=self.ahead_by,
            behind_by=self.behind_by,
            merge_base=self.merge_base_commit.sha,
            commits=tuple(commits),
            complete=len(commits) == self.ahead_by,
            files=paths(self.files),
            files_complete=len(self.files) < COMPARED_FILES,
        )


class RepositoryShape(Shape):
    """A repository."""

    id: _Number
    full_name: _Name
    default_branch: _Word | None = None


class _EndShape(Shape):
    ref: _Word
    sha: _Sha
    repo: RepositoryShape | None


class PullShape(Shape):
    """A pull request."""

    number: _Number
    state: Literal["open", "closed"]
    head: _EndShape
    base: _EndShape
    merged: bool
    draft: bool = False

    def value(self, repository: str) -> Pull:
        """The pull request, of that repository."""
        fork = self.head.repo
        return Pull(
            number=self.number,
            state=self.state,
            head_sha=self.head.sha,
            head_repository=fork.full_name if fork else None,
            head_repository_id=fork.id if fork else None,
            base_ref=self.base.ref,
            base_sha=self.base.sha,
            base_repository=self.base.repo.full_name if self.base.repo else repository,
            merged=self.merged,
            draft=self.draft,
        )


class RunShape(Shape):
    """A run of a workflow."""

    id: _Number
    event: _Word
    head_sha: _Sha
    head_repository: RepositoryShape | None = None
    run_attempt: _Number = 1
    repository: RepositoryShape

    def value(self) -> WorkflowRun:
        """The run."""
        fork = self.head_repository
        return WorkflowRun(
            id=self.id,
            event=self.event,
            head_sha=self.head_sha,
            head_repository=fork.full_name if fork else None,
            head_repository_id=fork.id if fork else None,
            run_attempt=self.run_attempt,
            repository=self.repository.full_name,
        )


class CheckShape(Shape):
    """A check run; `external_id` is what who made it calls it."""

    id: _Number
    status: _Word = ""
    external_id: _Address | None = None


class ChecksShape(Shape):
    """The check runs of a commit."""

    check_runs: list[CheckShape]


class _RefusalShape(Shape):
    message: str = ""
    errors: list[Any] = []


def refusal_message(answer: Any) -> str:
    """What a refusal says of its reason, in GitHub's words; empty where it is no answer of GitHub's."""
    try:
        refusal = _RefusalShape.model_validate(answer)
    except ValueError:  # a page of a proxy's, perhaps
        return ""
    reasons = [
        one if isinstance(one, str) else one.get("message") for one in refusal.errors if isinstance(one, str | dict)
    ]
    return "; ".join([refusal.message, *(one for one in reasons if isinstance(one, str))])
