"""The command line in a process of its own: exit codes, the one line that says what is wrong, signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from builders import write_run
from honeyhive.result import Score
from projects import PATIENCE, Project, new_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")


def rate(right: int, of: int = 40) -> dict[str, dict[str, Score]]:
    return {f"EXT-{n}": {"exact": n < right} for n in range(of)}


# --- the command itself ----------------------------------------------------------------------------------------------


def test_help_and_version_are_no_errors(project: Project) -> None:
    for flag in ("--help", "-h", "--version"):
        done = project.honeyhive(flag)
        assert (done.exit_code, done.err) == (0, "")
        assert "honeyhive" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing command. — honeyhive --help"),
        (["gaet"], "No such command 'gaet'."),
        (["gate", "--max-worker", "3"], "No such option '--max-worker'."),
        (["run", "--out"], "Option '--out' requires an argument."),
        (["compare", "one.jsonl"], "Missing argument 'BASELINE'. — honeyhive compare --help"),
        (
            ["schema", "verdict"],
            "Invalid value for '[config|comparison]': 'verdict' is not one of 'config', 'comparison'.",
        ),
    ],
)
def test_a_wrong_command_line_is_wrong_input(project: Project, arguments: list[str], said: str) -> None:
    done = project.honeyhive(*arguments)
    assert done.exit_code == 2
    assert done.error.startswith(f"::error title=Wrong input::{said}")


def test_a_terminal_gets_a_sentence_in_place_of_an_annotation(project: Project) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        project.command("gaet"),
        cwd=project.folder,
        env=project.environment(),
        stderr=theirs,
        timeout=PATIENCE,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.returncode == 2
    assert shown.startswith("error: Wrong input: No such command 'gaet'.")


def test_a_fault_of_ours_is_one_line_and_shows_its_traceback_on_request(project: Project) -> None:
    for debug, shown in (("0", False), ("1", True)):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                project.command("schema"),
                cwd=project.folder,
                env=project.environment(RUNNER_DEBUG=debug),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        assert done.returncode == 70
        assert done.stderr.splitlines()[-1].startswith("::error title=Internal error::OSError: [Errno 28]")
        assert ("Traceback" in done.stderr) is shown


def test_a_reader_that_has_gone_changes_no_exit_code(project: Project) -> None:
    theirs, ours = os.pipe()
    os.close(theirs)
    done = subprocess.run(
        project.command("schema"),
        env=project.environment(),
        stdout=ours,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    os.close(ours)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_schema_is_json(project: Project) -> None:
    assert json.loads(project.honeyhive("schema").out)["title"] == "honeyhive.yml"
    assert json.loads(project.honeyhive("schema", "comparison").out)["title"] == "HoneyHive comparison"


# --- run -------------------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_measured_and_where_it_is(project: Project) -> None:
    done = project.honeyhive("run")
    assert (done.exit_code, done.errors) == (0, [])
    assert done.out.splitlines()[0] == "exact: 10 of 10 (100.0%)"
    assert done.out.splitlines()[-2] == "run file: .honeyhive/runs/doubling.jsonl"
    assert done.out.splitlines()[-1].startswith("kept as the baseline of ")
    assert len(project.outcomes(".honeyhive/runs/doubling.jsonl")) == 10
    git = project.lines(".honeyhive/runs/doubling.jsonl")[0]["git"]
    assert (git["branch"], git["commit_message"]) == ("main", "Double numbers")


def test_a_run_needs_no_file_and_no_git(tmp_path: Path) -> None:
    project = Project(tmp_path / "bare")
    project.write("app.py", "def answer(inputs): return inputs['q']\n")
    project.write("qa.csv", "q,answer\none,1\ntwo,2\n")
    flags = ["--function", "app:answer", "--dataset", "qa.csv", "--ground-truth", "answer", "--inputs", "q"]
    assert project.honeyhive("run", *flags, "--out", "deep/run.jsonl").exit_code == 0
    assert [outcome["output"] for outcome in project.outcomes("deep/run.jsonl")] == ["one", "two"]


def test_failed_datapoints_fail_no_run(project: Project) -> None:
    project.write("app.py", "def double(inputs): raise ValueError(inputs['number'])\ndef exact(outputs): return True\n")
    done = project.honeyhive("run", "--out", "run.jsonl")
    assert done.exit_code == 0
    assert "errors: 10 of 10 (100.0%)" in done.out
    assert "the last 'line " in done.err


def test_code_is_imported_from_python_path_too(project: Project) -> None:
    project.write("lib/deep/other.py", "def double(inputs): return 'from lib'\n")
    project.honeyhive("run", "--function", "other:double", "--python-path", "nothing,lib/deep", "--out", "run.jsonl")
    assert project.outcomes("run.jsonl")[0]["output"] == "from lib"


def test_nothing_in_the_workspace_stands_in_for_our_modules(project: Project) -> None:
    for name in ("honeyhive/__init__.py", "json.py", "click.py", "jinja2.py", "lib/sitecustomize.py", "lib/psutil.py"):
        project.write(name, "from pathlib import Path\nPath('imported').touch()\nraise SystemExit('shadowed')\n")
    env = {"PYTHONPATH": f"{project.folder}:{project.folder / 'lib'}", "PYTHONSTARTUP": "json.py"}
    for command in ("run", "gate"):
        done = project.honeyhive(command, "--python-path", "lib", env=env)
        assert done.exit_code == 0, done.err
    assert not (project.folder / "imported").exists()


@pytest.mark.parametrize(
    ("app", "function", "said"),
    [
        ("", "apq:double", "apq:double: there is no module 'apq' in "),
        ("def doubled(inputs): ...", "app:double", "app:double: app has no 'double' — did you mean doubled?"),
        ("import nothing_of_the_kind", "app:double", "importing app failed: ModuleNotFoundError: No module named"),
        ("def double(", "app:double", "importing app failed: SyntaxError: '(' was never closed"),
        ("def double(a, b, c): ...", "app:double", "app:double asks for more than there is"),
    ],
)
def test_code_that_cannot_be_loaded_is_named_with_what_would_be_right(
    project: Project, app: str, function: str, said: str
) -> None:
    project.write("app.py", f"{app}\n")
    done = project.honeyhive("run", "--function", function, "--dataset", "numbers.jsonl")
    assert done.exit_code == 2
    error = next(line for line in done.errors if line)
    assert len(done.errors) == 1
    assert error.startswith("::error title=Cannot load your code::")
    assert said in error
    assert " — " in error, "there is no hint"


def test_an_error_on_import_shows_the_users_traceback_and_none_of_ours(project: Project) -> None:
    project.write("lib/keys.py", "KEYS = {}\ndef key(name):\n    return KEYS[name]  # the culprit\n")
    project.write("app.py", "from lib.keys import key\nKEY = key('openai')\ndef double(inputs): ...\n")
    done = project.honeyhive("run")
    assert done.exit_code == 2
    assert "importing app failed: KeyError: 'openai'" in done.errors[0]
    assert "# the culprit" in done.err
    assert f'File "{project.folder}/app.py", line 2' in done.err
    assert "honeyhive/cli.py" not in done.err
    assert "importlib" not in done.err


def test_a_message_that_is_no_text_is_told_all_the_same(project: Project) -> None:
    project.write("app.py", "raise ValueError('half \\ud800 a character\\nand more')\n")
    done = project.honeyhive("run")
    assert done.exit_code == 2
    assert "half   a character%0Aand more" in done.errors[0]


def test_a_parent_that_asks_for_it_gets_the_error_in_a_file_and_says_it_in_our_place(project: Project) -> None:
    project.write("app.py", "1 / 0\n")
    done = project.honeyhive("run", "--error-file", "error.json")
    assert (done.exit_code, done.errors) == (2, [])
    assert "1 / 0" in done.err
    assert json.loads((project.folder / "error.json").read_text()) == {
        "title": "Cannot load your code",
        "message": "app:double: importing app failed: ZeroDivisionError: division by zero",
        "hint": "mend the module; its traceback is above",
        "file": None,
        "line": None,
    }


@pytest.mark.parametrize(
    ("evaluators", "said"),
    [("app:exact,app:exact", "two evaluators are called 'exact'"), ("app:errors", "may not be called 'errors'")],
)
def test_evaluators_that_would_hide_something_are_refused(project: Project, evaluators: str, said: str) -> None:
    project.write("app.py", "def double(inputs): ...\ndef exact(outputs): ...\ndef errors(outputs): ...\n")
    done = project.honeyhive("run", "--evaluators", evaluators)
    assert done.exit_code == 2
    assert said in done.error


def test_of_several_experiments_one_has_to_be_chosen(project: Project) -> None:
    project.config({"name": "one"}, {"name": "two"})
    done = project.honeyhive("run")
    assert done.exit_code == 2
    assert "choose one with --experiment: one, two" in done.error
    assert project.honeyhive("run", "--experiment", "two").exit_code == 0
    assert project.lines(".honeyhive/runs/two.jsonl")[0]["name"] == "two"


@pytest.mark.parametrize(
    ("out", "why"), [("app.py/run.jsonl", "cannot be written: "), (".", "is there, and is no file")]
)
def test_a_run_file_that_cannot_be_written_is_wrong_input(project: Project, out: str, why: str) -> None:
    done = project.honeyhive("run", "--out", out)
    assert done.exit_code == 2
    assert f"{out}: {why}" in done.error


# --- run: interrupted, and gone on with ------------------------------------------------------------------------------

CALLS = """
import os
from pathlib import Path

