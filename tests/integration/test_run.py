"""`run_experiment()` from end to end: real threads, a real event loop, real files, and functions that misbehave.

What has to happen at the same time meets at a barrier, and what has to hang waits for an event: a time limit that
is not the subject of its test is there for the day on which the test fails.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gzip
import json
import math
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from builders import dataset, room_for
from honeyhive.errors import Cancelled, InputError, UserCodeError
from honeyhive.experiments.dataset import Dataset
from honeyhive.experiments.evaluators import Evaluator, to_evaluator
from honeyhive.experiments.running import Experiment, Progress, run_experiment
from honeyhive.experiments.spanfile import SpanIndex
from honeyhive.result import Failed, Fault, Outcome, RunResult, Scored
from honeyhive.runfile import read_run
from honeyhive.runlines import MAX_LINE
from honeyhive.tracer import HoneyHiveTracer, current_tracer
from threads import ours

LONG = 60.0
SHORT = 1.0
"""The time limit where running out of it is the subject."""


def experiment(
    folder: Path, function: Callable[..., Any], rows: Sequence[Any] = range(3), *evaluators: Any, **settings: Any
) -> Experiment:
    return Experiment(
        name="qa",
        function=function,
        dataset=dataset(folder, rows),
        evaluators=tuple(one if isinstance(one, Evaluator) else to_evaluator(one) for one in evaluators),
        **settings,
    )


def execute(
    folder: Path, function: Callable[..., Any], rows: Sequence[Any] = range(3), *evaluators: Any, **settings: Any
) -> RunResult:
    return run_experiment(experiment(folder, function, rows, *evaluators, **settings), out=folder / "run.jsonl")


def in_order(run: RunResult) -> list[Outcome]:
    return sorted(run.outcomes, key=lambda outcome: (outcome.repeat, outcome.index))


def outputs(run: RunResult) -> list[Any]:
    return [outcome.output if isinstance(outcome, Scored) else outcome.fault for outcome in in_order(run)]


def only(run: RunResult) -> Scored:
    (outcome,) = run.outcomes
    assert isinstance(outcome, Scored)
    return outcome


def answer(inputs: Any) -> Any:
    return inputs["q"]


def exact(outputs: Any, inputs: Any) -> bool:
    return bool(outputs == inputs["q"])


def within(event: threading.Event) -> None:
    assert event.wait(LONG), "it was to happen long ago"


# --- what a run is made of -------------------------------------------------------------------------------------------


def test_every_datapoint_becomes_an_outcome_with_its_facts_and_scores(tmp_path: Path) -> None:
    row = {"id": "x", "inputs": {"q": 2}, "ground_truth": 4, "tags": ["even"], "metadata": {"level": 1}}
    run = execute(
        tmp_path,
        lambda inputs, ground_truth: {"answer": inputs["q"] * 2, "expected": ground_truth},
        [row],
        to_evaluator(lambda outputs: (outputs["answer"] == outputs["expected"], "because"), "correct"),
        to_evaluator(lambda outputs, inputs: inputs["q"] / 4, "share"),
        to_evaluator(lambda outputs: None, "not_applicable"),
        git={"branch": "main"},
    )
    outcome = only(run)
    assert (outcome.index, outcome.repeat, outcome.datapoint_id, outcome.line) == (0, 0, "EXT-x", 1)
    assert (outcome.inputs, outcome.ground_truth, outcome.tags) == ({"q": 2}, 4, ("even",))
    assert outcome.metadata == {"level": 1}
    assert outcome.output == {"answer": 4, "expected": 4}
    assert outcome.scores == {"correct": True, "share": 0.5, "not_applicable": None}
    assert (outcome.notes, outcome.faults) == ({"correct": "because"}, {})
    assert outcome.duration_ms is not None
    assert outcome.duration_ms >= 0
    assert (run.complete, run.expected, run.finished, run.status) == (True, 1, 1, "completed")
    assert (run.name, run.dataset_path, run.git) == ("qa", "qa.jsonl", {"branch": "main"})
    assert [evaluator.name for evaluator in run.evaluators] == ["correct", "share", "not_applicable"]


def test_a_function_goes_by_the_name_that_it_was_given(tmp_path: Path) -> None:
    assert execute(tmp_path, answer).function == "answer"
    assert execute(tmp_path, answer, function_name="app:answer").function == "app:answer"


def test_a_dataset_in_memory_has_no_path(tmp_path: Path) -> None:
    rows = Dataset.of([{"inputs": {"q": 1}}])
    run = run_experiment(Experiment(name="qa", function=answer, dataset=rows), out=tmp_path / "run.jsonl")
    assert (run.dataset_path, only(run).line, only(run).output) == (None, None, 1)


def test_a_run_file_may_be_compressed(tmp_path: Path) -> None:
    run = run_experiment(experiment(tmp_path, answer), out=tmp_path / "run.jsonl.gz")
    assert outputs(run) == [0, 1, 2]
    assert gzip.decompress((tmp_path / "run.jsonl.gz").read_bytes()).count(b"\n") == 5


def test_outcomes_know_their_place_whatever_the_order_in_which_they_end(tmp_path: Path) -> None:
    gates = [threading.Event() for _ in range(5)]
    gates[-1].set()

    def backwards(inputs: Any) -> Any:
        within(gates[inputs["q"]])
        return inputs["q"]

    def open_the_next(outputs: Any) -> bool:
        gates[outputs - 1].set()
        return True

    run = execute(tmp_path, backwards, range(5), open_the_next, max_workers=5)
    assert outputs(run) == [0, 1, 2, 3, 4]
    assert [outcome.datapoint_id for outcome in in_order(run)] == [f"EXT-{number}" for number in range(5)]
    assert [outcome.line for outcome in in_order(run)] == [1, 2, 3, 4, 5]


def test_each_repeat_runs_every_datapoint_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def count(inputs: Any) -> int:
        calls.append(inputs["q"])
        return len(calls)

    run = execute(tmp_path, count, range(3), repeats=3, max_workers=1)
    assert [(outcome.repeat, outcome.index) for outcome in run.outcomes] == [(r, i) for r in range(3) for i in range(3)]
    assert sorted(calls) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert (run.expected, run.finished, run.repeats) == (9, 9, 3)


class Later:
    """Something that can be awaited and is no coroutine."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        return self.value


