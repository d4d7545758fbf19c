"""An experiment that came to no verdict: `Broken`, with how far it got and the way out, or `Skipped`."""

from __future__ import annotations

from dataclasses import dataclass

from honeyhive.errors import HoneyHiveError
from honeyhive.gate.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Why there is no verdict on an experiment. `finished` of `expected` outcomes are in its run file.

    `details` are lines that say more: which datapoints are missing, a block to paste.
    """

    experiment: str
    title: str
    message: str
    hint: str = ""
    exit_code: int
    expected: int | None = None
    finished: int | None = None
    details: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """An experiment that was not run: nothing that it is about has changed. `reason` says what was looked at."""

    experiment: str
    reason: str
    exit_code: int = 0


Finding = Verdict | Broken | Skipped
"""What the gate has to say about one experiment."""


def verdict_of(finding: Finding) -> str:
    """The finding in one word: `broken`, `skipped`, or the verdict."""
    match finding:
        case Broken():
            return "broken"
        case Skipped():
            return "skipped"
        case Verdict():
            return finding.verdict.value


def broken_by(error: HoneyHiveError, experiment: str) -> Broken:
    """The experiment that this error ended before it could be judged."""
    place = f"{error.place}: " if error.place else ""
    return Broken(
        experiment=experiment,
        title=error.title,
        message=f"{place}{error.message}",
        hint=error.hint,
        exit_code=error.exit_code,
        details=tuple(error.details.splitlines()),
        file=error.file,
        line=error.line,
    )
