"""A repository with an experiment: doubling 200 numbers, as many of them rightly as a test wants."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

APP = """
def double(inputs):
    number = inputs["number"]
    return 2 * number if number % 100 < {right} else None

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""
CONFIG = """
version: 1
experiments:
  - name: doubling
    function: app:double
    dataset: numbers.jsonl
    evaluators: [app:exact]
    baseline: main.jsonl
    thresholds:
      exact: {max-drop: 0.02}
"""


@dataclass(frozen=True)
class Project:
    """The repository at `folder`."""

    folder: Path

    def begin(self, *, right: int, baseline: Path | None = None) -> None:
        """A first commit, in which the function answers `right` percent rightly."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = ({"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(200))
        self.write("numbers.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
        self.write("honeyhive.yml", CONFIG)
        self.write("app.py", APP.format(right=right))
        if baseline:
            shutil.copyfile(baseline, self.folder / "main.jsonl")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "origin", "https://github.com/honey/bees.git")
        self.commit("Double numbers")

    def change(self, app: str) -> None:
        """Commit another app."""
        self.write("app.py", app)
        self.commit("Change the app")

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("-c", "user.name=Bee", "-c", "user.email=bee@honey.example", "commit", "--quiet", "-m", message)

    def git(self, *arguments: str) -> str:
        """Run git in the repository; what it says."""
        command = ["git", "-c", "safe.directory=*", *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def run(self) -> Path:
        """Run the experiment here and now, without judging it; its run file."""
        command = [sys.executable, "-I", "-m", "honeyhive", "run", "--out", "main.jsonl"]
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.folder / "main.jsonl"

    def lines(self, report_dir: str = "honeyhive-report") -> list[dict[str, Any]]:
        """The run file that a gate left, line by line."""
        text = (self.folder / report_dir / "run.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def outcomes(self) -> list[dict[str, Any]]:
        """The outcomes in the run file that a gate left, in the dataset's order."""
        return sorted((line for line in self.lines() if line["type"] == "outcome"), key=lambda line: line["index"])
