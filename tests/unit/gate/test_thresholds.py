from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from honeyhive.documents import load_yaml
from honeyhive.errors import ConfigError
from honeyhive.gate.aggregates import Aggregate
from honeyhive.gate.checks import Rule
from honeyhive.gate.entries import KINDS, UNPRINTABLE, did_you_mean
from honeyhive.gate.metrics import Decide, Direction, Kind, Metric
from honeyhive.gate.rules_schema import KEYS, RULES_SCHEMA
from honeyhive.gate.thresholds import (
    DEFAULT_ERROR_RATE,
    Margin,
    Threshold,
    parse_threshold,
    parse_thresholds,
    with_default_errors,
)


def refusal(name: str, settings: Any) -> ConfigError:
    return refusal_of({name: settings})


def refusal_of(thresholds: Any) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        parse_thresholds(thresholds)
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
        ("errors", {"max": 1, "direction": "higher"}, "direction", "leave `direction` out"),
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
        ("q", {"min": 1, "kind": "latancy"}, ("q", "kind"), "did you mean latency?"),
        ("q", {"max-drop": 1, "decide": "strictt"}, ("q", "decide"), "did you mean strict?"),
        ("q", {"max-drop": 1, "decide": True}, ("q", "decide"), "known: tested, point, strict"),
        ("q", {"min": 1, "direction": "highr"}, ("q", "direction"), "did you mean higher?"),
        ("q", {"must_pass": True}, ("q", "must_pass"), "did you mean must-pass?"),
        ("q", {"must-pass": "true"}, ("q", "must-pass"), "write it without quotes: must-pass: true"),
        ("q", {"must-pass": "yes"}, ("q", "must-pass"), '"yes" is neither true nor false (must-pass: true)'),
        ("q", {"must-pass": "no"}, ("q", "must-pass"), "(must-pass: false)"),
        ("q", {"must-pass": 1}, ("q", "must-pass"), "neither true nor false"),
        ("q", {"must-pass": None}, ("q", "must-pass"), "neither true nor false"),
        ("q", {"max-drop": "-2%"}, ("q", "max-drop"), "max-drop: 2% allows that much"),
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


def test_a_metrics_name_is_text() -> None:
    with pytest.raises(ConfigError, match="where a metric's name belongs"):
        parse_thresholds({7: {"min": 1}})


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


def test_errors_that_have_to_pass_keep_the_default_bound_too() -> None:
    (errors,) = with_default_errors((parse_threshold("errors", {"must-pass": True}),))
    assert errors == parse_threshold("errors", {"must-pass": True, "max": DEFAULT_ERROR_RATE})


# --- aggregates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "metric", "word", "bounds"),
    [
        ("latency_ms.p95", {"max": "2s"}, "latency_ms", "p95", {Rule.MAX: 2_000.0}),
        ("cost.total", {"max": 1.5}, "cost", "total", {Rule.MAX: 1.5}),
        ("quality.median", {"min": 3}, "quality", "median", {Rule.MIN: 3.0}),
        ("quality.mean", {"min": "35%"}, "quality", "mean", {Rule.MIN: 0.35}),
        ("tokens.total.p99", {"max": 900}, "tokens.total", "p99", {Rule.MAX: 900.0}),
    ],
)
def test_a_name_may_carry_an_aggregate_of_the_metric(
    name: str, settings: dict[str, Any], metric: str, word: str, bounds: dict[Rule, float]
) -> None:
    threshold = parse_threshold(name, settings)
    assert (threshold.metric.name, threshold.aggregate, threshold.bounds) == (metric, Aggregate(word), bounds)
    assert threshold.name == name


def test_a_metric_and_its_mean_are_two_thresholds_of_one_metric() -> None:
    itself, mean = parse_thresholds({"quality": {"max-drop": 1}, "quality.mean": {"min": 3}})
    assert itself.metric == mean.metric
    assert (itself.name, mean.name) == ("quality", "quality.mean")


