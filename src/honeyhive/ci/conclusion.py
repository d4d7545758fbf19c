"""The very end of a command: the lines that say what was found, the annotations, the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from honeyhive.ci.commands import Annotation, Level, error_annotation
from honeyhive.ci.pipeline import Judged
from honeyhive.documents import neutralise
from honeyhive.errors import Cancelled, HoneyHiveError, NoDecisionError, ReportingError, StoreError
from honeyhive.gate import words
from honeyhive.gate.broken import Broken, Skipped, verdict_of
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.headline import by_weight, headline
from honeyhive.gate.templating import WORST_FIRST
from honeyhive.gate.verdict import Policies, Policy, Verdict


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What is left to do at the very end: lines to print, annotations to set, the code to exit with."""

    lines: tuple[str, ...]
    annotations: tuple[Annotation, ...]
    exit_code: int


def overall(judged: Sequence[Judged]) -> str:
    """The job's verdict in one word: the worst of its experiments."""
    verdicts = {verdict_of(item.finding) for item in judged}
    return next(verdict for verdict in WORST_FIRST if verdict in verdicts)


def exit_code(judged: Sequence[Judged]) -> int:
    """The job's exit code: a signal first, then what is wrong or broken, then the verdicts."""
    codes = {item.finding.exit_code for item in judged}
    signals = [code for code in codes if code > 128]
    if signals:
        return signals[0]
    unknown = HoneyHiveError.exit_code if any(codes) else 0  # a code that nobody planned for is no success
    return next((code for code in (HoneyHiveError.exit_code, 2, 3, 1, 4) if code in codes), unknown)


def conclude(
    judged: Sequence[Judged],
    policies: Policies,
    problems: Sequence[ReportingError] = (),
    *,
    strict: bool = False,
    places: Sequence[Annotation] = (),
) -> Conclusion:
    """What to print last, and the exit code.

    Of the problems with telling it, only a baseline that was not saved fails a job that is good, or with `strict` any.
    `places` are annotations on lines of the repository.
    """
    code = exit_code(judged)
    # One line says why a job is red: the verdict, or else the first problem that fails it.
    fatal = [problem for problem in problems if not code and (strict or isinstance(problem, StoreError))][:1]
    annotations = [*places, *_open_questions(judged), *(_told(problem, fatal=problem in fatal) for problem in problems)]
    if code:
        annotations.append(_main_error(judged, policies, code))
    elif fatal:
        code = ReportingError.exit_code
    return Conclusion(lines=tuple(_lines(judged)), annotations=tuple(annotations), exit_code=code)


def cancelled(judged: Sequence[Judged], error: Cancelled) -> Conclusion:
    """What to print last where the job was stopped after it had been judged, and before all was told."""
    message = f"{error.message}, judged ({overall(judged)}) but not told everywhere — the report folder has it"
    line = Annotation(level=Level.ERROR, title=error.title, message=message)
    return Conclusion(lines=tuple(_lines(judged)), annotations=(line,), exit_code=error.exit_code)


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
    guilty = [item for item in judged if item.finding.exit_code == code]
    first, more = guilty[0].finding, len(guilty) - 1
    rest = f" (and {more} more)" if more else ""
    if isinstance(first, Broken):
        hint = f" — {first.hint}" if first.hint else ""
        message = f"{first.experiment}: {first.message}{hint}{rest}"
        return Annotation(level=Level.ERROR, title=first.title, message=message, file=first.file, line=first.line)
    assert isinstance(first, Verdict)  # noqa: S101 - what was skipped has no code of its own
    check = by_weight([check for check in first.checks if check.gating and _decides(check, policies, code)])[0]
    why = f" — {guilty[0].commonest_error}" if guilty[0].commonest_error else ""
    message = f"{first.experiment}: {_said(check)}{why}{rest}"
    return Annotation(level=Level.ERROR, title=_title(check, code), message=message)


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


def _told(problem: ReportingError, *, fatal: bool) -> Annotation:
    said = error_annotation(problem)
    return said if fatal else Annotation(level=Level.WARNING, title=said.title, message=said.message)
