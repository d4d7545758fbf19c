"""The ready evaluators: what they compare, and what they refuse to compare."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import ArgumentError, UserCodeError
from honeyhive.experiments import ready
from honeyhive.experiments.evaluators import evaluator, fingerprint, run_evaluators, to_evaluator
from honeyhive.experiments.loading import load_callable
from honeyhive.experiments.ready import (
    contains,
    exact_match,
    json_schema,
    json_valid,
    levenshtein_ratio,
    numeric_tolerance,
    regex_match,
)
from honeyhive.experiments.ready.documents import MAX_VALUES

# --- as evaluators ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exact_match", "contains", "json_valid", "levenshtein_ratio"])
def test_one_without_required_options_is_an_evaluator_and_makes_others(name: str) -> None:
    loaded = load_callable(f"honeyhive.experiments.ready:{name}")
    assert loaded is getattr(ready, name)
    assert to_evaluator(loaded).name == name
    assert to_evaluator(loaded()).fingerprint == fingerprint(loaded)
    named = to_evaluator(loaded(name="other"))
    assert (named.name, named.fingerprint) == ("other", fingerprint(loaded))


def test_they_run_like_any_evaluator() -> None:
    made = [exact_match, contains(text="a"), regex_match("^a"), numeric_tolerance(absolute=1), levenshtein_ratio]
    found = run_evaluators(made, {}, "abc", "abd")
    assert {one["name"]: one["score"] for one in found} == {
        "exact_match": False,
        "contains": True,
        "regex_match": True,
        "numeric_tolerance": None,
        "levenshtein_ratio": pytest.approx(2 / 3),
    }
    assert [one["error"] for one in found if one["error"]] == [
        'ValueError: the ground truth is no finite number: "abd"'
    ]


def test_they_take_settings() -> None:
    made = evaluator(levenshtein_ratio, name="near_enough", target=0.6)
    assert made("abc", {}, "abd") is True
    assert fingerprint(made) != fingerprint(levenshtein_ratio)


@pytest.mark.parametrize("name", ready.NAMES)
def test_asked_for_by_a_name_that_nothing_goes_by_they_say_where_they_are(name: str) -> None:
    with pytest.raises(UserCodeError, match=f"no evaluator is called '{name}'") as refused:
        to_evaluator(name)
    (imported,) = re.findall("`(.*)`", refused.value.hint)
    found: dict[str, Any] = {}
    exec(imported, found)
    assert found[name] is getattr(ready, name)


def test_a_ready_one_that_goes_by_its_name_is_found_by_it() -> None:
    made = evaluator(exact_match)
    assert to_evaluator("exact_match").fingerprint == fingerprint(made)


def test_arguments_may_be_given_by_name() -> None:
    assert exact_match(outputs="a", ground_truth="a") is True
    assert exact_match("a", ground_truth="b") is False


def test_an_option_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ArgumentError, match=r"exact_match has no option 'ignorecase' \(did you mean ignore_case\?\)"):
        exact_match(ignorecase=True)
    with pytest.raises(ArgumentError, match=r"json_valid has no option 'xyz' \(it has: "):
        json_valid(xyz=1)


OPTIONS = [
    exact_match,
    exact_match(strip=True),
    exact_match(key="answer"),
    contains,
    contains(text="a"),
    contains(text=["a", "b"]),
    contains(text=["a", "b"], any_of=True),
    json_valid,
    levenshtein_ratio,
    regex_match("a"),
    regex_match("a", whole=True),
    regex_match("a", flags=re.IGNORECASE),
    json_schema({"type": "object"}),
    json_schema({"type": "array"}),
    numeric_tolerance(absolute=1),
    numeric_tolerance(relative=1),
]


def test_options_are_in_the_fingerprint() -> None:
    assert len({fingerprint(one) for one in OPTIONS}) == len(OPTIONS)


def test_the_package_offers_what_it_says() -> None:
    for name in ready.__all__:
        assert getattr(ready, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'bleu'"):
        ready.bleu  # noqa: B018 - asking for it is the test


# --- what is compared ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "ground_truth", "options"),
    [
        ("a", "a", {}),
        ({"answer": "a"}, "a", {}),
        ("a", {"answer": "a"}, {}),
        ({"answer": "a"}, {"expected": "a"}, {}),
        ({"answer": "a", "trace": 1}, {"answer": "a", "source": "b"}, {}),
        ({"answer": "a", "trace": 1}, {"answer": "a", "trace": 2}, {"key": "answer"}),
        ({"answer": "a", "trace": 1}, "a", {"key": "answer"}),
        ({"answer": "a", "trace": 1}, {"gold": "a", "n": 2}, {"key": "answer", "expected_key": "gold"}),
        ({"answer": "a"}, {"gold": "a", "n": 2}, {"expected_key": "gold"}),
    ],
)
def test_the_value_of_a_mapping_is_the_one_of_the_key_the_only_one_or_the_one_in_common(
    outputs: Any, ground_truth: Any, options: Any
) -> None:
    assert exact_match(**options)(outputs, {}, ground_truth) is True
    assert levenshtein_ratio(**options)(outputs, {}, ground_truth) == 1


@pytest.mark.parametrize(
    ("outputs", "ground_truth", "options", "message"),
    [
        ("a", None, {}, "there is no ground truth to compare with"),
        ("a", {"answer": None}, {}, "there is no ground truth to compare with: it is None"),
        ("a", {}, {}, "the ground truth is a mapping of 0 values: say which by `key` (none)"),
        ({"a": 1, "b": 2}, "x", {}, 'the output is a mapping of 2 values: say which by `key` ("a", "b")'),
        ({"a": 1}, "x", {"key": "b"}, 'the output has no key "b"; it has: "a"'),
        ("x", {"a": 1}, {"key": "b"}, 'the ground truth has no key "b"; it has: "a"'),
        ({"a": 1, "b": 2, "c": 0}, {"a": 1, "b": 2, "d": 0}, {}, "have 2 keys in common"),
        ({"a": 1, "b": 2}, {"c": 1}, {}, "have 0 keys in common"),
    ],
)
def test_what_is_not_to_be_told_is_an_error(outputs: Any, ground_truth: Any, options: Any, message: str) -> None:
    for one in (exact_match, levenshtein_ratio, contains):
        with pytest.raises(ValueError) as refused:
            one(**options)(outputs, {}, ground_truth)
        assert message in str(refused.value)


# --- exact_match -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "expected", "equal"),
    [
        ("a", "a ", False),
        ("a", "A", False),
        ("", "", True),
        (1, 1.0, True),
        (0.1, 0.2, False),
        (True, True, True),
        ([1, "a", None], [1, "a", None], True),
        ([1, "a"], [1, "b"], False),
        ([1], [1, 2], False),
        ([True], [1], False),
        (["1"], [1], False),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ({"a": 1, "b": [2]}, {"b": [3], "a": 1}, False),
        ({"a": {"c": 1}}, {"a": {"d": 1}}, False),
    ],
)
def test_exact_match_is_equality_of_values_of_one_kind(output: Any, expected: Any, equal: bool) -> None:
    assert exact_match(output, {}, expected) is equal


@pytest.mark.parametrize(
    ("output", "expected"), [("1", 1), (1, "1"), (True, 1), (1, True), (None, "a"), (["a"], "a"), (object(), "a")]
)
def test_values_of_two_kinds_are_not_compared(output: Any, expected: Any) -> None:
    with pytest.raises(TypeError, match=r"the output is .* and the ground truth "):
        exact_match(output, {}, expected)


def test_white_space_and_case_may_be_left_out_everywhere() -> None:
    loose = exact_match(strip=True, ignore_case=True)
    assert loose(" Straße\n", {}, "STRASSE") is True
    assert loose([" A"], {}, ["a"]) is True
    assert exact_match(strip=True)(" A", {}, "a") is False


# --- contains --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "ground_truth", "found"),
    [
        ({}, "fox", True),
        ({}, "Fox", (False, 'without "Fox"')),
        ({"ignore_case": True}, "FOX", True),
        ({}, ["fox", "dog"], True),
        ({}, ["fox", "cat"], (False, 'without "cat"')),
        ({"any_of": True}, ["fox", "cat"], True),
        ({"any_of": True}, ["cow", "cat"], (False, 'without "cow", "cat"')),
        ({"text": "dog"}, None, True),
        ({"text": ("dog", "cat")}, "ignored", (False, 'without "cat"')),
    ],
)
def test_contains_looks_for_the_ground_truth_or_a_given_text(options: Any, ground_truth: Any, found: Any) -> None:
    assert contains(**options)("the fox and the dog", {}, ground_truth) == found


@pytest.mark.parametrize("nothing", ["", [], [""], ["fox", ""], ["fox", 1], 3])
def test_contains_does_not_look_for_nothing(nothing: Any) -> None:
    with pytest.raises(ValueError, match="there is nothing to look for"):
        contains("the fox", {}, nothing)
    with pytest.raises(ValueError, match="there is nothing to look for"):
        contains(text=nothing)("the fox", {}, "fox")


@pytest.mark.parametrize("one", [contains, regex_match("a"), levenshtein_ratio, json_valid])
@pytest.mark.parametrize("output", [None, 1, ["a"], b"a"])
def test_what_is_no_text_is_an_error(one: Any, output: Any) -> None:
    with pytest.raises(TypeError, match=r"the output is a .*, not text"):
        one(output, {}, "a")


# --- regex_match -----------------------------------------------------------------------------------------------------


def test_a_pattern_matches_somewhere_or_the_whole() -> None:
    assert regex_match(r"\d+")("a1", {}, None) is True
    assert regex_match(r"\d+", whole=True)("a1", {}, None) is False
    assert regex_match("A", flags=re.IGNORECASE)("a", {}, None) is True
    assert regex_match("^b$", key="answer")({"answer": "b", "n": 1}, {}, None) is True
    assert regex_match("b")("a", {}, None) is False


@pytest.mark.parametrize("pattern", ["", "(", "[a", "a{2,1}", "(?P<a>x)(?P<a>y)", 3])
def test_what_is_no_pattern_is_refused(pattern: Any) -> None:
    with pytest.raises(ArgumentError, match="regex_match: "):
        regex_match(pattern)


# --- levenshtein_ratio -----------------------------------------------------------------------------------------------


def edits(one: str, other: str) -> int:
    """The textbook's table, row by row."""
    row = list(range(len(other) + 1))
    for above, left in enumerate(one, 1):
        before, row[0] = row[0], above
        for at, right in enumerate(other, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (left != right))
    return row[-1]