def double(inputs):
    with Path("calls").open("a") as calls:
        calls.write(f"{inputs['number']}\\n")
    if inputs["number"] == 5 and Path("stop").exists():
        %s
    return 2 * inputs["number"]

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""
HANGING = CALLS % "import threading; threading.Event().wait()"
KILLED = (
    CALLS
    % """
        while Path("run.jsonl").read_text().count('"outcome"') < 5:
            os.sched_yield()
        os.kill(os.getpid(), 9)
"""
)
"""Kills its process once all that was finished is in the file, which takes a second at most."""


def calls(project: Project) -> list[int]:
    return [int(line) for line in (project.folder / "calls").read_text().split()]


def test_a_killed_run_goes_on_where_it_was(project: Project) -> None:
    project.write("app.py", KILLED)
    project.write("stop", "")
    killed = project.honeyhive("run", "--out", "run.jsonl", "--max-workers", "1")
    assert killed.exit_code == -9
    assert len(project.outcomes("run.jsonl")) == 5
    (project.folder / "stop").unlink()
    done = project.honeyhive("run", "--out", "run.jsonl", "--max-workers", "1", "--resume")
    assert done.exit_code == 0
    assert "exact: 10 of 10 (100.0%)" in done.out
    assert [outcome["output"] for outcome in project.outcomes("run.jsonl")] == [2 * n for n in range(10)]
    assert calls(project) == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_and_keeps_what_was_finished(project: Project, by: signal.Signals, code: int) -> None:
    project.write("app.py", HANGING)
    project.write("stop", "")
    flags = ["run", "--out", "run.jsonl", "--max-workers", "1"]
    calling = project.folder / "calls"
    done = project.cancelled(*flags, when=lambda: calling.exists() and "5" in calling.read_text(), by=by)
    assert done.exit_code == code
    assert done.error.startswith(
        f"::error title=Cancelled::stopped by {by.name} — run it again, or go on with --resume"
    )
    assert len(project.outcomes("run.jsonl")) == 5
    assert project.lines("run.jsonl")[-1]["status"] == "cancelled"
    (project.folder / "stop").unlink()
    assert project.honeyhive(*flags, "--resume").exit_code == 0
    assert calls(project) == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]


