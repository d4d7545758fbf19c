"""How the user's callables are called: their signature decides, once, and no value ever does."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import UserCodeError
from honeyhive.experiments.calling import Binding, bind_evaluator, bind_function

# Each value names its own source, so that what arrives where can be read off.
VALUES = {source: f"<{source}>" for source in ("inputs", "ground_truth", "datapoint", "outputs", "tracer")}
I, G, D, O, T = (VALUES[name] for name in ("inputs", "ground_truth", "datapoint", "outputs", "tracer"))  # noqa: E741 - initials, in a table

Call = tuple[tuple[Any, ...], dict[str, Any]]


def as_function(function: Callable[..., Any]) -> Any:
    return bind_function(function, "app:answer")(VALUES)


def as_evaluator(function: Callable[..., Any]) -> Any:
    return bind_evaluator(function, "app:correct")(VALUES)


class Whole:
    """Callable objects, methods and classes that give back what they were called with."""

    def __init__(self, *seen: Any, **named: Any) -> None:
        self.seen = (*seen, *named.values())

    def __call__(self, outputs: Any, ground_truth: Any) -> Any:
        return outputs, ground_truth

    def method(self, outputs: Any, expected: Any) -> Any:
        return outputs, expected

    @classmethod
    def of_class(cls, outputs: Any, expected: Any) -> Any:
        return outputs, expected

    @staticmethod
    def static(outputs: Any, expected: Any) -> Any:
        return outputs, expected


@dataclasses.dataclass
class Made:
    inputs: Any
    ground_truth: Any = None


def three(a: Any, b: Any, c: Any) -> Any:
    return a, b, c


def judged(outputs: Any, ground_truth: Any, threshold: Any) -> Any:
    return outputs, ground_truth, threshold


# --- the function under test -----------------------------------------------------------------------------------------

FUNCTIONS: list[tuple[Callable[..., Any], Any]] = [
    # by position
    (lambda: "nothing", "nothing"),
    (lambda x: x, I),
    (lambda x, y: (x, y), (I, G)),
    (lambda x, /: x, I),
    (lambda x, y, /: (x, y), (I, G)),
    # by the words that we know
    (lambda inputs: inputs, I),
    (lambda input: input, I),  # noqa: A006 - it is a word of ours
    (lambda ground_truth: ground_truth, G),
    (lambda ground_truths: ground_truths, G),
    (lambda expected: expected, G),
    (lambda datapoint: datapoint, D),
    (lambda item: item, D),
    (lambda row: row, D),
    (lambda example: example, D),
    (lambda tracer: tracer, T),
    (lambda ground_truth, inputs: (ground_truth, inputs), (G, I)),
    (lambda ground_truth, question: (ground_truth, question), (G, I)),
    (lambda question, inputs: (question, inputs), (G, I)),
    (lambda row, tracer: (row, tracer), (D, T)),
    (lambda tracer, question: (tracer, question), (T, I)),
    (lambda inputs, item, expected, tracer: (inputs, item, expected, tracer), (I, D, G, T)),
    # an output is nothing that there is before the call, so it is a name like any other
    (lambda output: output, I),
    (lambda inputs, outputs: (inputs, outputs), (I, G)),
    # by keyword
    (lambda *, inputs: inputs, I),
    (lambda *, tracer, expected: (tracer, expected), (T, G)),
    (lambda x, *, tracer: (x, tracer), (I, T)),
    (lambda x, *, item=None: (x, item), (I, D)),
    (lambda x, *, temperature=0.5: (x, temperature), (I, 0.5)),
    # defaults: those with our words are filled, others are the user's own
    (lambda x, tracer=None: (x, tracer), (I, T)),
    (lambda x, ground_truth=None: (x, ground_truth), (I, G)),
    (lambda x, retries=3: (x, retries), (I, 3)),
    (lambda x, retries=3, expected=None: (x, retries, expected), (I, 3, G)),
    (lambda inputs=None: inputs, I),
    (lambda x, tracer=None, /: (x, tracer), (I, T)),
    (lambda x, retries=3, /: (x, retries), (I, 3)),
    (lambda x, retries=3, tracer=None, /: (x, retries, tracer), (I, 3, None)),
    # as many as there are
    (lambda *args: args, (I, G)),
    (lambda x, *args: (x, args), (I, (G,))),
    (lambda row, *args: (row, args), (D, (I, G))),
    (lambda x, tracer=None, *args: (x, tracer, args), (I, T, ())),
    (lambda x, retries=3, *args: (x, retries, args), (I, 3, ())),
    (lambda *args, tracer: (args, tracer), ((I, G), T)),
    (lambda **kwargs: kwargs, {}),
    (lambda x, **kwargs: (x, kwargs), (I, {})),
    (lambda *args, **kwargs: (args, kwargs), ((I, G), {})),
    # other callables
    (functools.partial(three, 1), (1, I, G)),
    (functools.partial(three, 1, 2), (1, 2, I)),
    (functools.partial(three, c=3), (I, G, 3)),
    (functools.partial(lambda inputs, tracer: (inputs, tracer), tracer="mine"), (I, "mine")),
    (functools.partial(lambda inputs, ground_truth=None: (inputs, ground_truth), ground_truth="mine"), (I, "mine")),
    (functools.partial(lambda k, inputs: (k, inputs), k=1), (1, I)),
    (functools.partial(functools.partial(three, 1), 2), (1, 2, I)),
    (str, I),
    (len, len(I)),
    (repr, repr(I)),
    (str.upper, I.upper()),
    (operator.itemgetter(1), I[1]),
    ("{}".format, I),
    (Made, Made(I, G)),
    (functools.lru_cache(lambda x: x), I),
]


@pytest.mark.parametrize(("function", "seen"), FUNCTIONS)
def test_the_function_gets_what_its_signature_asks_for(function: Callable[..., Any], seen: Any) -> None:
    assert as_function(function) == seen


def test_a_class_is_called_like_a_function() -> None:
    assert as_function(Whole).seen == (I, G)


# --- evaluators ------------------------------------------------------------------------------------------------------

EVALUATORS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: x, O),
    (lambda x, y: (x, y), (O, I)),
    (three, (O, I, G)),
    (lambda output: output, O),
    (lambda output, expected: (output, expected), (O, G)),
    (lambda outputs, ground_truth: (outputs, ground_truth), (O, G)),
    (lambda outputs, ground_truths: (outputs, ground_truths), (O, G)),
    (lambda expected, output: (expected, output), (G, O)),
    (lambda answer, expected: (answer, expected), (O, G)),
    (lambda ground_truth: ground_truth, G),
    (lambda inputs, outputs: (inputs, outputs), (I, O)),
    (lambda outputs, inputs, ground_truth: (outputs, inputs, ground_truth), (O, I, G)),
    (lambda outputs, item: (outputs, item), (O, D)),
    (lambda x, row, tracer: (x, row, tracer), (O, D, T)),
    (lambda outputs, *, ground_truth: (outputs, ground_truth), (O, G)),
    (lambda outputs, *, tracer=None, strict=True: (outputs, tracer, strict), (O, T, True)),
    (lambda outputs, threshold=0.5: (outputs, threshold), (O, 0.5)),
    (lambda outputs, threshold=0.5, ground_truth=None: (outputs, threshold, ground_truth), (O, 0.5, G)),
    (lambda outputs, ground_truth=None, /: (outputs, ground_truth), (O, G)),
    (lambda *args: args, (O, I, G)),
    (lambda outputs, *args: (outputs, args), (O, (I, G))),
    (lambda outputs, threshold=0.5, *args: (outputs, threshold, args), (O, 0.5, ())),
    (lambda outputs, *args, ground_truth: (outputs, ground_truth), (O, G)),
    (functools.partial(judged, threshold=0.9), (O, G, 0.9)),
    (functools.partial(judged, threshold=0.9, ground_truth="mine"), (O, "mine", 0.9)),
    (Whole(), (O, G)),
    (Whole().method, (O, G)),
    (Whole.of_class, (O, G)),
    (Whole.static, (O, G)),
    (functools.partial(Whole().method, expected="mine"), (O, "mine")),
    (bool, True),
    (operator.eq, False),
    (max, max(O)),  # it does not tell what it takes: the first thing
]


@pytest.mark.parametrize(("function", "seen"), EVALUATORS)
def test_an_evaluator_gets_what_its_signature_asks_for(function: Callable[..., Any], seen: Any) -> None:
    assert as_evaluator(function) == seen


def test_a_coroutine_function_is_bound_like_any_other() -> None:
    async def answer(inputs: Any, tracer: Any) -> Any:
        return inputs, tracer

    coroutine = as_function(answer)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert ended.value.value == (I, T)


def test_a_decorated_function_is_known_by_the_one_inside() -> None:
    def answer(inputs: Any, tracer: Any) -> Any:
        return inputs, tracer

    @functools.wraps(answer)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return answer(*args, **kwargs)

    assert as_function(decorated) == (I, T)


# --- what cannot be called -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bind", "function", "message", "hint"),
    [
        (bind_function, three, "no value for its parameter 'c'", "take (inputs, ground_truth)"),
        (
            bind_function,
            lambda inputs, ground_truth, more: 0,
            "its parameter 'more'",
            "or give the parameter a default",
        ),
        (bind_function, lambda x, item, y, z: 0, "its parameter 'z'", "take (inputs, ground_truth)"),
        (bind_evaluator, lambda a, b, c, d: 0, "its parameter 'd'", "take (outputs, inputs, ground_truth)"),
        (bind_evaluator, lambda a, b, c, d, /: 0, "its parameter 'd'", "take (outputs, inputs, ground_truth)"),
        (
            bind_function,
            lambda x, *, temperature: 0,
            "keyword that we do not have: 'temperature'",
            "known: datapoint, ",
        ),
        (bind_function, lambda x, *, outputs: 0, "keyword that we do not have: 'outputs'", "ground_truths, input,"),
        (bind_evaluator, lambda x, *, reference: 0, "'reference'", "known: datapoint, example, expected, "),
    ],
)
def test_what_asks_for_more_than_there_is_is_refused_before_it_is_called(
    bind: Callable[[Callable[..., Any], str], Binding],
    function: Callable[..., Any],
    message: str,
    hint: str,
) -> None:
    with pytest.raises(UserCodeError) as caught:
        bind(function, "app:it")
    assert caught.value.message.startswith("app:it asks for ")
    assert message in caught.value.message
    assert hint in caught.value.hint


# --- values decide nothing -------------------------------------------------------------------------------------------

falsy: st.SearchStrategy[Any] = st.sampled_from([None, 0, 0.0, False, "", {}, [], (), b""])
anything = falsy | st.integers() | st.text() | st.dictionaries(st.text(max_size=3), falsy, max_size=2)


@given(inputs=anything, ground_truth=anything, outputs=anything)
def test_no_value_changes_the_call(inputs: Any, ground_truth: Any, outputs: Any) -> None:
    values = VALUES | {"inputs": inputs, "ground_truth": ground_truth, "outputs": outputs}
    one: Call = bind_function(lambda *args, **kwargs: (args, kwargs), "f")(values)
    assert one == ((inputs, ground_truth), {})
    assert bind_function(lambda x: x, "f")(values) is inputs
    assert bind_function(lambda x, expected="other": expected, "f")(values) is ground_truth
    assert bind_function(lambda x, *, ground_truth: ground_truth, "f")(values) is ground_truth
    assert bind_evaluator(three, "e")(values) == (outputs, inputs, ground_truth)
    assert bind_evaluator(lambda output, expected: expected, "e")(values) is ground_truth


def test_a_binding_can_be_used_again_and_again() -> None:
    calls: list[Any] = []
    binding = bind_function(calls.append, "f")
    for number in range(3):
        binding(VALUES | {"inputs": number})
    assert calls == [0, 1, 2]