@pytest.mark.parametrize(
    ("name", "rules", "key", "hint"),
    [
        ("latency_ms.p95", {"max-increase": "10%"}, "max-increase", "latency_ms: {max-increase: 10%}"),
        ("latency_ms.p95", {"max-drop": "10%"}, "max-drop", "latency_ms: {max-increase: 10%}"),
        ("quality.mean", {"min": 1, "max-drop": 2}, "max-drop", "quality: {max-drop: 0.02}"),
        ("quality.mean", {"min": 1, "decide": "point"}, "decide", "quality: {max-drop: 0.02, decide: strict}"),
        ("cost.total", {"cluster": "id"}, "cluster", "cost: {max-increase: 10%, cluster: conversation_id}"),
    ],
)
def test_an_aggregate_is_not_compared_but_the_metric_itself_is(
    name: str, rules: dict[str, Any], key: str, hint: str
) -> None:
    refused = refusal(name, rules)
    assert refused.message == f"thresholds.{name}.{key}: an aggregate takes min and max only"
    assert (refused.path, refused.hint) == ((name, key), f"compare `{name.rpartition('.')[0]}` itself: {hint}")


def test_it_is_the_metric_that_has_to_pass_and_no_aggregate_of_it() -> None:
    refused = refusal("correct.mean", {"min": 0.9, "must-pass": True})
    assert refused.path == ("correct.mean", "must-pass")
    assert refused.hint == "mark `correct` itself: correct: {must-pass: true}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("errors.mean", "errors takes no aggregate (errors: {max: 0.05}"),
        ("errors.rate", "errors takes no aggregate"),
        ("latency_ms.P95", "did you mean p95? known: mean, median, total, p95"),
        ("latency_ms.max", 'latency_ms has no "max"'),
        ("latency_ms.p95.mean", 'latency_ms has no "p95.mean"'),
    ],
)
def test_what_a_built_in_metric_does_not_have_is_refused(name: str, said: str) -> None:
    refused = refusal(name, {"max": 1})
    assert refused.path == (name,)
    assert said in str(refused)


def test_an_aggregate_without_a_bound_is_no_rule() -> None:
    refused = refusal("ttft.p95", {"kind": "latency"})
    assert (refused.path, refused.hint) == (("ttft.p95",), "add min or max: ttft.p95: {max: 2s}")


@pytest.mark.parametrize("word", ["median", "p50", "p95"])
def test_a_rate_has_no_median_and_no_percentile(word: str) -> None:
    name = f"correct.{word}"
    for kind in ("rate", "label"):
        refused = refusal(name, {"min": 0.5, "kind": kind})
        assert (refused.path, refused.hint) == ((name,), "bound its mean: correct: {min: 90%}")
    undeclared = parse_threshold(name, {"min": 0.5})
    assert undeclared.settled(Kind.SCORE).bounds == {Rule.MIN: 0.5}
    with pytest.raises(ConfigError, match=f"a {word} of passes and failures says nothing"):
        undeclared.settled(Kind.RATE)


def test_a_total_of_a_rate_is_a_count_and_its_mean_a_share() -> None:
    assert parse_threshold("correct.total", {"min": 35, "kind": "rate"}).bounds == {Rule.MIN: 35.0}
    assert refusal("correct.mean", {"min": 35, "kind": "rate"}).hint == "did you mean min: 35%?"
    assert refusal("correct.total", {"min": -1, "kind": "rate"}).hint == "write a count: min: 10"


@pytest.mark.parametrize("kind", [None, "rate", "score"])
def test_a_total_is_not_a_share_of_anything(kind: str | None) -> None:
    refused = refusal("correct.total", {"min": "90%"} | ({"kind": kind} if kind else {}))
    assert (refused.path, refused.hint) == (("correct.total", "min"), "write a plain number")


# --- what several entries say of one metric --------------------------------------------------------------------------


def test_what_one_entry_says_of_a_metric_holds_for_all_of_its_entries() -> None:
    for facts_at in ("ttft", "ttft.p95"):
        thresholds: dict[str, Any] = {"ttft": {"max-increase": "10%"}, "ttft.p95": {"max": "2s"}}
        thresholds[facts_at]["kind"] = "latency"
        itself, p95 = parse_thresholds(thresholds)
        assert itself.metric == p95.metric
        assert (p95.metric.kind, p95.metric.direction) == (Kind.LATENCY, Direction.LOWER)
        assert p95.bounds == {Rule.MAX: 2_000.0}


