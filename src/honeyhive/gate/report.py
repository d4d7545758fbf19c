"""Verdicts as the comment on a pull request: the sentence, the table, and folded the evidence and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from honeyhive.gate import advice, words
from honeyhive.gate.broken import Broken, Finding, Skipped, verdict_of
from honeyhive.gate.checks import Check, Rule, Status
from honeyhive.gate.custom import FOLDS, FOOTER, OPEN
from honeyhive.gate.evidence import Evidence, Exhibits, select
from honeyhive.gate.headline import by_weight
from honeyhive.gate.removals import removals
from honeyhive.gate.shortening import Part, length, shortened
from honeyhive.gate.templating import TEMPLATES, WORST_FIRST, written
from honeyhive.gate.verdict import MetricSummary, Verdict, policy_on
from honeyhive.result import ERRORS

__all__ = ["MOST_CHARACTERS", "Context", "Dataset", "Evidence", "Part", "part", "render"]

MOST_CHARACTERS = 65_000
"""GitHub refuses a comment of more than 65,536 characters; the rest is for whoever adds a marker to it."""

_LINES = 20
"""How many notes of a kind are listed."""
_CHECKS = 100
_TEXTS = 30_000
"""How much there may be of what datapoints say in full."""


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
    about the rules that judge it. `label` tells jobs apart that judge the same experiments, such as those of a matrix.
    `notes` are said in the open. `blocks` is what a template of the user's says in place of ours, by experiment and
    block; where an experiment is in it, nothing else is said of that but its heading and what is in the open.
    """

    judged_by: str = "honeyhive.yml"
    judged_at: str | None = None
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    commit_url: str | None = None
    report_url: str | None = None
    attempt: int | None = None
    own_gate: Sequence[str] = ()
    label: str = ""
    notes: Sequence[str] = ()
    blocks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def render(
    findings: Sequence[Finding], *, evidence: Mapping[str, Mapping[str, Evidence]], context: Context | None = None
) -> str:
    """The whole comment, in at most `MOST_CHARACTERS`: what is broken or failed first, one section an experiment.

    `evidence` goes by experiment and datapoint. Where it gets too long, it is shortened.
    """
    context = context or Context()
    ordered = sorted(findings, key=lambda finding: WORST_FIRST.index(verdict_of(finding)))
    verdicts = [verdict_of(finding) for finding in ordered]
    parts = [part(finding, evidence.get(finding.experiment, {}), context) for finding in ordered]

    def write(shown: Sequence[Part | None]) -> str:
        sections = [one for one in shown if one is not None and one.head]
        values = {
            "several": len(ordered) != 1,
            "verdicts": verdicts,
            "sections": sections,
            "left_out": len(ordered) - len(sections),
            "shortened": len(sections) < len(ordered) or not all(one.whole for one in sections),
            "context": context,
        }
        return written("comment", values)

    parted = list(zip(verdicts, parts, strict=True))
    return shortened(parted, write, lambda text: length(text) < MOST_CHARACTERS) + "\n"


def part(finding: Finding, evidence: Mapping[str, Evidence], context: Context) -> Part:
    """The section on one experiment; `evidence` goes by datapoint."""
    head = written("head", {"finding": finding, "context": context})
    theirs = context.blocks.get(finding.experiment)
    if theirs is not None:
        said = written("footer", _seen(finding, evidence, context), "said")
        opened = [theirs.get(name, "") for name in OPEN] + [said, theirs.get(FOOTER, "")]
        folds = tuple(theirs[name] for name in FOLDS if theirs.get(name))
        return Part(head=head, body="\n\n".join(filter(None, opened)), folds=folds)
    values = _seen(finding, evidence, context)
    folds = tuple(_folds(values).values()) if isinstance(finding, Verdict) else ()
    return Part(head=head, body=written(_template(finding), values), folds=folds)


def blocks(finding: Finding, evidence: Mapping[str, Evidence], context: Context) -> dict[str, str]:
    """What we say below the heading of an experiment, by the names under which a template may say it otherwise."""
    values, template = _seen(finding, evidence, context), _template(finding)
    opened = {name: written(template, values, name) for name in OPEN if name in TEMPLATES[f"{template}.md.j2"].blocks}
    folds = _folds(values) if isinstance(finding, Verdict) else {}
    return opened | {FOOTER: written("footer", values, FOOTER)} | folds


def _template(finding: Finding) -> str:
    return verdict_of(finding) if isinstance(finding, Broken | Skipped) else "verdict"


def _seen(finding: Finding, evidence: Mapping[str, Evidence], context: Context) -> dict[str, Any]:
    if isinstance(finding, Verdict):
        return _values(finding, select(finding, evidence), context)
    return {"finding": finding, "context": context, "candidate": None}


def _values(verdict: Verdict, exhibits: Exhibits, context: Context) -> dict[str, Any]:
    """What the templates show of a verdict."""
    checks = by_weight(verdict.checks)
    urgent, advised = _urgent(verdict, checks), _advice(checks)
    return {
        "finding": verdict,
        "candidate": verdict.candidate,
        "baseline": verdict.baseline,
        "exhibits": exhibits,
        "context": context,
        "dataset": context.datasets.get(verdict.experiment),
        "checks": checks[:_CHECKS],
        "more_checks": len(checks[_CHECKS:]),
        "urgent": urgent,
        "policies": list(dict.fromkeys(policy_on(c.reason) for c in checks if c.status is Status.UNDECIDED)),
        "urgent_for": advised.pop(advice.of(urgent)) if urgent else [],
        "others": list(_others(verdict))[:_LINES],
        "removals": removals(verdict),
        "powers": [check for check in checks if _is_limited(check)][:_LINES],
        "spreads": list(_spreads(verdict, checks))[:_LINES],
        "repeated": [summary for summary in verdict.metrics if summary.all_passed is not None][:_LINES],
        "advice": list(advised.items())[:_LINES],
        "flaky": [check for check in checks if check.flaky][:_LINES],
        "warnings": verdict.warnings[:_LINES],
        "more_warnings": len(verdict.warnings[_LINES:]),
    }


_HAS_SOMETHING: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "datapoints": lambda values: values["exhibits"].any,
    "removals": lambda values: values["removals"] is not None,
    "metrics": lambda values: bool(values["others"]),
    "power": lambda values: bool(values["powers"] or values["spreads"] or values["repeated"]),
    "advice": lambda values: bool(values["advice"]),
    "notes": lambda values: bool(values["warnings"] or values["flaky"]),
}
"""The folded texts in their order, and whether there is anything in them."""


def _folds(values: Mapping[str, Any]) -> dict[str, str]:
    folds = {name: written(name, values) for name, has_something in _HAS_SOMETHING.items() if has_something(values)}
    rows = [row for row in values["exhibits"].in_full if row.at_length]
    texts = _fitting(written("texts", {"row": row, "baseline": values["baseline"]}) for row in rows)
    if texts:
        folds["in_full"] = written("in_full", {"texts": texts, "more_texts": len(rows) - len(texts)})
    return folds


def _fitting(texts: Iterable[str]) -> list[str]:
    """The first texts that fit together; what comes after them is not even written."""
    shown: list[str] = []
    room = _TEXTS
    for text in texts:
        room -= length(text)
        if room < 0:
            break
        shown.append(text)
    return shown


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
