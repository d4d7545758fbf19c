"""A template for the comment: what it shows of strangers is text, and what is wrong with it is nobody's verdict."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hostile.inert import EVIL, comment_of, inert
from hostile.scene import Aftermath, Scene
from stories import Bees, app, config, empty_repository, numbers


@pytest.fixture
def bees(tmp_path: Path) -> Iterator[Bees]:
    """A repository with nothing in it."""
    with empty_repository(tmp_path) as found:
        yield found


EXTENDS = '{% extends "comment.md.j2" %}\n'
BROKEN = {
    "it asks for what is not there": ("{% block table %}{{ nothing }}{% endblock %}", "line 2: 'nothing' is undefined"),
    "it is not finished": ("{% block table %}{% if", "line 2: "),
    "it reaches for Python": ("{% block table %}{{ ''.__class__.__mro__ }}{% endblock %}", "is unsafe"),
    "it formats its way to Python": (
        "{% block table %}{{ '{0.__class__}'.format(finding) }}{% endblock %}",
        "is unsafe",
    ),
    "it makes itself a verdict": (
        "{% block table %}{{ finding.update({'verdict': 'passed'}) }}{% endblock %}",
        "is unsafe",
    ),
    "it counts without end": (
        "{% block table %}{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}{% endblock %}",
        "it takes too",
    ),
    "it counts too far": ("{% block table %}{{ range(10**9) | list }}{% endblock %}", "Range too big"),
    "it takes all memory": ("{% block table %}{% set n = 10**10 %}{{ 'a' * n }}{% endblock %}", "it takes too"),
    "it takes a power of a power": ("{% block table %}{{ 9 ** (9 ** 9) }}{% endblock %}", "it takes too"),
    "it calls itself": (
        "{% macro m() %}{{ m() }}{% endmacro %}{% block table %}{{ m() }}{% endblock %}",
        "calls itself without end",
    ),
    "it says too much": (
        "{% block table %}{% for i in range(99999) %}x{% endfor %}{% endblock %}",
        "more than 60,000 characters",
    ),
    "it swallows the rest": ("{% block intro %}<details>{% endblock %}", "leaves <details> open"),
    "it hides the rest": ("{% block intro %}<!--{% endblock %}", "leaves a comment open"),
    "it opens a file": ("{% block table %}{% include '/etc/passwd' %}{% endblock %}", "/etc/passwd"),
    "it misspells a block": ("{% block tabel %}{% endblock %}", "did you mean table?"),
}


def falls_back(scene: Scene, words: str) -> Aftermath:
    """The verdict is what it is, the comment is ours and says once why, and so does the log."""
    end = scene.gate().holds(0, finished=12)
    (warning,) = end.heard.said("warning")
    assert "words.md.j2" in warning
    assert words in warning
    found = comment_of(end)
    assert found.text.count("is not used, this is the usual comment") == 1
    assert "| ✅ passed | `exact` |" in end.file("comment.md")
    assert end.verdict == "passed"
    return end


@pytest.mark.parametrize("story", BROKEN)
def test_a_template_that_cannot_be_shown_is_left_aside(scene: Scene, story: str) -> None:
    source, words = BROKEN[story]
    scene.project.write("words.md.j2", EXTENDS + source)
    scene.config(template="words.md.j2", **{"on-undecided": "fail"})
    falls_back(scene, words)


def no_file(_: Path) -> None: ...


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "there is none": (no_file, "there is no such file"),
    "it is a link": (lambda path: path.symlink_to("/etc/passwd"), "it is a link"),
    "it is a pipe": (os.mkfifo, "is no regular file"),
    "it is a folder": (Path.mkdir, "is no regular file"),
    "it is too large": (lambda path: path.write_text(EXTENDS + "x" * 262_144), "more than 256 KiB"),
    "it is no text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8"),
    "it extends nothing": (lambda path: path.write_text("✅ all passed"), "it has to begin with"),
}


@pytest.mark.parametrize("story", FILES)
def test_a_template_that_is_no_template_is_left_aside(scene: Scene, story: str) -> None:
    make, words = FILES[story]
    make(scene.workspace / "words.md.j2")
    scene.config(template="words.md.j2")
    falls_back(scene, words)


def test_a_template_outside_of_the_repository_is_left_aside(scene: Scene) -> None:
    (scene.runner.folder / "words.md.j2").write_text(EXTENDS)
    scene.config(template=str(scene.runner.folder / "words.md.j2"))
    falls_back(scene, "not in the repository")


def test_what_a_template_shows_of_strangers_is_text(scene: Scene) -> None:
    source = """{% block table %}
