"""The repository of the stories with its jobs in the image: several at once, and what they leave looked through."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from container.runner import Runner, Step
from github_server import GitHubServer
from stories import Bees, Job

REPORT = "honeyhive-report"
_GZIP = b"\x1f\x8b"


@dataclass(kw_only=True)
class Going:
    """A job's step that has begun: its machine, and the checkout as it was before."""

    job: Job
    machine: Runner
    before: Mapping[str, bytes]
    process: subprocess.Popen[str]
    step: Step | None = None


@dataclass
class Hive(Bees):
    """The repository `honey/bees`, whose jobs run in the image; every one of them is remembered."""

    begun: list[Going] = field(default_factory=list)

    def machine(self, job: Job) -> Runner:
        """A machine with the job's checkout, on whose network GitHub is."""
        return replace(super().machine(job), options=network(self.image or ""))

    def step(self, machine: Runner, job: Job) -> Step:
        """Run the step on a machine that is there."""
        return self._finished(self._begin(machine, job))

    def at_once(self, *jobs: Job) -> list[Step]:
        """Run the steps of these jobs at the same time, each on a machine of its own."""
        machines = [self.machine(job) for job in jobs]
        begun = [self._begin(machine, job) for machine, job in zip(machines, jobs, strict=True)]
        return [self._finished(going) for going in begun]

    def command(self, job: Job, *arguments: str) -> Step:
        """Run another command of the image in the job."""
        return self._finished(self._begin(self.machine(job), job, *arguments))

    def _begin(self, machine: Runner, job: Job, *arguments: str) -> Going:
        inputs = {"github-token": job.token, **job.inputs}
        before = files_of(machine)
        process = machine.start(inputs, {}, arguments=arguments)
        self.begun.append(Going(job=job, machine=machine, before=before, process=process))
        return self.begun[-1]

    def _finished(self, going: Going) -> Step:
        going.step = going.machine.finish(going.process)
        return going.step

    def end(self) -> None:
        """Leave nothing running, and nothing that whoever runs the tests could not take away."""
        for going in self.begun:
            if going.step is None:
                going.machine.end()
        if os.getuid() != 0:  # what a container wrote is root's
            owner = f"{os.getuid()}:{os.getgid()}"
            command = ["docker", "run", "--rm", "-v", f"{self.folder}:/mine", "--entrypoint", "chown"]
            subprocess.run([*command, self.image or "", "-R", owner, "/mine"], check=True)

    # --- what is to be seen -------------------------------------------------------------------------------------------

    @property
    def stored(self) -> list[str]:
        """The files on the branch of runs."""
        return self.repo.bare.git("ls-tree", "-r", "--name-only", "honeyhive-runs").split()

    def touched(self) -> list[str]:
        """The files of checkouts, those of git among them, that are not what they were before the step."""
        return [
            f"{going.machine.folder.name}: {name}"
            for going in self.begun
            for after in [files_of(going.machine)]
            for name in sorted(going.before.keys() | after.keys())
            if going.before.get(name) != after.get(name)
        ]

    def secrets_written(self) -> list[str]:
        """Where a token of a job is to be read, as it is or as git sends it."""
        tokens = {going.job.token.encode() for going in self.begun}
        wanted = tokens | {base64.b64encode(b"x-access-token:" + token) for token in tokens}
        return [place for place, content in self._left() if any(secret in content for secret in wanted)]

    def _left(self) -> Iterator[tuple[str, bytes]]:
        """Everything that the jobs have left anywhere, by where it is."""
        for going in self.begun:
            folder = going.machine.folder
            for path in filter(Path.is_file, folder.rglob("*")):
                yield str(path.relative_to(self.folder)), path.read_bytes()
            shown = (going.step.log if going.step else "").splitlines()  # a runner shows no `add-mask`
            yield (
                f"{folder.name}: log",
                "\n".join(line for line in shown if not line.startswith("::add-mask::")).encode(),
            )
        for comment in self.repo.kept_comments:
            yield f"comment {comment.id}", "\n".join(comment.bodies).encode()
        yield "check runs", json.dumps(self.repo.checks).encode()
        for sha, content in self._objects():
            yield f"object {sha}", gzip.decompress(content) if content.startswith(_GZIP) else content

    def _objects(self) -> Iterator[tuple[str, bytes]]:
        """Every object of the repository on the server."""
        whole = self.repo.bare.content("cat-file", "--batch", "--batch-all-objects")
        while whole:
            head, _, rest = whole.partition(b"\n")
            sha, _, size = head.decode().split()
            yield sha, rest[: int(size)]
            whole = rest[int(size) + 1 :]


@cache
def network(image: str) -> tuple[str, ...]:
    """What `docker run` has to be told for a container to reach this machine's loopback, if it does not by itself."""
    here = "/proc/self/ns/net"
    command = ["docker", "run", "--rm", "--entrypoint", "readlink", image, here]
    inside = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return () if inside == str(Path(here).readlink()) else ("--network", "host")


def another_step(machine: Runner) -> Runner:
    """The same machine with the files of a further step."""
    return replace(machine, suffix=str(uuid.uuid4()))


def files_of(machine: Runner) -> dict[str, bytes]:
    """Every file of the checkout, of its `.git` too; but for the report, and what Python has compiled of the user's."""
    found = (path for path in machine.workspace.rglob("*") if path.is_file())
    kept = [path for path in found if not {REPORT, "__pycache__"} & set(path.relative_to(machine.workspace).parts)]
    return {str(path.relative_to(machine.workspace)): path.read_bytes() for path in kept}


@contextmanager
def hive(folder: Path, image: str, like: Path | None = None) -> Iterator[Hive]:
    """A repository in `folder`, an empty one or like that in another folder.

    By the end GitHub has seen nothing wrong, no checkout was touched, and no token is to be read anywhere.
    """
    if like is not None:
        for name in ("github", "developer"):
            shutil.copytree(like / name, folder / name)
    with GitHubServer(folder / "github") as server:
        found = Hive(server, folder, image)
        try:
            yield found
        finally:
            found.end()
        assert server.violations == []
        assert found.touched() == []
        assert found.secrets_written() == []
