"""Text from strangers: what is written anywhere in a job is text in its comment, and obeyed nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hostile.inert import EVIL, ONE_LINE, WHOLE, comment_of, inert
from hostile.scene import Scene
from rendered import page
from stories import Bees, app, config, empty_repository, numbers

# --- what a job's code, data and names say ---------------------------------------------------------------------------


def rows(change: Callable[[dict[str, Any]], None]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n, "tags": ["must-pass"]} for n in range(12)
    ]
    for row in found:
        change(row)
    return found


IN_THE_DATA: dict[str, Callable[[dict[str, Any]], None]] = {
    "an id": lambda row: row.update(id=f"{row['id']} {ONE_LINE}"),
    "an input": lambda row: row["inputs"].update(words=WHOLE),
    "the name of an input": lambda row: row["inputs"].update({WHOLE: 1}),
    "an expected answer": lambda row: row.update(ground_truth=WHOLE),
    "metadata": lambda row: row.update(metadata={WHOLE: WHOLE}),
    "a tag": lambda row: row["tags"].append(WHOLE),
}


@pytest.mark.parametrize("place", IN_THE_DATA)
def test_what_a_dataset_says_is_text(scene: Scene, place: str) -> None:
    scene.rows(rows(IN_THE_DATA[place]))
    scene.config({"thresholds": {"exact": {"min": 0.9, "must-pass": True}}})
    scene.app("if number == 3:\n    return 'wrong'")
    end = scene.gate().holds(1, finished=12)
    comment_of(end)


def test_what_a_model_answers_is_text(scene: Scene) -> None:
    scene.app(f"if number > 3:\n    return {EVIL!r}")
    end = scene.gate().holds(1, "exact", finished=12)
    comment_of(end)


@pytest.mark.parametrize(
    "trick",
    [f"raise ValueError({EVIL!r})", f"raise type({EVIL[:40]!r}, (Exception,), {{}})({EVIL!r})"],
    ids=["a message", "a name"],
)
def test_what_an_error_says_is_text(scene: Scene, trick: str) -> None:
    scene.app(f"if number > 3:\n    {trick}")
    end = scene.gate().holds(1, finished=12)
    assert "octocat" in comment_of(end).text


def test_what_a_metric_is_called_is_text(scene: Scene) -> None:
    scene.app()
    (scene.workspace / "app.py").write_text(
        (scene.workspace / "app.py").read_text()
        + f"\ndef named(outputs, inputs, ground_truth):\n    return {{{EVIL!r}: 0.5}}\n"
    )
    scene.config({"evaluators": ["app:exact", "app:named"]})
    end = scene.gate()
    inert(end.file("comment.md"))
    assert end.strange_commands() == []


def test_what_a_file_is_called_is_text(scene: Scene) -> None:
    name = "@octocat `x` | #1 <img src=x> [a](https:) $x$.jsonl"
    (scene.workspace / "numbers.jsonl").rename(scene.workspace / name)
    scene.config({"dataset": name}, {"name": "other", "dataset": name})
    end = scene.gate().holds(0, finished=None)
    page(end.file("comment.md"))
    assert page(end.file("comment.md")).acting == []


@pytest.mark.parametrize("name", ["numbers.jsonl", "honeyhive.yml", "app.py"])
def test_what_is_wrong_with_a_file_is_said_in_text(scene: Scene, name: str) -> None:
    (scene.workspace / name).write_text(EVIL.encode("utf-8", "replace").decode())
    end = scene.gate()
    assert end.exit_code in (2, 3), end.output
    assert len(end.heard.said("error")) == 1
    assert end.strange_commands() == []
    inert(end.file("comment.md"))


def test_what_a_thresholds_name_is_is_text(scene: Scene) -> None:
    scene.config({"thresholds": {"@octocat #1 [x](https://evil.example) <b>": {"min": 0.5}, "exact": {"min": 0.5}}})
    end = scene.gate()
    assert end.exit_code != 0
    inert(end.file("comment.md"))


# --- what a pull request is called -----------------------------------------------------------------------------------


@pytest.fixture
def bees(tmp_path: Path) -> Iterator[Bees]:
    """A repository with nothing in it."""
    with empty_repository(tmp_path) as found:
        yield found


def test_branches_commits_and_answers_of_a_pull_request_are_text(bees: Bees) -> None:
    bees.commit("Double numbers", app(60), numbers(40), config({"baseline": "rerun"}))
    bees.on_main()
    branch = "change-@octocat-#1-`x`-<img>-$x$"
    bees.branch(branch)
    bees.commit(
        EVIL.replace("\ud800", "").replace("\x00", ""),
        {"app.py": app(20)["app.py"].replace("else None", f"else {EVIL!r}")},
    )
    bees.open(7, branch)
    step = bees.run(bees.pull_request(7))
    assert step.exit_code == 1, step.log
    body = bees.comment(7)
    found = inert(body, repository=f"{bees.server.url}/honey/bees")
    assert "octocat" in found.text
    inert(step.summary, repository=f"{bees.server.url}/honey/bees")