@given(st.text(alphabet="abc", max_size=12), st.text(alphabet="abc", max_size=12))
def test_the_ratio_is_one_minus_edits_by_the_longer_length(one: str, other: str) -> None:
    longer = max(len(one), len(other))
    expected = 1 - edits(one, other) / longer if longer else 1
    assert levenshtein_ratio(one, {}, other) == pytest.approx(expected)


def test_texts_that_are_too_long_are_not_compared() -> None:
    with pytest.raises(ValueError, match="the output has 100001 characters; 100000 is the most"):
        levenshtein_ratio("a" * 100_001, {}, "a")
    with pytest.raises(ValueError, match="the ground truth has 100001 characters"):
        levenshtein_ratio("a", {}, "a" * 100_001)
    assert levenshtein_ratio("a" * 100_000, {}, "b" * 100_000) == 0


# --- numeric_tolerance -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "output", "expected", "near"),
    [
        ({"absolute": 0.1}, 1.1, 1.0, True),
        ({"absolute": 0.1}, 1.1000001, 1.0, False),
        ({"absolute": 0}, 0.1 + 0.2, 0.3, False),
        ({"absolute": 0}, "3.0", 3, True),
        ({"relative": 0.05}, 105, 100, True),
        ({"relative": 0.05}, 105.01, 100, False),
        ({"relative": 0.05}, -95, -100, True),
        ({"relative": 0.5}, 1, 0, False),
        ({"absolute": 10, "relative": 0.05}, 105, 100, True),
        ({"absolute": 1, "relative": 0.05}, 105, 100, True),
        ({"absolute": 1}, " 3.5\n", "4", True),
        ({"absolute": 1}, "1e2", 100, True),
        ({"absolute": 1}, Decimal("3.5"), Fraction(7, 2), True),
        ({"absolute": 1}, {"n": 3}, {"n": 4, "m": 1}, True),
        ({"absolute": 1}, 10**300, 10**300 + 1, True),
        ({"absolute": 1}, "about 3", 3, False),
        ({"absolute": 1}, "", 3, False),
        ({"absolute": 1}, "nan", 3, False),
        ({"absolute": 1}, "inf", 3, False),
        ({"absolute": 1}, "1e999999999999999999", 3, False),
        ({"absolute": 1}, "1_0", 10, False),
        ({"absolute": 1}, "9" * 500, 3, False),
    ],
)
def test_a_number_is_near_enough_as_it_is_written(options: Any, output: Any, expected: Any, near: bool) -> None:
    found = numeric_tolerance(**options)(output, {}, expected)
    assert (found if near else found[0]) is near