def test_a_limited_increase_a_range_and_a_cluster_are_facts_of_the_metric_too() -> None:
    median, itself = parse_thresholds(
        {
            "words": {"max-increase": 3, "cluster": "topic"},
            "words.median": {"max": 9, "range": [0, 20]},
        }
    )
    assert median.metric == itself.metric
    assert (median.metric.direction, median.metric.bounds) == (Direction.LOWER, (0.0, 20.0))
    assert median.metric.cluster == "topic"


def test_facts_of_one_metric_are_not_those_of_another() -> None:
    ttft, other = parse_thresholds({"ttft.p95": {"max": "2s", "kind": "latency"}, "other.p95": {"max": 2}})
    assert (ttft.metric.kind, other.metric.kind) == (Kind.LATENCY, None)


def test_the_same_said_twice_is_no_contradiction() -> None:
    facts = {"kind": "score", "direction": "lower", "range": [0, 10]}
    same = {"kind": "score", "direction": "lower", "range": ["0", 10.0]}
    itself, mean = parse_thresholds({"q": {"max": 1, **facts}, "q.mean": {"max": 1, **same}})
    assert itself.metric == mean.metric


@pytest.mark.parametrize(
    ("key", "here", "there", "shown"),
    [
        ("kind", "cost", "latency", '"latency" here, and "cost" in thresholds.q.kind'),
        ("kind", "rate", "label", '"label" here, and "rate" in thresholds.q.kind'),
        ("direction", "lower", "higher", '"higher" here, and "lower" in thresholds.q.direction'),
        ("range", [0, 5], [0, 10], '"[0, 10]" here, and "[0, 5]" in thresholds.q.range'),
    ],
)
def test_facts_that_contradict_each_other_are_refused_with_both_places(
    key: str, here: Any, there: Any, shown: str
) -> None:
    refused = refusal_of({"q": {"max": 1, key: here}, "q.total": {"max": 9, key: there}})
    assert refused.message == f"thresholds.q.total.{key}: {shown}"
    assert (refused.path, refused.hint) == (("q.total", key), f"a metric has one {key}: keep one")


@pytest.mark.parametrize(
    ("margin", "direction", "hint"),
    [("max-increase", "higher", "say max-drop"), ("max-drop", "lower", "say max-increase")],
)
def test_a_margin_that_another_entry_contradicts_is_refused_with_both_places(
    margin: str, direction: str, hint: str
) -> None:
    refused = refusal_of({"q": {margin: 1}, "q.total": {"max": 9, "direction": direction}})
    assert (refused.path, refused.hint) == (("q", margin), hint)
    assert refused.message == (
        f"thresholds.q.{margin}: q is better when it is {direction}, as thresholds.q.total.direction says"
    )


def test_a_wrong_fact_is_shown_where_it_stands() -> None:
    refused = refusal_of({"q": {"max": 1}, "q.mean": {"max": 1, "kind": "rate", "range": [0, 2]}})
    assert refused.path == ("q.mean", "range")


# --- kinds -----------------------------------------------------------------------------------------------------------


def test_a_label_is_right_or_wrong() -> None:
    metric = parse_threshold("intent", {"min": "90%", "kind": "label"}).metric
    assert (metric.kind, metric.labels, metric.bounds) == (Kind.RATE, True, (0.0, 1.0))
    assert refusal("intent", {"min": 90, "kind": "label"}).hint == "did you mean min: 90%?"


def test_right_is_better_than_wrong() -> None:
    assert refusal("intent", {"min": 0.9, "kind": "label", "direction": "lower"}).path == ("intent", "direction")
    assert refusal("intent", {"max-increase": 0.1, "kind": "label"}).hint == "say max-drop"


