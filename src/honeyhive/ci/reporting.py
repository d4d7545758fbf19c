"""What the gate found, told: the report folder, summary, outputs, the lines of the log and its annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from honeyhive.ci.commands import Annotation, Level, error_annotation
from honeyhive.ci.pipeline import Edge, Judged, experiment_folder, make_case, relative, run_file
from honeyhive.ci.publish import append_outputs, append_summary, write_file, write_json
from honeyhive.ci.runs import read_baseline, read_whole_run
from honeyhive.ci.settings import Settings
from honeyhive.documents import Malformed, load_json, neutralise
from honeyhive.errors import HoneyHiveError, InputError, NoDecisionError, ReportingError, RunFileError
from honeyhive.gate import words
from honeyhive.gate.broken import Broken, Finding, Skipped, verdict_of
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.headline import by_weight, headline
from honeyhive.gate.report import Context, Dataset, Evidence, render
from honeyhive.gate.verdict import Policies, Policy, Verdict, judge
from honeyhive.gate.verdict_json import from_json, to_json
from honeyhive.result import Failed, Outcome
from honeyhive.runfile import read_run, set_aside

REPORT_DIR = "honeyhive-report"
COMMENT, COMPARISON = "comment.md", "comparison.json"
SUMMARY_OUTPUT = 500_000
"""A job's outputs are at most 1 MB together: a longer summary goes without its `changes`, which the report has."""


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What is left to do at the very end: lines to print, annotations to set, the code to exit with."""

    lines: tuple[str, ...]
    annotations: tuple[Annotation, ...]
    exit_code: int


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


# --- writing it down -------------------------------------------------------------------------------------------------


def begin(settings: Settings, report_dir: Path) -> None:
    """Take away what an earlier gate left: nothing old may look like the answer of this one. Its runs are set aside."""
    clear(report_dir, *(experiment_folder(report_dir, config, settings) for config in settings.experiments))


def clear(report_dir: Path, *folders: Path) -> None:
    """Do it for some folders; `InputError` where something is in the way."""
    try:
        for folder in dict.fromkeys((report_dir, *folders)):
            (folder / COMMENT).unlink(missing_ok=True)
            (folder / COMPARISON).unlink(missing_ok=True)
            set_aside(run_file(folder))
    except OSError as error:
        raise InputError(
            f"cannot be cleared for a new report: {error.strerror}", file=str(report_dir), hint="move it away"
        ) from error


def publish(judged: Sequence[Judged], settings: Settings, edge: Edge) -> list[ReportingError]:
    """Write report, summary and outputs; each may fail alone, and none of them changes the verdict."""
    # What can be said without the run files is said even if somebody takes them away.
    text = comment(judged, settings, with_evidence=False)

    def add_evidence() -> None:
        nonlocal text
        for item in judged:
            if isinstance(item.finding, Verdict) and not item.is_as_judged:
                raise RunFileError("changed after it was judged", file=str(item.run_file), hint="see what writes to it")
        text = comment(judged, settings)

    steps: list[Callable[[], None]] = [
        add_evidence,
        lambda: write_file(edge.report_dir / COMMENT, text),
        *(lambda item=item: write_json(item.folder / COMPARISON, finding_json(item.finding)) for item in judged),
        lambda: append_summary(text, edge.environ),
        lambda: append_outputs(outputs(judged, edge), edge.environ),
    ]
    return [problem for step in steps if (problem := _attempted(step)) is not None]


def _attempted(step: Callable[[], None]) -> ReportingError | None:
    try:
        step()
    except ReportingError as error:
        return error
    except (OSError, InputError, RunFileError) as error:  # a run file may be another by now, or gone
        return ReportingError(f"the report cannot be written: {error}", hint="the verdict stands all the same")
    return None


def outputs(judged: Sequence[Judged], edge: Edge) -> dict[str, str]:
    """The outputs of the action."""
    summary = json.dumps([finding_json(item.finding) for item in judged], ensure_ascii=False, allow_nan=False)
    if len(summary) > SUMMARY_OUTPUT:
        summary = json.dumps([finding_json(item.finding) | {"changes": []} for item in judged], ensure_ascii=False)
    values = {
        "verdict": overall(judged),
        "passed": "true" if exit_code(judged) == 0 else "false",
        "summary": summary,
        "report-dir": _for_the_next_step(edge.report_dir, edge),
    }
    if len(judged) == 1:
        finding = judged[0].finding
        values["run-file"] = _for_the_next_step(judged[0].run_file, edge)
        values["run-id"] = finding.candidate.run_id if isinstance(finding, Verdict) else ""
        has_baseline = isinstance(finding, Verdict) and finding.baseline is not None
        values["baseline-run-id"] = finding.baseline.run_id if has_baseline else ""  # type: ignore[union-attr]  # has_baseline says so
    return values


def _for_the_next_step(path: Path, edge: Edge) -> str:
    """The path from the workspace on: the next step may see that in another place than a container does."""
    return str(relative(path, Path(edge.environ.get("GITHUB_WORKSPACE") or Path.cwd())))


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


# --- the end ---------------------------------------------------------------------------------------------------------


def overall(judged: Sequence[Judged]) -> str:
    """The job's verdict in one word: the worst of its experiments."""
    verdicts = {verdict_of(item.finding) for item in judged}
    return next(verdict for verdict in ("broken", "failed", "undecided", "passed", "skipped") if verdict in verdicts)


