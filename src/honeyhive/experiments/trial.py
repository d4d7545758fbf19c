"""One datapoint, once: call the function, then the evaluators, and make an outcome of whatever happens."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeGuard

from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.experiments.attempts import attempt, timeout_fault, unusable
from honeyhive.experiments.calling import Arguments, Binding
from honeyhive.experiments.context import ExperimentContext
from honeyhive.experiments.dataset import Datapoint
from honeyhive.experiments.evaluators import Evaluator, Grade
from honeyhive.experiments.gradebook import Gradebook
from honeyhive.experiments.loop import EventLoop, OutOfTimeError
from honeyhive.experiments.rootspan import root_span
from honeyhive.result import BUILT_IN, Failed, Fault, Outcome, Scored
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
    tracer: HoneyHiveTracer | None = None
    grades: Gradebook = field(init=False)
    _until: float | None = None

    def __post_init__(self) -> None:
        """Open the book."""
        self.grades = Gradebook(self.procedure.names)

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
        graded = self.grades.graded()
        late = [evaluator.name for evaluator in self.procedure.evaluators if evaluator.name not in graded]
        self.settled = self._scored(dict.fromkeys(late, timeout_fault("the evaluator", timeout)))

    def outcome(self) -> Outcome:
        """What became of the datapoint."""
        if self.settled is not None:
            return self.settled
        if self.fault is not None:
            return Failed(fault=self.fault, **self._facts())
        return self._scored()

    def close(self, late: Callable[[ReadableSpan], None]) -> Sequence[ReadableSpan]:
        """End the session; its spans. Those that end later, on threads that the user left behind, go to `late`."""
        return () if self.tracer is None else self.tracer.close(late)

    def again(self) -> Trial:
        """The retry of this one: from the beginning, in a time and a session of its own."""
        return Trial(datapoint=self.datapoint, repeat=self.repeat, procedure=self.procedure, is_retry=True)

    def _scored(self, faults: Mapping[str, Fault] | None = None) -> Scored:
        return Scored(output=self.answer, **self.grades.told(faults), **self._facts())

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
            self._answer({**given, "tracer": tracer})
            root.answered(self.answer, self.fault)
            if self.fault is None and self.settled is None:
                self.grades.measure(usage(tracer.spans))  # before the evaluators, whose models the answer has not cost
                self._evaluate({**given, "tracer": tracer, "outputs": self.answer})
            told = self.grades.told()
            root.graded(told["scores"], told["notes"])

    def _answer(self, arguments: Arguments) -> None:
        self._start_clock()
        function = self.procedure.function
        given = _copied(arguments, function.sources)
        started = time.perf_counter()
        answer = self._call(lambda: function(given), "the function")
        self.duration_ms = round((time.perf_counter() - started) * 1_000, 3)
        if self.deadline is not None and time.monotonic() > self.deadline:
            answer = timeout_fault("the function", self.procedure.timeout or 0.0)
        if _is_fault(answer):
            self.fault = _with_hint(answer, function)
        else:
            self.answer, self.fault = answer, unusable(answer)
        self.answered = True

    def _evaluate(self, arguments: Arguments) -> None:
        self._start_clock()
        for evaluator in self.procedure.evaluators:
            grades = self._graded(evaluator, arguments)
            if self.settled is not None:  # too late, and so would be the rest
                return
            self.grades.grade(evaluator.name, grades)

    def _graded(self, evaluator: Evaluator, arguments: Arguments) -> Mapping[str, Grade | Fault] | Fault:
        """What the evaluator's calls come to; one that fails is the fault of them all."""
        values = []
        for _ in range(evaluator.settings.repeat):
            given = _copied(arguments, evaluator.binding.sources)
            value = self._call(lambda given=given: evaluator.binding(given), "the evaluator")  # type: ignore[misc]  # mypy infers no lambda with a default
            if _is_fault(value):
                return value
            values.append(value)
        return attempt(lambda: evaluator.conclude(values, self.datapoint.ground_truth))  # it asks the user's objects

    def _call(self, call: Callable[[], Any], what: str) -> Any:
        """The value of the user's callable, of what it awaits where it is asynchronous, or the fault."""
        exits, timeout = self.procedure.exits, self.procedure.timeout
        value = attempt(call, exits=exits)
        if attempt(lambda: inspect.isawaitable(value)) is not True:  # it asks the user's object what it is
            return value
        awaitable: Any = value
        left = None
        if self._until is not None:
            self.deadline = self._until + _LOOP_GRACE
            left = max(0.0, self._until - time.monotonic())
        found = attempt(lambda: self.procedure.loop.run(awaitable, left), exits=exits)
        late = _is_fault(found) and found.type == OutOfTimeError.__name__
        return timeout_fault(what, timeout or 0.0) if late else found

    def _start_clock(self) -> None:
        if self.procedure.timeout is not None:
            self._until = self.deadline = time.monotonic() + self.procedure.timeout


def _is_fault(value: Any) -> TypeGuard[Fault]:
    """`isinstance` would ask the user's object what it is."""
    return type(value) is Fault


def _with_hint(fault: Fault, function: Binding) -> Fault:
    """The fault, and the way out where the function took its inputs for the whole item."""
    if function.positional != ("inputs",) or fault.type != "KeyError" or fault.message.strip("'") not in _ITEM:
        return fault
    hint = "it was given the inputs alone: call its parameter `datapoint` to get the whole item"
    return replace(fault, message=f"{fault.message} ({hint})")


_ITEM = ("inputs", "ground_truth", "ground_truths")


def _copied(given: Arguments, asked: Collection[str]) -> dict[str, Any]:
    """A copy of what is asked for: what the user's code does to it is not what is judged by, nor what is recorded.

    The thing itself where it is one that cannot be copied; and the tracer, which is there to be used.
    """
    wanted = {name: value for name, value in given.items() if name in asked}
    copied = attempt(lambda: {name: _COPIES.get(name, _copy)(value) for name, value in wanted.items()})
    return wanted if isinstance(copied, Fault) else copied


def _copy(value: Any, depth: int = _DEEP, others: Callable[[Any], Any] = copy.deepcopy) -> Any:
    """A deep copy. What JSON is made of is copied here: `deepcopy` would take five times as long to see that it is."""
    kind = type(value)
    if kind in _UNCHANGING:
        return value
    if depth and kind is dict:
        return {key: _copy(item, depth - 1, others) for key, item in value.items()}
    if depth and kind is list:
        return [_copy(item, depth - 1, others) for item in value]
    return others(value)


def _itself(value: Any) -> Any:
    return value


def _copy_of_output(value: Any) -> Any:
    """An output may hold what nobody should copy, such as a client or a stream: these stay what they are."""
    return _copy(value, others=_itself)


_COPIES: Mapping[str, Callable[[Any], Any]] = {"tracer": _itself, "outputs": _copy_of_output}
