"""What can go wrong with GitHub: what any server does, and the limits on how much one may ask."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal, get_args

from platform_server.faults import Fault
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
