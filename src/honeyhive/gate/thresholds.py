"""The user's rules, parsed once: `Threshold`, from YAML or from the one-line form, and back to the same text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from honeyhive.documents import shown
from honeyhive.errors import ConfigError
from honeyhive.gate.aggregates import TOTAL, WORDS, Aggregate
from honeyhive.gate.amounts import written_number
from honeyhive.gate.checks import Rule
from honeyhive.gate.entries import (
    LABEL,
    Entry,
    described,
    did_you_mean,
    refuse_implied_direction,
    refuse_other_range,
    usual_direction,
)
from honeyhive.gate.metrics import Decide, Direction, Kind, Metric, default_metric
from honeyhive.gate.rules_schema import KEYS
from honeyhive.result import BUILT_IN, ERRORS, LATENCY

DEFAULT_ERROR_RATE = 0.05
"""The share of datapoints that may go wrong where the user sets no `errors` threshold."""

_BOUNDS = (Rule.MIN, Rule.MAX)
_MARGINS = (Rule.MAX_DROP, Rule.MAX_INCREASE)
_DECIDES = {decide.value: decide for decide in Decide}


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin:
    """How far a metric may move: in its own unit, or `relative` to the paired baseline mean."""

    value: float
    relative: bool = False

    def __str__(self) -> str:
        """As the user would write it, and read back the same to the last bit."""
        return f"{Decimal(repr(self.value)).scaleb(2).normalize():f}%" if self.relative else written_number(self.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """Everything that the user said about one metric, or about an aggregate of it.

    `must_pass` is whether the datapoints tagged `must-pass` have to pass it; `None` where the user does not say.
    """

    metric: Metric
    aggregate: Aggregate | None = None
    bounds: Mapping[Rule, float]
    margins: Mapping[Rule, Margin]
    must_pass: bool | None = None
    decide: Decide = Decide.TESTED

    @property
    def name(self) -> str:
        """What the user calls it: the metric's name, and the aggregate where there is one."""
        return self.metric.name if self.aggregate is None else f"{self.metric.name}.{self.aggregate}"

    def settings(self) -> dict[str, Any]:
        """The threshold as YAML has it; `parse_thresholds` gives the same back of all thresholds of the metric."""
        metric, usual = self.metric, default_metric(self.metric.name)
        settings: dict[str, Any] = {rule.value: bound for rule, bound in self.bounds.items()}
        settings |= {rule.value: str(margin) for rule, margin in self.margins.items()}
        if self.must_pass is not None:
            settings["must-pass"] = self.must_pass
        if self.decide is not Decide.TESTED:
            settings["decide"] = self.decide.value
        if metric.cluster is not None and self.aggregate is None:
            settings["cluster"] = metric.cluster
        if metric.direction is not usual_direction(metric):
            settings["direction"] = metric.direction.value
        if metric.bounds is not None and metric.kind is not Kind.RATE:
            settings["range"] = list(metric.bounds)
        if metric.kind is not None and metric.kind is not usual.kind:
            settings["kind"] = LABEL if metric.labels else metric.kind.value
        return settings

    def written(self, rule: Rule) -> str:
        """What `rule` allows, as the user would write it."""
        if rule is Rule.MUST_PASS:
            return "true" if self.must_pass else "false"
        return str(self.margins[rule]) if rule in self.margins else written_number(self.bounds[rule])

    def settled(self, kind: Kind) -> Threshold:
        """The threshold once the metric's kind is known; refuses what such a metric can never reach or be."""
        if kind is Kind.RATE:
            refuse_other_range(self.name, self.metric)
            refuse_implied_direction(self.name, self.metric)
            _refuse_rank_of_rate(self)
            for rule, bound in self.bounds.items():
                _refuse_unreachable(self, rule, bound)
            for rule, margin in self.margins.items():
                if not margin.relative:
                    _refuse_unreachable(self, rule, margin.value)
        elif self.must_pass is not None:
            instead = Rule.MIN if self.metric.direction is Direction.HIGHER else Rule.MAX
            raise ConfigError(
                f"thresholds.{self.name}.must-pass: needs a metric that passes or fails, and {self.name} is a {kind}",
                hint=f"use `{instead}`" if self.name in BUILT_IN else f"say `kind: rate`, or use `{instead}`",
                path=(self.name, "must-pass"),
            )
        return replace(self, metric=self.metric.of_kind(kind))


