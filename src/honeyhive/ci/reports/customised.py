"""A report in the words of the user's template: what that is told of each experiment, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from honeyhive.ci.reporting import finding_json
from honeyhive.ci.reports.report import Report
from honeyhive.ci.template import Template
from honeyhive.gate.broken import Finding
from honeyhive.gate.evidence import Evidence, Exhibit, select
from honeyhive.gate.markdown import elided
from honeyhive.gate.report import Context, blocks
from honeyhive.gate.verdict import Verdict

_LONGEST_TEXT, _MOST_CHANGES = 4_000, 1_000
_SHOWN = ("not_passed", "worse", "better", "erred")
_SAID = ("judged_by", "judged_at", "commit_url", "report_url", "attempt", "label")


def customised(report: Report, template: Template) -> Report:
    """The report as the template says it; as it was, with a note of that, where it cannot be used."""
    if template.name is None:
        return report
    said = template.blocks([_asked(finding, report) for finding in report.findings])
    if said is None:
        return replace(report, context=replace(report.context, notes=(*report.context.notes, template.note)))
    theirs = dict(zip((finding.experiment for finding in report.findings), said, strict=True))
    return replace(report, context=replace(report.context, blocks=theirs))


def _asked(finding: Finding, report: Report) -> dict[str, Any]:
    """What we say of an experiment, and what we say that of."""
    context, evidence = report.context, report.evidence.get(finding.experiment, {})
    found = finding_json(finding)
    values = {
        # One that is broken or skipped has none of these: a template need not ask.
        "finding": {"checks": [], "metrics": [], "warnings": []}
        | found
        | {"changes": found.get("changes", [])[:_MOST_CHANGES]},
        "datapoints": _datapoints(finding, evidence),
        "context": _said(context, finding.experiment),
    }
    return {"ours": blocks(finding, evidence, context), "values": values}


def _said(context: Context, experiment: str) -> dict[str, Any]:
    dataset = context.datasets.get(experiment)
    return {name: getattr(context, name) for name in _SAID} | {"dataset": asdict(dataset) if dataset else None}


def _datapoints(finding: Finding, evidence: Mapping[str, Evidence]) -> dict[str, list[dict[str, Any]]]:
    """The datapoints that the comment shows, by why it does."""
    if not isinstance(finding, Verdict):
        return {name: [] for name in _SHOWN}
    exhibits = select(finding, evidence)
    return {name: [_bounded(exhibit) for exhibit in getattr(exhibits, name)] for name in _SHOWN}


def _bounded(exhibit: Exhibit) -> dict[str, Any]:
    said = asdict(exhibit)
    return {key: elided(value, _LONGEST_TEXT) if isinstance(value, str) else value for key, value in said.items()}
