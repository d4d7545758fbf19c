"""A repository on GitHub with an experiment, and the jobs that its life starts, each on a machine of its own.

What a job sees is what GitHub and actions/checkout give it: the event, the variables, a checkout of depth 1.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from container.runner import Runner, Step
from github_server import GitHubServer, Repository
from github_server.scenes import Work
from github_server.state import Level

ROOT = Path(__file__).parents[1]
INPUTS = tuple(yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"])
NAME, ID = "honey/bees", 17
ZEROS = "0" * 40

APP = """
def double(inputs):
    number = inputs["number"]
    return 2 * number if number % 100 < {right} else None

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""
EXPERIMENT: Mapping[str, Any] = {
    "name": "doubling",
    "function": "app:double",
    "dataset": "numbers.jsonl",
    "evaluators": ["app:exact"],
    "thresholds": {"exact": {"max-drop": 0.02}},
}

READ: dict[str, Level] = {"contents": "read"}
COMMENT: dict[str, Level] = {"contents": "read", "pull_requests": "write"}
SAVE: dict[str, Level] = {"contents": "write"}


def app(right: int) -> dict[str, str]:
    """The app that doubles so many percent of the numbers rightly."""
    return {"app.py": APP.format(right=right)}


def numbers(count: int = 200) -> dict[str, str]:
    """The dataset."""
    rows = ({"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(count))
    return {"numbers.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows)}


def config(*experiments: Mapping[str, Any], **settings: Any) -> dict[str, str]:
    """honeyhive.yml with these differences; JSON is YAML too."""
    found = [{**EXPERIMENT, **experiment} for experiment in experiments or ({},)]
    return {"honeyhive.yml": json.dumps({"version": 1, "experiments": found, **settings}, indent=1)}


@contextmanager
def empty_repository(folder: Path) -> Iterator[Bees]:
    """A repository with nothing in it; what was asked of GitHub has to be as its API is described."""
    with GitHubServer(folder / "github") as server:
        yield Bees(server, folder)
        assert server.violations == []


@contextmanager
def running_repository(folder: Path) -> Iterator[Bees]:
    """A repository whose main doubles 60 of 100 numbers rightly, and has a run of that."""
    with empty_repository(folder) as bees:
        bees.commit("Double numbers", app(60), numbers(100), config())
        assert bees.run(bees.push()).exit_code == 0
        yield bees


@dataclass(frozen=True, kw_only=True)
class Job:
    """What GitHub gives a job: event, payload, ref, the commit, and what the workflow says."""

    event: str
    payload: Mapping[str, Any]
    ref: str
    sha: str
    token: str
    run_id: int
    attempt: int = 1
    name: str = "gate"
    inputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    checkout: str | None = ""
    """What actions/checkout is told to check out: the job's own commit unless another is named; `None` for nothing."""


@dataclass
class Bees:
    """The repository `honey/bees`, at `server`; `image` is what its jobs run in, or nothing for this machine."""

    server: GitHubServer
    folder: Path
    image: str | None = None
    repo: Repository = field(init=False)
    work: Work = field(init=False)
    forks: dict[str, Repository] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The repository with nothing in it."""
        self.repo = self.server.repository(NAME, id=ID)
        self.work = Work(self.folder / "developer")
        self._runs = count(1000)
        self._machines = count(1)

    # --- what people do -------------------------------------------------------------------------------------------

    def commit(self, message: str, *files: Mapping[str, str | None]) -> str:
        """A commit on the branch that the developer is on, pushed."""
        merged = {name: text for some in files for name, text in some.items()}
        sha = self.work.commit(message, merged)
        self.work.publish(self.repo)
        return sha

    def branch(self, name: str, start: str = "main") -> None:
        """Begin a branch."""
        self.work.git("checkout", "-q", "-b", name, start, "--")

    def on_main(self) -> None:
        """Go back to main."""
        self.work.git("checkout", "-q", "main", "--")

    def open(self, number: int, head_ref: str = "change", *, fork: str | None = None) -> None:
        """Open a pull request of the commit that the developer is on."""
        head = self.work.git("rev-parse", "HEAD")
        self.repo.open_pull(number, head_sha=head, head_ref=head_ref, head_repository=fork or NAME)

    def propose(self, number: int, *files: Mapping[str, str | None], fork: str | None = None) -> None:
        """Open a pull request of one commit, on a branch of its own from main."""
        self.on_main()
        self.branch(f"change-{number}")
        self.commit("A change", *files)
        self.open(number, f"change-{number}", fork=fork)

    def push_to(self, number: int) -> None:
        """Push the developer's commit to the pull request."""
        self.repo.push_to_pull(number, self.work.git("rev-parse", "HEAD"))

    # --- what GitHub does -----------------------------------------------------------------------------------------

    def pull_request(self, number: int, *, token: str | None = None, **inputs: str) -> Job:
        """The job of a pull request, on its test merge; a fork's has a token that may only read."""
        pull = self.repo.pulls[number]
        is_fork = pull.head_repository != NAME
        head_repo = self._shown(pull.head_repository)
        payload = {
            "action": "synchronize",
            "number": number,
            "pull_request": {
                "number": number,
                "user": {"login": "bee"},
                "head": {"sha": pull.head_sha, "ref": pull.head_ref, "repo": head_repo},
                "base": {"sha": ZEROS, "ref": pull.base_ref, "repo": {"id": ID, "full_name": NAME}},
            },
        }
        return Job(
            event="pull_request",
            payload=self._payload(payload),
            ref=f"refs/pull/{number}/merge",
            sha=self.repo.test_merge(number),
            token=token or self.server.token(permissions=READ if is_fork else COMMENT),
            run_id=next(self._runs),
            inputs=inputs,
            variables={"GITHUB_HEAD_REF": pull.head_ref, "GITHUB_BASE_REF": pull.base_ref},
        )

    def push(self, *, token: str | None = None, before: str | None = None, **inputs: str) -> Job:
        """The job of a push to main."""
        sha = self.work.git("rev-parse", "main")
        payload = {"ref": "refs/heads/main", "before": before or ZEROS, "after": sha, "deleted": False}
        return Job(
            event="push",
            payload=self._payload(payload),
            ref="refs/heads/main",
            sha=sha,
            token=token or self.server.token(permissions=SAVE),
            run_id=next(self._runs),
            inputs=inputs,
        )

    def queue(self, *, base: str, number: int = 7, **inputs: str) -> Job:
        """The job of the merge queue, on the commit that the developer is on."""
        sha = self.work.git("rev-parse", "HEAD")
        ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{base}"
        group = {"head_sha": sha, "head_ref": ref, "base_sha": base, "base_ref": "refs/heads/main"}
        return Job(
            event="merge_group",
            payload=self._payload({"action": "checks_requested", "merge_group": group}),
            ref=ref,
            sha=sha,
            token=self.server.token(permissions=READ),
            run_id=next(self._runs),
            inputs=inputs,
        )

    def release(self, tag: str, **inputs: str) -> Job:
        """The job of a release, of a tag that is there."""
        self.work.publish(self.repo, f"refs/tags/{tag}")
        return Job(
            event="release",
            payload=self._payload({"action": "published", "release": {"tag_name": tag}}),
            ref=f"refs/tags/{tag}",
            sha=self.work.git("rev-parse", f"{tag}^{{commit}}"),
            token=self.server.token(permissions=SAVE),
            run_id=next(self._runs),
            inputs=inputs,
        )

    def nightly(self, **inputs: str) -> Job:
        """The job of a schedule, on main."""
        return replace(
            self.push(token=self.server.token(permissions=READ), **inputs),
            event="schedule",
            payload=self._payload({"schedule": "0 3 * * *"}),
        )

    def workflow_run(self, of: Job, *, token: str | None = None, **inputs: str) -> Job:
        """The job that another workflow's run starts when it has ended, on main and with nothing checked out."""
        head = of.payload["pull_request"]["head"]
        name = head["repo"]["full_name"]
        self.repo.add_workflow_run(
            of.run_id, head_sha=head["sha"], head_branch=head["ref"], head_repository=name, attempt=of.attempt
        )
        run = {
            "id": of.run_id, "event": of.event, "head_sha": head["sha"], "run_attempt": of.attempt,
            "head_repository": head["repo"], "pull_requests": [],
        }  # fmt: skip
        return Job(
            event="workflow_run",
            payload=self._payload({"action": "completed", "workflow_run": run, "workflow": {"name": "gate"}}),
            ref="refs/heads/main",
            sha=self.work.git("rev-parse", "main"),
            token=token or self.server.token(permissions={"actions": "read", "pull_requests": "write"}),
            run_id=next(self._runs),
            name="publish",
            inputs={"mode": "publish", **inputs},
            checkout=None,
        )

    def _shown(self, name: str | None) -> dict[str, Any] | None:
        """A repository in an event: a fork is one that the server knows, too."""
        if name is None:
            return None
        if name != NAME and name not in self.forks:
            self.forks[name] = self.server.repository(name)
        repository = self.forks.get(name, self.repo)
        return {"id": repository.id, "full_name": name}

    def _payload(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {**event, "repository": {"id": ID, "full_name": NAME, "default_branch": "main"}}

    # --- the machine ----------------------------------------------------------------------------------------------

    def machine(self, job: Job) -> Runner:
        """A machine with the job's checkout, before its step."""
        variables = {
            "GITHUB_API_URL": self.server.url,
            "GITHUB_SERVER_URL": self.server.url,
            "GITHUB_REPOSITORY": NAME,
            "GITHUB_REPOSITORY_ID": str(ID),
            "GITHUB_EVENT_NAME": job.event,
            "GITHUB_REF": job.ref,
            "GITHUB_REF_NAME": job.ref.split("/", 2)[2],
            "GITHUB_SHA": job.sha,
            "GITHUB_RUN_ID": str(job.run_id),
            "GITHUB_RUN_ATTEMPT": str(job.attempt),
            "GITHUB_JOB": job.name,
            "GITHUB_TOKEN": job.token,
            **job.variables,
        }
        folder = self.folder / f"machine-{next(self._machines)}"
        runner = Runner(image=self.image or "", folder=folder, inputs=INPUTS, job=variables, event=job.payload)
        runner.workspace.mkdir(parents=True)
        if job.checkout is not None:
            self._check_out(runner.workspace, job.checkout or job.sha)
        return runner

    def _check_out(self, workspace: Path, sha: str) -> None:
        """As actions/checkout does with its default depth."""
        for command in (
            ["init", "-q"],
            ["remote", "add", "origin", f"{self.server.url}/{NAME}"],
            ["fetch", "-q", "--depth=1", "--no-tags", "origin", sha],
            ["checkout", "-q", "--detach", sha],
        ):
            subprocess.run(["git", *command], cwd=workspace, check=True, capture_output=True)

    def run(self, job: Job) -> Step:
        """Run the job's step to its end."""
        return self.step(self.machine(job), job)

    def step(self, machine: Runner, job: Job) -> Step:
        """Run the step on a machine that is there."""
        inputs = {"github-token": job.token, **job.inputs}
        return machine.step(inputs) if self.image else machine.command(inputs=inputs)

    # --- what is to be seen ---------------------------------------------------------------------------------------

    def comment(self, number: int) -> str:
        """The body of the one comment of ours on a pull request."""
        (found,) = [one for one in self.repo.comments[number] if one.body.startswith("<!-- honeyhive-gate")]
        return found.body