def parse_thresholds(settings: Any) -> tuple[Threshold, ...]:
    """The thresholds of a mapping metric → rules, as `honeyhive.yml` and `--thresholds` give it.

    What several entries say of one metric, `latency_ms` and `latency_ms.p95`, holds for all of them. Raises
    `ConfigError` that names the metric, the key and what would be right.
    """
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"thresholds: {_kind_of(settings)} where a mapping of metrics belongs", hint="accuracy: {max-drop: 0.02}"
        )
    entries = [_entry(name, rules) for name, rules in settings.items()]
    together: dict[str, list[Entry]] = {}
    for entry in entries:
        together.setdefault(entry.metric, []).append(entry)
    metrics = {name: described(name, of_metric) for name, of_metric in together.items()}
    return tuple(_threshold(entry, metrics[entry.metric]) for entry in entries)


def parse_threshold(name: str, settings: Any) -> Threshold:
    """The threshold of one metric, or `ConfigError`."""
    return parse_thresholds({name: settings})[0]


def with_default_errors(thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """The thresholds, with a `max` of `errors` where the user has set none."""
    given = next((threshold for threshold in thresholds if threshold.name == ERRORS), None)
    if given is None:
        return (*thresholds, parse_threshold(ERRORS, {"max": DEFAULT_ERROR_RATE}))
    if Rule.MAX in given.bounds:
        return thresholds
    bounded = replace(given, bounds={**given.bounds, Rule.MAX: DEFAULT_ERROR_RATE})
    return tuple(bounded if threshold is given else threshold for threshold in thresholds)


def _entry(name: Any, settings: Any) -> Entry:
    if not isinstance(name, str):
        raise ConfigError(f"thresholds: {_kind_of(name)} where a metric's name belongs", hint="accuracy: {min: 90%}")
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"thresholds.{name}: {_kind_of(settings)} where rules belong",
            hint=f"{name}: {{max-drop: 0.02}}",
            path=(name,),
        )
    entry = Entry(name, settings)
    for key in settings:
        if key not in KEYS:
            raise ConfigError(
                f"thresholds.{name}: unknown rule {shown(str(key))}",
                hint=did_you_mean(str(key), KEYS),
                path=(name, key),
            )
    _refuse_no_aggregate(entry)
    return entry


def _threshold(entry: Entry, metric: Metric) -> Threshold:
    if entry.aggregate is not None:
        _refuse_comparing_aggregate(entry, metric)
    threshold = Threshold(
        metric=metric,
        aggregate=entry.aggregate,
        bounds={rule: _bound(entry, metric, rule) for rule in _BOUNDS if rule in entry},
        margins={rule: _margin(entry, metric, rule) for rule in _MARGINS if rule in entry},
        must_pass=entry.flag(Rule.MUST_PASS) if Rule.MUST_PASS in entry else None,
        decide=entry.choice("decide", _DECIDES) if "decide" in entry else Decide.TESTED,
    )
    if not any(rule in entry for rule in Rule):
        raise _refused_without_rule(entry, metric)
    for key in ("decide", "cluster"):
        if key in entry and not threshold.margins:
            example = f"{entry.name}: {{{_usual_margin(metric)}, {key}: {entry.rules[key]}}}"
            raise entry.refused(key, "is about a comparison, and there is none", hint=f"add a margin: {example}")
    return threshold.settled(metric.kind) if metric.kind else threshold


def _bound(entry: Entry, metric: Metric, rule: Rule) -> float:
    amount = entry.amount(rule)
    if amount.is_time and metric.kind is not Kind.LATENCY:
        right = "write a plain number" + (", or say `kind: latency`" if metric.kind is None else "")
        raise entry.refused(rule, f"{metric.name} is not a time", hint=right)
    if amount.is_share and metric.kind in (Kind.LATENCY, Kind.COST):
        right = "500ms or 2s" if metric.kind is Kind.LATENCY else "write a plain number"
        raise entry.refused(rule, f"{metric.name} is not a share of anything", hint=right)
    if amount.is_share and entry.aggregate == TOTAL:
        raise entry.refused(rule, "a total is not a share of anything", hint="write a plain number")
    return amount.value


