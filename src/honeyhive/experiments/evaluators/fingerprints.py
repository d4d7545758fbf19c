"""The fingerprint of what a callable does: the same on every machine, another once it does something else."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

from honeyhive.documents import canonical_json, plain
from honeyhive.experiments.attempts import attempt_or


class Described(ABC):
    """A callable of ours that says itself what it does: its class is no part of the user's code."""

    @abstractmethod
    def described(self) -> Mapping[str, Any]:
        """What it does, in JSON's own types."""


def callable_name(function: Callable[..., Any]) -> str:
    """What a callable is called: functions by name, partials by what they wrap, objects by their class."""
    if isinstance(function, functools.partial):
        return callable_name(function.func)
    return str(getattr(function, "__name__", type(function).__name__))


def fingerprint(function: Callable[..., Any]) -> str:
    """A hash of what a callable does: its source without comments, docstrings and layout, its settings, its `version`.

    The same on every machine and Python version. What has no source (builtins) goes by its qualified name.
    """
    return hashlib.sha256(canonical_json(describe(function)).encode()).hexdigest()[:16]


def describe(function: Any) -> dict[str, Any]:
    """What a fingerprint is the hash of."""
    if isinstance(function, Described):
        return dict(function.described())
    described: dict[str, Any] = {
        "version": attempt_or(lambda: plain(getattr(function, "version", None)), lambda _: None)
    }
    if isinstance(function, functools.partial):
        given = dict(enumerate(function.args)) | function.keywords
        return described | {"partial": describe(function.func), "given": _settings(given)}
    if inspect.ismethod(function):
        return described | {"method": function.__name__, "of": describe(function.__self__)}
    if inspect.isroutine(function) or inspect.isclass(function):
        layers = list(_layers(function))
        written = [*filter(inspect.isfunction, layers[:-1]), layers[-1]]
        return described | {"source": _sources(written), "settings": [_settings(_carried(layer)) for layer in layers]}
    kinds = [kind for kind in type(function).__mro__ if kind is not object]
    return described | {"source": _sources(kinds), "settings": _settings(_state(function))}


def _sources(code: Sequence[Any]) -> str | list[str]:
    """The source of each; of one alone without a list around it, as runs so far have it."""
    sources = [_source(part) for part in code]
    return sources[0] if len(sources) == 1 else sources


def _settings(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): _setting(value) for name, value in values.items()}


def _setting(value: Any) -> Any:
    """The value as `plain()` has it, or its type alone where the user's own conversion raises."""
    return attempt_or(lambda: plain(value), lambda _: f"<{type(value).__qualname__}>")


def _layers(function: Any) -> Iterator[Any]:
    """A function in its decorators, the outermost first; what a decorator was told is kept in its own layer."""
    last = inspect.unwrap(function)
    while function is not last:
        yield function
        function = function.__wrapped__
    yield last


def _carried(function: Any) -> Mapping[str, Any]:
    """The values that a function carries with it: its defaults, and what it closes over."""
    if isinstance(function, Described):
        return function.described()
    if not inspect.isfunction(function):
        return {}
    defaults = {"()": function.__defaults__, "*": function.__kwdefaults__}  # no names, so they hide no variable
    return defaults | dict(_closed_over(function))


def _closed_over(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # nothing is assigned to it yet
            continue


def _state(thing: Any) -> dict[str, Any]:
    """The values of an object's attributes, in `__slots__` or not."""
    slots = {name for kind in type(thing).__mro__ for name in _slots(kind) if not name.startswith("__")}
    kept = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    return kept | getattr(thing, "__dict__", {})


def _slots(kind: type) -> Iterable[str]:
    names = vars(kind).get("__slots__", ())
    return (names,) if isinstance(names, str) else names


def _source(code: Any) -> str:
    try:
        text = inspect.getsource(getattr(code, "__code__", code))  # of a function: its own, not that of what it wraps
    except (OSError, TypeError):
        return f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', callable_name(code))}"
    try:
        return _spelled(_parsed(text))
    except (SyntaxError, RecursionError):  # a lambda in the middle of an expression: its lines are no module
        return " ".join(text.split())


def _parsed(text: str) -> list[ast.stmt]:
    """The statements of a piece of source; taking its indentation away would change the texts in it, or fail there."""
    if not text[:1].isspace():
        return ast.parse(text).body
    block = ast.parse(f"if True:\n{text}").body[0]
    return block.body if isinstance(block, ast.If) else []


class _Word(str):
    __slots__ = ()


def _spelled(tree: list[ast.stmt]) -> str:
    """The syntax tree as text, without recursion: a long chain of `elif` is deeper than Python's stack.

    What is empty is left out, for Python versions differ in just that.
    """
    words: list[str] = []
    rest: list[Any] = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.AST):
            words.append(f"{type(node).__name__}(")
            rest.append(_Word(")"))
            for name, value in reversed([field for field in _fields(node) if field[1] not in (None, [])]):
                rest += (value, _Word(f"{name}="))
        elif isinstance(node, list):
            words.append("[")
            rest += (_Word("]"), *reversed(node))
        else:
            words.append(node if isinstance(node, _Word) else ascii(node))
    return " ".join(words)


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    documented = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    for name, value in ast.iter_fields(node):
        if name == "body" and documented and ast.get_docstring(node, clean=False) is not None:  # type: ignore[arg-type]  # documented says so
            yield name, value[1:]
        elif name not in ("type_comment", "type_ignores", "kind"):
            yield name, value
