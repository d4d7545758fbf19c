"""Annotations on lines of the repository: on the rows that got worst, and on what a change does to its own gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.rules.own_gate import OwnGateChange
from honeyhive.gate.aggregates import split
from honeyhive.gate.broken import Finding
from honeyhive.gate.checks import Check, Place, Rule, Status
from honeyhive.gate.comparison import Change
from honeyhive.gate.evidence import mark
from honeyhive.gate.headline import by_weight
from honeyhive.gate.markdown import NAME, one_line
from honeyhive.gate.verdict import MetricSummary, Verdict

MOST = 10
"""How many annotations there are at most; the runner shows no more of a kind."""
_CHANGES = 5
"""How many of them are kept for what a change does to its own gate, where there are regressions as well."""


@dataclass(frozen=True, kw_only=True)
class Located:
    """A finding, and its dataset: the path from the repository's root on, `None` where it is not in there."""

    finding: Finding
    dataset: str | None


def annotate(found: Sequence[Located], own_gate: Sequence[OwnGateChange] = ()) -> tuple[Annotation, ...]:
    """What is worth a line in the diff, at most `MOST`; the last one says how many more there are.

    Of failed checks the datapoints that had to pass and did not, and those that got worst; experiments take turns.
    """
    changes = [_of_change(change) for change in own_gate if change.file is not None]
    turns = zip_longest(*(_of_finding(one) for one in found))
    rows = [annotation for annotation in chain.from_iterable(turns) if annotation is not None]
    kept = max(_CHANGES, MOST - len(rows))
    shown = [*changes[:kept], *rows][:MOST]
    left_out = len(changes) + len(rows) - len(shown)
    if left_out:
        shown[-1] = replace(shown[-1], message=f"{shown[-1].message} (and {left_out} more, see the report)")
    return tuple(shown)


def _of_change(change: OwnGateChange) -> Annotation:
    level = Level.WARNING if change.loosens else Level.NOTICE
    message = f"this change {change.text}"
    return Annotation(level=level, title="Changes its own gate", message=message, file=change.file, line=change.line)


def _of_finding(one: Located) -> Iterator[Annotation]:
    """The rows of a dataset that a verdict blames, the worst first, each once."""
    if not isinstance(one.finding, Verdict) or one.dataset is None:
        return
    for place, said in _blamed(one.finding).items():
        yield Annotation(
            level=Level.WARNING,
            title=one_line(one.finding.experiment, NAME),
            message=f"{one_line(place.datapoint_id, NAME)}: {', '.join(said)}",
            file=one.dataset,
            line=place.line,
        )


def _blamed(verdict: Verdict) -> dict[Place, list[str]]:
    """What there is to say of each datapoint that has a line."""
    failed = [check for check in by_weight(verdict.checks) if check.status is Status.FAILED]
    summaries = {summary.metric: summary for summary in verdict.metrics}
    blamed: dict[Place, list[str]] = {}
    for check in failed:
        for place in check.not_passed:
            _add(blamed, place, f"{one_line(check.metric, NAME)} ❌, and it must pass")
    for change in _regressions(verdict, failed):
        place = Place(datapoint_id=change.datapoint_id, line=change.line)
        _add(blamed, place, _moved(change, summaries.get(change.metric)))
    return blamed


def _add(blamed: dict[Place, list[str]], place: Place, said: str) -> None:
    if place.line is not None:
        blamed.setdefault(place, []).append(said)


def _regressions(verdict: Verdict, failed: Sequence[Check]) -> Iterator[Change]:
    """The changes for the worse by which a check failed, the metrics taking turns."""
    metrics = dict.fromkeys(split(check.metric)[0] for check in failed if check.rule is not Rule.MUST_PASS)
    worse = (
        [change for change in verdict.changes if change.metric == metric and not change.better] for metric in metrics
    )
    return (change for change in chain.from_iterable(zip_longest(*worse)) if change is not None)


def _moved(change: Change, summary: MetricSummary | None) -> str:
    return f"{one_line(change.metric, NAME)} {mark(change.baseline, summary)} → {mark(change.candidate, summary)}"
