"""Dataset files: which may be read, and what is refused in them, where."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from honeyhive.errors import DatasetError
from honeyhive.experiments.dataset import Columns, Dataset

GOOD = b'{"inputs": 1}\n'


def opened(folder: Path, name: str, content: bytes | str, columns: Columns | None = None) -> Dataset:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Dataset.open(name, workspace=folder, columns=columns)


def refusal(folder: Path, name: str, content: bytes | str | None = None) -> DatasetError:
    if content is not None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError) as caught:
        Dataset.open(name, workspace=folder)
    assert caught.value.file == name
    return caught.value


# --- which file ------------------------------------------------------------------------------------------------------


def test_a_path_starts_at_the_workspace_or_is_absolute_within_it(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(GOOD)
    for path in ("data.jsonl", "./x/../data.jsonl", tmp_path / "data.jsonl"):
        assert Dataset.open(path, workspace=tmp_path).path == "data.jsonl"


def test_a_workspace_may_be_reached_by_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "data.jsonl").write_bytes(GOOD)
    (tmp_path / "link").symlink_to("real")
    assert Dataset.open("data.jsonl", workspace=tmp_path / "link").path == "data.jsonl"
    assert Dataset.open(tmp_path / "link" / "data.jsonl", workspace=tmp_path / "link").path == "data.jsonl"


def test_a_symbolic_link_within_the_workspace_is_followed(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "1a2b").write_bytes(GOOD)
    (tmp_path / "data.jsonl").symlink_to("store/1a2b")
    assert Dataset.open("data.jsonl", workspace=tmp_path).path == "store/1a2b"


@pytest.mark.parametrize("path", ["../data.jsonl", "/etc/passwd", "/dev/zero", "a/../../data.jsonl"])
def test_a_path_outside_the_workspace_is_refused(path: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "data.jsonl").write_bytes(GOOD)
    assert refusal(tmp_path / "inner", path).message == "outside the workspace"


@pytest.mark.parametrize("link", ["data.jsonl", "folder"])
def test_a_symbolic_link_out_of_the_workspace_is_refused(link: str, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "data.jsonl").write_bytes(GOOD)
    (tmp_path / "inner" / "data.jsonl").symlink_to("../data.jsonl")
    (tmp_path / "inner" / "folder").symlink_to("..")
    path = "data.jsonl" if link == "data.jsonl" else "folder/data.jsonl"
    assert refusal(tmp_path / "inner", path).message == "leads out of the workspace by a symbolic link"


def test_paths_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    assert refusal(tmp_path, "loop.jsonl").message.startswith(("not a path", "cannot be read"))
    assert refusal(tmp_path, "a\0.jsonl").message.startswith("not a path that can be followed")
    assert refusal(tmp_path, "x" * 300 + ".jsonl").message == "cannot be read: File name too long"


def test_a_missing_file_is_looked_for_among_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "gsm8k.jsonl").write_bytes(GOOD)
    assert refusal(tmp_path, "evals/gsm8k.json").hint == 'did you mean "evals/gsm8k.jsonl"?'
    assert refusal(tmp_path, "evals/other.csv").hint == "paths start at the workspace"
    assert refusal(tmp_path, "eval/gsm8k.jsonl").hint == 'there is no folder "eval"; paths start at the workspace'
    assert refusal(tmp_path, "evals/gsm8k.jsonl/x.csv").message == "no such file"


def test_what_is_no_file_is_refused_without_opening_it(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.jsonl"))
        assert refusal(tmp_path, "folder.jsonl").message == "a directory, not a file"
        assert refusal(tmp_path, "").message == "a directory, not a file"
        for name in ("pipe.jsonl", "socket.jsonl"):
            assert refusal(tmp_path, name).message == "a pipe, a device or a socket, not a file"


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.jsonl").write_bytes(GOOD)

    def denied(*arguments: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # whoever runs the tests as root may read everything
    assert refusal(tmp_path, "data.jsonl").message == "cannot be read: Permission denied"


@pytest.mark.parametrize(("name", "message"), [("data.parquet", '".parquet" file'), ("data", "without a suffix")])
def test_a_format_that_we_cannot_read_is_refused(name: str, message: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, name, b"x")
    assert message in error.message
    assert error.hint == "known suffixes: .jsonl .ndjson .json .csv .yaml .yml"


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.csv", "a.yaml", "a.yml"])
@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff"])
def test_an_empty_dataset_is_refused(name: str, content: str, tmp_path: Path) -> None:
    if name == "a.csv":
        content = content.strip(" ") + "question\n"
    assert refusal(tmp_path, name, content).message == "the dataset is empty"


def test_a_pointer_of_git_lfs_is_refused(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    for name in ("a.jsonl", "a.csv", "a.json", "a.yaml"):
        assert "lfs: true" in refusal(tmp_path, name, pointer).hint


# --- what is in it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jsonl", "a.JSONL", "a.json", "a.csv", "a.yaml"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_any_line_ends_are_accepted(name: str, end: str, tmp_path: Path) -> None:
    contents = {"jsonl": '{"q": 1}\n', "json": '[{"q": 1}]\n', "csv": "q\n1\n", "yaml": "- q: 1\n"}
    content = "\ufeff" + contents[name.lower().partition(".")[2]].replace("\n", end)
    (datapoint,) = opened(tmp_path, name, content)
    assert {key: int(value) for key, value in datapoint.inputs.items()} == {"q": 1}


REFUSED = [
    # JSON Lines
    ("a.jsonl", GOOD + b'{"inputs": "caf\xe9"}\n', "not UTF-8: byte 0xe9", 2, 16),
    ("a.jsonl", '{"inputs": "é'.encode() + b'\xff"}\n', "not UTF-8: byte 0xff", 1, 14),
    ("a.jsonl", "\ufeff".encode() + b"\xff", "not UTF-8: byte 0xff", 1, 1),
    ("a.jsonl", '{"inputs": 1}'.encode("utf-16"), "not UTF-8: byte 0xff", 1, 1),
    ("a.jsonl", GOOD + b'{"a": "\0"}', "not text: a NUL byte", 2, 8),
    ("a.jsonl", GOOD + b'\n{"inputs": {"a": 1', "the text ends in the middle of a value", 3, 19),
    ("a.jsonl", b'{"inputs": "a\n' + GOOD, "the text ends in the middle of a value", 1, 12),
    ("a.jsonl", b'{"inputs":\n1}\n', "the text ends in the middle of a value", 1, 11),
    ("a.jsonl", GOOD + b'{"inputs": NaN}', 'NaN is not a JSON number: "NaN"', 2, 12),
    ("a.jsonl", GOOD + b'{"inputs": [1e999]}', 'number does not fit a 64-bit float: "1e999"', 2, 13),
    ("a.jsonl", GOOD + b'{"inputs": 99999999999999999999}', "number does not fit 64 bits", 2, 12),
    ("a.jsonl", GOOD + b'{"inputs": 1, "inputs": 2}', 'duplicate key "inputs"', 2, 15),
    ("a.jsonl", b'{"inputs": 1} {"inputs": 2}', "more text after the end of the value", 1, 15),
    ("a.jsonl", b'[{"inputs": 1},\n{"inputs": 2}]', "the text ends in the middle of a value", 1, 16),
    ("a.jsonl", b"question,answer\n", "expecting value", 1, 1),
    ("a.jsonl", b"[" * 102 + b"]" * 102, "nested deeper than 100 levels", 1, 1),
    # JSON
    ("a.json", b'\n {"datapoints": []}', "not a list of datapoints", 2, 2),
    ("a.json", GOOD + GOOD, "not a list of datapoints", 1, 1),
    ("a.json", b'[{"inputs": 1},\n {"inputs": 2}', "the text ends in the middle of a value", 2, 15),
    ("a.json", b'[{"inputs": 1},\n {"inputs": ', "the text ends in the middle of a value", 2, 13),
    ("a.json", b'[{"inputs": 1},\n ', "the text ends in the middle of a value", 2, 2),
    ("a.json", b"[", "the text ends in the middle of a value", 1, 2),
    ("a.json", b'[{"inputs": 1},\n]', "expecting value", 2, 1),
    ("a.json", b'[{"inputs": 1}\n {"inputs": 2}]', "expecting ',' or ']' after an item of the list", 2, 2),
    ("a.json", b'[{"inputs": 1}]\n{', "more text after the end of the list", 2, 1),
    ("a.json", b"[]x", "more text after the end of the list", 1, 3),
    ("a.json", b'[\n{"inputs": 1},\n{"a": 1,\n "a": 2}]', 'duplicate key "a"', 4, 2),
    ("a.json", b'[{"inputs": 1},\n{"inputs": -Infinity}]', "-Infinity is not a JSON number", 2, 12),
    ("a.json", b'[{"inputs": 1},\n{"inputs": "\xff"}]', "not UTF-8: byte 0xff", 2, 13),
    ("a.json", b'[{"inputs": "a\nb"}]', "a line end or another control character inside a string", 1, 15),
    ("a.json", b'[{"inputs": 1},\n  7]', "a number, not a datapoint", 2, 3),
    # CSV
    ("a.csv", b"a,b,a\n1,2,3\n", 'two columns with the name "a"', 1, 5),
    ("a.csv", b",question\n0,q\n", "a column without a name", 1, 1),
    ("a.csv", b"a,b\n1,2\n1,2,3\n", "cells: 3 in this row, 2 in the header", 3, 5),
    ("a.csv", b"a,b\n1,2\n1\n", "cells: 1 in this row, 2 in the header", 3, 2),
    ("a.csv", b'a,b\n"x\ny",2\n"x\ny",2,3\n', "cells: 3 in this row, 2 in the header", 5, 6),
    ("a.csv", b'a,b\n1,"x\n2,y\n', "a quote that is opened and never closed", 2, 3),
    ("a.csv", b'a,b\n1,"x"y\n', "more text after a closing quote", 2, 6),
    ("a.csv", b'a,b\n1,2\n"p\nq","x" \n', "more text after a closing quote", 4, 7),
    ("a.csv", b"a,b\n1," + b"x" * 140_000, "a cell of more than 131072 characters", 2, 3),
    ("a.csv", b"a,b\n" + b"x" * 140_000 + b",1", "a cell of more than 131072 characters", 2, 1),
    ("a.csv", b'a,b\n1,"' + b"x\n" * 140_000, "a cell of more than 131072 characters", 2, 3),
    ("a.csv", b"a,b\r1,2\r", "a bare carriage return outside quotes", 1, 4),
    ("a.csv", b"a,b\n1,\0\n", "not text: a NUL byte", 2, 3),
    ("a.csv", b"a,b\n1,\xff\n", "not UTF-8: byte 0xff", 2, 3),
    ("a.csv", b"id,q\n1,x\n,y\n", "an empty id", 3, 1),
    ("a.csv", b"q,metadata\nx,{\n", "metadata that is not JSON", 2, 1),
    ("a.csv", b"q,metadata\nx,[]\n", "metadata that is a list", 2, 1),
    # YAML
    ("a.yaml", b"datapoints:\n- inputs: 1\n", "not a list of datapoints", 1, 1),
    ("a.yaml", b"- inputs: 1\n- inputs: !!binary aGk=\n", "a YAML tag", 2, 11),
    ("a.yaml", b"- &x {inputs: 1}\n- *x\n", "an alias", 2, 3),
    ("a.yaml", b"- inputs: 1\n  inputs: 2\n", 'duplicate key "inputs"', 2, 3),
    ("a.yaml", b"- inputs: .nan\n", ".nan is not a number that can be compared", 1, 11),
    ("a.yaml", b"- inputs: 1\n- inputs: 1e999\n", "number does not fit a 64-bit float", 2, 11),
    ("a.yaml", b"- inputs: [1\n", "did not find expected", 2, 1),
    ("a.yaml", b"- inputs: 1\n- x\n", "text, not a datapoint", 2, 3),
    ("a.yaml", b"- inputs: 1\n- inputs: \xff\n", "not UTF-8: byte 0xff", 2, 11),
]


@pytest.mark.parametrize(("name", "content", "message", "line", "column"), REFUSED)
def test_what_is_wrong_is_refused_at_its_place(  # one row of the table
    name: str, content: bytes, message: str, line: int, column: int, tmp_path: Path
) -> None:
    error = refusal(tmp_path, name, content)
    assert error.message.startswith(message)
    assert (error.line, error.column) == (line, column)
    assert error.hint


def test_every_datapoint_keeps_the_line_where_it_starts(tmp_path: Path) -> None:
    files = {
        "a.jsonl": '\n{"q": 1}\n \t\n{"q": 2}',
        "a.json": '[\n {"q": 1}, {"q":\n 2},\n\n{"q": 3}]',
        "a.csv": 'q,r\n"1\n1","2"\n\n3,4\n',
        "a.yaml": "# some\n- q: 1\n\n- {q: 2}\n-\n  q: 3\n",
    }
    lines = {name: [point.line for point in opened(tmp_path, name, text)] for name, text in files.items()}
    assert lines == {"a.jsonl": [2, 4], "a.json": [2, 2, 5], "a.csv": [2, 5], "a.yaml": [2, 4, 6]}


def test_a_csv_row_is_text_with_tags_and_metadata_in_it(tmp_path: Path) -> None:
    text = 'id,q,ground_truth,tags,metadata\n7,x,,"a, b,","{""m"": 1}"\n8,y,z,,\n'
    first, second = opened(tmp_path, "a.csv", text)
    assert (first.id, first.inputs, first.ground_truth) == ("EXT-7", {"q": "x"}, "")
    assert (first.tags, first.metadata) == (("a", "b"), {"m": 1})
    assert (second.ground_truth, second.tags, second.metadata) == ("z", (), {})


def test_a_missing_column_is_refused_by_line_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        opened(tmp_path, "a.csv", "qestion,answer\n1,2\n", Columns(inputs=("question",)))
    assert caught.value.message == 'no column "question"; there are: "qestion", "answer"'
    assert (caught.value.line, caught.value.hint) == (2, 'did you mean "qestion"?')


# --- a file that changes ---------------------------------------------------------------------------------------------


def items(count: int) -> bytes:
    return b"".join(json.dumps({"id": n, "inputs": {"n": n}}).encode() + b"\n" for n in range(count))


@pytest.mark.parametrize("content", [items(9), items(10).replace(b'{"n": 3}', b'{"n": 4}'), b"{", b""])
def test_a_file_that_changed_between_passes_is_refused(content: bytes, tmp_path: Path) -> None:
    dataset = opened(tmp_path, "a.jsonl", items(10))
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DatasetError, match="changed while it was in use"):
        next(iter(dataset))


def test_a_file_that_was_only_touched_is_read_on(tmp_path: Path) -> None:
    dataset = opened(tmp_path, "a.jsonl", items(10))
    os.utime(tmp_path / "a.jsonl", (1, 1))
    assert len(list(dataset)) == len(list(dataset)) == 10


@pytest.mark.parametrize("limit", [None, 3000])
def test_a_file_that_changes_in_the_middle_of_a_pass_is_refused(limit: int | None, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(items(4000))
    dataset = Dataset.open("a.jsonl", workspace=tmp_path, limit=limit)
    datapoints = iter(dataset)
    next(datapoints)
    with path.open("r+b") as file:
        file.seek(-20, os.SEEK_END)
        file.write(b" " * 4)
    os.utime(path, (1, 1))
    with pytest.raises(DatasetError, match="changed while it was in use"):
        list(datapoints)


def test_a_file_that_breaks_in_the_middle_of_a_pass_is_refused(tmp_path: Path) -> None:
    dataset = opened(tmp_path, "a.jsonl", items(4000))
    datapoints = iter(dataset)
    next(datapoints)
    os.truncate(tmp_path / "a.jsonl", 20_005)
    with pytest.raises(DatasetError, match="changed while it was in use"):
        list(datapoints)


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    dataset = opened(tmp_path, "a.jsonl", items(2))
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DatasetError, match="no such file"):
        list(dataset)
