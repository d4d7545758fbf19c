"""A datapoint tagged `must-pass` that does not pass is tried once more, in the run itself; both attempts are kept."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from builders import dataset
from honeyhive.errors import Cancelled
from honeyhive.experiments.evaluators import to_evaluator
from honeyhive.experiments.running import Experiment, Progress, run_experiment
from honeyhive.gate.must_pass import retry_rule
from honeyhive.result import TAG_MUST_PASS, Fault, Outcome, RunResult, Scored
from honeyhive.runfile import read_run
from honeyhive.runlines import MAX_LINE
from projects import new_project
from threads import ours

LONG = 60.0
SHORT = 1.0
"""The time limit where running out of it is the subject."""

LATE = Fault(type="TimeoutError", message="the function gave no answer within 1 s")


class Script:
    """Answers each datapoint as its script says, call by call, and counts the calls.

    A callable is called, an exception raised, anything else given; "right" is the right answer, and what every
    datapoint without a script gets.
    """

    def __init__(self, script: Mapping[str, Sequence[Any]]) -> None:
        self._script = script
        self.calls: defaultdict[str, int] = defaultdict(int)

    def answer(self, name: str) -> Any:
        call = self.calls[name]
        self.calls[name] += 1
        line = self._script[name][call] if name in self._script else "right"
        found = line() if callable(line) else line
        if isinstance(found, BaseException):
            raise found
        return found

    def function(self) -> Callable[[Any], Any]:
        answer = self.answer  # the same to a resumed run, however often it was called
        return lambda inputs: answer(inputs["q"])


def right(outputs: Any) -> bool:
    return bool(outputs == "right")


def experiment(
    folder: Path, function: Callable[..., Any], names: Sequence[str], *evaluators: Any, **settings: Any
) -> Experiment:
    """The rule is the gate's own; a name that begins with "must" is a datapoint with the tag."""
    tags = {name: [TAG_MUST_PASS] if name.startswith("must") else ["other"] for name in names}
    rows = [{"id": name, "inputs": {"q": name}, "ground_truth": "right", "tags": tags[name]} for name in names]
    usual: dict[str, Any] = {"retry": retry_rule(()), "max_workers": 1}
    return Experiment(
        name="qa",
        function=function,
        dataset=dataset(folder, rows),
        evaluators=tuple(map(to_evaluator, evaluators or (right,))),
        **(usual | settings),
    )


def execute(folder: Path, script: Script, names: Sequence[str], *evaluators: Any, **settings: Any) -> RunResult:
    return run_experiment(
        experiment(folder, script.function(), names, *evaluators, **settings), out=folder / "run.jsonl"
    )


def outcome(run: RunResult, name: str, repeat: int = 0) -> Outcome:
    (found,) = (one for one in run.outcomes if one.key == (f"EXT-{name}", repeat))
    return found


def found(attempt: Outcome | None) -> Any:
    """What came of an attempt: its output, its fault, or nothing."""
    return attempt and (attempt.output if isinstance(attempt, Scored) else attempt.fault)


def both(run: RunResult, name: str, repeat: int = 0) -> tuple[Any, Any]:
    first = outcome(run, name, repeat)
    return found(first), found(first.retry)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run.jsonl").read_bytes().splitlines()]


def interrupted_by(event: threading.Event) -> Callable[[Progress], None]:
    def observe(progress: Progress) -> None:
        if event.is_set():
            raise Cancelled("stopped by SIGTERM", signal_number=15)

    return observe


# --- who is tried once more ------------------------------------------------------------------------------------------


def test_what_fails_and_then_passes_is_one_outcome_with_both_attempts(tmp_path: Path) -> None:
    script = Script({"must": ["wrong", "right"]})
    run = execute(tmp_path, script, ["a", "must", "b"])
    assert script.calls == {"a": 1, "must": 2, "b": 1}
    first = outcome(run, "must")
    assert isinstance(first, Scored)
    assert (first.output, first.scores) == ("wrong", {"right": False})
    retry = first.retry
    assert isinstance(retry, Scored)
    assert (retry.output, retry.scores, retry.retry) == ("right", {"right": True}, None)
    for fact in ("key", "index", "line", "content_hash", "inputs", "ground_truth", "tags", "metadata"):
        assert getattr(retry, fact) == getattr(first, fact)
    assert retry.duration_ms is not None
    assert retry.session_id not in (None, first.session_id)
    assert (run.complete, run.expected, run.finished) == (True, 3, 3)
    assert [line["type"] for line in lines(tmp_path)] == ["run", "outcome", "outcome", "retry", "outcome", "end"]
    assert (lines(tmp_path)[-1]["finished"], lines(tmp_path)[-1]["retries"]) == (3, 1)