class Answering:
    async def __call__(self, inputs: Any) -> Any:
        await asyncio.sleep(0)
        return inputs["q"]

    async def method(self, inputs: Any) -> Any:
        return inputs["q"]


async def answer_later(inputs: Any) -> Any:
    await asyncio.sleep(0)
    return inputs["q"]


async def exact_later(outputs: Any, inputs: Any) -> bool:
    await asyncio.sleep(0)
    return exact(outputs, inputs)


@pytest.mark.parametrize(
    "function",
    [
        answer,
        answer_later,
        lambda inputs: asyncio.wait_for(answer_later(inputs), LONG),
        lambda inputs: Later(inputs["q"]),
        lambda inputs: Later(5),
        Answering(),
        Answering().method,
        functools.partial(answer_later),
    ],
)
@pytest.mark.parametrize("evaluator", [exact, exact_later, lambda outputs, inputs: Later(exact(outputs, inputs))])
def test_functions_and_evaluators_may_be_asynchronous_or_give_an_awaitable(
    tmp_path: Path, function: Callable[..., Any], evaluator: Callable[..., Any]
) -> None:
    run = execute(tmp_path, function, [5], to_evaluator(evaluator, "exact"))
    assert (only(run).output, only(run).scores) == (5, {"exact": True})


# --- how many at once ------------------------------------------------------------------------------------------------


