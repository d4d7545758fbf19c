"""Lines of a spans file on their way to HoneyHive: under the ids that it has, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

from honeyhive.documents import compact_json

_SESSION = "honeyhive.session_id"
SESSION_KEYS = frozenset({_SESSION, "traceloop.association.properties.session_id", "honeyhive_session_id"})
"""The attributes that say whose session a span is in; the first of them is on every span of ours."""

RUN_KEYS = frozenset({"honeyhive_metadata.run_id"})
"""The attributes that say which run a span is of."""

_OTHERS = frozenset(
    {
        "honeyhive_event_id",
        "honeyhive_tracer_id",
        "honeyhive.parent_id",
        "traceloop.association.properties.parent_id",
    }
)
"""Attributes by which a span could pass for another event; no span of ours has one."""


def renamed(line: bytes, *, sessions: Mapping[str, str], runs: Mapping[str, str]) -> bytes:
    """The line as it was written, with other ids; only the attributes that are there for them change."""
    for keys, names in ((SESSION_KEYS, sessions), (RUN_KEYS, runs)):
        for ours, theirs in names.items():
            if ours != theirs:
                for key in keys:  # inside a text the quotes would be escaped: this is an attribute and nothing else
                    line = line.replace(_attribute(key, ours), _attribute(key, theirs))
    return line


def own_line(line: bytes, *, session_id: str, run_id: str) -> bytes | None:
    """The line, written anew, where all of it is of this session and this run and nothing else; else `None`."""
    try:
        request = _Request.model_validate(from_json(line, allow_inf_nan=False))
    except ValueError:  # Pydantic's are among them
        return None
    if not all(_belongs(each, session_id, run_id) for each in request.attributes()):
        return None
    if not all(any(each.key == _SESSION for each in span.attributes) for span in request.spans()):
        return None
    return compact_json(request.model_dump(by_alias=True, exclude_unset=True))


def _attribute(key: str, value: str) -> bytes:
    return b'"key":%b,"value":{"stringValue":%b}' % (compact_json(key), compact_json(value))


# --- what a line may hold: what `honeyhive.tracer.otlp` writes, and no other name for it ------------------------------


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class _Attribute(_Shape):
    key: str
    value: dict[str, Any]


class _Attributed(_Shape):
    attributes: list[_Attribute] = []
    dropped_attributes_count: int = 0


class _Event(_Attributed):
    time_unix_nano: str
    name: str


class _Link(_Attributed):
    trace_id: str
    span_id: str


class _Span(_Attributed):
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str
    start_time_unix_nano: str
    end_time_unix_nano: str
    events: list[_Event]
    status: dict[str, str]
    trace_state: str = ""
    links: list[_Link] = []
    dropped_events_count: int = 0
    dropped_links_count: int = 0


class _Scope(_Attributed):
    name: str = ""
    version: str = ""


class _ScopeSpans(_Shape):
    scope: _Scope
    schema_url: str = ""
    spans: list[_Span]


class _ResourceSpans(_Shape):
    resource: _Attributed
    schema_url: str = ""
    scope_spans: list[_ScopeSpans]


class _Request(_Shape):
    resource_spans: list[_ResourceSpans]

    def spans(self) -> Iterator[_Span]:
        for group in self.resource_spans:
            for scope in group.scope_spans:
                yield from scope.spans

    def attributes(self) -> Iterator[_Attribute]:
        """Every attribute, whatever it is of."""
        for group in self.resource_spans:
            yield from group.resource.attributes
            for scope in group.scope_spans:
                yield from scope.scope.attributes
        for span in self.spans():
            for holder in (span, *span.events, *span.links):
                yield from holder.attributes


def _belongs(attribute: _Attribute, session_id: str, run_id: str) -> bool:
    if attribute.key in SESSION_KEYS:
        return attribute.value == {"stringValue": session_id}
    if attribute.key in RUN_KEYS:
        return attribute.value == {"stringValue": run_id}
    return attribute.key not in _OTHERS