def test_a_signal_while_the_users_code_is_imported_is_no_error_of_that_code(project: Project) -> None:
    project.write("app.py", "from pathlib import Path\nimport threading\nPath('x').touch()\nthreading.Event().wait()\n")
    done = project.cancelled("run", when=(project.folder / "x").exists, by=signal.SIGINT)
    assert done.exit_code == 130
    assert "stopped by SIGINT" in done.error


def test_a_run_of_something_else_does_not_go_on(project: Project) -> None:
    assert project.honeyhive("run", "--out", "run.jsonl").exit_code == 0
    project.write("app.py", "def double(inputs): return 'else'\ndef exact(outputs): return True\n")
    done = project.honeyhive("run", "--out", "run.jsonl", "--resume")
    assert done.exit_code == 2
    assert "cannot resume: the " in done.error
    assert "changed since this run began" in done.error


def test_a_result_is_never_just_overwritten(project: Project) -> None:
    for _ in range(2):
        assert project.honeyhive("run", "--out", "run.jsonl").exit_code == 0
    assert project.lines("run.jsonl")[0]["run_id"] != project.lines("run.jsonl.previous")[0]["run_id"]


# --- compare and report ----------------------------------------------------------------------------------------------

MAX_DROP = ["--thresholds", "exact: {max-drop: 0.02}"]


