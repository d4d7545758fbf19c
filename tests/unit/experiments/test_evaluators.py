"""Evaluators: what their answers are worth, what they are called, and when two of them do the same."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import itertools
import json
import math
import operator
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import UserCodeError
from honeyhive.experiments.evaluators import Grade, callable_name, fingerprint, to_evaluator, to_grade
from honeyhive.result import EvaluatorRef, Fault

# --- grades ----------------------------------------------------------------------------------------------------------


class Scalar:
    """What numpy and torch make of one number."""

    def __init__(self, value: Any, shape: Any = ()) -> None:
        self.value = value
        self.shape = shape

    def item(self) -> Any:
        return self.value


class Level(int):
    """A number of the user's own kind."""


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (True, True),
        (False, False),
        (None, None),
        (0, 0),
        (1, 1),
        (-7, -7),
        (0.5, 0.5),
        (1.0, 1),
        (-0.0, 0),
        (1e300, 1e300),
        (5e-324, 5e-324),
        (2**53 - 1, 2**53 - 1),
        (2**53, float(2**53)),
        (10**300, 1e300),
        (Decimal("0.25"), 0.25),
        (Decimal(3), 3),
        (Fraction(1, 4), 0.25),
        (Fraction(8, 4), 2),
        (Level(3), 3),
        (Scalar(0.5), 0.5),
        (Scalar(True), True),
        (Scalar(4), 4),
        (Scalar(None), None),
    ],
)
def test_a_number_is_a_score(value: Any, score: Any) -> None:
    grade = to_grade(value)
    assert grade == Grade(score=score)
    assert isinstance(grade, Grade)
    assert type(grade.score) is type(score)
    assert to_grade((value, "because")) == Grade(score=score, note="because")
    assert to_grade((value, None)) == Grade(score=score)


@pytest.mark.parametrize(
    ("value", "fault", "message"),
    [
        (math.nan, "ValueError", "gave nan, which is not a finite number"),
        (math.inf, "ValueError", "gave inf, which is not a finite number"),
        (-math.inf, "ValueError", "gave -inf, which is not a finite number"),
        (10**400, "ValueError", "gave inf, which is not a finite number"),
        (Fraction(10**400), "ValueError", "gave inf, which is not a finite number"),
        (Decimal("NaN"), "ValueError", "gave nan, which is not a finite number"),
        (Decimal("sNaN"), "ValueError", "gave nan, which is not a finite number"),
        (Decimal("1e400"), "ValueError", "gave inf, which is not a finite number"),
        (Scalar(math.nan), "ValueError", "gave nan, which is not a finite number"),
        (b"1", "TypeError", "gave a bytes, not True/False, a number or None"),
        (1j, "TypeError", "gave a complex, not True/False, a number or None"),
        ([1.0], "TypeError", "gave a list, not True/False, a number or None"),
        ({"score": 1}, "TypeError", "gave a dict, not True/False, a number or None"),
        ((1.0,), "TypeError", "gave a tuple, not True/False, a number or None"),
        ((1.0, "note", "more"), "TypeError", "gave a tuple, not True/False, a number or None"),
        (([1.0], "note"), "TypeError", "gave a list, not True/False, a number or None"),
        (({"a": 1}, "note"), "TypeError", "gave a dict, not True/False, a number or None"),
        ((math.nan, "note"), "ValueError", "gave nan, which is not a finite number"),
        (Scalar([1.0, 2.0]), "TypeError", "gave a list, not True/False, a number or None"),
        (Scalar(1.0, shape=(1,)), "TypeError", "gave a Scalar, not True/False, a number or None"),
        (Scalar, "TypeError", "gave a type, not True/False, a number or None"),
        (object(), "TypeError", "gave a object, not True/False, a number or None"),
    ],
)
def test_anything_else_is_a_fault_of_the_evaluator(value: Any, fault: str, message: str) -> None:
    assert to_grade(value) == Fault(type=fault, message=message)


@given(st.floats() | st.integers() | st.booleans() | st.none() | st.decimals() | st.fractions() | st.text())
def test_a_score_is_finite_or_there_is_none(value: Any) -> None:
    grade = to_grade(value, None)
    if isinstance(grade, Grade) and grade.score is not None:
        assert math.isfinite(grade.score)
        assert grade.score == pytest.approx(float(value))
        assert isinstance(grade.score, bool) is isinstance(value, bool)


# --- names -----------------------------------------------------------------------------------------------------------


def correct(outputs: Any, ground_truth: Any) -> bool:
    return bool(outputs == ground_truth)


