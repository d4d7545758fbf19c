"""A repository on the stand-in for GitHub: what it holds, and how a test fills it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from enum import Enum
from pathlib import Path
from typing import Any

from github_server.bare import Bare
from github_server.state import SITE, Artifact, Comment, Pull, WorkflowRun, moment, user


class Head(Enum):
    """Where a pull request comes from, where that is not named."""

    OWN = "the repository itself"


class Repository:
    """One repository. Its git is real; what it keeps besides is read by copies and changed under the server's lock."""

    def __init__(
        self, full_name: str, number: int, bare: Bare, *, ids: Callable[[str], int], lock: threading.Condition
    ) -> None:
        self.full_name = full_name
        self.id = number
        self.bare = bare
        self.default_branch = "main"
        self.private = False
        self.lock = lock
        self.kept_comments: list[Comment] = []
        self.pulls: dict[int, Pull] = {}
        self.issues: set[int] = set()
        self.locked: set[int] = set()
        self.kept_checks: dict[int, dict[str, Any]] = {}
        self.runs: dict[int, WorkflowRun] = {}
        self.artifacts: dict[int, Artifact] = {}
        self.ids = ids
        """The next number of that kind, or the number of the repository with that name."""

    @property
    def path(self) -> Path:
        """Where the bare repository is."""
        return self.bare.path

    @property
    def comments(self) -> defaultdict[int, list[Comment]]:
        """The comments by the number of their pull request, in the order of their ids."""
        found: defaultdict[int, list[Comment]] = defaultdict(list)
        with self.lock:
            for comment in self.kept_comments:
                found[comment.number].append(deepcopy(comment))
        return found

    @property
    def checks(self) -> dict[int, dict[str, Any]]:
        """The check runs by their ids, as the API shows them."""
        with self.lock:
            return deepcopy(self.kept_checks)

    def add_comment(
        self, number: int, body: str, *, login: str | None = "alice", is_bot: bool = False, app: str | None = None
    ) -> Comment:
        """A comment of somebody's; without a login, of an account that has been deleted."""
        with self.lock:
            now, number_of_comment = moment(self.ids("event")), self.ids("comment")
            comment = Comment(
                id=number_of_comment,
                number=number,
                body=body,
                login=login,
                is_bot=is_bot,
                app=app,
                created_at=now,
                updated_at=now,
                bodies=[body],
            )
            self.issues.add(number)
            self.kept_comments.append(comment)
            return deepcopy(comment)

    def open_pull(
        self,
        number: int,
        *,
        head_sha: str,
        head_ref: str = "change",
        base_ref: str | None = None,
        base_sha: str | None = None,
        head_repository: str | Head | None = Head.OWN,
        draft: bool = False,
        files: Sequence[str | tuple[str, str | None]] | None = None,
    ) -> Pull:
        """A pull request; `head_repository` None is a fork that has been deleted.

        Git gets `refs/pull/NUMBER/head` where it has the commit. `files` stand in for what git says of them.
        """
        base_ref = base_ref or self.default_branch
        pairs = [one if isinstance(one, tuple) else (one, None) for one in files] if files is not None else None
        pull = Pull(
            number=number,
            head_sha=head_sha,
            head_ref=head_ref,
            base_ref=base_ref,
            base_sha=base_sha or self.bare.commit(base_ref) or "0" * 40,
            head_repository=self.full_name if isinstance(head_repository, Head) else head_repository,
            draft=draft,
            files=pairs,
        )
        with self.lock:
            self.pulls[number] = pull
            self.issues.add(number)
        if self.bare.commit(head_sha):
            self.bare.git("update-ref", f"refs/pull/{number}/head", head_sha)
        return pull

    def push_to_pull(self, number: int, head_sha: str) -> None:
        """New commits on the pull request's branch."""
        with self.lock:
            self.pulls[number].head_sha = head_sha
        self.bare.git("update-ref", f"refs/pull/{number}/head", head_sha)

    def test_merge(self, number: int) -> str:
        """The merge of the pull request into its base as that is now, as `refs/pull/NUMBER/merge`."""
        base, head = self.bare.commit(self.pulls[number].base_ref), self.pulls[number].head_sha
        assert base is not None
        tree = self.bare.git("merge-tree", "--write-tree", base, head).split()[0]
        who = ("-c", "user.name=GitHub", "-c", "user.email=noreply@github.com")
        message = f"Merge {head} into {base}"
        made = self.bare.git(*who, "commit-tree", tree, "-p", base, "-p", head, "-m", message).strip()
        self.bare.git("update-ref", f"refs/pull/{number}/merge", made)
        return made

    def add_workflow_run(
        self,
        run_id: int,
        *,
        head_sha: str,
        event: str = "pull_request",
        head_branch: str = "change",
        head_repository: str | Head | None = Head.OWN,
        attempt: int = 1,
    ) -> WorkflowRun:
        """A run of a workflow; `head_repository` None is a fork that has been deleted."""
        run = WorkflowRun(
            id=run_id,
            event=event,
            head_sha=head_sha,
            head_branch=head_branch,
            head_repository=self.full_name if isinstance(head_repository, Head) else head_repository,
            attempt=attempt,
        )
        with self.lock:
            self.runs[run_id] = run
        return run

    def add_artifact(self, run_id: int, name: str, content: bytes, *, expired: bool = False) -> Artifact:
        """A zip that the run of a workflow has kept."""
        with self.lock:
            artifact = Artifact(id=self.ids("artifact"), name=name, run_id=run_id, content=content, expired=expired)
            self.artifacts[artifact.id] = artifact
            return artifact

    def json(self) -> dict[str, Any]:
        """The repository as the API shows it."""
        owner, _, name = self.full_name.partition("/")
        about = {"id": self.id, "name": name, "full_name": self.full_name, "owner": user(owner)}
        where = {"html_url": f"{SITE}/{self.full_name}", "default_branch": self.default_branch}
        return about | where | {"private": self.private, "fork": False}
