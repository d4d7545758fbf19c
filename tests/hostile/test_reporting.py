"""What cannot be told changes no verdict, keeps nothing else from being told, and is named with the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hostile.scene import Aftermath, Scene
from hostile.world import PULLS, World

CODES = {"passed": 0, "undecided": 0, "failed": 1, "broken": 3}


# --- each sink alone, with each verdict ------------------------------------------------------------------------------


def nothing(_: World, __: Scene) -> dict[str, str]:
    return {}


def github(method: str, path: str, kind: Any) -> Callable[[World, Scene], dict[str, str]]:
    """GitHub's part of it fails."""

    def fail(world: World, _: Scene) -> dict[str, str]:
        world.bees.server.fail(method, f"/repos/honey/bees/{path}", kind)
        return {}

    return fail


def platform(kind: Any) -> Callable[[World, Scene], dict[str, str]]:
    def fail(world: World, _: Scene) -> dict[str, str]:
        world.platform.fail("*", "/", kind)
        return {}

    return fail


def nowhere(name: str) -> Callable[[World, Scene], dict[str, str]]:
    """The command file is in a folder that is not there."""
    return lambda _, scene: {name: str(scene.runner.folder / "gone" / "file")}


def folder(name: str) -> Callable[[World, Scene], dict[str, str]]:
    def fail(_: World, scene: Scene) -> dict[str, str]:
        (scene.runner.folder / "a-folder").mkdir()
        return {name: str(scene.runner.folder / "a-folder")}

    return fail


def full_summary(_: World, scene: Scene) -> dict[str, str]:
    scene.command_file("GITHUB_STEP_SUMMARY").write_text("x" * 2**20)
    return {}


def in_the_way(name: str) -> Callable[[World, Scene], dict[str, str]]:
    """The code that is judged has made a folder in the place of a file of the report."""

    def fail(_: World, scene: Scene) -> dict[str, str]:
        code = (scene.workspace / "app.py").read_text()
        trick = f"from pathlib import Path\nPath('honeyhive-report/{name}/x').mkdir(parents=True, exist_ok=True)\n"
        scene.project.write("app.py", trick + code)
        return {}

    return fail


@dataclass(frozen=True, kw_only=True)
class Sink:
    """A place where a verdict is told; how it fails, and what is said of that."""

    told: str
    fails: Callable[[World, Scene], dict[str, str]]
    said: str


SINKS = {
    "the comment is forbidden": Sink(
        told="comment", fails=github("POST", "issues", "403"), said="pull-requests: write"
    ),
    "the comment is refused": Sink(told="comment", fails=github("POST", "issues", "422"), said="GitHub does not take"),
    "comments cannot be listed": Sink(told="comment", fails=github("GET", "issues", "410"), said="410"),
    "the check run is refused": Sink(told="check", fails=github("PATCH", "check-runs", "422"), said="check-runs"),
    "the check run is forbidden": Sink(told="check", fails=github("POST", "check-runs", "403"), said="checks: write"),
    "the summary is not there": Sink(
        told="summary", fails=nowhere("GITHUB_STEP_SUMMARY"), said="the step summary cannot be written"
    ),
    "the summary is a folder": Sink(
        told="summary", fails=folder("GITHUB_STEP_SUMMARY"), said="the step summary cannot be written"
    ),
    "the summary is full": Sink(told="summary", fails=full_summary, said="the step summary is full: 1 MiB"),
    "the outputs are not there": Sink(
        told="outputs", fails=nowhere("GITHUB_OUTPUT"), said="the outputs cannot be written"
    ),
    "the outputs are a folder": Sink(
        told="outputs", fails=folder("GITHUB_OUTPUT"), said="the outputs cannot be written"
    ),
    "a folder is where the comment's file should be": Sink(
        told="comment.md", fails=in_the_way("comment.md"), said="the report cannot be written"
    ),
    "a folder is where the comparison should be": Sink(
        told="comparison.json", fails=in_the_way("comparison.json"), said="the report cannot be written"
    ),
    "HoneyHive refuses the key": Sink(told="platform", fails=platform("401"), said="HoneyHive"),
    "HoneyHive does not know the run": Sink(told="platform", fails=platform("404"), said="HoneyHive"),
    "nothing fails": Sink(told="", fails=nothing, said=""),
}
OTHERS = ["failed", "undecided", "broken"]
STORIES = [
    *((name, "passed") for name in SINKS),
    *(("nothing fails", verdict) for verdict in OTHERS),
    *(("the comment is forbidden", verdict) for verdict in OTHERS),
    ("the summary is full", "failed"),
    ("the outputs are a folder", "broken"),
    ("HoneyHive refuses the key", "failed"),
    ("the check run is refused", "undecided"),
]


