"""One datapoint, once: call the function, then the evaluators, and make an outcome of whatever happens."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.experiments.attempts import attempt, timeout_fault, unusable
from honeyhive.experiments.calling import Arguments, Binding
from honeyhive.experiments.context import ExperimentContext
from honeyhive.experiments.dataset import Datapoint
from honeyhive.experiments.evaluators import Evaluator, Grade
from honeyhive.experiments.loop import EventLoop, OutOfTimeError
from honeyhive.experiments.rootspan import root_span
from honeyhive.result import BUILT_IN, Failed, Fault, Outcome, Score, Scored
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.usage import usage

_LOOP_GRACE = 5.0
"""Coroutines are cancelled in time by who waits for them; the thread is given up only this much later."""

_UNCHANGING = frozenset((str, int, float, bool, type(None)))
_DEEP = 20
"""What is nested deeper, or within itself, is left to `deepcopy`."""

Tracing = Callable[..., HoneyHiveTracer]
"""Makes the tracer of a datapoint from the configuration that `ExperimentContext.to_tracer_config()` gives."""


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
    tracing: Tracing = HoneyHiveTracer
    exits: bool = False
    """Whether `SystemExit` in the user's code ends the run; else it is the datapoint's error."""

    @cached_property
    def for_the_function(self) -> frozenset[str]:
        """What the function asks for."""
        return self.function.sources

    @cached_property
    def for_the_evaluators(self) -> frozenset[str]:
        """What any of the evaluators asks for."""
        return frozenset().union(*(evaluator.binding.sources for evaluator in self.evaluators))

    @cached_property
    def names(self) -> frozenset[str]:
        """The metrics that have an owner before the first evaluator has said anything."""
        return frozenset((*BUILT_IN, *(evaluator.name for evaluator in self.evaluators)))


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
    sources: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    evaluated: set[str] = field(default_factory=set)
    tracer: HoneyHiveTracer | None = None

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
        faults = dict(self.faults)
        for evaluator in self.procedure.evaluators:
            if evaluator.name not in self.evaluated:
                faults[evaluator.name] = timeout_fault("the evaluator", timeout)
        self.settled = self._scored(faults)

    def outcome(self) -> Outcome:
        """What became of the datapoint."""
        if self.settled is not None:
            return self.settled
        if self.fault is not None:
            return Failed(fault=self.fault, **self._facts())
        return self._scored(self.faults)

    def close(self, late: Callable[[ReadableSpan], None]) -> Sequence[ReadableSpan]:
        """End the session; its spans. Those that end later, on threads that the user left behind, go to `late`."""
        return () if self.tracer is None else self.tracer.close(late)

    def again(self) -> Trial:
        """The retry of this one: from the beginning, in a time and a session of its own."""
        return Trial(datapoint=self.datapoint, repeat=self.repeat, procedure=self.procedure, is_retry=True)

    def _scored(self, faults: Mapping[str, Fault]) -> Scored:
        return Scored(
            output=self.answer,
            scores=dict(self.scores),
            sources=dict(self.sources),
            notes=dict(self.notes),
            faults=dict(faults),
            **self._facts(),
        )

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
            "enrichment": {} if self.tracer is None else self.tracer.enrichment,
        }

    def _do(self) -> None:
        if self.datapoint.fault is not None:  # there is nothing to call the function with
            self.fault, self.answered = self.datapoint.fault, True
            return
        tracer = self.tracer = self.procedure.tracing(**self.procedure.context.to_tracer_config(self.datapoint.id))
        self.session_id = tracer.session_id
        datapoint = self.datapoint
        given = {"inputs": datapoint.inputs, "ground_truth": datapoint.ground_truth, "datapoint": datapoint.row}
        with tracer.active(), root_span(tracer, self.procedure.function_name, given) as root:
            # Each gets a copy: what the user's code does to its inputs is not what is judged by, nor what is recorded.
            self._answer({**_copied(given, self.procedure.for_the_function), "tracer": tracer})
            root.answered(self.answer, self.fault)
            if self.fault is None and self.settled is None:
                self.scores |= usage(tracer.spans)  # before the evaluators, whose models cost the user's answer nothing
                copied = _copied(given, self.procedure.for_the_evaluators)
                self._evaluate({**copied, "tracer": tracer, "outputs": self.answer})
            root.graded(self.scores, self.notes)

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
            grades = self._grades(evaluator, arguments)
            if self.settled is not None:  # too late, and so would be the rest
                return
            for metric, grade in ({evaluator.name: grades} if isinstance(grades, Fault) else grades).items():
                self._take(evaluator, metric, grade)
            self.evaluated.add(evaluator.name)

    def _grades(self, evaluator: Evaluator, arguments: Arguments) -> Mapping[str, Grade | Fault] | Fault:
        """What the evaluator's calls come to; one that fails is the fault of them all."""
        values = []
        for _ in range(evaluator.settings.repeat):
            value = self._call(lambda: evaluator.binding(arguments), "the evaluator")
            if isinstance(value, Fault):
                return value
            values.append(value)
        return attempt(lambda: evaluator.conclude(values, self.datapoint.ground_truth))  # it asks the user's objects

    def _take(self, evaluator: Evaluator, metric: str, grade: Grade | Fault) -> None:
        if metric != evaluator.name:
            if self.sources.get(metric, evaluator.name) != evaluator.name or metric in self.procedure.names:
                message = f"gave a metric {metric!r}, which another evaluator gives, or the run itself"
                self.faults[evaluator.name] = Fault(type="ValueError", message=message)
                return
            self.sources[metric] = evaluator.name
        if isinstance(grade, Fault):
            self.faults[metric] = grade
            return
        self.scores[metric] = grade.score
        if grade.note is not None:
            self.notes[metric] = grade.note

    def _call(self, call: Callable[[], Any], what: str) -> Any:
        """The value of the user's callable, of what it awaits where it is asynchronous, or the fault."""
        exits = self.procedure.exits
        value = attempt(call, exits=exits)
        if not inspect.isawaitable(value):
            return value
        timeout = self.procedure.timeout
        if self.deadline is not None:
            self.deadline += _LOOP_GRACE
        found = attempt(lambda: self.procedure.loop.run(value, timeout), exits=exits)
        late = isinstance(found, Fault) and found.type == OutOfTimeError.__name__
        return timeout_fault(what, timeout or 0.0) if late else found

    def _start_clock(self) -> None:
        if self.procedure.timeout is not None:
            self.deadline = time.monotonic() + self.procedure.timeout


def _copied(given: dict[str, Any], asked: Collection[str]) -> dict[str, Any]:
    """A copy of what is asked for, to do with as one likes; the thing itself where it is one that cannot be copied."""
    copied = attempt(lambda: {name: _copy(value) for name, value in given.items() if name in asked})
    return given if isinstance(copied, Fault) else copied


def _copy(value: Any, depth: int = _DEEP) -> Any:
    """A deep copy. What JSON is made of is copied here: `deepcopy` would take five times as long to see that it is."""
    kind = type(value)
    if kind in _UNCHANGING:
        return value
    if depth and kind is dict:
        return {key: _copy(item, depth - 1) for key, item in value.items()}
    if depth and kind is list:
        return [_copy(item, depth - 1) for item in value]
    return copy.deepcopy(value)
