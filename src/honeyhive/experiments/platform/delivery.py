"""A run on its way to HoneyHive: made at its start, followed while it goes on, ended in every case; or sent later."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from honeyhive.api.client import HoneyHive
from honeyhive.api.connection import Connection
from honeyhive.errors import ArgumentError, InputError, ReportingError, RunFileError
from honeyhive.experiments.platform.bodies import PlatformRun, as_uuid
from honeyhive.experiments.platform.ledger import Ledger
from honeyhive.experiments.platform.record import Record
from honeyhive.experiments.platform.sender import Sender, Session
from honeyhive.result import Outcome
from honeyhive.runlines import RunHeader

_DRAIN = 60.0
"""How long, in seconds, the end of a run waits for what is still to be sent; the rest is kept."""

_HURRY = 3.5
"""The same where somebody wants the run to stop; it may come twice, and a runner waits ten seconds in all."""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """How much of a run HoneyHive has: sessions of those that there are, and whether it knows how the run ended.

    `run_id` is the platform's, `session_ids` gives its ids where they are not those that we proposed. `left_out` is how
    many lines of spans were seen that cannot be sent, now or ever. Where it was never `begun`, sending it again is of
    no use before `reason` is seen to.
    """

    sessions: int
    of: int
    ended: bool
    reason: str | None = None
    run_id: str | None = None
    session_ids: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0
    begun: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing is left to send."""
        return self.ended and self.sessions >= self.of


def upload(run_file: Path, client: HoneyHive, *, project: str | None = None, patience: float = 600.0) -> Delivered:
    """Send what HoneyHive does not have yet of the run in this file, each thing once; in some `patience` seconds.

    Only what the ledger beside the file does not say to have arrived is sent. Failures of the platform are told in
    what is returned. Raises `InputError` where there is no such run, or where it was sent to another server,
    `RunFileError` where its file is broken, `ReportingError` where what stands beside it is.
    """
    Record(run_file)  # no ledger for what is no run
    with Ledger.beside(run_file, client.server_url) as ledger:
        return _upload(Record(run_file, vouched_for=ledger.vouched_for), ledger, client, project, patience)


def upload_as(
    run_id: str, run_file: Path, client: HoneyHive, *, project: str | None = None, patience: float = 600.0
) -> Delivered:
    """Send a run whose files were written by code that nobody vouches for: as the run `run_id`, and as nothing else.

    The caller has made that id, as a UUID. What stood in the place of the ledger is removed and not read. Raises as
    `upload()` does, and `RunFileError` where the file is that of another run.
    """
    record = Record(run_file, vouched_for=run_id)
    with Ledger.anew(run_file, client.server_url, vouched_for=run_id) as ledger:
        return _upload(record, ledger, client, project, patience)


def upload_command(run_file: Path, client: HoneyHive, environ: Mapping[str, str]) -> str:
    """The command that sends the rest of a run, for a shell with this environment, which is to have the key."""
    command = ["honeyhive", "upload", str(run_file)]
    known = None
    with suppress(ArgumentError):  # the environment's server is none, and another was given
        known = Connection.found(environ, api_key=client.connection.api_key)
    if known is None or client.server_url != known.server_url:
        command += ["--server-url", client.server_url]
    if client.project is not None and (known is None or client.project != known.project):
        command += ["--project", client.project]
    return shlex.join(command)


