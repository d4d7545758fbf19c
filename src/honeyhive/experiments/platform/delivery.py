"""A run on its way to HoneyHive: made at its start, followed while it goes on, ended in every case; or sent later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from honeyhive.api.client import HoneyHive
from honeyhive.errors import InputError, RunFileError
from honeyhive.experiments.platform.bodies import PlatformRun
from honeyhive.experiments.platform.ledger import Ledger
from honeyhive.experiments.platform.sender import Sender, Session
from honeyhive.experiments.spanfile import SpanIndex
from honeyhive.result import Outcome, RunResult
from honeyhive.runfile import read_run
from honeyhive.runlines import RunHeader

_DRAIN = 60.0
"""How long, in seconds, the end of a run waits for what is still to be sent; the rest is kept."""

_HURRY = 5.0
"""The same where somebody wants the run to stop."""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """How much of a run HoneyHive has: sessions of those that there are, and whether it knows how the run ended.

    `run_id` is the platform's, `session_ids` gives its ids where they are not those that we proposed.
    """

    sessions: int
    of: int
    ended: bool
    reason: str | None = None
    run_id: str | None = None
    session_ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to send."""
        return self.ended and self.sessions >= self.of


def upload(run_file: Path, client: HoneyHive, *, project: str | None = None, patience: float = 600.0) -> Delivered:
    """Send what HoneyHive does not have yet of the run in this file, each thing once; in some `patience` seconds.

    Only what the ledger beside the file does not say to have arrived is sent. Failures of the platform are told in
    what is returned. Raises `InputError` where there is no such run, or where it was sent to another server.
    """
    run = read_run(run_file)
    finished = _Finished.of(run)
    with Ledger.beside(run_file, client.server_url) as ledger:
        known = PlatformRun.of_result(run, project=project)
        return _send_rest(Sender(client, known, ledger), ledger, run_file, finished, patience)


class Delivery:
    """Follows one run to HoneyHive; is told of it on the run's threads and keeps none of them waiting."""

    def __init__(self, client: HoneyHive, *, project: str | None = None, workers: int = 10) -> None:
        """`workers` is how many sessions may be sent at once."""
        self._client = client
        self._project = project
        self._workers = workers
        self._run_file = Path()
        self._open = ExitStack()
        self._ledger: Ledger | None = None
        self._sender: Sender | None = None

    def begin(self, run_file: Path, header: RunHeader, datapoint_ids: Sequence[str]) -> None:
        """Begin to make the run. It is not waited for: a platform that is slow or down keeps no run from going on."""
        self._run_file = run_file
        self._ledger = self._open.enter_context(Ledger.beside(run_file, self._client.server_url))
        run = PlatformRun.of_header(header, project=self._project, datapoint_ids=datapoint_ids)
        sender = Sender(self._client, run, self._ledger, concurrency=self._workers)
        self._sender = self._open.enter_context(sender)

    def follow(self, outcome: Outcome, spans: bytes | None) -> None:
        """Send a finished session in time."""
        if self._sender is not None and outcome.session_id is not None:
            self._sender.offer(Session(outcome=outcome, spans=(spans,) if spans else ()))

    def end(self, *, cancelled: bool) -> Delivered:
        """Send what is left, within bounds, and say how the run ended. What interrupts it makes it hurry, and goes on.

        Where sending was given up it is begun once more, unless the key was refused or the run is cancelled.
        """
        with self._open:
            if self._ledger is None or self._sender is None:
                return Delivered(sessions=0, of=0, ended=False, reason="the run was never begun")
            ledger, sender = self._ledger, self._sender
            started = time.monotonic()
            with _hurrying(lambda: _conclude(sender, ledger, _finished(self._run_file, ledger), _HURRY)):
                sender.settle(_HURRY if cancelled else _DRAIN)
                finished = _finished(self._run_file, ledger)
                if cancelled or sender.refused or finished.problem or not finished.lacking(ledger):
                    return _conclude(sender, ledger, finished, _HURRY if cancelled else _DRAIN)
            sender.close()
            again = Sender(self._client, sender.run, ledger, concurrency=self._workers)
            left = max(_HURRY, _DRAIN - (time.monotonic() - started))
            return _send_rest(again, ledger, self._run_file, finished, left)


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """How a run ended, and the sessions of its outcomes in the dataset's order."""

    status: str | None
    sessions: tuple[str, ...]
    problem: str | None = None

    @classmethod
    def of(cls, run: RunResult) -> _Finished:
        found = sorted((one.index, one.repeat, one.session_id) for one in run.outcomes if one.session_id is not None)
        return cls(status=run.status, sessions=tuple(session_id for *_, session_id in found))

    def lacking(self, ledger: Ledger) -> frozenset[str]:
        """The sessions that have not arrived whole."""
        return frozenset(one for one in self.sessions if not ledger.session(one).complete)


def _finished(run_file: Path, ledger: Ledger) -> _Finished:
    """How the run ended; where its file is gone, or broken, what has been sent of it is all there is."""
    try:
        return _Finished.of(read_run(run_file))
    except (InputError, RunFileError) as error:
        sessions = tuple(sent.session for sent in ledger.sent())
        return _Finished(status="failed", sessions=sessions, problem=str(error))


def _send_rest(sender: Sender, ledger: Ledger, run_file: Path, finished: _Finished, patience: float) -> Delivered:
    """Send the sessions that have not arrived whole, then how the run ended."""
    end = time.monotonic() + patience
    lacking = finished.lacking(ledger)
    with sender, _hurrying(lambda: _conclude(sender, ledger, finished, _HURRY)):
        for session in _sessions(run_file, lacking) if lacking else ():
            sender.send(session, end - time.monotonic())
            if sender.down:
                break
        sender.settle(end - time.monotonic())
        return _conclude(sender, ledger, finished, max(_HURRY, end - time.monotonic()))


def _sessions(run_file: Path, wanted: frozenset[str]) -> Iterator[Session]:
    index = SpanIndex(run_file)
    for outcome in read_run(run_file).outcomes:
        if outcome.session_id in wanted:
            yield Session(outcome=outcome, spans=tuple(index.lines(outcome.session_id)))


@contextmanager
def _hurrying(conclude: Callable[[], object]) -> Iterator[None]:
    """Whatever ends the block before its time, the platform is told of what it has."""
    try:
        yield
    except BaseException:
        conclude()
        raise


def _conclude(sender: Sender, ledger: Ledger, finished: _Finished, patience: float) -> Delivered:
    """Say how the run ended and which sessions it has, unless the platform knows; what it has in all."""
    there = [sent for one in finished.sessions if (sent := ledger.session(one)).steps]
    problem = sender.conclude(finished.status, [sent.platform_id or sent.session for sent in there], patience)
    return Delivered(
        sessions=sum(sent.complete for sent in there),
        of=len(finished.sessions),
        ended=problem is None,
        reason=finished.problem or sender.reason or problem,
        run_id=ledger.platform_run_id,
        session_ids={s.session: s.platform_id for s in ledger.sent() if s.platform_id not in (None, s.session)},
    )
