"""Verdicts as the comment on a pull request: the sentence, the table, and folded the evidence and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from honeyhive.gate import advice, words
from honeyhive.gate.broken import Broken, Finding, Skipped
from honeyhive.gate.checks import Check, Rule, Status
from honeyhive.gate.evidence import Evidence, Exhibits, select
from honeyhive.gate.headline import by_weight
from honeyhive.gate.removals import removals
from honeyhive.gate.templating import TEMPLATES
from honeyhive.gate.verdict import MetricSummary, Verdict, policy_on
from honeyhive.result import ERRORS

__all__ = ["MOST_CHARACTERS", "Context", "Dataset", "Evidence", "render"]

MOST_CHARACTERS = 65_000
"""GitHub refuses a comment of more than 65,536 characters; the rest is for whoever adds a marker to it."""

_ORDER = (Status.FAILED, Status.UNDECIDED, Status.PASSED)
_LINES = 20
"""How many notes of a kind are listed."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Where the rows of an experiment are: `line_url` followed by a number is the address of that line."""

    path: str
    line_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the comment shows besides the verdicts.

    `judged_by` is the file with the thresholds, `judged_at` the branch that it was read from. `commit_url` followed by
    a hash is the address of that commit. `datasets` goes by experiment. `own_gate` lists what the pull request changes
    about the rules that judge it.
    """

    judged_by: str = "honeyhive.yml"
    judged_at: str | None = None
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    commit_url: str | None = None
    report_url: str | None = None
    attempt: int | None = None
    own_gate: Sequence[str] = ()


def render(
    findings: Sequence[Finding], *, evidence: Mapping[str, Mapping[str, Evidence]], context: Context | None = None
) -> str:
    """The whole comment, in at most `MOST_CHARACTERS`: what is broken or failed first, one section an experiment.

    `evidence` goes by experiment and datapoint. Where it gets too long, whole parts are left out, of what passed
    before what failed: the texts in full, then the datapoints, then the other folded parts, then all but the most
    important checks, then all but the headings, and last the experiments at the end.
    """
    context = context or Context()
    ordered = sorted(findings, key=_urgency)
    sections = [_section(finding, evidence, context, alone=len(ordered) == 1) for finding in ordered]
    judged = [finding for finding in ordered if isinstance(finding, Verdict)]
    frame = partial(
        TEMPLATES["comment.md.j2"].render, findings=ordered, judged=judged, context=context, left_out=0, shortened=True
    )
    budget = MOST_CHARACTERS - _length(frame(sections=[], left_out=1))
    shown, shortened = _fitted(sections, budget)
    return frame(sections=shown, left_out=len(sections) - len(shown), shortened=shortened) + "\n"


def _urgency(finding: Finding) -> int:
    match finding:
        case Broken():
            return -1
        case Skipped():
            return len(_ORDER)
        case _:
            return _ORDER.index(finding.verdict)


# --- making it fit ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Detail:
    """How much of a section is shown."""

    texts: bool = False
    datapoints: bool = False
    folds: bool = False
    checks: int = 0


_DETAILS = (
    _Detail(texts=True, datapoints=True, folds=True, checks=100),
    _Detail(datapoints=True, folds=True, checks=100),
    _Detail(folds=True, checks=100),
    _Detail(checks=100),
    _Detail(checks=10),
    _Detail(),
)


class _Part(Protocol):
    """One experiment's part of the comment, at whatever length there is room for."""

    def at(self, detail: _Detail) -> str: ...


def _section(
    finding: Finding, evidence: Mapping[str, Mapping[str, Evidence]], context: Context, *, alone: bool
) -> _Part:
    if isinstance(finding, Broken):
        return _BrokenSection(finding, alone)
    if isinstance(finding, Skipped):
        return _SkippedSection(finding, alone)
    return _Section(finding, select(finding, evidence.get(finding.experiment, {})), context, alone)


@dataclass(frozen=True)
class _BrokenSection:
    finding: Broken
    alone: bool

    def at(self, detail: _Detail) -> str:
        return TEMPLATES["broken.md.j2"].render(finding=self.finding, alone=self.alone, detail=detail).strip()


@dataclass(frozen=True)
class _SkippedSection:
    finding: Skipped
    alone: bool

    def at(self, detail: _Detail) -> str:
        return TEMPLATES["skipped.md.j2"].render(finding=self.finding, alone=self.alone, detail=detail).strip()