@pytest.fixture
def runs(project: Project) -> Project:
    """A project with the run files good, bad, part and torn."""
    for name, right in (("good", 40), ("bad", 20)):
        write_run(project.folder / f"{name}.jsonl", rate(right))
    write_run(project.folder / "part.jsonl", rate(20), expected=41, status=None)
    project.write("torn.jsonl", (project.folder / "good.jsonl").read_text()[:-1000] + "\n")
    return project


@pytest.mark.parametrize(
    ("candidate", "baseline", "code", "said"),
    [
        ("good", "bad", 0, None),
        ("bad", "good", 1, "::error title=Worse than allowed::qa: exact "),
        ("no", "good", 2, "::error title=Wrong input,file=no.jsonl::no.jsonl: no such run file"),
        ("part", "good", 3, "::error title=Broken run,file=part.jsonl::part.jsonl: the run is incomplete: 40"),
        ("good", "part", 4, "::error title=No decision,file=part.jsonl::part.jsonl: the baseline is incomplete: 40"),
        ("good", "torn", 4, "::error title=No decision,file=torn.jsonl,line="),
    ],
)
def test_two_run_files_are_compared(runs: Project, candidate: str, baseline: str, code: int, said: str | None) -> None:
    done = runs.honeyhive("compare", f"{candidate}.jsonl", f"{baseline}.jsonl", *MAX_DROP)
    assert done.exit_code == code
    if said is None:
        assert done.errors == []
        assert done.out.startswith("PASSED     qa: ")
    else:
        assert done.error.startswith(said)


def test_the_comparison_is_told_as_json_and_as_markdown_and_rendered_later(runs: Project) -> None:
    files = ["--json", "deep/c.json", "--markdown", "c.md"]
    done = runs.honeyhive("compare", "bad.jsonl", "good.jsonl", *MAX_DROP, *files)
    assert done.out.startswith("FAILED     qa: ")
    assert json.loads((runs.folder / "deep" / "c.json").read_text())["verdict"] == "failed"
    later = runs.honeyhive("report", "deep/c.json", "--candidate", "bad.jsonl", "--baseline", "good.jsonl")
    heading = (runs.folder / "c.md").read_text().splitlines()[0]
    assert later.out.splitlines()[0] == heading
    assert "`exact` fell 50 points" in heading


def test_standard_output_holds_what_was_asked_for_and_nothing_else(runs: Project) -> None:
    done = runs.honeyhive("compare", "bad.jsonl", "good.jsonl", *MAX_DROP, "--json", "-")
    assert done.exit_code == 1
    assert json.loads(done.out)["exit_code"] == 1


def test_where_the_comparison_cannot_be_written_is_named(runs: Project) -> None:
    done = runs.honeyhive("compare", "bad.jsonl", "good.jsonl", *MAX_DROP, "--json", "good.jsonl/c.json")
    assert done.exit_code == 2
    assert "good.jsonl/c.json: cannot be written: " in done.error


def test_a_comparison_without_thresholds_says_what_could_be_written(runs: Project) -> None:
    (runs.folder / "honeyhive.yml").unlink()
    done = runs.honeyhive("compare", "bad.jsonl", "good.jsonl")
    assert done.exit_code == 2
    assert "It saw exact, " in done.error
    assert "    thresholds:\n      exact: {max-drop: 0.02}\n" in done.err


def test_a_rate_with_scores_beyond_one_is_no_rate(runs: Project) -> None:
    scores = [{"type": "outcome", "datapoint_id": f"EXT-{at}", "scores": {"q": 85}, "error": None} for at in range(3)]
    header = {"type": "run", "run_id": "hundred", "expected": 3}
    lines = [header, *scores, {"type": "end", "finished": 3, "status": "completed"}]
    runs.write("hundred.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    rules = "q: {kind: rate, min: 0.9}"
    done = runs.honeyhive("compare", "hundred.jsonl", "hundred.jsonl", "--thresholds", rules)
    assert done.exit_code == 2
    assert "thresholds.q: a rate goes from 0 to 1, and it has scores beyond that" in done.error


def test_the_thresholds_of_the_file_judge_the_run_of_that_name(runs: Project) -> None:
    rules: Any = {"exact": {"min": 0.6}}
    runs.config({"name": "other"}, {"name": "qa", "thresholds": rules})
    assert runs.honeyhive("compare", "bad.jsonl", "bad.jsonl").exit_code == 1
    assert runs.honeyhive("compare", "good.jsonl", "good.jsonl").exit_code == 0
