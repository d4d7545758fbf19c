"""What a reader should know of a comparison beyond its checks: one sentence each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from honeyhive.gate.comparison import Comparison, MetricComparison
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Kind
from honeyhive.gate.numbers import extra_digits, value
from honeyhive.gate.scores import Sample
from honeyhive.gate.statistics import TIE
from honeyhive.gate.thresholds import DEFAULT_ERROR_RATE
from honeyhive.result import ERRORS, LATENCY

COVERAGE_CHANGE = 0.05
"""A metric that applies to this much more or less of the datapoints than before is worth a word."""

_NAMED = 2
"""How many metrics one sentence names."""

_FACTS = 4
"""How many differences of two environments one sentence names."""


def of(comparison: Comparison, capped: Collection[str] = ()) -> Iterator[str]:
    """The warnings of one comparison; `capped` are the metrics that may not go beyond a bound."""
    yield from _dataset(comparison)
    if comparison.candidate.limit is None:  # else it is the rows that differ, not what applies to them
        for found in comparison.metrics.values():
            yield from _coverage(found)
    for found in comparison.metrics.values():
        yield from _range(found)
        if found.metric.name in capped:
            yield from _survivors(comparison, found)
        yield from _labels(found)
        yield from _clusters(found)
    if comparison.baseline is not None:
        yield from _evaluators(comparison)
        yield from _environment(comparison.candidate.environment, comparison.baseline.environment)


def _dataset(comparison: Comparison) -> Iterator[str]:
    limit = comparison.candidate.limit
    if limit is not None:
        yield f"a partial view: only the first {_count(limit, 'datapoint')} of the dataset ran (`limit`)"
    elif comparison.removed:
        gone = _count(comparison.removed, "datapoint")
        yield f"{gone} of the baseline no longer in the dataset: {_removed(comparison)}"
    if comparison.edited:
        yield f"{_count(comparison.edited, 'datapoint')} changed inputs or ground truth: not compared"
    if comparison.untagged:
        named = [_name(place.datapoint_id) for place in comparison.untagged]
        more = " and more" if len(named) > _NAMED else ""
        yield (
            f"no longer tagged `must-pass`, as in the baseline: {', '.join(named[:_NAMED])}{more}; "
            "whether they pass is nobody's business now"
        )
    wrong, count = comparison.baseline_errors, comparison.baseline_count
    if count and wrong / count > DEFAULT_ERROR_RATE:
        yield f"in the baseline {wrong:,} of {_count(count, 'datapoint')} went wrong: beside it, any change looks good"
    if comparison.added and comparison.baseline is not None:
        yield f"{_count(comparison.added, 'datapoint')} not in the baseline: only `min` and `max` see them"


def _removed(comparison: Comparison) -> str:
    """Whether a mean is higher only because what scored badly is gone."""
    removed = [said for found in comparison.metrics.values() for said in _was_worse(found)]
    if not removed:
        return "not compared"
    more = f" and {len(removed) - _NAMED} more" if len(removed) > _NAMED else ""
    return (
        f"not compared. There they scored worse than the others ({', '.join(removed[:_NAMED])}{more}): "
        "without them a mean looks better, whatever this change does"
    )


def _was_worse(found: MetricComparison) -> Iterator[str]:
    metric, removed, stayed = found.metric, found.removed, found.pairs
    if removed is None or not removed.n or stayed is None or metric.kind not in (Kind.RATE, Kind.SCORE):
        return
    theirs = removed.mean
    if metric.name != ERRORS and theirs is not None and metric.sign * (theirs - stayed.baseline) < -TIE:
        digits = extra_digits(lambda number, extra: value(number, metric.kind, extra), theirs, stayed.baseline)
        shown = [value(mean, metric.kind, digits) for mean in (theirs, stayed.baseline)]
        yield f"{_name(metric.name)} {shown[0]}, the others {shown[1]}"


def _coverage(found: MetricComparison) -> Iterator[str]:
    # What crashed took no time: of latency, `errors` tells.
    if found.baseline is None or not (found.baseline.measured and found.measured) or found.metric.name == LATENCY:
        return
    before, after = _share(found.baseline), _share(found.candidate)
    if abs(after - before) > COVERAGE_CHANGE + TIE:
        shown = [value(share, Kind.RATE) for share in (after, before)]
        yield f"{_name(found.metric.name)} applies to {shown[0]} of the datapoints, in the baseline to {shown[1]}"


def _range(found: MetricComparison) -> Iterator[str]:
    if found.beyond_range and found.metric.bounds is not None:
        low, high = found.metric.bounds
        yield (
            f"{_name(found.metric.name)} has scores outside of its range from {low:g} to {high:g}: "
            "then an error need not count as the worst score"
        )


def _survivors(comparison: Comparison, found: MetricComparison) -> Iterator[str]:
    """What crashed or does not tell has no time or cost, and there is no worst one: bounds are about the others."""
    unbounded = found.metric.kind in (Kind.LATENCY, Kind.COST)
    why = [
        *(["what went wrong has none"] if comparison.errors else []),
        *(["some do not tell theirs"] if found.untold and found.candidate.not_applicable else []),
    ]
    if why and unbounded and 0 < found.candidate.n < comparison.count:
        yield (
            f"{_name(found.metric.name)} is of {found.candidate.n:,} of {_count(comparison.count, 'datapoint')}: "
            f"{', and '.join(why)}"
        )


def _labels(found: MetricComparison) -> Iterator[str]:
    changed, pairs = found.relabelled, found.pairs
    if changed and pairs is not None:
        share = value(changed / pairs.n, Kind.RATE)
        yield (
            f"{_name(found.metric.name)}: {share} of the labels changed ({changed:,} of {pairs.n:,}); "
            "for information, what is tested is whether they are right"
        )


def _clusters(found: MetricComparison) -> Iterator[str]:
    if found.unclustered and found.metric.cluster is not None:
        has, counts = ("has", "it counts") if found.unclustered == 1 else ("have", "they count")
        yield (
            f"{_count(found.unclustered, 'datapoint')} {has} no {_name(found.metric.cluster)}, "
            f"which `cluster` of {_name(found.metric.name)} names: {counts} as one cluster"
        )


def _evaluators(comparison: Comparison) -> Iterator[str]:
    changed: dict[str, list[str]] = {}
    unevaluated: list[str] = []
    for name, found in comparison.metrics.items():
        if found.evaluator_changed:
            (unevaluated if found.evaluator is None else changed.setdefault(found.evaluator, [])).append(name)
    if unevaluated:
        yield f"no evaluator gives {_named(unevaluated)}, as one did in the baseline: their scores are not comparable"
    for evaluator, names in changed.items():
        of_it = "" if names == [evaluator] else f" ({_named(names)})"
        yield (
            f"the evaluator {_name(evaluator)}{of_it} is not the one that scored the baseline: "
            "their scores are not comparable"
        )
    if comparison.baseline is not None and comparison.candidate.repeats != comparison.baseline.repeats:
        yield (
            f"{_count(comparison.candidate.repeats, 'repeat')} of each datapoint, "
            f"in the baseline {comparison.baseline.repeats}"
        )


def _environment(candidate: Mapping[str, Any], baseline: Mapping[str, Any]) -> Iterator[str]:
    """What both runs say of where they ran, and say differently: it may move scores that no code has touched."""
    ours, theirs = dict(_facts(candidate)), dict(_facts(baseline))
    differ = [name for name, fact in ours.items() if name in theirs and theirs[name] != fact]
    if differ:
        shown = [
            f"{_name(name)} {one_line(ours[name], NAME)} (there {one_line(theirs[name], NAME)})" for name in differ
        ]
        more = f" and {len(shown) - _FACTS} more" if len(shown) > _FACTS else ""
        yield f"not the same environment as the baseline's: {', '.join(shown[:_FACTS])}{more}"


def _facts(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an environment is made of, such as packages: by name, however they are grouped."""
    for name, fact in environment.items():
        if isinstance(fact, Mapping):
            yield from ((str(part), str(said)) for part, said in fact.items() if isinstance(said, str | int | float))
        elif isinstance(fact, str | int | float):
            yield name, str(fact)


def _named(names: Sequence[str]) -> str:
    """The first of the metrics, and how many more there are."""
    shown, more = [_name(name) for name in names[:_NAMED]], len(names) - _NAMED
    return f"{', '.join(shown)} and {more} more" if more > 0 else " and ".join(shown)


def _name(name: str) -> str:
    return f"`{one_line(name, NAME).replace('`', 'ˋ')}`"


def _share(sample: Sample) -> float:
    return 1 - sample.not_applicable / sample.count if sample.count else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
