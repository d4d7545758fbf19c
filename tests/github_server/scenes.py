"""A repository with some history, and a client of it, for tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from github_server.bare import environment
from github_server.github import GitHubServer
from github_server.repository import Repository
from honeyhive.ci.github.client import GitHub

WHO = ("-c", "user.name=bee", "-c", "user.email=bee@example.com", "-c", "commit.gpgsign=false")
NAME, ID = "honey/bees", 17


class Work:
    """A repository of git's, in a folder, that is pushed to the server's bare one as a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True, env=environment())

    def git(self, *arguments: str, text: str | None = None) -> str:
        """What git says, to this input."""
        command = ["git", "-C", str(self.folder), *WHO, *arguments]
        done = subprocess.run(command, check=True, env=environment(), capture_output=True, text=True, input=text)
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str | None] | None = None) -> str:
        """A commit of these files, those that are None removed; its sha."""
        for name, text in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text, "utf-8")
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def publish(self, repository: Repository, *refs: str) -> None:
        """Push the refs, all branches where none is named, without asking the server."""
        self.git("push", "-q", "--force", str(repository.path), *(refs or ("--all",)))


@dataclass
class Clock:
    """A clock that waiting moves on, and nothing waits for; `pauses` are what was waited."""

    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def now(self) -> float:
        return time.monotonic() + sum(self.pauses)


def client_of(
    server: GitHubServer, token: str | None = None, *, name: str = NAME, pauses: list[float] | None = None
) -> GitHub:
    """A client whose pauses take no time: they are counted."""
    clock = Clock([] if pauses is None else pauses)
    token = token or server.token()
    return GitHub(api_url=server.api_url, token=token, repository=name, pause=clock.pause, clock=clock.now)


def history(work: Work, messages: Sequence[str]) -> list[str]:
    """One commit for each message, each with a file of that name."""
    return [work.commit(message, {f"{message}.txt": message}) for message in messages]