class Judge:
    def __init__(self, model: str = "m-1") -> None:
        self.model = model

    def __call__(self, outputs: Any) -> bool:
        return bool(outputs)

    def politeness(self, outputs: Any) -> bool:
        return bool(outputs)

    @classmethod
    def tone(cls, outputs: Any) -> bool:
        return bool(outputs)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (correct, "correct"),
        (functools.partial(correct, ground_truth=1), "correct"),
        (functools.partial(functools.partial(correct, 1), 2), "correct"),
        (functools.lru_cache(correct), "correct"),
        (Judge(), "Judge"),
        (functools.partial(Judge(), 1), "Judge"),
        (Judge().politeness, "politeness"),
        (Judge.tone, "tone"),
        (Judge, "Judge"),
        (lambda outputs: True, "<lambda>"),
        (len, "len"),
        (operator.itemgetter(1), "itemgetter"),
    ],
)
def test_a_callable_goes_by_its_own_name(function: Callable[..., Any], name: str) -> None:
    assert callable_name(function) == name
    assert to_evaluator(function).name == name
    assert to_evaluator(function, "given").name == "given"


def test_an_evaluator_is_its_callable_bound_named_and_fingerprinted() -> None:
    evaluator = to_evaluator(correct)
    assert evaluator.ref == EvaluatorRef(name="correct", fingerprint=fingerprint(correct))
    assert evaluator.binding({"outputs": 1, "inputs": 2, "ground_truth": 1}) is True


def test_an_evaluator_that_cannot_be_called_is_refused_by_its_name() -> None:
    with pytest.raises(UserCodeError, match="quality asks for more than there is"):
        to_evaluator(lambda a, b, c, d: 0, "quality")


# --- fingerprints ----------------------------------------------------------------------------------------------------

_numbers = itertools.count()


class Modules:
    """Modules of source text, for what is fingerprinted is text."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fingerprint(self, source: str, expression: str = "score") -> str:
        name = f"fingerprinted_{next(_numbers)}"
        path = self._folder / f"{name}.py"
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
            return fingerprint(eval(expression, vars(module)))
        finally:
            del sys.modules[name]


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    return Modules(tmp_path)


PLAIN = """
def score(outputs, ground_truth=None):
    if outputs:
        return outputs == ground_truth
    return None
"""

SAME = {
    "comments": """
# about the module
def score(outputs, ground_truth=None):  # about the function
    # about the condition
    if outputs:
        return outputs == ground_truth
    return None  # nothing to compare
""",
    "a docstring": """
def score(outputs, ground_truth=None):
    \"\"\"Whether it is right.

    At length.
    \"\"\"
    if outputs:
        return outputs == ground_truth
    return None
""",
    "layout": """
import os


def score(
      outputs,
      ground_truth = None,
):

      if (outputs): return ((outputs ==
              ground_truth))

      return None
""",
    "what stands around it": """
OTHER = 1
if True:
    def score(outputs, ground_truth=None):
            if outputs:
                return outputs == ground_truth
            return None
""",
}

CHANGED = {
    "the logic": PLAIN.replace("==", "!="),
    "the order of statements": PLAIN.replace("if outputs:", "if not outputs:"),
    "a name": PLAIN.replace("outputs", "answer"),
    "its own name": PLAIN.replace("def score", "def other") + "\nscore = other\n",
    "a default": PLAIN.replace("=None):", "=0):"),
    "the kind of a constant": PLAIN.replace("return None", "return 0"),
    "a constant that is equal": PLAIN.replace("return None", "return 0.0"),
    "a constant that is false": PLAIN.replace("return None", "return False"),
    "a text that looks like it": PLAIN.replace("return None", "return 'None'"),
    "an annotation": PLAIN.replace("(outputs,", "(outputs: str,"),
    "a decorator": "import functools\n@functools.lru_cache" + PLAIN,
    "to asynchronous": PLAIN.replace("def", "async def"),
    "the version": PLAIN + "\nscore.version = 2\n",
}


@pytest.mark.parametrize("change", SAME)
def test_how_it_is_written_does_not_change_a_fingerprint(modules: Modules, change: str) -> None:
    assert modules.fingerprint(PLAIN) == modules.fingerprint(SAME[change])


def test_what_it_does_changes_a_fingerprint(modules: Modules) -> None:
    found = {change: modules.fingerprint(source) for change, source in {"": PLAIN, **CHANGED}.items()}
    assert len(set(found.values())) == len(found), found
    assert all(len(one) == 16 and int(one, 16) for one in found.values())


CLASS = """
import dataclasses, functools

