"""A run on its way to HoneyHive: made at its start, followed while it goes on, ended in every case; or sent later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from honeyhive.api.client import HoneyHive
from honeyhive.errors import ApiError, ApiStatusError
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
    """Send what HoneyHive does not have yet of the run in this file, each thing once; at most `patience` seconds.

    Only what the ledger beside the file does not say to have arrived is sent. Failures of the platform are told in
    what is returned. Raises `InputError` where there is no such run, or where it was sent to another server.
    """
    run = read_run(run_file)
    with Ledger.beside(run_file, client.server_url) as ledger:
        known = PlatformRun.of_result(run, project=project)
        reason = _create(client, known, ledger) or _send_rest(run_file, run, client, ledger, patience, known)
        return _end(client, known, ledger, run, reason)


class Delivery:
    """Follows one run to HoneyHive; is told of it on the run's threads and keeps none of them waiting."""

    def __init__(self, client: HoneyHive, *, project: str | None = None, workers: int = 10) -> None:
        """`workers` is how many sessions may be sent at once."""
        self._client = client
        self._project = project
        self._workers = workers
        self._ledger: Ledger | None = None
        self._sender: Sender | None = None
        self._run_file = Path()

    def begin(self, run_file: Path, header: RunHeader, datapoint_ids: Sequence[str]) -> None:
        """Make the run; where that fails, it is tried again when the run is over."""
        self._run_file = run_file
        self._ledger = Ledger.beside(run_file, self._client.server_url)
        run = PlatformRun.of_header(header, project=self._project, datapoint_ids=datapoint_ids)
        if _create(self._client, run, self._ledger) is None:
            self._sender = Sender(self._client, run, self._ledger, concurrency=self._workers)
            self._sender.start()

    def follow(self, outcome: Outcome, spans: bytes | None) -> None:
        """Send a finished session in time."""
        if self._sender is not None:
            self._sender.offer(Session(outcome=outcome, spans=(spans,) if spans else ()))

    def end(self, *, cancelled: bool) -> Delivered:
        """Send what is left, within bounds, and say how the run ended."""
        if self._ledger is None:
            return Delivered(sessions=0, of=0, ended=False, reason="the run was never begun")
        with self._ledger as ledger:
            reason = self._close_sender(_HURRY if cancelled else _DRAIN)
            run = read_run(self._run_file)
            known = PlatformRun.of_result(run, project=self._project)
            if reason is None and not cancelled:
                reason = _create(self._client, known, ledger) or _send_rest(
                    self._run_file, run, self._client, ledger, _DRAIN, known
                )
            return _end(self._client, known, ledger, run, reason)

    def _close_sender(self, patience: float) -> str | None:
        if self._sender is None:
            return None
        self._sender.close(patience)
        return self._sender.reason


def _create(client: HoneyHive, run: PlatformRun, ledger: Ledger) -> str | None:
    """Make the run on the platform unless it is there; why it could not be made."""
    if ledger.platform_run_id is not None:
        return None
    try:
        made = client.evaluations.create_run(run.create_request())
    except ApiStatusError as error:
        if error.status != 409:
            return str(error)
        ledger.run_created(run.run_id)  # it is there: an earlier answer was lost
    except ApiError as error:
        return str(error)
    else:
        ledger.run_created(made.run_id if isinstance(made.run_id, str) else run.run_id)
    return None


def _send_rest(
    run_file: Path, run: RunResult, client: HoneyHive, ledger: Ledger, patience: float, known: PlatformRun
) -> str | None:
    """Send the sessions that have not arrived whole; why that was given up."""
    if all(_has(ledger, outcome) for outcome in run.outcomes):
        return None
    index = SpanIndex(run_file)
    sender = Sender(client, known, ledger)
    sender.start()
    try:
        for outcome in run.outcomes:
            if _has(ledger, outcome):
                continue
            sender.send(Session(outcome=outcome, spans=tuple(index.lines(outcome.session_id))))
    finally:
        sender.close(patience)
    return sender.reason


def _has(ledger: Ledger, outcome: Outcome) -> bool:
    """Whether there is nothing to send of an outcome; one that never came to a session has none."""
    return outcome.session_id is None or ledger.session(outcome.session_id).complete


def _end(client: HoneyHive, run: PlatformRun, ledger: Ledger, result: RunResult, reason: str | None) -> Delivered:
    """Say how the run ended and which sessions it has, unless the platform knows; what it has in all."""
    sessions = sorted(
        (outcome.index, outcome.repeat, sent.platform_id or sent.session)
        for outcome in result.outcomes
        if (sent := ledger.session(outcome.session_id or "")).steps
    )
    problem = _say_ended(client, run, ledger, result.status, [session_id for *_, session_id in sessions])
    of = sum(1 for outcome in result.outcomes if outcome.session_id)
    complete = sum(1 for outcome in result.outcomes if ledger.session(outcome.session_id or "").complete)
    return Delivered(
        sessions=complete,
        of=of,
        ended=problem is None,
        reason=reason or problem,
        run_id=ledger.platform_run_id,
        session_ids={s.session: s.platform_id for s in ledger if s.platform_id not in (None, s.session)},
    )


def _say_ended(
    client: HoneyHive, run: PlatformRun, ledger: Ledger, status: str | None, session_ids: Sequence[str]
) -> str | None:
    if ledger.platform_run_id is None:
        return "HoneyHive does not have the run"
    if ledger.ended == (status, len(session_ids)):
        return None
    try:
        client.evaluations.update_run(ledger.platform_run_id, run.update_request(status, session_ids))
    except ApiError as error:
        return str(error)
    ledger.run_ended(status, len(session_ids))
    return None
