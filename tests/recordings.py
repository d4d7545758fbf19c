"""The exchanges of the published SDKs with the platform, and what a client that replaces them has to send.

`implied_requests` reads a recording and what a `PlatformServer` has recorded alike, so that the two can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from platform_server import Recorded, attributes, template
from platform_server.spans import SESSION, each_span

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "specs" / "recorded"
needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="needs the folder `shared` beside the repository")

OLDER_SESSION = "traceloop.association.properties.session_id"
"""What names a span's session in both generations; the older one has nothing else."""

Types = frozenset[str]
"""JSON types: object, array, string, number, boolean, null."""


class Request(NamedTuple):
    """What kind of request it is."""

    method: str
    template: str


START = Request("POST", "/session/start")
TRACES = Request("POST", "/opentelemetry/v1/traces")
UPDATE = Request("PUT", "/events")
CREATE_RUN = Request("POST", "/v1/runs")
END_RUN = Request("PUT", "/v1/runs/{run_id}")


@dataclass(frozen=True, kw_only=True)
class Implied:
    """What requests come to, without their values."""

    sequence: Sequence[Request]
    """All of them, in order."""
    per_session: Mapping[str, Sequence[Request]]
    """Those about one session, in order, by its id; a batch of spans is about each session that it has spans of."""
    bodies: Mapping[Request, Mapping[str, Types]]
    """Every key path of the bodies and the types found there; lists are `[]`, span attributes go by their names."""
    metadata: Mapping[Request, frozenset[str]]
    """The keys of every `metadata` in the bodies, and of the spans' `honeyhive_metadata.`"""


def read(name: str) -> list[Recorded]:
    """A recording by the name of its file, as the server records; empty where the folder is absent."""
    path = RECORDED / name
    entries = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return [_recorded(at, entry) for at, entry in enumerate(entries)]


def _recorded(at: int, entry: Mapping[str, Any]) -> Recorded:
    split = urlsplit(entry["path"])
    return Recorded(
        at=at,
        method=entry["method"],
        path=split.path,
        query=parse_qs(split.query, keep_blank_values=True),
        headers={name.lower(): value for name, value in entry["headers"].items()},
        body=entry["request"],
        connection=int(entry["thread_conn"].rpartition(":")[2]),
        answered=entry["status"],
        answer=entry["response"],
    )


def implied_requests(recording: Iterable[Recorded]) -> Implied:
    """What these requests come to."""
    sequence: list[Request] = []
    sessions: dict[str, list[Request]] = {}
    bodies: dict[Request, dict[str, Types]] = {}
    metadata: dict[Request, frozenset[str]] = {}
    for one in recording:
        kind = Request(one.method, template(one))
        sequence.append(kind)
        for session_id in sessions_of(one):
            sessions.setdefault(session_id, []).append(kind)
        found = bodies.setdefault(kind, {})
        for path, types in key_paths(one.body).items():
            found[path] = found.get(path, frozenset()) | types
        metadata[kind] = metadata.get(kind, frozenset()) | _metadata(one.body)
    return Implied(sequence=sequence, per_session=sessions, bodies=bodies, metadata=metadata)


def sessions_of(one: Recorded) -> Sequence[str]:
    """The sessions that a request is about; for the start of one the id is what the platform says it is."""
    body = one.body if isinstance(one.body, Mapping) else {}
    match Request(one.method, template(one)):
        case Request(method=START.method, template=START.template):
            answer = one.answer if isinstance(one.answer, Mapping) else {}
            given = body["session"].get("session_id") if isinstance(body.get("session"), Mapping) else None
            found = answer.get("session_id") or given
            return [found] if found else []
        case Request(method=TRACES.method, template=TRACES.template):
            known = (attributes(span) for span in each_span(body))
            return list(dict.fromkeys(str(one.get(SESSION, one.get(OLDER_SESSION))) for one in known))
        case Request(method=UPDATE.method, template=UPDATE.template):
            return [body["event_id"]]
    return []


def key_paths(body: Any) -> Mapping[str, Types]:
    """Every key path of a body, with the types found there."""
    found: dict[str, Types] = {}
    for path, kind in _walk("", body):
        found[path] = found.get(path, frozenset()) | {kind}
    return found


def _walk(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if path:
        yield path, _type(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "attributes" and path.startswith("resourceSpans"):
                yield from _attributes(path, inner)
            else:
                yield from _walk(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(f"{path}[]", inner)


def _attributes(path: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    yield f"{path}.attributes", "array"
    if path.endswith(".resource"):  # what machine it was: nothing that a client has to repeat
        return
    for entry in entries:
        yield from _walk(f"{path}.attributes.{entry['key']}", entry["value"])


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"


def _metadata(body: Any) -> frozenset[str]:
    if isinstance(body, list):
        return frozenset().union(*(_metadata(one) for one in body))
    if not isinstance(body, Mapping):
        return frozenset()
    own = body.get("metadata")
    found = frozenset(own) if isinstance(own, Mapping) else frozenset()
    if "spanId" in body:
        prefix = "honeyhive_metadata."
        return found | {key.removeprefix(prefix) for key in attributes(body) if key.startswith(prefix)}
    return found.union(*(_metadata(value) for value in body.values()))


def missing(ours: Implied, recorded: Implied, *, ignoring: Sequence[str] = ()) -> list[str]:
    """Each key path of the recorded bodies that ours lack, or have with another type; more than they have is fine.

    `ignoring` are beginnings of key paths that need not be there.
    """
    found = []
    for kind, paths in recorded.bodies.items():
        own = ours.bodies.get(kind)
        if own is None:
            found.append(f"{kind.method} {kind.template}: never sent")
            continue
        for path, types in paths.items():
            if path.startswith(tuple(ignoring)):
                continue
            if path not in own:
                found.append(f"{kind.method} {kind.template}: {path} is missing")
            elif not own[path] <= types:
                found.append(f"{kind.method} {kind.template}: {path} is {_or(own[path])}, recorded {_or(types)}")
    return found


def _or(types: Types) -> str:
    return " or ".join(sorted(types))
