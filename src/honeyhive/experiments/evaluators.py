"""Evaluators: the user's callables that give an output its score, and the fingerprint of what they do."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import math
import numbers
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from honeyhive.documents import canonical_json, plain
from honeyhive.experiments.calling import Binding, bind_evaluator
from honeyhive.result import EvaluatorRef, Fault, Score


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """A callable with the name of the metric that it gives."""

    name: str
    fingerprint: str
    binding: Binding

    @property
    def ref(self) -> EvaluatorRef:
        """What a run file says of it."""
        return EvaluatorRef(name=self.name, fingerprint=self.fingerprint)


@dataclass(frozen=True, kw_only=True)
class Grade:
    """One score and the evaluator's note on it."""

    score: Score
    note: str | None = None


def to_evaluator(function: Callable[..., Any], name: str | None = None) -> Evaluator:
    """The evaluator that `function` is; its name is the callable's own unless one is given."""
    known = name or callable_name(function)
    return Evaluator(name=known, fingerprint=fingerprint(function), binding=bind_evaluator(function, known))


def callable_name(function: Callable[..., Any]) -> str:
    """What a callable is called: functions by name, partials by what they wrap, objects by their class."""
    if isinstance(function, functools.partial):
        return callable_name(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def to_grade(value: Any) -> Grade | Fault:
    """What an evaluator's return value says: a score, `(score, note)`, or `None` for not applicable."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], str):
        score = _to_score(value[0])
        return score if isinstance(score, Fault) else Grade(score=score, note=value[1])
    score = _to_score(value)
    return score if isinstance(score, Fault) else Grade(score=score)


def _to_score(value: Any) -> Score | Fault:
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # a scalar of an array library
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, numbers.Real | Decimal):
        return Fault(type="TypeError", message=f"gave a {type(value).__name__}, not True/False, a number or None")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        return Fault(type="ValueError", message=f"gave {number}, which is not a finite number")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


# --- fingerprints ----------------------------------------------------------------------------------------------------


def fingerprint(function: Callable[..., Any]) -> str:
    """A hash of what a callable does: its source without comments, docstrings and layout, its settings, its `version`.

    The same on every machine and Python version. What has no source (builtins) goes by its qualified name.
    """
    return hashlib.sha256(canonical_json(_describe(function)).encode()).hexdigest()[:16]


def _describe(function: Any) -> dict[str, Any]:
    if isinstance(function, functools.partial):
        return {"partial": _describe(function.func), "args": plain(function.args), "keywords": plain(function.keywords)}
    described: dict[str, Any] = {"version": plain(getattr(function, "version", None))}
    if inspect.isroutine(function) or inspect.isclass(function):
        code = inspect.unwrap(function) if callable(function) else function
        return described | {"source": _source(code), "settings": plain(_closure(code))}
    return described | {"source": _source(type(function)), "settings": plain(getattr(function, "__dict__", {}))}


def _source(code: Any) -> Any:
    qualified = f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', code)}"
    try:
        text = textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):
        return qualified
    try:
        return _shape(ast.parse(text))
    except SyntaxError:  # a lambda in the middle of an expression: its lines are no module of their own
        return " ".join(text.split())


def _closure(code: Any) -> Mapping[str, Any]:
    """The values that a function carries with it: its defaults, and what it closes over."""
    function = getattr(code, "__func__", code)
    if not inspect.isfunction(function):
        return {}
    closed = inspect.getclosurevars(function).nonlocals
    return {"defaults": function.__defaults__, "keyword_defaults": function.__kwdefaults__, "closed": closed}


def _shape(node: Any) -> Any:
    """The syntax tree as plain values; what is empty is left out, for Python versions differ in just that."""
    if isinstance(node, ast.AST):
        fields = {name: _shape(value) for name, value in _fields(node)}
        return [type(node).__name__, {name: value for name, value in fields.items() if value not in (None, [])}]
    if isinstance(node, list):
        return [_shape(item) for item in node]
    return plain(node) if not isinstance(node, complex) else str(node)


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    documented = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module)
    for name, value in ast.iter_fields(node):
        if name == "body" and documented and ast.get_docstring(node, clean=False) is not None:  # type: ignore[arg-type]
            yield name, value[1:]
        elif name not in ("type_comment", "type_ignores", "kind"):
            yield name, value