class Judge:
    '''Judges.'''
    scale = 10

    def __init__(self, model, limit=0.5):
        # keeps
        self.model = model
        self.limit = limit

    def __call__(self, outputs):
        '''Calls.'''
        return outputs > self.limit

    def strict(self, outputs):
        return outputs > self.limit * 2

    def lax(self, outputs):
        return outputs > self.limit * 2

    @classmethod
    def of_class(cls, outputs):
        return outputs > cls.scale

@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    model: str
    tags: frozenset = frozenset()

    def __call__(self, outputs):
        return bool(outputs)

class OneSlot:
    __slots__ = "model"

    def __init__(self, *model):
        if model:
            (self.model,) = model

    def __call__(self, outputs):
        return bool(outputs)

def within(limit, scale=1):
    '''Makes one.'''
    def score(outputs):
        return outputs < limit * scale
    return score

def recursive():
    def score(outputs):
        return score(outputs[1:]) if outputs else later
    if False:
        later = 1
    return score

def at_least(limit):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(outputs):
            return function(outputs) and outputs > limit
        return wrapper
    return decorate

LIMIT = 5

@at_least(LIMIT)
def decorated(outputs):
    return True

def raw(outputs, threshold=0.5, *, strict=False):
    return outputs
"""

DIFFERENT = [
    ("Judge('a')", "Judge('b')"),
    ("Judge('a')", "Judge('a', 0.6)"),
    ("Judge('a').strict", "Judge('b').strict"),
    ("Judge('a').strict", "Judge('a').lax"),
    ("Judge('a').strict", "Judge('a')"),
    ("Judge('a').of_class", "Judge('a').strict"),
    ("Judge", "Judge('a')"),
    ("Slotted('a')", "Slotted('b')"),
    ("Slotted('a')", "Slotted('a', frozenset({'x'}))"),
    ("Slotted('a').__call__", "Slotted('b').__call__"),
    ("OneSlot('a')", "OneSlot('b')"),
    ("OneSlot('a')", "OneSlot()"),
    ("within(1)", "within(2)"),
    ("within(1)", "within(1, 2)"),
    ("within({'a': 1})", "within({'a': 2})"),
    ("at_least(1)(raw)", "at_least(2)(raw)"),
    ("at_least(1)(raw)", "raw"),
    ("at_least(1)(at_least(2)(raw))", "at_least(2)(at_least(1)(raw))"),
    ("raw", "functools.partial(raw)"),
    ("functools.partial(raw, threshold=1)", "functools.partial(raw, threshold=2)"),
    ("functools.partial(raw, 1)", "functools.partial(raw, 2)"),
    ("functools.partial(within(1), 1)", "functools.partial(within(2), 1)"),
    ("len", "sum"),
    ("str.upper", "str.lower"),
]


@pytest.mark.parametrize(("one", "another"), DIFFERENT)
def test_settings_change_a_fingerprint(modules: Modules, one: str, another: str) -> None:
    assert modules.fingerprint(CLASS, one) != modules.fingerprint(CLASS, another)


@pytest.mark.parametrize("one", sorted({one for pair in DIFFERENT for one in pair} | {"recursive()", "decorated"}))
def test_the_same_thing_made_twice_has_one_fingerprint(modules: Modules, one: str) -> None:
    without_docstrings = "\n".join(line for line in CLASS.splitlines() if "'''" not in line)
    assert modules.fingerprint(CLASS, one) == modules.fingerprint(without_docstrings, one)


def test_what_a_decorator_was_told_by_name_changes_a_fingerprint(modules: Modules) -> None:
    changed = CLASS.replace("LIMIT = 5", "LIMIT = 6")
    assert modules.fingerprint(CLASS, "decorated") != modules.fingerprint(changed, "decorated")


@pytest.mark.parametrize("expression", ["Judge('a')", "Judge('a').strict", "Judge.of_class"])
def test_the_class_of_an_object_is_part_of_what_it_does(modules: Modules, expression: str) -> None:
    assert modules.fingerprint(CLASS, expression) != modules.fingerprint(CLASS.replace("= 10", "= 20"), expression)


def test_the_version_that_it_declares_changes_a_fingerprint(modules: Modules) -> None:
    versions = [CLASS, CLASS + "\nJudge.version = 1\n", CLASS + "\nJudge.version = '1'\n"]
    for expression in ("Judge('a')", "Judge('a').strict"):
        assert len({modules.fingerprint(source, expression) for source in versions}) == 3
    partial = "import functools\nscore = functools.partial(len)\n"
    assert modules.fingerprint(partial) != modules.fingerprint(partial + "score.version = 2\n")


PROMPT = '''
class Judge:
    def score(self, outputs):
        prompt = f"""
Is this polite?
{outputs}
    indented
