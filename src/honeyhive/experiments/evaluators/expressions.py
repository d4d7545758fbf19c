"""Expressions in settings, such as `value >= 0.8`: evaluated without attributes, and within bounds.

They are read and evaluated by `simpleeval`; what of its language we let in stands here. An expression is refused
where it is written, by the character; what it does with its values may still fail when it runs.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
import numbers
import operator
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from honeyhive.documents import shown
from honeyhive.errors import ArgumentError
from honeyhive.experiments.evaluators.grades import read_returned
from honeyhive.experiments.evaluators.magnitudes import of_numbers, on_numbers, power, rounded, total
from honeyhive.experiments.evaluators.registry import Registered, known

MAX_LENGTH = 1_000
MAX_NESTING = 20
MAX_ITEMS = 100_000
"""No text or list that an expression makes is longer than this."""


@dataclass(frozen=True, kw_only=True)
class Expression:
    """An expression that has been read, and what it may call."""

    text: str
    tree: ast.expr
    calls: frozenset[str]

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """What it comes to with these values of its variables."""
        from simpleeval import EvalWithCompoundTypes, InvalidExpression  # noqa: PLC0415 - few runs have an expression

        functions = {name: function_named_now(name) for name in self.calls}
        evaluation = EvalWithCompoundTypes(operators=_OPERATORS, functions={}, names=dict(values))
        evaluation.functions = functions  # its own are more than we offer
        evaluation.nodes = {kind: how for kind, how in evaluation.nodes.items() if kind in _NODES}
        try:
            return evaluation.eval(self.text, previously_parsed=self.tree)
        except InvalidExpression as error:
            raise ValueError(f"{shown(self.text)}: {error}") from error


def read_expression(text: str, variables: Iterable[str]) -> Expression:
    """The expression in `text`, which may use these variables; `ArgumentError` where it is none that we evaluate."""
    offered = tuple(variables)
    stripped = text.strip()
    if not stripped or len(stripped) > MAX_LENGTH:
        problem = "is empty" if not stripped else f"is longer than {MAX_LENGTH} characters"
        raise ArgumentError(f"the expression {problem}", hint=_allowed(offered))
    try:
        tree = ast.parse(stripped, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = getattr(error, "offset", None) or 1
        raise _refused(stripped, place, str(getattr(error, "msg", error)), offered) from error
    for problem_node, problem in _problems(tree, offered, 1):
        raise _refused(stripped, _character(stripped, problem_node), problem, offered)
    return Expression(text=stripped, tree=tree, calls=frozenset(_called(tree)))


def function_named(text: str, variables: Iterable[str]) -> str | None:
    """The function that an expression names without calling it, such as `mean`; it is called with the value then."""
    name = text.strip()
    return name if name.isidentifier() and name not in tuple(variables) and _is_known(name) else None


def function_named_now(name: str) -> Callable[..., Any]:
    """The function of that name: ours, or the evaluator that goes by it by now."""
    ours = FUNCTIONS.get(name)
    if ours is None:
        return _evaluator(name)
    return of_numbers(ours) if name in _OF_NUMBERS else ours


def evaluator_named(name: str) -> Registered | None:
    """The evaluator that an expression means by a name; none where one of our functions has it."""
    return None if name in FUNCTIONS else known(name)


# --- what may be written ---------------------------------------------------------------------------------------------


def _problems(node: ast.AST, variables: tuple[str, ...], depth: int) -> Iterator[tuple[ast.AST, str]]:
    """What is wrong with a piece of the expression, and where; the outermost first."""
    if depth > MAX_NESTING and isinstance(node, ast.expr):
        yield node, f"nested deeper than {MAX_NESTING} levels"
        return
    if problem := _problem(node, variables):
        yield node, problem
        return
    inner = [*node.args, *node.keywords] if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for child in inner:
        yield from _problems(child, variables, depth + 1)


def _problem(node: ast.AST, variables: tuple[str, ...]) -> str:
    if isinstance(node, ast.Call):
        return _call_problem(node)
    if isinstance(node, ast.Name):
        return "" if node.id in variables else f"{node.id} is no variable here{_called_hint(node.id)}"
    if isinstance(node, ast.keyword) and node.arg is None:
        return "** is not allowed"
    if isinstance(node, ast.Constant):
        known_kind = node.value is None or isinstance(node.value, bool | int | float | str)
        return "" if known_kind else f"a {type(node.value).__name__} is not allowed"
    if type(node) in _NODES or isinstance(node, ast.expr_context | ast.boolop):
        return ""
    if isinstance(node, ast.operator | ast.unaryop | ast.cmpop):
        return "" if type(node) in _OPERATORS else f"the operator {type(node).__name__} is not allowed"
    return f"{_WORDS.get(type(node), type(node).__name__)} is not allowed"


def _call_problem(node: ast.Call) -> str:
    if not isinstance(node.func, ast.Name):
        return "only functions can be called, by their name"
    if not _is_known(node.func.id):
        return f"there is no function {node.func.id}"
    evaluator = evaluator_named(node.func.id)
    if evaluator is not None and evaluator.asynchronous:
        return f"{node.func.id} is asynchronous, and an expression cannot wait for it"
    return ""


def _called_hint(name: str) -> str:
    return f"; call it: {name}(…)" if _is_known(name) else ""


def _is_known(name: str) -> bool:
    return name in FUNCTIONS or known(name) is not None


def _called(tree: ast.expr) -> Iterator[str]:
    return (node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))


def _character(text: str, node: ast.AST) -> int:
    """Where a piece of the expression begins, in characters from 1; syntax trees count bytes, by line."""
    line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    lines = text.splitlines(keepends=True)
    before = sum(map(len, lines[: line - 1]))
    return before + len(lines[line - 1].encode()[:offset].decode(errors="ignore")) + 1


def _refused(text: str, character: int, problem: str, variables: tuple[str, ...]) -> ArgumentError:
    return ArgumentError(f"{shown(text)}, character {character}: {problem}", hint=_allowed(variables))


def _allowed(variables: tuple[str, ...]) -> str:
    return (
        f"it may use {', '.join(variables)}, numbers, texts, lists, comparisons, arithmetic, and/or/not, "
        f"evaluators by name, and {', '.join(sorted(FUNCTIONS))}"
    )


_WORDS: dict[type, str] = {
    ast.Attribute: "an attribute",
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment",
    ast.Starred: "*",
}
_NODES = frozenset(
    {
        ast.Constant, ast.Name, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp,
        ast.Subscript, ast.Slice, ast.List, ast.Tuple,
    }
)  # fmt: skip


# --- what it does ----------------------------------------------------------------------------------------------------


def _bounded(value: Any) -> Any:
    """The value, unless it is a text or a list too long to go on with."""
    if isinstance(value, str | list | tuple) and len(value) > MAX_ITEMS:
        raise ValueError(f"an expression made something of {len(value)} items; {MAX_ITEMS} is the most")
    return value


def _plus(left: Any, right: Any) -> Any:
    if (isinstance(left, str) and isinstance(right, str)) or (isinstance(left, list) and isinstance(right, list)):
        return _bounded(_bounded(left) + _bounded(right))
    return on_numbers(operator.add)(left, right)


def _text(value: Any) -> str:
    """Text of one value: of lists it could be without bounds."""
    if not (value is None or isinstance(value, str | bool | numbers.Number)):
        raise TypeError(f"str() of a {type(value).__name__}: give it a number or a text")
    return str(value)


def _evaluator(name: str) -> Callable[..., Any]:
    """The evaluator that goes by the name now, giving its score alone."""
    found = known(name)
    if found is None:
        raise ValueError(f"no evaluator is called {name!r} any more")

    @functools.wraps(found)
    def score(*args: Any, **kwargs: Any) -> Any:
        value = found(*args, **kwargs)
        if inspect.iscoroutine(value):
            value.close()
            raise TypeError(f"{name} is asynchronous, and an expression cannot wait for it")
        return read_returned(value).value

    return score


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: _plus,
    ast.Sub: on_numbers(operator.sub),
    ast.Mult: on_numbers(operator.mul),
    ast.Div: on_numbers(operator.truediv),
    ast.FloorDiv: on_numbers(operator.floordiv),
    ast.Mod: on_numbers(operator.mod),
    ast.Pow: on_numbers(power),
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "all": all,
    "any": any,
    "bool": bool,
    "float": float,
    "int": int,
    "isfinite": math.isfinite,
    "len": len,
    "lower": lambda text: _text(text).lower(),
    "max": max,
    "mean": statistics.mean,
    "median": statistics.median,
    "min": min,
    "mode": statistics.mode,
    "round": rounded,
    "sorted": sorted,
    "str": _text,
    "strip": lambda text: _text(text).strip(),
    "sum": total,
    "upper": lambda text: _text(text).upper(),
}
"""What expressions may call, beside evaluators by their names."""

_OF_NUMBERS = frozenset({"abs", "float", "int", "mean", "median", "round"})