def test_a_declared_latency_is_a_time_like_the_built_in_one() -> None:
    threshold = parse_threshold("ttft", {"max": "2s", "max-increase": "10%", "kind": "latency"})
    assert threshold.metric.direction is Direction.LOWER
    assert threshold.bounds == {Rule.MAX: 2_000.0}
    assert threshold.margins == {Rule.MAX_INCREASE: Margin(value=0.1, relative=True)}


@pytest.mark.parametrize("kind", ["latency", "cost"])
@pytest.mark.parametrize(
    ("rules", "key", "hint"),
    [
        ({"max": 1, "direction": "higher"}, "direction", "leave `direction` out"),
        ({"max-drop": "10%"}, "max-drop", "say max-increase"),
        ({"max-increase": 0.1}, "max-increase", "max-increase: 10%"),
        ({"max": 1, "range": [0, 9]}, "range", "leave `range` out"),
    ],
)
def test_a_declared_latency_or_cost_is_refused_what_the_built_in_ones_are(
    kind: str, rules: dict[str, Any], key: str, hint: str
) -> None:
    refused = refusal("mine", rules | {"kind": kind})
    assert (refused.path, refused.hint) == (("mine", key), hint)


def test_a_time_needs_a_metric_that_is_one() -> None:
    assert refusal("ttft", {"max": "2s"}).hint == "write a plain number, or say `kind: latency`"
    assert refusal("ttft", {"max": "2s", "kind": "cost"}).hint == "write a plain number"
    assert refusal("ttft", {"max": "5%", "kind": "latency"}).hint == "500ms or 2s"


def test_a_declared_kind_wins_over_what_the_name_says() -> None:
    assert parse_threshold("cost", {"max": "5%", "kind": "rate"}).metric.direction is Direction.LOWER
    saved = parse_threshold("tokens.saved", {"max-drop": 5, "kind": "score", "direction": "higher"})
    assert (saved.metric.kind, saved.metric.direction) == (Kind.SCORE, Direction.HIGHER)


@pytest.mark.parametrize(("name", "kind"), [("errors", "rate"), ("latency_ms", "latency")])
def test_a_built_in_metric_may_be_called_what_it_is_and_nothing_else(name: str, kind: str) -> None:
    assert parse_threshold(name, {"max": 1, "kind": kind}) == parse_threshold(name, {"max": 1})
    for other in KINDS.keys() - {kind}:
        assert refusal(name, {"max": 1, "kind": other}).hint == "leave `kind` out"


# --- how a comparison is decided, and what has to pass ---------------------------------------------------------------


@pytest.mark.parametrize("decide", list(Decide))
def test_the_user_says_how_a_comparison_is_decided(decide: Decide) -> None:
    assert parse_threshold("q", {"max-drop": 1, "decide": decide.value}).decide is decide
    assert parse_threshold("q", {"max-drop": 1}).decide is Decide.TESTED


@pytest.mark.parametrize(
    ("name", "rules", "hint"),
    [
        ("q", {"min": 1, "decide": "strict"}, "add a margin: q: {max-drop: 0.02, decide: strict}"),
        ("cost", {"max": 1, "decide": "point"}, "add a margin: cost: {max-increase: 10%, decide: point}"),
        ("q", {"must-pass": True, "cluster": "topic"}, "add a margin: q: {max-drop: 0.02, cluster: topic}"),
    ],
)
def test_how_a_comparison_is_decided_needs_a_comparison(name: str, rules: dict[str, Any], hint: str) -> None:
    refused = refusal(name, rules)
    assert (refused.path[1], refused.hint) == (list(rules)[-1], hint)


def test_a_cluster_is_a_key_of_the_datapoints() -> None:
    assert parse_threshold("q", {"max-drop": 1, "cluster": "user id"}).metric.cluster == "user id"


@pytest.mark.parametrize("written", ["", "a\nb", "a\x00", "\x9f", "a\u2028b", 5, None, True, ["topic"]])
def test_what_is_no_key_of_a_datapoint_is_refused(written: Any) -> None:
    refused = refusal("q", {"max-drop": 1, "cluster": written})
    assert (refused.path, refused.hint) == (("q", "cluster"), "cluster: conversation_id")


