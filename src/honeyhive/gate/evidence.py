"""The datapoints that the comment shows: which of the changed ones, and what is known of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import Any

from honeyhive.documents import plain
from honeyhive.gate.aggregates import split
from honeyhive.gate.checks import INCOMPARABLE, Check, Place
from honeyhive.gate.comparison import Change
from honeyhive.gate.headline import by_weight
from honeyhive.gate.metrics import Direction, Kind
from honeyhive.gate.numbers import value
from honeyhive.gate.verdict import MetricSummary, Verdict

WORST, BEST, ERRED = 10, 5, 5
"""How many datapoints are shown of each."""

INPUTS_WIDTH, EXPECTED_WIDTH, OUTPUT_WIDTH = 70, 50, 90
"""How many characters of each text a row of the table shows."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What both runs have of one datapoint; an error is its text, `None` where there was none."""

    datapoint_id: str
    line: int | None = None
    inputs: Any = None
    ground_truth: Any = None
    candidate_output: Any = None
    baseline_output: Any = None
    candidate_error: str | None = None
    baseline_error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One metric's score of one datapoint in both runs: `✅` and `❌` for pass/fail, else the number."""

    metric: str
    baseline: str
    candidate: str


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One datapoint as the comment shows it. Its texts are empty where nothing is known."""

    datapoint_id: str
    line: int | None
    marks: tuple[Mark, ...]
    inputs: str
    expected: str
    baseline: str
    candidate: str

    @property
    def expected_at_length(self) -> bool:
        """Whether what was expected takes more than its place in a row."""
        return not _fits(self.expected, EXPECTED_WIDTH)

    @property
    def at_length(self) -> bool:
        """Whether there is more to show than fits a row."""
        outputs = (self.baseline, self.candidate)
        in_a_row = _fits(self.inputs, INPUTS_WIDTH) and all(_fits(output, OUTPUT_WIDTH) for output in outputs)
        return self.expected_at_length or not in_a_row


@dataclass(frozen=True, kw_only=True)
class Exhibits:
    """The datapoints that had to pass and did not, that got worst, that got best, and that only went wrong.

    `metrics` are what the worst and the best are measured by, `required` what had to pass.
    """

    metrics: tuple[str, ...]
    worse: tuple[Exhibit, ...]
    better: tuple[Exhibit, ...]
    erred: tuple[Exhibit, ...]
    lead: Check | None
    required: tuple[str, ...] = ()
    not_passed: tuple[Exhibit, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.not_passed or self.worse or self.better or self.erred)

    @property
    def in_full(self) -> tuple[Exhibit, ...]:
        """Those to read: each once, in the order shown."""
        rows: dict[str, Exhibit] = {}
        for row in (*self.not_passed, *self.worse, *self.erred):
            rows.setdefault(row.datapoint_id, row)
        return tuple(rows.values())


def select(verdict: Verdict, evidence: Mapping[str, Evidence]) -> Exhibits:
    """What to show for a verdict: changes in the metrics whose checks matter most, several metrics taking turns."""
    metrics = _metrics_that_matter(verdict)
    summaries = {summary.metric: summary for summary in verdict.metrics}
    worse = _grouped(metrics, (change for change in verdict.changes if not change.better))
    better = _grouped(metrics, (change for change in verdict.changes if change.better))
    for datapoint_id in worse:
        better.pop(datapoint_id, None)
    shown = [*list(worse.items())[:WORST], *list(better.items())[:BEST]]
    exhibits = [_exhibit(changes, evidence.get(key), summaries) for key, changes in shown]
    seen = {key for key, _ in shown}
    failing = [check for check in by_weight(verdict.checks) if check.not_passed]
    required = {place.datapoint_id: place for check in failing for place in check.not_passed}
    seen |= required.keys()
    wrong = [found for key, found in evidence.items() if found.candidate_error is not None and key not in seen]
    return Exhibits(
        metrics=metrics,
        worse=tuple(exhibits[: min(WORST, len(worse))]),
        better=tuple(exhibits[min(WORST, len(worse)) :]),
        erred=tuple(_erred(found) for found in wrong[:ERRED]),
        lead=next(
            (check for check in by_weight(verdict.checks) if check.metric in metrics and check.worse is not None), None
        ),
        required=tuple(check.metric for check in failing),
        not_passed=tuple(_required(place, evidence.get(key)) for key, place in list(required.items())[:WORST]),
    )


def mark(score: float | None, summary: MetricSummary | None) -> str:
    """One score of a datapoint: `✅` and `❌` for pass/fail, else the number."""
    kind = summary.kind if summary else None
    if kind is Kind.RATE and score in (0.0, 1.0):
        best = 0.0 if summary and summary.direction is Direction.LOWER else 1.0
        return "✅" if score == best else "❌"
    return value(score, kind)


def text_of(found: Any) -> str:
    """A value of the user's as people read it: text as it is, a mapping by lines, JSON for the rest, `` for `None`."""
    if found is None or isinstance(found, str):
        return found or ""
    if isinstance(found, Mapping):
        values = [_inline(item) for item in found.values()]
        return values[0] if len(values) == 1 else "\n".join(f"{key}: {v}" for key, v in zip(found, values, strict=True))
    return json.dumps(plain(found), ensure_ascii=False, indent=2)