def test_whatever_else_there_is_runs_once_and_has_no_retry(tmp_path: Path) -> None:
    script = Script({"a": ["wrong"], "b": [ValueError("broken")], "must": ["right"]})
    execute(tmp_path, script, ["a", "b", "must"])
    assert script.calls == {"a": 1, "b": 1, "must": 1}
    assert [line["type"] for line in lines(tmp_path)] == ["run", "outcome", "outcome", "outcome", "end"]


def test_without_a_rule_there_is_no_retry(tmp_path: Path) -> None:
    script = Script({"must": ["wrong"]})
    whole = experiment(tmp_path, script.function(), ["must"])
    assert both(run_experiment(without_rule(whole), out=tmp_path / "run.jsonl"), "must") == ("wrong", None)
    assert script.calls == {"must": 1}


def without_rule(whole: Experiment) -> Experiment:
    return Experiment(
        name=whole.name, function=whole.function, dataset=whole.dataset, evaluators=whole.evaluators, max_workers=1
    )


@pytest.mark.parametrize("second", ["right", "wrong", ValueError("again")], ids=str)
@pytest.mark.parametrize("first", ["wrong", ValueError("broken")], ids=str)
def test_there_is_one_retry_and_no_more_whatever_becomes_of_it(tmp_path: Path, first: Any, second: Any) -> None:
    def of(line: Any) -> Any:
        return Fault(type="ValueError", message=str(line)) if isinstance(line, ValueError) else line

    script = Script({"must": [first, second]})
    run = execute(tmp_path, script, ["must", "a"])
    assert both(run, "must") == (of(first), of(second))
    assert script.calls == {"must": 2, "a": 1}
    assert run.complete


def test_an_evaluator_that_breaks_is_asked_again_with_another_output(tmp_path: Path) -> None:
    def score(outputs: Any) -> float:
        return 1 / len(outputs)

    run = execute(tmp_path, Script({"must": ["", "right"]}), ["must"], score)
    first = outcome(run, "must")
    assert isinstance(first, Scored)
    assert isinstance(first.retry, Scored)
    assert (list(first.faults), first.scores) == (["score"], {})
    assert (first.retry.faults, first.retry.scores) == ({}, {"score": 0.2})


def test_each_repeat_has_a_retry_of_its_own(tmp_path: Path) -> None:
    script = Script({"must": ["wrong", "right", "right", "wrong", "wrong"]})
    run = execute(tmp_path, script, ["must", "a"], repeats=3)
    assert [both(run, "must", repeat) for repeat in range(3)] == [
        ("wrong", "right"),
        ("right", None),
        ("wrong", "wrong"),
    ]
    assert script.calls == {"must": 5, "a": 3}
    assert (run.finished, run.complete) == (6, True)


def test_the_last_datapoint_is_tried_once_more_when_every_other_worker_has_gone(tmp_path: Path) -> None:
    together = threading.Barrier(4)
    others: list[threading.Thread] = []

    def meet() -> str:
        others.append(threading.current_thread())
        together.wait(LONG)
        return "right"

    def outlast() -> str:
        together.wait(LONG)
        for thread in others:
            thread.join(LONG)
        return "wrong"

    script = Script({"a": [meet], "b": [meet], "c": [meet], "must": [outlast, "right"]})
    run = execute(tmp_path, script, ["a", "b", "c", "must"], max_workers=4)
    assert both(run, "must") == ("wrong", "right")
    assert not any(thread.is_alive() for thread in others)
    assert (run.finished, run.complete) == (4, True)


def test_many_retries_on_many_workers_lose_nothing(tmp_path: Path) -> None:
    names = [f"must-{number}" for number in range(300)]
    script = Script({name: ["wrong", "right"] for name in names})
    run = execute(tmp_path, script, names, max_workers=20)
    assert {both(run, name) for name in names} == {("wrong", "right")}
    assert set(script.calls.values()) == {2}
    assert (run.finished, run.complete) == (300, True)


