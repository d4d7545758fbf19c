"""Datapoints, their ids, and datasets of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import tracemalloc
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeyhive.errors import DatasetError
from honeyhive.experiments.dataset import (
    Columns,
    Datapoint,
    Dataset,
    create_external_dataset,
    generate_datapoint_id,
)
from honeyhive.result import content_hash

SHARED = Path(__file__).parents[4] / "shared" / "data" / "gsm8k_openai" / "dataset.jsonl"

rows = st.lists(
    st.fixed_dictionaries(
        {"inputs": st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2)},
        optional={"ground_truth": st.integers(0, 2) | st.text(max_size=3) | st.none(), "tags": st.just(["t"])},
    ),
    min_size=1,
    max_size=12,
)


def jsonl(folder: Path, *items: Any, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def ids_of(dataset: Dataset) -> list[str]:
    return [datapoint.id for datapoint in dataset]


def refusal(make: Callable[[], object]) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        make()
    return caught.value


def read(row: Mapping[str, Any], **columns: Any) -> Datapoint:
    return next(iter(Dataset.of([row], columns=Columns(**columns))))


# --- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("datapoint", "expected"),
    [
        ({"inputs": {"query": "test"}}, "EXT-74879fe0021d077ced50796d"),
        ({"inputs": {"query": "test"}, "ground_truth": {"answer": "a"}}, "EXT-2af147619fe41e1d959491c4"),
        ({"id": 7}, "EXT-7"),
        ({"id": "7"}, "EXT-7"),
        ({"id": "EXT-7", "inputs": {}}, "EXT-7"),
        ({"id": "ext-7"}, "EXT-ext-7"),
    ],
)
def test_ids_are_those_that_the_platform_has_seen(datapoint: dict[str, Any], expected: str) -> None:
    assert generate_datapoint_id(datapoint) == expected


@given(st.dictionaries(st.text().filter(lambda key: key != "id"), st.integers() | st.text() | st.floats()))
def test_a_generated_id_is_the_hash_of_sorted_json(datapoint: dict[str, Any]) -> None:
    text = json.dumps(datapoint, sort_keys=True)
    assert generate_datapoint_id(datapoint) == "EXT-" + hashlib.md5(text.encode()).hexdigest()[:24]


def test_an_id_of_what_json_cannot_hold_does_not_depend_on_where_it_is_in_memory() -> None:
    class Thing:
        pass

    one, other = ({"inputs": {"thing": Thing(), "price": Decimal("1.5"), "set": {"b", "a"}}} for _ in range(2))
    assert generate_datapoint_id(one) == generate_datapoint_id(other)
    assert generate_datapoint_id({"inputs": Decimal("1.5")}) != generate_datapoint_id({"inputs": Decimal("1.6")})


def test_an_external_dataset_is_named_after_its_datapoints() -> None:
    datapoints: list[dict[str, Any]] = [{"inputs": {"query": "test"}}, {"id": 7, "inputs": {}}]
    text = json.dumps(datapoints, sort_keys=True)
    dataset_id, ids = create_external_dataset(datapoints, "project")
    assert dataset_id == "EXT-" + hashlib.md5(text.encode()).hexdigest()[:24]
    assert ids == ["EXT-74879fe0021d077ced50796d", "EXT-7"]
    assert create_external_dataset(datapoints, "project", "mine")[0] == "EXT-mine"
    assert create_external_dataset(datapoints, "project", "EXT-mine")[0] == "EXT-mine"
    assert create_external_dataset([{"inputs": {1, 2}}], "p") == create_external_dataset([{"inputs": {2, 1}}], "p")


def test_an_external_dataset_tells_equal_datapoints_apart() -> None:
    query = {"inputs": {"query": "test"}}
    taken = {"id": "74879fe0021d077ced50796d-2"}
    _, ids = create_external_dataset([query, taken, query, query], "project")
    name = "EXT-74879fe0021d077ced50796d"
    assert ids == [name, f"{name}-2", f"{name}-3", f"{name}-4"]
    error = refusal(lambda: create_external_dataset([{"id": 1}, {"id": 2}, {"id": "EXT-1"}], "project"))
    assert error.message == 'two datapoints with the id "1": item 0 and item 2'


@pytest.mark.parametrize("datapoints", [({"inputs": 1},), [{"inputs": 1}, "x"], None])
def test_an_external_dataset_is_a_list_of_dictionaries(datapoints: Any) -> None:
    with pytest.raises(ValueError, match="datapoints must be"):
        create_external_dataset(datapoints, "project")


@given(rows, st.randoms(use_true_random=False))
def test_ids_do_not_depend_on_the_order_of_rows(items: list[dict[str, Any]], chance: random.Random) -> None:
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert sorted(ids_of(Dataset.of(shuffled))) == sorted(ids_of(Dataset.of(items)))


@given(rows)
def test_ids_are_all_different_and_are_those_of_an_external_dataset(items: list[dict[str, Any]]) -> None:
    ids = ids_of(Dataset.of(items))
    assert len(set(ids)) == len(items)
    assert ids == create_external_dataset(items, "project")[1]
    assert all(name.startswith(generate_datapoint_id(item)) for name, item in zip(ids, items, strict=True))


def test_an_inserted_row_leaves_the_other_ids_alone() -> None:
    items = [{"inputs": {"n": n}} for n in range(5)]
    assert ids_of(Dataset.of([{"inputs": {"n": 9}}, *items]))[1:] == ids_of(Dataset.of(items))


def test_equal_rows_are_numbered_around_the_ids_that_others_have(tmp_path: Path) -> None:
    query = {"inputs": {"query": "test"}}
    name = "74879fe0021d077ced50796d"
    taken = [{"id": f"{name}-2", "inputs": 1}, {"id": name, "inputs": 2}]
    dataset = Dataset.open(jsonl(tmp_path, query, *taken, query), workspace=tmp_path)
    assert ids_of(dataset) == [f"EXT-{name}-3", f"EXT-{name}-2", f"EXT-{name}", f"EXT-{name}-4"]
    assert not dataset.knows(f"EXT-{name}", content_hash({"query": "test"}, None))
    assert all(
        dataset.knows(datapoint.id, datapoint.content_hash, datapoint.tags, datapoint.metadata) for datapoint in dataset
    )


def test_two_rows_with_one_explicit_id_are_refused_by_both_lines(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"id": 1, "inputs": 1}, {"id": 2, "inputs": 1}, {"inputs": 1}, {"id": "EXT-2", "inputs": 3})
    error = refusal(lambda: Dataset.open(path, workspace=tmp_path, limit=1))
    assert error.message == 'two datapoints with the id "2": line 2 and line 4'
    assert (error.file, error.line, error.exit_code) == (str(path), 4, 2)


@pytest.mark.parametrize(
    ("own_id", "message"),
    [
        (True, "an id that is true or false"),
        (1.5, "an id that is a number"),
        (None, "an id that is null"),
        ([1], "an id that is a list"),
        (Decimal(1), "an id that is a Decimal"),
        (" ", "an empty id"),
        ("EXT-", "an empty id"),
        ("a\nb", 'a control character in the id "a\\nb"'),
        ("a\x85", 'a control character in the id "a\\u0085"'),
        ("\ud800", 'a control character in the id "\\ud800"'),
    ],
)
def test_an_id_is_text_or_an_integer(own_id: Any, message: str) -> None:
    assert refusal(lambda: Dataset.of([{"id": own_id, "inputs": 1}])).message == f"item 0: {message}"


# --- rows and columns ------------------------------------------------------------------------------------------------


def test_an_item_keeps_what_stands_in_it() -> None:
    item = {"id": 1, "inputs": {"q": 1}, "ground_truth": 0, "tags": ["a"], "metadata": {"m": 1}, "note": "x"}
    assert read(item) == Datapoint(
        index=0, id="EXT-1", inputs={"q": 1}, ground_truth=0, tags=("a",), metadata={"m": 1}, line=None, row=item
    )
    assert read(item).content_hash == content_hash({"q": 1}, 0)


@pytest.mark.parametrize("inputs", ["text", [1, 2], 0, None, {}])
def test_inputs_are_taken_as_they_are(inputs: Any) -> None:
    assert read({"inputs": inputs}).inputs == inputs


@pytest.mark.parametrize(("name", "truth"), [("ground_truth", {}), ("ground_truths", "a"), ("other", None)])
def test_the_ground_truth_has_an_older_name(name: str, truth: Any) -> None:
    assert read({"inputs": 1, name: truth}).ground_truth == truth


def test_a_flat_row_gives_every_other_column_as_an_input() -> None:
    found = read({"id": 1, "question": "q", "context": "c", "ground_truth": "a", "tags": None, "metadata": None})
    assert found.inputs == {"question": "q", "context": "c"}
    assert (found.id, found.ground_truth, found.tags, found.metadata) == ("EXT-1", "a", (), {})


def test_named_columns_are_what_the_config_says() -> None:
    row = {"qid": 7, "question": "q", "answer": "a", "level": ["x"], "extra": {"m": 1}, "id": 9, "inputs": "i"}
    named = {"id": "qid", "ground_truth": "answer", "tags": "level", "metadata": "extra"}
    found = read(row, inputs=("question",), **named)
    assert found.inputs == {"question": "q"}
    assert (found.id, found.ground_truth, found.tags, found.metadata) == ("EXT-7", "a", ("x",), {"m": 1})
    assert found.row is row
    assert read(row, **named).inputs == "i"
    del row["inputs"]
    assert read(row, **named).inputs == {"question": "q", "id": 9}


@pytest.mark.parametrize(
    ("row", "message", "hint"),
    [
        ({"qestion": 1}, 'no column "question"; there are: "qestion"', 'did you mean "qestion"?'),
        ({"a": 1, "b": 2}, 'no column "question"; there are: "a", "b"', "the config names the columns"),
        ({}, 'no column "question"; there are: none', "the config names the columns"),
        (dict.fromkeys("abcdefghijklmnopqrstuvwxyz"), '"s", "t", …', "the config names the columns"),
    ],
)
def test_a_named_column_has_to_be_there(row: dict[str, Any], message: str, hint: str) -> None:
    error = refusal(lambda: read(row, inputs=("question",)))
    assert message in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 1, "ground_truth": 1}, "no inputs in it"),
        ({}, "no inputs in it"),
        ({"inputs": 1, "ground_truth": 1, "ground_truths": 1}, "both `ground_truth` and `ground_truths`"),
        ({"inputs": 1, "tags": "a,b"}, "tags that are not a list of texts"),
        ({"inputs": 1, "tags": ["a", 1]}, "tags that are not a list of texts"),
        ({"inputs": 1, "metadata": [1]}, "metadata that is a list"),
        ("text", "text, not a datapoint"),
        (None, "null, not a datapoint"),
        (3, "a number, not a datapoint"),
        ([1], "a list, not a datapoint"),
    ],
)
def test_a_row_that_is_no_datapoint_is_refused_at_its_line(row: Any, message: str, tmp_path: Path) -> None:
    assert refusal(lambda: Dataset.of([{"inputs": 1}, row])).message == f"item 1: {message}"
    path = jsonl(tmp_path, {"inputs": 1}, row)
    error = refusal(lambda: Dataset.open("data.jsonl", workspace=tmp_path))
    assert (error.message, error.file, error.line, error.column) == (message, path.name, 2, 1)
    assert error.hint


@pytest.mark.parametrize("tag", ["Must-Pass", "must_pass", "must pass", " must-pass", "MUST_PASS\t", "must-pass\n"])
def test_a_tag_that_is_must_pass_but_for_its_spelling_is_refused_at_its_line(tag: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"inputs": 1, "tags": ["must-pass"]}, {"inputs": 2, "tags": ["slow", tag]})
    error = refusal(lambda: list(Dataset.open("data.jsonl", workspace=tmp_path)))
    assert (error.file, error.line, error.hint) == (path.name, 2, 'write "must-pass"')
    assert error.message == f'the tag {json.dumps(tag)}, which is not "must-pass"'


def test_a_tag_that_is_misspelt_in_a_table_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text('q,tags\n1,"slow, must-pass "\n2,Must_Pass\n', encoding="utf-8")
    error = refusal(lambda: list(Dataset.open("data.csv", workspace=tmp_path)))
    assert (error.line, error.hint) == (3, 'write "must-pass"')


@pytest.mark.parametrize("tag", ["must-pass", "must", "mustpass", "must-pass-v2", "not must-pass", ""])
def test_a_tag_that_means_something_else_is_left_alone(tag: str) -> None:
    assert read({"inputs": 1, "tags": [tag]}).tags == (tag,)


def test_a_hash_is_that_of_the_content_before_anybody_changed_it() -> None:
    datapoint = read({"inputs": {"a": 1}})
    datapoint.inputs["a"] = 2
    assert datapoint.content_hash == content_hash({"a": 1}, None)


# --- datasets --------------------------------------------------------------------------------------------------------


def test_a_dataset_knows_its_file(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    path = jsonl(tmp_path / "evals", *({"inputs": n} for n in range(4)))
    dataset = Dataset.open(path, workspace=tmp_path)
    assert (dataset.path, dataset.count, len(dataset), dataset.limit) == ("evals/data.jsonl", 4, 4, None)
    assert dataset.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(datapoint.index, datapoint.line) for datapoint in dataset] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert list(dataset) == list(dataset)


def test_a_dataset_is_named_after_its_ids_in_order() -> None:
    items = [{"id": n, "inputs": n} for n in range(3)]
    dataset_id = Dataset.of(items).dataset_id
    assert dataset_id == Dataset.of(items).dataset_id
    assert len(dataset_id) == len("EXT-") + 24
    assert dataset_id != Dataset.of(items[::-1]).dataset_id
    assert dataset_id != Dataset.of(items, limit=2).dataset_id == Dataset.of(items[:2]).dataset_id


def test_a_dataset_knows_its_datapoints_and_no_others(tmp_path: Path) -> None:
    path = jsonl(tmp_path, *({"id": n % 50, "inputs": n} for n in range(50)))
    dataset = Dataset.open(path, workspace=tmp_path, limit=40)
    assert all(
        dataset.knows(datapoint.id, datapoint.content_hash, datapoint.tags, datapoint.metadata) for datapoint in dataset
    )
    assert not dataset.knows("EXT-45", content_hash(45, None))
    assert not dataset.knows("EXT-3", content_hash(4, None))
    assert not dataset.knows("\ud800", "")


def test_a_limit_gives_the_first_datapoints_under_the_ids_of_the_whole(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"inputs": 1}, {"inputs": 1}, {"inputs": 2}, {"inputs": 1})
    whole = Dataset.open(path, workspace=tmp_path)
    first = Dataset.open(path, workspace=tmp_path, limit=2)
    assert (first.count, first.limit, first.sha256) == (2, 2, whole.sha256)
    assert ids_of(first) == ids_of(whole)[:2]
    assert Dataset.open(path, workspace=tmp_path, limit=9).count == 4
    assert "at least 1" in refusal(lambda: Dataset.open(path, workspace=tmp_path, limit=0)).hint


def test_rows_behind_the_limit_are_checked_too(tmp_path: Path) -> None:
    path = jsonl(tmp_path, {"inputs": 1}, {"inputs": 2}, 3)
    assert refusal(lambda: Dataset.open(path, workspace=tmp_path, limit=1)).line == 3


def test_passes_over_one_dataset_do_not_meet(tmp_path: Path) -> None:
    dataset = Dataset.open(jsonl(tmp_path, *[{"inputs": 1}] * 4), workspace=tmp_path)
    one, other = iter(dataset), iter(dataset)
    pairs = [(next(one).id, next(other).id) for _ in range(4)]
    assert all(first == second for first, second in pairs)


def test_a_dataset_in_memory_has_no_place() -> None:
    dataset = Dataset.of([{"inputs": 1}])
    assert dataset.path is None
    assert dataset.sha256 == hashlib.sha256(b'{"inputs":1}\n').hexdigest()
    assert next(iter(dataset)).line is None
    assert refusal(lambda: Dataset.of([])).message == "the dataset is empty"


@settings(deadline=None)
@given(items=rows)
def test_json_and_json_lines_give_the_same_datapoints(items: list[dict[str, Any]], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("formats")
    jsonl(folder, *items)
    (folder / "data.json").write_text(json.dumps(items, indent=2))
    memory = Dataset.of(items)
    for name in ("data.jsonl", "data.json"):
        dataset = Dataset.open(name, workspace=folder)
        assert ids_of(dataset) == ids_of(memory)
        assert dataset.dataset_id == memory.dataset_id
        assert [datapoint.row for datapoint in dataset] == items


@given(cells=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=1, max_size=5))
def test_csv_gives_back_the_text_of_its_cells(cells: list[str], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("csv")
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("question", "n"), *((cell, "1") for cell in cells)])
    (folder / "data.csv").write_bytes(text.getvalue().encode())
    dataset = Dataset.open("data.csv", workspace=folder)
    assert [datapoint.row for datapoint in dataset] == [{"question": cell, "n": "1"} for cell in cells]
    lines = text.getvalue().split("\n")
    assert all(lines[(datapoint.line or 0) - 1].startswith('"') for datapoint in dataset)


@pytest.mark.skipif(not SHARED.exists(), reason="no `shared` folder with the public data sets beside the repository")
def test_gsm8k_opens_as_660_datapoints() -> None:
    columns = Columns(inputs=("input",), ground_truth="expected", id="id")
    dataset = Dataset.open(SHARED, workspace=SHARED.parents[2], columns=columns)
    datapoints = list(dataset)
    assert (dataset.count, len(datapoints)) == (660, 660)
    first = json.loads(SHARED.read_text("utf-8").split("\n", 1)[0])
    assert datapoints[0].inputs == {"input": first["input"]}
    assert (datapoints[0].id, datapoints[0].ground_truth) == (f"EXT-{first['id']}", first["expected"])
    assert datapoints[0].line == 1
    assert dataset.path == "data/gsm8k_openai/dataset.jsonl"


def test_the_rows_of_a_large_file_are_never_all_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        file.writelines(f'{{"inputs": "{n} {"x" * 1000}"}}\n' for n in range(20_000))
    tracemalloc.start()
    count = sum(1 for _ in Dataset.open(path, workspace=tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < path.stat().st_size / 8
