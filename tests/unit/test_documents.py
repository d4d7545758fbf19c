"""Strict JSON and YAML: what is read, what is refused and where, and the text that values become."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.documents import (
    MAX_DEPTH,
    Malformed,
    canonical_json,
    compact_json,
    load_json,
    load_json_prefix,
    load_yaml,
    plain,
    shown,
    yaml_text,
)


def values_with(characters: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(characters)
    )
    keys = st.text(characters, max_size=8)
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


json_values = values_with(st.characters(exclude_categories=["Cs"]))


def refusal(text: str) -> tuple[str, int, int]:
    with pytest.raises(Malformed) as caught:
        load_json(text)
    return caught.value.message, caught.value.line, caught.value.column


def yaml_refusal(text: str) -> tuple[str, int, int]:
    with pytest.raises(Malformed) as caught:
        load_yaml(text)
    return caught.value.message, caught.value.line, caught.value.column


def fault_of(load: Callable[[str], Any], text: str) -> Malformed | None:
    try:
        load(text)
    except Malformed as fault:
        return fault
    return None


# --- reading JSON ----------------------------------------------------------------------------------------------------


@given(json_values)
def test_json_reads_as_the_standard_library_reads_it(value: Any) -> None:
    assert load_json(json.dumps(value)) == value
    assert load_json(json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(st.text(max_size=60))
def test_any_text_is_json_or_malformed_within_the_text(text: str) -> None:
    fault = fault_of(load_json, text)
    lines = text.split("\n")
    assert fault is None or 1 <= fault.line <= len(lines)
    assert fault is None or 1 <= fault.column <= len(lines[fault.line - 1]) + 1


@given(st.text(alphabet='[]{}",:0123456789eE.-+truefalsn\\u \n', max_size=40))
def test_nothing_is_read_that_the_standard_library_refuses(text: str) -> None:
    try:
        value = load_json(text)
    except Malformed:
        return
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ('{"a": 1,\n "a": 2}', 'duplicate key "a"', 2, 2),
        ('{"a": {"b": 1, "\\u0062": 2}}', 'duplicate key "b"', 1, 16),
        ('[{"a": 1}, {"a": 1, "b": [{"a": 2}], "b": 3}]', 'duplicate key "b"', 1, 38),
        ('{"a":\n NaN}', 'NaN is not a JSON number: "NaN"', 2, 2),
        ('["NaN", -Infinity]', '-Infinity is not a JSON number: "-Infinity"', 1, 9),
        ("[1, 1e999]", 'number does not fit a 64-bit float: "1e999"', 1, 5),
        ("[1, -1e-999]", 'number does not fit a 64-bit float: "-1e-999"', 1, 5),
        ("[18446744073709551616]", 'number does not fit 64 bits: "18446744073709551616"', 1, 2),
        ("[-9223372036854775809]", 'number does not fit 64 bits: "-9223372036854775809"', 1, 2),
        ("9" * 5000, f"number does not fit 64 bits: {shown('9' * 5000)}", 1, 1),
        ("1 2", "more text after the end of the value", 1, 3),
        ("[1,\n 2", "the text ends in the middle of a value", 2, 3),
        ('{"a": "b', "the text ends in the middle of a value", 1, 7),
        ('{"a": tru', "the text ends in the middle of a value", 1, 7),
        ('{"a": -', "the text ends in the middle of a value", 1, 7),
        ("", "the text ends in the middle of a value", 1, 1),
        ('{"a": "b\n"}', "a line end or another control character inside a string", 1, 9),
        ("{'a': 1}", "expecting property name enclosed in double quotes", 1, 2),
        (r'["\ud83d\ude00 \\ud83d", "\ud83d"]', r'half of a character, "\\ud83d"', 1, 27),
        (r'{"\uDE00\ud83d": 1}', r'half of a character, "\\uDE00"', 1, 3),
        ("[1 2]", "expecting ',' delimiter", 1, 4),
        ("[01]", "expecting ',' delimiter", 1, 3),
        ("\ufeff1", "expecting value", 1, 1),
    ],
)
def test_malformed_json_is_refused_at_its_place(text: str, message: str, line: int, column: int) -> None:
    assert refusal(text) == (message, line, column)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" \t\r\n1 \n", 1),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0e-999", 0.0),
        ("-0.0", -0.0),
        ("5e-324", 5e-324),
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_what_json_can_hold_is_read(text: str, value: Any) -> None:
    assert load_json(text) == value


def test_a_prefix_says_where_it_ends() -> None:
    assert load_json_prefix('x [1] {"a": 2} y', 1) == ([1], 5)
    assert load_json_prefix('x [1] {"a": 2} y', 5) == ({"a": 2}, 14)


def test_a_fault_after_the_start_counts_lines_from_the_start_of_the_text() -> None:
    with pytest.raises(Malformed) as caught:
        load_json_prefix("[1,\n\n NaN]", 3)
    assert (caught.value.line, caught.value.column) == (3, 2)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_has_a_limit(opening: str, closing: str) -> None:
    load_json(opening * MAX_DEPTH + "1" + closing * MAX_DEPTH)
    deeper = MAX_DEPTH + 2
    assert refusal(opening * deeper + "1" + closing * deeper) == ("nested deeper than 100 levels", 1, 1)
    assert refusal(" " + opening * 100_000) == ("nested deeper than 100 levels", 1, 2)


def test_width_is_not_depth() -> None:
    wide: list[Any] = [[{"a": []}]] * 200
    assert load_json(json.dumps(wide)) == wide


@given(st.text(max_size=100))
def test_shown_text_is_one_printable_line(text: str) -> None:
    quoted = shown(text)
    assert len(quoted.splitlines()) == 1
    assert quoted.encode()
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in quoted)


def test_shown_text_is_short_and_escapes_what_moves_the_terminal() -> None:
    assert shown("x" * 100) == '"' + "x" * 59 + '…"'
    assert shown("\x1b[2J\x9b\u202e\u2028\ud800é") == '"\\u001b[2J\\u009b\\u202e\\u2028\\ud800é"'


# --- writing JSON ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Answer:
    text: str
    sources: set[int]


class Model(pydantic.BaseModel):
    name: str
    when: datetime.date


class Colour(enum.Enum):
    RED = "red"


class Array:
    def tolist(self) -> list[float]:
        return [1.0, math.nan]


class Frozen(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]

    def __iter__(self) -> Any:
        return iter("a")

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Answer("a", {3, 1, 2}), {"text": "a", "sources": [1, 2, 3]}),
        (Model(name="n", when=datetime.date(2024, 1, 31)), {"name": "n", "when": "2024-01-31"}),
        (datetime.datetime(2024, 1, 31, tzinfo=datetime.UTC), "2024-01-31T00:00:00+00:00"),
        (datetime.timedelta(seconds=90), 90.0),
        (decimal.Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (1 + 2j, "(1+2j)"),
        (Colour.RED, "red"),
        (Array(), [1.0, "nan"]),
        (Frozen(), {"a": 1}),
        (b"\x00\xff", "00ff"),
        (bytearray(b"a"), "61"),
        (memoryview(b"a"), "61"),
        (frozenset({"b", "a"}), ["a", "b"]),
        ((1, range(2)), [1, [0, 1]]),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "null": "b", "[1,2]": "c"}),
        ([math.inf, -math.inf, 0.5], ["inf", "-inf", 0.5]),
        (Answer, "<builtins.type>"),
        ([None, True, 2**64], [None, True, 2**64]),
    ],
)
def test_plain_has_a_word_for_everything(value: Any, expected: Any) -> None:
    assert plain(value) == expected
    assert json.loads(canonical_json(value)) == json.loads(compact_json(value)) == expected


def test_an_integer_too_long_for_digits_is_written_in_hexadecimal() -> None:
    assert canonical_json([10**5000, 10**20]) == f'["{hex(10**5000)}",{10**20}]'


def test_no_address_of_an_object_gets_into_the_text() -> None:
    assert plain(object()) == "<builtins.object>"
    assert canonical_json([object(), lambda: None]) == '["<builtins.object>","<builtins.function>"]'


def test_a_value_that_contains_itself_ends_soon() -> None:
    twice: list[Any] = []
    twice.extend([twice, twice, {"a": twice}])
    assert plain(twice) == ["<contains itself>", "<contains itself>", {"a": "<contains itself>"}]
    assert canonical_json(twice).count("itself") == 3


def test_a_value_that_occurs_twice_is_written_twice() -> None:
    shared = {1}
    assert plain([shared, shared]) == [[1], [1]]


def test_depth_ends_in_a_word() -> None:
    deep: Any = {1}
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    assert canonical_json(deep) == "[" * MAX_DEPTH + '"<nested too deep>"' + "]" * MAX_DEPTH
    assert compact_json(deep).endswith(b"]")


@given(json_values)
def test_written_json_reads_back_as_the_same_value(value: Any) -> None:
    assert load_json(canonical_json(value)) == value
    line = compact_json(value)
    assert b"\n" not in line
    assert load_json(line.decode()) == value


@given(st.dictionaries(st.text(), json_values))
def test_canonical_text_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_half_a_character_becomes_a_question_mark() -> None:
    assert compact_json({"a": "\ud800"}) == b'{"a":"?"}'


# --- reading YAML ----------------------------------------------------------------------------------------------------


@given(values_with(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF)))
def test_json_is_yaml_but_for_escapes_in_two_halves(value: Any) -> None:
    assert load_yaml(json.dumps(value)).value == value


@given(st.text(max_size=60) | st.text(alphabet="- :,[]{}!&*#|>'\"%@`?~\n ab01.", max_size=40))
def test_any_text_is_yaml_or_malformed_within_the_text(text: str) -> None:
    fault = fault_of(load_yaml, text)
    assert fault is None or (fault.line >= 1 and fault.column >= 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# nothing\n", None),
        ("---\n", None),
        ("a: no\nb: on\nc: 2024-01-31\nd: 1_000", {"a": "no", "b": "on", "c": "2024-01-31", "d": "1_000"}),
        ("[1e-3, .5, 5., +7, -7, 0x1F, 0o17]", [0.001, 0.5, 5.0, 7, -7, 31, 15]),
        ("[true, False, null, ~, ]", [True, False, None, None]),
        ("['1', \"true\", 'null', '']", ["1", "true", "null", ""]),
        ("a: |\n  1\n  2\n", {"a": "1\n2\n"}),
        ("1: a\ntrue: b\n~: c", {"1": "a", "true": "b", "~": "c"}),
        ("'<<': a", {"<<": "a"}),
        ("a: &anchor 1", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_yaml_has_the_types_of_its_core_schema(text: str, value: Any) -> None:
    assert load_yaml(text).value == value


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\nb: !!python/object:os.system x", 'a YAML tag ("tag:yaml.org,2002:python/object:os.system")', 2, 4),
        ("- !x [1]", 'a YAML tag ("!x")', 1, 3),
        ("!!str a: 1", 'a YAML tag ("tag:yaml.org,2002:str")', 1, 1),
        ("a: &x [1]\nb: *x", "an alias (`*name`)", 2, 4),
        ("a: &x {b: 1}\nc:\n  <<: *x", "a merge key (`<<`)", 3, 3),
        ("a: 1\nb: 2\na: 3", 'duplicate key "a"', 3, 1),
        ("? [a]\n: 1", "a key that is not plain text", 1, 3),
        ("a: 1\n---\nb: 2", "a second document (`---`)", 2, 1),
        ("a: .nan", ".nan is not a number that can be compared", 1, 4),
        ("a: -.inf", "-.inf is not a number that can be compared", 1, 4),
        ("a: 1e999", 'number does not fit a 64-bit float: "1e999"', 1, 4),
        ("a: 1e-999", 'number does not fit a 64-bit float: "1e-999"', 1, 4),
        ("a: 18446744073709551616", 'number does not fit 64 bits: "18446744073709551616"', 1, 4),
        ("a: 0x10000000000000000", 'number does not fit 64 bits: "0x10000000000000000"', 1, 4),
        ("a: é\nb: \x07", 'the character "\\u0007", which YAML does not allow', 2, 4),
        ("a: \ud800", 'the character "\\ud800", which YAML does not allow', 1, 4),
        ("a: [1, 2", "did not find expected ',' or ']'", 1, 9),
        ('a: "b', "found unexpected end of stream", 1, 6),
        ("a: b: c", "mapping values are not allowed in this context", 1, 5),
        ("\t- a", "found character that cannot start any token", 1, 1),
        ("[" * 102, "nested deeper than 100 levels", 1, 102),
    ],
)
def test_malformed_yaml_is_refused_at_its_place(text: str, message: str, line: int, column: int) -> None:
    found, *place = yaml_refusal(text)
    assert found.startswith(message)
    assert place == [line, column]


def test_yaml_knows_the_place_of_each_value() -> None:
    document = load_yaml("a: 1\nb:\n  - c: 2\n    d: 3\n  - 4\n")
    assert document.place(("a",)) == (1, 1)
    assert document.place(("b", 0)) == (3, 5)
    assert document.place(("b", 0, "d")) == (4, 5)
    assert document.place(("b", 1)) == (5, 5)
    assert document.place(("b", 7, "x")) == (2, 1)
    assert load_yaml("").place(("a",)) == (1, 1)


def test_yaml_is_the_same_without_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "_YAML_PARSER", yaml.SafeLoader)
    assert load_yaml("a: [1, 'no']\nb: ''\n").value == {"a": [1, "no"], "b": ""}
    assert yaml_refusal("a: [1, 2")[1:] == (1, 9)
