"""Whatever the user gives as an evaluator, ready to be asked; and asked outside of a run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from honeyhive.errors import ArgumentError, UserCodeError
from honeyhive.experiments.attempts import attempt
from honeyhive.experiments.calling import Arguments, Binding, bind_evaluator
from honeyhive.experiments.evaluators.decorators import DecoratedEvaluator
from honeyhive.experiments.evaluators.fingerprints import callable_name, fingerprint
from honeyhive.experiments.evaluators.grades import Grade, to_grades
from honeyhive.experiments.evaluators.registry import registered
from honeyhive.experiments.evaluators.settings import Settings
from honeyhive.experiments.loop import EventLoop
from honeyhive.result import EvaluatorRef, Fault


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """A callable with the name of the metric that it gives, called `settings.repeat` times."""

    name: str
    fingerprint: str
    binding: Binding
    settings: Settings = field(default_factory=Settings)

    @property
    def ref(self) -> EvaluatorRef:
        """What a run file says of it."""
        return EvaluatorRef(name=self.name, fingerprint=self.fingerprint)

    def conclude(self, values: Sequence[Any], ground_truth: Any) -> Mapping[str, Grade | Fault]:
        """The metrics that the values of its calls come to, each a grade or its fault.

        Raises whatever the user's own code in the settings raises.
        """
        settled = self.settings.settle(values)
        grades = to_grades(self.name, settled, ground_truth)
        if self.settings.weight is None and not self.settings.asserts:
            return grades
        own = grades if isinstance(settled.value, Mapping) else {self.name: grades[self.name]}
        return {**grades, **{metric: self.settings.weighed(grade) for metric, grade in own.items()}}


def to_evaluator(function: Callable[..., Any] | str, name: str | None = None) -> Evaluator:
    """The evaluator that a callable, a decorated one or the name of one is, under its own name unless one is given."""
    found: Any = registered(function) if isinstance(function, str) else function
    if not callable(found):
        raise ArgumentError(
            f"an evaluator is a callable or the name of one, not a {type(found).__name__}",
            hint="give the function itself, as in evaluators=[exact_match]",
        )
    decorated = _decorated(found)
    known = name or (decorated.name if decorated else callable_name(found))
    try:
        print_ = fingerprint(found)
    except RecursionError as error:
        raise UserCodeError(f"evaluator {known!r} calls itself, by the names in its settings") from error
    return Evaluator(
        name=known,
        fingerprint=print_,
        binding=bind_evaluator(decorated.function if decorated else found, known),
        settings=decorated.settings if decorated else Settings(),
    )


def _decorated(function: Any) -> DecoratedEvaluator | None:
    """The decorated evaluator that a callable is, or that it is a partial or a method of."""
    if isinstance(function, DecoratedEvaluator):
        return function
    if isinstance(function, functools.partial) and (inner := _decorated(function.func)) is not None:
        return inner.of(functools.partial(inner.function, *function.args, **function.keywords))
    if inspect.ismethod(function) and isinstance(function.__func__, DecoratedEvaluator):
        return function.__func__.of(functools.partial(function.__func__.function, function.__self__))
    return None


def run_evaluators(
    evaluators: Sequence[Callable[..., Any] | str], inputs: Any, outputs: Any, ground_truth: Any = None
) -> list[dict[str, Any]]:
    """Score one output: `{"name", "score", "explanation", "error"}` for each metric.

    An evaluator that fails gives an entry with an `error` and no score. Asynchronous ones are awaited, also where
    a loop is running already: on a thread of their own, while this one waits.
    """
    given = {
        "inputs": inputs,
        "outputs": outputs,
        "ground_truth": ground_truth,
        "datapoint": {"inputs": inputs, "ground_truth": ground_truth},
        "tracer": _tracer(),
    }
    prepared = [to_evaluator(one) for one in evaluators]
    loop = EventLoop(threads=4)
    try:
        return [entry for one in prepared for entry in _entries(one, given, loop)]
    finally:
        loop.close()


def _entries(evaluator: Evaluator, given: Arguments, loop: EventLoop) -> Iterator[dict[str, Any]]:
    found = attempt(lambda: _judge(evaluator, given, loop))
    for name, grade in ({evaluator.name: found} if isinstance(found, Fault) else found).items():
        if isinstance(grade, Fault):
            yield {"name": name, "score": None, "explanation": None, "error": str(grade)}
        else:
            yield {"name": name, "score": grade.score, "explanation": grade.note, "error": None}


def _judge(evaluator: Evaluator, given: Arguments, loop: EventLoop) -> Mapping[str, Grade | Fault]:
    values = []
    for _ in range(evaluator.settings.repeat):
        value = evaluator.binding(given)
        values.append(loop.run(value, None) if inspect.isawaitable(value) else value)
    return evaluator.conclude(values, given["ground_truth"])


def _tracer() -> Any:
    from honeyhive.tracer import current_tracer  # noqa: PLC0415 - it imports OpenTelemetry, which few evaluators need

    return current_tracer()
