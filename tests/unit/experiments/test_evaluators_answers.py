"""What evaluators return, as metrics: labels, mappings, objects, and `run_evaluators()`."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import ArgumentError
from honeyhive.experiments.evaluators import EvalResult, Grade, evaluator, run_evaluators, to_evaluator
from honeyhive.experiments.evaluators.grades import MAX_METRIC_NAME, MAX_METRICS, Returned, read_returned
from honeyhive.result import Fault
from threads import ours


def concluded(value: Any, ground_truth: Any = None, name: str = "tone") -> Mapping[str, Grade | Fault]:
    return to_evaluator(lambda outputs: None, name).conclude([value], ground_truth)


# --- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground_truth", "score"),
    [
        ("polite", True),
        ("rude", False),
        ("", False),
        ({"tone": "polite", "answer": "Paris"}, True),
        ({"tone": "rude", "answer": "polite"}, False),
        ({"expected": "polite", "weight": 3}, True),
        ({"expected": "rude"}, False),
        (None, None),
        ({}, None),
    ],
)
def test_a_text_is_a_label_right_where_it_is_the_expected_one(ground_truth: Any, score: bool | None) -> None:
    assert concluded("polite", ground_truth) == {"tone": Grade(score=score, note="polite")}
    assert concluded(("polite", "said please"), ground_truth) == {
        "tone": Grade(score=score, note="polite: said please")
    }


@pytest.mark.parametrize(
    "ground_truth", [{"one": "polite", "two": "rude"}, {"tone": 3, "other": "polite"}, 0, False, ["polite"]]
)
def test_a_label_that_the_ground_truth_says_nothing_of_is_a_fault(ground_truth: Any) -> None:
    message = 'gave the label "polite", and the ground truth has none to hold it against'
    for found in (concluded("polite", ground_truth), concluded({"tone": "polite"}, ground_truth)):
        (fault,) = found.values()
        assert isinstance(fault, Fault)
        assert fault.message.startswith(message)
    assert concluded((None, "polite"), ground_truth) == {"tone": Grade(score=None, note="polite")}


# --- mappings --------------------------------------------------------------------------------------------------------


def test_each_key_of_a_mapping_is_a_metric() -> None:
    assert concluded({"accuracy": 0.5, "safe": True, "skipped": None, "spelled": (0, "three mistakes")}) == {
        "accuracy": Grade(score=0.5),
        "safe": Grade(score=True),
        "skipped": Grade(score=None),
        "spelled": Grade(score=0, note="three mistakes"),
    }


def test_a_mapping_with_a_score_gives_the_evaluators_own_metric_and_others_under_its_name() -> None:
    assert concluded({"score": 0.5, "explanation": "so so", "words": 12, "cut": False}) == {
        "tone": Grade(score=0.5, note="so so"),
        "tone_words": Grade(score=12),
        "tone_cut": Grade(score=False),
    }
    assert concluded({"score": 1, "reasoning": "fine"}) == {"tone": Grade(score=1, note="fine")}
    assert concluded({"score": 1, "reasoning": "b", "explanation": "a"})["tone"] == Grade(score=1, note="a\nb")
    assert concluded({"score": 1, "explanation": {"b": 1}})["tone"] == Grade(score=1, note='{"b":1}')
    assert concluded({"score": (1, "x"), "explanation": None})["tone"] == Grade(score=1, note="x")


@pytest.mark.parametrize("number", [0.5, 0, True, Decimal("0.5"), np.float64(0.5), np.bool_(False)])
@pytest.mark.parametrize("name", ["reasoning", "explanation"])
def test_a_number_under_the_name_of_a_note_is_a_metric(name: str, number: Any) -> None:
    score = Grade(score=number)
    assert concluded({name: number, "clarity": 0.3}) == {name: score, "clarity": Grade(score=0.3)}
    assert concluded({name: number}) == {name: score}
    assert concluded({"score": 1, name: number}) == {"tone": Grade(score=1), f"tone_{name}": score}


def test_of_a_number_and_a_text_under_the_names_of_notes_each_is_what_it_is() -> None:
    assert concluded({"reasoning": 0.5, "explanation": "sound"}) == {"reasoning": Grade(score=0.5, note="sound")}
    assert concluded({"reasoning": "sound", "explanation": 0.5}) == {"explanation": Grade(score=0.5, note="sound")}
    assert isinstance(concluded({"reasoning": math.nan})["reasoning"], Fault)


NUMBERS = st.integers() | st.floats(allow_nan=False) | st.booleans()
KEYS = st.sampled_from(["reasoning", "explanation", "words"])


@given(NUMBERS | st.none() | st.text(), st.text(min_size=1) | st.none(), st.dictionaries(KEYS, NUMBERS))
def test_what_was_taken_apart_and_put_together_is_read_as_the_same(
    value: Any, note: str | None, extras: dict[str, Any]
) -> None:
    returned = Returned(value=value, note=note, extras=extras)
    assert read_returned(returned.whole()) == returned


@pytest.mark.parametrize("repeat", [1, 2])
@pytest.mark.parametrize(
    "value", [{"score": 0.5, "reasoning": "why", "explanation": 0.25}, {"score": (0.5, "why"), "explanation": 0.25}]
)
def test_settings_keep_a_note_beside_a_metric_that_has_the_name_of_one(value: Any, repeat: int) -> None:
    made = evaluator(lambda outputs: value, name="tone", repeat=repeat, target=0.5)
    expected = {"tone": Grade(score=True, note="why"), "tone_explanation": Grade(score=0.25)}
    assert to_evaluator(made).conclude([value] * repeat, None) == expected
    assert concluded(made("x")) == expected


def test_a_note_without_a_score_belongs_to_every_metric_that_has_none_of_its_own() -> None:
    assert concluded({"a": 1, "b": (0, "mine"), "explanation": "ours"}) == {
        "a": Grade(score=1, note="ours"),
        "b": Grade(score=0, note="mine"),
    }


def test_a_text_in_a_mapping_is_a_label_only_where_its_key_is_expected() -> None:
    value = {"score": 1, "style": "formal", "model": "m-1"}
    assert concluded(value, {"style": "formal"}) == {
        "tone": Grade(score=1),
        "tone_style": Grade(score=True, note="formal"),
        "tone_model": Grade(score=None, note="m-1"),
    }
    assert concluded(value, {"tone_style": "casual"})["tone_style"] == Grade(score=False, note="formal")
    assert concluded({"style": "formal"}) == {"style": Grade(score=None, note="formal")}
    assert concluded({"score": "formal"}, "casual") == {"tone": Grade(score=False, note="formal")}


@pytest.mark.parametrize("inner", [{}, {"score": 1}, [1], (1, 2, 3), math.nan, object()])
def test_what_is_no_score_in_a_mapping_is_a_fault_of_that_metric_alone(inner: Any) -> None:
    found = concluded({"good": 1, "bad": inner})
    assert found["good"] == Grade(score=1)
    assert isinstance(found["bad"], Fault)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "gave an empty mapping, which says nothing"),
        ({"explanation": "nothing else"}, "gave an empty mapping, which says nothing"),
        ({1: 0.5}, "gave a metric whose name is a int, not text"),
        ({"": 0.5}, 'gave a metric called "", which is no name'),
        ({"  ": 0.5}, 'gave a metric called "  ", which is no name'),
        ({"a\nb": 0.5}, 'gave a metric called "a\\nb", which is no name'),
        ({"a\x1b[2J": 0.5}, 'gave a metric called "a\\u001b[2J", which is no name'),
        ({"\ud800": 0.5}, 'gave a metric called "\\ud800", which is no name'),
        ({"latency_ms": 0.5}, "gave a metric called 'latency_ms', which every run has: rename it"),
        ({f"m{number}": 1 for number in range(MAX_METRICS + 1)}, "gave 201 metrics; 200 is the most"),
    ],
)
def test_a_mapping_without_usable_names_is_a_fault_of_the_evaluator(value: Any, message: str) -> None:
    found = concluded(value)["tone"]
    assert isinstance(found, Fault)
    assert found.message == message
    assert concluded(value).keys() == {"tone"}


def test_a_metrics_name_is_bounded() -> None:
    assert concluded({"m" * MAX_METRIC_NAME: 1}) == {"m" * MAX_METRIC_NAME: Grade(score=1)}
    assert isinstance(concluded({"m" * (MAX_METRIC_NAME + 1): 1})["tone"], Fault)
    assert isinstance(concluded({"score": 1, "m" * MAX_METRIC_NAME: 1})["tone"], Fault)


def test_a_mapping_as_a_score_is_refused() -> None:
    with pytest.raises(TypeError, match="gave a dict as its score"):
        concluded({"score": {"score": 1}})


@given(st.dictionaries(st.text(max_size=5), st.floats() | st.booleans() | st.none() | st.text(max_size=3)))
def test_whatever_a_mapping_holds_every_grade_is_finite_and_has_a_name(value: dict[str, Any]) -> None:
    found = concluded(value)
    assert found
    for metric, grade in found.items():
        assert metric.strip()
        assert metric.isprintable()
        if isinstance(grade, Grade) and grade.score is not None:
            assert math.isfinite(grade.score)


# --- objects ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Verdict:
    score: Any
    explanation: Any = None


class Raises:
    @property
    def score(self) -> float:
        raise RuntimeError("not computed")


def test_an_object_with_a_score_gives_it() -> None:
    assert concluded(Verdict(0.5, "half")) == {"tone": Grade(score=0.5, note="half")}
    assert concluded(Verdict("polite"), "polite") == {"tone": Grade(score=True, note="polite")}
    assert concluded(EvalResult(0.25, explanation="a quarter", model="m")) == {
        "tone": Grade(score=0.25, note="a quarter")
    }
    assert EvalResult(1, init_method="f", a=2).to_dict() == {"score": 1, "metadata": {"a": 2}}
    assert isinstance(concluded(Verdict(Verdict(1)))["tone"], Fault)
    assert isinstance(concluded(Verdict)["tone"], Fault)


def test_what_the_object_raises_goes_on() -> None:
    with pytest.raises(RuntimeError, match="not computed"):
        concluded(Raises())
    found = concluded({"good": 1, "bad": Raises()})
    assert found == {"good": Grade(score=1), "bad": Fault(type="RuntimeError", message="not computed")}


# --- run_evaluators --------------------------------------------------------------------------------------------------


def exact(outputs: Any, inputs: Any, ground_truth: Any) -> bool:
    return bool(outputs == ground_truth)


async def exact_later(outputs: Any, inputs: Any, ground_truth: Any) -> tuple[bool, str]:
    await asyncio.sleep(0)
    return outputs == ground_truth, f"asked {inputs['q']}"


def broken(outputs: Any) -> float:
    raise ValueError("broken")


def entry(name: str, score: Any = None, explanation: str | None = None, error: str | None = None) -> dict[str, Any]:
    return {"name": name, "score": score, "explanation": explanation, "error": error}


EXPECTED = [
    entry("exact", True),
    entry("exact_later", True, "asked 1"),
    entry("broken", error="ValueError: broken"),
    entry("<lambda>", error="ValueError: gave nan, which is not a finite number"),
    entry("x", 1),
    entry("y", error="TypeError: gave a list, not True/False, a number or None"),
]


def score() -> list[dict[str, Any]]:
    mapping = {"x": 1, "y": []}

    def several(outputs: Any) -> Any:
        return mapping

    return run_evaluators([exact, exact_later, broken, lambda outputs: math.nan, several], {"q": 1}, "a", "a")


def test_each_metric_is_an_entry_and_so_is_each_failure() -> None:
    assert score() == EXPECTED
    assert ours() == []


def test_evaluators_run_to_their_end_inside_a_running_loop() -> None:
    async def main() -> list[dict[str, Any]]:
        return score()

    assert asyncio.run(main()) == EXPECTED


def test_an_evaluator_may_ask_for_the_whole_datapoint_and_the_tracer() -> None:
    def asks(datapoint: Any, tracer: Any) -> bool:
        return bool(datapoint == {"inputs": 1, "ground_truth": 3}) and tracer is None

    assert run_evaluators([asks], 1, 2, 3) == [entry("asks", True)]


def test_what_is_no_evaluator_is_refused() -> None:
    with pytest.raises(ArgumentError, match="not a float"):
        run_evaluators([0.5], {}, "")  # type: ignore[list-item]  # on purpose
