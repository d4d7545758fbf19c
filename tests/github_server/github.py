"""GitHub as tests have it: what it is asked, what it keeps, who may do what, what goes wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from github_server import description, githttp
from github_server.asking import Answer, Asked
from github_server.bare import Bare
from github_server.permits import bearer, permit, wrong_headers
from github_server.repository import Repository
from github_server.routing import as_described, endpoint_of, is_known
from github_server.state import Level, Refused, Token
from github_server.troubles import Kind, Trouble, Weather, nearest, refusal, troubled
from platform_server.arrivals import Recorded
from platform_server.faults import PROCESSED, Fault, Hit
from platform_server.platform import PlatformServer
from platform_server.replies import Reply, reply
from platform_server.server import LONG

WORKFLOW = "github-actions"
GHES = "/api/v3"
PREFIX = ":prefix"
"""Where the path began before it was cut off, kept with the headers."""

FIRST = {"comment": 2_001_000, "check": 70_000, "artifact": 900, "event": 0}
LIMITS = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4990", "x-ratelimit-reset": "4102444800"}


class GitHubServer(PlatformServer):
    """GitHub on a port of this machine: its API at `/` and at `/api/v3`, git at `/OWNER/NAME.git`."""

    def __init__(self, folder: Path, *, validate: bool = True) -> None:
        self.folder = folder
        self._tokens: dict[str, Token] = {}
        self._repositories: dict[str, Repository] = {}
        self._renamed: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()
        super().__init__()
        self.weather = self._faults = Weather()
        self.validates = validate and description.load() is not None

    @property
    def api_url(self) -> str:
        """The API as GitHub Enterprise Server has it; `url` is that of github.com's form."""
        return f"{self.url}{GHES}"

    @property
    def repositories(self) -> list[Repository]:
        """All that are here."""
        return list(self._repositories.values())

    def repository(
        self,
        full_name: str,
        *,
        id: int | None = None,  # noqa: A002  # the name that GitHub has for it
        default_branch: str = "main",
        bare: Path | None = None,
        private: bool = False,
    ) -> Repository:
        """A repository; without `bare` an empty one, made in the server's folder."""
        git = Bare(bare or self.folder / f"{full_name}.git", default_branch)
        number = id if id is not None else self._number(full_name)
        made = Repository(full_name, number, git, ids=self._number, lock=self._changed)
        made.default_branch, made.private = default_branch, private
        with self._changed:
            self._repositories[full_name] = made
            self._numbers[full_name] = number
        return made

    def rename(self, before: str, after: str) -> None:
        """The repository has another name; the API sends those who ask for the one before to its number."""
        with self._changed:
            repository = self._repositories[after] = self._repositories.pop(before)
            repository.full_name = after
            self._renamed[before] = after

    def token(
        self,
        *,
        login: str | None = None,
        app: str | None = None,
        permissions: Mapping[str, Level] | None = None,
        repositories: Sequence[str] | None = None,
    ) -> str:
        """A token: of a user, or of an app, else that of a workflow. `permissions` None is all of them."""
        slug = None if login is not None else app or WORKFLOW
        text = f"{'ghp_' if slug is None else 'ghs_'}{self._number('token'):036d}"
        held = None if permissions is None else {name.replace("-", "_"): level for name, level in permissions.items()}
        name = login if login is not None else f"{slug}[bot]"
        with self._changed:
            self._tokens[text] = Token(text=text, login=name, app=slug, permissions=held, repositories=repositories)
        return text

    def fail(
        self,
        method: str,
        path: str,
        kind: Kind,
        *,
        times: int | None = None,
        skip: int = 0,
        processed: bool | None = None,
        retry_after: str | None = "0",
        location: str = "",
        seconds: float = LONG,
    ) -> Fault:
        """Let requests with this method (`*`: any) and this beginning of a path fail, for ever or `times` times.

        As of every server of ours, and `primary` and `secondary`, the limits: the first ends after `seconds`.
        """
        fault = Trouble(
            method=method,
            path=path,
            kind=nearest(kind),
            named=kind,
            times=times,
            skip=skip,
            processed=kind in PROCESSED if processed is None else processed,
            retry_after=retry_after,
            location=location,
            seconds=seconds,
        )
        with self._changed:
            return self._faults.add(fault)

    @property
    def requests(self) -> list[Recorded]:
        """Every request to the API in order of arrival, its path without the prefix."""
        return [one for one in super().requests if githttp.wanted(one.path) is None]

    @property
    def git_requests(self) -> list[Recorded]:
        """Every request of git."""
        return [one for one in super().requests if githttp.wanted(one.path) is not None]

    def of(self, method: str, path: str) -> list[Recorded]:
        """The API's requests with this method and this path, or with this path template."""
        return [one for one in self.requests if one.method == method and path in (one.path, self._template(one))]

    def described(self, request: Recorded) -> tuple[str, str]:
        """The description's template for the request, and its path as the description wants it."""
        found = endpoint_of(request.method, self._named(request.path)[0])
        assert found is not None
        return as_described(*found)

    # --- what it answers ----------------------------------------------------------------------------------------------

    def _asked(
        self, port: int, method: str, target: str, headers: Mapping[str, str], body: Callable[[], bytes]
    ) -> Reply | None:
        split = urlsplit(target)
        if githttp.wanted(split.path) is None:
            prefix = GHES if split.path.startswith(f"{GHES}/") else ""
            return super()._asked(port, method, target.removeprefix(prefix), {**headers, PREFIX: prefix}, body)
        with self._changed:
            hit = self._faults.strike(method, split.path)
        query, content = parse_qs(split.query), body()
        fields = {"method": method, "path": split.path, "headers": headers, "body": content}
        with self._changed:
            request = self._arrivals.add(**fields, query=query, connection=port)
            self._changed.notify_all()
        answer: Reply | None = None
        try:
            answer = self._answer(request, hit)
        finally:
            self._note(lambda: self._arrivals.done(request, answer))
        return answer

    def _look_at(self, request: Recorded, hit: Hit | None) -> None:
        where = f"{request.method} {request.path}"
        found = endpoint_of(request.method, self._named(request.path)[0])
        if found is None:
            self._violations.append(f"{where}: no endpoint that this server knows")
            return
        template, path = as_described(*found)
        if template.startswith("/_"):
            if "authorization" in request.headers:
                self._violations.append(f"{where}: the token went to where the artifact is kept")
            return
        self._violations.extend(f"{where}: {message}" for message in wrong_headers(request))
        if self.validates and not (hit and hit.kind == "refuse"):  # its body was never read
            self._violations.extend(f"{where}: {one}" for one in description.violations(request, template, path))

    def _answer(self, request: Recorded, hit: Hit | None) -> Reply | None:
        if hit is None or hit.kind in ("refuse", "reset-before", "hang", "slow"):
            return super()._answer(request, hit)
        early = self._act(request) if hit.fault.processed else None
        return troubled(hit.fault, early or Reply(status=200))

    def _act(self, request: Recorded) -> Reply:
        if (wanted := githttp.wanted(request.path)) is not None:
            return self._git(request, *wanted)
        with self._changed:
            try:
                answered = self._done(request)
            except Refused as exc:
                refused = refusal(exc.status, str(exc))
                return replace(refused, headers={**refused.headers, **LIMITS, **exc.headers})
            finally:
                self._changed.notify_all()
        if answered.content is not None:
            return Reply(status=answered.status, content=answered.content, headers=answered.headers)
        made = reply(answered.body, answered.status)
        return replace(made, headers={**made.headers, **LIMITS, **answered.headers})

    def _done(self, request: Recorded) -> Answer:
        path, here = self._named(request.path)
        found = endpoint_of(request.method, path)
        if found is None:
            raise Refused(405 if is_known(path) else 404, "Not Found")
        endpoint, parts = found
        token = self._tokens.get(bearer(request))
        if token is None and not endpoint.template.startswith("/_"):
            raise Refused(401, "Bad credentials")
        if here is not None and here.full_name != _name(path):
            moved = f"{self._base(request)}/repositories/{here.id}{_tail(path)}"
            raise Refused(301, "Moved Permanently", {"Location": moved + _query(request)})
        asked = Asked(
            request=request,
            parts=parts,
            token=token or Token(text="", login="nobody"),
            here=here,
            base=self._base(request),
            tail=_tail(path),
            repositories=self._repositories,
        )
        if "{repo}" in endpoint.template:
            permit(asked, endpoint.needs, endpoint.level)
        answered = endpoint.act(asked)
        template = as_described(endpoint, parts)[0]
        return replace(answered, body=description.filled(request.method, template, answered.status, answered.body))

    def _git(self, request: Recorded, name: str, rest: str) -> Reply:
        with self._changed:
            repository = self._repositories.get(self._renamed.get(name, name))
            token = self._tokens.get(githttp.credential(request.headers) or "")
        asked = (request.method, request.headers, request.body)
        return githttp.served(repository, token, rest=rest, query=_query(request)[1:], request=asked)

    def _named(self, path: str) -> tuple[str, Repository | None]:
        """The path by the repository's name where it is by its number, and the repository."""
        if found := re.fullmatch(r"/repositories/(\d+)((?:/.*)?)", path):
            for repository in self._repositories.values():
                if repository.id == int(found[1]):
                    return f"/repos/{repository.full_name}{found[2]}", repository
        name = _name(path)
        return path, self._repositories.get(self._renamed.get(name, name))

    def _template(self, request: Recorded) -> str:
        found = endpoint_of(request.method, self._named(request.path)[0])
        return found[0].template if found else request.path

    def _base(self, request: Recorded) -> str:
        return f"http://{request.headers.get('host', '')}{request.headers.get(PREFIX, '')}"

    def _number(self, kind: str) -> int:
        """The next number of the kind; of a repository, which has a slash in its name, always the same."""
        with self._changed:
            if "/" in kind:
                return self._numbers.setdefault(kind, 5_000_000 + len(self._numbers))
            self._numbers[kind] += 1
            return FIRST.get(kind, 0) + self._numbers[kind]


def _name(path: str) -> str:
    found = re.match(r"/repos/([^/]+/[^/]+)", path)
    return found[1] if found else ""


def _tail(path: str) -> str:
    return re.sub(r"^/repos/[^/]+/[^/]+", "", path)


def _query(request: Recorded) -> str:
    query = urlencode({name: list(values) for name, values in request.query.items()}, doseq=True)
    return f"?{query}" if query else ""