class Meeting:
    """As many as are expected meet here, again and again; `most` is how many there ever were."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size)
        self._lock = threading.Lock()
        self._here = 0
        self.most = 0

    def attend(self) -> None:
        with self._lock:
            self._here += 1
            self.most = max(self.most, self._here)
        self._barrier.wait(LONG)
        with self._lock:
            self._here -= 1
        self._barrier.wait(LONG)


@pytest.mark.parametrize("workers", [1, 7, 40])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_as_many_datapoints_run_at_once_as_were_asked_for_and_no_more(
    tmp_path: Path, workers: int, asynchronous: bool
) -> None:
    meeting = Meeting(workers)

    def attend(inputs: Any) -> Any:
        meeting.attend()
        return inputs["q"]

    async def attend_in_a_thread(inputs: Any) -> Any:
        return await asyncio.to_thread(attend, inputs)

    function = attend_in_a_thread if asynchronous else attend
    run = execute(tmp_path, function, range(workers * 3), max_workers=workers)
    assert outputs(run) == list(range(workers * 3))
    assert meeting.most == workers


def test_coroutines_wait_for_each_other_on_one_loop(tmp_path: Path) -> None:
    barriers: list[asyncio.Barrier] = []

    async def meet(inputs: Any) -> Any:
        if not barriers:
            barriers.append(asyncio.Barrier(10))
        async with asyncio.timeout(LONG):
            await barriers[0].wait()
        return threading.current_thread().name

    assert outputs(execute(tmp_path, meet, range(20), max_workers=10)) == ["honeyhive-loop"] * 20


@pytest.mark.parametrize(("asked", "needed"), [(10, 3), (0, 1), (-1, 1)])
def test_there_are_no_more_threads_than_work_and_never_none(tmp_path: Path, asked: int, needed: int) -> None:
    names: set[threading.Thread] = set()
    run = execute(tmp_path, lambda inputs: names.update(ours()), range(3), max_workers=asked)
    assert run.complete
    assert 1 <= len(names) <= needed


def test_a_run_leaves_no_thread_behind(tmp_path: Path) -> None:
    async def in_a_thread(inputs: Any) -> Any:
        return await asyncio.to_thread(answer, inputs)

    before = threading.enumerate()
    assert execute(tmp_path, in_a_thread, range(30), exact, exact_later_named("later")).complete
    for thread in set(threading.enumerate()) - set(before):
        thread.join(LONG)
    assert threading.enumerate() == before


def exact_later_named(name: str) -> Evaluator:
    return to_evaluator(exact_later, name)


# --- what the user's code may do -------------------------------------------------------------------------------------


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED = [
    (ValueError("broken"), Fault(type="ValueError", message="broken")),
    (SystemExit(3), Fault(type="SystemExit", message="3")),
    (SystemExit(), Fault(type="SystemExit", message="")),
    (GeneratorExit(), Fault(type="GeneratorExit", message="")),
    (MemoryError(), Fault(type="MemoryError", message="")),
    (TimeoutError("their own"), Fault(type="TimeoutError", message="their own")),
    (asyncio.CancelledError("their own"), Fault(type="CancelledError", message="their own")),
    (KeyError("k"), Fault(type="KeyError", message="'k'")),
    (UserCodeError("as ours do"), Fault(type="UserCodeError", message="as ours do")),
    (ValueError("x" * 5_000), Fault(type="ValueError", message="x" * 2_000)),
    (ValueError("half \ud800"), Fault(type="ValueError", message="half ?")),
    (UnprintableError(), Fault(type="UnprintableError", message="<its message cannot be printed: RuntimeError>")),
]


@pytest.mark.parametrize(("error", "fault"), RAISED, ids=[repr(error)[:30] for error, _ in RAISED])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_whatever_a_function_or_an_evaluator_raises_is_an_error_of_its_own_and_stops_nothing(
    tmp_path: Path, error: BaseException, fault: Fault, asynchronous: bool
) -> None:
    def give(inputs: Any) -> Any:
        if inputs["q"] == 1:
            raise error
        return inputs["q"]

    async def give_later(inputs: Any) -> Any:
        await asyncio.sleep(0)
        return give(inputs)

    def score(outputs: Any) -> float:
        if outputs == 2:
            raise error
        return 1.0

    async def score_later(outputs: Any) -> float:
        await asyncio.sleep(0)
        return score(outputs)

    given = (give_later, score_later) if asynchronous else (give, score)
    run = execute(tmp_path, given[0], range(4), to_evaluator(given[1], "score"), exact, timeout=LONG)
    assert outputs(run) == [0, fault, 2, 3]
    good, failed, half, _ = in_order(run)
    assert isinstance(failed, Failed)
    assert failed.duration_ms is not None
    assert isinstance(good, Scored)
    assert good.scores == {"score": 1.0, "exact": True}
    assert isinstance(half, Scored)
    assert (half.scores, half.faults) == ({"exact": True}, {"score": fault})
    assert run.complete


def test_an_exit_in_a_task_of_the_users_own_reaches_who_waits_for_it(tmp_path: Path) -> None:
    async def leave(inputs: Any) -> Any:
        raise SystemExit("from within")

    async def begin(inputs: Any) -> Any:
        if inputs["q"] == 1:
            await asyncio.gather(leave(inputs), answer_later(inputs))
        return await answer_later(inputs)

    run = execute(tmp_path, begin, range(5), max_workers=5, timeout=LONG)
    assert outputs(run) == [0, Fault(type="SystemExit", message="from within"), 2, 3, 4]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_keyboard_interrupt_that_user_code_raises_is_an_error_of_its_datapoint(
    tmp_path: Path, asynchronous: bool
) -> None:
    def interrupt(inputs: Any) -> Any:
        if inputs["q"] == 2:
            raise KeyboardInterrupt("mine")
        return inputs["q"]

    async def interrupt_later(inputs: Any) -> Any:
        return interrupt(inputs)

    run = execute(tmp_path, interrupt_later if asynchronous else interrupt, range(5), max_workers=1)
    assert outputs(run) == [0, 1, Fault(type="KeyboardInterrupt", message="mine"), 3, 4]
    assert run.complete


def generate(inputs: Any) -> Iterator[int]:
    yield 1


async def generate_later(inputs: Any) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (generate, "generator"),
        (generate_later, "async_generator"),
        (lambda inputs: iter([1]), "list_iterator"),
        (lambda inputs: map(str, [1]), "map"),
        (lambda inputs: Later(iter([1])), "list_iterator"),
    ],
)
def test_what_has_still_to_be_iterated_is_no_answer(tmp_path: Path, function: Callable[..., Any], name: str) -> None:
    (fault,) = outputs(execute(tmp_path, function, [1], exact))
    assert fault == Fault(type="TypeError", message=f"the function returned a {name}: return the value that it makes")


class Proxy:
    """What a lazy object does outside of its time: every question is an error."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("working outside of context")