@pytest.mark.parametrize("flag", [True, False])
def test_whether_tagged_datapoints_have_to_pass_is_a_rule_by_itself(flag: bool) -> None:
    threshold = parse_threshold("correct", {"must-pass": flag})
    assert threshold.must_pass is flag
    assert threshold.written(Rule.MUST_PASS) == str(flag).lower()
    assert parse_threshold("correct", {"min": 0.5}).must_pass is None


@pytest.mark.parametrize(
    ("name", "rules", "hint"),
    [
        ("latency_ms", {}, "use `max`"),
        ("cost", {}, "say `kind: rate`, or use `max`"),
        ("q", {"kind": "score"}, "say `kind: rate`, or use `min`"),
        ("q", {"kind": "latency"}, "say `kind: rate`, or use `max`"),
    ],
)
@pytest.mark.parametrize("flag", [True, False])
def test_only_what_passes_or_fails_has_to_pass(name: str, rules: dict[str, Any], hint: str, flag: bool) -> None:
    refused = refusal(name, {"must-pass": flag, **rules})
    assert "needs a metric that passes or fails" in refused.message
    assert (refused.path, refused.hint) == ((name, "must-pass"), hint)


def test_it_is_refused_as_soon_as_the_values_tell_that_the_metric_is_a_score() -> None:
    threshold = parse_threshold("q", {"must-pass": True})
    assert threshold.settled(Kind.RATE).must_pass is True
    with pytest.raises(ConfigError, match="q is a score"):
        threshold.settled(Kind.SCORE)


@pytest.mark.parametrize(("name", "kind"), [("cost", "rate"), ("intent", "label"), ("errors", "rate")])
def test_what_is_declared_to_pass_or_fail_may_have_to(name: str, kind: str) -> None:
    assert parse_threshold(name, {"must-pass": True, "kind": kind}).must_pass is True


def test_nothing_but_max_increase_makes_failing_better_than_passing() -> None:
    threshold = parse_threshold("correct", {"max-increase": 0.02})
    assert threshold.settled(Kind.SCORE).metric.direction is Direction.LOWER
    with pytest.raises(ConfigError, match="correct passes or fails, and passing is better"):
        threshold.settled(Kind.RATE)
    said_so = parse_threshold("toxic", {"max-increase": 0.02, "direction": "lower"})
    assert said_so.settled(Kind.RATE).metric.direction is Direction.LOWER


@pytest.mark.parametrize(
    "long",
    ["1" * 30_000 + "x", "1e" + "9" * 5_000 + "%", 10**5_000, -(10**5_000)],
    ids=["digits", "exponent", "integer", "negative"],
)
def test_what_is_too_long_to_be_a_number_is_refused_at_once(long: Any) -> None:
    with pytest.raises(ConfigError):
        parse_threshold("q", {"min": long})


# --- there and back --------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
above_zero = st.floats(0, 1e300)


def percent(values: st.SearchStrategy[float]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f"{value!r}%")


keys_of_datapoints = st.text(min_size=1).filter(lambda key: not re.search(UNPRINTABLE, key))
a_rate_or_told_later = (None, "rate", "label")