def test_an_error_of_the_first_attempt_counts_once_and_one_of_the_retry_does_not(tmp_path: Path) -> None:
    script = Script({"must-1": [ValueError("broken"), "right"], "must-2": ["wrong", ValueError("again")]})
    seen: list[Progress] = []
    whole = experiment(tmp_path, script.function(), ["must-1", "must-2"])
    run_experiment(whole, out=tmp_path / "run.jsonl", observer=seen.append)
    assert (seen[-1].total, seen[-1].done, seen[-1].errors) == (2, 2, 1)
    assert seen[-1].last_error == "line 1 (EXT-must-1): ValueError: broken"


# --- time ------------------------------------------------------------------------------------------------------------


def test_what_ran_out_of_time_is_tried_once_more_in_a_time_of_its_own(tmp_path: Path, release: threading.Event) -> None:
    script = Script({"must-1": [release.wait, "right"], "must-2": [release.wait, release.wait]})
    run = execute(tmp_path, script, ["must-1", "must-2", "a"], timeout=SHORT)
    assert both(run, "must-1") == (LATE, "right")
    assert both(run, "must-2") == (LATE, LATE)
    assert script.calls == {"must-1": 2, "must-2": 2, "a": 1}
    assert (run.finished, run.complete) == (3, True)


def test_the_late_answer_of_a_first_attempt_changes_nothing(tmp_path: Path) -> None:
    late: list[threading.Thread] = []
    release = threading.Event()

    def hang() -> str:
        late.append(threading.current_thread())
        release.wait(LONG)
        return "too late"

    def let_go() -> str:
        release.set()
        late[0].join(LONG)
        return "right"

    run = execute(tmp_path, Script({"must": [hang, let_go]}), ["must"], timeout=SHORT)
    assert not late[0].is_alive()
    assert both(run, "must") == (LATE, "right")
    assert (run.finished, run.complete) == (1, True)


# --- what cannot be recorded -----------------------------------------------------------------------------------------


class Unreadable:
    def tolist(self) -> Any:
        raise RuntimeError("on another device")


def test_the_first_attempt_is_recorded_as_it_was_when_it_ended(tmp_path: Path) -> None:
    history: list[str] = []

    def append() -> list[str]:
        history.append("wrong")
        return history

    assert both(execute(tmp_path, Script({"must": [append, append]}), ["must"]), "must") == (["wrong"], ["wrong"] * 2)


@pytest.mark.parametrize(
    ("give", "fault"),
    [
        (Unreadable, Fault(type="RuntimeError", message="its result cannot be recorded: on another device")),
        (lambda: "x" * MAX_LINE, Fault(type="ValueError", message="its result cannot be recorded: ")),
    ],
    ids=["raises", "too much"],
)
def test_a_retry_that_cannot_be_recorded_is_a_failed_one_and_the_first_attempt_stays(
    tmp_path: Path, give: Callable[[], Any], fault: Fault
) -> None:
    run = execute(tmp_path, Script({"must": ["wrong" * 200, give]}), ["must"])
    first, retry = both(run, "must")
    assert first == "wrong" * 200
    assert retry.type == fault.type
    assert retry.message.startswith(fault.message)
    assert run.complete


def test_a_first_attempt_leaves_its_retry_all_the_room_that_a_line_has(tmp_path: Path) -> None:
    large = "x" * (MAX_LINE - 10_000)
    run = execute(tmp_path, Script({"must": [large, large[:-1]]}), ["must"])
    assert [len(attempt) for attempt in both(run, "must")] == [len(large), len(large) - 1]
    assert run.complete


def test_what_cannot_be_recorded_keeps_its_tags_and_is_tried_once_more(tmp_path: Path) -> None:
    run = execute(tmp_path, Script({"must": [Unreadable, "right"]}), ["must"])
    first, retry = both(run, "must")
    assert (first.message, retry) == ("its result cannot be recorded: on another device", "right")
    assert outcome(run, "must").tags == (TAG_MUST_PASS,)


# --- when it is cut off ----------------------------------------------------------------------------------------------


