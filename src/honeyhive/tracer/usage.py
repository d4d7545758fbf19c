"""What a session has used of models: `tokens.input`, `tokens.output` and `cost`, from the spans of instrumentations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.documents import shown
from honeyhive.result import Fault

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


def usage(spans: Sequence[ReadableSpan]) -> dict[str, int | float | Fault]:
    """The sum of what the spans say that they used; a metric that no span tells of is not there.

    Tokens are read from the OpenTelemetry semantic conventions for generative AI (`gen_ai.usage.input_tokens`,
    `…output_tokens`), their former names (`…prompt_tokens`, `…completion_tokens`), the `llm.usage.` that OpenLLMetry
    wrote before these, and OpenInference (`llm.token_count.`). The conventions have no cost: it is read as OpenLIT
    (`gen_ai.usage.cost`), Pydantic AI (`operation.cost`) and OpenInference (`llm.cost.total`) write it.

    Of spans nested in each other the innermost that tell of a metric count: an agent's span sums up its calls, and a
    wrapped client makes two spans of one call. A value that cannot be right (negative, not finite, not a number) makes
    its metric a `Fault`: a sum without it would be too small, and to leave the metric out would look like none used.
    """
    return {metric: used for metric, names in _NAMES.items() if (used := _used(metric, spans, names)) is not None}


def _used(metric: str, spans: Sequence[ReadableSpan], names: tuple[str, ...]) -> int | float | Fault | None:
    told = {key: found for span in spans if (key := _key(span)) and (found := _told(span, names))}
    if not told:
        return None
    by_key = {key: span for span in spans if (key := _key(span))}
    around = _around(map(by_key.__getitem__, told), by_key)
    amounts = [_amount(by_key[key], name, value) for key, (name, value) in told.items() if key not in around]
    wrong = next((amount for amount in amounts if isinstance(amount, Fault)), None)
    if wrong is not None:
        return wrong
    total = math.fsum(amount for amount in amounts if not isinstance(amount, Fault))
    return total if metric == "cost" else int(total)


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


def _told(span: ReadableSpan, names: tuple[str, ...]) -> tuple[str, Any] | None:
    """The first of the names that the span has, with its value."""
    attributes = span.attributes or {}
    return next(((name, attributes[name]) for name in names if attributes.get(name) is not None), None)


def _amount(span: ReadableSpan, name: str, value: Any) -> float | Fault:
    """What the span says under this name; a fault where that cannot be an amount of something."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _TOO_MUCH:
        return float(value)
    return Fault(type="UsageError", message=f"the span {shown(span.name)} says that its {name} is {_shown(value)}")


def _shown(value: Any) -> str:
    """The value for a message, whatever its size."""
    match value:
        case str():
            return shown(value)
        case int() if value.bit_length() > _LONG:  # Python writes no number of some thousand digits
            return f"an integer of {value.bit_length():,} bits"
        case int() | float():
            return str(value)
        case _:
            return f"a {type(value).__name__}"


_TOO_MUCH = 2**53
"""Beyond it a float does not hold each whole number."""

_LONG = 100
"""An integer of more bits is not written out."""
