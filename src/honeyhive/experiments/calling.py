"""How the user's callables are called: decided once from the signature, never from the values."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter
from typing import Any

from honeyhive.errors import UserCodeError

Arguments = Mapping[str, Any]
"""All that can be handed to a callable, by source: `inputs`, `ground_truth`, `datapoint`, `outputs`, `tracer`."""

_WORDS = {
    "inputs": "inputs",
    "input": "inputs",
    "ground_truth": "ground_truth",
    "ground_truths": "ground_truth",
    "expected": "ground_truth",
    "datapoint": "datapoint",
    "item": "datapoint",
    "row": "datapoint",
    "example": "datapoint",
    "outputs": "outputs",
    "output": "outputs",
    "tracer": "tracer",
}
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A callable, and the sources of its arguments: by position, and by keyword."""

    function: Callable[..., Any]
    positional: tuple[str, ...]
    keywords: Mapping[str, str]

    @cached_property
    def sources(self) -> frozenset[str]:
        """All that it asks for."""
        return frozenset((*self.positional, *self.keywords.values()))

    def __call__(self, arguments: Arguments) -> Any:
        """Call it with what it asks for."""
        positional = [arguments[source] for source in self.positional]
        if not self.keywords:
            return self.function(*positional)
        return self.function(*positional, **{name: arguments[source] for name, source in self.keywords.items()})


def bind_function(function: Callable[..., Any], name: str) -> Binding:
    """Bind the function under test: `(inputs)`, `(inputs, ground_truth)`, `(datapoint)`, `tracer` by name."""
    return _bind(function, name, ("inputs", "ground_truth"))


def bind_evaluator(function: Callable[..., Any], name: str) -> Binding:
    """Bind an evaluator: `(outputs)`, `(outputs, inputs)`, `(outputs, inputs, ground_truth)`, or by name."""
    return _bind(function, name, ("outputs", "inputs", "ground_truth"))


def _bind(function: Callable[..., Any], name: str, order: tuple[str, ...]) -> Binding:
    try:
        parameters = _parameters(function)
    except (TypeError, ValueError):  # a builtin that does not tell: it takes the first thing
        return Binding(function=function, positional=order[:1], keywords={})
    sources = tuple(_positional_sources(parameters, name, order))
    if _takes_more(parameters):
        sources = (*sources, *(source for source in order if source not in sources))
    return Binding(function=function, positional=sources, keywords=dict(_keyword_sources(parameters, name, order)))


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    """What is left to fill: a partial's own keywords stand in its signature as well, and are the user's to give."""
    given = function.keywords if isinstance(function, functools.partial) else {}
    return [parameter for name, parameter in inspect.signature(function).parameters.items() if name not in given]


def _takes_more(parameters: list[Parameter]) -> bool:
    """Whether there is an `*args` that further values reach, with no parameter of another meaning before it."""
    optional = any(p.kind in _POSITIONAL and p.default is not Parameter.empty for p in parameters)
    return not optional and any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)


def _positional_sources(parameters: list[Parameter], name: str, order: tuple[str, ...]) -> Iterator[str]:
    """What a parameter is called decides where it is one of our words; else its place among the others does."""
    required = [p for p in parameters if p.kind in _POSITIONAL and p.default is Parameter.empty]
    named = {_WORDS[p.name] for p in required if p.name in _WORDS and _offered(p.name, order)}
    rest = iter([source for source in order if source not in named])
    for parameter in required:
        if _offered(parameter.name, order):
            yield _WORDS[parameter.name]
            continue
        source = next(rest, None)
        if source is None:
            raise UserCodeError(
                f"{name} asks for more than there is: no value for its parameter {parameter.name!r}",
                hint=f"take ({', '.join(order)}), or give the parameter a default",
            )
        yield source
    for parameter in parameters:
        if parameter.kind is Parameter.POSITIONAL_ONLY and parameter not in required:
            if not _offered(parameter.name, order):
                return  # the user's own, and what follows it cannot be reached
            yield _WORDS[parameter.name]


def _keyword_sources(parameters: list[Parameter], name: str, order: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Keyword-only parameters, and those with a default that are called by one of our words."""
    for parameter in parameters:
        optional = parameter.default is not Parameter.empty
        if parameter.kind is not Parameter.KEYWORD_ONLY and not (
            parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and optional
        ):
            continue
        if _offered(parameter.name, order):
            yield parameter.name, _WORDS[parameter.name]
        elif not optional:
            raise UserCodeError(
                f"{name} asks for a keyword that we do not have: {parameter.name!r}",
                hint=f"known: {', '.join(sorted(word for word in _WORDS if _offered(word, order)))}",
            )


def _offered(word: str, order: tuple[str, ...]) -> bool:
    """Whether the word names something that this kind of callable can be given."""
    return word in _WORDS and _WORDS[word] in (*order, "datapoint", "tracer")