@st.composite
def thresholds_of_a_metric(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Entries of one metric that the parser accepts together."""
    own = {"latency_ms": "latency", "errors": "rate"}.get(name)
    kind = draw(st.none() | st.just(own)) if own else draw(st.none() | st.sampled_from([*KINDS]))
    by_name = own or ("cost" if name == "cost" or name.startswith("tokens.") else None)
    real, lower_by_name = kind or by_name, by_name is not None
    words = st.sampled_from(
        ["mean", "total"] if real in ("rate", "label") else ["mean", "total", "median", "p5", "p95"]
    )
    aggregates = draw(st.sets(words, max_size=3)) if name != "errors" else set()
    entries: dict[str, Any] = {f"{name}.{word}": draw(bounds_of(real, word)) for word in sorted(aggregates)}
    usual_lower = real in ("latency", "cost") or (lower_by_name and real != "label")
    bound_to_be = real in ("latency", "cost", "label") or name == "errors"
    lower = usual_lower if bound_to_be else draw(st.booleans())
    if not entries or draw(st.booleans()):
        entries[name] = draw(rules_of_the_metric_itself(real, lower))
    some_entries = st.sets(st.sampled_from([*entries]), min_size=1)
    facts: dict[str, Any] = {"kind": kind} if kind else {}
    if lower != usual_lower or draw(st.booleans()):
        facts["direction"] = "lower" if lower else "higher"
    if real in (None, "score") and draw(st.booleans()):
        facts["range"] = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    for key, fact in facts.items():
        for entry in draw(some_entries):
            entries[entry][key] = fact
    return {entry: entries[entry] for entry in draw(st.permutations([*entries]))}


def bounds_of(kind: str | None, word: str = "") -> st.SearchStrategy[dict[str, Any]]:
    written: st.SearchStrategy[Any] = numbers
    if kind in ("rate", "label"):
        written = above_zero if word == "total" else shares | percent(shares)
    elif kind == "latency":
        written = numbers | above_zero.map(lambda value: f"{value!r}ms")
    elif kind != "cost" and word != "total":
        written = numbers | percent(shares)
    return st.dictionaries(st.sampled_from(["min", "max"]), written, min_size=1)


@st.composite
def rules_of_the_metric_itself(draw: st.DrawFn, kind: str | None, lower: bool) -> dict[str, Any]:
    wanted = draw(st.sets(st.sampled_from(["bounds", "margin", "must-pass"]), min_size=1))
    rules: dict[str, Any] = draw(bounds_of(kind)) if "bounds" in wanted else {}
    if "must-pass" in wanted and kind in a_rate_or_told_later:
        rules["must-pass"] = draw(st.booleans())
    if "margin" in wanted or not rules:
        own = st.nothing() if kind in ("latency", "cost") else shares if kind in ("rate", "label") else above_zero
        rules["max-increase" if lower else "max-drop"] = draw(own | percent(above_zero))
        asked = {"decide": st.sampled_from([*Decide]).map(str), "cluster": keys_of_datapoints}
        rules |= draw(st.fixed_dictionaries({}, optional=asked))
    return rules


NAMES = ["quality", "latency_ms", "errors", "cost", "tokens.input", "tokens.total", "rouge.f1", "ümlaut: {x}"]
whole_mappings = st.sets(st.sampled_from(NAMES), min_size=1, max_size=3).flatmap(
    lambda names: st.tuples(*(thresholds_of_a_metric(name) for name in sorted(names)))
).map(lambda metrics: {entry: rules for metric in metrics for entry, rules in metric.items()})  # fmt: skip


def printed(thresholds: Iterable[Threshold]) -> dict[str, Any]:
    return {threshold.name: threshold.settings() for threshold in thresholds}


@given(whole_mappings)
def test_what_thresholds_print_is_read_as_the_same_thresholds(mapping: dict[str, Any]) -> None:
    thresholds = parse_thresholds(mapping)
    assert parse_thresholds(printed(thresholds)) == thresholds


@given(whole_mappings, st.sampled_from([None, 2]))
def test_it_is_the_same_by_way_of_a_file_or_of_one_line(mapping: dict[str, Any], indent: int | None) -> None:
    thresholds = parse_thresholds(mapping)
    text = json.dumps(printed(thresholds), ensure_ascii=False, indent=indent)
    assert parse_thresholds(load_yaml(text).value) == thresholds


@given(whole_mappings, st.sampled_from([Kind.RATE, Kind.SCORE]))
def test_it_is_the_same_once_the_values_have_told_the_kinds(mapping: dict[str, Any], kind: Kind) -> None:
    try:
        settled = tuple(threshold.settled(threshold.metric.kind or kind) for threshold in parse_thresholds(mapping))
    except ConfigError:
        return
    assert parse_thresholds(printed(settled)) == settled
    assert tuple(threshold.settled(threshold.metric.kind or kind) for threshold in settled) == settled


@given(whole_mappings)
def test_all_entries_of_a_metric_share_what_is_said_of_it(mapping: dict[str, Any]) -> None:
    metrics: dict[str, Metric] = {}
    for threshold in parse_thresholds(mapping):
        assert metrics.setdefault(threshold.metric.name, threshold.metric) == threshold.metric


@given(percent(above_zero))
def test_a_percentage_is_written_as_it_was_read(written: str) -> None:
    margin = parse_threshold("quality", {"max-drop": written}).margins[Rule.MAX_DROP]
    assert float(str(margin).removesuffix("%")) == pytest.approx(float(written.removesuffix("%")), rel=1e-15)


@pytest.mark.parametrize("written", ["2%", "0.1%", "33.3%", "100%", "0.02", "0", "3", "1e-07", "1e+300"])
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


# --- the schema ------------------------------------------------------------------------------------------------------

SCHEMA = Draft202012Validator(RULES_SCHEMA)


def accepted(name: str, rules: Any) -> bool:
    try:
        parse_threshold(name, rules)
    except ConfigError:
        return False
    return True


def test_the_schema_itself_is_one() -> None:
    Draft202012Validator.check_schema(RULES_SCHEMA)


def test_the_schema_has_every_key_and_no_other() -> None:
    assert set(KEYS) == {*Rule, "decide", "cluster", "direction", "range", "kind"}
    assert all(rule["description"] for rule in RULES_SCHEMA["properties"].values())
    assert not SCHEMA.is_valid({"min": 1, "mim": 1})


@given(whole_mappings)
def test_the_schema_accepts_what_the_parser_accepts_and_what_it_prints(mapping: dict[str, Any]) -> None:
    for rules in [*mapping.values(), *printed(parse_thresholds(mapping)).values()]:
        SCHEMA.validate(rules)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value",
    [
        0, 1, 0.02, -3, True, False, None, "", "1", "2%", "-3", " .5 % ", "much", "1,5", "true", "yes", "tested",
        "strict", "higher", "Lower", "rate", "score", "label", "latancy", "topic", "a\nb", "x\n", "\x7f", "😀",
        [], [0, 1], ["0", "50%"], [0, 1, 2], [0, None], {}, {"min": 1},
    ],
)  # fmt: skip
def test_the_schema_accepts_the_values_that_the_parser_accepts(key: str, value: Any) -> None:
    beside = {"max-drop": {}, "max-increase": {}, "decide": {"max-drop": 1}, "cluster": {"max-drop": 1}}
    rules = {"min": 0} | beside.get(key, {}) | {key: value}
    too_negative = key in ("max-drop", "max-increase") and value == "-3"  # a matter of numbers, not of shape
    assert SCHEMA.is_valid(rules) is (accepted("q", rules) or too_negative)


@given(st.sets(st.sampled_from(KEYS)))
def test_the_schema_accepts_the_keys_together_that_the_parser_accepts(keys: set[str]) -> None:
    values = {"must-pass": True, "decide": "strict", "cluster": "topic", "range": [0, 1], "kind": "rate"}
    lower = "max-increase" in keys
    rules = {key: values.get(key, 0.5) for key in keys} | ({"direction": "lower"} if lower else {})
    if not lower and "direction" in keys:
        rules["direction"] = "higher"
    assert SCHEMA.is_valid(rules) is accepted("q", rules)


@pytest.mark.parametrize("rules", [None, 5, "min: 1", [], [{"min": 1}], {}])
def test_neither_accepts_what_is_no_mapping_of_rules(rules: Any) -> None:
    assert not SCHEMA.is_valid(rules)
    assert not accepted("q", rules)


def test_the_nearest_known_word_is_suggested() -> None:
    assert did_you_mean("maxdrop", KEYS).startswith("did you mean max-drop? known: min, max, ")
    assert did_you_mean("zzz", KEYS).startswith("known: min, max, ")


def test_a_threshold_on_errors_without_a_max_keeps_the_default_one() -> None:
    thresholds = with_default_errors((parse_threshold("errors", {"max-increase": "1%"}),))
    assert thresholds[0].bounds == {Rule.MAX: DEFAULT_ERROR_RATE}
    assert thresholds[0].margins == {Rule.MAX_INCREASE: Margin(value=0.01, relative=True)}
