"""Sends a run to HoneyHive from one thread, several sessions at once and each in its order; never in the run's way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from honeyhive.api.client import HoneyHive
from honeyhive.errors import ApiError, ApiKeyError, ApiStatusError, ReportingError
from honeyhive.experiments.platform.bodies import PlatformRun
from honeyhive.experiments.platform.ledger import Ledger, Sent, Step
from honeyhive.experiments.platform.spanlines import renamed
from honeyhive.result import Outcome

_BACKLOG = 1_000
_BACKLOG_BYTES = 32 * 2**20
"""So many finished sessions, and bytes of spans, wait in memory at most; the rest is in the files, and sent later."""

_ENOUGH_FAILURES = 3
"""After so many sessions in a row that could not be sent, the platform is taken to be down."""

_OF_THE_SESSION = frozenset({400, 413, 422})
"""Refusals that are about what was sent: they say nothing of the next session."""

_THERE = 409
_LAST = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A finished session: what became of the datapoint, and its spans as lines of the spans file.

    `session_id` is the one that we propose for it, a UUID; that of the outcome is the one which its spans have.
    """

    outcome: Outcome
    session_id: str
    spans: tuple[bytes, ...] = ()

    @property
    def size(self) -> int:
        """The bytes of its spans."""
        return sum(map(len, self.spans))


class _SpansRefusedError(ApiError):
    """The platform has taken the export, and not all of its spans."""


