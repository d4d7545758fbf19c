"""The end that a signal makes: a runner waits ten seconds, and this is who gets how many of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from honeyhive.errors import ReportingError

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds after which a runner that cancels a job kills it: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL."""
ASKED = 3.0
"""Seconds for what we have started to put its things in order."""
KILLED = 1.0
"""Seconds in which what did not is gone; as many for what it has left behind, and for the last that it printed."""
CLEANED = 6.0
"""By then a run is without secrets, or out of the report."""
TOLD = 8.0
"""By then nobody is told anything over a network any more."""
OVER = 9.5
"""By then the command has ended, whatever it is about."""


class LastWords:
    """Counts the seconds since the command was told to stop; before that there are as many as anybody wants."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is a test's own."""
        self._clock = clock
        self._since: float | None = None

    def begin(self) -> None:
        """The command has just been told to stop."""
        self._since = self._clock()

    @property
    def begun(self) -> bool:
        """Whether the command was told to stop."""
        return self._since is not None

    def shorter(self, seconds: float, then: float) -> float:
        """So many seconds, and `then` once the command was told to stop."""
        return seconds if self._since is None else min(seconds, then)

    def left(self, by: float, least: float) -> float:
        """How many seconds there are, so many after the signal, and `least` of them in any case; without one no end."""
        return math.inf if self._since is None else max(least, self._since + by - self._clock())

    def telling(self, step: Callable[[], T]) -> T:
        """What the step comes to; left behind, with a `ReportingError`, where the time after a signal is not enough.

        It may wait for a server that does not answer. Without a signal it may do so for as long as it likes.
        """
        if self._since is None:
            return step()
        executor = ThreadPoolExecutor(1, thread_name_prefix="honeyhive-telling")
        try:
            return executor.submit(step).result(max(0.0, self._since + TOLD - self._clock()))
        except TimeoutError as error:
            raise ReportingError(
                "not all was told in the seconds that a cancelled job has", hint="the report folder has it"
            ) from error
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


LAST_WORDS = LastWords()
"""Those of this process, for signals are sent to processes."""
