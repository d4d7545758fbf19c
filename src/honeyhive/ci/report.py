"""The report as one value: everything that comment, summary and publishing need, made once by the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from honeyhive.gate.broken import Finding
from honeyhive.gate.report import Context, Evidence


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which job of which change the report is of. `key` tells the jobs of a matrix apart."""

    repository: str | None = None
    repository_id: int | None = None
    number: int | None = None
    head: str | None = None
    event: str = ""
    run_id: int | None = None
    attempt: int = 1
    workflow: str = ""
    job: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the gate found, with the datapoints that the comment shows, by experiment and datapoint."""

    findings: tuple[Finding, ...]
    evidence: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)
    context: Context = field(default_factory=Context)
    origin: Origin = field(default_factory=Origin)
