"""What a run leaves of itself, without secrets: its header, its outcomes as lines, and any line beside them."""

from __future__ import annotations

import dataclasses
import threading

from honeyhive.documents.redactor import MARK, Redactor
from honeyhive.experiments.attempts import attempt
from honeyhive.result import Failed, Fault, Outcome
from honeyhive.runlines import OutcomeLine, RunHeader, outcome_line, parse_line, retry_line, to_outcome

_SAID = ("name", "dataset_path", "function", "git", "ci", "environment", "metadata", "configuration")
"""What of a header is in somebody's words; the rest are ids, hashes and counts."""


class Cleaning:
    """Takes the secrets that it knows out of the lines of one run, from all of its threads, and counts those lines."""

    def __init__(self, redactor: Redactor) -> None:
        """Without any secret it does nothing, in no time."""
        self.redactor = redactor
        self._found = 0
        self._counting = threading.Lock()

    def __call__(self, line: bytes) -> bytes:
        """The line without secrets; the same object where none is in it."""
        clean = self.redactor.own_line(line)
        if clean == line:
            return line
        with self._counting:
            self._found += 1
        return clean

    @property
    def told(self) -> str | None:
        """What the user should know of it."""
        lines = "a line" if self._found == 1 else f"{self._found:,} lines"
        return f"{lines} of this run held a secret, which is {MARK} there" if self._found else None

    def recorded(self, outcome: Outcome, *, is_retry: bool) -> tuple[Outcome, bytes]:
        """The outcome as its line tells it, and that line.

        `Failed`, and without inputs and ground truth, where it cannot be written.
        """
        found = attempt(lambda: self._recorded(outcome, is_retry=is_retry))
        return self._recorded(_unrecordable(outcome, found), is_retry=is_retry) if isinstance(found, Fault) else found

    def _recorded(self, outcome: Outcome, *, is_retry: bool) -> tuple[Outcome, bytes]:
        line = (retry_line if is_retry else outcome_line)(outcome)
        clean = self(line)
        if clean is line:
            return outcome, line
        try:
            told = parse_line(clean)
        except ValueError as error:
            raise ValueError("a secret stands where a number has to") from error
        return to_outcome(told) if isinstance(told, OutcomeLine) else outcome, clean


def without_secrets(header: RunHeader, redactor: Redactor) -> RunHeader:
    """The header without secrets; what the run is known by stays."""
    if not redactor.secrets:
        return header
    said = {name: redactor.value(getattr(header, name)) for name in _SAID}
    evaluators = tuple(dataclasses.replace(one, name=redactor.text(one.name)) for one in header.evaluators)
    return dataclasses.replace(header, **said, evaluators=evaluators)


def _unrecordable(outcome: Outcome, reason: Fault) -> Failed:
    return Failed(
        index=outcome.index,
        repeat=outcome.repeat,
        datapoint_id=outcome.datapoint_id,
        content_hash=outcome.content_hash,
        line=outcome.line,
        tags=outcome.tags,  # they say that it must pass
        metadata=outcome.metadata,
        duration_ms=outcome.duration_ms,
        session_id=outcome.session_id,
        fault=Fault(type=reason.type, message=f"its result cannot be recorded: {reason.message}"),
    )
