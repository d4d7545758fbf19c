"""Where we are in the life of a change, as values: the checkout, the job, the commit that the change starts from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the job is about."""

    PULL_REQUEST = "pull request"
    QUEUE = "merge queue"
    PUSH = "push"
    """New commits on a branch."""
    RELEASE = "release"
    """A release, or the push of a tag."""
    BRANCH = "branch"
    """A branch as it is: by hand, by night, or after another workflow."""
    LOCAL = "local"
    """No CI: somebody's own machine."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """What is checked out, as its commit object and git's refs say; `None` and empty where that cannot be read.

    `default_branch` is the default branch by its name, `default_commit` its last commit, as far as they are known here.
    `is_dirty` is whether files differ from the commit, new ones among them, `has_changes` whether those do that git
    knows; `is_pristine` is that nothing is there besides the commit, not even what git is told to ignore.
    """

    commit: str | None = None
    parents: tuple[str, ...] = ()
    branch: str | None = None
    default_branch: str | None = None
    default_commit: str | None = None
    is_dirty: bool | None = None
    has_changes: bool | None = None
    is_pristine: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Base:
    """The commit that a change starts from: `commit`, or the merge base of the two commits or branches in `between`.

    `words` says which one that is, as the report shows it: "first parent", "merge base".
    """

    words: str
    commit: str | None = None
    between: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """The job of CI that runs us. `workflow` is the workflow's name, `key` what tells its matrix jobs apart."""

    run_id: int
    attempt: int = 1
    workflow: str = ""
    name: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where we are. What is not known is `None`.

    `commit` is what is checked out, `head` the change itself: of a pull request its last commit, not the test merge.
    `base` is `None` where there is nothing to start from, `base_ref` the branch that the change is to go into.
    `repository` is `owner/name`, `repository_id` GitHub's number of it. `is_fork` is whether the change comes from
    another repository, or from Dependabot: its job may read, and no more. `has_changes` is whether files that git knows
    differ from `commit`. `notes` are for the reader of the log.
    """

    kind: Kind
    event: str = ""
    commit: str | None = None
    head: str | None = None
    head_ref: str | None = None
    base: Base | None = None
    base_ref: str | None = None
    number: int | None = None
    tag: str | None = None
    repository: str | None = None
    repository_id: int | None = None
    default_branch: str | None = None
    is_default_branch: bool = False
    is_fork: bool = False
    has_changes: bool | None = None
    server_url: str | None = None
    api_url: str | None = None
    job: Job | None = None
    notes: tuple[str, ...] = ()

    @property
    def judged_by_base(self) -> bool:
        """Whether the change is judged by the rules of the commit that it starts from, and not by its own."""
        return self.kind in (Kind.PULL_REQUEST, Kind.QUEUE)

    @property
    def saves(self) -> bool:
        """Whether the run becomes a baseline: a push to the default branch, or a release."""
        made = self.kind is Kind.RELEASE or (self.kind is Kind.PUSH and self.is_default_branch)
        return made and not self.is_fork
