"""A run as its files tell of it, under the ids that it has on HoneyHive."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from honeyhive.errors import RunFileError
from honeyhive.experiments.context import EXTERNAL
from honeyhive.experiments.platform.bodies import PlatformRun, as_uuid
from honeyhive.experiments.platform.sender import Session
from honeyhive.experiments.platform.spanlines import own_line
from honeyhive.experiments.spanfile import SpanIndex
from honeyhive.result import Outcome
from honeyhive.runfile import read_run


class Record:
    """The files of one run, to be sent.

    `vouched_for` is the run's id where its files were written by code that nobody vouches for. The ids of its sessions
    are then made of that id and the datapoint's, whatever the files say, so that they can name nobody else's; and of
    the spans only those lines are sent that are of their session alone.
    """

    def __init__(self, run_file: Path, *, vouched_for: str | None = None) -> None:
        """Read the run's header; `RunFileError` where it is another run than the one that is vouched for."""
        if vouched_for is not None and run_file.is_symlink():
            raise _another(run_file)
        self.run = read_run(run_file)
        if vouched_for not in (None, self.run.run_id):
            raise _another(run_file)
        self.left_out = 0
        self._run_file = run_file
        self._vouched_for = vouched_for

    def platform_run(self, project: str | None) -> PlatformRun:
        """The run as HoneyHive knows it."""
        run = PlatformRun.of_result(self.run, project=project)
        if self._vouched_for is not None and not run.dataset_id.startswith(EXTERNAL):
            return replace(run, dataset_id=EXTERNAL)  # a dataset of HoneyHive's is not that code's to name
        return run

    def session_ids(self) -> tuple[str, ...]:
        """The sessions of its outcomes, by the ids that we propose for them, in the dataset's order."""
        found = sorted((one.index, one.repeat, name) for one in self.run.outcomes if (name := self._session_id(one)))
        return tuple(session_id for *_, session_id in found)

    def sessions(self, wanted: Set[str]) -> Iterator[Session]:
        """Those of these ids, with their spans; `left_out` then says how many lines of spans cannot be sent.

        `ReportingError` where the spans file is none.
        """
        index, foreign = SpanIndex(self._run_file), 0
        for outcome in self.run.outcomes:
            session_id = self._session_id(outcome)
            if session_id is not None and session_id in wanted:
                lines = index.lines(outcome.session_id)
                spans = tuple(self._own(lines, outcome.session_id or ""))
                foreign += len(lines) - len(spans)
                self.left_out = index.unreadable + foreign
                yield Session(outcome=outcome, session_id=session_id, spans=spans)

    def _own(self, lines: Sequence[bytes], recorded_id: str) -> Iterator[bytes]:
        for line in lines:
            own = own_line(line, session_id=recorded_id, run_id=self._vouched_for) if self._vouched_for else line
            if own is not None:
                yield own

    def _session_id(self, outcome: Outcome) -> str | None:
        if outcome.session_id is None:
            return None
        if self._vouched_for is None:
            return as_uuid(outcome.session_id, within=self.run.run_id)
        return str(uuid.uuid5(uuid.UUID(self._vouched_for), f"{outcome.datapoint_id}/{outcome.repeat}"))


def _another(run_file: Path) -> RunFileError:
    return RunFileError(
        "the run file is that of another run", file=str(run_file), hint="something else has written to it: run again"
    )
