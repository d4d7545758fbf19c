"""`GitHub`: what a gate asks GitHub, and tells it, by its REST API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from honeyhive.api.call import Call, params, path
from honeyhive.api.connection import Connection
from honeyhive.api.retries import Budget
from honeyhive.ci.commands import Annotation
from honeyhive.ci.github.answers import (
    AccountShape,
    CheckShape,
    ChecksShape,
    Comment,
    CommentShape,
    CommitShape,
    Compared,
    ComparisonShape,
    FileShape,
    Pull,
    PullShape,
    RepositoryInfo,
    RepositoryShape,
    RunShape,
    Shape,
    WorkflowRun,
    paths,
)
from honeyhive.ci.github.checkruns import Conclusion, beginning, ending
from honeyhive.ci.github.once import once
from honeyhive.ci.github.transport import GitHubTransport
from honeyhive.ci.outlet import OUTLET
from honeyhive.documents import shown
from honeyhive.errors import ApiAnswerError, ArgumentError, GitHubError, GitHubPermissionError

S = TypeVar("S", bound=Shape)

PER_PAGE = 100
MOST_PAGES = 100
MOST_BYTES = 256 * 2**20
"""No listing is longer, all of its pages together."""

COMPARED_PAGES = 10
"""How many pages of commits a comparison is followed."""

PULL_FILES = 3_000
"""How many files of a pull request GitHub lists at most."""

_REPOSITORY = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9._-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_TOKEN = re.compile(r"[!-~]+")


class GitHub:
    """GitHub's API, for one repository, with one token. What fails is a `GitHubError`, after the retries."""

    def __init__(
        self,
        *,
        api_url: str,
        token: str,
        repository: str,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`repository` is `owner/name`; `transport` is the network of a test. `pause` waits, by `clock`."""
        if not _TOKEN.fullmatch(token.strip()):
            hint = "give `github-token: ${{ github.token }}`"
            raise GitHubPermissionError("there is no GitHub token, or what is given is none", hint=hint)
        if not _REPOSITORY.fullmatch(repository):
            hint = "GITHUB_REPOSITORY names it, as owner/name"
            raise GitHubError(f"{shown(repository)} is no repository of GitHub's", hint=hint)
        try:
            connection = Connection(api_key=token, server_url=api_url)
        except ArgumentError as error:
            hint = "GITHUB_API_URL names it, such as https://api.github.com"
            raise GitHubError(f"the address of GitHub's API: {error.message}", hint=hint) from error
        self.repository = repository
        self._line = GitHubTransport(connection, pause=pause, clock=clock, transport=transport)
        self._here = path("/repos/{}/{}", *repository.split("/"))

    def __repr__(self) -> str:
        """Without the token."""
        return f"GitHub({self._line.connection.server_url!r}, {self.repository!r})"

    def __enter__(self) -> Self:
        """Itself, with all that a request takes in memory."""
        self._line.prepare()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connections; no more requests."""
        self._line.close()

    def within(self, budget: Budget) -> None:
        """From now on everything has to come to its end within that time."""
        self._line.within = budget

    # --- comments -----------------------------------------------------------------------------------------------------

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All comments on the pull request, the oldest first."""
        listed = self._all(CommentShape, path("/issues/{}/comments", number))
        # One that is deleted while we turn pages moves the others: each counts once.
        return tuple({shape.id: shape.value() for shape in listed}.values())

    def comment(self, comment_id: int) -> Comment:
        """The comment as it is now; `GitHubError` of status 404 where there is none."""
        return self._send("GET", path("/issues/comments/{}", comment_id), CommentShape).value()

    def create_comment(self, number: int, body: str) -> Comment:
        """A new comment. Sent once only: where the answer is lost, it may be there all the same."""
        place = path("/issues/{}/comments", number)
        return self._send("POST", place, CommentShape, json={"body": body}, idempotent=False).value()

    def update_comment(self, comment_id: int, body: str) -> Comment:
        """The comment says this from now on."""
        return self._send("PATCH", path("/issues/comments/{}", comment_id), CommentShape, json={"body": body}).value()

    def delete_comment(self, comment_id: int) -> None:
        """The comment is gone; one that is gone already is no error."""
        call = Call(method="DELETE", path=self._here + path("/issues/comments/{}", comment_id), parse=_nothing)
        try:
            self._line.send(call)
        except GitHubPermissionError:
            raise
        except GitHubError as error:
            if error.status != 404:
                raise

    def login(self) -> str | None:
        """Whose token this is; None where it is an app's, as that of a workflow is: it may not ask."""
        try:
            return self._line.send(Call(method="GET", path="/user", parse=_read(AccountShape))).login
        except GitHubPermissionError as error:
            if error.status != 403:
                raise
            return None

    # --- code ---------------------------------------------------------------------------------------------------------

    def compare(self, base: str, head: str) -> Compared | None:
        """How two commits, branches or tags stand to each other; None where GitHub does not know one of them."""
        if not (_may_be_ref(base) and _may_be_ref(head)):
            return None
        place = path("/compare/{}...{}", base, head)
        try:
            first = page = self._send("GET", place, ComparisonShape, params=_page(1))
            commits = [one.sha for one in page.commits]
            for number in range(2, COMPARED_PAGES + 1):
                if not page.commits or len(commits) >= first.ahead_by:
                    break
                page = self._send("GET", place, ComparisonShape, params=_page(number))
                commits += [one.sha for one in page.commits]
        except GitHubPermissionError:
            raise
        except GitHubError as error:
            if error.status != 404:
                raise
            return None
        return first.value(commits)

    def parents(self, sha: str) -> tuple[str, ...]:
        """The parents of the commit, the first one first."""
        commit = self._send("GET", path("/git/commits/{}", sha), CommitShape)
        return tuple(one.sha for one in commit.parents)

    def repository_info(self) -> RepositoryInfo:
        """The repository as GitHub has it now."""
        found = self._send("GET", "", RepositoryShape)
        if found.default_branch is None:
            raise GitHubError(f"GET {self._here}: the answer names no default branch", request=f"GET {self._here}")
        return RepositoryInfo(id=found.id, full_name=found.full_name, default_branch=found.default_branch)

    def pull(self, number: int) -> Pull:
        """The pull request as it is now."""
        return self._send("GET", path("/pulls/{}", number), PullShape).value(self.repository)

    def pull_files(self, number: int) -> tuple[str, ...] | None:
        """The paths that the pull request changes, and had before; None where they are more than GitHub lists."""
        files = list(self._all(FileShape, path("/pulls/{}/files", number)))
        return None if len(files) >= PULL_FILES else paths(files)

    def workflow_run(self, run_id: int) -> WorkflowRun:
        """The run of a workflow."""
        return self._send("GET", path("/actions/runs/{}", run_id), RunShape).value()

    # --- check runs ---------------------------------------------------------------------------------------------------

    def create_check(
        self, name: str, head_sha: str, *, details_url: str | None = None, external_id: str | None = None
    ) -> int:
        """A check run that is in progress, on that commit: its id.

        Where the answer is lost it is looked up by its `external_id`, which is to be its own, before it is made again.
        """
        body = beginning(name, head_sha, details_url=details_url, external_id=external_id)

        def send() -> int:
            return self._send("POST", "/check-runs", CheckShape, json=body, idempotent=False).id

        def look_up() -> int | None:
            place, query = path("/commits/{}/check-runs", head_sha), params(check_name=name, per_page=PER_PAGE)
            found = self._send("GET", place, ChecksShape, params=query).check_runs
            return next((one.id for one in found if one.external_id == external_id), None)

        return send() if external_id is None else once(send, look_up, pause=self._line.pause)

    def finish_check(
        self,
        check_id: int,
        conclusion: Conclusion,
        *,
        title: str,
        summary: str,
        annotations: Sequence[Annotation] = (),
    ) -> None:
        """The check run has come to its end. What is longer than GitHub takes is cut: a check that never ends is worse.

        Only annotations that name a file are shown there. Sent twice they would show twice: where an answer is lost, it
        is looked up whether it has ended.
        """
        body = ending(conclusion, title=title, summary=summary, annotations=annotations)
        place = path("/check-runs/{}", check_id)

        def look_up() -> CheckShape | None:
            found = self._send("GET", place, CheckShape)
            return found if found.status == "completed" else None

        once(
            lambda: self._send("PATCH", place, CheckShape, json=body, idempotent=False),
            look_up,
            pause=self._line.pause,
        )

    # --- requests -----------------------------------------------------------------------------------------------------

    def _send(self, method: str, place: str, shape: type[S], **request: Any) -> S:
        if "json" in request:
            request["json"] = OUTLET.clean_value(request["json"])
        return self._line.send(Call(method=method, path=self._here + place, parse=_read(shape), **request))

    def _all(self, shape: type[S], place: str) -> Iterator[S]:
        """Every entry of a listing; `GitHubError` where it is longer than we read.

        Pages are asked for by their number: where a header leads is only looked at for whether there is another.
        """
        length = 0
        for number in range(1, MOST_PAGES + 1):
            call = Call(method="GET", path=self._here + place, parse=_read_all(shape), params=_page(number))
            received = self._line.exchange(call)
            entries = self._line.parsed(call, received)
            yield from entries
            length += len(received.body)
            link = received.headers.get("link")
            if not (len(entries) >= PER_PAGE if link is None else 'rel="next"' in link):
                return
            if length > MOST_BYTES:
                break
        limits = f"{MOST_PAGES * PER_PAGE:,} entries or {MOST_BYTES // 2**20} MiB"
        raise GitHubError(f"{call.request}: the list is longer than {limits}", request=call.request)


def _page(number: int) -> tuple[tuple[str, str], ...]:
    return params(per_page=PER_PAGE, page=number)


def _read(shape: type[S]) -> Callable[[Any], S]:
    return shape.model_validate


def _read_all(shape: type[S]) -> Callable[[Any], list[S]]:
    def parse(value: Any) -> list[S]:
        if not isinstance(value, list):
            raise ApiAnswerError("the answer is no list")
        return [shape.model_validate(item) for item in value]

    return parse


def _nothing(_: Any) -> None:
    """The answer has nothing that we need."""


def _may_be_ref(name: str) -> bool:
    """Whether git could have such a name; empty ones and dots would ask GitHub for something else."""
    return bool(name.strip()) and ".." not in name and name != "." and name.isprintable()
