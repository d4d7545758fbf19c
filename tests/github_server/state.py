"""What GitHub knows of people and their words: tokens, comments, pull requests, runs of workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

BEGINNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

Level = Literal["read", "write"]

SITE = "https://github.com"
"""Where the pages are; nobody follows these links."""


class Refused(Exception):  # noqa: N818  # it is an answer, not an error
    """GitHub says no: the status, why, and what the headers say of it."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def moment(number: int) -> str:
    """The time of the event with this number: one second after the one before."""
    return (BEGINNING + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True)
class Token:
    """Who asks, and what they may: `permissions` None is all, `repositories` None is every one."""

    text: str
    login: str
    app: str | None = None
    permissions: Mapping[str, Level] | None = None
    repositories: Sequence[str] | None = None

    @property
    def user(self) -> dict[str, Any]:
        """The user as comments show it."""
        return user(self.login, is_bot=self.app is not None)

    def may(self, permission: str, level: str, repository: str) -> bool:
        """Whether the token may do that to the repository."""
        if self.repositories is not None and repository not in self.repositories:
            return False
        if self.permissions is None or (permission, level) == ("metadata", "read"):
            return True
        held = self.permissions.get(permission)
        return held in ("write", level)


def user(login: str, *, is_bot: bool = False) -> dict[str, Any]:
    """An account."""
    number = 1_000 + sum(map(ord, login))
    page = f"{SITE}/{login}"
    return {"login": login, "id": number, "type": "Bot" if is_bot else "User", "html_url": page, "url": page}


@dataclass(kw_only=True)
class Comment:
    """A comment as it is now; `edits` are the tokens' logins that changed it, `bodies` all that it has said."""

    id: int
    number: int
    body: str
    login: str | None
    is_bot: bool = False
    app: str | None = None
    created_at: str = moment(0)
    updated_at: str = moment(0)
    edits: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def json(self, repository: str) -> dict[str, Any]:
        """The comment as the API shows it."""
        place = f"{SITE}/{repository}/pull/{self.number}"
        app = None if self.app is None else {"id": 15368, "slug": self.app, "name": self.app}
        return {
            "id": self.id,
            "body": self.body,
            "user": None if self.login is None else user(self.login, is_bot=self.is_bot),
            "html_url": f"{place}#issuecomment-{self.id}",
            "issue_url": f"https://api.github.com/repos/{repository}/issues/{self.number}",
            "performed_via_github_app": app,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "author_association": "NONE",
        }


@dataclass(kw_only=True)
class Pull:
    """A pull request; without `head_repository` that has been deleted."""

    number: int
    head_sha: str
    head_ref: str
    base_ref: str
    base_sha: str
    head_repository: str | None
    state: Literal["open", "closed"] = "open"
    merged: bool = False
    draft: bool = False
    files: Sequence[tuple[str, str | None]] | None = None
    """Paths with the ones that they had before; None is what git says."""


@dataclass(kw_only=True)
class WorkflowRun:
    """A run of a workflow."""

    id: int
    event: str
    head_sha: str
    head_branch: str
    head_repository: str | None
    attempt: int = 1


@dataclass(kw_only=True)
class Artifact:
    """A folder that a run of a workflow has kept, as a zip."""

    id: int
    name: str
    run_id: int
    content: bytes
    expired: bool = False
