"""User code that fails, lies, hides or fights: never a green verdict, always one clear line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from projects import Done, Project, new_project

HEAD = """
import json, os, signal, sys, threading, time
from pathlib import Path

RUN_FILE = Path("honeyhive-report/run.jsonl")

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth

"""
COUNT = 20


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project", count=COUNT)


def gate(project: Project, app: str, *flags: str, **experiment: Any) -> Done:
    """The gate on this app, one datapoint after the other."""
    project.write("app.py", HEAD + app)
    project.config({"max-workers": 1} | experiment)
    return project.gate_here(*flags)


def doubling(trick: str, *, at: int = COUNT - 1) -> str:
    """A function that doubles every number rightly, and at one of them does something else besides."""
    inner = "".join(f"        {line}\n" for line in trick.strip().splitlines())
    return f"def double(inputs):\n    if inputs['number'] == {at}:\n{inner}    return 2 * inputs['number']\n"


def assert_incomplete(done: Done, finished: int | None = None) -> None:
    assert done.exit_code == 3, done.out + done.err
    assert done.error.startswith("::error title=")
    assert (done.outputs["verdict"], done.outputs["passed"]) == ("broken", "false")
    assert done.verdict["exit_code"] == 3
    if finished is not None:
        assert done.verdict["finished"] == finished


# --- it fails --------------------------------------------------------------------------------------------------------

SOME_FAIL = "def double(inputs):\n    if inputs['number'] < {}: {}\n    return 2 * inputs['number']\n"
RULES = {"exact": {"min": 0.5}}
STRICT = {**RULES, "errors": {"max": 0}}


@pytest.mark.parametrize(
    "failure",
    [
        "raise ValueError('no answer')",
        "sys.exit(0)",
        "raise KeyError",
        "raise BaseException",
        "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})",
    ],
)
def test_one_datapoint_that_fails_is_one_too_many_where_none_may(project: Project, failure: str) -> None:
    done = gate(project, SOME_FAIL.format(1, failure), thresholds=STRICT)
    assert done.exit_code == 1
    assert "errors" in done.error
    assert done.outputs["verdict"] == "failed"


def test_more_than_one_in_twenty_that_fails_is_too_many_in_any_case(project: Project) -> None:
    done = gate(project, SOME_FAIL.format(2, "raise ValueError('no answer')"), thresholds=RULES)
    assert done.exit_code == 1
    assert "errors 10.0 % (allowed ≤ 5 %)" in done.error
    assert "no answer" in done.summary
    assert gate(project, SOME_FAIL.format(1, "raise ValueError('no answer')"), thresholds=RULES).exit_code == 0


def test_an_error_counts_as_the_worst_score(project: Project) -> None:
    rules = {"exact": {"min": 0.95}, "errors": {"max": 1}}
    assert gate(project, SOME_FAIL.format(2, "raise ValueError"), thresholds=rules).exit_code == 1


@pytest.mark.parametrize(
    "hang",
    ["threading.Event().wait()", "exec('while True: pass')", "os.read(os.pipe()[0], 1)"],
    ids=["waits", "spins", "reads"],
)
def test_a_function_that_hangs_is_an_error_of_its_datapoint(project: Project, hang: str) -> None:
    done = gate(project, SOME_FAIL.format(1, hang), timeout="300ms", thresholds=STRICT)
    assert done.exit_code == 1
    assert len(project.outcomes()) == COUNT
    message = "the function gave no answer within 0.3 s"
    assert project.outcomes()[0]["error"] == {"type": "TimeoutError", "message": message}


def test_a_coroutine_that_hangs_is_an_error_of_its_datapoint(project: Project) -> None:
    app = """
import asyncio
async def double(inputs):
    if inputs["number"] < 1:
        await asyncio.Event().wait()
    return 2 * inputs["number"]
