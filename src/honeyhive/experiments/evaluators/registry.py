"""The evaluators that go by a name: what `evaluator["name"]` finds, and what settings call by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Protocol

from honeyhive.errors import UserCodeError


class Registered(Protocol):
    """What a decorator makes of a function: called, it gives what the settings make of its value."""

    name: str
    asynchronous: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The final value, or a coroutine of it."""

    def described(self) -> dict[str, Any]:
        """What a fingerprint is made of."""

    def with_settings(self, written: Mapping[str, Any]) -> Registered:
        """The same with other settings where these are given."""


class UnknownEvaluatorError(UserCodeError, KeyError):
    """No evaluator goes by that name; a `KeyError` too."""


_EVALUATORS: dict[str, Registered] = {}


def register(evaluator: Registered) -> None:
    """Let the evaluator be found by its name, in place of one that went by it: a notebook's cell runs again."""
    _EVALUATORS[evaluator.name] = evaluator


def registered(name: str) -> Registered:
    """The evaluator of that name, or `UnknownEvaluatorError`."""
    found = known(name)
    if found is None:
        raise UnknownEvaluatorError(f"no evaluator is called {name!r}", hint=_near(str(name)))
    return found


def known(name: str) -> Registered | None:
    """The evaluator of that name, if there is one."""
    return _EVALUATORS.get(name) if isinstance(name, str) else None


def _near(name: str) -> str:
    from honeyhive.experiments import ready  # noqa: PLC0415 - the ready ones are made of evaluators

    if name in ready.NAMES:
        return f"`from {ready.__name__} import {name}`, and give the evaluator in place of its name"
    near = difflib.get_close_matches(name, _EVALUATORS, n=3, cutoff=0.4)
    if near:
        return f"did you mean {', '.join(near)}?"
    return "it has to be decorated with @evaluator, in a module that is imported, before it is asked for"
