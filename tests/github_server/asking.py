"""One request to the API, found among the endpoints: who asks, for what, of which repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from github_server.repository import Repository
from github_server.state import Refused, Token
from platform_server.arrivals import Recorded

DEFAULT_PAGE, LONGEST_PAGE = 30, 100


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered; JSON, or `content` as it is."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, with the variable parts of its path."""

    request: Recorded
    parts: Mapping[str, str]
    token: Token
    here: Repository | None
    base: str
    """The API's address as the client knows it."""
    tail: str
    """What follows the repository in the path."""
    repositories: Mapping[str, Repository]

    @property
    def repository(self) -> Repository:
        """The repository that is asked for."""
        assert self.here is not None
        return self.here

    @property
    def body(self) -> Mapping[str, Any]:
        """The request's body; an object, or refused."""
        if not isinstance(self.request.body, Mapping):
            raise Refused(400, "Problems parsing JSON")
        return self.request.body

    def number(self, name: str) -> int:
        """A variable part that is a number."""
        try:
            return int(self.parts[name])
        except ValueError:
            raise Refused(404, "Not Found") from None

    def query(self, name: str, default: str = "") -> str:
        """The last value of the query's parameter."""
        return self.request.query.get(name, [default])[-1]

    def page(self, items: Sequence[Any], *, default: int = DEFAULT_PAGE) -> tuple[Sequence[Any], dict[str, str]]:
        """The page of the items that is asked for, and the header that leads to the others."""
        size = max(1, min(int(self.query("per_page", str(default))), max(LONGEST_PAGE, default)))
        number = max(1, int(self.query("page", "1")))
        last = max(1, -(-len(items) // size))
        to = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        there = {rel: at for rel, at in to.items() if 1 <= at <= last and not (rel == "last" and number >= last)}
        links = ", ".join(f'<{self._link(at, size)}>; rel="{rel}"' for rel, at in there.items() if last > 1)
        return items[(number - 1) * size : number * size], {"Link": links} if links else {}

    def _link(self, page: int, size: int) -> str:
        # By the repository's number, as GitHub gives it, and not by the path that was asked for.
        return f"{self.base}/repositories/{self.repository.id}{self.tail}?per_page={size}&page={page}"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One request that the server knows. `needs` are permissions of which any one is enough."""

    method: str
    template: str
    needs: Sequence[str]
    level: str
    act: Callable[[Asked], Answer]