class Unreadable:
    def tolist(self) -> Any:
        raise RuntimeError("on another device")


def test_an_output_that_answers_no_question_is_recorded_by_its_type(tmp_path: Path) -> None:
    run = execute(tmp_path, lambda inputs: Proxy(), [1], to_evaluator(lambda outputs: 1.0, "fine"))
    assert (only(run).scores, only(run).output) == ({"fine": 1.0}, f"<{Proxy.__module__}.Proxy>")


@pytest.mark.parametrize(
    ("give", "fault"),
    [
        (Unreadable, Fault(type="RuntimeError", message="its result cannot be recorded: on another device")),
        (
            lambda: "x" * MAX_LINE,
            Fault(type="ValueError", message="its result cannot be recorded: "),
        ),
    ],
    ids=["raises", "too much"],
)
def test_an_output_that_cannot_be_recorded_is_an_error_of_its_datapoint(
    tmp_path: Path, give: Callable[[], Any], fault: Fault
) -> None:
    seen: list[Progress] = []
    run = run_experiment(
        experiment(tmp_path, lambda inputs: give() if inputs["q"] == 1 else inputs["q"], range(3), max_workers=1),
        out=tmp_path / "run.jsonl",
        observer=seen.append,
    )
    zero, found, two = outputs(run)
    assert (zero, two, run.complete) == (0, 2, True)
    assert found.type == fault.type
    assert found.message.startswith(fault.message)
    failed = in_order(run)[1]
    assert (failed.datapoint_id, failed.line, failed.index) == ("EXT-1", 2, 1)
    assert failed.session_id is not None
    assert seen[-1].errors == 1
    assert seen[-1].last_error.startswith("line 2 (EXT-1): ")


def test_what_the_function_does_to_its_inputs_is_neither_judged_nor_recorded(tmp_path: Path) -> None:
    def spoil(inputs: Any, ground_truth: Any) -> Any:
        inputs["spoilt"] = Unreadable()
        ground_truth["answer"] = "anything"
        return "anything"

    def right(outputs: Any, inputs: Any, ground_truth: Any) -> bool:
        return "spoilt" not in inputs and outputs == ground_truth["answer"]

    rows = [{"id": n, "inputs": {"q": n}, "ground_truth": {"answer": "this"}} for n in range(2)]
    experiment = Experiment(
        name="spoilt", function=spoil, dataset=Dataset.of(rows), evaluators=(to_evaluator(right),), repeats=2
    )
    run = run_experiment(experiment, out=tmp_path / "run.jsonl")
    found = list(run.outcomes)
    assert [outcome.scores for outcome in found if isinstance(outcome, Scored)] == [{"right": False}] * 4
    assert all(outcome.inputs == {"q": outcome.index} for outcome in found)
    assert {outcome.datapoint_id for outcome in found} == {"EXT-0", "EXT-1"}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (math.nan, Fault(type="ValueError", message="gave nan, which is not a finite number")),
        (Proxy(), Fault(type="RuntimeError", message="working outside of context")),
        (generate(1), Fault(type="TypeError", message="gave a generator, not True/False, a number or None")),
    ],
    ids=["nan", "proxy", "generator"],
)
def test_an_evaluator_that_gives_no_score_is_an_error_of_its_metric(tmp_path: Path, value: Any, fault: Fault) -> None:
    run = execute(tmp_path, answer, [1], to_evaluator(lambda outputs: value, "odd"), exact)
    assert (only(run).output, only(run).scores, only(run).faults) == (1, {"exact": True}, {"odd": fault})


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_function_that_hangs_is_replaced_and_everything_else_finishes(
    tmp_path: Path, release: threading.Event
) -> None:
    def hang(inputs: Any) -> Any:
        if inputs["q"] in (0, 3):
            release.wait()
        return inputs["q"]

    run = execute(tmp_path, hang, range(6), exact, max_workers=2, timeout=SHORT)
    late = Fault(type="TimeoutError", message="the function gave no answer within 1 s")
    assert outputs(run) == [late, 1, 2, late, 4, 5]
    assert (run.complete, run.finished) == (True, 6)
    assert all(outcome.session_id for outcome in run.outcomes)


def test_a_late_answer_is_discarded_and_not_evaluated(tmp_path: Path, release: threading.Event) -> None:
    hanging: list[threading.Thread] = []
    evaluated: list[Any] = []

    def late(inputs: Any) -> Any:
        if inputs["q"] == 0:
            hanging.append(threading.current_thread())
            release.wait()
            return "too late"
        release.set()  # the first has been given up, or this one would not be running
        hanging[0].join(LONG)
        return inputs["q"]

    def note(outputs: Any) -> bool:
        evaluated.append(outputs)
        return True

    run = execute(tmp_path, late, range(2), note, max_workers=1, timeout=SHORT)
    first, second = outputs(run)
    assert (first.type, second) == ("TimeoutError", 1)
    assert evaluated == [1]
    assert not hanging[0].is_alive()


