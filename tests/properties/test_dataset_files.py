"""Whatever stands in a dataset: it is datapoints that are told apart, or it is refused at its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from often import OFTEN
from properties.accidents import accidental_lines, accidents, altered_lines, often_altered
from properties.readings import is_a_dataset_or_refused, is_the_same_dataset_when_written_again

JSONL = [
    b'{"id": "n1", "inputs": {"number": 1}, "ground_truth": 2, "tags": ["must-pass"], "metadata": {"lang": "tr"}}\n'
    + b'{"inputs": {"number": 1}, "ground_truth": 2}\n' * 2,
    b'\xef\xbb\xbf{"question": "where?", "answer": [1.5, null, true]}\r\n\r\n{"question": "\\u00fc\\n::error::x"}\r\n',
    b'{"id": 7, "inputs": "a"}\n{"id": "EXT-7b", "inputs": {"deep": {"er": [[[]]]}}}',
]
JSON = [b"[" + b",\n".join(text.splitlines()) + b"]" for text in (JSONL[0], JSONL[2])]
CSV = [
    b'id,question,ground_truth,tags,metadata\n1,where?,there,must-pass,\n2,"a, ""b""\nc",,"x, y","{""a"": 1}"\n',
    b"a,b\r\n1,2\r\n1,2\r\n",
]
YAML = [
    b"- id: n1\n  inputs: {number: 1}\n  ground_truth: 2\n  tags: [must-pass]\n- inputs:\n    text: |\n      a\n\n",
    b"# rows\n- question: 'where?'\n- question: \"\\u00fc\"\n- {a: 0o17, b: .5, c: ~, d: yes, e: 2024-01-01}\n",
]
CONTENTS = {
    ".jsonl": accidental_lines(JSONL) | st.sampled_from(JSONL).flatmap(altered_lines),
    ".json": accidents(JSON) | often_altered(json.loads(JSON[0])).map(lambda value: json.dumps(value).encode()),
    ".csv": accidental_lines(CSV),
    # What is JSON is YAML too, and YAML nobody writes by hand.
    ".yaml": accidental_lines(YAML) | accidents(JSON),
}
FILES = st.sampled_from([*CONTENTS]).flatmap(lambda suffix: st.tuples(st.just(f"rows{suffix}"), CONTENTS[suffix]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datasets")


@OFTEN
@given(FILES)
@example(("rows.json", b"[[[[[[" * 50_000))
@example(("rows.yaml", b"[[[[[[" * 50_000))
@example(("rows.csv", b'"' + b"x\n" * 100_000))
@example(("rows.jsonl", b"1e999-Infinity"))
@example(("rows.json", b"[99999999999999999999ee9]"))
def test_any_bytes_are_a_dataset_or_refused(folder: Path, file: tuple[str, bytes]) -> None:
    is_a_dataset_or_refused(folder, *file)


@OFTEN
@given(FILES)
def test_what_was_accepted_and_is_written_again_is_the_same_dataset(folder: Path, file: tuple[str, bytes]) -> None:
    is_the_same_dataset_when_written_again(folder, *file)