"""  # a comment
        return prompt in outputs
'''


def test_a_prompt_at_the_left_edge_is_read_like_any_text(modules: Modules) -> None:
    found = modules.fingerprint(PROMPT, "Judge.score")
    assert found == modules.fingerprint(PROMPT.replace("  # a comment", ""), "Judge.score")
    assert found != modules.fingerprint(PROMPT.replace("polite", "kind"), "Judge.score")
    assert found != modules.fingerprint(PROMPT.replace("    indented", "indented"), "Judge.score")


@pytest.mark.parametrize("length", [10, 500])
def test_a_long_chain_is_read_to_its_end(modules: Modules, length: int) -> None:
    chain = "".join(f"    elif outputs == {number}:\n        return {number}\n" for number in range(length))
    source = f"def score(outputs):\n    if not outputs:\n        return 0\n{chain}    else:\n        return 'last'\n"
    total = f"def score(outputs):\n    return {' + '.join(['outputs'] * length)} + 1\n"
    assert modules.fingerprint(source) != modules.fingerprint(source.replace("'last'", "'first'"))
    assert modules.fingerprint(total) != modules.fingerprint(total.replace("+ 1\n", "+ 2\n"))


def test_a_lambda_in_the_middle_of_an_expression_goes_by_its_lines(modules: Modules) -> None:
    source = "scores = {\n    'a': lambda outputs: outputs > 1,\n}\n"
    found = modules.fingerprint(source, "scores['a']")
    assert found == modules.fingerprint(source.replace("    'a'", "  'a'"), "scores['a']")
    assert found != modules.fingerprint(source.replace("> 1", "> 2"), "scores['a']")


def test_a_lambda_with_a_name_is_read_like_a_function(modules: Modules) -> None:
    found = modules.fingerprint("score = lambda outputs: outputs > 1\n")
    assert found == modules.fingerprint("score = lambda outputs: (outputs >\n  1)  # more\n".replace("\n  ", " "))
    assert found != modules.fingerprint("score = lambda outputs: outputs > 2\n")


def test_what_has_no_source_goes_by_its_name() -> None:
    made: dict[str, Any] = {}
    exec("def score(outputs): return 1\ndef other(outputs): return 1\nclass Made: pass", made)
    assert fingerprint(made["score"]) == fingerprint(made["score"])
    assert len({fingerprint(made[name]) for name in ("score", "other", "Made")}) == 3


def test_a_file_that_is_no_python_any_more_goes_by_its_text(tmp_path: Path) -> None:
    path = tmp_path / "gone_bad.py"
    code = compile("def score(outputs):\n    return 1\n", str(path), "exec")
    made: dict[str, Any] = {"__name__": "gone_bad"}
    exec(code, made)
    path.write_text("def score(outputs):\n    return }{\n", encoding="utf-8")
    assert fingerprint(made["score"]) == fingerprint(made["score"])


@dataclasses.dataclass
class Holding:
    """Holds what has nothing but an address."""

    thing: Any

    def __call__(self, outputs: Any) -> Any:
        return self.thing


@pytest.mark.parametrize("make", [object, lambda: lambda: None, threading.Lock, lambda: Judge().politeness])
def test_no_address_is_in_a_fingerprint(make: Callable[[], Any]) -> None:
    kept = [make() for _ in range(20)]  # alive together, so that no two share an address
    assert len({fingerprint(Holding(thing)) for thing in kept}) == 1
    assert len({fingerprint(functools.partial(correct, thing)) for thing in kept}) == 1


class Unreadable:
    def tolist(self) -> Any:
        raise RuntimeError("on another device")


def test_a_setting_that_cannot_be_read_goes_by_its_type() -> None:
    found = fingerprint(Holding(Unreadable()))
    assert found == fingerprint(Holding(Unreadable()))
    assert found != fingerprint(Holding(Judge()))
    assert fingerprint(functools.partial(correct, Unreadable(), 1)) != fingerprint(
        functools.partial(correct, Judge(), 1)
    )


ELSEWHERE = f"""
import json, sys, types
from honeyhive.experiments.evaluators import fingerprint

import judges
from judges import *

def of(expression):
    return fingerprint(eval(expression))

sets = {{"a", "b", "c", "d", "e", "f", 1, None, (2, 3)}}
names = {sorted({one for pair in DIFFERENT for one in pair})!r}
names += ["within(sets)", "within(dict.fromkeys(sets))", "functools.partial(raw, sets)", "within(object())"]
print(json.dumps([of(name) for name in names]))
"""


def test_a_fingerprint_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "judges.py").write_text(CLASS, encoding="utf-8")
    found = set()
    for seed in ("0", "1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert all(len(one) == 16 for one in json.loads(found.pop()))
