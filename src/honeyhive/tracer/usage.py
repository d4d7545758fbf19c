"""What a session has used of models: `tokens.input`, `tokens.output` and `cost`, from the spans of instrumentations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

_NAMES: Mapping[str, tuple[str, ...]] = {
    "tokens.input": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
    ),
    "tokens.output": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "cost": ("gen_ai.usage.cost", "operation.cost", "llm.cost.total"),
}
"""The names of each metric, the first one found on a span counts."""

_Key = tuple[int, int]


def usage(spans: Sequence[ReadableSpan]) -> dict[str, int | float]:
    """The sum of what the spans say that they used; a metric that no span tells of is not there.

    Tokens are read from the OpenTelemetry semantic conventions for generative AI (`gen_ai.usage.input_tokens`,
    `…output_tokens`), their former names (`…prompt_tokens`, `…completion_tokens`), the `llm.usage.` that OpenLLMetry
    wrote before these, and OpenInference (`llm.token_count.`). The conventions have no cost: it is read as OpenLIT
    (`gen_ai.usage.cost`), Pydantic AI (`operation.cost`) and OpenInference (`llm.cost.total`) write it.

    Of spans nested in each other the innermost that tell of a metric count: an agent's span sums up its calls, and a
    wrapped client makes two spans of one call. A value that cannot be right (negative, not finite, not a number) makes
    its metric unknown: it is left out, for a sum without it would be too small.
    """
    told = {metric: total for metric, names in _NAMES.items() if (total := _total(spans, names)) is not None}
    return {metric: int(total) if metric != "cost" else total for metric, total in told.items()}


def _total(spans: Sequence[ReadableSpan], names: tuple[str, ...]) -> float | None:
    telling = {key: span for span in spans if (key := _key(span)) and _value(span, names) is not None}
    if not telling:
        return None
    around = _around(telling.values(), {key: span for span in spans if (key := _key(span))})
    amounts = [_amount(_value(span, names)) for key, span in telling.items() if key not in around]
    known = [amount for amount in amounts if amount is not None]
    total = math.fsum(known) if len(known) == len(amounts) else math.nan
    return total if math.isfinite(total) else None


def _around(spans: Iterable[ReadableSpan], all_spans: Mapping[_Key, ReadableSpan]) -> set[_Key]:
    """The keys of the spans that have one of `spans` somewhere inside."""
    around: set[_Key] = set()
    for span in spans:
        outer = _parent(span)
        while outer is not None and outer not in around:
            around.add(outer)
            outer = _parent(all_spans[outer]) if outer in all_spans else None
    return around


def _key(span: ReadableSpan) -> _Key | None:
    return (span.context.trace_id, span.context.span_id) if span.context else None


def _parent(span: ReadableSpan) -> _Key | None:
    return (span.parent.trace_id, span.parent.span_id) if span.parent else None


def _value(span: ReadableSpan, names: tuple[str, ...]) -> Any:
    attributes = span.attributes or {}
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)


def _amount(value: Any) -> float | None:
    """The number, where it can be an amount of something."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < _TOO_MUCH else None


_TOO_MUCH = 2**53
"""Beyond it a float does not hold each whole number."""