def test_how_far_off_it_is_is_in_the_note() -> None:
    assert numeric_tolerance(absolute=0.5)(3, {}, 4) == (False, "off by 1, allowed 0.5")
    assert numeric_tolerance(absolute=0.5)("three", {}, 3) == (False, 'not a number: "three"')


@pytest.mark.parametrize("expected", ["three", True, math.nan, "inf", [1], ""])
def test_a_ground_truth_that_is_no_number_is_an_error(expected: Any) -> None:
    with pytest.raises(ValueError, match="the ground truth is no finite number"):
        numeric_tolerance(absolute=1)(1, {}, expected)


@pytest.mark.parametrize("output", [True, None, [1], math.nan, math.inf])
def test_an_output_that_is_neither_text_nor_a_number_is_an_error(output: Any) -> None:
    with pytest.raises(TypeError, match="the output is no finite number"):
        numeric_tolerance(absolute=1)(output, {}, 1)


@pytest.mark.parametrize(
    "options", [{}, {"absolute": -1}, {"relative": math.nan}, {"absolute": "1"}, {"absolute": True}]
)
def test_a_tolerance_is_a_number_that_is_not_negative(options: Any) -> None:
    with pytest.raises(ArgumentError, match="numeric_tolerance: "):
        numeric_tolerance(**options)


