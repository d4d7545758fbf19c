"""Expressions in settings: what they may use, where they are refused, and what bounds them."""

from __future__ import annotations

import ast
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import ArgumentError
from honeyhive.experiments import evaluators
from honeyhive.experiments.evaluators import Grade, evaluator, to_evaluator
from honeyhive.experiments.evaluators.expressions import FUNCTIONS, MAX_LENGTH, function_named_now, read_expression
from honeyhive.experiments.evaluators.registry import Registered


def evaluated(text: str, **values: Any) -> Any:
    return read_expression(text, values)(values)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("value", 0.5),
        ("value * 2 + 1", 2.0),
        ("(value - 1) / 2 // 1 % 3", 2.0),
        ("-value ** 2", -0.25),
        ("value >= 0.5 and not value > 1", True),
        ("0 < value < 1", True),
        ("value in [0.5, 1]", True),
        ("value not in (0.5, 1)", False),
        ("values[0] if value else None", 1),
        ("values[1:]", [2, 6]),
        ("mean(values)", 3),
        ("median(values)", 2),
        ("mode(['a', 'b', 'b'])", "b"),
        ("min(values) + max(values, default=0) + sum(values) + len(values)", 19),
        ("abs(-2) + round(2.567, 2) + int('3') + float('0.5')", 8.07),
        ("any(values) and all(values) and bool(value)", True),
        ("sorted(values, reverse=True)", [6, 2, 1]),
        ("upper(strip(' a ')) + lower('B') + str(1)", "Ab1"),
        ("values + [7]", [1, 2, 6, 7]),
        ("result['score'] is None", True),
        ("isfinite(value)", True),
        (" value ", 0.5),
        ("value == 0.5", True),
    ],
)
def test_an_expression_says_what_it_would_in_python(text: str, result: Any) -> None:
    found = evaluated(text, value=0.5, values=[1, 2, 6], result={"score": None})
    assert found == pytest.approx(result) if isinstance(result, float) else found == result


