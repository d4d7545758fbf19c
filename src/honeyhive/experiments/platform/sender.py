"""Sends sessions to HoneyHive from one thread, several at once and each in its order; never in the run's way."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

from honeyhive.api.client import HoneyHive
from honeyhive.errors import ApiError, ApiKeyError
from honeyhive.experiments.platform.bodies import PlatformRun
from honeyhive.experiments.platform.ledger import STEPS, Ledger, Sent, Step
from honeyhive.result import Outcome

_BACKLOG = 1_000
"""So many finished sessions wait in memory at most; those beyond are in the files, and sent when the run is over."""

_ENOUGH_FAILURES = 3
"""After so many sessions in a row that could not be sent, the platform is taken to be down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A finished session: what became of the datapoint, and its spans as lines of the spans file."""

    outcome: Outcome
    spans: tuple[bytes, ...] = ()


class Sender:
    """Takes finished sessions and sends each: its start, its spans, its update. What has arrived is in the ledger.

    It stops sending, without a word to the run, where the platform refuses the key or fails several times in a row;
    `reason` says why. What was not sent then is for who has the run's files.
    """

    def __init__(self, client: HoneyHive, run: PlatformRun, ledger: Ledger, *, concurrency: int = 10) -> None:
        """`concurrency` is how many sessions are sent at once, each over one connection."""
        self.reason: str | None = None
        self._client = client
        self._run = run
        self._ledger = ledger
        self._concurrency = max(1, concurrency)
        self._failures = 0
        self._waiting = 0
        self._room = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._queue: asyncio.Queue[Session | None] = asyncio.Queue()
        self._thread = threading.Thread(target=self._serve, name="honeyhive-sender", daemon=True)
        self._error: BaseException | None = None

    @property
    def down(self) -> bool:
        """Whether it has given up."""
        return self.reason is not None

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def offer(self, session: Session) -> None:
        """Send it in time; where too many wait already, it is left in the files."""
        with self._room:
            if self.down or self._waiting >= _BACKLOG:
                return
            self._waiting += 1
        self._loop.call_soon_threadsafe(self._queue.put_nowait, session)

    def send(self, session: Session) -> None:
        """Send it, after waiting for room; nothing once it has given up."""
        with self._room:
            self._room.wait_for(lambda: self._waiting < 2 * self._concurrency or self.down)
        self.offer(session)

    def close(self, timeout: float) -> None:
        """Send what waits, for at most `timeout` seconds, and end the thread. Raises what nobody could explain."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._queue.put_nowait, None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._give_up(f"HoneyHive was too slow: not everything was sent within {timeout:g} s")
            self._loop.call_soon_threadsafe(self._cancel)
            self._thread.join(timeout)
        if self._error is not None:
            raise self._error

    # --- on the sender's thread --------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._main())
        except asyncio.CancelledError:
            pass  # `close()` has given up on it, and says so
        except BaseException as error:  # noqa: BLE001 - carried to the thread that closes it, which raises it
            self._error = error
            self._give_up(f"{type(error).__name__}: {error}")
        finally:
            self._loop.close()

    async def _main(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(self._work())
        finally:
            await self._client.aclose()

    async def _work(self) -> None:
        while (session := await self._queue.get()) is not None:
            try:
                if not self.down:
                    await self._deliver(session)
            finally:
                with self._room:
                    self._waiting -= 1
                    self._room.notify_all()
        self._queue.put_nowait(None)  # for the next of us

    async def _deliver(self, session: Session) -> None:
        sent = self._ledger.session(session.outcome.session_id or "")
        before = sent
        try:
            for step in STEPS[len(sent.steps) :]:
                sent = await self._step(step, session, sent)
            self._failures = 0
        except ApiError as error:
            self._failures += 1
            if isinstance(error, ApiKeyError) or self._failures >= _ENOUGH_FAILURES:
                self._give_up(str(error))
        finally:
            if sent is not before:
                self._ledger.arrived(sent)

    async def _step(self, step: Step, session: Session, sent: Sent) -> Sent:
        match step:
            case "start":
                body = self._run.session(session.outcome, b"".join(session.spans))
                started = await self._client.sessions.start_async(self._with_run_id(body))
                return sent.after(step, started.session_id or sent.session)
            case "spans":
                for line in session.spans:
                    await self._client.spans.export_async(self._renamed(line, sent))
                return sent.after(step)
            case "update":
                body = self._run.event_update(session.outcome, sent.platform_id or sent.session)
                await self._client.events.update_async(self._with_run_id(body))
                return sent.after(step)

    def _with_run_id(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body with the run's id on the platform."""
        if "metadata" in body:
            body["metadata"]["run_id"] = self._platform_run_id
        return body

    @property
    def _platform_run_id(self) -> str:
        return self._ledger.platform_run_id or self._run.run_id

    def _renamed(self, line: bytes, sent: Sent) -> bytes:
        """The line with the ids that the platform has given, where they are not the ones that we proposed."""
        for ours, theirs in ((sent.session, sent.platform_id), (self._run.run_id, self._platform_run_id)):
            if theirs and theirs != ours:
                line = line.replace(ours.encode(), theirs.encode())
        return line

    def _give_up(self, reason: str) -> None:
        with self._room:
            self.reason = self.reason or reason
            self._room.notify_all()

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
