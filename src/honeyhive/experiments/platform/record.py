"""A run as its files tell of it, under the ids that it has on HoneyHive."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from honeyhive.errors import RunFileError
from honeyhive.experiments.context import EXTERNAL
from honeyhive.experiments.platform.bodies import PlatformRun, as_uuid
from honeyhive.experiments.platform.sender import Session
from honeyhive.experiments.platform.spanlines import is_readable, own_line
from honeyhive.experiments.spanfile import SpanIndex
from honeyhive.result import Outcome, RunResult
from honeyhive.runfile import read_run


@dataclass(frozen=True, kw_only=True)
class Record:
    """The files of one run, to be sent.

    `vouched_for` is the run's id where its files were written by code that nobody vouches for. The ids of its sessions
    are then made of that id and the datapoint's, whatever the files say, so that they can name nobody else's; and of
    the spans only those lines are sent that are of their session alone.
    """

    run_file: Path
    run: RunResult
    vouched_for: str | None = None
    _left_out: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, run_file: Path, *, vouched_for: str | None = None) -> Record:
        """The run in this file; `RunFileError` where it is another one than that which is vouched for."""
        if vouched_for is not None and run_file.is_symlink():
            raise _another(run_file)
        run = read_run(run_file)
        if vouched_for not in (None, run.run_id):
            raise _another(run_file)
        return cls(run_file=run_file, run=run, vouched_for=vouched_for)

    @property
    def left_out(self) -> int:
        """How many lines of the spans file could not be sent, of those that were looked at."""
        return self._left_out.total()

    def platform_run(self, project: str | None) -> PlatformRun:
        """The run as HoneyHive knows it."""
        run = PlatformRun.of_result(self.run, project=project)
        if self.vouched_for is not None and not run.dataset_id.startswith(EXTERNAL):
            return replace(run, dataset_id=EXTERNAL)  # a dataset of HoneyHive's is not the code's to name
        return run

    def session_ids(self) -> tuple[str, ...]:
        """The sessions of its outcomes, in the dataset's order."""
        found = sorted((one.index, one.repeat, one.session_id) for one in self._outcomes() if one.session_id)
        return tuple(session_id for *_, session_id in found)

    def sessions(self, wanted: frozenset[str]) -> Iterator[Session]:
        """Those of these ids, with their spans; `ReportingError` where the spans file is none."""
        index = SpanIndex(self.run_file)
        for written, outcome in zip(self.run.outcomes, self._outcomes(), strict=True):
            if outcome.session_id in wanted:
                spans = tuple(self._spans(index, written.session_id or "", outcome.session_id or ""))
                yield Session(outcome=outcome, spans=spans, recorded_id=written.session_id)
        self._left_out["of nobody"] = index.unreadable

    def _outcomes(self) -> Iterator[Outcome]:
        """The outcomes, with the ids of their sessions on HoneyHive."""
        for outcome in self.run.outcomes:
            yield replace(outcome, session_id=self._session_id(outcome))

    def _session_id(self, outcome: Outcome) -> str | None:
        if outcome.session_id is None:
            return None
        if self.vouched_for is None:
            return as_uuid(outcome.session_id, within=self.run.run_id)
        return str(uuid.uuid5(uuid.UUID(self.vouched_for), f"{outcome.datapoint_id}/{outcome.repeat}"))