@pytest.mark.parametrize(
    ("text", "character", "problem"),
    [
        ("value.real", 1, "an attribute is not allowed"),
        ("1 + value.__class__", 5, "an attribute is not allowed"),
        ("__import__('os')", 1, "there is no function __import__"),
        ("eval('1')", 1, "there is no function eval"),
        ("getattr(value, 'x')", 1, "there is no function getattr"),
        ("'{}'.format(value)", 1, "only functions can be called, by their name"),
        ("value(1)", 1, "there is no function value"),
        ("max(values)(1)", 1, "only functions can be called, by their name"),
        ("__builtins__", 1, "__builtins__ is no variable here"),
        ("vlaue > 1", 1, "vlaue is no variable here"),
        ("1 + mean", 5, "mean is no variable here; call it: mean(…)"),
        ("max(values, key=len)", 17, "len is no variable here; call it: len(…)"),
        ("[x for x in values]", 1, "a comprehension is not allowed"),
        ("sum(x for x in values)", 4, "a comprehension is not allowed"),
        ("(lambda: 1)()", 1, "only functions can be called, by their name"),
        ("lambda: 1", 1, "a lambda is not allowed"),
        ("f'{value}'", 1, "an f-string is not allowed"),
        ("(y := 1)", 2, "an assignment is not allowed"),
        ("max(*values)", 5, "* is not allowed"),
        ("max(**values)", 5, "** is not allowed"),
        ("value << 2", 1, "the operator LShift is not allowed"),
        ("~value", 1, "the operator Invert is not allowed"),
        ("value @ value", 1, "the operator MatMult is not allowed"),
        ("1j", 1, "a complex is not allowed"),
        ("b'x'", 1, "a bytes is not allowed"),
        ("...", 1, "a ellipsis is not allowed"),
        ("{'a': 1}", 1, "Dict is not allowed"),
        ("'ä' + valu", 7, "valu is no variable here"),
        ("value = 1", 7, "invalid syntax"),
        ("value; values", 6, "invalid syntax"),
        ("import os", 1, "invalid syntax"),
        ("(value", 1, "'(' was never closed"),
        ("-" * 30 + "1", 21, "nested deeper than 20 levels"),
    ],
)
def test_what_is_not_allowed_is_refused_where_it_stands(text: str, character: int, problem: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        read_expression(text, ("value", "values"))
    assert f", character {character}: {problem}" in refused.value.message
    assert "it may use value, values, numbers" in refused.value.hint


@pytest.mark.parametrize("text", ["", "  ", "1 + " * MAX_LENGTH + "1"])
def test_an_expression_has_a_length(text: str) -> None:
    with pytest.raises(ArgumentError, match="the expression is"):
        read_expression(text, ())


@pytest.mark.parametrize("text", ["(" * 300 + ")" * 300, "\0", "1" * 900 + "e", "[" * 999, "1" * 999])
def test_text_that_python_cannot_read_is_refused_too(text: str) -> None:
    try:
        read_expression(text, ())
    except ArgumentError:
        return
    assert text.isdigit() or text.endswith("e")


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9",
        "2 ** 10000",
        "value ** 4000000",
        "'a' * 10",
        "[1] * 10",
        "10 * value * 'a'",
        "'%1000000000d' % 1",
        "round(5, -1000000000)",
        "str([1, 2])",
        "int('9' + '9' * 5000)",
        "values + [0]",
        "long + 'a'",
        "huge * 2",
        "1 / 0",
        "value[0]",
        "values[3.5]",
        "lower(values)",
        "int(vast)",
        "round(vast)",
        "round(vast, 2)",
        "float(vast)",
        "abs(tiny)",
        "vast + 1",
        "vast ** 2",
        "mean([1, vast])",
        "median([vast, tiny])",
        "sum([1, vast])",
        "sum([fraction, fraction])",
        "sum([values, values], [])",
        "sum(['a', 'b'], '')",
    ],
)
def test_what_would_take_without_end_or_makes_no_sense_fails_at_once(text: str) -> None:
    started = time.monotonic()
    with pytest.raises((ValueError, TypeError, ZeroDivisionError)):
        evaluated(
            text,
            value=3,
            values=[0] * 100_000,
            long="a" * 100_000,
            huge=1 << 5_000,
            vast=Decimal("1e3000000"),
            tiny=Decimal("1e-3000000"),
            fraction=Fraction(1, 1 << 5_000),
        )
    assert time.monotonic() - started < 30  # each of them would take for ever


@pytest.mark.parametrize("name", ["int", "round", "mean", "sum"])
def test_a_function_that_is_named_alone_has_the_same_bounds(name: str) -> None:
    vast = Decimal("1e3000000")
    with pytest.raises(ValueError, match="at most 1,000 digits"):
        function_named_now(name)([vast] if name in ("mean", "sum") else vast)


def test_decimals_and_fractions_of_the_usual_size_are_numbers_like_others() -> None:
    values = {"price": Decimal("19.99"), "third": Fraction(1, 3)}
    assert evaluated("round(price)", **values) == 20
    assert evaluated("sum([price, 1, price])", **values) == Decimal("40.98")
    assert evaluated("mean([third, 1])", **values) == Fraction(2, 3)


class Proxy:
    """Something of the user's own, as a value."""

    secret = "s"

    def __getitem__(self, key: str) -> str:
        return f"item {key}"


def test_the_users_own_objects_are_values_like_others() -> None:
    assert evaluated("result['a']", result=Proxy()) == "item a"


def test_a_value_that_simpleeval_forbids_is_an_error() -> None:
    with pytest.raises(ValueError, match="modules are not allowed"):
        evaluated("value", value=ast)


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        read = read_expression(text, ("value",))
    except ArgumentError:
        return
    assert ast.dump(read.tree) == ast.dump(ast.parse(text.strip(), mode="eval").body)


