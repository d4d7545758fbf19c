"""One entry of the thresholds as the user wrote it, and what all entries of one metric say of it together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from honeyhive.documents import shown
from honeyhive.errors import ConfigError
from honeyhive.gate.aggregates import Aggregate, split
from honeyhive.gate.amounts import EXAMPLES, Amount, as_written, read_amount
from honeyhive.gate.metrics import Direction, Kind, Metric, default_metric
from honeyhive.result import BUILT_IN, ERRORS

LABEL = "label"
KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind} | {LABEL: Kind.RATE}
"""What `kind` may say; a label is right or wrong, so its metric is a rate."""

UNPRINTABLE = "[\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ufffe\\uffff]"
"""What no key of a datapoint has in it, as a regular expression that JSON Schema reads too."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Entry:
    """The rules under one name; every refusal names the entry, the key, and the way out."""

    name: str
    rules: Mapping[str, Any]

    @property
    def metric(self) -> str:
        """The name of the metric that it is about."""
        return split(self.name)[0]

    @property
    def aggregate(self) -> Aggregate | None:
        """What it makes of the metric's scores, where it says so."""
        return split(self.name)[1]

    def __contains__(self, key: str) -> bool:
        """Whether the user wrote this key."""
        return key in self.rules

    def amount(self, key: str) -> Amount:
        """The number of a key, or `ConfigError`."""
        return self._amount(key, self.rules[key])

    def pair(self, key: str) -> tuple[Amount, Amount]:
        """The two numbers of a key, or `ConfigError`."""
        value = self.rules[key]
        if not isinstance(value, list) or len(value) != 2:
            raise self.refused(key, f"{shown(str(value))} is not a pair of numbers", hint=f"{key}: [0, 10]")
        return self._amount(key, value[0]), self._amount(key, value[1])

    def choice(self, key: str, choices: Mapping[str, _Value]) -> _Value:
        """What the word of a key stands for, or `ConfigError`."""
        value = self.rules[key]
        if not isinstance(value, str) or value not in choices:
            hint = did_you_mean(str(value), tuple(choices))
            raise self.refused(key, f"{shown(str(value))} is not one of its words", hint=hint)
        return choices[value]

    def flag(self, key: str) -> bool:
        """The truth value of a key, or `ConfigError`."""
        value = self.rules[key]
        if not isinstance(value, bool):
            quoted = "write it without quotes: " if value in ("true", "false") else ""
            meant = "false" if value in ("false", "no", "off") else "true"
            raise self.refused(key, f"{shown(str(value))} is neither true nor false", hint=f"{quoted}{key}: {meant}")
        return value

    def text(self, key: str) -> str:
        """The text of a key, or `ConfigError` for none and for what cannot be printed."""
        value = self.rules[key]
        if not isinstance(value, str):
            raise self.refused(key, f"{shown(str(value))} is not text", hint=f"{key}: conversation_id")
        if not value or re.search(UNPRINTABLE, value):
            raise self.refused(key, f"{shown(value)} is no key of a datapoint", hint=f"{key}: conversation_id")
        return value

    def refused(self, key: str, problem: str, *, hint: str) -> ConfigError:
        """The refusal of what one key says."""
        return ConfigError(f"{self.place(key)}: {problem}", hint=hint, path=(self.name, key))

    def place(self, key: str) -> str:
        """The key, as messages call it."""
        return f"thresholds.{self.name}.{key}"

    def _amount(self, key: str, written: Any) -> Amount:
        amount = read_amount(written)
        if amount is None:
            raise self.refused(key, f"{shown(as_written(written))} is not a finite number", hint=EXAMPLES)
        return amount


@dataclass(frozen=True, slots=True)
class _Fact(Generic[_Value]):
    """What an entry says of the metric."""

    entry: Entry
    value: _Value


def described(name: str, entries: Sequence[Entry]) -> Metric:
    """The metric, as its entries describe it together; raises `ConfigError` where they contradict each other.

    What only a comparison has, an aggregate is not asked for.
    """
    kind = _agreed(entries, "kind", _kind)
    metric = default_metric(name)
    if kind is not None:
        metric = replace(metric, kind=KINDS[kind.value], labels=kind.value == LABEL)
    bounds = _agreed(entries, "range", lambda entry: _range(entry, metric))
    plain = next((entry for entry in entries if entry.aggregate is None), Entry(name, {}))
    stated = any("direction" in entry for entry in entries)
    direction = _direction(metric, entries, plain)
    return replace(
        metric,
        direction=direction,
        direction_implied=not stated and direction is not usual_direction(metric),
        bounds=bounds.value if bounds else metric.bounds,
        cluster=plain.text("cluster") if "cluster" in plain else None,
    )