class Sender:
    """Makes the run, then takes its finished sessions and sends each: its start, its spans, its update.

    What has arrived is in the ledger, which is the sender's alone until it is closed. It stops sending, without a word
    to the run, where the platform refuses the key or fails several times in a row: then it is `down`, and `reason`
    says why. What was not sent then is for who has the run's files.
    """

    def __init__(self, client: HoneyHive, run: PlatformRun, ledger: Ledger, *, concurrency: int = 10) -> None:
        """`concurrency` is how many sessions are sent at once, each over one connection."""
        self.down = False
        self.refused = False
        self.reason: str | None = None
        self._client = client
        self.run = run
        self._ledger = ledger
        self._concurrency = max(1, concurrency)
        self._failures = 0
        self._waiting = 1  # the run itself comes first
        self._held = 0
        self._ended = False
        self._room = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(1, "honeyhive-names"))  # it asks for addresses, no more
        self._queue: asyncio.Queue[Session] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=self._serve, name="honeyhive-sender", daemon=True)

    def __enter__(self) -> Self:
        """Begin to send."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def offer(self, session: Session) -> None:
        """Send it in time; where too many wait already, or it is closed, it is left in the files."""
        with self._room:
            full = self._waiting > _BACKLOG or (self._held and self._held + session.size > _BACKLOG_BYTES)
            if self.down or full or not self._post(lambda: self._queue.put_nowait(session)):
                return
            self._waiting += 1
            self._held += session.size

    def send(self, session: Session, timeout: float) -> None:
        """Send it, after waiting for room, at most so many seconds; nothing once it is down."""
        with self._room:
            if not self._room.wait_for(lambda: self._waiting < 2 * self._concurrency or self._ended, timeout):
                self._give_up(_SLOW)
        self.offer(session)

    def settle(self, timeout: float) -> None:
        """Wait for all that it was given to be sent, at most so many seconds; then it is down."""
        with self._room:
            if not self._room.wait_for(lambda: not self._waiting or self._ended, timeout):
                self._give_up(_SLOW)

    def conclude(self, status: str | None, session_ids: Sequence[str], timeout: float) -> str | None:
        """Say how the run ended and which sessions it has; why that could not be said in so many seconds.

        No session is sent any more.
        """
        with self._room:
            if self._ended:
                return self.reason
            saying = asyncio.run_coroutine_threadsafe(self._conclude(status, session_ids), self._loop)
        try:
            saying.result(timeout)
        except ReportingError as error:
            return str(error)
        except TimeoutError:
            return _SLOW
        finally:
            saying.cancel()
        return None

    def close(self) -> None:
        """End the thread, and with it what it is about to send."""
        self._post(self._cancel)
        self._thread.join(_LAST)

    def _post(self, call: Callable[[], object]) -> bool:
        """Have it called on the sender's thread; false where that has ended."""
        with self._room:
            if not self._ended:
                self._loop.call_soon_threadsafe(call)
            return not self._ended

    def _give_up(self, reason: str) -> None:
        with self._room:
            self.down = True
            self.reason = self.reason or reason
            self._room.notify_all()

    # --- on the sender's thread --------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        except asyncio.CancelledError:
            pass  # it is closed
        except BaseException as error:  # noqa: BLE001 - told as the reason: a run outlives what goes wrong with its sending
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            self._give_up(f"{type(error).__name__}: {error}")
        finally:
            with self._room:
                self._ended = True
                self._room.notify_all()
            self._loop.close()

    async def _main(self) -> None:
        try:
            await self._create()
            self._done(0)
            async with asyncio.TaskGroup() as group:
                self._workers = [group.create_task(self._work()) for _ in range(self._concurrency)]
            await asyncio.Event().wait()  # the workers have been called off; `close()` ends this
        finally:
            await self._client.aclose()

    async def _create(self) -> None:
        """Make the run on the platform unless it is there."""
        if self._ledger.platform_run_id is not None:
            return
        try:
            made = await self._client.evaluations.create_run_async(self.run.create_request())
            self._ledger.run_created(made.run_id or self.run.run_id)
        except ReportingError as error:
            if _is_there(error):  # an earlier answer was lost
                self._ledger.run_created(self.run.run_id)
            else:
                self._failed(error, enough=1)

    async def _work(self) -> None:
        while True:
            session = await self._queue.get()
            if not self.down:
                await self._deliver(session)
            self._done(session.size)

    def _done(self, size: int) -> None:
        with self._room:
            self._waiting -= 1
            self._held -= size
            self._room.notify_all()

    async def _deliver(self, session: Session) -> None:
        sent = self._ledger.session(session.session_id)
        for step in sent.missing:
            try:
                sent = await self._step(step, session, sent)
                self._ledger.arrived(sent)
            except ReportingError as error:
                self._failed(error, enough=_ENOUGH_FAILURES)
                if step == "start" or self.down:
                    return
                # The scores are worth trying also where the spans have not arrived.
        if sent.complete:
            self._failures = 0

    def _failed(self, error: ReportingError, *, enough: int) -> None:
        self.reason = self.reason or str(error)
        of_the_session = isinstance(error, ApiStatusError) and error.status in _OF_THE_SESSION
        if (of_the_session and enough > 1) or isinstance(error, _SpansRefusedError):
            return
        self._failures += 1
        self.refused = self.refused or isinstance(error, ApiKeyError)
        if self.refused or not isinstance(error, ApiError) or self._failures >= enough:
            self._give_up(str(error))

    async def _step(self, step: Step, session: Session, sent: Sent) -> Sent:
        match step:
            case "start":
                return sent.after(step, await self._start(session, sent))
            case "spans":
                for line in session.spans:
                    await self._export(self._renamed(line, session, sent))
            case "update":
                body = self.run.event_update(session.outcome, sent.platform_id or sent.session)
                await self._client.events.update_async(self._with_run_id(body))
        return sent.after(step)

    async def _start(self, session: Session, sent: Sent) -> str:
        body = self.run.session(session.outcome, session.session_id, b"".join(session.spans))
        try:
            started = await self._client.sessions.start_async(self._with_run_id(body))
        except ApiStatusError as error:
            if not _is_there(error):
                raise
            return sent.session
        return started.session_id or sent.session

    async def _export(self, line: bytes) -> None:
        exported = await self._client.spans.export_async(line)
        if exported.rejected:
            said = exported.partial_success.error_message if exported.partial_success else None
            raise _SpansRefusedError(f"HoneyHive refused {exported.rejected} spans{f': {said}' if said else ''}")

    async def _conclude(self, status: str | None, session_ids: Sequence[str]) -> None:
        if self._ledger.platform_run_id is None:
            raise ReportingError(self.reason or "HoneyHive does not have the run")
        if self._ledger.has_ended(status, session_ids):
            return
        for worker in self._workers:  # what hangs would keep the connection that this takes
            worker.cancel()
        request = self.run.update_request(status, session_ids)
        await self._client.evaluations.update_run_async(self._ledger.platform_run_id, request)
        self._ledger.run_ended(status, session_ids)

    def _with_run_id(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body with the run's id on the platform."""
        if "metadata" in body:
            body["metadata"]["run_id"] = self._platform_run_id
        return body

    @property
    def _platform_run_id(self) -> str:
        return self._ledger.platform_run_id or self.run.run_id

    def _renamed(self, line: bytes, session: Session, sent: Sent) -> bytes:
        """The line with the ids that the platform has, where they are not the ones in it."""
        recorded = session.outcome.session_id or session.session_id
        return renamed(
            line,
            sessions={recorded: sent.platform_id or sent.session},
            runs={self.run.recorded_id or self.run.run_id: self._platform_run_id},
        )

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()


_SLOW = "HoneyHive was too slow: not everything was sent in time"


def _is_there(error: ReportingError) -> bool:
    return isinstance(error, ApiStatusError) and error.status == _THERE