_ATOMS = st.sampled_from(["value", "1", "2.5", "True", "None", "'a'", "[1]"])
_EXPRESSIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", "%", "==", "<", "in", "and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), inner).map(lambda parts: f"{parts[0]}({parts[1]})"),
    ),
    max_leaves=6,
)


@given(_EXPRESSIONS, st.floats(-10, 10) | st.integers(-10, 10))
def test_what_python_makes_of_an_expression_we_do_or_fail(text: str, value: Any) -> None:
    names = {**FUNCTIONS, "value": value, "__builtins__": {}}
    try:
        expected = eval(text, names)
    except (TypeError, ValueError, ArithmeticError, IndexError):
        expected = Ellipsis
    try:
        found = evaluated(text, value=value)
    except (ArgumentError, TypeError, ValueError, ArithmeticError, IndexError):
        return
    assert repr(found) == repr(expected)


# --- evaluators by name ----------------------------------------------------------------------------------------------


def test_an_expression_calls_evaluators_by_their_names() -> None:
    evaluator(lambda value: (value * 2, "a note"), name="doubled")
    assert evaluated("doubled(value) > 3", value=2) is True


def test_a_name_alone_is_called_with_the_value_and_a_checker_with_the_target() -> None:
    evaluator(lambda value: value * 2, name="doubled")
    evaluator(lambda value, target: value < target, name="below")
    assert evaluator(lambda outputs: 2, name="m", transform="doubled")("x") == 4
    assert evaluator(lambda outputs: 2, name="m", checker="below", target=3)("x") is True
    assert evaluator(lambda outputs: 2, name="m", repeat=2, aggregate="max")("x") == 2
    assert evaluator(lambda outputs: {"a": 1}, name="m", transform="result['a']")("x") == 1
    assert evaluator(lambda outputs: 2, name="m", repeat=2, aggregate="len(results)")("x") == 2


@pytest.mark.parametrize("name", ["mean", "median", "mode"])
def test_the_usual_aggregates_may_be_given_as_functions_too(name: str) -> None:
    aggregate = getattr(evaluators, name)
    assert aggregate is FUNCTIONS[name]
    made = to_evaluator(evaluator(lambda outputs: 0, name="m", repeat=3, aggregate=aggregate))
    assert made.conclude([1, 1, 1], None) == {"m": Grade(score=1)}


def test_our_functions_go_before_evaluators_of_the_same_name() -> None:
    evaluator(lambda value: -1, name="mean")
    assert evaluated("mean(values)", values=[1, 3]) == 2


def test_an_evaluator_defined_anew_is_the_one_that_is_called(registry: dict[str, Registered]) -> None:
    evaluator(lambda value: 1, name="changing")
    made = evaluator(lambda outputs: 0, name="m", transform="changing(value)")
    named = evaluator(lambda outputs: 0, name="n", transform="changing")
    evaluator(lambda value: 2, name="changing")
    assert (made("x"), named("x")) == (2, 2)
    del registry["changing"]
    with pytest.raises(ValueError, match="no evaluator is called 'changing' any more"):
        made("x")


def test_an_asynchronous_evaluator_is_refused_for_an_expression_cannot_wait() -> None:
    @evaluator
    async def slow(value: Any) -> Any:
        return value

    for text in ("slow(value)", "slow"):
        with pytest.raises(ArgumentError, match=r"slow.* is asynchronous"):
            evaluator(lambda outputs: 0, name="m", transform=text)


def test_one_that_has_become_asynchronous_since_fails() -> None:
    evaluator(lambda value: 1, name="changing")
    expression = read_expression("changing(value)", ("value",))

    @evaluator(name="changing")
    async def changing(value: Any) -> Any:
        return value

    with pytest.raises(TypeError, match="changing is asynchronous"):
        expression({"value": 1})