def test_a_signal_before_the_retry_has_ended_keeps_the_first_attempt_and_resume_runs_the_retry_alone(
    tmp_path: Path, release: threading.Event
) -> None:
    begun = threading.Event()

    def hang() -> str:
        begun.set()
        release.wait(LONG)
        return "too late"

    script = Script({"must": ["wrong", hang, "right"]})
    whole, out = experiment(tmp_path, script.function(), ["must", "a"]), tmp_path / "run.jsonl"
    with pytest.raises(Cancelled):
        run_experiment(whole, out=out, observer=interrupted_by(begun))
    release.set()
    for thread in ours():
        thread.join(LONG)
    cut = read_run(out)
    assert (cut.status, cut.finished, both(cut, "must")) == ("cancelled", 1, ("wrong", None))
    *before, _ = out.read_bytes().splitlines()

    seen: list[Progress] = []
    run = run_experiment(whole, out=out, resume=True, observer=seen.append)
    assert both(run, "must") == ("wrong", "right")
    assert script.calls == {"must": 3, "a": 1}
    assert (run.finished, run.complete, seen[-1].resumed, seen[-1].done) == (2, True, 1, 2)
    assert out.read_bytes().splitlines()[: len(before)] == before


def test_a_coroutine_that_a_signal_cancels_is_no_retry(tmp_path: Path) -> None:
    begun = threading.Event()
    script = Script({"must": ["wrong", "hang", "right"]})
    answer = script.answer

    async def function(inputs: Any) -> Any:
        said = answer(inputs["q"])
        if said == "hang":
            begun.set()
            await asyncio.Event().wait()
        return said

    whole, out = experiment(tmp_path, function, ["must"]), tmp_path / "run.jsonl"
    with pytest.raises(Cancelled):
        run_experiment(whole, out=out, observer=interrupted_by(begun))
    for thread in ours():
        thread.join(LONG)
    assert both(read_run(out), "must") == ("wrong", None)
    assert both(run_experiment(whole, out=out, resume=True), "must") == ("wrong", "right")


def test_a_first_attempt_that_ends_after_the_signal_has_no_outcome(tmp_path: Path, release: threading.Event) -> None:
    begun = threading.Event()

    def hang() -> str:
        begun.set()
        release.wait(LONG)
        return "wrong"

    script = Script({"must": [hang, "right"]})
    whole, out = experiment(tmp_path, script.function(), ["must"]), tmp_path / "run.jsonl"
    with pytest.raises(Cancelled):
        run_experiment(whole, out=out, observer=interrupted_by(begun))
    release.set()
    for thread in ours():
        thread.join(LONG)
    assert script.calls == {"must": 1}
    assert [line["type"] for line in lines(tmp_path)] == ["run", "end"]


def test_a_run_that_is_cut_off_again_still_has_every_first_attempt(tmp_path: Path, release: threading.Event) -> None:
    names = ["must-1", "must-2", "must-3"]
    begun = threading.Event()

    def hang() -> str:
        begun.set()
        release.wait(LONG)
        return "too late"

    script = Script({name: ["wrong", hang, "right"] for name in names})
    without = without_rule(experiment(tmp_path, script.function(), names))
    out = tmp_path / "run.jsonl"
    before = list(run_experiment(without, out=out).outcomes)
    whole = experiment(tmp_path, script.function(), names)
    with pytest.raises(Cancelled):
        run_experiment(whole, out=out, resume=True, observer=interrupted_by(begun))
    assert script.calls == {"must-1": 2, "must-2": 1, "must-3": 1}
    assert sorted(read_run(out).outcomes, key=lambda one: one.index) == before


def test_resume_gives_what_has_not_passed_the_retry_that_it_lacks_and_nothing_else(tmp_path: Path) -> None:
    script = Script({"a": ["wrong"], "must-1": ["wrong", "right"], "must-2": ["right"]})
    whole, out = experiment(tmp_path, script.function(), ["a", "must-1", "must-2"]), tmp_path / "run.jsonl"
    run_experiment(without_rule(whole), out=out)
    run = run_experiment(whole, out=out, resume=True)
    assert script.calls == {"a": 1, "must-1": 2, "must-2": 1}
    assert [both(run, name) for name in ("a", "must-1", "must-2")] == [
        ("wrong", None),
        ("wrong", "right"),
        ("right", None),
    ]
    assert run.complete


