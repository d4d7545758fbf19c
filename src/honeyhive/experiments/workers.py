"""Worker threads with a time limit for each piece of work: a hung thread is replaced, its late answer discarded."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

TICK = 0.25
"""How often, in seconds, deadlines are looked at and the caller is given a turn."""


_AHEAD = 100
"""How many pieces of work are taken from the iterator at once."""


class Work(Protocol):
    """A piece of work: does itself, and knows by when."""

    deadline: float | None

    def do(self) -> None:
        """Do it; called once, on a worker thread. Never raises for what the user's code does."""

    def abandon(self) -> None:
        """Settle it as it stands: the deadline has passed, and whatever `do` still does is too late."""


W = TypeVar("W", bound=Work)


class Workers(Generic[W]):
    """Does work from an iterator on `size` threads; each hands its finished pieces to `done`, on its own thread.

    What `done` gives back is work that follows from the piece, and is done next.

    The threads are daemons: one that hangs in the user's code cannot keep the process alive.
    """

    def __init__(self, work: Iterator[W], *, size: int, done: Callable[[W], W | None]) -> None:
        self._work = work
        self._size = size
        self._done = done
        self._ready: deque[W] = deque()
        self._source_lock = threading.Lock()
        self._lock = threading.Lock()
        self._at_work: dict[_Worker[W], W | None] = {}
        self._retired: list[_Worker[W]] = []
        self._idle = threading.Event()
        self._stopped = False
        self._error: BaseException | None = None

    def run(self, tick: Callable[[], None]) -> None:
        """Do all the work; `tick` is called every `TICK` seconds on this thread.

        Raises what `done` or the iterator raised. On an exception of this thread (a signal) no new work is begun.
        """
        try:
            for _ in range(self._size):
                self._start_worker()
            while not self._idle.wait(TICK):
                self._abandon_overdue()
                tick()
        finally:
            self._stopped = True
        for worker in self._retired:
            worker.join()
        if self._error is not None:
            raise self._error

    def next(self, worker: _Worker[W]) -> W | None:
        """The worker's next piece of work, or `None` where it has to end."""
        work = self._take()
        if work is None:
            with self._lock:
                self._retired.append(worker)
                self._retire(worker)
        else:
            self._at_work[worker] = work
        return work

    def _take(self) -> W | None:
        # A lock for each piece would make the threads queue up behind it: that costs more than the work of a fast one.
        while not self._stopped:
            try:
                return self._ready.popleft()
            except IndexError:
                with self._source_lock:
                    if not self._ready:
                        ahead = list(itertools.islice(self._work, _AHEAD))
                        if not ahead:
                            return None
                        self._ready.extend(ahead)
        return None

    def finish(self, worker: _Worker[W], work: W) -> bool:
        """Take a finished piece of work; false where it came too late and the worker has been replaced."""
        with self._lock:
            if self._at_work.get(worker) is not work:
                return False
            self._at_work[worker] = None
        self._hand_on(work)
        return True

    def fail(self, error: BaseException) -> None:
        """End everything with an error that is not the user's."""
        with self._lock:
            self._error = self._error or error
            self._stopped = True
            self._at_work.clear()
            self._idle.set()

    def _hand_on(self, work: W) -> None:
        """Hand on a finished piece. The caller's worker, or the one in its place, is there to take what follows."""
        following = self._done(work)
        if following is not None:
            self._ready.appendleft(following)

    def _start_worker(self) -> None:
        worker = _Worker(self)
        with self._lock:
            self._at_work[worker] = None
        worker.start()

    def _retire(self, worker: _Worker[W]) -> None:
        self._at_work.pop(worker, None)
        if not self._at_work:
            self._idle.set()

    def _abandon_overdue(self) -> None:
        now = time.monotonic()
        with self._lock:
            overdue = [
                (worker, work)
                for worker, work in self._at_work.items()
                if work is not None and work.deadline is not None and work.deadline < now
            ]
            for worker, _ in overdue:
                self._at_work[worker] = None
        for worker, work in overdue:
            work.abandon()
            self._hand_on(work)
            self._start_worker()
            with self._lock:
                self._retire(worker)


class _Worker(threading.Thread, Generic[W]):
    def __init__(self, workers: Workers[W]) -> None:
        super().__init__(name="honeyhive-worker", daemon=True)
        self._workers = workers

    def run(self) -> None:
        try:
            while (work := self._workers.next(self)) is not None:
                work.do()
                if not self._workers.finish(self, work):
                    return
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits, which raises it
            self._workers.fail(error)