def _upload(record: Record, ledger: Ledger, client: HoneyHive, project: str | None, patience: float) -> Delivered:
    finished = _Finished(status=record.run.status, sessions=record.session_ids())
    sender = Sender(client, record.platform_run(project), ledger)
    return _send_rest(sender, ledger, record, finished, patience)


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
        self._refusal: str | None = None

    def begin(self, run_file: Path, header: RunHeader, datapoint_ids: Sequence[str]) -> None:
        """Begin to make the run. It is not waited for: a platform that is slow or down keeps no run from going on.

        Nor does a ledger that cannot be used, as that of another server: the run is not sent then.
        """
        self._run_file = run_file
        try:
            ledger = self._open.enter_context(Ledger.beside(run_file, self._client.server_url))
        except (InputError, ReportingError) as error:
            self._refusal = str(error)
            return
        run = PlatformRun.of_header(header, project=self._project, datapoint_ids=datapoint_ids)
        self._sender = self._open.enter_context(Sender(self._client, run, ledger, concurrency=self._workers))
        self._ledger = ledger

    def follow(self, outcome: Outcome, spans: bytes | None) -> None:
        """Send a finished session in time."""
        if self._sender is not None and outcome.session_id is not None:
            session_id = as_uuid(outcome.session_id, within=self._sender.run.recorded_id)
            self._sender.offer(Session(outcome=outcome, session_id=session_id, spans=(spans,) if spans else ()))

    def end(self, *, cancelled: bool) -> Delivered:
        """Send what is left, within bounds, and say how the run ended. What interrupts it makes it hurry, and goes on.

        Where sending was given up it is begun once more, unless the key was refused or the run is cancelled. Of a run
        that never began there is nothing to send.
        """
        with self._open:
            if self._ledger is None or self._sender is None:
                return self._not_begun()
            ledger, sender = self._ledger, self._sender
            started = time.monotonic()
            with _hurrying(lambda: _conclude(sender, ledger, _finished(self._run_file, ledger)[0], _HURRY)):
                sender.settle(_HURRY if cancelled else _DRAIN)
                finished, record = _finished(self._run_file, ledger)
                if cancelled or sender.refused or record is None or not finished.lacking(ledger):
                    return _conclude(sender, ledger, finished, _HURRY if cancelled else _DRAIN)
            sender.close()
            again = Sender(self._client, sender.run, ledger, concurrency=self._workers)
            left = max(_HURRY, _DRAIN - (time.monotonic() - started))
            return _send_rest(again, ledger, record, finished, left)

    def _not_begun(self) -> Delivered:
        if self._refusal is None:
            return Delivered(sessions=0, of=0, ended=True, begun=False)
        sessions: tuple[str, ...] = ()
        with suppress(InputError, RunFileError):  # it is told of the file by who has written it
            sessions = Record(self._run_file).session_ids()
        return Delivered(sessions=0, of=len(sessions), ended=False, reason=self._refusal, begun=False)


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """How a run ended, and the sessions of its outcomes in the dataset's order."""

    status: str | None
    sessions: tuple[str, ...]
    problem: str | None = None

    def lacking(self, ledger: Ledger) -> frozenset[str]:
        """The sessions that have not arrived whole."""
        return frozenset(one for one in self.sessions if not ledger.session(one).complete)


def _finished(run_file: Path, ledger: Ledger) -> tuple[_Finished, Record | None]:
    """How the run ended; where its file is gone, or broken, what has been sent of it is all there is."""
    try:
        record = Record(run_file)
        return _Finished(status=record.run.status, sessions=record.session_ids()), record
    except (InputError, RunFileError) as error:
        sessions = tuple(sent.session for sent in ledger.sent())
        return _Finished(status="failed", sessions=sessions, problem=str(error)), None


def _send_rest(sender: Sender, ledger: Ledger, record: Record, finished: _Finished, patience: float) -> Delivered:
    """Send the sessions that have not arrived whole, then how the run ended."""
    end = time.monotonic() + patience
    lacking = finished.lacking(ledger)
    with sender, _hurrying(lambda: _conclude(sender, ledger, finished, _HURRY)):
        try:
            for session in record.sessions(lacking) if lacking else ():
                sender.send(session, end - time.monotonic())
                if sender.down:
                    break
        except (InputError, ReportingError, RunFileError) as error:  # what the run's files do not give stays unsent
            finished = replace(finished, problem=str(error))
        sender.settle(end - time.monotonic())
        delivered = _conclude(sender, ledger, finished, max(_HURRY, end - time.monotonic()))
        return replace(delivered, left_out=record.left_out)


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