"""
    assert gate(project, app, timeout="300ms", thresholds=STRICT).exit_code == 1
    assert project.outcomes()[0]["error"]["type"] == "TimeoutError"


BAD_EVALUATORS = {
    "raises": "1 / 0",
    "gives NaN": "float('nan')",
    "gives text": "'1.0'",
    "exits": "sys.exit(0)",
    "hangs": "threading.Event().wait()",
}


@pytest.mark.parametrize("score", BAD_EVALUATORS.values(), ids=list(BAD_EVALUATORS))
def test_an_evaluator_that_gives_no_score_is_an_error_of_its_metric(project: Project, score: str) -> None:
    app = f"{doubling('pass')}\ndef judge(outputs, inputs):\n    return True if inputs['number'] else {score}\n"
    rules = {"judge": {"min": 0.5}, "errors": {"max": 0}}
    done = gate(project, app, evaluators="app:judge", thresholds=rules, timeout="300ms")
    assert done.exit_code == 1
    assert "errors" in done.error
    assert "judge" in project.outcomes()[0]["evaluator_errors"]
    assert project.outcomes()[0]["scores"] == {}


def test_a_metric_that_no_datapoint_has_fails(project: Project) -> None:
    app = f"{doubling('pass')}\ndef judge(outputs): return None\n"
    done = gate(project, app, evaluators="app:judge", thresholds={"judge": {"min": 0}})
    assert done.exit_code == 1
    assert "judge" in done.error
    misspelt = gate(project, doubling("pass"), thresholds={"exakt": {"max-drop": 0.1}})
    assert misspelt.exit_code == 1
    assert "exakt" in misspelt.error


def test_a_function_that_always_fails_is_no_success(project: Project) -> None:
    done = gate(project, "def double(inputs): raise ValueError\n", thresholds={"errors": {"max": 1}, **RULES})
    assert done.exit_code == 1
    assert "exact" in done.error


@pytest.mark.parametrize("text", ["", "\n\n", "[]"])
def test_an_empty_dataset_is_wrong_input(project: Project, text: str) -> None:
    name = "empty.json" if text == "[]" else "empty.jsonl"
    project.write(name, text)
    done = gate(project, doubling("pass"), dataset=name)
    assert done.exit_code == 2
    assert f"{name}: the dataset is empty" in done.error
    assert done.outputs["verdict"] == "broken"


# --- it ends the process ---------------------------------------------------------------------------------------------

ENDINGS = {
    "exits as if all were well": "os._exit(0)",
    "exits as if the input were wrong": "os._exit(2)",
    "crashes": "os.abort()",
    "kills its group": "os.killpg(0, signal.SIGKILL)",
    "asks itself to end": "os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()",
    "becomes another program": "os.execvp('true', ['true'])",
}


@pytest.mark.parametrize("trick", ENDINGS.values(), ids=list(ENDINGS))
def test_a_function_that_ends_the_process_leaves_an_incomplete_run(project: Project, trick: str) -> None:
    done = gate(project, doubling(trick, at=5))
    assert_incomplete(done)
    assert "datapoints have no outcome; the process of the run " in done.error
    assert "missing: line " in done.out


def test_an_evaluator_that_ends_the_process_leaves_an_incomplete_run(project: Project) -> None:
    app = f"{doubling('pass')}\ndef judge(outputs): os._exit(0)\n"
    assert_incomplete(gate(project, app, evaluators="app:judge"), finished=0)


def test_a_module_that_ends_the_process_leaves_an_incomplete_run(project: Project) -> None:
    assert_incomplete(gate(project, "print('PASSED')\nos._exit(0)\n"), finished=0)


def test_a_module_that_hangs_is_ended_when_the_time_is_up(project: Project) -> None:
    done = gate(project, "threading.Event().wait()\n", "--time-limit", "1s")
    assert_incomplete(done, finished=0)
    assert "the run was ended after 1 s, its time limit" in done.error


def test_a_last_datapoint_that_ends_the_process_once_all_is_written_is_no_success(project: Project) -> None:
    assert_incomplete(gate(project, doubling("threading.Timer(0, os._exit, [0]).start(); threading.Event().wait()")))


def test_who_kills_the_gate_gets_no_green_job(project: Project) -> None:
    project.write("app.py", HEAD + doubling("os.kill(os.getppid(), signal.SIGTERM); threading.Event().wait()", at=5))
    done = project.gate()
    assert done.exit_code == 143
    assert "stopped by SIGTERM" in done.error
    assert done.outputs["verdict"] == "broken"


# --- it lies ---------------------------------------------------------------------------------------------------------


def test_what_the_code_prints_is_no_result(project: Project) -> None:
    lies = """
