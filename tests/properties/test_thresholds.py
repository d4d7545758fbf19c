"""Whatever stands in `thresholds`: rules that mean the same when written again, or a complaint."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import ConfigError
from honeyhive.gate.entries import KINDS
from honeyhive.gate.metrics import Decide, Kind
from honeyhive.gate.rules_schema import KEYS
from honeyhive.gate.thresholds import Threshold, parse_thresholds
from often import OFTEN
from properties.accidents import ODD, often_altered
from properties.readings import explained

MAPPINGS: list[dict[str, Any]] = [
    {"accuracy": {"max-drop": 0.02, "min": "80%", "must-pass": True, "decide": "strict", "cluster": "user"}},
    {"latency_ms": {"max-increase": "10%"}, "latency_ms.p95": {"max": "2s"}, "errors": {"max": "5%"}},
    {"cost.total": {"max": 0.5}, "tokens.input": {"max-increase": 100}},
    {"grade": {"min": 3, "range": [1, 5], "direction": "higher", "kind": "score"}, "intent": {"kind": "label"}},
]
WORDS = ["5%", "0.5", "-1", "2s", "1e400", "1e-400", "٣", "1_000", "0x1", " 1 ", "1%%", "%", "inf", "nan", "-0", "1e5%"]
WORDS += [*KINDS, *Decide, "higher", "lower"]
VALUES = ODD | st.sampled_from(WORDS) | st.lists(st.integers() | st.floats(), max_size=3)
RULES = st.dictionaries(st.sampled_from([*KEYS]) | st.text(max_size=3), VALUES, max_size=4)
NAMES = ["accuracy", "latency_ms", "latency_ms.p95", "errors", "cost.total", "a.b.c", ".", "", "a\nb", "x.p5"]
SETTINGS = st.sampled_from(MAPPINGS).flatmap(often_altered) | st.dictionaries(
    st.sampled_from(NAMES) | st.text(max_size=5), RULES | ODD
)


def accepted(settings: Any) -> tuple[Threshold, ...] | None:
    try:
        return parse_thresholds(settings)
    except ConfigError as error:
        explained(error, 2)
        return None


def numbers(threshold: Threshold) -> list[float]:
    return [*threshold.bounds.values(), *(margin.value for margin in threshold.margins.values())]


@OFTEN
@given(SETTINGS)
def test_any_thresholds_are_rules_with_real_numbers_or_refused(settings: Any) -> None:
    for threshold in accepted(settings) or ():
        assert all(math.isfinite(number) for number in numbers(threshold))
        assert all(margin.value >= 0 for margin in threshold.margins.values())
        assert threshold.name in settings


@OFTEN
@given(SETTINGS)
def test_any_thresholds_that_are_accepted_mean_the_same_when_they_are_written_again(settings: Any) -> None:
    thresholds = accepted(settings)
    if thresholds is not None:
        assert parse_thresholds({threshold.name: threshold.settings() for threshold in thresholds}) == thresholds


@OFTEN
@given(SETTINGS, st.sampled_from(Kind))
def test_any_thresholds_fit_the_kind_that_the_scores_turn_out_to_be_or_are_refused(settings: Any, kind: Kind) -> None:
    for threshold in accepted(settings) or ():
        if threshold.metric.kind is None:
            try:
                settled = threshold.settled(kind)
            except ConfigError as error:
                explained(error, 2)
            else:
                assert settled.metric.kind is kind
