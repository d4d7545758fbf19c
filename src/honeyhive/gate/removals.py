"""The datapoints that are no longer in the dataset, as the comment shows them: removing failures lifts a mean."""

from __future__ import annotations

from dataclasses import dataclass

from honeyhive.gate import figures
from honeyhive.gate.aggregates import split
from honeyhive.gate.checks import Place
from honeyhive.gate.evidence import mark
from honeyhive.gate.headline import by_weight
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.numbers import NOTHING, TIE
from honeyhive.gate.verdict import MetricSummary, Verdict
from honeyhive.result import ERRORS, LATENCY

ROWS, COLUMNS = 20, 3
"""How many datapoints are listed, and with how many metrics."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """What the removed datapoints and the others scored in the baseline by one metric; `–` where that is not known."""

    metric: str
    removed: str
    others: str
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Removals:
    """The first of the removed datapoints, each with its marks in the order of `means`, and how many more there are."""

    means: tuple[Mean, ...]
    rows: tuple[tuple[Place, tuple[str, ...]], ...]
    more: int

    @property
    def others_known(self) -> bool:
        """Whether there are others to hold them against."""
        return any(mean.others != NOTHING for mean in self.means)

    @property
    def worse(self) -> tuple[str, ...]:
        """The metrics whose means look better without them."""
        return tuple(mean.metric for mean in self.means if mean.worse)


def removals(verdict: Verdict) -> Removals | None:
    """What to show of the removed datapoints; `None` where there is none."""
    found = verdict.removed_datapoints[:ROWS]
    if not found:
        return None
    shown = _summaries(verdict)
    return Removals(
        means=tuple(map(_mean, shown)),
        rows=tuple(
            (
                Place(datapoint_id=gone.datapoint_id, line=gone.line),
                tuple(mark(gone.scores.get(summary.metric), summary) for summary in shown),
            )
            for gone in found
        ),
        more=verdict.removed - len(found),
    )


def _summaries(verdict: Verdict) -> list[MetricSummary]:
    """The metrics to show: those with a check, where the removed datapoints have a score of any."""
    scored = {summary.metric: summary for summary in verdict.metrics if summary.removed is not None}
    if scored.get(ERRORS) and not scored[ERRORS].removed:
        del scored[ERRORS]
    checked = dict.fromkeys(split(check.metric)[0] for check in by_weight(verdict.checks))
    names = [name for name in checked if name in scored] or [name for name in scored if name != LATENCY]
    return [scored[name] for name in names[:COLUMNS]]


def _mean(summary: MetricSummary) -> Mean:
    # An estimate comes from pairs, and then so does the baseline's mean.
    others = summary.baseline if summary.estimate is not None else None
    shown = figures.of_means(summary.kind, summary.direction, baseline=others, candidate=summary.removed, estimate=None)
    return Mean(
        metric=summary.metric, removed=shown.candidate, others=shown.baseline, worse=_was_worse(summary, others)
    )


def _was_worse(summary: MetricSummary, others: float | None) -> bool:
    if others is None or summary.removed is None or summary.kind not in (Kind.RATE, Kind.SCORE):
        return False
    delta = summary.removed - others
    return (delta if summary.direction is Direction.HIGHER else -delta) < -TIE
