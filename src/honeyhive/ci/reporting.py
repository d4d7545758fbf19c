"""What was found as text: the comment, and the JSON; of runs that are there as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from honeyhive.ci.cases import make_case
from honeyhive.ci.pipeline import Judged
from honeyhive.ci.runs import read_baseline, read_whole_run
from honeyhive.ci.settings import Settings
from honeyhive.documents import Malformed, load_json
from honeyhive.errors import InputError
from honeyhive.gate.broken import Finding, Skipped
from honeyhive.gate.report import Context, Dataset, Evidence, render
from honeyhive.gate.verdict import Verdict, judge
from honeyhive.gate.verdict_json import from_json, to_json
from honeyhive.result import Failed, Outcome
from honeyhive.runfile import read_run

REPORT_DIR = "honeyhive-report"
COMMENT, COMPARISON = "comment.md", "comparison.json"


def judge_files(candidate: Path, baseline: Path, settings: Settings) -> Judged:
    """Two run files judged by the settings, as `compare` does it.

    Raises `RunFileError` where the candidate is not whole, `NoDecisionError` where the baseline is not.
    """
    run, held_against = read_whole_run(candidate), read_baseline(baseline).run
    config = settings.experiment_of(run)
    name = run.name or config.name
    case = make_case(name, run, held_against, thresholds=config.parsed_thresholds(), settings=settings)
    return Judged(
        config=config, finding=judge([case])[0], folder=candidate.parent, run_file=candidate, baseline_file=baseline
    )


def comment(judged: Sequence[Judged], settings: Settings, *, with_evidence: bool = True) -> str:
    """The comment on all experiments; its evidence is read from the run files."""
    evidence = {
        item.finding.experiment: gather_evidence(item.finding, item.run_file, item.baseline_file)
        for item in judged
        if isinstance(item.finding, Verdict) and with_evidence
    }
    datasets = {item.finding.experiment: Dataset(path=item.config.dataset) for item in judged if item.config.dataset}
    context = Context(judged_by=settings.config_file or "the flags given", datasets=datasets)
    return render([item.finding for item in judged], evidence=evidence, context=context)


def comment_of_json(comparison: Path, candidate: Path | None, baseline: Path | None) -> str:
    """The comment on a comparison that was written as JSON before."""
    try:
        data = load_json(comparison.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(comparison)) from error
    except (Malformed, UnicodeDecodeError) as error:
        raise InputError(
            f"not JSON: {error}", file=str(comparison), hint="honeyhive compare --json writes it"
        ) from error
    verdict = from_json(data)
    evidence = gather_evidence(verdict, candidate, baseline) if candidate else {}
    return render([verdict], evidence={verdict.experiment: evidence}, context=Context())


def gather_evidence(verdict: Verdict, candidate: Path, baseline: Path | None) -> dict[str, Evidence]:
    """What both runs hold of the datapoints that the verdict names, and of those that went wrong."""
    wanted = {change.datapoint_id for change in verdict.changes}
    wanted |= {place.datapoint_id for check in verdict.checks for place in check.not_passed}
    ours = _outcomes_of(candidate, wanted, errors=20)
    theirs = _outcomes_of(baseline, wanted | ours.keys(), errors=0) if baseline else {}
    return {datapoint_id: _evidence(outcome, theirs.get(datapoint_id)) for datapoint_id, outcome in ours.items()}


def _outcomes_of(path: Path, wanted: set[str], *, errors: int) -> dict[str, Outcome]:
    """The first outcome of each wanted datapoint, and the first few that failed."""
    found: dict[str, Outcome] = {}
    for outcome in read_run(path).outcomes:
        failed = isinstance(outcome, Failed) or bool(outcome.faults)
        if outcome.datapoint_id not in found and (outcome.datapoint_id in wanted or (failed and errors > 0)):
            errors -= failed
            found[outcome.datapoint_id] = outcome
    return found


def _evidence(candidate: Outcome, baseline: Outcome | None) -> Evidence:
    return Evidence(
        datapoint_id=candidate.datapoint_id,
        line=candidate.line,
        inputs=candidate.inputs,
        ground_truth=candidate.ground_truth,
        candidate_output=_output(candidate),
        baseline_output=_output(baseline) if baseline else None,
        candidate_error=_error(candidate),
        baseline_error=_error(baseline) if baseline else None,
    )


def _output(outcome: Outcome) -> Any:
    return None if isinstance(outcome, Failed) else outcome.output


def _error(outcome: Outcome) -> str | None:
    if isinstance(outcome, Failed):
        return str(outcome.fault)
    return "; ".join(f"{metric}: {fault}" for metric, fault in outcome.faults.items()) or None


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as JSON: the verdict, or why there is none."""
    if isinstance(finding, Verdict):
        return to_json(finding)
    if isinstance(finding, Skipped):
        return {"schema": 1, "verdict": "skipped", "experiment": finding.experiment, "reason": finding.reason}
    return {
        "schema": 1,
        "verdict": "broken",
        "experiment": finding.experiment,
        "reason": finding.message,
        "hint": finding.hint,
        "expected": finding.expected,
        "finished": finding.finished,
        "exit_code": finding.exit_code,
    }


def json_text(finding: Finding) -> str:
    """A finding as JSON text."""
    return json.dumps(finding_json(finding), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
