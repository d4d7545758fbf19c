"""A job of a hostile or broken world: what is done in it, and what there is afterwards.

A scene is one machine with a job's step on it, run by the command or, where it has an image, in the container. Every
story says what happens; what must never happen is looked for by `Aftermath` each time.
"""

from __future__ import annotations

import base64
import gzip
import json
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import stories
from container.project import Project
from container.runner import COMMAND_FILES, SECRETS, Runner
from github_server import GitHubServer
from hostile.hearing import OURS, Heard, hear

PATIENCE = 240.0
REPORT = "honeyhive-report"
COUNT = 12
TOKEN = "ghs_Q1w2E3r4T5y6U7i8O9p0AsDfGhJkLzXcVbNm"
"""The job's token."""
KEY = "hh_live_7f3c+9a1b/2d5e==48"
"""The HoneyHive key, where a job has one: with characters that JSON, URLs and shells write differently."""
PASSED = 'sk-live-Zx81"q\\9/ü+Kd72'
"""The value of a variable that `pass-env` names, `MODEL_API_KEY`."""

APP = """
import json, os, re, signal, subprocess, sys, threading, time
from pathlib import Path

def double(inputs):
    number = inputs["number"]
{trick}
    return 2 * number

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""
EXPERIMENT: Mapping[str, Any] = {
    **stories.EXPERIMENT,
    "baseline": "none",
    "max-workers": 1,
    "thresholds": {"exact": {"min": 0.5}},
}


def app(trick: str = "", *, at: int | None = None) -> str:
    """The app that doubles every number rightly, and does this besides: at each datapoint, or at that number alone."""
    lines = trick.strip("\n").splitlines() or ["pass"]
    indent = "    " if at is None else "        "
    body = "\n".join(f"{indent}{line}" for line in lines)
    return APP.replace("{trick}", body if at is None else f"    if number == {at}:\n{body}")


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What a step left: exit code, output as it was printed and as the runner understood it, files, comments."""

    scene: Scene
    exit_code: int
    output: str
    seconds: float
    heard: Heard = field(init=False)

    def __post_init__(self) -> None:
        """Listen as a runner does."""
        object.__setattr__(self, "heard", hear(self.output))

    # --- what every story ends with -----------------------------------------------------------------------------------

    def holds(self, exit_code: int, *words: str, finished: int | None = None) -> Aftermath:
        """It ended with this code, said these words, leaked nothing, obeyed nobody, and kept what was finished.

        With a code that is not zero there is exactly one error annotation, and the words are in it; the words are
        anywhere in the log where it is zero. `finished` is how many outcomes the run file has at least.
        """
        assert self.exit_code == exit_code, self.output
        said = self.heard.said("error")
        where = "\n".join(said) if exit_code else self.heard.log
        assert len(said) == (1 if exit_code else 0), self.output
        for word in words:
            assert word in where, f"{word!r} is not in {where!r}"
        assert "Traceback (most recent call last)" not in self.ours, self.output
        assert self.leaks() == []
        assert self.strange_commands() == []
        assert not self.heard.stopped
        if finished is not None:
            assert len(self.outcomes()) >= finished, self.output
        return self

    @property
    def error(self) -> str:
        """The one clear line."""
        (line,) = self.heard.said("error")
        return line

    @property
    def ours(self) -> str:
        """The log without what the user's code printed, as far as a story marks that with `>>`."""
        return "\n".join(line for line in self.heard.log.splitlines() if not line.startswith(">>"))

    def strange_commands(self) -> list[str]:
        """Commands that the runner obeyed and that are none of those we give, or come from `EVIL`."""
        return [
            f"::{command.name}::{command.data}"
            for command in self.heard.commands
            if command.name not in OURS or "EVIL" in command.data + "".join(command.properties.values())
        ]

    def leaks(self) -> list[str]:
        """Where a secret of the job is to be read, in whichever form."""
        wanted = [(secret, form) for secret in self.scene.secrets for form in forms(secret)]
        sinks = ((sink, text, "".join(text.split())) for sink, text in self._sinks())
        found = {(secret, sink) for sink, *texts in sinks for secret, form in wanted if any(form in t for t in texts)}
        return sorted(f"{secret} in {sink}" for secret, sink in found)

    def _sinks(self) -> Iterator[tuple[str, str]]:
        masking = self.output.splitlines()
        yield "output", "\n".join(line for line in masking if not line.startswith("::add-mask::"))
        for path in self.scene.files():
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                with suppress(OSError, EOFError, zlib.error):  # what is no gzip is read as it is
                    content = gzip.decompress(content)
                yield str(path), content.decode("utf-8", "replace")
        if self.scene.server is not None:
            for repository in self.scene.server.repositories:
                for comment in repository.kept_comments:
                    yield f"comment {comment.id}", "\n".join(comment.bodies)
                yield "check runs", json.dumps(repository.checks)
        yield from self.scene.elsewhere()

    # --- what was left ------------------------------------------------------------------------------------------------

    def outcomes(self, name: str = f"{REPORT}/run.jsonl") -> list[dict[str, Any]]:
        """The outcomes in the run file, in the dataset's order; a torn last line is left out."""
        path = self.scene.workspace / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return sorted((line for line in lines if line["type"] == "outcome"), key=lambda line: line["index"])

    def file(self, name: str) -> str:
        """A file of the report."""
        return (self.scene.workspace / REPORT / name).read_text(encoding="utf-8")

    def told(self, name: str) -> str:
        """One of the runner's command files: GITHUB_OUTPUT, GITHUB_STEP_SUMMARY and so on."""
        return self.scene.command_file(name).read_text(encoding="utf-8")

    @property
    def verdict(self) -> str | None:
        """The output of this name."""
        lines = self.told("GITHUB_OUTPUT").splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("verdict<<")]
        return lines[starts[0] + 1] if starts else None


