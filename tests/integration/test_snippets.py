"""What the README and the pages of `docs/` show: their Python runs as written, their commands exist.

The Python of one page is one program, block after block, in a process and a folder of its own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
import yaml

from fenced import Block, blocks
from honeyhive.cli import cli
from platform_server import PlatformServer

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
BLOCKS = {page: list(blocks(text)) for page, text in PAGES.items()}
PROGRAMS = [page for page, found in BLOCKS.items() if any(block.language == "python" for block in found)]

LANGUAGES = {"", "jinja", "json", "markdown", "python", "sh", "yaml"}
"""What a block may be: anything else would be shown and never tried."""

SUPPLIED = "supplied.py"
LEFT_OPEN = '''
def call_my_model(question):
    """The README does not say which model: one that adds up."""
    return str(sum(int(term) for term in question.split("+")))
'''
"""The names that the pages use and leave to the reader, each with the reason."""

CALL = re.compile(r"^(?:\w+ = )?evaluate\(", re.MULTILINE)

OTHERS = ("GIT_", "GITHUB_", "HH_", "HONEYHIVE_", "INPUT_", "OTEL_", "RUNNER_", "PYTHONPATH", "PYTHONWARNINGS")


def python(page: str) -> list[Block]:
    return [block for block in BLOCKS[page] if block.language == "python"]


def program(given: Sequence[Block], then: str = "") -> str:
    """The blocks on the lines that they have in their page, so that an error names the place; `then` comes after."""
    lines = ["from supplied import *"]
    for block in given:
        lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    return "\n".join(lines) + f"\n{then}\n"


def environment(**more: str) -> dict[str, str]:
    """That of a terminal: no job, no key, no setting of ours but those given."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return given | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONWARNINGS": "error"} | more


