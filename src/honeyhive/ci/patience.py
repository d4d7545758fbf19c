"""How long all that a gate reports may take: what is left over then is not told, and said so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from honeyhive.api.retries import Budget
from honeyhive.ci.whereabouts.surroundings import Surroundings

REPORTING = 300.0
"""Seconds for all of it: comment, HoneyHive, the store, the check run."""
AFTER_THE_COMMENT = 150.0
AFTER_HONEYHIVE = 90.0
AFTER_THE_STORE = 30.0
"""What each step leaves to those that come after it."""


class Server(Protocol):
    """What is asked over the network."""

    def within(self, budget: Budget) -> None:
        """From now on everything has to come to its end within that time."""


class Patience:
    """The time for reporting, which begins now, and that these servers are held to."""

    def __init__(self, *servers: Server, clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = servers
        self._clock = clock
        self._whole = Budget(REPORTING, clock=clock)
        self.leaving(0.0)

    def leaving(self, seconds: float) -> Budget:
        """What there is for the next step, so many seconds being left to the others; it holds from now on."""
        budget = Budget(max(self._whole.left() - seconds, 0.0), clock=self._clock, within=self._whole)
        budget.left()
        for server in self._servers:
            server.within(budget)
        return budget


def patience_with(around: Surroundings) -> Patience:
    """The time for reporting from there: to GitHub, and to the repository's server."""
    return Patience(around.repository, *([around.github] if around.github is not None else []))
