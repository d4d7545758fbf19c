"""A pull request whose gate has a network that is not to be relied on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from github_server import Comment, Kind
from github_server.state import Level
from hostile.scene import Aftermath, Scene
from stories import Bees, config

MAY: dict[str, Level] = {"contents": "read", "pull_requests": "write", "checks": "write"}
SETTINGS = config({"baseline": "none", "thresholds": {"exact": {"min": 0.5}}})


@dataclass
class Story:
    """A pull request, and the machine of its job."""

    bees: Bees
    number: int
    scene: Scene
    before: int = field(init=False)

    def __post_init__(self) -> None:
        """From here on what arrives is ours."""
        self.before = len(self.bees.server.requests)

    @property
    def comments(self) -> list[Comment]:
        return self.bees.repo.comments.get(self.number, [])

    @property
    def api(self) -> str:
        return f"/repos/honey/bees/issues/{self.number}/comments"

    @property
    def methods(self) -> list[str]:
        """The requests to the API, in their order."""
        return [one.method for one in self.bees.server.requests[self.before :]]

    def fail(self, method: str, path: str, kind: Kind, **how: Any) -> None:
        self.bees.server.fail(method, path, kind, **how)

    def told(self, *words: str, **env: str) -> Aftermath:
        """The gate passes, and its comment is there, once."""
        after = self.scene.gate(**env).holds(0, "PASSED     doubling", *words, finished=12)
        assert len(self.comments) == 1, after.output
        assert after.heard.said("warning") == []
        return after

    def untold(self, *words: str, **env: str) -> Aftermath:
        """The gate passes all the same, warns once that GitHub was not told, and there is no comment."""
        after = self.scene.gate(**env).holds(0, "PASSED     doubling", finished=12)
        (warning,) = after.heard.said("warning")
        for word in words:
            assert word in warning
        assert self.comments == []
        return after
