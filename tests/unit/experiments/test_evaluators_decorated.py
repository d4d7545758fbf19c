"""`@evaluator`: names, settings in their order, wraps, and what a fingerprint knows of all that."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import types
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import ArgumentError, UserCodeError
from honeyhive.experiments.evaluators import (
    Grade,
    aevaluator,
    callable_name,
    evaluator,
    fingerprint,
    run_evaluators,
    to_evaluator,
)
from honeyhive.result import Fault


def half(outputs: Any) -> float:
    """Half a point."""
    return 0.5


async def later(outputs: Any) -> float:
    await asyncio.sleep(0)
    return 0.5


def concluded(*values: Any, ground_truth: Any = None, **settings: Any) -> Grade | Fault:
    made = to_evaluator(evaluator(half, name="metric", **settings))
    return made.conclude(values, ground_truth)["metric"]


# --- what a decorated function is ------------------------------------------------------------------------------------


def test_a_decorated_function_is_called_like_the_function() -> None:
    @evaluator
    def exact(outputs: Any, inputs: Any = None, ground_truth: Any = None) -> bool:
        """Whether it is right."""
        return bool(outputs == ground_truth)

    assert exact("a", {}, "a") is True
    assert exact.raw("a", {}, "b") is False
    assert exact.__doc__ == "Whether it is right."
    assert callable_name(exact) == exact.name == "exact"
    assert repr(exact) == "<evaluator exact>"
    assert list(inspect.signature(exact).parameters) == ["outputs", "inputs", "ground_truth"]
    assert evaluator["exact"] is exact
    assert evaluator["exact"]("a", None, "a") is True
    assert to_evaluator("exact").binding({"outputs": 1, "inputs": 2, "ground_truth": 1}) is True


@pytest.mark.parametrize("decorate", [evaluator, evaluator(), aevaluator, aevaluator(repeat=1)])
def test_an_asynchronous_one_gives_a_coroutine(decorate: Any) -> None:
    made = decorate(later)
    assert asyncio.run(made("x")) == 0.5
    assert asyncio.run(made.raw("x")) == 0.5


def test_aevaluator_makes_any_function_one_to_be_awaited() -> None:
    made = aevaluator(half, target=0.4)
    assert asyncio.run(made("x")) is True


class Later:
    async def __call__(self, outputs: Any) -> float:
        return 0.25


def test_an_object_that_is_called_asynchronously_is_known_as_such() -> None:
    assert asyncio.run(evaluator(Later(), target=0.25)("x")) is True
    assert asyncio.run(evaluator(functools.partial(later, "x"), name="given", target=0.6)()) is False


def test_a_new_definition_takes_the_place_of_the_one_before() -> None:
    evaluator(half, name="cell")
    evaluator(lambda outputs: 0.75, name="cell")
    assert evaluator["cell"]("x") == 0.75


def test_a_name_that_is_unknown_is_a_key_error_that_names_those_like_it() -> None:
    evaluator(half, name="politeness")
    with pytest.raises(KeyError, match=r"no evaluator is called 'politenes'.*did you mean politeness"):
        evaluator["politenes"]
    with pytest.raises(UserCodeError, match="decorated with @evaluator"):
        to_evaluator("zzzzzzzzzzz")


@pytest.mark.parametrize("thing", [None, 0.5, ["exact"], {"exact": half}, math, Grade(score=1)])
def test_what_is_neither_a_callable_nor_a_name_is_refused(thing: Any) -> None:
    with pytest.raises(ArgumentError, match=f"or the name of one, not a {type(thing).__name__} .give the function"):
        to_evaluator(thing)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "m" * 201, 3])
def test_a_name_that_could_be_no_metric_is_refused(name: Any) -> None:
    with pytest.raises(ArgumentError, match="an evaluator cannot be called"):
        evaluator(half, name=name)


def test_what_is_no_function_cannot_be_decorated() -> None:
    with pytest.raises(ArgumentError, match="not a float"):
        evaluator(0.5)  # type: ignore[call-overload]  # on purpose


class Suite:
    limit = 3

    @evaluator(target="[1, 3]")
    def short(self, outputs: Any) -> int:
        return min(len(outputs), self.limit + 1)


def test_a_method_is_bound_to_its_object_with_its_settings() -> None:
    suite = Suite()
    assert suite.short("abc") is True
    assert suite.short("abcdef") is False
    found = to_evaluator(suite.short)
    assert (found.name, found.binding({"outputs": "abcdef"})) == ("short", 4)
    assert found.conclude([4], None) == {"short": Grade(score=False)}
    assert to_evaluator(functools.partial(suite.short, "abcdef")).binding({}) == 4


class Family:
    limit = 2

    @classmethod
    @evaluator(target="[1, 2]")
    def small(cls, outputs: Any) -> int:
        return min(len(outputs), cls.limit + 1)


def test_a_method_of_a_class_is_bound_to_it() -> None:
    assert Family.small("ab") is True
    found = to_evaluator(Family.small)
    assert (found.name, found.binding({"outputs": "abc"})) == ("small", 3)
    assert found.settings.target is not None
    by_hand = to_evaluator(types.MethodType(evaluator(lambda self, outputs: self, name="m", weight=1), "itself"))
    assert (by_hand.name, by_hand.binding({"outputs": 1}), by_hand.settings.weight) == ("m", "itself", 1.0)


def test_a_decorated_object_as_an_attribute_is_itself() -> None:
    class Holder:
        judge = evaluator(functools.partial(half), name="held")

    assert Holder.judge is evaluator["held"]


def test_a_partial_of_a_decorated_one_keeps_its_settings() -> None:
    @evaluator(weight=2)
    def near(outputs: float, ground_truth: float, limit: float = 1) -> bool:
        return abs(outputs - ground_truth) < limit

    found = to_evaluator(functools.partial(near, limit=10))
    assert found.name == "near"
    assert found.binding({"outputs": 1, "ground_truth": 5, "inputs": {}}) is True
    assert found.conclude([True], None) == {"near": Grade(score=True, weight=2.0)}


def test_other_keywords_are_arguments_of_the_function() -> None:
    @evaluator(limit=10)
    def near(outputs: float, ground_truth: float, limit: float = 1) -> bool:
        return abs(outputs - ground_truth) < limit

    assert near(1, 5) is True
    assert to_evaluator(near).binding({"outputs": 1, "ground_truth": 5, "inputs": {}}) is True


def test_a_setting_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ArgumentError, match=r"evaluator 'half': 'repaet' is no setting.*did you mean repeat\?"):
        evaluator(half, repaet=3)


# --- settings --------------------------------------------------------------------------------------------------------


def test_the_settings_work_in_their_order() -> None:
    seen: list[Any] = []

    def told(step: str, value: Any, given: Any) -> Any:
        seen.append((step, given))
        return value

    made = to_evaluator(
        evaluator(
            half,
            name="metric",
            repeat=3,
            transform=lambda value: told("transform", value * 10, value),
            aggregate=lambda values: told("aggregate", max(values), list(values)),
            checker=lambda value, target: told("checker", value > target, (value, target)),
            target=4,
            asserts=True,
            weight=0.5,
        )
    )
    assert made.settings.repeat == 3
    assert made.conclude([0.1, 0.5, 0.3], None) == {"metric": Grade(score=True, weight=0.5)}
    steps = [("transform", 0.1), ("transform", 0.5), ("transform", 0.3), ("aggregate", [1, 5, 3]), ("checker", (5, 4))]
    assert seen == steps
    found = made.conclude([0.1, 0.1, 0.1], None)["metric"]
    assert found == Fault(type="AssertionError", message="the score is False; the target is 4")


@pytest.mark.parametrize(
    ("values", "grade"),
    [
        ([True, False, True, True], Grade(score=0.75)),
        ([True, True], Grade(score=1)),
        ([0.1, 0.1, 0.1], Grade(score=0.1)),
        ([1, 2, 4], Grade(score=7 / 3)),
        ([0.5, None, 1], Grade(score=0.75)),
        ([None, None], Grade(score=None)),
        ([Decimal("0.5"), 1], Grade(score=0.75)),
        ([(1, "good"), (0, "bad"), (1, "good")], Grade(score=2 / 3, note="good\nbad")),
        (["a", "b", "b"], Grade(score=True, note="b")),
    ],
)
def test_several_calls_come_to_their_mean_or_the_most_frequent_label(values: list[Any], grade: Grade) -> None:
    found = concluded(*values, ground_truth="b", repeat=len(values))
    assert isinstance(found, Grade)
    assert found.score == pytest.approx(grade.score)
    assert found.note == grade.note


def test_the_mean_of_true_and_false_is_a_number() -> None:
    found = concluded(True, True, repeat=2)
    assert isinstance(found, Grade)
    assert type(found.score) is int


def test_mappings_are_aggregated_key_by_key() -> None:
    made = to_evaluator(evaluator(half, name="m", repeat=2))
    assert made.conclude([{"a": 1, "b": "x"}, {"a": 0, "b": "x", "c": True}], {"b": "x"}) == {
        "a": Grade(score=0.5),
        "b": Grade(score=True, note="x"),
        "c": Grade(score=True),
    }
    scored = made.conclude([{"score": 1, "n": 2, "explanation": "a"}, {"score": 0, "n": 4, "explanation": "b"}], None)
    assert scored == {"m": Grade(score=0.5, note="a\nb"), "m_n": Grade(score=3)}


@pytest.mark.parametrize("values", [[1, "a"], [{"a": 1}, 1], [[1], [2]], [1, math.nan]])
def test_calls_that_do_not_agree_have_no_mean(values: list[Any]) -> None:
    with pytest.raises(TypeError, match="several calls need an aggregate for that"):
        concluded(*values, repeat=2)


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        ("[0.5, 1]", 0.5, True),
        ("(0.5, 1]", 0.5, False),
        ("[0.5, 1)", 1, False),
        ("[ 0.5 ,1 ]", True, True),
        ("(0, inf)", 1e300, True),
        ("[-inf, 0]", 0.1, False),
        ([1, 2], 2, True),
        ([1, 2], 3, False),
        ([1, 2], True, False),
        ([True], True, True),
        ({"yes", "maybe"}, "yes", True),
        (("yes", "maybe"), "no", False),
        (range(1, 4), 3, True),
        (range(1, 4), 4, False),
        (0.5, 0.5, True),
        (0.5, 0.49, False),
        (0.5, True, True),
        (1, False, False),
        (True, True, True),
        (True, False, False),
        (False, False, True),
        ("yes", "yes", True),
        ("yes", "no", False),
    ],
)
def test_a_target_alone_is_a_range_a_list_a_least_number_or_the_same(target: Any, value: Any, met: bool) -> None:
    assert concluded(value, target=target) == Grade(score=met)


@pytest.mark.parametrize(
    ("target", "value"), [(0.5, "yes"), ("yes", 1), ("[0, 1]", "0.5"), (0.5, {"a": 1}), (True, "yes"), (1, [1])]
)
def test_a_target_of_another_kind_than_the_value_is_an_error(target: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be held against"):
        concluded(value, target=target)


@pytest.mark.parametrize("target", ["[1, 0]", "[a, b]", "(1, 1)", "[1, nan]", "[0, 1, 2]", [], math.nan, math.inf])
def test_a_target_that_nothing_could_meet_is_refused(target: Any) -> None:
    with pytest.raises(ArgumentError, match="evaluator 'metric': target: "):
        evaluator(half, name="metric", target=target)


WITHOUT_AN_END = ["[1,", "[1, 2", "(0.5,1", " [-1, inf\n", "1, 2]", ",1)", "[low,", "[0.5", "1]", ".5)"]
WITH_OTHER_SIGNS = ["[0.5 1]", "[0.5; 1]", "(0.5 : 1]", "[0..1]", "[-1 - 1]", "]0, 1[", "]0, 1]", "[1, 2]]"]


@pytest.mark.parametrize("target", WITHOUT_AN_END + WITH_OTHER_SIGNS)
def test_a_range_that_is_half_written_is_refused_and_may_be_a_text_in_a_list(target: str) -> None:
    with pytest.raises(
        ArgumentError, match=r"evaluator 'metric': target: the target .* is (no range|a range half wri)"
    ):
        evaluator(half, name="metric", target=target)
    assert concluded(target, target=[target]) == Grade(score=True, note=None)


@pytest.mark.parametrize(
    "target", ["", "[", "[]", "(A)", "A)", "[1]", "(1)", "yes, (really)", "1,000", "0.5", ":)", "12:30", "[2024-01-02]"]
)
def test_a_text_with_brackets_that_is_no_range_is_a_label(target: str) -> None:
    assert concluded(target, target=target) == Grade(score=True)
    assert concluded("another", target=target) == Grade(score=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, Decimal("NaN")])
@pytest.mark.parametrize("settings", [{"target": 0.5}, {"checker": "not value < 0.5"}, {"aggregate": "max(values)"}])
def test_a_number_that_is_not_finite_passes_no_check(value: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        concluded(value, **settings)


@pytest.mark.parametrize("settings", [{"transform": "value * 2"}, {"target": 1}, {"checker": "value > 1"}])
def test_what_does_not_apply_stays_so(settings: dict[str, Any]) -> None:
    assert concluded(None, **settings) == Grade(score=None)
    assert concluded((None, "no answer"), **settings) == Grade(score=None, note="no answer")
    assert concluded(None, aggregate="sum(values)", **settings) == Grade(score=None)


def test_asserts_makes_an_error_of_whatever_is_not_true() -> None:
    for value in (False, 0, None):
        found = concluded((value, "why"), asserts=True)
        assert found == Fault(type="AssertionError", message=f"the score is {value} (why)")
    assert concluded(0.1, asserts=True) == Grade(score=0.1)
    assert concluded("a", ground_truth="b", asserts=True) == Fault(
        type="AssertionError", message="the score is False (a)"
    )
    made = to_evaluator(evaluator(half, name="m", asserts=True))
    assert made.conclude([{"a": 1, "b": 0}], None) == {
        "a": Grade(score=1),
        "b": Fault(type="AssertionError", message="the score is 0"),
    }
    assert made.conclude([{"score": 1, "b": 0}], None) == {"m": Grade(score=1), "m_b": Grade(score=0)}


def test_a_fault_has_no_weight_and_passes_no_assertion() -> None:
    made = to_evaluator(evaluator(half, name="m", asserts=True, weight=2))
    found = made.conclude([{"a": 1, "b": math.nan}], None)
    assert found["a"] == Grade(score=1, weight=2.0)
    assert found["b"] == Fault(type="ValueError", message="gave nan, which is not a finite number")


def test_a_setting_that_is_none_is_not_set() -> None:
    assert evaluator(half, target=None, repeat=None, checker=None)("x") == 0.5


def test_called_by_hand_asserts_raises() -> None:
    made = evaluator(half, target="[0.6, 1]", asserts=True)
    with pytest.raises(AssertionError, match=r"half: the score is False; the target is \[0.6, 1\]"):
        made("x")
    assert evaluator(half, asserts=True)("x") == 0.5
    assert evaluator(lambda outputs: "label", name="labels", asserts=True)("x") == "label"


@pytest.mark.parametrize("checker", [lambda value: None, lambda value: "yes", lambda value: [1], "str(value)"])
def test_a_checker_says_true_or_false(checker: Any) -> None:
    with pytest.raises(TypeError, match=r"the checker gave a .*, not True or False"):
        concluded(0.5, checker=checker)


def test_a_checker_may_take_the_target_and_add_a_note() -> None:
    assert concluded(3, checker=lambda value, target: (value in target, "in it"), target=[3]) == Grade(
        score=True, note="in it"
    )
    assert concluded(3, checker=lambda value, limit=2: value > limit, target=9) == Grade(score=True)
    assert concluded(3, checker=lambda value, target=2: value > target, target=9) == Grade(score=False)
    assert concluded(3, checker=math.isfinite) == Grade(score=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repeat": 0}, "repeat: 0 is no number of calls"),
        ({"repeat": 101}, "repeat: 101 is no number of calls"),
        ({"repeat": True}, "repeat: True is no number of calls"),
        ({"repeat": 2.0}, "repeat: 2.0 is no number of calls"),
        ({"weight": -1}, "weight: -1 is no weight"),
        ({"weight": math.nan}, "weight: nan is no weight"),
        ({"weight": True}, "weight: True is no weight"),
        ({"asserts": 1}, "asserts: 1 is neither True nor False"),
        ({"transform": 3}, "transform: it is a int"),
        ({"checker": later}, "checker: it is asynchronous"),
        ({"wraps": 3}, "wraps: it names no evaluator"),
        ({"wraps": {}}, "wraps: it names no evaluator"),
        ({"wraps": {"a": 1}}, "wraps: it names no evaluator"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    wrong = (lambda outputs: ...) if "wraps" in settings else half
    with pytest.raises(ArgumentError) as refused:
        evaluator(wrong, name="m", **settings)
    assert refused.value.message.startswith(f"evaluator 'm': {message}")
    assert refused.value.hint


def test_a_setting_that_gives_an_awaitable_is_an_error() -> None:
    with pytest.raises(TypeError, match="settings are not awaited"):
        concluded(1, transform=lambda value: later(f"{value}"))


def test_a_decorated_call_gives_the_value_after_the_settings() -> None:
    counted = iter(range(100))
    made = evaluator(lambda outputs: next(counted), name="counting", repeat=3, transform="value * 2")
    assert made("x") == 2
    assert made.raw("x") == 3
    noted = evaluator(lambda outputs: (0.5, "why"), name="noted", target=0.5)
    assert noted("x") == (True, "why")
    extras = evaluator(lambda outputs: {"score": 0.5, "n": 3}, name="extras", target=0.6)
    assert extras("x") == {"score": False, "n": 3}


@given(st.lists(st.floats(-1e6, 1e6) | st.booleans() | st.none(), min_size=2, max_size=6))
def test_the_mean_of_several_calls_lies_between_them(values: list[Any]) -> None:
    found = concluded(*values, repeat=len(values))
    assert isinstance(found, Grade)
    numbers = [float(value) for value in values if value is not None]
    if not numbers:
        assert found.score is None
    else:
        assert found.score is not None
        assert min(numbers) - 1e-9 <= found.score <= max(numbers) + 1e-9


# --- wraps -----------------------------------------------------------------------------------------------------------


def test_a_wrapper_calls_the_other_with_its_settings_and_applies_its_own() -> None:
    @evaluator(transform="value * 10")
    def length(outputs: str) -> int:
        return len(outputs)

    @evaluator(wraps="length", target=50)
    def long_enough(outputs: str) -> Any: ...

    @evaluator(wraps={"length": {"transform": "value * 100"}}, target=50)
    def short_enough(outputs: str) -> Any:
        """Nothing of its own."""

    assert (length("abc"), long_enough("abc"), short_enough("abc")) == (30, False, True)
    assert long_enough.raw("abc") == 30
    found = run_evaluators(["long_enough"], {}, "abcdef", None)
    assert found == [{"name": "long_enough", "score": True, "explanation": None, "error": None}]


def test_a_wrapper_of_an_asynchronous_one_is_asynchronous() -> None:
    evaluator(later)

    @evaluator(wraps="later", target=0.5)
    def wrapper() -> Any: ...

    assert asyncio.run(wrapper("x")) is True
    assert run_evaluators([wrapper], {}, "x")[0]["score"] is True


def test_a_wrapper_calls_what_goes_by_the_name_now() -> None:
    evaluator(lambda outputs: 1, name="base")

    @evaluator(wraps="base")
    def wrapper() -> Any: ...

    before = fingerprint(wrapper)
    evaluator(lambda outputs: 2 + 0, name="base")
    assert wrapper("x") == 2
    assert fingerprint(wrapper) != before


def test_a_wrapper_gives_the_other_its_arguments() -> None:
    @evaluator
    def near(outputs: float, ground_truth: float, limit: float = 1) -> bool:
        return abs(outputs - ground_truth) < limit

    @evaluator(wraps={"near": {"limit": 10}})
    def about() -> Any: ...

    assert about(1, 5) is True
    assert to_evaluator(about).binding({"outputs": 1, "ground_truth": 5, "inputs": {}}) is True


def test_a_wrapper_with_a_body_is_refused_for_it_would_never_run() -> None:
    evaluator(half)

    def wrapper(outputs: Any) -> float:
        return half(outputs) / 2

    with pytest.raises(ArgumentError, match="its own body would never run"):
        evaluator(wrapper, wraps="half")


def test_a_wrapper_of_an_unknown_one_is_refused() -> None:
    with pytest.raises(KeyError, match="evaluator 'w': no evaluator is called 'nobody'"):
        evaluator(lambda outputs: ..., name="w", wraps="nobody")


def test_evaluators_that_call_each_other_for_ever_are_refused() -> None:
    evaluator(half, name="one")
    evaluator(lambda outputs: ..., name="two", wraps="one")
    evaluator(lambda outputs: ..., name="one", wraps="two")
    with pytest.raises(UserCodeError, match="evaluator 'one' calls itself"):
        to_evaluator("one")


# --- fingerprints ----------------------------------------------------------------------------------------------------

SETTINGS: list[Mapping[str, Any]] = [
    {},
    {"repeat": 2},
    {"transform": "value * 2"},
    {"transform": "value * 3"},
    {"aggregate": "max(values)"},
    {"checker": "value > 1"},
    {"checker": lambda value: value > 1},
    {"checker": lambda value: value > 2},
    {"target": 1},
    {"target": "[0, 1]"},
    {"target": "(0, 1]"},
    {"target": [0, 1]},
    {"target": range(2)},
    {"target": True},
    {"target": "1"},
    {"asserts": True},
    {"version": 2},
    {"version": "2"},
]


def test_every_setting_that_decides_about_a_score_changes_the_fingerprint() -> None:
    found = [fingerprint(evaluator(half, **settings)) for settings in SETTINGS]
    assert len(set(found)) == len(SETTINGS)
    assert found == [fingerprint(evaluator(half, **settings)) for settings in SETTINGS]


def test_without_settings_the_fingerprint_is_the_functions_own() -> None:
    assert fingerprint(evaluator(half)) == fingerprint(half)
    assert fingerprint(evaluator(half, name="other", weight=3)) == fingerprint(half)


def test_what_an_expression_calls_is_part_of_the_fingerprint() -> None:
    evaluator(lambda outputs: 1, name="base")
    made = evaluator(half, checker="base(value) > 0")
    named = evaluator(half, name="named", transform="base")
    before = fingerprint(made), fingerprint(named)
    evaluator(lambda outputs: 2 + 0, name="base")
    after = fingerprint(made), fingerprint(named)
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_settings_beneath_another_decorator_count() -> None:
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def call(outputs: Any) -> Any:
            return function(outputs)

        return call

    assert fingerprint(logged(evaluator(half, target=1))) != fingerprint(logged(evaluator(half, target=2)))