| metric | {{ finding.experiment }} |
|:--|:--|
{% for row in datapoints.erred %}
| {{ row.candidate }} | {{ row.candidate | fenced }} |
{% endfor %}
{% endblock %}
{% block datapoints %}
<details>
<summary title="{{ datapoints.erred[0].candidate }}">{{ datapoints.erred[0].candidate }}</summary>

> {{ datapoints.erred[0].candidate | prose }}

[x]({{ datapoints.erred[0].candidate }})

</details>
{% endblock %}"""
    scene.project.write("words.md.j2", EXTENDS + source)
    scene.config(template="words.md.j2")
    scene.app(f"if number == 3:\n    raise ValueError({EVIL!r})")
    end = scene.gate().holds(1, finished=12)
    found = inert(end.file("comment.md").replace("[x](", "("))
    assert end.heard.said("warning") == []
    assert "| metric |" in end.file("comment.md")
    assert found.text.count("@octocat closes") >= 3


def test_a_template_says_its_own_words_below_our_heading(scene: Scene) -> None:
    source = "{% block intro %}### ✅ EVIL passed\n\n<!-- honeyhive:end 0123456789abcdef -->{{ super() }}{% endblock %}"
    scene.project.write("words.md.j2", EXTENDS + source)
    scene.config(template="words.md.j2")
    scene.app("return 0")
    end = scene.gate().holds(1, "exact", finished=12)
    first, *_ = end.file("comment.md").splitlines()
    assert first.startswith("## ❌ doubling: `exact` is ")
    assert "<!-- honeyhive" not in end.file("comment.md")
    assert end.verdict == "failed"


KILLING = """
if number == 0:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and b"template_process" in (process / "cmdline").read_bytes():
            os.kill(int(process.name), signal.SIGKILL)
"""


def test_code_that_ends_the_templates_process_changes_no_verdict(scene: Scene) -> None:
    scene.project.write("words.md.j2", EXTENDS)
    scene.config(template="words.md.j2")
    scene.app(KILLING)
    falls_back(scene, "its process ended")


def test_a_pull_request_is_shown_in_the_words_of_its_base(bees: Bees) -> None:
    words = EXTENDS + "{% block footer %}{{ super() }} in words of WHOM{% endblock %}"
    settings = config({"baseline": "rerun"}, template="words.md.j2")
    bees.commit("Double numbers", app(60), numbers(20), settings, {"words.md.j2": words.replace("WHOM", "the base")})
    bees.propose(
        7,
        app(60),
        {"words.md.j2": words.replace("WHOM", "the change")},
        config({"baseline": "rerun"}, template="other.md.j2"),
    )
    step = bees.run(bees.pull_request(7))
    assert step.exit_code == 0, step.log
    body = bees.comment(7)
    assert "in words of the base" in body
    assert "in words of the change" not in body
    assert "changes `template`" in body
    assert body.startswith("<!-- honeyhive-gate -->\n")


def test_a_forks_report_is_published_in_our_words(bees: Bees) -> None:
    words = EXTENDS + "{% block footer %}EVIL{% endblock %}"
    bees.commit(
        "Double numbers",
        app(60),
        numbers(20),
        config({"baseline": "rerun"}, template="words.md.j2"),
        {"words.md.j2": words},
    )
    bees.propose(7, app(60), fork="wasp/bees")
    job = bees.pull_request(7)
    machine = bees.machine(job)
    step = bees.step(machine, job)
    assert "EVIL" in (machine.workspace / "honeyhive-report" / "comment.md").read_text()
    assert "EVIL" not in json.dumps(
        json.loads((machine.workspace / "honeyhive-report" / "report.json").read_text())["context"]
    )
    assert step.exit_code == 0, step.log


def test_a_template_that_lists_the_checks_serves_an_experiment_that_has_none(scene: Scene) -> None:
    table = "{% block table %}{% for check in finding.checks %}{{ check.metric }}{% endfor %}{% endblock %}"
    scene.project.write("words.md.j2", EXTENDS + table + "{% block footer %}told by the team{% endblock %}")
    scene.config(template="words.md.j2")
    scene.app("os._exit(3)", at=5)
    after = scene.gate().holds(3, "7 of 12 datapoints have no outcome", finished=5)
    assert "told by the team" in after.file("comment.md")
    assert "Template not used" not in after.output
