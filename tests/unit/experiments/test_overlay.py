"""A dataset with the rows that its base has besides: nothing is lifted by deleting or editing a row."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeyhive.errors import DatasetError
from honeyhive.experiments.dataset import Datapoint, Dataset
from honeyhive.experiments.overlay import Differing, Overlay

Row = dict[str, Any]


def overlay(head: Sequence[Row], base: Sequence[Row], limit: int | None = None) -> Overlay:
    return Overlay(Dataset.of(head, limit=limit), Dataset.of(base, limit=limit))


def row(own_id: str, question: Any = 1, **more: Any) -> Row:
    return {"id": own_id, "inputs": question, **more}


def seen(datapoints: Iterable[Datapoint]) -> list[tuple[str, Any]]:
    return [(point.id.removeprefix("EXT-"), point.inputs) for point in datapoints]


def known(point: Datapoint) -> tuple[Any, ...]:
    return point.id, point.content_hash, point.tags, json.dumps(point.metadata, sort_keys=True)


# --- what is run -----------------------------------------------------------------------------------------------------


def test_equal_datasets_are_the_head_unchanged() -> None:
    rows = [row("a", 1, tags=["must-pass"]), {"inputs": 2}, {"inputs": 2}, row("b", 3)]
    head = Dataset.of(rows)
    found = Overlay(head, Dataset.of(rows))
    assert list(found) == list(head)
    assert (found.count, found.removed, found.edited, found.retagged) == (4, Differing(), Differing(), Differing())


def test_a_row_that_was_deleted_is_run_as_the_base_has_it() -> None:
    found = overlay([row("a")], [row("a"), row("b", 2, tags=["must-pass"], metadata={"kind": "hard"})])
    (_, kept) = found
    assert (kept.id, kept.inputs, kept.tags, kept.metadata) == ("EXT-b", 2, ("must-pass",), {"kind": "hard"})
    assert found.removed == Differing(count=1, ids=("EXT-b",))


def test_a_row_that_was_edited_is_run_twice_and_the_base_keeps_its_id() -> None:
    found = overlay([row("a", "easy"), row("b")], [row("a", "hard"), row("b")])
    assert seen(found) == [("a-edited", "easy"), ("b", 1), ("a", "hard")]
    assert (found.count, found.edited) == (3, Differing(count=1, ids=("EXT-a",)))


def test_another_expected_answer_is_an_edit() -> None:
    found = overlay([row("a", ground_truth="yes")], [row("a", ground_truth="no")])
    assert [(point.id, point.ground_truth) for point in found] == [("EXT-a-edited", "yes"), ("EXT-a", "no")]


@pytest.mark.parametrize("without", [row("a"), row("a", tags=["slow"]), row("a", metadata={"team": 1})])
def test_a_row_that_lost_its_tag_has_it_still_and_is_run_once(without: Row) -> None:
    found = overlay([without, row("b")], [row("a", tags=["must-pass"]), row("b")])
    assert [(point.id, point.tags, point.metadata) for point in found] == [
        ("EXT-b", (), {}),
        ("EXT-a", ("must-pass",), {}),
    ]
    assert (found.count, found.retagged) == (2, Differing(count=1, ids=("EXT-a",)))


def test_a_new_row_is_run() -> None:
    assert seen(overlay([row("new", 7), row("a")], [row("a")])) == [("new", 7), ("a", 1)]


def test_of_equal_rows_without_an_id_each_one_that_was_deleted_is_run() -> None:
    found = overlay([{"inputs": "x"}], [{"inputs": "x"}] * 3)
    assert [point.inputs for point in found] == ["x"] * 3
    assert len({point.id for point in found}) == 3
    assert found.removed.count == 2


def test_rows_in_another_order_are_the_same_rows() -> None:
    assert seen(overlay([row("b"), row("a")], [row("a"), row("b")])) == [("b", 1), ("a", 1)]


def test_the_id_of_an_edited_row_is_one_that_neither_dataset_has() -> None:
    found = overlay([row("a", 2), row("a-edited", 3)], [row("a", 1), row("a-edited-2", 4)])
    assert seen(found) == [("a-edited-3", 2), ("a-edited", 3), ("a", 1), ("a-edited-2", 4)]


def test_an_edited_row_that_is_called_edited_already_is_edited_again() -> None:
    found = overlay([row("a-edited", 2), row("a", 2)], [row("a-edited", 1), row("a", 1)])
    assert seen(found) == [("a-edited-edited", 2), ("a-edited-2", 2), ("a-edited", 1), ("a", 1)]
    assert all(found.knows(point.id, point.content_hash) for point in found)


def test_an_edited_row_has_one_name() -> None:
    found = overlay([row("a", 2)], [row("a", 1)])
    edited = next(iter(found))
    assert edited.id == "EXT-a-edited"
    for name in ("EXT-a-edited-1", "EXT-a-edited-2", "EXT-a-edited-edited", "EXT-b-edited"):
        assert not found.knows(name, edited.content_hash)


def test_only_a_few_of_many_rows_are_named() -> None:
    found = overlay([row("a")], [row("a"), *(row(f"r{number}") for number in range(20))])
    assert found.removed == Differing(count=20, ids=tuple(f"EXT-r{number}" for number in range(5)))


def test_a_limit_is_one_for_each_of_the_two() -> None:
    found = overlay([row("a"), row("b"), row("c")], [row("z"), row("a"), row("b")], limit=2)
    assert seen(found) == [("a", 1), ("b", 1), ("z", 1)]
    assert (found.limit, found.count) == (2, 3)
    assert not found.knows("EXT-c", next(iter(Dataset.of([row("c")]))).content_hash)


# --- what it says of itself ------------------------------------------------------------------------------------------


def test_it_is_the_heads_dataset_to_whoever_asks(tmp_path: Path) -> None:
    head, base = (written(tmp_path / name, rows) for name, rows in (("a", [row("a")]), ("b", [row("b")])))
    found = Overlay(head, base)
    assert (found.path, found.sha256, found.dataset_id, found.limit) == (
        head.path, head.sha256, head.dataset_id, None
    )  # fmt: skip
    assert len(found) == 2


def test_a_line_is_one_of_the_heads_file_or_none(tmp_path: Path) -> None:
    head = written(tmp_path / "head", [row("new"), row("kept"), row("retagged"), row("edited", 2)])
    base = written(tmp_path / "base", [row("gone"), row("edited", 1), row("retagged", tags=["must-pass"]), row("kept")])
    lines = {point.id.removeprefix("EXT-"): point.line for point in Overlay(head, base)}
    assert lines == {"new": 1, "kept": 2, "edited-edited": 4, "gone": None, "edited": None, "retagged": 3}


def test_a_base_that_changes_while_it_is_in_use_ends_the_run(tmp_path: Path) -> None:
    found = Overlay(written(tmp_path / "head", [row("a")]), written(tmp_path / "base", [row("b")]))
    (tmp_path / "base" / "data.jsonl").write_text(json.dumps(row("c")) + "\n")
    with pytest.raises(DatasetError, match="changed while it was in use"):
        list(found)


def test_rows_that_nobody_changed_are_never_all_in_memory(tmp_path: Path) -> None:
    rows = [row(f"{number}", "x" * 1_000) for number in range(5_000)]
    head, base = written(tmp_path / "head", rows[:-1]), written(tmp_path / "base", rows[1:])
    tracemalloc.start()
    count = sum(1 for _ in Overlay(head, base))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5_000
    assert peak < (tmp_path / "head" / "data.jsonl").stat().st_size / 8


def written(folder: Path, rows: Sequence[Row]) -> Dataset:
    folder.mkdir()
    (folder / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return Dataset.open("data.jsonl", workspace=folder)


# --- any two datasets ------------------------------------------------------------------------------------------------

ids = st.sampled_from(["a", "b", "a-edited", "a-edited-2", "b-edited", "a-edited-edited", "c-2"])
contents = st.fixed_dictionaries(
    {"inputs": st.integers(0, 2)},
    optional={
        "ground_truth": st.integers(0, 1),
        "tags": st.sampled_from([[], ["must-pass"], ["slow"]]),
        "metadata": st.sampled_from([{}, {"team": "a"}]),
    },
)
with_ids = st.dictionaries(ids, contents, max_size=6).map(
    lambda found: [{"id": own_id, **content} for own_id, content in found.items()]
)
datasets = st.tuples(with_ids, st.lists(contents, max_size=5)).map(lambda parts: [*parts[0], *parts[1]]).filter(len)


@given(datasets, datasets, st.none() | st.integers(1, 6))
@example([row("a", 0)], [row("a", 1)], None)
def test_every_row_of_the_base_runs_once_as_the_base_has_it(
    head: list[Row], base: list[Row], limit: int | None
) -> None:
    ran = Counter(known(point) for point in overlay(head, base, limit))
    assert all(ran[known(point)] == 1 for point in Dataset.of(base, limit=limit))


@given(datasets, datasets, st.none() | st.integers(1, 6))
def test_every_new_content_of_the_head_runs_once_and_nothing_else_does(
    head: list[Row], base: list[Row], limit: int | None
) -> None:
    of_base = {point.id: point for point in Dataset.of(base, limit=limit)}
    expected = Counter(known(point)[1:] for point in of_base.values())
    for point in Dataset.of(head, limit=limit):
        if point.id not in of_base or point.content_hash != of_base[point.id].content_hash:
            expected[known(point)[1:]] += 1
    assert Counter(known(point)[1:] for point in overlay(head, base, limit)) == expected


@given(datasets, datasets, st.none() | st.integers(1, 6))
def test_ids_are_unique_and_the_count_is_right_and_the_index_counts_through(
    head: list[Row], base: list[Row], limit: int | None
) -> None:
    found = overlay(head, base, limit)
    points = list(found)
    assert len({point.id for point in points}) == len(points) == found.count == len(found)
    assert [point.index for point in points] == list(range(len(points)))


@given(datasets, datasets)
def test_two_processes_with_the_same_files_agree(head: list[Row], base: list[Row]) -> None:
    assert list(overlay(head, base)) == list(overlay(head, base))


@given(datasets, datasets, st.none() | st.integers(1, 6))
def test_it_knows_what_it_gives_and_nothing_else(head: list[Row], base: list[Row], limit: int | None) -> None:
    found = overlay(head, base, limit)
    given = {known(point): point for point in found}
    asked = {known(point): point for point in (*given.values(), *Dataset.of(head), *Dataset.of(base))}
    others = [(f"{point.id}-edited", point) for point in islice(asked.values(), 8)]
    for own_id, point in [*((point.id, point) for point in asked.values()), *others]:
        answer = found.knows(own_id, point.content_hash, point.tags, point.metadata)
        assert answer is ((own_id, *known(point)[1:]) in given)


@given(datasets)
def test_a_dataset_over_itself_is_itself(rows: list[Row]) -> None:
    assert list(overlay(rows, rows)) == list(Dataset.of(rows))