def usual_direction(metric: Metric) -> Direction:
    """Which way is better where nobody says."""
    return _only_direction(metric) or default_metric(metric.name).direction


def refuse_implied_direction(entry_name: str, metric: Metric) -> None:
    """Raise `ConfigError` where nothing but `max-increase` says that failing is better than passing.

    Of a score, that may well be so; of a rate it is most often a slip, and would turn every verdict round.
    """
    if metric.direction_implied:
        raise ConfigError(
            f"thresholds.{entry_name}.max-increase: {metric.name} passes or fails, and passing is better",
            hint="say max-drop; if it is better when it is lower, add `direction: lower`",
            path=(entry_name, "max-increase"),
        )


def refuse_other_range(entry_name: str, metric: Metric) -> None:
    """Raise `ConfigError` where a rate has a range that does not go from 0 to 1."""
    if metric.bounds not in (None, (0.0, 1.0)):
        raise ConfigError(
            f"thresholds.{entry_name}.range: {metric.name} is a rate, and a rate goes from 0 to 1",
            hint="leave `range` out, or say `kind: score`",
            path=(entry_name, "range"),
        )


def did_you_mean(word: str, known: tuple[str, ...]) -> str:
    """A hint that names the nearest of the known words, and all of them."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    listed = ", ".join(known)
    return f"did you mean {near[0]}? known: {listed}" if near else f"known: {listed}"


def _agreed(entries: Sequence[Entry], key: str, read: Callable[[Entry], _Value]) -> _Fact[_Value] | None:
    facts = [_Fact(entry, read(entry)) for entry in entries if key in entry]
    for fact in facts[1:]:
        if fact.value != facts[0].value:
            here, there = shown(str(fact.entry.rules[key])), shown(str(facts[0].entry.rules[key]))
            raise fact.entry.refused(
                key,
                f"{here} here, and {there} in {facts[0].entry.place(key)}",
                hint=f"a metric has one {key}: keep one",
            )
    return facts[0] if facts else None


def _kind(entry: Entry) -> str:
    word = entry.choice("kind", {word: word for word in KINDS})
    usual = default_metric(entry.metric).kind
    if entry.metric in BUILT_IN and word != usual:
        raise entry.refused("kind", f"{entry.metric} is built in and has a kind of its own", hint="leave `kind` out")
    return word


def _range(entry: Entry, metric: Metric) -> tuple[float, float]:
    low, high = entry.pair("range")
    if metric.kind in (Kind.LATENCY, Kind.COST):
        raise entry.refused("range", "an error counts as no time and no cost", hint="leave `range` out")
    if low.is_time or high.is_time:
        raise entry.refused("range", f"{metric.name} is not a time", hint="range: [0, 10]")
    if low.value >= high.value:
        raise entry.refused("range", "its first number is not below its second", hint="range: [0, 10]")
    if metric.kind is Kind.RATE:
        refuse_other_range(entry.name, replace(metric, bounds=(low.value, high.value)))
    return low.value, high.value


def _only_direction(metric: Metric) -> Direction | None:
    """Which way is better whatever anybody says; of a label, that it is right."""
    if metric.labels:
        return Direction.HIGHER
    return Direction.LOWER if metric.kind in (Kind.LATENCY, Kind.COST) or metric.name == ERRORS else None


def _direction(metric: Metric, entries: Sequence[Entry], plain: Entry) -> Direction:
    stated, only = _agreed(entries, "direction", _stated_direction), _only_direction(metric)
    if stated and only and stated.value is not only:
        raise stated.entry.refused(
            "direction", f"{metric.name} is better when it is {only.value}", hint="leave `direction` out"
        )
    drop, increase = "max-drop" in plain, "max-increase" in plain
    if drop and increase:
        raise plain.refused("max-increase", "stands beside max-drop", hint="only one way can be worse: keep one")
    known = stated.value if stated else only
    usual = known or usual_direction(metric)
    if (drop and usual is Direction.LOWER) or (increase and known is Direction.HIGHER):
        wrong, right = ("max-drop", "max-increase") if drop else ("max-increase", "max-drop")
        source = f", as {stated.entry.place('direction')} says" if stated else ""
        raise plain.refused(wrong, f"{metric.name} is better when it is {usual.value}{source}", hint=f"say {right}")
    # Who limits an increase says that lower is better; the other way round that is only so by default.
    return Direction.LOWER if increase else usual


def _stated_direction(entry: Entry) -> Direction:
    return entry.choice("direction", {direction.value: direction for direction in Direction})
