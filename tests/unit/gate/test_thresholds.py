from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from honeyhive.documents import load_yaml
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Rule
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.thresholds import (
    DEFAULT_ERROR_RATE,
    KEYS,
    RULES_SCHEMA,
    Margin,
    Threshold,
    did_you_mean,
    parse_threshold,
    parse_thresholds,
    with_default_errors,
)


def refusal(name: str, settings: Any) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        parse_threshold(name, settings)
    return refused.value


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (0.35, 0.35),
        (1, 1.0),
        (-3, -3.0),
        ("0.35", 0.35),
        ("35%", 0.35),
        (" 35 % ", 0.35),
        ("0.1%", 0.001),
        ("12.5e-1%", 0.0125),
        ("1e-3", 0.001),
        ("1E+2", 100.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+2", 2.0),
        ("-2", -2.0),
        ("1e-400%", 0.0),
    ],
)
def test_a_bound_is_a_number_or_a_percentage(written: Any, value: float) -> None:
    assert parse_threshold("quality", {"min": written}).bounds == {Rule.MIN: value}


@pytest.mark.parametrize(
    ("written", "value"), [(250, 250.0), ("250", 250.0), ("500ms", 500.0), ("2s", 2_000.0), ("1.5 m", 90_000.0)]
)
def test_a_bound_on_latency_is_a_time_and_without_a_unit_milliseconds(written: Any, value: float) -> None:
    assert parse_threshold("latency_ms", {"max": written}).bounds == {Rule.MAX: value}


@pytest.mark.parametrize(
    ("written", "margin"),
    [
        (0.02, Margin(value=0.02)),
        (0, Margin(value=0.0)),
        ("2%", Margin(value=0.02, relative=True)),
        ("0%", Margin(value=0.0, relative=True)),
        ("250%", Margin(value=2.5, relative=True)),
    ],
)
def test_a_margin_is_in_the_metrics_own_unit_or_a_share_of_the_baseline(written: Any, margin: Margin) -> None:
    assert parse_threshold("quality", {"max-drop": written}).margins == {Rule.MAX_DROP: margin}


@pytest.mark.parametrize(
    "written",
    [
        "much", "", "%", "2 percent", "1_000", "0x10", "1,5", "--2", "2%%", "٣", None, True, [1], {"a": 1},
        math.nan, math.inf, "nan", "inf", "1e999", "-1e999", "1e308s", 10**400,
    ],
)  # fmt: skip
def test_what_is_no_finite_number_is_refused_with_the_key_and_an_example(written: Any) -> None:
    for rule in ("min", "max", "max-drop"):
        refused = refusal("quality", {rule: written})
        assert refused.message.startswith(f"thresholds.quality.{rule}: ")
        assert refused.path == ("quality", rule)
    assert refusal("latency_ms", {"max": written}).path == ("latency_ms", "max")


def test_every_rule_of_one_metric_is_kept() -> None:
    threshold = parse_threshold("quality", {"min": 1, "max": 9, "max-drop": 0.5, "range": [0, 10], "kind": "score"})
    assert threshold.bounds == {Rule.MIN: 1.0, Rule.MAX: 9.0}
    assert threshold.margins == {Rule.MAX_DROP: Margin(value=0.5)}
    assert threshold.metric.bounds == (0.0, 10.0)
    assert (threshold.name, threshold.metric.kind) == ("quality", Kind.SCORE)


# --- which way is better ---------------------------------------------------------------------------------------------


def test_who_limits_an_increase_says_that_lower_is_better() -> None:
    assert parse_threshold("words", {"max-increase": 3}).metric.direction is Direction.LOWER
    assert parse_threshold("words", {"max-increase": 3, "direction": "lower"}).metric.direction is Direction.LOWER
    assert parse_threshold("words", {"max-drop": 3}).metric.direction is Direction.HIGHER
    assert parse_threshold("words", {"max": 3, "direction": "lower"}).metric.direction is Direction.LOWER
    assert parse_threshold("words", {"max": 3}).metric.direction is Direction.HIGHER


