"""GitHub and HoneyHive around a job: a repository with a run of main, and a pull request for each verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from container.runner import SECRETS
from github_server import GitHubServer
from hostile.scene import KEY, Scene
from platform_server import PlatformServer
from stories import COMMENT, Bees, Job, app, config, numbers

RIGHTS = {**COMMENT, "checks": "write"}
DYING = "import os\ndef double(inputs): return inputs['number'] < 50 or os._exit(0)\ndef exact(outputs): return 1\n"
PULLS: Mapping[str, tuple[int, dict[str, str]]] = {
    "passed": (1, app(90)),
    "failed": (2, app(40)),
    "undecided": (3, app(59)),
    "broken": (4, {"app.py": DYING}),
}
"""The number of the pull request that comes to this verdict, and what it changes."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The servers, and what a job sees of them."""

    bees: Bees
    platform: PlatformServer

    def job(self, verdict: str, **inputs: str) -> Job:
        """The job of the pull request that comes to this verdict."""
        self.bees.repo.kept_comments.clear()
        self.bees.repo.kept_checks.clear()
        token = self.bees.server.token(permissions=RIGHTS)
        return self.bees.pull_request(PULLS[verdict][0], token=token, **inputs)

    def scene(self, job: Job) -> Scene:
        """A machine with the checkout of a job, which has a key as well."""
        there = {"GITHUB_TOKEN": job.token, "HH_API_KEY": KEY, "HH_API_URL": self.platform.url}
        secrets = (job.token, KEY, *(value for name, value in SECRETS.items() if name.endswith("TOKEN")))
        inputs = {"github-token": job.token, **job.inputs}
        runner = self.bees.machine(job)
        return Scene(runner=runner, server=self.bees.server, inputs=inputs, env=there, secrets=secrets)

    def mend(self) -> None:
        """Everybody answers again."""
        self.bees.server.mend()
        self.platform.mend()


@contextmanager
def new_world(folder: Path) -> Iterator[World]:
    """Main has a run, and there is a pull request for each verdict."""
    with GitHubServer(folder / "github") as server, PlatformServer(key=KEY) as platform:
        bees = Bees(server, folder)
        bees.commit("Double numbers", app(60), numbers(100), config())
        assert bees.run(bees.push()).exit_code == 0
        for number, files in PULLS.values():
            bees.propose(number, files)
        yield World(bees=bees, platform=platform)
