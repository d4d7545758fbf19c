"""A GitHub runner, as far as a container action can tell: its mounts, its environment, its files, its way to stop.

After github.com/actions/runner, src/Runner.Worker: Handlers/ContainerActionHandler.cs (mounts, working directory),
ActionRunner.cs and Handlers/Handler.cs (`INPUT_*`), GitHubContext.cs (`GITHUB_*`), FileCommandManager.cs (the names of
the files) and Container/DockerCommandManager.cs (the command line: variables go by name, their values by environment).
The socket of the Docker engine, which a runner mounts too, is left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRETS = {
    "GITHUB_TOKEN": "ghs_0123456789",
    "ACTIONS_RUNTIME_TOKEN": "eyJhbGciOiJSUzI1NiJ9",
    "ACTIONS_RUNTIME_URL": "https://pipelines.actions.githubusercontent.com/bees/",
    "ACTIONS_CACHE_URL": "https://artifactcache.actions.githubusercontent.com/bees/",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.actions.githubusercontent.com/bees/",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "eyJhbGciOiJSUzI1NiK0",
}
"""What could act as the job. GITHUB_TOKEN is there where a workflow says so, the others always."""

_FILES = {
    "GITHUB_OUTPUT": "set_output_",
    "GITHUB_STEP_SUMMARY": "step_summary_",
    "GITHUB_ENV": "set_env_",
    "GITHUB_PATH": "add_path_",
    "GITHUB_STATE": "save_state_",
}
COMMAND_FILES = frozenset(_FILES)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step left: exit code, log, outputs and summary."""

    exit_code: int
    log: str
    seconds: float
    outputs: Mapping[str, str]
    summary: str

    @property
    def errors(self) -> list[str]:
        """The error annotations."""
        return [line for line in self.log.splitlines() if line.startswith("::error")]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One machine with one job, whose workspace is to be filled."""

    image: str
    folder: Path
    inputs: Iterable[str]
    suffix: str = field(default_factory=lambda: str(uuid.uuid4()))
    job: Mapping[str, str] = field(default_factory=dict)
    """What the job's variables are instead of the usual ones: `GITHUB_EVENT_NAME`, `GITHUB_REF`."""
    event: Mapping[str, Any] = field(default_factory=lambda: {"repository": {"id": 17}})
    options: tuple[str, ...] = ()
    """More for `docker run`."""

    @property
    def workspace(self) -> Path:
        """The repository on the machine."""
        return self.folder / "work" / "bees" / "bees"

    @property
    def mounts(self) -> dict[str, Path]:
        """Folders of the machine by where the container sees them."""
        temporary = self.folder / "_temp"
        return {
            "/github/home": temporary / "_github_home",
            "/github/workflow": temporary / "_github_workflow",
            "/github/file_commands": temporary / "_runner_file_commands",
            "/github/workspace": self.workspace,
        }

    def start(
        self, inputs: Mapping[str, str], env: Mapping[str, str], *, arguments: Iterable[str] = ()
    ) -> subprocess.Popen[str]:
        """Begin the step: `docker run` with everything that the job has."""
        environment = self._environment(env) | self._inputs(inputs)
        command = ["docker", "run", *self.options, "--name", self.suffix, "--workdir", "/github/workspace", "--rm"]
        command += [part for name in environment for part in ("-e", name)]
        command += ["-e", "GITHUB_ACTIONS=true", "-e", "CI=true"]
        command += [part for inside, outside in self.mounts.items() for part in ("-v", f"{outside}:{inside}")]
        return subprocess.Popen(
            [*command, self.image, *arguments],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def step(self, inputs: Mapping[str, str] | None = None, **env: str) -> Step:
        """Run the action with `inputs`, in a job with the environment `env`."""
        return self.finish(self.start(inputs or {}, env))

    def finish(self, process: subprocess.Popen[str]) -> Step:
        """Wait for the step, and read what it left."""
        started = time.monotonic()
        log, _ = process.communicate(timeout=120)
        return self._left(process.returncode, log, time.monotonic() - started)

    def signal(self, name: str) -> None:
        """Stop the step as a runner does that is told to cancel the job."""
        subprocess.run(["docker", "kill", "--signal", name, self.suffix], check=True, capture_output=True)

    def end(self) -> None:
        """Leave nothing running, whatever became of the test."""
        subprocess.run(["docker", "rm", "--force", self.suffix], check=False, capture_output=True)

    def command(self, *flags: str, inputs: Mapping[str, str] | None = None) -> Step:
        """Run `honeyhive gate` without a container, on this machine and in the same job."""
        return self.python("-m", "honeyhive", "gate", *flags, inputs=inputs)

    def python(self, *arguments: str, inputs: Mapping[str, str] | None = None) -> Step:
        """Run Python without a container, in the same job."""
        environment = self.environment_here(inputs or {})
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-I", *arguments],
            cwd=self.workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return self._left(done.returncode, done.stdout, time.monotonic() - started)

    def environment_here(self, inputs: Mapping[str, str]) -> dict[str, str]:
        """What a process of the job sees that runs on this machine; its files are made."""
        environment = self._environment({})
        for inside, outside in self.mounts.items():
            environment = {name: value.replace(inside, str(outside)) for name, value in environment.items()}
        return _of_this_machine() | environment | self._inputs(inputs) | {"GITHUB_ACTIONS": "true", "CI": "true"}

    def _inputs(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every input of the action; what is not given is empty."""
        return {f"INPUT_{name.upper()}": given.get(name, "") for name in {*self.inputs, *given}}

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        for folder in self.mounts.values():
            folder.mkdir(parents=True, exist_ok=True)
        (self.mounts["/github/workflow"] / "event.json").write_text(json.dumps(self.event), encoding="utf-8")
        for prefix in _FILES.values():
            self._file(prefix).touch()
        # A story that breaks the repository says what its commit was: git might wait for ever.
        asked = ["true"] if "GITHUB_SHA" in self.job else ["git", "rev-parse", "HEAD"]
        sha = subprocess.run(asked, cwd=self.workspace, check=False, capture_output=True)
        return {
            **env,
            **SECRETS,
            **{name: f"/github/file_commands/{prefix}{self.suffix}" for name, prefix in _FILES.items()},
            "HOME": "/github/home",
            "GITHUB_ACTION": "__self",
            "GITHUB_ACTOR": "bee",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": "/github/workflow/event.json",
            "GITHUB_JOB": "gate",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REPOSITORY": "honey/bees",
            "GITHUB_REPOSITORY_ID": "17",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "4711",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_SHA": sha.stdout.decode().strip(),
            "GITHUB_WORKFLOW": "gate",
            "GITHUB_WORKSPACE": "/github/workspace",
            "RUNNER_ARCH": "X64",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": "/home/runner/work/_temp",  # of the machine: not to be found in a container
            **self.job,
        }

    def _file(self, prefix: str) -> Path:
        return self.mounts["/github/file_commands"] / f"{prefix}{self.suffix}"

    def _left(self, exit_code: int, log: str, seconds: float) -> Step:
        written = self._file("set_output_").read_text(encoding="utf-8")
        pairs = re.findall(r"^(.+?)<<(.+)\n(?:((?:.*\n)*?)\2\n)", written, re.MULTILINE)
        return Step(
            exit_code=exit_code,
            log=log,
            seconds=seconds,
            outputs={name: value.removesuffix("\n") for name, _, value in pairs},
            summary=self._file("step_summary_").read_text(encoding="utf-8"),
        )


def _of_this_machine() -> dict[str, str]:
    """Where programs are; coverage's own settings too, where it measures."""
    return {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE")}
