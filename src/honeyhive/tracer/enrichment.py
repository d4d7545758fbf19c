"""What may be added to spans and sessions: its kinds, as arguments and as attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, TypedDict

from opentelemetry.util.types import AttributeValue

from honeyhive.tracer.attributes import attributes_of
from honeyhive.tracer.warning import warn


class Enrichment(TypedDict, total=False):
    """What may be added to a span or a session, by kind."""

    metadata: Mapping[str, Any] | None
    inputs: Mapping[str, Any] | None
    outputs: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    feedback: Mapping[str, Any] | None
    metrics: Mapping[str, Any] | None
    user_properties: Mapping[str, Any] | None


class SessionEnrichment(Enrichment, total=False):
    """What may be added to a session, and which one it is."""

    session_id: str | None


KINDS = tuple(Enrichment.__annotations__)
"""The kinds, in the order in which the SDK since 1.0 takes them."""

_OF_THE_RUN = ("run_id", "dataset_id", "datapoint_id", "source")
"""Metadata that says where a span belongs: only the tracer's configuration sets it."""


def enrichment_attributes(kinds: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The attributes of inputs, outputs, metadata and so on, under the names that the platform reads."""
    found: dict[str, AttributeValue] = {}
    for kind, added in kinds.items():
        if isinstance(added, Mapping):
            kept = {key: value for key, value in added.items() if kind != "metadata" or key not in _OF_THE_RUN}
            if kept:
                found.update(attributes_of(f"honeyhive_{kind}", kept))
        elif added is not None:
            found.update(attributes_of(f"honeyhive_{kind}", added))
    return found


def session_enrichment(
    given: Sequence[Any], named: Mapping[str, Any]
) -> tuple[str | None, dict[str, Mapping[str, Any]]]:
    """Which session the arguments of `enrich_session` name, and what they add to it, by kind.

    By position they are in the order of the SDK since 1.0, metadata first; in that of the one before where the
    first is a session's id. What is no mapping is left out, with a warning.
    """
    order = _OLDER if given and isinstance(given[0], str) else _NEWER
    added = {name: value for name, value in order.bind(*given, **named).arguments.items() if value is not None}
    session_id = added.pop("session_id", None)
    if session_id is not None and not isinstance(session_id, str):
        warn("enrich_session: the session's id is not text; nothing is added")
        return None, {}
    for kind in [kind for kind, value in added.items() if not isinstance(value, Mapping)]:
        warn(f"enrich_session: {kind} is not a mapping, and not added")
        del added[kind]
    return session_id, added


def _taking(*names: str) -> Signature:
    return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=None) for name in names])


_NEWER = _taking(*KINDS, "session_id")
_OLDER = _taking("session_id", "metadata", "feedback", "metrics", "config", "inputs", "outputs", "user_properties")
