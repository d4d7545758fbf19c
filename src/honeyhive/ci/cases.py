"""Two runs and the user's rules, ready to be judged; and what to say where there are no rules yet."""

from __future__ import annotations

from collections.abc import Sequence

from honeyhive.ci.settings import Settings
from honeyhive.documents import yaml_scalar
from honeyhive.errors import ConfigError
from honeyhive.gate.comparison import Comparison, compare
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.metrics import Direction, Kind, Metric
from honeyhive.gate.thresholds import Threshold, with_default_errors
from honeyhive.gate.verdict import Case
from honeyhive.result import BUILT_IN, LATENCY, RunResult

_NAMED = 10
"""How many metrics a message names."""


def make_case(
    name: str,
    candidate: RunResult,
    baseline: RunResult | None,
    *,
    thresholds: tuple[Threshold, ...],
    settings: Settings,
) -> Case:
    """Two runs and the user's rules, ready to be judged; `ConfigError` where there is no rule, or none that fits."""
    declared = with_default_errors(thresholds)
    comparison = compare(candidate, baseline, [threshold.metric for threshold in declared])
    if not thresholds and not comparison.tagged:
        seen = sorted(comparison.metrics, key=lambda metric: metric in BUILT_IN)
        raise ConfigError(
            f"no threshold: there is nothing to decide. It saw {_listed(seen)}",
            hint="put the block above into your experiment in honeyhive.yml, with the limits that you want",
            details=_block_to_paste(comparison),
        )
    for metric, found in comparison.metrics.items():
        if found.beyond_range and found.metric.kind is Kind.RATE:
            raise ConfigError(
                f"thresholds.{metric}: a rate goes from 0 to 1, and it has scores beyond that",
                hint="say `kind: score`, and its `range: [lo, hi]`",
                path=(metric,),
            )
    kinds = {metric: found.metric.kind for metric, found in comparison.metrics.items()}
    settled = tuple(t.settled(kind) if (kind := kinds[t.metric.name]) else t for t in declared)
    return Case(experiment=name, comparison=comparison, thresholds=settled, policies=settings.policies)


def _block_to_paste(comparison: Comparison) -> str:
    """Thresholds that fit what was seen, to start from."""
    names = [name for name in comparison.metrics if name not in BUILT_IN] or [LATENCY]
    rules = (f"      {yaml_scalar(name)}: {_usual_rule(comparison.metrics[name].metric)}" for name in names)
    return "\n".join(["    thresholds:", *rules])


def _listed(names: Sequence[str]) -> str:
    shown = [one_line(name, NAME) for name in names[:_NAMED]]
    return ", ".join(shown) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _usual_rule(metric: Metric) -> str:
    match metric.kind:
        case Kind.LATENCY:
            return "{max: 2s}"
        case Kind.COST:
            return "{max-increase: 10%}"
        case _:
            return "{max-drop: 0.02}" if metric.direction is Direction.HIGHER else "{max-increase: 0.02}"
