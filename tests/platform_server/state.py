"""What the platform keeps: runs, sessions, events, spans, datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

CREATED = "2025-10-02T00:00:00.000Z"

SCOPE = {"org_id": "o", "workspace_id": "w", "project_id": "p"}

OF_RUN = ("metadata", "results", "configuration")
OF_EVENT = ("outputs", "metrics", "metadata", "feedback", "config", "user_properties")
"""Mappings that an update adds to; all else it replaces."""


@dataclass(kw_only=True)
class Kept:
    """One thing that the platform keeps, how often it was sent, and each update of it as it came."""

    value: dict[str, Any]
    accepted: int = 1
    updates: list[dict[str, Any]] = field(default_factory=list)

    def update(self, changes: Mapping[str, Any], *, merged: Sequence[str]) -> None:
        """Take the changes over."""
        self.updates.append(dict(changes))
        for key, value in changes.items():
            if key in merged and isinstance(value, Mapping):
                self.value[key] = {**(self.value.get(key) or {}), **value}
            else:
                self.value[key] = value


class Refused(Exception):  # noqa: N818  # it is an answer, not an error
    """The platform does not take a request: its status, and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class State:
    """The platform's memory; whoever holds the server's lock may use it.

    The same id sent twice is the same thing, also with `own_ids`: each id of a client gets one of the platform's.
    """

    def __init__(self, *, own_ids: bool, unknown_events: bool) -> None:
        self.runs: dict[str, Kept] = {}
        self.sessions: dict[str, Kept] = {}
        self.events: dict[str, Kept] = {}
        self.spans: dict[str, Kept] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.datapoints: dict[str, dict[str, Any]] = {}
        self._own_ids = own_ids
        self._unknown_events = unknown_events
        self._ids: dict[str, str] = {}

    def create_run(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The run, new or the one that this id has already."""
        run_id = self._id(body.get("run_id"))
        return self._keep(self.runs, run_id, lambda: _run(run_id, body))

    def run(self, run_id: str) -> Kept:
        """The run with this id."""
        if run_id not in self.runs:
            raise Refused(404, f"there is no run {run_id}")
        return self.runs[run_id]

    def start_session(self, session: Mapping[str, Any]) -> dict[str, Any]:
        """The session, new or the one that this id has already."""
        session_id = self._id(session.get("session_id"))
        return self._keep(self.sessions, session_id, lambda: _session(session_id, session))

    def session(self, session_id: str) -> dict[str, Any]:
        """The session with this id."""
        if session_id not in self.sessions:
            raise Refused(404, f"there is no session {session_id}")
        return self.sessions[session_id].value

    def create_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The event, new or the one that this id has already."""
        event_id = self._id(event.get("event_id"))
        return self._keep(self.events, event_id, lambda: SCOPE | dict(event) | {"event_id": event_id})

    def update_event(self, changes: Mapping[str, Any]) -> None:
        """Take the changes of a session or an event over."""
        event_id = str(changes.get("event_id"))
        kept = self.sessions.get(event_id) or self.events.get(event_id)
        if kept is None and not self._unknown_events:
            raise Refused(404, f"there is no event {event_id}")
        if kept is None:
            kept = self.events[event_id] = Kept(value=SCOPE | {"event_id": event_id})
        kept.update(changes, merged=OF_EVENT)

    def add_span(self, span: dict[str, Any]) -> None:
        """Keep the span, or count that it came again."""
        self._keep(self.spans, span["spanId"], lambda: span)

    def add_dataset(self, dataset_id: str, datapoints: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> None:
        """A dataset that lists all of these, and has lost those that are missing."""
        ids = [str(datapoint["id"]) for datapoint in datapoints]
        listed = ids + [one for one in missing if one not in ids]
        stamps = {"created_at": CREATED, "updated_at": CREATED}
        named = {"id": dataset_id, "name": dataset_id, "description": None}
        self.datasets[dataset_id] = named | {"datapoints": listed} | stamps
        for datapoint in datapoints:
            if datapoint["id"] not in missing:
                self.datapoints[str(datapoint["id"])] = _datapoint(dataset_id, datapoint)

    def _keep(self, kept: dict[str, Kept], key: str, new: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if key in kept:
            kept[key].accepted += 1
        else:
            kept[key] = Kept(value=new())
        return kept[key].value

    def _id(self, given: str | None) -> str:
        if given is None:
            return str(uuid4())
        return self._ids.setdefault(given, str(uuid4()) if self._own_ids else given)


def _run(run_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": run_id,
        "run_id": run_id,
        "name": body.get("name"),
        "description": None,
        "status": body.get("status", "pending"),
        "metadata": body.get("metadata", {}),
        "results": body.get("results", {}),
        "event_ids": body.get("event_ids", []),
        "configuration": body.get("configuration", {}),
        "is_active": True,
        "created_at": CREATED,
        "updated_at": CREATED,
        "scope_type": "project",
        "scope_id": "p",
        "dataset_id": body.get("dataset_id"),
        "datapoint_ids": body.get("datapoint_ids", []),
    }


def _session(session_id: str, session: Mapping[str, Any]) -> dict[str, Any]:
    own = {"session_id": session_id, "event_id": session_id, "event_type": "session", "children_ids": []}
    return dict(session) | own | {"event_name": session.get("session_name", "session")} | SCOPE


def _datapoint(dataset_id: str, datapoint: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(datapoint["id"]),
        "_id": str(datapoint["id"]),
        "inputs": datapoint.get("inputs", {}),
        "ground_truth": datapoint.get("ground_truth"),
        "history": [],
        "metadata": datapoint.get("metadata", {}),
        "linked_event": None,
        "updated_at": CREATED,
        "linked_datasets": [dataset_id],
        "created_at": CREATED,
    }