def _margin(entry: Entry, metric: Metric, rule: Rule) -> Margin:
    amount = entry.amount(rule)
    if amount.value < 0:
        allowed = Margin(value=-amount.value, relative=amount.is_share)
        raise entry.refused(rule, "is negative", hint=f"{rule}: {allowed} allows that much")
    if metric.kind in (Kind.LATENCY, Kind.COST) and not amount.is_share:
        raise entry.refused(rule, f"how far {metric.name} may move is given in %", hint=f"{rule}: 10%")
    if amount.is_time:
        raise entry.refused(rule, f"{metric.name} is not a time", hint="0.02 in its own unit, or 2%")
    return Margin(value=amount.value, relative=amount.is_share)


def _refuse_no_aggregate(entry: Entry) -> None:
    """Refuse what stands behind the name of a built-in metric and is no aggregate that it can have."""
    built_in, dot, word = entry.name.partition(".")
    if built_in not in BUILT_IN or not dot or (entry.metric, entry.aggregate) == (LATENCY, Aggregate(word)):
        return
    if built_in == ERRORS:
        problem, hint = "errors takes no aggregate", "errors: {max: 0.05} bounds the share of datapoints that go wrong"
    else:
        problem, hint = f"{built_in} has no {shown(word)}", did_you_mean(word, WORDS)
    raise ConfigError(f"thresholds.{entry.name}: {problem}", hint=hint, path=(entry.name,))


def _refuse_comparing_aggregate(entry: Entry, metric: Metric) -> None:
    margin = _usual_margin(metric)
    examples = {
        "max-drop": margin,
        "max-increase": margin,
        "decide": f"{margin}, decide: strict",
        "cluster": f"{margin}, cluster: conversation_id",
        "must-pass": "must-pass: true",
    }
    key = next((key for key in examples if key in entry), None)
    if key is not None:
        what = "mark" if key == "must-pass" else "compare"
        raise entry.refused(
            key,
            "an aggregate takes min and max only",
            hint=f"{what} `{metric.name}` itself: {metric.name}: {{{examples[key]}}}",
        )


def _refused_without_rule(entry: Entry, metric: Metric) -> ConfigError:
    if entry.aggregate is None:
        right = f"add one of {', '.join(Rule)}: {entry.name}: {{{_usual_margin(metric)}}}"
    else:
        right = f"add min or max: {entry.name}: {{max: {'2s' if metric.kind is Kind.LATENCY else 5}}}"
    return ConfigError(f"thresholds.{entry.name}: no rule", hint=right, path=(entry.name,))


def _usual_margin(metric: Metric) -> str:
    if metric.direction is Direction.HIGHER:
        return "max-drop: 0.02"
    return "max-increase: 10%"


def _refuse_rank_of_rate(threshold: Threshold) -> None:
    aggregate, metric = threshold.aggregate, threshold.metric.name
    if aggregate is not None and aggregate.is_quantile:
        raise ConfigError(
            f"thresholds.{threshold.name}: {metric} is a rate, and a {aggregate} of passes and failures says nothing",
            hint=f"bound its mean: {metric}: {{min: 90%}}",
            path=(threshold.name,),
        )


def _refuse_unreachable(threshold: Threshold, rule: Rule, value: float) -> None:
    """Refuse what a share from 0 to 1, or for a total a count, is never beyond."""
    if threshold.aggregate == TOTAL:
        if value < 0:
            raise ConfigError(
                f"thresholds.{threshold.name}.{rule}: {written_number(value)} can never be reached, for it is a count",
                hint=f"write a count: {rule}: 10",
                path=(threshold.name, rule),
            )
        return
    if 0 <= value <= 1:
        return
    meant = f"{written_number(value)}%" if rule in _BOUNDS else written_number(value / 100)
    near = 1 < value <= 100
    raise ConfigError(
        f"thresholds.{threshold.name}.{rule}: {written_number(value)} can never be reached, "
        f"for {threshold.name} is a rate from 0 to 1",
        hint=f"did you mean {rule}: {meant}?" if near else f"write a share: {rule}: 0.02 or 2%",
        path=(threshold.name, rule),
    )


def _kind_of(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {shown(str(value))}"