def test_an_evaluator_that_hangs_keeps_the_output_and_the_scores_before_it(
    tmp_path: Path, release: threading.Event
) -> None:
    asked: list[Any] = []

    def hang(outputs: Any) -> Any:
        if outputs == 0:
            release.wait()
        return 1.0

    def after(outputs: Any) -> bool:
        asked.append(outputs)
        return True

    run = execute(tmp_path, answer, range(2), exact, hang, after, max_workers=1, timeout=SHORT)
    first, second = in_order(run)
    late = Fault(type="TimeoutError", message="the evaluator gave no answer within 1 s")
    assert isinstance(first, Scored)
    assert (first.output, first.scores, first.faults) == (0, {"exact": True}, {"hang": late, "after": late})
    assert isinstance(second, Scored)
    assert second.scores == {"exact": True, "hang": 1.0, "after": True}
    release.set()
    for thread in ours():
        thread.join(LONG)
    assert asked == [1], "what comes after a late evaluator is not asked any more"


def test_a_coroutine_that_hangs_is_cancelled(tmp_path: Path, release: threading.Event) -> None:
    cancelled: list[str] = []

    async def hang(name: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(name)
            raise ValueError("said to nobody") from None

    async def function(inputs: Any) -> Any:
        if inputs["q"] == 0:
            await hang("function")
        return inputs["q"]

    async def evaluator(outputs: Any) -> float:
        if outputs == 1:
            await hang("evaluator")
        return 1.0

    run = execute(tmp_path, function, range(3), evaluator, exact, max_workers=3, timeout=SHORT)
    assert outputs(run) == [Fault(type="TimeoutError", message="the function gave no answer within 1 s"), 1, 2]
    half = in_order(run)[1]
    assert isinstance(half, Scored)
    assert half.scores == {"exact": True}, "the evaluators after it are asked"
    assert half.faults == {"evaluator": Fault(type="TimeoutError", message="the evaluator gave no answer within 1 s")}
    assert sorted(cancelled) == ["evaluator", "function"]
    assert run.complete


def test_a_coroutine_that_blocks_the_loop_gets_another_loop_for_the_rest(
    tmp_path: Path, release: threading.Event
) -> None:
    async def block(inputs: Any) -> Any:
        if inputs["q"] == 0:
            release.wait()
        return inputs["q"]

    run = execute(tmp_path, block, range(4), exact, max_workers=1, timeout=SHORT)
    assert outputs(run) == [Fault(type="TimeoutError", message="the function gave no answer within 1 s"), 1, 2, 3]
    assert run.complete


# --- when it cannot go on --------------------------------------------------------------------------------------------


def test_a_full_disk_raises_in_the_caller(tmp_path: Path) -> None:
    with room_for(50), pytest.raises(OSError, match="File too large"):
        run_experiment(experiment(tmp_path, answer), out=tmp_path / "run.jsonl")


def test_a_disk_that_fills_up_ends_the_run_and_resume_finishes_it(tmp_path: Path) -> None:
    calls: list[int] = []

    def long_answer(inputs: Any) -> Any:
        calls.append(inputs["q"])
        return "x" * 300_000  # more than a span keeps of it: the run file is the first to be full

    whole = experiment(tmp_path, long_answer, range(20), max_workers=4)
    out = tmp_path / "run.jsonl"
    with room_for(3_015_000), pytest.raises(OSError, match="File too large"):
        run_experiment(whole, out=out)
    for thread in ours():  # what was being done is done, and kept by nobody
        thread.join(60)
    run = read_run(out)
    kept = [outcome.index for outcome in run.outcomes]
    assert run.status is None
    assert 5 < len(kept) < 15

    calls.clear()
    run = run_experiment(whole, out=out, resume=True)
    assert sorted(calls) == sorted(set(range(20)) - set(kept))
    assert (run.complete, run.finished) == (True, 20)


def test_a_signal_ends_the_run_as_cancelled_and_keeps_what_was_finished(
    tmp_path: Path, release: threading.Event
) -> None:
    def hang(inputs: Any) -> Any:
        if inputs["q"] == 1:
            release.wait()
        return inputs["q"]

    def interrupt(progress: Progress) -> None:
        if progress.done == 1 and not release.is_set():
            release.set()
            raise Cancelled("stopped by SIGTERM", signal_number=15)

    with pytest.raises(Cancelled):
        run_experiment(
            experiment(tmp_path, hang, range(2), max_workers=1), out=tmp_path / "run.jsonl", observer=interrupt
        )
    run = read_run(tmp_path / "run.jsonl")
    assert run.status == "cancelled"
    assert outputs(run)[:1] == [0]
    assert not run.complete


def test_a_coroutine_that_a_signal_cancels_has_no_outcome_and_resume_runs_it(tmp_path: Path) -> None:
    begun = threading.Event()
    patient = threading.Event()

    async def wait(inputs: Any) -> Any:
        if inputs["q"] == 1 and not patient.is_set():
            begun.set()
            await asyncio.Event().wait()
        return inputs["q"]

    def interrupt(progress: Progress) -> None:
        if progress.done == 1 and begun.is_set():
            raise Cancelled("stopped by SIGTERM", signal_number=15)

    whole, out = experiment(tmp_path, wait, range(2), max_workers=2), tmp_path / "run.jsonl"
    with pytest.raises(Cancelled):
        run_experiment(whole, out=out, observer=interrupt)
    for thread in ours():
        thread.join(LONG)
    run = read_run(out)
    assert (outputs(run), run.finished, run.status) == ([0], 1, "cancelled")
    patient.set()
    assert outputs(run_experiment(whole, out=out, resume=True)) == [0, 1]


def test_an_observer_that_raises_ends_the_run_as_failed(tmp_path: Path, release: threading.Event) -> None:
    def complain(progress: Progress) -> None:
        raise ValueError("cannot draw")

    with pytest.raises(ValueError, match="cannot draw"):
        run_experiment(
            experiment(tmp_path, lambda inputs: release.wait()), out=tmp_path / "run.jsonl", observer=complain
        )
    assert read_run(tmp_path / "run.jsonl").status == "failed"


@pytest.mark.parametrize("resume", [False, True])
def test_what_cannot_be_called_is_refused_before_a_file_is_touched(tmp_path: Path, resume: bool) -> None:
    execute(tmp_path, answer)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserCodeError, match="app:three asks for more than there is"):
        run_experiment(
            experiment(tmp_path, lambda a, b, c: 0, function_name="app:three"),
            out=tmp_path / "run.jsonl",
            resume=resume,
        )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_evaluators_have_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match="two evaluators are called 'exact'"):
        experiment(tmp_path, answer, range(1), exact, to_evaluator(exact_later, "exact"))