def exit_code(judged: Sequence[Judged]) -> int:
    """The job's exit code: a signal first, then what is wrong or broken, then the verdicts."""
    codes = {item.finding.exit_code for item in judged}
    signals = [code for code in codes if code > 128]
    if signals:
        return signals[0]
    unknown = HoneyHiveError.exit_code if any(codes) else 0  # a code that nobody planned for is no success
    return next((code for code in (HoneyHiveError.exit_code, 2, 3, 1, 4) if code in codes), unknown)


def conclude(judged: Sequence[Judged], policies: Policies, problems: Sequence[ReportingError] = ()) -> Conclusion:
    """What to print last, and the exit code."""
    code = exit_code(judged)
    annotations = [*_open_questions(judged), *(_warning(problem) for problem in problems)]
    if code:
        annotations.append(_main_error(judged, policies, code))
    return Conclusion(lines=tuple(_lines(judged)), annotations=tuple(annotations), exit_code=code)


def _lines(judged: Sequence[Judged]) -> Iterator[str]:
    for item in judged:
        finding = item.finding
        if isinstance(finding, Broken):
            yield neutralise(f"BROKEN     {finding.experiment}: {finding.message}")
            for detail in finding.details:
                yield neutralise(f"           {detail}")
            continue
        if isinstance(finding, Skipped):
            yield neutralise(f"SKIPPED    {finding.experiment}: {finding.reason}")
            continue
        yield neutralise(f"{finding.verdict.value.upper():<10} {finding.experiment}: {headline(finding)}")
        for check in finding.checks:
            yield neutralise(f"  {check.message}")
        for advice in dict.fromkeys(check.advice for check in finding.checks if check.advice):
            yield neutralise(f"  → {advice}")
        for warning in finding.warnings:
            yield neutralise(f"  note: {warning}")


def _open_questions(judged: Sequence[Judged]) -> Iterator[Annotation]:
    """What was left undecided: a warning where the change looks worse or nothing could be compared, else a note."""
    for item in judged:
        if isinstance(item.finding, Verdict):
            for check in item.finding.checks:
                if check.status is Status.UNDECIDED or (check.status is Status.FAILED and not check.gating):
                    level = Level.NOTICE if check.reason is Reason.LOW_POWER else Level.WARNING
                    yield Annotation(level=level, title=item.finding.experiment, message=_said(check))


def _main_error(judged: Sequence[Judged], policies: Policies, code: int) -> Annotation:
    """The one line that says why the job is red."""
    guilty = [item.finding for item in judged if item.finding.exit_code == code]
    first, more = guilty[0], len(guilty) - 1
    rest = f" (and {more} more)" if more else ""
    if isinstance(first, Broken):
        hint = f" — {first.hint}" if first.hint else ""
        message = f"{first.experiment}: {first.message}{hint}{rest}"
        return Annotation(level=Level.ERROR, title=first.title, message=message, file=first.file, line=first.line)
    assert isinstance(first, Verdict)  # noqa: S101 - what was skipped has no code of its own
    check = by_weight([check for check in first.checks if check.gating and _decides(check, policies, code)])[0]
    return Annotation(level=Level.ERROR, title=_title(check, code), message=f"{first.experiment}: {_said(check)}{rest}")


def _title(check: Check, code: int) -> str:
    if code != 1:
        return NoDecisionError.title
    if check.reason in (Reason.MISSING_METRIC, Reason.NO_DATA):
        return "Nothing to judge by"
    if check.rule is Rule.MUST_PASS:
        return "Must-pass datapoints failed"
    return "Not shown to hold" if words.unproven(check) else "Worse than allowed"


def _decides(check: Check, policies: Policies, code: int) -> bool:
    if code == 1:
        return check.status is Status.FAILED
    return check.status is Status.UNDECIDED and policies.on(check.reason) is Policy.FAIL


def _said(check: Check) -> str:
    return f"{check.message} — {check.advice}" if check.advice else check.message


def _warning(problem: ReportingError) -> Annotation:
    said = error_annotation(problem)
    return Annotation(level=Level.WARNING, title=said.title, message=said.message)