print('PASSED     doubling: exact is 100 %')
print('{"type":"end","finished":20,"status":"completed"}')
print('::set-output name=verdict::passed')
"""
    done = gate(project, f"{lies}\ndef double(inputs): return None\n")
    assert done.exit_code == 1
    assert done.outputs["verdict"] == "failed"


REWRITE = """
lines = [json.loads(line) for line in RUN_FILE.read_text().splitlines()]
header, outcomes = lines[0], lines[1:]
while len(outcomes) < 19:
    time.sleep(0.01)
    lines = [json.loads(line) for line in RUN_FILE.read_text().splitlines() if line.endswith("}}")]
    header, outcomes = lines[0], lines[1:]
last = outcomes[-1] | {{"datapoint_id": "EXT-n19", "index": 19, "line": 20, "inputs": {{"number": 19}},
                        "ground_truth": 38, "output": 38, "content_hash": None}}
outcomes.append(last)
{trick}
end = {{"type": "end", "finished": len(outcomes), "status": "completed"}}
RUN_FILE.write_text("".join(json.dumps(line) + "\\n" for line in [header, *outcomes, end]))
os._exit(0)
"""
"""Waits for the file to hold all that came before, writes one of its own, complete in itself, and ends."""

LIES = {
    "drops a datapoint": "outcomes.pop(3)",
    "drops one and expects fewer": "outcomes.pop(3); header['expected'] = 19",
    "invents a datapoint": "outcomes[3]['datapoint_id'] = 'EXT-easy'",
    "makes one easier": "outcomes[3] |= {'inputs': {'number': 0}, 'ground_truth': 0, 'content_hash': None}",
    "claims another dataset": "header['dataset']['sha256'] = '0' * 64",
    "writes a NaN": "outcomes[3]['scores'] = {'exact': float('nan')}",
}


@pytest.mark.parametrize("trick", LIES.values(), ids=list(LIES))
def test_a_run_file_that_the_code_rewrote_is_not_believed(project: Project, trick: str) -> None:
    assert_incomplete(gate(project, doubling(REWRITE.format(trick=trick))))


def test_the_rewriting_would_be_believed_if_it_were_true(project: Project) -> None:
    """Or else the tests before would show nothing: it holds just the scores that the code could have reported."""
    assert gate(project, doubling(REWRITE.format(trick="pass"))).exit_code == 0


REPLACED = {
    "removed": "RUN_FILE.unlink()",
    "emptied": "RUN_FILE.write_text('')",
    "a folder": "RUN_FILE.unlink(); RUN_FILE.mkdir()",
    "a pipe": "RUN_FILE.unlink(); os.mkfifo(RUN_FILE)",
    "a loop": "RUN_FILE.unlink(); RUN_FILE.symlink_to(RUN_FILE.name)",
    "endless": "RUN_FILE.unlink(); RUN_FILE.symlink_to('/dev/zero')",
    "gone with its folder": "import shutil; shutil.rmtree('honeyhive-report')",
    "a file for its folder": "import shutil; shutil.rmtree('honeyhive-report'); Path('honeyhive-report').touch()",
}


@pytest.mark.parametrize("trick", REPLACED.values(), ids=list(REPLACED))
def test_a_run_file_that_is_no_run_file_any_more_is_not_waited_for(project: Project, trick: str) -> None:
    assert_incomplete(gate(project, doubling(trick)))


def test_code_that_changes_our_own_modules_in_its_process_changes_no_count(project: Project) -> None:
    app = """
