"""A repository with an experiment, and the command run on it in a process of its own, as a job would."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from honeyhive.cli import cli

APP = """
def double(inputs):
    return 2 * inputs["number"]

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""

PATIENCE = 240.0
"""Seconds after which a test gives up. No test waits this long for something that is as it should be."""

JOB_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV")
SECRETS = {
    "GITHUB_TOKEN": "ghs_secret",
    "INPUT_GITHUB-TOKEN": "ghs_secret",
    "ACTIONS_RUNTIME_TOKEN": "actions_secret",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "oidc_secret",
}


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left: its exit code, what it printed, and what it wrote for the job."""

    exit_code: int
    out: str
    err: str
    outputs: Mapping[str, str]
    summary: str

    @property
    def errors(self) -> list[str]:
        """The error annotations."""
        return [line for line in self.err.splitlines() if line.startswith("::error")]

    @property
    def error(self) -> str:
        """The one line that says what is wrong; there has to be just one, and nothing of our insides beside it."""
        assert len(self.errors) == 1, self.err
        assert "Traceback" not in self.out + self.err
        return self.errors[0].replace("%0A", "\n").replace("%25", "%")

    @property
    def verdict(self) -> Any:
        """The finding on the only experiment, as the outputs have it."""
        (found,) = json.loads(self.outputs["summary"])
        return found


@dataclass(frozen=True)
class Project:
    """A repository at `folder`, which also has a place for what a job is given and leaves."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the repository."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)  # it goes by the second, and we are faster
        return path

    def rows(self, rows: Iterable[Any]) -> None:
        """Write the dataset."""
        self.write("numbers.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))

    def config(self, *experiments: Mapping[str, Any], **settings: Any) -> None:
        """Write honeyhive.yml; JSON is YAML too."""
        found = [{**EXPERIMENT, **experiment} for experiment in experiments or ({},)]
        self.write("honeyhive.yml", json.dumps({"version": 1, "experiments": found, **settings}))

    def command(self, *arguments: str) -> list[str]:
        """How a container starts us."""
        return [sys.executable, "-I", "-m", "honeyhive", *arguments]

    def environment(self, **env: str) -> dict[str, str]:
        """What a job has, secrets included; coverage's own settings too, where it measures."""
        measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        job = {name: str(self.job_file(name)) for name in JOB_FILES}
        plain = {"PATH": os.environ["PATH"], "HOME": str(self.folder.parent), "LANG": "C.UTF-8"}
        return {**measured, **plain, **job, **SECRETS, "GITHUB_WORKSPACE": str(self.folder), **env}

    def job_file(self, name: str) -> Path:
        """One of the files by which a step talks to its runner."""
        return self.folder.parent / name.lower()

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command."""
        self._empty_job_files()
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def finish(self, process: subprocess.Popen[str]) -> Done:
        """Wait for a command, and take what it left."""
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return self._done(process.returncode, out, err)

    def _empty_job_files(self) -> None:
        for name in JOB_FILES:
            self.job_file(name).write_text("")

    def _done(self, exit_code: int, out: str, err: str) -> Done:
        return Done(
            exit_code=exit_code,
            out=out,
            err=err,
            outputs=parse_outputs(self.job_file("GITHUB_OUTPUT").read_text(encoding="utf-8")),
            summary=self.job_file("GITHUB_STEP_SUMMARY").read_text(encoding="utf-8"),
        )

    def honeyhive(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """Run a command to its end."""
        return self.finish(self.start(*arguments, env=env))

    def gate(self, *flags: str, env: Mapping[str, str] | None = None) -> Done:
        """Run the gate to its end."""
        return self.honeyhive("gate", *flags, env=env)

    def gate_here(self, *flags: str) -> Done:
        """Run the gate to its end in this process, which takes half the time; the user's code has its own anyway."""
        self._empty_job_files()
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(cli, ["gate", *flags], env=self.environment())
        assert result.exception, "the gate ends with its verdict"
        if not hasattr(result.exception, "exit_code"):
            raise result.exception
        return self._done(result.exception.exit_code, result.stdout, result.stderr)

    def cancelled(self, *arguments: str, when: Callable[[], bool], by: signal.Signals) -> Done:
        """Start a command, send it a signal as soon as something is so, and wait for its end."""
        process = self.start(*arguments)
        try:
            wait_until(when, while_running=process)
            process.send_signal(by)
        except BaseException:
            process.kill()
            raise
        return self.finish(process)

    def lines(self, name: str = "honeyhive-report/run.jsonl") -> list[dict[str, Any]]:
        """A run file, line by line; a torn last line is left out."""
        text = (self.folder / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def outcomes(self, name: str = "honeyhive-report/run.jsonl") -> list[dict[str, Any]]:
        """The outcomes in a run file, in the dataset's order."""
        return sorted((line for line in self.lines(name) if line["type"] == "outcome"), key=lambda line: line["index"])


EXPERIMENT: Mapping[str, Any] = {
    "name": "doubling",
    "function": "app:double",
    "dataset": "numbers.jsonl",
    "evaluators": ["app:exact"],
    "thresholds": {"exact": {"min": 0.5}},
}


def new_project(folder: Path, *, app: str = APP, count: int = 10) -> Project:
    """A repository with one commit: `app` doubles numbers, every one of them rightly."""
    folder.mkdir(parents=True)
    project = Project(folder)
    project.write("app.py", app)
    project.rows({"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(count))
    project.config()
    git = ["git", "-c", "user.name=Bee", "-c", "user.email=bee@honey.example"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-q", "-m", "Double numbers"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return project


def wait_until(reached: Callable[[], bool], *, while_running: subprocess.Popen[str]) -> None:
    """Wait for something that a process does."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert while_running.poll() is None, "the process ended before"
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def parse_outputs(text: str) -> dict[str, str]:
    """The outputs in a file as the runner reads them: `name=value`, or `name<<delimiter` and lines up to it."""
    found: dict[str, str] = {}
    lines = iter(text.removesuffix("\n").split("\n") if text else [])
    for line in lines:
        name, heredoc, delimiter = line.partition("<<")
        if not heredoc or "=" in name:
            name, equals, value = line.partition("=")
            assert equals, f"the runner would refuse {line!r}"
            found[name] = value
            continue
        value_lines = []
        for inner in lines:
            if inner == delimiter:
                break
            value_lines.append(inner)
        else:
            raise AssertionError(f"the runner would never find {delimiter!r}")
        found[name] = "\n".join(value_lines)
    return found