@pytest.mark.parametrize("name", ["latency_ms", "errors"])
def test_the_built_in_metrics_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserCodeError, match=f"may not be called '{name}'"):
        experiment(tmp_path, answer, range(1), to_evaluator(exact, name))


# --- each datapoint by itself ----------------------------------------------------------------------------------------

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="untouched")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_one_datapoint_sets_in_its_context_the_next_does_not_see(tmp_path: Path, asynchronous: bool) -> None:
    def look_and_set(inputs: Any) -> str:
        seen = variable.get()
        variable.set(f"of {inputs['q']}")
        return seen

    async def look_and_set_later(inputs: Any) -> str:
        return look_and_set(inputs)

    variable.set("the caller's")
    try:
        run = execute(
            tmp_path,
            look_and_set_later if asynchronous else look_and_set,
            range(5),
            to_evaluator(lambda outputs, inputs: variable.get() == f"of {inputs['q']}", "seen"),
            max_workers=1,
        )
    finally:
        variable.set("untouched")
    assert outputs(run) == ["the caller's"] * 5
    if not asynchronous:
        assert [outcome.scores for outcome in in_order(run) if isinstance(outcome, Scored)] == [{"seen": True}] * 5


@pytest.mark.parametrize("asynchronous", [False, True])
def test_every_datapoint_has_a_tracer_and_a_session_of_its_own(tmp_path: Path, asynchronous: bool) -> None:
    tracers: dict[int, HoneyHiveTracer] = {}

    def trace(inputs: Any, tracer: HoneyHiveTracer) -> Any:
        tracers[inputs["q"]] = tracer
        with tracer.span("own"):
            return current_tracer() is tracer

    async def trace_later(inputs: Any, tracer: HoneyHiveTracer) -> Any:
        return await asyncio.to_thread(trace, inputs, tracer)

    def same(outputs: Any, inputs: Any, tracer: HoneyHiveTracer) -> bool:
        return tracer is tracers[inputs["q"]] is current_tracer()

    run = execute(tmp_path, trace_later if asynchronous else trace, range(20), same, function_name="app:trace")
    assert outputs(run) == [True] * 20
    assert all(isinstance(outcome, Scored) and outcome.scores == {"same": True} for outcome in run.outcomes)
    assert len({outcome.session_id for outcome in run.outcomes}) == 20
    for outcome in run.outcomes:
        tracer = tracers[outcome.index]
        assert tracer.session_id == outcome.session_id
        assert tracer.metadata == {
            "run_id": run.run_id,
            "dataset_id": run.dataset_id,
            "datapoint_id": outcome.datapoint_id,
            "source": "evaluation",
        }
        (line,) = SpanIndex(tmp_path / "run.jsonl").lines(outcome.session_id)
        (resource,) = json.loads(line)["resourceSpans"]
        own, root = resource["scopeSpans"][0]["spans"]
        assert (own["name"], root["name"], root["parentSpanId"]) == ("own", "app:trace", None)
        assert own["parentSpanId"] == root["spanId"]
    assert current_tracer() is None