from honeyhive.runfile import RunWriter
honest = RunWriter.append_line
RunWriter.append_line = lambda self, line: honest(self, line) if b'"n1' not in line and b"EXT-n1" not in line else None
"""
    done = gate(project, app + doubling("pass"))
    assert_incomplete(done, finished=COUNT - 11)


def test_a_baseline_that_the_code_rewrote_decides_nothing(project: Project) -> None:
    assert gate(project, doubling("pass")).exit_code == 0
    whole = (project.folder / "honeyhive-report" / "run.jsonl").read_text()
    for trick in ("path.write_text(path.read_text().replace('\"exact\":true', '\"exact\":false'))", "path.unlink()"):
        project.write("main.jsonl", whole)
        rules = {"exact": {"max-drop": 0.02}}
        done = gate(project, doubling(f"path = Path('main.jsonl'); {trick}"), baseline="main.jsonl", thresholds=rules)
        assert done.exit_code == 4
        assert "main.jsonl: the baseline was changed while the experiment ran" in done.error


def test_a_dataset_that_the_code_rewrote_is_judged_as_it_was_before(project: Project) -> None:
    done = gate(project, doubling("Path('numbers.jsonl').write_text('')"))
    assert done.exit_code == 0
    assert done.verdict["candidate"]["count"] == 20


def test_a_configuration_that_the_code_rewrote_judges_nothing(project: Project) -> None:
    app = "Path('honeyhive.yml').write_text('version: 1')\ndef double(inputs): return None\n"
    assert gate(project, app).exit_code == 1


# --- it hides --------------------------------------------------------------------------------------------------------

DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 64)
        Path("pid.new").write_text(str(os.getpid()))
        Path("pid.new").rename("pid")
        while True:
            for name in ("comparison.json", "comment.md"):
                Path("honeyhive-report", name).write_text("PASSED")
    os._exit(0)
while not Path("pid").exists():
    time.sleep(0.01)
"""


def test_a_daemon_writes_no_report(project: Project) -> None:
    rules = {"exact": {"min": 0.99}}
    done = gate(project, doubling(DAEMON).replace("return 2 *", "return 3 *"), thresholds=rules)
    assert done.exit_code == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((project.folder / "pid").read_text()), 0)
    assert json.loads((project.folder / "honeyhive-report" / "comparison.json").read_text())["verdict"] == "failed"
    assert "PASSED" not in (project.folder / "honeyhive-report" / "comment.md").read_text()


COMMANDS = r"""
for text in ("::error::x", "  ::set-output name=verdict::passed", "a\r::x::", "b ##[error]c", "::stop-commands::x",
             "\x1b[m::error::x", "#\x1b[m#[y", "\x1b[31m  \x1b[0m::add-mask::x", "\v::x::", "\u2028::x::"):
    print(text)
    print(text, file=sys.stderr)
sys.stdout.write("z" * 65536 + "::error::x\n")
"""


def test_nothing_that_the_code_prints_or_reports_is_a_command(project: Project) -> None:
    evil = r"'\n::error::x\r##[error]y \x1b[m::z'"
    app = f"{COMMANDS}\ndef double(inputs): raise ValueError({evil})\n"
    project.write("app.py", f"{HEAD}{app}\ndef judge(outputs): return True\njudge.__name__ = {evil}\n")
    done = project.gate("--evaluators", "app:judge")
    assert done.exit_code == 1
    printed = (done.out + "\n" + done.err).replace("\r", "\n").split("\n")
    commands = [line for line in printed if line.lstrip().startswith("::") or "##[" in line]
    assert commands == done.errors
    assert len(commands) == 1
    assert "\x1b[m::error::x" in printed, "its colours make it no command: they have to stay"


def test_an_error_message_of_many_lines_is_one_line_of_the_log(project: Project) -> None:
    done = gate(project, "raise ValueError('no\\n::error::way\\n  out')\n")
    assert done.exit_code == 2
    assert len(done.errors) == 1
    assert "importing app failed: ValueError: no ::error::way out" in done.out


def test_output_without_end_stops_nobody(project: Project) -> None:
    assert (
        gate(project, "sys.stdout.write('x' * 3_000_000)\n" + doubling("sys.stderr.write('y\\n' * 300_000)")).exit_code
        == 0
    )


def test_code_that_closes_its_output_is_heard_no_more_and_judged_all_the_same(project: Project) -> None:
    assert gate(project, doubling("sys.stdout.close()")).exit_code == 0
    assert gate(project, doubling("os.close(1); os.close(2)")).exit_code == 0
