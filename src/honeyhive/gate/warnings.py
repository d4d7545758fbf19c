"""What a reader should know of a comparison beyond its checks: one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from honeyhive.gate.comparison import Comparison, MetricComparison
from honeyhive.gate.metrics import LATENCY
from honeyhive.gate.scores import Sample
from honeyhive.gate.statistics import TIE
from honeyhive.gate.thresholds import DEFAULT_ERROR_RATE

COVERAGE_CHANGE = 0.05
"""A metric that applies to this much more or less of the datapoints than before is worth a word."""


def of(comparison: Comparison) -> Iterator[str]:
    """The warnings of one comparison."""
    yield from _dataset(comparison)
    if comparison.candidate.limit is None:  # else it is the rows that differ, not what applies to them
        for found in comparison.metrics.values():
            yield from _coverage(found)
    for found in comparison.metrics.values():
        yield from _range(found)
    if comparison.baseline is not None:
        yield from _evaluators(comparison)


def _dataset(comparison: Comparison) -> Iterator[str]:
    limit = comparison.candidate.limit
    if limit is not None:
        yield f"a partial view: only the first {_count(limit, 'datapoint')} of the dataset ran (`limit`)"
    elif comparison.removed:
        yield f"{_count(comparison.removed, 'datapoint')} of the baseline no longer in the dataset: not compared"
    if comparison.edited:
        yield f"{_count(comparison.edited, 'datapoint')} changed inputs or ground truth: not compared"
    wrong, count = comparison.baseline_errors, comparison.baseline_count
    if count and wrong / count > DEFAULT_ERROR_RATE:
        yield f"in the baseline {wrong:,} of {_count(count, 'datapoint')} went wrong: beside it, any change looks good"
    if comparison.added and comparison.baseline is not None:
        yield f"{_count(comparison.added, 'datapoint')} not in the baseline: only `min` and `max` see them"


def _coverage(found: MetricComparison) -> Iterator[str]:
    # What crashed took no time: of latency, `errors` tells.
    if found.baseline is None or not (found.baseline.measured and found.measured) or found.metric.name == LATENCY:
        return
    before, after = _share(found.baseline), _share(found.candidate)
    if abs(after - before) > COVERAGE_CHANGE + TIE:
        yield f"{found.metric.name} applies to {after:.0%} of the datapoints, in the baseline to {before:.0%}"


def _range(found: MetricComparison) -> Iterator[str]:
    if found.beyond_range and found.metric.bounds is not None:
        low, high = found.metric.bounds
        yield (
            f"{found.metric.name} has scores outside of its range from {low:g} to {high:g}: "
            "then an error need not count as the worst score"
        )


def _evaluators(comparison: Comparison) -> Iterator[str]:
    changed = [name for name, found in comparison.metrics.items() if found.evaluator_changed]
    for name in changed:
        yield f"the evaluator {name} is not the one that scored the baseline: their scores are not comparable"
    if comparison.baseline is not None and comparison.candidate.repeats != comparison.baseline.repeats:
        yield (
            f"{_count(comparison.candidate.repeats, 'repeat')} of each datapoint, "
            f"in the baseline {comparison.baseline.repeats}"
        )


def _share(sample: Sample) -> float:
    return 1 - sample.not_applicable / sample.count if sample.count else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