@pytest.mark.parametrize(
    ("name", "settings", "key", "hint"),
    [
        ("words", {"max-increase": 3, "direction": "higher"}, "max-increase", "say max-drop"),
        ("words", {"max-drop": 3, "direction": "lower"}, "max-drop", "say max-increase"),
        ("errors", {"max-drop": 0.1}, "max-drop", "say max-increase"),
        ("latency_ms", {"max-drop": "10%"}, "max-drop", "say max-increase"),
        ("cost", {"max": 1, "direction": "higher"}, "direction", "leave `direction` out"),
        ("words", {"max-drop": 3, "max-increase": 3}, "max-increase", "only one way can be worse: keep one"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(name: str, settings: dict[str, Any], key: str, hint: str) -> None:
    refused = refusal(name, settings)
    assert (refused.path, refused.hint) == ((name, key), hint)


# --- what makes no sense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "path", "said"),
    [
        ("q", {"max-dorp": 1}, ("q", "max-dorp"), "did you mean max-drop?"),
        ("q", {7: 1}, ("q", 7), "known: min, max"),
        ("q", {}, ("q",), "add one of min, max, max-drop, max-increase"),
        ("q", {"direction": "lower"}, ("q",), "no rule"),
        ("q", None, ("q",), "nothing where rules belong"),
        ("q", 0.5, ("q",), 'float "0.5" where rules belong'),
        ("q", {"max-drop": -0.02}, ("q", "max-drop"), "max-drop: 0.02 allows that much"),
        ("q", {"min": 1, "direction": "up"}, ("q", "direction"), "higher, lower"),
        ("q", {"min": 1, "direction": ["lower"]}, ("q", "direction"), "higher, lower"),
        ("q", {"min": 1, "kind": "latency"}, ("q", "kind"), "rate, score"),
        ("q", {"min": 1, "kind": {}}, ("q", "kind"), "rate, score"),
        ("q", {"min": 1, "range": 5}, ("q", "range"), "not a pair of numbers"),
        ("q", {"min": 1, "range": [1]}, ("q", "range"), "not a pair of numbers"),
        ("q", {"min": 1, "range": [2, 1]}, ("q", "range"), "not below its second"),
        ("q", {"min": 1, "range": [1, 1]}, ("q", "range"), "not below its second"),
        ("q", {"min": 1, "range": [0, "many"]}, ("q", "range"), "not a finite number"),
        ("q", {"min": 1, "range": ["0s", "2s"]}, ("q", "range"), "q is not a time"),
        ("q", {"min": "2s"}, ("q", "min"), "q is not a time"),
        ("q", {"max-drop": "2ms"}, ("q", "max-drop"), "q is not a time"),
        ("errors", {"max": 0.1, "kind": "score"}, ("errors", "kind"), "leave `kind` out"),
        ("latency_ms", {"max": 1, "kind": "score"}, ("latency_ms", "kind"), "leave `kind` out"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place_and_the_way_out(
    name: str, settings: Any, path: tuple[Any, ...], said: str
) -> None:
    refused = refusal(name, settings)
    assert refused.path == path
    assert said in str(refused)


@pytest.mark.parametrize("name", ["latency_ms", "cost", "tokens.output"])
def test_how_far_latency_and_cost_may_rise_is_given_in_percent(name: str) -> None:
    assert parse_threshold(name, {"max-increase": "10%"}).margins == {
        Rule.MAX_INCREASE: Margin(value=0.1, relative=True)
    }
    for written in (0.1, "0.1", "100ms"):
        assert refusal(name, {"max-increase": written}).hint == "max-increase: 10%"


@pytest.mark.parametrize("name", ["latency_ms", "cost", "tokens.output"])
def test_a_cap_on_latency_or_cost_is_no_share_of_anything(name: str) -> None:
    assert refusal(name, {"max": "5%"}).path == (name, "max")


@pytest.mark.parametrize("name", ["latency_ms", "cost"])
def test_latency_and_cost_have_no_range_for_an_error_counts_as_none_of_either(name: str) -> None:
    assert refusal(name, {"max": 5, "range": [0, 10]}).hint == "leave `range` out"


def test_who_says_that_a_cost_is_a_score_has_it_treated_as_one() -> None:
    threshold = parse_threshold("cost", {"max": 5, "kind": "score", "range": [0, 10]})
    assert (threshold.metric.kind, threshold.metric.worst) == (Kind.SCORE, 10.0)


@pytest.mark.parametrize("settings", [None, [], "accuracy", 5])
def test_thresholds_are_a_mapping_of_metrics(settings: Any) -> None:
    with pytest.raises(ConfigError, match="where a mapping of metrics belongs"):
        parse_thresholds(settings)


def test_the_thresholds_keep_the_users_order() -> None:
    parsed = parse_thresholds({"b": {"min": 1}, "a": {"min": 1}})
    assert [threshold.name for threshold in parsed] == ["b", "a"]


# --- rates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "value", "hint"),
    [
        ("min", 35, "did you mean min: 35%?"),
        ("max", 1.5, "did you mean max: 1.5%?"),
        ("max-drop", 2, "did you mean max-drop: 0.02?"),
        ("min", -0.5, "write a share: min: 0.02 or 2%"),
        ("max", 250, "write a share: max: 0.02 or 2%"),
    ],
)
def test_what_a_rate_can_never_reach_is_refused_with_what_was_meant(rule: str, value: float, hint: str) -> None:
    refused = refusal("correct", {rule: value, "kind": "rate"})
    assert (refused.path, refused.hint) == (("correct", rule), hint)


def test_it_is_refused_as_soon_as_the_values_tell_that_the_metric_is_a_rate() -> None:
    threshold = parse_threshold("correct", {"min": 35, "max-drop": 2})
    assert threshold.settled(Kind.SCORE).bounds == {Rule.MIN: 35.0}
    with pytest.raises(ConfigError, match="min: 35 can never be reached"):
        threshold.settled(Kind.RATE)


def test_a_relative_margin_of_a_rate_may_be_more_than_all_of_it() -> None:
    assert parse_threshold("correct", {"max-drop": "200%", "kind": "rate"}).written(Rule.MAX_DROP) == "200%"


def test_a_rate_has_no_range_but_its_own() -> None:
    assert parse_threshold("correct", {"min": 0.5, "kind": "rate", "range": [0, 1]}).metric.bounds == (0.0, 1.0)
    assert parse_threshold("errors", {"max": 0.5, "range": [0, 1]}).metric.bounds == (0.0, 1.0)
    with pytest.raises(ConfigError, match="a rate goes from 0 to 1"):
        parse_threshold("correct", {"min": 0.5, "range": [0.5, 1]}).settled(Kind.RATE)
    assert refusal("errors", {"max": 0.5, "range": [0, 2]}).path == ("errors", "range")


# --- errors ----------------------------------------------------------------------------------------------------------


def test_five_percent_of_the_datapoints_may_go_wrong_where_the_user_says_nothing() -> None:
    mine = parse_thresholds({"correct": {"min": 0.5}})
    assert with_default_errors(mine) == (*mine, parse_threshold("errors", {"max": "5%"}))


def test_what_the_user_says_about_errors_stands() -> None:
    mine = parse_thresholds({"errors": {"max": 0}})
    assert with_default_errors(mine) == mine


# --- there and back --------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
above_zero = st.floats(0, 1e300)


def percent(values: st.SearchStrategy[float]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"{value!r}%")


@st.composite
def settings_of_a_metric(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(["quality", "latency_ms", "errors", "cost", "tokens.input", "ümlaut: {x}"]))
    kind = draw(st.sampled_from([None, "rate", "score"])) if name not in ("latency_ms", "errors") else None
    paid = name in ("latency_ms", "cost", "tokens.input")
    a_rate = kind == "rate" or name == "errors"
    bound = shares if a_rate else numbers
    own = st.nothing() if paid else shares if a_rate else above_zero
    lower = paid or name == "errors" or draw(st.booleans())
    rules: dict[str, Any] = {}
    for key in draw(st.sets(st.sampled_from(["min", "max", "margin"]), min_size=1)):
        if key == "margin":
            rules["max-increase" if lower else "max-drop"] = draw(own | percent(above_zero))
        else:
            rules[key] = draw(bound if paid else bound | percent(shares))
    if kind is not None:
        rules["kind"] = kind
    if draw(st.booleans()):
        rules["direction"] = "lower" if lower else "higher"
    if kind == "score" and draw(st.booleans()):
        rules["range"] = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return name, rules


@given(settings_of_a_metric())
def test_what_a_threshold_prints_is_read_as_the_same_threshold(given_settings: tuple[str, dict[str, Any]]) -> None:
    name, rules = given_settings
    threshold = parse_threshold(name, rules)
    printed = threshold.settings()
    assert parse_threshold(name, printed) == threshold
    Draft202012Validator(RULES_SCHEMA).validate(printed)


@given(settings_of_a_metric())
def test_it_is_the_same_by_way_of_a_file(given_settings: tuple[str, dict[str, Any]]) -> None:
    name, rules = given_settings
    threshold = parse_threshold(name, rules)
    text = json.dumps({name: threshold.settings()}, ensure_ascii=False)
    assert parse_thresholds(load_yaml(text).value) == (threshold,)


@given(settings_of_a_metric(), st.sampled_from([Kind.RATE, Kind.SCORE]))
def test_it_is_the_same_once_its_values_have_told_its_kind(
    given_settings: tuple[str, dict[str, Any]], kind: Kind
) -> None:
    name, rules = given_settings
    threshold = parse_threshold(name, rules)
    if threshold.metric.kind is not None:
        return
    try:
        settled = threshold.settled(kind)
    except ConfigError:
        return
    assert parse_threshold(name, settled.settings()) == settled
    assert settled.settled(kind) == settled


@given(percent(above_zero))
def test_a_percentage_is_written_as_it_was_read(written: str) -> None:
    margin = parse_threshold("quality", {"max-drop": written}).margins[Rule.MAX_DROP]
    assert float(str(margin).removesuffix("%")) == pytest.approx(float(written.removesuffix("%")), rel=1e-15)


@pytest.mark.parametrize("written", ["2%", "0.1%", "33.3%", "100%", "0.02", "0", "3", "1e-07"])
def test_a_margin_is_shown_as_a_person_would_write_it(written: str) -> None:
    threshold = parse_threshold("quality", {"max-drop": written})
    assert threshold.written(Rule.MAX_DROP) == written


def test_a_bound_is_shown_as_a_person_would_write_it() -> None:
    threshold = parse_threshold("quality", {"min": "35%", "max": 2.0})
    assert [threshold.written(rule) for rule in (Rule.MIN, Rule.MAX)] == ["0.35", "2"]


def test_only_what_differs_from_the_usual_is_printed() -> None:
    assert parse_threshold("errors", {"max": 0}).settings() == {"max": 0.0}
    assert parse_threshold("latency_ms", {"max": "2s", "max-increase": "10%"}).settings() == {
        "max": 2_000.0,
        "max-increase": "10%",
    }
    assert parse_threshold("words", {"max-increase": 3}).settings() == {"max-increase": "3", "direction": "lower"}


def test_the_schema_has_every_key_and_no_other() -> None:
    assert set(KEYS) == {"min", "max", "max-drop", "max-increase", "direction", "range", "kind"}
    assert isinstance(parse_threshold("q", {"min": 1}), Threshold)


def test_the_nearest_known_word_is_suggested() -> None:
    assert did_you_mean("maxdrop", KEYS).startswith("did you mean max-drop? known: min, max, ")
    assert did_you_mean("zzz", KEYS).startswith("known: min, max, ")


def test_a_threshold_on_errors_without_a_max_keeps_the_default_one() -> None:
    thresholds = with_default_errors((parse_threshold("errors", {"max-increase": "1%"}),))
    assert thresholds[0].bounds == {Rule.MAX: DEFAULT_ERROR_RATE}
    assert thresholds[0].margins == {Rule.MAX_INCREASE: Margin(value=0.01, relative=True)}