@dataclass(kw_only=True)
class Scene:
    """One machine with a job. `inputs` and `env` are what the workflow gives every step; `secrets` may be nowhere."""

    runner: Runner
    server: GitHubServer | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = (TOKEN, *(value for name, value in SECRETS.items() if name.endswith("TOKEN")))
    elsewhere: Callable[[], Iterable[tuple[str, str]]] = tuple
    """Further places that a secret may have got to: what a platform was sent, say."""

    @property
    def workspace(self) -> Path:
        """The repository."""
        return self.runner.workspace

    @property
    def project(self) -> Project:
        """The repository, to be written to."""
        return Project(self.workspace)

    def app(self, trick: str = "", *, at: int | None = None) -> None:
        """Write the app that does this besides."""
        self.project.write("app.py", app(trick, at=at))

    def config(self, *experiments: Mapping[str, Any], **settings: Any) -> None:
        """Write honeyhive.yml with these differences; JSON is YAML too."""
        found = [{**EXPERIMENT, **experiment} for experiment in experiments or ({},)]
        self.project.write("honeyhive.yml", json.dumps({"version": 1, "experiments": found, **settings}))

    def rows(self, rows: Iterable[Any]) -> None:
        """Write the dataset."""
        self.project.write("numbers.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))

    def command_file(self, name: str) -> Path:
        """One of the runner's command files."""
        return Path(self.environment()[name])

    def files(self) -> Iterator[Path]:
        """All that lies on the machine, but for what Python compiles and what git has packed."""
        for path in self.runner.folder.rglob("*"):
            if not {"__pycache__", "objects"} & set(path.relative_to(self.runner.folder).parts):
                yield path

    def environment(self) -> dict[str, str]:
        """What a process of the job sees that runs on this machine."""
        here = self.runner.environment_here({"github-token": TOKEN, **self.inputs})
        return here | {"GITHUB_TOKEN": TOKEN} | self.env

    # --- what is done -------------------------------------------------------------------------------------------------

    def gate(self, *flags: str, **env: str) -> Aftermath:
        """Run the gate to its end: in the container where the runner has an image, else by the command."""
        return self.finish(self.start("gate", *flags, **env))

    def honeyhive(self, *arguments: str, **env: str) -> Aftermath:
        """Run another command to its end."""
        return self.finish(self.start(*arguments, **env))

    def start(self, *arguments: str, **env: str) -> Going:
        """Begin the step."""
        if self.runner.image:
            given = {"github-token": TOKEN, **self.inputs}
            process = self.runner.start(given, {**self.env, **env}, arguments=arguments)
            return Going(process=process, began=time.monotonic())
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "honeyhive", *arguments],
            cwd=self.workspace,
            env=self.environment() | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        return Going(process=process, began=time.monotonic())

    def finish(self, going: Going) -> Aftermath:
        """Wait for the end of the step, and take what it left."""
        try:
            output, _ = going.process.communicate(timeout=PATIENCE)
        finally:
            going.process.kill()
        return Aftermath(
            scene=self, exit_code=going.process.returncode, output=output, seconds=time.monotonic() - going.began
        )

    def signalled(self, going: Going, number: signal.Signals, *, when: Callable[[], bool]) -> Aftermath:
        """Send the step a signal as soon as something is so, and wait for its end."""
        with ExitStack() as unless_sent:
            unless_sent.callback(going.process.kill)
            deadline = time.monotonic() + PATIENCE
            while not when():
                assert going.process.poll() is None, "the step ended before"
                assert time.monotonic() < deadline, "it never came to that"
                time.sleep(0.02)
            going = replace(going, began=time.monotonic())
            if self.runner.image:
                self.runner.signal(number.name)
            else:
                going.process.send_signal(number)
            unless_sent.pop_all()
        return self.finish(going)


@dataclass(frozen=True, kw_only=True)
class Going:
    """A step that has begun; `seconds` of its aftermath are counted from `began`."""

    process: subprocess.Popen[str]
    began: float


def new_scene(folder: Path, *, image: str = "", inputs: Iterable[str], count: int = COUNT) -> Scene:
    """A push to main of a repository in which every number is doubled rightly."""
    runner = Runner(image=image, folder=folder, inputs=inputs, job={"GITHUB_TOKEN": TOKEN})
    scene = Scene(runner=runner)
    scene.workspace.mkdir(parents=True)
    scene.app()
    scene.config()
    scene.rows({"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(count))
    scene.project.write(".gitignore", "honeyhive-report/\n.honeyhive/\n__pycache__/\n")
    scene.project.git("init", "--quiet", "--initial-branch", "main")
    scene.project.commit("Double numbers")
    return scene


def forms(secret: str) -> set[str]:
    """The ways in which a secret may be written and still be read back by anybody."""
    raw = secret.encode()
    plain = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
    coded = {raw.hex()}
    for before in range(3):  # wherever it stands in what was encoded
        whole = base64.b64encode(bytes(before) + raw).decode()
        sure = whole[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        coded |= {sure, sure.replace("+", "-").replace("/", "_")}
    return plain | coded


__all__ = ["COMMAND_FILES", "KEY", "PASSED", "TOKEN", "Aftermath", "Going", "Scene", "app", "forms", "new_scene"]
