"""What goes back to the client, whole or spoiled, in one of three styles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from platform_server.faults import Fault

Style = Literal["full", "required", "extra"]

PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body>Sign in to the network</body></html>"

Shape = Mapping[str, Any]
"""Keys that stay: None for a whole value, a shape for an object or for each of a list's."""

RUN: Shape = dict.fromkeys(("id", "run_id", "created_at", "scope_type", "scope_id"))

PAGINATION: Shape = dict.fromkeys(("page", "limit", "total", "total_unfiltered", "total_pages", "has_next", "has_prev"))
SESSION: Shape = dict.fromkeys(
    ("event_id", "event_type", "event_name", "children", "start_time", "end_time", "duration", "org_id", "project_id")
) | {"metadata": {}}
DATAPOINT: Shape = dict.fromkeys(("id", "history", "linked_event", "created_at"))

REQUIRED: Mapping[str, Shape | None] = {
    "createRun": {"run_id": None},
    "updateRun": {},
    "getRun": {},
    "deleteRun": {"id": None, "deleted": None},
    "getRuns": {"evaluations": None, "pagination": PAGINATION, "metrics": None},
    "getExperimentRunMetrics": {},
    "getExperimentResult": {
        "status": None,
        "success": None,
        "passed": None,
        "failed": None,
        "metrics": {},
        "datapoints": {"session_id": None, "passed": None},
        "event_details": {"event_name": None, "event_type": None},
        "run_object": RUN,
    },
    "getExperimentComparison": {
        "metrics": {"metric_name": None},
        "commonDatapoints": None,
        "event_details": {"event_name": None, "event_type": None, "presence": None},
        "old_run": RUN,
        "new_run": RUN,
    },
    "startSession": {"org_id": None, "workspace_id": None, "project_id": None},
    "getSession": SESSION,
    "createEvent": {"success": None},
    "updateEvent": None,  # described as an answer without content
    "getDatasets": {"datasets": {"id": None, "name": None}},
    "getDatapoints": {"datapoints": DATAPOINT},
    "getDatapoint": {"datapoint": DATAPOINT},
    "exportSpans": {},
}
"""What the description requires of each answer; a contract test holds the two together."""

USERS = ("metadata", "inputs", "outputs", "ground_truth", "configuration", "results", "feedback", "config", "git")
"""Objects whose keys are the user's own: an unknown one there would change what the user has stored."""

UNKNOWN = {"x_unknown": {"nested": [1, None, "ü"]}, "x_version": 9}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer; with `cut` the connection is reset in the middle of it."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    @property
    def answer(self) -> Any:
        """The content, parsed where it is JSON."""
        return parsed(self.content)


def parsed(content: bytes) -> Any:
    """The content's JSON; its bytes where it is none; None where it is empty."""
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:  # not UTF-8 is one, too
        return content


def reply(body: Any, status: int = 200) -> Reply:
    """The body as JSON; None is no content."""
    if body is None:
        return Reply(status=status)
    content = json.dumps(body, ensure_ascii=False).encode()
    return Reply(status=status, content=content, headers={"Content-Type": "application/json"})


def refusal(status: int, message: str) -> Reply:
    """Why not."""
    return reply({"error": message}, status)


def styled(operation: str, body: Any, style: Style) -> Any:
    """The body in the style of the server."""
    match style:
        case "full":
            return body
        case "required":
            shape = REQUIRED[operation]
            return None if shape is None else _only(body, shape)
        case "extra":
            return _with_unknown(body)


def _only(body: Any, shape: Shape | None) -> Any:
    if shape is None:
        return body
    if isinstance(body, list):
        return [_only(item, shape) for item in body]
    return {key: _only(body[key], inner) for key, inner in shape.items()}


def _with_unknown(body: Any) -> Any:
    if isinstance(body, list):
        return [_with_unknown(item) for item in body]
    if not isinstance(body, dict):
        return body
    return {key: value if key in USERS else _with_unknown(value) for key, value in body.items()} | UNKNOWN


def spoiled(fault: Fault, whole: Reply) -> Reply:
    """What the fault makes of the answer."""
    match fault.kind:
        case "reset":
            return replace(whole, cut=True)
        case "invalid-json":
            return replace(whole, status=200, content=b'{"run_id": "cut off in the mid')
        case "html":
            return Reply(status=200, content=PAGE, headers={"Content-Type": "text/html"})
        case "redirect":
            return Reply(status=302, headers={"Location": fault.location})
        case "429" if fault.retry_after is not None:
            refused = refusal(429, "too many requests")
            return replace(refused, headers=dict(refused.headers) | {"Retry-After": fault.retry_after})
        case _:
            return refusal(int(fault.kind), f"a fault of the kind {fault.kind}")
