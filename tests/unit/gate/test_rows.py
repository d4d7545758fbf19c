from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import scored
from honeyhive.gate.rows import Rows


@given(st.lists(st.text(max_size=4), unique=True, max_size=20))
def test_ids_of_any_kind_are_found_again_and_told_as_they_were(ids: list[str]) -> None:
    rows = Rows()
    assert [rows.number(scored(one)) for one in ids] == list(range(len(ids)))
    assert [rows.number(scored(one)) for one in ids] == list(range(len(ids)))
    rows.close()
    assert [rows.place(row).datapoint_id for row in range(len(rows))] == ids


def test_an_id_may_hold_half_a_character() -> None:
    rows = Rows()
    row = rows.number(scored("EXT-\ud800"))
    assert rows.place(row).datapoint_id == "EXT-\ud800"


def test_what_is_told_of_a_datapoint_is_what_the_first_run_says() -> None:
    rows = Rows(["talk"])
    rows.number(scored("a", {"index": 3, "line": 4, "metadata": {"talk": 1}}))
    rows.number(scored("a", {"index": 9, "line": 9, "metadata": {"talk": 2}}))
    rows.number(scored("b", {"metadata": {"talk": 1}}))
    assert (len(rows), rows.position(0), rows.place(0).line) == (2, 3, 4)
    first, second = rows.clusters("talk", range(2))
    assert first == second


# --- clusters --------------------------------------------------------------------------------------------------------


def clusters_of(*fields: dict[str, Any], key: str = "talk") -> list[int]:
    rows = Rows([key])
    for at, one in enumerate(fields):
        rows.number(scored(f"EXT-{at}", one))
    return list(rows.clusters(key, range(len(rows))))


def test_a_cluster_is_named_by_the_inputs_or_by_the_metadata() -> None:
    by_inputs, by_metadata, other = clusters_of(
        {"inputs": {"talk": "a"}}, {"inputs": {"q": 1}, "metadata": {"talk": "a"}}, {"inputs": {"talk": "b"}}
    )
    assert by_inputs == by_metadata != other


def test_the_inputs_come_before_the_metadata() -> None:
    both, inputs, metadata = clusters_of(
        {"inputs": {"talk": 1}, "metadata": {"talk": 2}}, {"inputs": {"talk": 1}}, {"metadata": {"talk": 2}}
    )
    assert both == inputs != metadata


def test_datapoints_without_the_key_are_in_one_cluster() -> None:
    found = clusters_of({"inputs": "text"}, {"inputs": {"talk": None}}, {"inputs": {}, "metadata": {}}, {})
    assert found == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["", 0, False, [], {}, -1, "é", {"of": [1, 2]}])
def test_whatever_names_a_cluster_is_not_nothing(name: Any) -> None:
    first, second, other = clusters_of(
        {"inputs": {"talk": name}}, {"inputs": {"talk": name}}, {"inputs": {"talk": "other"}}
    )
    assert first == second
    assert first not in (0, other)