@dataclass(frozen=True)
class _Section:
    """One experiment's part of the comment, in as much detail as there is room for."""

    verdict: Verdict
    exhibits: Exhibits
    context: Context
    alone: bool

    def at(self, detail: _Detail) -> str:
        checks = by_weight(self.verdict.checks)
        urgent, advised = _urgent(self.verdict, checks), _advice(checks)
        flaky = [check for check in checks if check.flaky]
        return (
            TEMPLATES["experiment.md.j2"]
            .render(
                verdict=self.verdict,
                baseline=self.verdict.baseline,
                exhibits=self.exhibits,
                context=self.context,
                dataset=self.context.datasets.get(self.verdict.experiment),
                alone=self.alone,
                detail=detail,
                checks=checks[: detail.checks],
                more_checks=len(checks[detail.checks :]),
                urgent=urgent,
                policies=list(dict.fromkeys(policy_on(c.reason) for c in checks if c.status is Status.UNDECIDED)),
                urgent_for=advised.pop(advice.of(urgent)) if urgent else [],
                others=list(_others(self.verdict))[:_LINES],
                removals=removals(self.verdict),
                powers=[check for check in checks if _is_limited(check)][:_LINES],
                spreads=list(_spreads(self.verdict, checks))[:_LINES],
                repeated=[summary for summary in self.verdict.metrics if summary.all_passed is not None][:_LINES],
                advice=list(advised.items())[:_LINES],
                flaky=flaky[:_LINES],
                warnings=self.verdict.warnings[:_LINES],
                more_warnings=len(self.verdict.warnings[_LINES:]),
            )
            .strip()
        )


def _fitted(sections: Sequence[_Part], budget: int) -> tuple[list[str], bool]:
    """The sections as text, and whether anything had to go.

    All get the most detail that fits for all, and from the first on as many as fit get one step more.
    """
    for step, detail in enumerate(_DETAILS):
        shown = _within(budget, (section.at(detail) for section in sections))
        if len(shown) == len(sections):
            return (_one_step_more(sections, shown, budget, _DETAILS[step - 1]), True) if step else (shown, False)
    return shown, True


def _one_step_more(sections: Sequence[_Part], shown: list[str], budget: int, detail: _Detail) -> list[str]:
    room = budget - sum(map(_length, shown))
    for at, section in enumerate(sections):
        more = section.at(detail)
        room -= _length(more) - _length(shown[at])
        if room < 0:
            break
        shown[at] = more
    return shown


def _within(budget: int, texts: Iterable[str]) -> list[str]:
    """The first texts that fit together; what comes after them is not even written."""
    shown: list[str] = []
    for text in texts:
        budget -= _length(text)
        if budget < 0:
            break
        shown.append(text)
    return shown


def _length(text: str) -> int:
    """In UTF-16 units, as GitHub may count: never less than characters. Two are for the blank line after it."""
    # "utf-16-le" would do without a mark in front, and is imported from disk, where a user's code may have been.
    return len(text.encode("utf-16", "surrogatepass")) // 2 - 1 + 2


# --- what a section lists --------------------------------------------------------------------------------------------


def _others(verdict: Verdict) -> Iterator[MetricSummary]:
    """The metrics that no check is about."""
    checked = {check.metric for check in verdict.checks}
    return (summary for summary in verdict.metrics if summary.metric not in checked)


def _is_limited(check: Check) -> bool:
    """Whether the dataset is too small for the margin, or left the check open."""
    if check.smallest_detectable is None or check.limit is None or check.reason not in words.COMPARED:
        return False
    return check.status is Status.UNDECIDED or check.limit < check.smallest_detectable


def _spreads(verdict: Verdict, checks: Sequence[Check]) -> Iterator[tuple[str, str]]:
    """What the rates that have a bound may be on other datapoints of the kind, by metric."""
    summaries = {summary.metric: summary for summary in verdict.metrics}
    for check in checks:
        summary = summaries.get(check.metric)
        if check.rule in (Rule.MIN, Rule.MAX) and summary and check.metric != ERRORS:
            said = words.spread(check, summary.lower, summary.upper)
            if said:
                yield check.metric, said


def _urgent(verdict: Verdict, checks: Sequence[Check]) -> Check | None:
    """The check whose advice stands in the open: the one that makes the verdict what it is."""
    if verdict.verdict is Status.PASSED:
        return None
    return next((c for c in checks if c.gating and c.status is verdict.verdict and advice.way_out(c)), None)


def _advice(checks: Sequence[Check]) -> dict[str, list[str]]:
    """What to do, and about which metrics."""
    found: dict[str, list[str]] = {}
    for check in checks:
        if said := advice.of(check):
            found.setdefault(said, []).append(check.metric)
    return {said: list(dict.fromkeys(metrics))[:_LINES] for said, metrics in found.items()}