@pytest.mark.parametrize(("name", "verdict"), STORIES, ids=[f"{verdict}, and {name}" for name, verdict in STORIES])
def test_what_fails_alone_changes_nothing_else(world: World, name: str, verdict: str) -> None:
    sink, found = SINKS[name], gate(world, SINKS[name], verdict)
    found.holds(CODES[verdict])
    assert (untold(world, found, verdict) or {""}) == {sink.told}
    warnings = [said for said in found.heard.said("warning") if sink.said and sink.said in said]
    assert len(warnings) == (1 if sink.said else 0), found.output


STRICT = ["the comment is refused", "the check run is refused", "the summary is full", "the outputs are not there"]


@pytest.mark.parametrize("name", STRICT)
def test_with_strict_reporting_it_fails_a_job_that_is_good(world: World, name: str) -> None:
    found = gate(world, SINKS[name], "passed", **{"strict-reporting": "true"})
    found.holds(5, SINKS[name].said)


def test_with_strict_reporting_a_verdict_that_is_bad_is_still_what_the_job_ends_with(world: World) -> None:
    found = gate(world, SINKS["the comment is refused"], "failed", **{"strict-reporting": "true"})
    found.holds(1, "exact")
    assert any("GitHub does not take" in said for said in found.heard.said("warning"))


def test_everything_that_can_fail_fails_and_the_verdict_stands(world: World) -> None:
    sinks = ["the comment is refused", "the check run is forbidden", "the summary is a folder",
             "the outputs are not there", "HoneyHive refuses the key"]  # fmt: skip
    found = gate(world, [SINKS[name] for name in sinks], "failed")
    found.holds(1, "exact")
    for name in sinks:
        assert any(SINKS[name].said in said for said in found.heard.said("warning")), name


def gate(world: World, sinks: Sink | list[Sink], verdict: str, **inputs: str) -> Aftermath:
    """The gate of the pull request that comes to this verdict."""
    failing = [sinks] if isinstance(sinks, Sink) else sinks
    if any(sink.told in ("", "check") for sink in failing):  # each write to GitHub takes a second of waiting
        inputs["check-run"] = "quality"
    scene = world.scene(world.job(verdict, **inputs))
    env: dict[str, str] = {}
    for sink in failing:
        env |= sink.fails(world, scene)
    scene.env |= env
    return scene.gate()


def untold(world: World, found: Aftermath, verdict: str) -> set[str]:
    """Where the verdict is not to be read."""
    symbol = {"passed": "✅", "failed": "❌", "undecided": "⚠️", "broken": "💥"}[verdict]
    number, _ = PULLS[verdict]
    report = found.scene.workspace / "honeyhive-report"

    def text(path: Path) -> str:
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    env = found.scene.environment()
    comments = world.bees.repo.comments[number]
    there = {
        "comment": any(symbol in comment.body for comment in comments),
        "check": any(check["status"] == "completed" for check in world.bees.repo.checks.values())
        or not found.scene.inputs.get("check-run"),
        "summary": symbol in text(Path(env["GITHUB_STEP_SUMMARY"])),
        "outputs": f"\n{verdict}\n" in text(Path(env["GITHUB_OUTPUT"])),
        "comment.md": symbol in text(report / "comment.md"),
        "comparison.json": '"verdict"' in text(report / "comparison.json"),
        "platform": re.search(r"doubling: [1-9]\d* of \d+ sessions are on HoneyHive", found.output) is not None,
    }
    return {name for name, is_there in there.items() if not is_there}
