"""What the tracers of the published SDKs may be configured with, and ours has no use for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class Accepted(TypedDict, total=False):
    """What is accepted and has no effect.

    We log nothing, instrument no HTTP client, cache nothing, and a session is never part of another process's trace.
    """

    verbose: bool
    disable_http_tracing: bool | None
    link_carrier: Mapping[str, Any] | None
    cache_enabled: bool
    cache_max_size: int | None
    cache_ttl: float | None
    cache_cleanup_interval: float | None


def refuse_unknown(given: Mapping[str, object]) -> None:
    """`TypeError` for what is not among `Accepted`, as Python has it for any other function."""
    if unknown := given.keys() - Accepted.__annotations__.keys():
        raise TypeError(f"HoneyHiveTracer() got an unexpected keyword argument {min(unknown)!r}")