# --- resume ----------------------------------------------------------------------------------------------------------


class Flaky:
    """Fails for what is in `broken`, and notes what it is asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.broken: set[int] = set()

    def function(self) -> Callable[[Any], Any]:
        calls, broken = self.calls.append, self.broken.__contains__

        def flaky(inputs: Any) -> Any:
            calls(inputs["q"])
            if broken(inputs["q"]):
                raise ValueError("broken")
            return inputs["q"]

        return flaky


def test_resume_runs_only_what_is_missing(tmp_path: Path) -> None:
    flaky, out = Flaky(), tmp_path / "run.jsonl"
    flaky.broken = {1}
    whole = experiment(tmp_path, flaky.function(), range(6), exact, max_workers=1, repeats=2)
    first = run_experiment(whole, out=out)
    text = out.read_text("utf-8").splitlines(keepends=True)
    out.write_text("".join(text[:9]) + text[9][:50], encoding="utf-8")  # killed in the middle of the ninth outcome
    flaky.calls.clear()

    seen: list[Progress] = []
    second = run_experiment(whole, out=out, resume=True, observer=seen.append)
    assert flaky.calls == [2, 3, 4, 5]
    assert second.complete
    assert second.run_id == first.run_id
    assert outputs(second) == outputs(first)
    assert (seen[-1].resumed, seen[-1].done, seen[-1].total) == (8, 12, 12)
    assert not (tmp_path / "run.jsonl.previous").exists()


def test_resume_of_a_whole_run_calls_nothing(tmp_path: Path) -> None:
    flaky = Flaky()
    whole = experiment(tmp_path, flaky.function(), range(3), exact)
    first = run_experiment(whole, out=tmp_path / "run.jsonl")
    flaky.calls.clear()
    second = run_experiment(whole, out=tmp_path / "run.jsonl", resume=True)
    assert flaky.calls == []
    assert list(second.outcomes) == list(first.outcomes)
    assert second.complete


def test_resume_with_retried_errors_runs_the_failed_ones_again(tmp_path: Path) -> None:
    flaky = Flaky()
    flaky.broken.update({1, 2})
    whole = experiment(tmp_path, flaky.function(), range(4), max_workers=1)
    run_experiment(whole, out=tmp_path / "run.jsonl")
    flaky.broken.clear()
    flaky.calls.clear()
    run = run_experiment(whole, out=tmp_path / "run.jsonl", resume=True, retry_errors=True)
    assert flaky.calls == [1, 2]
    assert outputs(run) == [0, 1, 2, 3]


def test_what_is_resumed_belongs_to_the_run_that_began(tmp_path: Path) -> None:
    whole = experiment(tmp_path, lambda inputs, tracer: tracer.metadata["run_id"], range(2))
    out = tmp_path / "run.jsonl"
    first = run_experiment(whole, out=out)
    out.write_text("".join(out.read_text("utf-8").splitlines(keepends=True)[:2]), encoding="utf-8")
    assert outputs(run_experiment(whole, out=out, resume=True)) == [first.run_id] * 2


def test_resume_without_a_file_begins(tmp_path: Path) -> None:
    whole = experiment(tmp_path, answer)
    assert outputs(run_experiment(whole, out=tmp_path / "new" / "run.jsonl", resume=True)) == [0, 1, 2]


def test_resume_refuses_a_changed_function_dataset_or_evaluator(tmp_path: Path) -> None:
    execute(tmp_path, answer, range(3), exact)
    for changed, what in [
        (
            experiment(tmp_path, lambda inputs: inputs["q"], range(3), exact, function_name="answer"),
            "function's source",
        ),
        (experiment(tmp_path, answer_later, range(3), exact), "function and the function's source"),
        (experiment(tmp_path, answer, range(4), exact), "dataset"),
        (experiment(tmp_path, answer, range(3), exact_later_named("exact")), "evaluators"),
        (experiment(tmp_path, answer, range(3), exact, repeats=2), "repeats"),
    ]:
        with pytest.raises(InputError, match=f"cannot resume: the {what} changed"):
            run_experiment(changed, out=tmp_path / "run.jsonl", resume=True)


def test_a_run_without_resume_sets_the_one_before_aside(tmp_path: Path) -> None:
    first = execute(tmp_path, answer)
    second = execute(tmp_path, answer)
    assert read_run(tmp_path / "run.jsonl.previous").run_id == first.run_id != second.run_id


# --- progress --------------------------------------------------------------------------------------------------------


def test_the_observer_hears_of_the_run_on_the_thread_that_called(tmp_path: Path) -> None:
    heard = threading.Event()
    seen: list[Progress] = []

    def observe(progress: Progress) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append(progress)
        heard.set()

    def wait(inputs: Any) -> Any:
        within(heard)
        if inputs["q"] == 3:
            raise ValueError("broken")
        return inputs["q"]

    def score(outputs: Any) -> Any:
        return 1 / outputs

    run_experiment(
        experiment(tmp_path, wait, range(4), score, max_workers=1), out=tmp_path / "run.jsonl", observer=observe
    )
    assert seen[0].done == 0
    last = seen[-1]
    assert (last.total, last.done, last.errors, last.resumed) == (4, 4, 2, 0)
    assert last.last_error == "line 4 (EXT-3): ValueError: broken"
    for field in ("done", "errors", "elapsed"):
        values = [getattr(progress, field) for progress in seen]
        assert values == sorted(values)


def test_an_error_of_an_evaluator_is_told_with_its_metric(tmp_path: Path) -> None:
    seen: list[Progress] = []
    rows = Dataset.of([{"id": "x", "inputs": {"q": 0}}])
    score = to_evaluator(lambda outputs: 1 / outputs, "score")
    run_experiment(
        Experiment(name="qa", function=answer, dataset=rows, evaluators=(score,)),
        out=tmp_path / "run.jsonl",
        observer=seen.append,
    )
    assert (seen[-1].errors, seen[-1].last_error) == (1, "EXT-x: score: ZeroDivisionError: division by zero")


def test_what_was_finished_reaches_a_compressed_file_while_the_run_goes_on(tmp_path: Path) -> None:
    out, flushed = tmp_path / "run.jsonl.gz", threading.Event()

    def look(progress: Progress) -> None:
        if not flushed.is_set() and outputs(read_run(out)) == [0]:
            flushed.set()

    def wait(inputs: Any) -> Any:
        if inputs["q"] == 1:
            within(flushed)
        return inputs["q"]

    run = run_experiment(experiment(tmp_path, wait, range(2), max_workers=1), out=out, observer=look)
    assert outputs(run) == [0, 1]


# --- what the user's code is given, and its time ---------------------------------------------------------------------


def test_no_evaluator_changes_what_another_judges_by_nor_what_is_recorded(tmp_path: Path) -> None:
    def cheat(outputs: Any, ground_truth: Any) -> bool:
        outputs["answer"] = ground_truth["answer"]
        outputs["list"].append("spoilt")
        ground_truth["answer"] = "spoilt"
        return True

    def right(outputs: Any, ground_truth: Any) -> bool:
        return bool(outputs["answer"] == ground_truth["answer"])

    rows = [{"inputs": {}, "ground_truth": {"answer": "right"}}]
    whole = Experiment(
        name="spoilt",
        function=lambda inputs: {"answer": "wrong", "list": [1]},
        dataset=Dataset.of(rows),
        evaluators=(to_evaluator(cheat), to_evaluator(right)),
    )
    found = only(run_experiment(whole, out=tmp_path / "run.jsonl"))
    assert found.scores == {"cheat": True, "right": False}
    assert (found.output, found.ground_truth) == ({"answer": "wrong", "list": [1]}, {"answer": "right"})


def test_all_calls_of_the_evaluators_together_have_the_time_of_one(tmp_path: Path) -> None:
    calls: list[int] = []

    async def patient(outputs: Any) -> bool:
        calls.append(1)
        await asyncio.sleep(0.2)
        return True

    several = [to_evaluator(patient, f"patient{number}") for number in range(20)]
    found = only(execute(tmp_path, answer, [1], *several, timeout=0.5))
    assert len(calls) < 20
    assert {fault.type for fault in found.faults.values()} == {"TimeoutError"}
    assert len(found.faults) + len(found.scores) == 20


def test_an_answer_that_does_not_say_what_it_is_is_an_answer_or_a_fault_of_its_datapoint(tmp_path: Path) -> None:
    class Unbound:
        @property  # type: ignore[misc]  # that it is odd is the point
        def __class__(self) -> Any:
            raise RuntimeError("working outside of context")

    run = execute(tmp_path, lambda inputs: Unbound(), [1, 2])
    assert run.complete


def test_a_function_that_took_its_inputs_for_the_item_is_told_the_way_out(tmp_path: Path) -> None:
    def newer(dp: Any) -> Any:
        return dp["inputs"]["q"]

    (found,) = execute(tmp_path, newer, [1]).outcomes
    assert isinstance(found, Failed)
    assert "call its parameter `datapoint`" in found.fault.message
    assert "test_run.py:" in found.fault.where
    assert found.fault.where.endswith(" in newer")
    (line,) = SpanIndex(tmp_path / "run.jsonl").lines(found.session_id)
    assert b'return dp[\\"inputs\\"][\\"q\\"]' in line
