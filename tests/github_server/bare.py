"""A bare repository as GitHub reads it, through git."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = {"A": "added", "M": "modified", "D": "removed", "R": "renamed", "C": "copied", "T": "changed"}

SERVED = """
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
[receive]
	autogc = false  # nothing goes on in the background after a push
[gc]
	auto = 0
"""


def environment() -> dict[str, str]:
    """Git without anybody's own configuration."""
    own = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": os.devnull, "LC_ALL": "C"}
    return {"PATH": os.environ["PATH"]} | own


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One file of a difference."""

    path: str
    status: str
    previous: str | None = None


class Bare:
    """A bare repository; made where there is none."""

    def __init__(self, path: Path, default_branch: str) -> None:
        self.path = path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._run("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(path), within=False)
        with (path / "config").open("a", encoding="utf-8") as config:
            config.write(SERVED)

    def git(self, *arguments: str, text: str | None = None) -> str:
        """What git says; raises where it fails."""
        return self._run(*arguments, text=text).decode("utf-8", "surrogateescape")

    def content(self, *arguments: str) -> bytes:
        """What git gives, as it is."""
        return self._run(*arguments)

    def commit(self, name: str) -> str | None:
        """The commit that a sha, a branch, a tag or a ref stands for."""
        for full in ([name] if re.fullmatch("[0-9a-f]{7,40}", name) else []) + [
            f"refs/heads/{name}",
            f"refs/tags/{name}",
            f"refs/{name.removeprefix('refs/')}",
        ]:
            found = self._asked("rev-parse", "--verify", "--quiet", "--end-of-options", f"{full}^{{commit}}")
            if found:
                return found
        return None

    def refs(self) -> Mapping[str, str]:
        """All refs with what they stand for."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
        return {name: sha for sha, _, name in (line.partition(" ") for line in lines)}

    def merge_base(self, base: str, head: str) -> str | None:
        """The best common ancestor."""
        return self._asked("merge-base", base, head) or None

    def commits(self, base: str, head: str) -> Sequence[str]:
        """Those that `head` has and `base` does not, the oldest first."""
        return self.git("rev-list", "--reverse", "--date-order", f"{base}..{head}").split()

    def parents(self, sha: str) -> Sequence[str]:
        """The parents of a commit."""
        return self.git("rev-list", "--parents", "--max-count=1", sha).split()[1:]

    def changed(self, base: str, head: str) -> Sequence[Changed]:
        """The files in which the two differ."""
        words = iter(self.git("diff", "--name-status", "-z", "-M", base, head).split("\0"))
        found = []
        for word in words:
            if not word:
                break
            previous = next(words) if word[0] in "RC" else None
            found.append(Changed(path=next(words), status=KINDS[word[0]], previous=previous))
        return found

    def _asked(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments], capture_output=True, env=environment(), check=False
        )
        return done.stdout.decode().strip() if done.returncode == 0 else ""

    def _run(self, *arguments: str, text: str | None = None, within: bool = True) -> bytes:
        command = ["git", *(["-C", str(self.path)] if within else []), *arguments]
        content = None if text is None else text.encode()
        done = subprocess.run(command, capture_output=True, env=environment(), check=False, input=content)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
        return done.stdout
