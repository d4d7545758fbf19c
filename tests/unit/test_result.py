"""What a run leaves, as values."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import failed, run, scored
from honeyhive.result import Fault, RunResult, content_hash

texts = st.text(st.characters(exclude_categories=()), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def test_a_fault_reads_as_type_and_message() -> None:
    assert str(Fault(type="TypeError", message="no number")) == "TypeError: no number"


def test_a_fault_without_a_message_reads_as_its_type() -> None:
    assert str(Fault(type="TimeoutError", message="")) == "TimeoutError"


def test_an_outcome_is_known_by_its_datapoint_and_repeat() -> None:
    assert scored("EXT-a", {"repeat": 2}).key == ("EXT-a", 2)
    assert failed("EXT-b").key == ("EXT-b", 0)


def test_an_outcome_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        scored().output = "other"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("finished", "status", "complete"),
    [
        (2, "completed", True),
        (3, "completed", True),
        (1, "completed", False),
        (None, None, False),
        (2, "failed", False),
        (2, "cancelled", False),
        (2, "stopped", False),
        (None, "completed", False),
    ],
)
def test_a_run_is_complete_once_it_says_so_of_every_datapoint(
    finished: int | None, status: str | None, complete: bool
) -> None:
    result: RunResult = run({"EXT-a": {}, "EXT-b": {}}, finished=finished, status=status)
    assert result.complete is complete


def test_a_run_without_datapoints_can_be_complete() -> None:
    assert run().complete


@settings(deadline=None)
@given(values, values)
def test_every_content_has_a_hash_of_32_hex_digits(inputs: object, ground_truth: object) -> None:
    found = content_hash(inputs, ground_truth)
    assert len(found) == 32
    assert int(found, 16) >= 0
    assert found == content_hash(inputs, ground_truth)


@given(st.dictionaries(texts, st.integers(), min_size=2, max_size=5))
def test_the_order_of_keys_does_not_change_the_content(inputs: dict[str, int]) -> None:
    assert content_hash(inputs, None) == content_hash(dict(reversed(inputs.items())), None)


def test_inputs_and_ground_truth_are_not_mistaken_for_each_other() -> None:
    assert content_hash("a", "b") != content_hash("b", "a")
    assert content_hash("a", None) != content_hash("a", "")
    assert content_hash({"q": 1}, None) != content_hash({"q": True}, None)


def test_the_hash_of_a_content_is_the_same_on_every_machine() -> None:
    assert content_hash({"question": "2 + 2?", "n": 1.5}, "4") == "158bf92ba5f75c9dfaadc57177ad0dc8"
