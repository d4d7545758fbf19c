"""What can go wrong with GitHub: what any server does, and the limits on how much one may ask."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import Literal, get_args

from github_server import githttp
from platform_server.faults import Fault, Faults, Hit
from platform_server.faults import Kind as Common
from platform_server.replies import Reply, reply, spoiled

Own = Literal["502", "504", "403", "410", "422", "primary", "secondary"]
Kind = Common | Own

PRIMARY = "API rate limit exceeded for installation ID 1."
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@dataclass(kw_only=True, eq=False)
class Trouble(Fault):
    """A fault by the name that it has here; `kind` is the nearest of those that every server of ours has."""

    named: Kind


class Weather(Faults):
    """The faults that were asked for, and besides them, in a storm, one for some requests: the same for the same seed.

    Of a hundred requests to the API five get an answer of the 500s, of which one has taken effect, two each are cut off
    before and after they did, two are too many, ten are slow; of git's, whose one step is three of them, half as many.
    """

    def __init__(self) -> None:
        super().__init__()
        self._storm: random.Random | None = None
        self.struck: list[str] = []

    def storm(self, seed: int) -> None:
        """It begins."""
        self._storm = random.Random(seed)

    def calm(self) -> None:
        """It is over."""
        self._storm = None

    def strike(self, method: str, path: str) -> Hit | None:
        """What happens to this request."""
        found = super().strike(method, path)
        if found is not None or self._storm is None:
            return found
        chance = self._storm.random() * (2 if githttp.wanted(path) else 1)
        fault = self._fault(self._storm, chance)
        if fault is None:
            return None
        self.struck.append(f"{fault.named} {method} {path}")
        return Hit(fault=fault, number=1)

    def _fault(self, storm: random.Random, chance: float) -> Trouble | None:
        seconds = storm.uniform(0.05, 0.3)
        after = storm.choice(("0", "1"))
        kinds: list[tuple[float, Kind, bool]] = [
            (0.04, storm.choice(("500", "502", "503")), False),
            (0.05, "502", True),
            (0.07, "reset-before", False),
            (0.09, "reset", True),
            (0.11, "429", False),
            (0.21, "slow", False),
        ]
        for bound, kind, processed in kinds:
            if chance < bound:
                return trouble(kind, processed=processed, retry_after=after, seconds=seconds)
        return None


def trouble(kind: Kind, *, processed: bool, retry_after: str, seconds: float) -> Trouble:
    """One fault for one request, whichever it is."""
    return Trouble(
        method="*",
        path="",
        kind=nearest(kind),
        named=kind,
        times=1,
        skip=0,
        processed=processed,
        retry_after=retry_after,
        location="",
        seconds=seconds,
    )


def nearest(kind: Kind) -> Common:
    """The fault that any server has and that is most like this one."""
    found: Common = kind if kind in get_args(Common) else "500"  # type: ignore[assignment]  # it has just been looked up
    return found


def refusal(status: int, message: str) -> Reply:
    """Why not, as GitHub says it."""
    return reply(
        {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}, status
    )


def troubled(fault: Fault, whole: Reply) -> Reply:
    """What the fault makes of the answer."""
    named = fault.named if isinstance(fault, Trouble) else fault.kind
    match named:
        case "primary":
            reset = str(int(time.time() + fault.seconds))
            return _limited(PRIMARY, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset})
        case "secondary":
            wait = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
            return _limited(SECONDARY, {"x-ratelimit-remaining": "4000", **wait})
        case "429":
            wait = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
            return replace(_limited(SECONDARY, wait), status=429)
        case "redirect":
            moved = refusal(301, "Moved Permanently")
            return replace(moved, headers=dict(moved.headers) | {"Location": fault.location})
        case _ if named.isdecimal():
            return refusal(int(named), f"a fault of the kind {named}")
        case _:
            return spoiled(fault, whole)


def _limited(message: str, headers: dict[str, str]) -> Reply:
    refused = refusal(403, message)
    return replace(refused, headers=dict(refused.headers) | headers)
