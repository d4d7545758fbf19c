"""A `Report` as JSON text, and back: what a job that may not comment hands on to one that may.

All of the text may be forged, so what can be checked is: sizes, names, finite numbers, a verdict that is what its
checks come to. No address is written, and none is read: who posts the report knows where things are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from honeyhive.ci.config import ExperimentName
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.documents import Malformed, compact_json, load_json, plain, shown
from honeyhive.errors import InputError, ReportingError
from honeyhive.gate.broken import Broken, Finding, Skipped, verdict_of
from honeyhive.gate.evidence import Evidence, select, text_of
from honeyhive.gate.markdown import elided
from honeyhive.gate.report import Context, Dataset
from honeyhive.gate.verdict import Verdict, overall
from honeyhive.gate.verdict_json import from_json, to_json

SCHEMA = 1
MOST_BYTES = 8 * 2**20
LONGEST_TEXT = 10_000
"""The comment shows less of any text than this, however long it is."""
MOST_ITEMS = 20_000
"""No list of ours is longer: the changes of a hundred metrics are half of it."""
MOST_LISTS = 100_000
"""Nor are there more lists and mappings in all: so many changes have as many bytes as there may be."""
MOST_FINDINGS, MOST_FILES, MOST_LINES = 100, 500, 100
_LONGEST_LINE, _LONGEST_NAME, _GREATEST = 1_000, 2_000, 1e100

_FILE = r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99}/)?(comparison\.json|comment\.md|run(\.spans)?\.jsonl)$"
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Line = Annotated[str, Field(max_length=_LONGEST_LINE)]
_Name = Annotated[str, Field(max_length=_LONGEST_NAME)]
_Id = Annotated[int, Field(ge=1)]
_Model = TypeVar("_Model")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Listed(_Part):
    """A file that belongs to the report: its path in the folder, and what it holds."""

    path: str = Field(pattern=_FILE)
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Origin(_Part):
    repository: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")
    repository_id: _Id | None = None
    number: _Id | None = None
    head: str | None = Field(None, pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")
    event: _Name = ""
    run_id: _Id | None = None
    attempt: _Id = 1
    workflow: _Name = ""
    job: _Name = ""
    key: _Name = ""


class _Context(_Part):
    judged_by: _Line
    judged_at: _Line | None = None
    datasets: dict[ExperimentName, _Line] = Field(default_factory=dict, max_length=MOST_FINDINGS)
    own_gate: tuple[_Line, ...] = Field((), max_length=MOST_LINES)
    label: _Line = ""
    notes: tuple[_Line, ...] = Field((), max_length=MOST_LINES)


class _Evidence(_Part):
    """`Evidence` as texts: nobody but a reader looks at them."""

    datapoint_id: _Text
    line: Annotated[int, Field(ge=1)] | None = None
    inputs: _Text | None = None
    ground_truth: _Text | None = None
    candidate_output: _Text | None = None
    baseline_output: _Text | None = None
    candidate_error: _Text | None = None
    baseline_error: _Text | None = None


class Document(_Part):
    """The report as it is written."""

    schema_: int = Field(alias="schema", ge=1)
    origin: _Origin
    context: _Context
    findings: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=MOST_FINDINGS)
    evidence: dict[ExperimentName, tuple[_Evidence, ...]] = Field(default_factory=dict, max_length=MOST_FINDINGS)
    files: tuple[Listed, ...] = Field((), max_length=MOST_FILES)


# --- writing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Detail:
    """How much is written: texts of the datapoints up to `texts` characters, the changes by datapoint or not."""

    texts: int
    changes: bool = True


_DETAILS = (_Detail(texts=LONGEST_TEXT), _Detail(texts=1_500), _Detail(texts=0), _Detail(texts=0, changes=False))


def report_text(report: Report, files: Sequence[Listed]) -> str:
    """The report as JSON text that `parse_report` reads; `ReportingError` where it cannot be made small enough.

    Datapoints that no comment shows are left out, texts are cut where no comment goes on.
    """
    for detail in _DETAILS:
        text = json.dumps(_document(report, files, detail), ensure_ascii=False, indent=1, allow_nan=False)
        encoded = text.encode("utf-8", "replace")
        if len(encoded) <= MOST_BYTES:
            return encoded.decode("utf-8")
    raise ReportingError(
        f"the report has {len(encoded):,} bytes, and may have {MOST_BYTES:,}", hint="run fewer experiments in one job"
    )


def _document(report: Report, files: Sequence[Listed], detail: _Detail) -> dict[str, Any]:
    context = report.context
    said = {
        "judged_by": context.judged_by,
        "judged_at": context.judged_at,
        "datasets": {name: dataset.path for name, dataset in context.datasets.items()},
        "own_gate": context.own_gate[:MOST_LINES],
        "label": context.label,
        "notes": context.notes[:MOST_LINES],
    }
    return {
        "schema": SCHEMA,
        "origin": _cut(asdict(report.origin), _LONGEST_NAME),
        "context": _cut(said, _LONGEST_LINE),
        "findings": [_cut(_finding(finding, detail), LONGEST_TEXT) for finding in report.findings],
        "evidence": dict(_evidence(report, detail)) if detail.texts else {},
        "files": [file.model_dump() for file in files],
    }


def _finding(finding: Finding, detail: _Detail) -> dict[str, Any]:
    if not isinstance(finding, Verdict):
        return {"verdict": verdict_of(finding), **asdict(finding)}
    data = to_json(finding if detail.changes else replace(finding, changes=()))
    for side in (data["candidate"], data["baseline"]):
        if side and not _is_commit(side["commit"]):
            side["commit"] = None
    return data


def _is_commit(found: str | None) -> bool:
    """Whether it may become a part of an address; a run file may say anything."""
    return found is None or _COMMIT.fullmatch(found) is not None


def _cut(value: Any, longest: int) -> Any:
    """The value with every text in it, and every list, as long as they may be."""
    if isinstance(value, str):
        return elided(value, longest)
    if isinstance(value, Mapping):
        return {elided(key, longest): _cut(item, longest) for key, item in list(value.items())[:MOST_ITEMS]}
    if isinstance(value, list | tuple):
        return [_cut(item, longest) for item in value[:MOST_ITEMS]]
    return value


def _evidence(report: Report, detail: _Detail) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    for finding in report.findings:
        known = report.evidence.get(finding.experiment, {})
        if isinstance(finding, Verdict) and known:
            exhibits = select(finding, known)
            shown_ids = {row.datapoint_id for row in (*exhibits.in_full, *exhibits.better)}
            yield finding.experiment, [_texts(found, detail) for key, found in known.items() if key in shown_ids]


def _texts(found: Evidence, detail: _Detail) -> dict[str, Any]:
    shown_as = {"datapoint_id": elided(found.datapoint_id, LONGEST_TEXT), "line": found.line}
    return {name: shown_as[name] if name in shown_as else _text(value, detail) for name, value in vars(found).items()}


def _text(value: Any, detail: _Detail) -> str | None:
    return None if value is None else elided(text_of(plain(value)), detail.texts)


# --- reading ---------------------------------------------------------------------------------------------------------


def parse_report(text: str) -> tuple[Report, tuple[Listed, ...]]:
    """The report that `report_text` wrote, and the files that belong to it; `InputError` for anything else.

    Unknown keys are ignored; a newer schema is refused.
    """
    try:
        data = load_json(text)
    except Malformed as error:
        raise _refused(f"not JSON: {error}", line=error.line, column=error.column) from error
    _refuse_excess(data)
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(
            f"the report has schema {schema}, this version reads up to {SCHEMA}",
            hint="let both workflows use the same version of the action",
        )
    document = _validated(TypeAdapter(Document), data, "report")
    findings = tuple(_to_finding(item) for item in document.findings)
    _refuse_twins(findings)
    return _report(document, findings), document.files


def _report(document: Document, findings: tuple[Finding, ...]) -> Report:
    datasets = {name: Dataset(path=path) for name, path in document.context.datasets.items()}
    return Report(
        findings=findings,
        evidence={
            name: {one.datapoint_id: Evidence(**one.model_dump()) for one in found}
            for name, found in document.evidence.items()
        },
        context=Context(**document.context.model_dump() | {"datasets": datasets}),
        origin=Origin(**document.origin.model_dump()),
    )


def _refuse_excess(data: Any) -> None:
    """Refuse longer texts and lists than any of ours, more of them, and numbers that none can be computed with."""
    waiting, lists = [data], 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise _refused(f"a text of {len(value):,} characters, where {LONGEST_TEXT:,} are the most: {shown(value)}")
        if isinstance(value, float) and abs(value) > _GREATEST:
            raise _refused(f"a number beyond ±{_GREATEST}: {value}")
        if isinstance(value, dict | list):
            lists += 1
            if len(value) > MOST_ITEMS:
                raise _refused(f"a list of {len(value):,} items, where {MOST_ITEMS:,} are the most")
            waiting += [*value, *value.values()] if isinstance(value, dict) else value
        if lists > MOST_LISTS:
            raise _refused(f"more than {MOST_LISTS:,} lists")


def _to_finding(data: dict[str, Any]) -> Finding:
    match data.get("verdict"):
        case "broken":
            finding: Finding = _validated(TypeAdapter(Broken), data, "broken")
        case "skipped":
            finding = _validated(TypeAdapter(Skipped), data, "skipped")
        case _:
            finding = _to_verdict(data)
    _validated(TypeAdapter(ExperimentName), finding.experiment, "experiment")
    return finding


def _to_verdict(data: dict[str, Any]) -> Verdict:
    verdict = from_json(data)
    if verdict.verdict is not overall(verdict.checks):
        raise _refused(
            f"the verdict on {shown(verdict.experiment)} is {verdict.verdict.value}, and its checks do not say so"
        )
    if not all(0 <= p <= 1 for check in verdict.checks for p in (check.p, check.p_adjusted) if p is not None):
        raise _refused(f"a probability of {shown(verdict.experiment)} is not between 0 and 1")
    for side in (verdict.candidate, verdict.baseline):
        if side and not _is_commit(side.commit):
            raise _refused(f"{shown(side.commit or '')} is no commit")
    return verdict


def _refuse_twins(findings: Sequence[Finding]) -> None:
    names = [finding.experiment for finding in findings]
    for name in names:
        if names.count(name) > 1:
            raise _refused(f"two findings on {shown(name)}")


def _validated(adapter: TypeAdapter[_Model], data: Any, what: str) -> _Model:
    """`data` as what the adapter reads: by way of text, where lists are taken for tuples, and no text for a number."""
    try:
        return adapter.validate_json(compact_json(data), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        said = fault["msg"][0].lower() + fault["msg"][1:]
        raise _refused(f"{what}{'.' if place else ''}{shown(place)[1:-1]}: {said}") from error


def _refused(message: str, *, line: int | None = None, column: int | None = None) -> InputError:
    return InputError(message, line=line, column=column, hint="honeyhive gate writes it, and nothing else should")