def started(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def run_page(folder: Path, page: str, then: str = "", **more: str) -> str:
    """What the page's program prints; it ends well and says nothing on the side."""
    (folder / SUPPLIED).write_text(LEFT_OPEN, "utf-8")
    (folder / "page.py").write_text(program(python(page), then), "utf-8")
    done = started(folder, "page.py", **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run_files(folder: Path, name: str = "") -> list[Path]:
    """The run files that a program has left; those of one experiment where it is named."""
    left = folder.glob(f".honeyhive/runs/{name}*.jsonl")
    return sorted(path for path in left if path.suffixes == [".jsonl"])


def lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# --- Python ----------------------------------------------------------------------------------------------------------


def test_a_block_is_found_with_its_place_and_one_that_nobody_would_see_is_refused() -> None:
    page = "# One\n\nIt prints\n\n```\n1\n```\n## Two\n```python\nx\n\ny\n```\n"
    assert [(one.language, one.text, one.line, one.heading, one.before) for one in blocks(page)] == [
        ("", "1\n", 6, "# One", "It prints"),
        ("python", "x\n\ny\n", 10, "## Two", "## Two"),
    ]
    for wrong in ("```python\nx\n", "- item\n  ```python\n  x\n  ```\n"):
        with pytest.raises(ValueError, match="line"):
            list(blocks(wrong))


def test_no_block_is_of_a_kind_that_nobody_tries() -> None:
    assert {"README.md", "docs/experiments.md"} <= set(PROGRAMS)
    found = {(page, block.line): block.language for page, of_page in BLOCKS.items() for block in of_page}
    assert {place: language for place, language in found.items() if language not in LANGUAGES} == {}


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_of_a_page_runs_without_a_key(page: str, tmp_path: Path) -> None:
    run_page(tmp_path, page)
    written = run_files(tmp_path)
    assert len(written) == sum(len(CALL.findall(block.text)) for block in python(page)) > 0
    for header, *outcomes, end in map(lines, written):
        assert (end["status"], end["finished"], len(outcomes)) == ("completed", header["expected"], header["expected"])
        assert [(one["error"], one["evaluator_errors"]) for one in outcomes] == [(None, {})] * len(outcomes)


@pytest.mark.parametrize("page", PROGRAMS)
def test_the_python_of_a_page_runs_with_a_key_and_its_runs_arrive(page: str, tmp_path: Path) -> None:
    with PlatformServer() as server:
        run_page(tmp_path, page, HH_API_KEY=server.key, HH_API_URL=server.url)
        assert server.violations == []
        arrived = {run_id: (kept.value["status"], len(kept.value["event_ids"])) for run_id, kept in server.runs.items()}
    headers = [lines(path)[0] for path in run_files(tmp_path)]
    assert arrived == {header["run_id"]: ("completed", header["expected"]) for header in headers} != {}


def shown() -> Iterator[tuple[str, Block]]:
    """The blocks that a page says its Python prints."""
    for page in PROGRAMS:
        for block in BLOCKS[page]:
            if block.language == "" and block.before.rstrip(":").endswith("prints"):
                yield page, block


@pytest.mark.parametrize(("page", "block"), [pytest.param(page, block, id=page) for page, block in shown()])
def test_a_page_shows_what_its_python_prints(page: str, block: Block, tmp_path: Path) -> None:
    # What differs from run to run ends in an ellipsis.
    expected = re.sub(r"\w+…", r"\\S+", re.sub(r"([^\w\s…])", r"\\\1", block.text))
    printed = "".join(f"{line.rstrip()}\n" for line in run_page(tmp_path, page).splitlines())
    assert re.search(f"^{expected}", printed, re.MULTILINE), printed


def test_what_honeyhive_knows_of_runs_is_looked_up_as_the_page_says(tmp_path: Path) -> None:
    then = (
        "from honeyhive import HoneyHive\n"
        "again = evaluate(answer, dataset=[{'inputs': {'question': 'back?'}}], evaluators=[length])\n"
        "print('LOOKED UP')\n"
        "with HoneyHive() as client:\n"
        "    look_back(client, again.run_id, result.run_id)\n"
    )
    with PlatformServer() as server:
        printed = run_page(tmp_path, "docs/experiments.md", then, HH_API_KEY=server.key, HH_API_URL=server.url)
        assert server.violations == []
        for looked_up in ("result", "metrics"):
            assert server.of("GET", f"/v1/runs/{{run_id}}/{looked_up}")
        assert server.of("GET", "/v1/runs/{new_run_id}/compare-with/{old_run_id}")
    assert len(printed.partition("LOOKED UP\n")[2].splitlines()) == 3


# --- files and commands ----------------------------------------------------------------------------------------------


def commands(page: str) -> Iterator[tuple[int, list[str]]]:
    """Each `honeyhive …` in the page's blocks, with its line: those of a shell, and those behind a prompt."""
    for block in BLOCKS[page]:
        for number, line in enumerate(block.text.splitlines(), block.line):
            prompt = line.startswith("$ ")
            if block.language == "sh" or prompt:
                yield from ((number, command) for command in honeyhives(line.removeprefix("$ ")))


def honeyhives(line: str) -> Iterator[list[str]]:
    """The arguments of each `honeyhive` in a line of shell."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    for operator, command in groupby(words, key=lambda word: set(word) <= set("();<>|&")):
        program, *arguments = command
        if not operator and PurePosixPath(program).name == "honeyhive":
            yield arguments


COMMANDS = [(page, line, arguments) for page in PAGES for line, arguments in commands(page)]


def test_commands_are_found_wherever_they_stand_in_a_line() -> None:
    line = (
        ".venv/bin/pip install -q . && (cd a && ../.venv/bin/honeyhive gate --limit 2) | honeyhive schema  # honeyhive"
    )
    assert list(honeyhives(line)) == [["gate", "--limit", "2"], ["schema"]]
    assert list(honeyhives("honeyhive compare a b --thresholds 'x: {min: 1}'")) == [
        ["compare", "a", "b", "--thresholds", "x: {min: 1}"]
    ]
    assert {page for page, _, _ in COMMANDS} >= {"README.md", "docs/experiments.md"}


@pytest.mark.parametrize(
    ("page", "arguments"),
    [pytest.param(page, arguments, id=f"{page}:{line}") for page, line, arguments in COMMANDS],
)
def test_a_command_that_a_page_shows_exists_with_its_flags(page: str, arguments: list[str]) -> None:
    context = click.Context(cli, info_name="honeyhive")
    name, command, rest = cli.resolve_command(context, list(arguments))
    assert command is not None
    command.make_context(name, rest, parent=context)


def test_two_calls_of_evaluate_are_judged_by_the_command_that_the_page_shows(tmp_path: Path) -> None:
    page = "docs/experiments.md"
    run_page(tmp_path, page)
    (compare,) = (arguments for at, _, arguments in COMMANDS if at == page and arguments[0] == "compare")
    (first,) = run_files(tmp_path, "support")
    for name in compare[1:3]:
        (tmp_path / name).write_bytes(first.read_bytes())
    done = started(tmp_path, "-m", "honeyhive", *compare)
    assert done.returncode == 0, done.stderr
    assert "right_article" in done.stdout


def test_a_run_of_a_page_is_uploaded_by_the_command_that_it_shows(tmp_path: Path) -> None:
    page = "docs/experiments.md"
    run_page(tmp_path, page)
    ((upload, run_file),) = (arguments for at, _, arguments in COMMANDS if at == page and arguments[0] == "upload")
    (first,) = run_files(tmp_path, "support")
    first.rename(tmp_path / run_file)
    with PlatformServer() as server:
        done = started(tmp_path, "-m", "honeyhive", upload, run_file, HH_API_KEY=server.key, HH_API_URL=server.url)
        assert (done.returncode, server.violations) == (0, []), done.stderr
        assert [kept.value["status"] for kept in server.runs.values()] == ["completed"]
        assert len(server.sessions) == 2


def named(name: str) -> Block:
    """The block of the README that is the file of this name: its first line says so."""
    (found,) = (block for block in BLOCKS["README.md"] if block.text.startswith(f"# {name}\n"))
    return found


def test_the_files_that_the_readme_shows_are_an_experiment_that_its_commands_run(tmp_path: Path) -> None:
    config = yaml.safe_load(named("honeyhive.yml").text)
    experiment = config["experiments"][0]
    module = experiment["function"].partition(":")[0].replace(".", "/") + ".py"
    rows = [{"inputs": {"question": f"{a}+{a}"}, "ground_truth": str(2 * a)} for a in range(20)]
    files = {
        "honeyhive.yml": named("honeyhive.yml").text,
        SUPPLIED: LEFT_OPEN,
        module: program([named(module)]),
        experiment["dataset"]: "".join(json.dumps(row) + "\n" for row in rows),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (run,) = (arguments for page, _, arguments in COMMANDS if page == "README.md" and arguments[0] == "run")
    done = started(tmp_path, "-m", "honeyhive", *run)
    assert done.returncode == 0, done.stderr
    baseline = run[run.index("--out") + 1]
    done = started(tmp_path, "-m", "honeyhive", "gate", "--baseline", baseline)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "honeyhive-report" / "comparison.json").read_text("utf-8"))
    assert (found["verdict"], found["paired"], found["candidate"]["errors"]) == ("passed", 20, 0)
    assert {check["metric"] for check in found["checks"]} == experiment["thresholds"].keys()