# --- JSON ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": [1, null]}', None),
        (" 3 ", None),
        ('"text"', None),
        ("", "line 1, column 1: the text ends in the middle of a value"),
        ('{"a": 1,}', "line 1, column 9: "),
        ('{"a": 1}\n{"b": 2}', "line 2, column 1: more text after the end of the value"),
        ('{"a": 1, "a": 2}', "line 1, column 10: duplicate key"),
        ("NaN", "line 1, column 1: NaN is not a JSON number"),
        ("[" * 200 + "]" * 200, "nested deeper than 100 levels"),
        ("```json\n{}\n```", "line 1, column 1: "),
    ],
)
def test_json_is_read_strictly(text: str, problem: str | None) -> None:
    found = json_valid(text, {}, None)
    if problem is None:
        assert found is True
    else:
        assert found[0] is False
        assert problem in found[1]


SCHEMA = {
    "type": "object",
    "required": ["answer"],
    "properties": {"answer": {"type": "string", "format": "email"}, "parts": {"$ref": "#/$defs/parts"}},
    "$defs": {"parts": {"type": "array", "items": {"type": "integer"}}},
}


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ('{"answer": "no mail"}', True),
        ({"answer": "a", "parts": [1, 2]}, True),
        ({"answer": "a", "parts": [1, "2"]}, (False, "at $.parts[1]: '2' is not of type 'integer'")),
        ("{}", (False, "at $: 'answer' is a required property")),
        ("[]", (False, "at $: [] is not of type 'object'")),
        ("{", (False, "line 1, column 2: the text ends in the middle of a value")),
    ],
)
def test_an_output_meets_a_schema_or_the_note_says_where_not(output: Any, found: Any) -> None:
    assert json_schema(SCHEMA)(output, {}, None) == found


