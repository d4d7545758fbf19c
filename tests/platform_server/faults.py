"""What can go wrong on the way to the platform, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "500",
    "503",
    "429",
    "401",
    "404",
    "hang",
    "refuse",
    "reset",
    "reset-before",
    "invalid-json",
    "html",
    "redirect",
    "slow",
]

PROCESSED: frozenset[Kind] = frozenset({"reset", "invalid-json"})
"""Those that hit the answer: the request has taken effect before them."""


@dataclass(kw_only=True, eq=False)
class Fault:
    """One thing that goes wrong, `times` times, for the requests that it is meant for."""

    method: str
    path: str
    kind: Kind
    times: int | None
    skip: int
    processed: bool
    retry_after: str | None
    location: str
    seconds: float
    hits: int = 0
    released: int = 0
    """How many of the hits, from the first on, need not wait any longer."""

    def meant_for(self, method: str, path: str) -> bool:
        """Whether the request is one of those; the method `*` means every one."""
        return self.method in ("*", method) and path.startswith(self.path)

    def strikes(self) -> bool:
        """Whether it happens now; asked once for each request that it is meant for."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A fault that happens to one request."""

    fault: Fault
    number: int

    @property
    def kind(self) -> Kind:
        """The fault's kind."""
        return self.fault.kind

    @property
    def released(self) -> bool:
        """Whether the request may go on that hangs, or takes its time."""
        return self.number <= self.fault.released


class Faults:
    """All that are to happen; of several for one request the first that is not used up does."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add it, and give it back."""
        if fault.kind not in get_args(Kind):
            raise ValueError(f"{fault.kind!r} is no fault that this server knows: {', '.join(get_args(Kind))}")
        self._faults.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Hit | None:
        """What happens to this request."""
        for fault in self._faults:
            if fault.meant_for(method, path) and fault.strikes():
                return Hit(fault=fault, number=fault.hits)
        return None

    def release(self) -> None:
        """Let everything go on that hangs by now, or takes its time."""
        for fault in self._faults:
            fault.released = fault.hits

    def mend(self) -> None:
        """Nothing goes wrong from here on."""
        self.release()
        self._faults.clear()
