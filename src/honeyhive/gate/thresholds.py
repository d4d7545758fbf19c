"""The user's rules, parsed once: `Threshold`, from YAML or from the one-line form, and back to the same text."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from honeyhive.documents import shown
from honeyhive.errors import ConfigError
from honeyhive.gate.checks import Rule
from honeyhive.gate.aggregates import Aggregate
from honeyhive.gate.metrics import BUILT_IN, ERRORS, Decide, Direction, Kind, Metric, default_metric

DEFAULT_ERROR_RATE = 0.05
"""The share of datapoints that may go wrong where the user sets no `errors` threshold."""

_NUMBER_OR_TEXT = {"type": ["number", "string"]}
RULES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "min": _NUMBER_OR_TEXT | {"description": "the candidate's mean may not be lower: 0.35, 35%"},
        "max": _NUMBER_OR_TEXT | {"description": "the candidate's mean may not be higher: 0.05, 5%, 2s"},
        "max-drop": _NUMBER_OR_TEXT | {"description": "how far it may fall: 0.02, or 2% of the baseline"},
        "max-increase": _NUMBER_OR_TEXT | {"description": "the same where lower is better: 0.1, 10%"},
        "direction": {"enum": ["higher", "lower"], "description": "which way is better (default higher)"},
        "range": {
            "type": "array",
            "items": {"type": ["number", "string"]},
            "minItems": 2,
            "maxItems": 2,
            "description": "the lowest and highest score there is; an error counts as the worst of them",
        },
        "kind": {"enum": ["rate", "score"], "description": "pass/fail or number (default: as the values are)"},
    },
}
"""The JSON Schema of one metric's rules."""

KEYS: tuple[str, ...] = tuple(RULES_SCHEMA["properties"])

_KINDS = {Kind.RATE.value: Kind.RATE, Kind.SCORE.value: Kind.SCORE}
_AMOUNT = re.compile(r"\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*(%|ms|s|m)?\s*")
_MILLISECONDS = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Margin:
    """How far a metric may move: in its own unit, or `relative` to the paired baseline mean."""

    value: float
    relative: bool = False

    def __str__(self) -> str:
        """As the user would write it, and read back the same to the last bit."""
        return f"{Decimal(repr(self.value)).scaleb(2).normalize():f}%" if self.relative else _number(self.value)


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
        """The threshold as YAML has it; `parse_threshold` gives the same threshold back."""
        settings: dict[str, Any] = {rule.value: bound for rule, bound in self.bounds.items()}
        settings |= {rule.value: str(margin) for rule, margin in self.margins.items()}
        usual = default_metric(self.name)
        if self.metric.direction is not usual.direction:
            settings["direction"] = self.metric.direction.value
        if self.metric.bounds is not None and self.metric.bounds != usual.bounds:
            settings["range"] = list(self.metric.bounds)
        if self.metric.kind is not None and self.metric.kind is not usual.kind:
            settings["kind"] = self.metric.kind.value
        return settings

    def written(self, rule: Rule) -> str:
        """What `rule` allows, as the user would write it."""
        return str(self.margins[rule]) if rule in self.margins else _number(self.bounds[rule])

    def settled(self, kind: Kind) -> Threshold:
        """The threshold once the metric's kind is known; refuses what a rate from 0 to 1 can never reach or be."""
        if kind is Kind.RATE:
            _refuse_other_range(self.metric)
            for rule, bound in self.bounds.items():
                _refuse_beyond_one(self.name, rule, bound)
            for rule, margin in self.margins.items():
                if not margin.relative:
                    _refuse_beyond_one(self.name, rule, margin.value)
        return replace(self, metric=self.metric.of_kind(kind))


def parse_thresholds(settings: Any) -> tuple[Threshold, ...]:
    """The thresholds of a mapping metric → rules, as `honeyhive.yml` and `--thresholds` give it.

    Raises `ConfigError` that names the metric, the key and what would be right.
    """
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"thresholds: {_kind_of(settings)} where a mapping of metrics belongs", hint="accuracy: {max-drop: 0.02}"
        )
    return tuple(parse_threshold(name, rules) for name, rules in settings.items())