def _fits(text: str, width: int) -> bool:
    return len(text) <= width and "\n" not in text


def _inline(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(plain(found), ensure_ascii=False)


def _metrics_that_matter(verdict: Verdict) -> tuple[str, ...]:
    """Of the metrics with changes, those whose checks came out worst; without any check, all of them."""
    changed = dict.fromkeys(change.metric for change in verdict.changes)
    ranked = by_weight(verdict.checks)
    apart = {check.metric for check in ranked if check.reason in INCOMPARABLE}
    checked = [(split(check.metric)[0], check.status) for check in ranked]
    checked = [(metric, status) for metric, status in checked if metric in changed and metric not in apart]
    if not checked:
        return tuple(metric for metric in changed if metric not in apart)
    return tuple(dict.fromkeys(metric for metric, status in checked if status is checked[0][1]))


def _by_turns(metrics: tuple[str, ...], changes: Iterable[Change]) -> Iterator[Change]:
    listed: dict[str, list[Change]] = {metric: [] for metric in metrics}
    for change in changes:
        if change.metric in listed:
            listed[change.metric].append(change)
    return (change for change in chain.from_iterable(zip_longest(*listed.values())) if change is not None)


def _grouped(metrics: tuple[str, ...], changes: Iterable[Change]) -> dict[str, list[Change]]:
    """The changes by datapoint: the datapoints in turns of the metrics, each one's changes in the metrics' order."""
    grouped: dict[str, list[Change]] = {}
    for change in _by_turns(metrics, changes):
        grouped.setdefault(change.datapoint_id, []).append(change)
    return {key: sorted(found, key=lambda change: metrics.index(change.metric)) for key, found in grouped.items()}


def _exhibit(changes: list[Change], found: Evidence | None, summaries: Mapping[str, MetricSummary]) -> Exhibit:
    first = changes[0]
    known = found or Evidence(datapoint_id=first.datapoint_id)
    return Exhibit(
        datapoint_id=first.datapoint_id,
        line=first.line if first.line is not None else known.line,
        marks=tuple(_mark(change, summaries.get(change.metric)) for change in changes[:3]),
        inputs=text_of(known.inputs),
        expected=text_of(known.ground_truth),
        baseline=_side(known.baseline_output, known.baseline_error),
        candidate=_side(known.candidate_output, known.candidate_error),
    )


def _required(place: Place, found: Evidence | None) -> Exhibit:
    known = found or Evidence(datapoint_id=place.datapoint_id)
    return _erred(replace(known, line=place.line if place.line is not None else known.line))


def _erred(found: Evidence) -> Exhibit:
    return Exhibit(
        datapoint_id=found.datapoint_id,
        line=found.line,
        marks=(),
        inputs=text_of(found.inputs),
        expected=text_of(found.ground_truth),
        baseline=_side(found.baseline_output, found.baseline_error),
        candidate=_side(found.candidate_output, found.candidate_error),
    )


def _side(output: Any, error: str | None) -> str:
    return text_of(output) if error is None else f"error: {error}"


def _mark(change: Change, summary: MetricSummary | None) -> Mark:
    return Mark(
        metric=change.metric, baseline=mark(change.baseline, summary), candidate=mark(change.candidate, summary)
    )
