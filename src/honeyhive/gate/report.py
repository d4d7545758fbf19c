"""Verdicts as the comment on a pull request: the sentence, the table, and folded the evidence and the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from honeyhive.gate import words
from honeyhive.gate.checks import Check, Rule, Status
from honeyhive.gate.evidence import Evidence, Exhibits, select
from honeyhive.gate.headline import by_weight
from honeyhive.gate.templating import TEMPLATES
from honeyhive.gate.verdict import MetricSummary, Verdict

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
    verdicts: Sequence[Verdict], *, evidence: Mapping[str, Mapping[str, Evidence]], context: Context | None = None
) -> str:
    """The whole comment, in at most `MOST_CHARACTERS`: what failed first, one section an experiment.

    `evidence` goes by experiment and datapoint. Where it gets too long, whole parts are left out, of what passed
    before what failed: the texts in full, then the datapoints, then the other folded parts, then all but the most
    important checks, then all but the headings, and last the experiments at the end.
    """
    context = context or Context()
    ordered = sorted(verdicts, key=lambda verdict: _ORDER.index(verdict.verdict))
    sections = [_Section(v, select(v, evidence.get(v.experiment, {})), context, len(ordered) == 1) for v in ordered]
    frame = partial(TEMPLATES["comment.md.j2"].render, verdicts=ordered, context=context, left_out=0, shortened=True)
    budget = MOST_CHARACTERS - _length(frame(sections=[], left_out=1))
    shown, shortened = _fitted(sections, budget)
    return frame(sections=shown, left_out=len(sections) - len(shown), shortened=shortened)


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


@dataclass(frozen=True)
class _Section:
    """One experiment's part of the comment, in as much detail as there is room for."""

    verdict: Verdict
    exhibits: Exhibits
    context: Context
    alone: bool

    def at(self, detail: _Detail) -> str:
        checks = by_weight(self.verdict.checks)
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
                others=list(_others(self.verdict))[:_LINES],
                powers=[check for check in checks if _is_limited(check)][:_LINES],
                advice=list(_advice(checks).items())[:_LINES],
                warnings=self.verdict.warnings[:_LINES],
                more_warnings=len(self.verdict.warnings[_LINES:]),
            )
            .strip()
        )


def _fitted(sections: Sequence[_Section], budget: int) -> tuple[list[str], bool]:
    """The sections as text, and whether anything had to go."""
    shown = [section.at(_DETAILS[0]) for section in sections]
    lengths = [_length(text) + 2 for text in shown]
    steps = ((detail, at) for detail in _DETAILS[1:] for at in reversed(range(len(sections))))
    shortened = False
    while sum(lengths) > budget:
        shortened = True
        step = next(steps, None)
        if step is None:
            shown.pop()
            lengths.pop()
            continue
        detail, at = step
        shown[at] = sections[at].at(detail)
        lengths[at] = _length(shown[at]) + 2
    return shown, shortened


def _length(text: str) -> int:
    """In UTF-16 units, as GitHub may count: never less than characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


# --- what a section lists --------------------------------------------------------------------------------------------


def _others(verdict: Verdict) -> Iterator[MetricSummary]:
    """The metrics that no check is about."""
    checked = {check.metric for check in verdict.checks}
    return (summary for summary in verdict.metrics if summary.metric not in checked)


def _is_limited(check: Check) -> bool:
    """Whether the dataset is too small for the margin, or left the check open."""
    if check.smallest_detectable is None or check.limit is None or check.rule in (Rule.MIN, Rule.MAX):
        return False
    return check.status is Status.UNDECIDED or check.limit < check.smallest_detectable


def _advice(checks: Sequence[Check]) -> dict[str, list[str]]:
    """What to do, and about which metrics."""
    advice: dict[str, list[str]] = {}
    for check in checks:
        if said := words.advice(check):
            advice.setdefault(said, []).append(check.metric)
    return {said: list(dict.fromkeys(metrics))[:_LINES] for said, metrics in advice.items()}
