"""Who can tell which commit comes before which: the repository as it is here, and GitHub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Objects(Protocol):
    """The commits that are here, and the way to more of them."""

    def has(self, commit: str) -> bool:
        """Whether the commit is here."""

    def parents(self, commit: str) -> tuple[str, ...]:
        """The parents of a commit that is here."""

    def resolve(self, name: str) -> str | None:
        """The commit that a name stands for in the checkout."""

    def branch(self, name: str) -> str | None:
        """The last commit of a branch on the server; `RepositoryError` where it cannot be asked."""

    def tags(self) -> Mapping[str, str]:
        """The commits of the tags on the server; `RepositoryError` where it cannot be asked."""

    def deepen(self, commit: str, depth: int) -> None:
        """Fetch the last commits up to this one; `RepositoryError` where that fails."""

    def changed(self, base: str, head: str) -> tuple[str, ...] | None:
        """The paths in which two commits differ; `None` where that is not known."""


class Compared(Protocol):
    """How `head` stands to `base`, as GitHub says it."""

    @property
    def status(self) -> str:
        """`ahead` or `identical` where `base` is an ancestor of `head`; else `behind` or `diverged`."""

    @property
    def ahead_by(self) -> int:
        """How many commits `head` has that `base` has not."""

    @property
    def merge_base(self) -> str:
        """Where they part."""

    @property
    def commits(self) -> Sequence[str]:
        """Those commits, the oldest first."""

    @property
    def files(self) -> Sequence[str]:
        """The paths that differ."""

    @property
    def files_complete(self) -> bool:
        """Whether these are all."""


class PullRequest(Protocol):
    """A pull request as it is now."""

    @property
    def head_sha(self) -> str:
        """Its last commit."""


class GitHub(Protocol):
    """What GitHub tells of the repository; each raises `GitHubError` where it does not."""

    def compare(self, base: str, head: str) -> Compared | None:
        """How two commits or branches stand to each other; `None` where GitHub does not know one of them."""

    def pull(self, number: int) -> PullRequest:
        """The pull request."""

    def pull_files(self, number: int) -> tuple[str, ...] | None:
        """The paths that it changes; `None` where there are too many."""