def test_a_key_says_which_part_is_held_to_the_schema() -> None:
    made = json_schema({"type": "array"}, key="calls")
    assert made({"calls": [], "text": ""}, {}, None) is True
    assert made({"calls": "[]"}, {}, None) is True
    with pytest.raises(ValueError, match='the output has no key "calls"'):
        made({"text": ""}, {}, None)


def test_an_output_that_is_no_document_is_an_error() -> None:
    for output in (None, 3, object()):
        with pytest.raises(TypeError, match="neither JSON text nor a mapping or a list"):
            json_schema(SCHEMA)(output, {}, None)


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:9/schema.json", "file:///etc/passwd", "other.json", "#/$defs/none"]
)
def test_a_reference_to_elsewhere_is_an_error_and_nothing_is_fetched(reference: str) -> None:
    made = json_schema({"properties": {"a": {"$ref": reference}}})
    with pytest.raises(ValueError, match="and nothing is fetched"):
        made({"a": 1}, {}, None)


@pytest.mark.parametrize(
    "schema", [{}, True, [], "{}", {"type": "objekt"}, {"minimum": "3"}, {"$schema": "https://example.com/mine"}]
)
def test_what_is_no_schema_or_lets_all_pass_is_refused(schema: Any) -> None:
    with pytest.raises(ArgumentError, match="json_schema: "):
        json_schema(schema)


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([{"a": 1}, {"a": 2}], True),
        ([{"a": 1, "b": 2}, {"b": 2.0, "a": 1}], False),
        ([1, True], True),
        ([[1], [True]], True),
        ([0.5, "0.5", None], True),
        ([1, "a", 1.0], False),
        ([{"n": [1e300]}, {"n": [1e300]}], False),
    ],
)
def test_items_are_unique_by_what_they_say(items: list[Any], unique: bool) -> None:
    found = json_schema({"uniqueItems": True})(items, {}, None)
    assert found is True if unique else found[0] is False
    assert json_schema({"uniqueItems": False})(items, {}, None) is True


def test_many_items_are_compared_in_a_time_that_grows_with_them() -> None:
    items = [{"id": number} for number in range(40_000)]
    assert json_schema({"uniqueItems": True})(items, {}, None) is True
    assert json_schema({"uniqueItems": True})([*items, {"id": 7}], {}, None) == (
        False,
        "at $: items 7 and 40000 are equal",
    )


def test_an_output_of_more_values_than_a_schema_is_held_to_is_an_error() -> None:
    made = json_schema({"type": "object"})
    assert made({"values": [0] * (MAX_VALUES - 2)}, {}, None) is True
    with pytest.raises(ValueError, match="the output holds 100001 values; 100000 is the most"):
        made({"values": [0] * (MAX_VALUES - 1)}, {}, None)


def test_a_schema_says_of_which_version_it_is() -> None:
    draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True}
    assert json_schema(draft4)("3", {}, None)[0] is False
    assert json_schema(draft4)("4", {}, None) is True
