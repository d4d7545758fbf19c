"""The report as one value: everything that comment, summary and publishing need, made once by the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from honeyhive.gate.broken import Finding, verdict_of
from honeyhive.gate.report import Context, Evidence
from honeyhive.gate.templating import WORST_FIRST


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

    @property
    def verdict(self) -> str:
        """The verdict on all experiments in one word: the worst of them, `skipped` where there is none."""
        verdicts = {verdict_of(finding) for finding in self.findings}
        return next((verdict for verdict in WORST_FIRST if verdict in verdicts), "skipped")