def parse_threshold(name: str, settings: Any) -> Threshold:
    """The threshold of one metric, or `ConfigError`."""
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f"thresholds.{name}: {_kind_of(settings)} where rules belong",
            hint=f"{name}: {{max-drop: 0.02}}",
            path=(name,),
        )
    for key in settings:
        if key not in KEYS:
            raise ConfigError(
                f"thresholds.{name}: unknown rule {shown(str(key))}",
                hint=did_you_mean(str(key), KEYS),
                path=(name, key),
            )
    reader = _RuleReader(name, settings)
    threshold = Threshold(metric=reader.metric(), bounds=reader.bounds(), margins=reader.margins())
    if not threshold.bounds and not threshold.margins:
        raise ConfigError(
            f"thresholds.{name}: no rule",
            hint=f"add one of min, max, max-drop, max-increase: {name}: {{max-drop: 0.02}}",
            path=(name,),
        )
    return threshold.settled(threshold.metric.kind) if threshold.metric.kind else threshold


def with_default_errors(thresholds: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """The thresholds, with a `max` of `errors` where the user has set none."""
    given = next((threshold for threshold in thresholds if threshold.name == ERRORS), None)
    if given is None:
        return (*thresholds, parse_threshold(ERRORS, {"max": DEFAULT_ERROR_RATE}))
    if Rule.MAX in given.bounds:
        return thresholds
    bounded = replace(given, bounds={**given.bounds, Rule.MAX: DEFAULT_ERROR_RATE})
    return tuple(bounded if threshold is given else threshold for threshold in thresholds)


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """A hint that names the nearest of the known words, and all of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    listed = ", ".join(known)
    return f"did you mean {near[0]}? known: {listed}" if near else f"known: {listed}"


class _RuleReader:
    """Reads the rules of one metric; every refusal names the metric and the key."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self._name = name
        self._settings = settings

    def metric(self) -> Metric:
        usual = default_metric(self._name)
        metric = replace(
            usual,
            kind=self._choice("kind", _KINDS) if "kind" in self._settings else usual.kind,
            direction=self._direction(usual.direction),
            bounds=self._range() if "range" in self._settings else usual.bounds,
        )
        if self._name in BUILT_IN and metric.kind is not usual.kind:
            raise self._refused("kind", f"{self._name} is built in and has a kind of its own", hint="leave `kind` out")
        if "range" in self._settings and metric.kind in (Kind.LATENCY, Kind.COST):
            raise self._refused("range", "an error counts as no time and no cost", hint="leave `range` out")
        return metric

    def bounds(self) -> dict[Rule, float]:
        return {rule: self._bound(rule) for rule in (Rule.MIN, Rule.MAX) if rule.value in self._settings}

    def margins(self) -> dict[Rule, Margin]:
        rules = [rule for rule in (Rule.MAX_DROP, Rule.MAX_INCREASE) if rule.value in self._settings]
        return {rule: self._margin(rule) for rule in rules}

    def _direction(self, usual: Direction) -> Direction:
        stated = self._choice("direction", {d.value: d for d in Direction}) if "direction" in self._settings else None
        if usual is Direction.LOWER and stated is Direction.HIGHER:
            raise self._refused("direction", f"{self._name} is better when it is lower", hint="leave `direction` out")
        drop, increase = Rule.MAX_DROP.value in self._settings, Rule.MAX_INCREASE.value in self._settings
        if drop and increase:
            raise self._refused("max-increase", "stands beside max-drop", hint="only one way can be worse: keep one")
        # Who limits an increase says that lower is better; the other way round that is only so by default.
        implied = Direction.LOWER if increase else (stated or usual)
        if (drop and implied is Direction.LOWER) or (stated not in (None, implied)):
            wrong, right = ("max-drop", "max-increase") if drop else ("max-increase", "max-drop")
            better = (stated or implied).value
            raise self._refused(wrong, f"{self._name} is better when it is {better}", hint=f"say {right}")
        return implied

    def _choice(self, key: str, choices: Mapping[str, Any]) -> Any:
        value = self._settings[key]
        if not isinstance(value, str) or value not in choices:
            raise self._refused(key, f"{shown(str(value))} is not one of its words", hint=", ".join(choices))
        return choices[value]

    def _range(self) -> tuple[float, float]:
        value = self._settings["range"]
        if not isinstance(value, list) or len(value) != 2:
            raise self._refused("range", f"{shown(str(value))} is not a pair of numbers", hint="range: [0, 10]")
        (low, unit), (high, other) = (self._amount("range", item) for item in value)
        if {unit, other} & _MILLISECONDS.keys():
            raise self._refused("range", f"{self._name} is not a time", hint="range: [0, 10]")
        if low >= high:
            raise self._refused("range", "its first number is not below its second", hint="range: [0, 10]")
        return low, high

    def _bound(self, rule: Rule) -> float:
        value, unit = self._amount(rule.value, self._settings[rule.value])
        kind = default_metric(self._name).kind
        if unit in _MILLISECONDS and kind is not Kind.LATENCY:
            raise self._refused(rule.value, f"{self._name} is not a time", hint="write a plain number")
        if unit == "%" and kind in (Kind.LATENCY, Kind.COST):
            right = "500ms or 2s" if kind is Kind.LATENCY else "write a plain number"
            raise self._refused(rule.value, f"{self._name} is not a share of anything", hint=right)
        return value

    def _margin(self, rule: Rule) -> Margin:
        value, unit = self._amount(rule.value, self._settings[rule.value])
        if value < 0:
            raise self._refused(rule.value, "is negative", hint=f"{rule.value}: {_number(-value)} allows that much")
        kind = default_metric(self._name).kind
        if kind in (Kind.LATENCY, Kind.COST) and unit != "%":
            raise self._refused(rule.value, f"how far {self._name} may move is given in %", hint=f"{rule.value}: 10%")
        if unit in _MILLISECONDS:
            raise self._refused(rule.value, f"{self._name} is not a time", hint="0.02 in its own unit, or 2%")
        return Margin(value=value, relative=unit == "%")

    def _amount(self, key: str, written: Any) -> tuple[float, str | None]:
        """The number, in milliseconds for a time and as a share for a percentage, and the unit it was written in."""
        is_amount = isinstance(written, int | float | str) and not isinstance(written, bool)
        match = _AMOUNT.fullmatch(str(written)) if is_amount else None
        value = _in_base_unit(match.group(1), match.group(2)) if match else math.nan
        if match is None or not math.isfinite(value):
            raise self._refused(
                key, f"{shown(str(written))} is not a finite number", hint="0.02, 2%, 1e-3, 500ms or 2s"
            )
        return value, match.group(2)

    def _refused(self, key: str, problem: str, *, hint: str) -> ConfigError:
        return ConfigError(f"thresholds.{self._name}.{key}: {problem}", hint=hint, path=(self._name, key))


def _in_base_unit(number: str, unit: str | None) -> float:
    """Milliseconds for a time, a share for a percentage."""
    if unit != "%":
        return float(number) * _MILLISECONDS.get(unit or "", 1.0)
    # Shifted in the text, not divided: 2% has to be 0.02 to the last bit.
    digits, _, exponent = number.lower().partition("e")
    return float(f"{digits}e{int(exponent or 0) - 2}")


def _refuse_other_range(metric: Metric) -> None:
    if metric.bounds not in (None, (0.0, 1.0)):
        raise ConfigError(
            f"thresholds.{metric.name}.range: {metric.name} is a rate, and a rate goes from 0 to 1",
            hint="leave `range` out, or say `kind: score`",
            path=(metric.name, "range"),
        )


def _refuse_beyond_one(name: str, rule: Rule, value: float) -> None:
    if not 0 <= value <= 1:
        meant = f"{_number(value)}%" if rule in (Rule.MIN, Rule.MAX) else _number(value / 100)
        near = 1 < value <= 100
        raise ConfigError(
            f"thresholds.{name}.{rule.value}: {_number(value)} can never be reached, for {name} is a rate from 0 to 1",
            hint=f"did you mean {rule.value}: {meant}?" if near else f"write a share: {rule.value}: 0.02 or 2%",
            path=(name, rule.value),
        )


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _kind_of(value: Any) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {shown(str(value))}"
