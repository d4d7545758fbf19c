"""One datapoint, once: call the function, then the evaluators, and make an outcome of whatever happens."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from honeyhive.experiments.attempts import attempt, timeout_fault, unusable
from honeyhive.experiments.calling import Arguments, Binding
from honeyhive.experiments.context import ExperimentContext
from honeyhive.experiments.dataset import Datapoint
from honeyhive.experiments.evaluators import Evaluator, Grade, to_grade
from honeyhive.experiments.loop import EventLoop, OutOfTimeError
from honeyhive.result import Failed, Fault, Outcome, Score, Scored
from honeyhive.tracer import HoneyHiveTracer

_LOOP_GRACE = 5.0
"""Coroutines are cancelled in time by who waits for them; the thread is given up only this much later."""


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """What is done with every datapoint of a run."""

    function: Binding
    function_name: str
    evaluators: tuple[Evaluator, ...]
    context: ExperimentContext
    timeout: float | None
    loop: EventLoop
    variables: Context


@dataclass(kw_only=True, eq=False)
class Trial:
    """The work on one datapoint, readable at any moment: what is not done when time runs out is an error."""

    datapoint: Datapoint
    repeat: int
    procedure: Procedure
    is_retry: bool = False
    deadline: float | None = None
    session_id: str | None = None
    duration_ms: float | None = None
    answer: Any = None
    fault: Fault | None = None
    answered: bool = False
    settled: Outcome | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)

    def do(self) -> None:
        """Run the function and the evaluators in a context and a session of their own."""
        self.procedure.variables.copy().run(self._do)

    def abandon(self) -> None:
        """Put down as errors what has not come in time."""
        timeout = self.procedure.timeout or 0.0
        if not self.answered:
            self.settled = Failed(fault=timeout_fault("the function", timeout), **self._facts())
            return
        if self.fault is not None:
            self.settled = Failed(fault=self.fault, **self._facts())
            return
        scores, faults = dict(self.scores), dict(self.faults)
        for evaluator in self.procedure.evaluators:
            if evaluator.name not in scores and evaluator.name not in faults:
                faults[evaluator.name] = timeout_fault("the evaluator", timeout)
        self.settled = Scored(output=self.answer, scores=scores, notes=dict(self.notes), faults=faults, **self._facts())

    def outcome(self) -> Outcome:
        """What became of the datapoint."""
        if self.settled is not None:
            return self.settled
        if self.fault is not None:
            return Failed(fault=self.fault, **self._facts())
        return Scored(output=self.answer, scores=self.scores, notes=self.notes, faults=self.faults, **self._facts())

    def again(self) -> Trial:
        """The retry of this one: from the beginning, in a time and a session of its own."""
        return Trial(datapoint=self.datapoint, repeat=self.repeat, procedure=self.procedure, is_retry=True)

    def _facts(self) -> dict[str, Any]:
        datapoint = self.datapoint
        return {
            "index": datapoint.index,
            "repeat": self.repeat,
            "datapoint_id": datapoint.id,
            "content_hash": datapoint.content_hash,
            "line": datapoint.line,
            "inputs": datapoint.inputs,
            "ground_truth": datapoint.ground_truth,
            "tags": datapoint.tags,
            "metadata": datapoint.metadata,
            "duration_ms": self.duration_ms,
            "session_id": self.session_id,
        }

    def _do(self) -> None:
        tracer = HoneyHiveTracer(**self.procedure.context.to_tracer_config(self.datapoint.id))
        self.session_id = tracer.session_id
        with tracer.active():
            datapoint = self.datapoint
            given = {"inputs": datapoint.inputs, "ground_truth": datapoint.ground_truth, "datapoint": datapoint.row}
            # Each gets a copy: what the user's code does to its inputs is not what is judged by, nor what is recorded.
            with tracer.span(self.procedure.function_name):
                self._answer({**_copied(given), "tracer": tracer})
            if self.fault is None and self.settled is None:
                self._evaluate({**_copied(given), "tracer": tracer, "outputs": self.answer})

    def _answer(self, arguments: Arguments) -> None:
        self._start_clock()
        started = time.perf_counter()
        answer = self._call(lambda: self.procedure.function(arguments), "the function")
        self.duration_ms = round((time.perf_counter() - started) * 1_000, 3)
        if self.deadline is not None and time.monotonic() > self.deadline:
            answer = timeout_fault("the function", self.procedure.timeout or 0.0)
        if isinstance(answer, Fault):
            self.fault = answer
        else:
            self.answer, self.fault = answer, unusable(answer)
        self.answered = True

    def _evaluate(self, arguments: Mapping[str, Any]) -> None:
        self._start_clock()
        for evaluator in self.procedure.evaluators:
            grade = self._grade(evaluator, arguments)
            if self.settled is not None:  # too late, and so would be the rest
                return
            if isinstance(grade, Fault):
                self.faults[evaluator.name] = grade
                continue
            self.scores[evaluator.name] = grade.score
            if grade.note is not None:
                self.notes[evaluator.name] = grade.note

    def _grade(self, evaluator: Evaluator, arguments: Arguments) -> Grade | Fault:
        value = self._call(lambda: evaluator.binding(arguments), "the evaluator")
        return value if isinstance(value, Fault) else attempt(lambda: to_grade(value))  # it asks the user's object

    def _call(self, call: Callable[[], Any], what: str) -> Any:
        """The value of the user's callable, of what it awaits where it is asynchronous, or the fault."""
        value = attempt(call)
        if not inspect.isawaitable(value):
            return value
        timeout = self.procedure.timeout
        if self.deadline is not None:
            self.deadline += _LOOP_GRACE
        found = attempt(lambda: self.procedure.loop.run(value, timeout))
        late = isinstance(found, Fault) and found.type == OutOfTimeError.__name__
        return timeout_fault(what, timeout or 0.0) if late else found

    def _start_clock(self) -> None:
        if self.procedure.timeout is not None:
            self.deadline = time.monotonic() + self.procedure.timeout


def _copied(given: dict[str, Any]) -> dict[str, Any]:
    """A copy to do with as one likes; the thing itself where it is one that cannot be copied."""
    copied = attempt(lambda: copy.deepcopy(given))
    return given if isinstance(copied, Fault) else copied