def test_retries_that_are_owed_are_run_by_as_many_workers_as_all_else(tmp_path: Path) -> None:
    together = threading.Barrier(2)

    def meet() -> str:
        together.wait(LONG)
        return "right"

    names = ["must-1", "must-2"]
    script = Script({name: ["wrong", meet] for name in names})
    whole, out = experiment(tmp_path, script.function(), names, max_workers=2), tmp_path / "run.jsonl"
    run_experiment(without_rule(whole), out=out)
    run = run_experiment(whole, out=out, resume=True)
    assert [both(run, name) for name in names] == [("wrong", "right")] * 2


def test_resume_of_a_whole_run_tries_nothing_again(tmp_path: Path) -> None:
    script = Script({"must-1": ["wrong", "wrong"], "must-2": [ValueError("broken"), "right"]})
    whole, out = experiment(tmp_path, script.function(), ["must-1", "must-2"]), tmp_path / "run.jsonl"
    first = run_experiment(whole, out=out)
    second = run_experiment(whole, out=out, resume=True)
    assert script.calls == {"must-1": 2, "must-2": 2}
    assert list(second.outcomes) == list(first.outcomes)
    assert second.complete


def test_what_had_an_error_at_first_is_run_again_from_the_beginning_where_errors_are(tmp_path: Path) -> None:
    script = Script({"must-1": [ValueError("broken"), "right", "wrong", "right"], "must-2": ["wrong", "wrong"]})
    whole, out = experiment(tmp_path, script.function(), ["must-1", "must-2"]), tmp_path / "run.jsonl"
    run_experiment(whole, out=out)
    run = run_experiment(whole, out=out, resume=True, retry_errors=True)
    assert script.calls == {"must-1": 4, "must-2": 2}
    assert (both(run, "must-1"), both(run, "must-2")) == (("wrong", "right"), ("wrong", "wrong"))


# --- the command -----------------------------------------------------------------------------------------------------

APP = """
from pathlib import Path

def double(inputs):
    with Path("calls.txt").open("a") as calls:
        calls.write(f"{inputs['number']}\\n")
    times = Path("calls.txt").read_text().split().count(str(inputs["number"]))
    return 2 * inputs["number"] if times > 1 else "wrong"

def exact(outputs, ground_truth):
    return outputs == ground_truth
"""


def test_the_command_tries_once_more_what_must_pass_and_nothing_else(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project", app=APP)
    tagged = (3, 9)
    project.rows(
        {"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n, "tags": [TAG_MUST_PASS] if n in tagged else []}
        for n in range(10)
    )
    assert project.honeyhive("run", "--out", "run.jsonl").exit_code == 0
    calls = (project.folder / "calls.txt").read_text().split()
    assert sorted(calls) == sorted([*map(str, range(10)), *map(str, tagged)])
    found = project.outcomes("run.jsonl")
    assert {line["scores"]["exact"] for line in found} == {False}
    retries = [line for line in project.lines("run.jsonl") if line["type"] == "retry"]
    assert sorted(line["datapoint_id"] for line in retries) == [f"EXT-n{n}" for n in tagged]
    assert all(line["scores"] == {"exact": True} for line in retries)


KILLED = """
import os
import signal
from pathlib import Path

def double(inputs):
    with Path("calls.txt").open("a") as calls:
        calls.write(f"{inputs['number']}\\n")
    if inputs["number"] == 3:
        call = Path("calls.txt").read_text().split().count("3")
        if call == 2:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory runs out
        return "wrong" if call == 1 else 6
    return 2 * inputs["number"]

def exact(outputs, ground_truth):
    return outputs == ground_truth
"""


def test_a_kill_during_the_retry_loses_no_first_attempt_and_resume_gives_no_second_one(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project", app=KILLED)
    project.rows([{"id": "n3", "inputs": {"number": 3}, "ground_truth": 6, "tags": [TAG_MUST_PASS]}])
    assert project.honeyhive("run", "--out", "run.jsonl").exit_code == -signal.SIGKILL
    _, first = project.lines("run.jsonl")
    assert (first["type"], first["output"], first["scores"]) == ("outcome", "wrong", {"exact": False})
    assert not read_run(project.folder / "run.jsonl").complete

    assert project.honeyhive("run", "--out", "run.jsonl", "--resume").exit_code == 0
    assert (project.folder / "calls.txt").read_text().split() == ["3"] * 3
    run = read_run(project.folder / "run.jsonl")
    assert project.lines("run.jsonl")[1] == first
    assert both(run, "n3") == ("wrong", 6)
    assert run.complete
