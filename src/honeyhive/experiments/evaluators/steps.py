"""The steps that settings add to an evaluator: a callable, an expression, or the name of a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from honeyhive.documents import shown
from honeyhive.errors import ArgumentError
from honeyhive.experiments.evaluators.expressions import (
    evaluator_named,
    function_named,
    function_named_now,
    read_expression,
)
from honeyhive.experiments.evaluators.fingerprints import describe

VARIABLES: Mapping[str, tuple[str, ...]] = {
    "transform": ("value", "result"),
    "aggregate": ("values", "results"),
    "checker": ("value", "target", "result"),
}
"""What an expression may use, by setting; a callable is given the first of them, a checker the target too."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One such setting: as it is written, and as it is called with the values of its variables."""

    written: str | Callable[..., Any]
    call: Callable[[Mapping[str, Any]], Any]
    names: tuple[str, ...] = ()

    def __call__(self, **values: Any) -> Any:
        """What it makes of these values."""
        made = self.call(values)
        if inspect.isawaitable(made):
            if inspect.iscoroutine(made):
                made.close()
            raise TypeError("a setting gave an awaitable: settings are not awaited")
        return made

    def described(self) -> Any:
        """What a fingerprint knows of it: what it does, and what the evaluators do that it calls by name."""
        if callable(self.written):
            return describe(self.written)
        called = {name: evaluator.described() for name in self.names if (evaluator := evaluator_named(name))}
        return {"expression": self.written, "calls": called} if called else self.written


def read_step(setting: str, written: Any) -> Step:
    """The step that a setting is; `ArgumentError` where it is neither a callable nor an expression."""
    if isinstance(written, str):
        return _of_text(setting, written)
    if not callable(written):
        raise ArgumentError(
            f"it is a {type(written).__name__}", hint='give a function, or an expression such as "value > 0.5"'
        )
    if inspect.iscoroutinefunction(written) or getattr(written, "asynchronous", False):
        raise ArgumentError("it is asynchronous, and settings are not awaited", hint="await inside of the evaluator")
    return Step(written=written, call=_of_callable(setting, written))


def _of_text(setting: str, text: str) -> Step:
    name = function_named(text, VARIABLES[setting])
    if name is None:
        expression = read_expression(text, VARIABLES[setting])
        return Step(written=text, call=expression, names=tuple(sorted(expression.calls)))
    evaluator = evaluator_named(name)
    if evaluator is not None and evaluator.asynchronous:
        raise ArgumentError(f"{shown(name)} is asynchronous, and settings are not awaited", hint="use `wraps`")

    def call(values: Mapping[str, Any]) -> Any:
        return _of_callable(setting, function_named_now(name))(values)  # it may have been defined anew since

    return Step(written=text, call=call, names=(name,))


def _of_callable(setting: str, function: Callable[..., Any]) -> Callable[[Mapping[str, Any]], Any]:
    first = VARIABLES[setting][0]
    if setting == "checker" and _takes_target(function):
        return lambda values: function(values[first], values["target"])
    return lambda values: function(values[first])


def _takes_target(function: Callable[..., Any]) -> bool:
    """Whether it asks for two values, or for the target by its name."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin that does not tell
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    by_position = [parameter for parameter in parameters if parameter.kind in kinds]
    required = [parameter for parameter in by_position if parameter.default is inspect.Parameter.empty]
    return len(required) > 1 or (len(by_position) > 1 and by_position[1].name == "target")
