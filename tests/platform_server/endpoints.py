"""The requests that the platform knows, and what each does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from platform_server import results
from platform_server.arrivals import Recorded
from platform_server.replies import parsed
from platform_server.spans import each_span, wrong_with
from platform_server.state import OF_RUN, SCOPE, Refused, State

MOST_IDS = 100
"""What the platform takes of `datapoint_ids` in one request."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, and what the variable parts of its path are."""

    request: Recorded
    parts: Mapping[str, str]

    @property
    def body(self) -> Mapping[str, Any]:
        """The request's JSON object."""
        if not isinstance(self.request.body, Mapping):
            raise Refused(400, "the body has to be a JSON object")
        return self.request.body

    def wrapped(self, key: str) -> Mapping[str, Any]:
        """The object under this key, which may also be its JSON as a string."""
        value = self.body.get(key)
        value = parsed(value.encode()) if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise Refused(400, f"{key} has to be an object")
        return value

    def query(self, name: str, default: str) -> str:
        """One parameter of the query."""
        return self.request.query.get(name, [default])[-1]

    @property
    def aggregate(self) -> str:
        """The aggregate function that is asked for."""
        name = self.query("aggregate_function", "average")
        if name not in results.AGGREGATES:
            raise Refused(400, f"there is no aggregate function {name}")
        return name


def create_run(state: State, asked: Asked) -> Any:
    run = state.create_run(asked.body)
    return {"run_id": run["run_id"], "evaluation": run}


def update_run(state: State, asked: Asked) -> Any:
    run = state.run(asked.parts["run_id"])
    run.update(asked.body, merged=OF_RUN)
    return {"evaluation": run.value}


def get_run(state: State, asked: Asked) -> Any:
    return {"evaluation": state.run(asked.parts["run_id"]).value}


def list_runs(state: State, asked: Asked) -> Any:
    name = asked.query("name", "")
    found = [kept.value for kept in state.runs.values() if not name or kept.value["name"] == name]
    totals = {"total": len(found), "total_unfiltered": len(state.runs), "total_pages": 1}
    pages = totals | {"page": 1, "limit": 100, "has_next": False, "has_prev": False}
    return {"evaluations": found, "pagination": pages, "metrics": []}


def delete_run(state: State, asked: Asked) -> Any:
    run_id = state.run(asked.parts["run_id"]).value["run_id"]
    del state.runs[run_id]
    return {"id": run_id, "deleted": True}


def get_result(state: State, asked: Asked) -> Any:
    return results.result(state, state.run(asked.parts["run_id"]), asked.aggregate)


def get_metrics(state: State, asked: Asked) -> Any:
    return results.metrics(state, state.run(asked.parts["run_id"]))


def compare_runs(state: State, asked: Asked) -> Any:
    new, old = (state.run(asked.parts[part]) for part in ("new_run_id", "old_run_id"))
    return results.comparison(state, new, old, asked.aggregate)


def start_session(state: State, asked: Asked) -> Any:
    session = state.start_session(asked.wrapped("session"))
    return {key: session[key] for key in ("session_id", "event_id", "event_type", "event_name", "children_ids")} | SCOPE


def get_session(state: State, asked: Asked) -> Any:
    session = state.session(asked.parts["session_id"])
    own = [kept.value for kept in state.events.values() if kept.value.get("session_id") == session["session_id"]]
    times = {"start_time": 0, "end_time": 0, "duration": 0, "metadata": {}}
    return times | session | {"children": own}


def create_event(state: State, asked: Asked) -> Any:
    return {"success": True, "event_id": state.create_event(asked.wrapped("event"))["event_id"]}


def update_event(state: State, asked: Asked) -> Any:
    state.update_event(asked.body)
    return {"success": True}


def export_spans(state: State, asked: Asked) -> Any:
    try:
        spans = list(each_span(asked.body))
    except (KeyError, TypeError, AttributeError) as exc:
        raise Refused(400, f"that is no OTLP/JSON: {exc!r}") from exc
    if wrong := [message for span in spans for message in wrong_with(span)]:
        raise Refused(400, json.dumps(wrong))
    for span in spans:
        state.add_span(span)
    return {}


def get_datasets(state: State, asked: Asked) -> Any:
    wanted, name = asked.query("dataset_id", ""), asked.query("name", "")
    found = [
        dataset
        for dataset in state.datasets.values()
        if wanted in ("", dataset["id"]) and name in ("", dataset["name"])
    ]
    return {"datasets": found}


def get_datapoints(state: State, asked: Asked) -> Any:
    ids = [one for given in asked.request.query.get("datapoint_ids", ()) for one in given.split(",")]
    if len(ids) > MOST_IDS:
        raise Refused(400, f"{len(ids)} datapoint_ids, {MOST_IDS} at most")
    if name := asked.query("dataset_name", ""):
        ids += [one for dataset in state.datasets.values() if dataset["name"] == name for one in dataset["datapoints"]]
    # In an order that is not the one asked for: no client may rely on that.
    return {"datapoints": [state.datapoints[one] for one in reversed(ids) if one in state.datapoints]}


def get_datapoint(state: State, asked: Asked) -> Any:
    datapoint_id = asked.parts["id"]
    if datapoint_id not in state.datapoints:
        raise Refused(404, f"there is no datapoint {datapoint_id}")
    return {"datapoint": [state.datapoints[datapoint_id]]}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One request that the platform knows; the operation's name is the description's."""

    method: str
    template: str
    operation: str
    act: Callable[[State, Asked], Any]

    def parts(self, method: str, path: str) -> Mapping[str, str] | None:
        """The variable parts of the path; None where it is another endpoint's."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return {name: unquote(part) for name, part in found.groupdict().items()} if found else None


ENDPOINTS = tuple(
    Endpoint(method=method, template=template, operation=operation, act=act)
    for method, template, operation, act in (
        ("POST", "/v1/runs", "createRun", create_run),
        ("GET", "/v1/runs", "getRuns", list_runs),
        ("GET", "/v1/runs/{run_id}", "getRun", get_run),
        ("PUT", "/v1/runs/{run_id}", "updateRun", update_run),
        ("DELETE", "/v1/runs/{run_id}", "deleteRun", delete_run),
        ("GET", "/v1/runs/{run_id}/result", "getExperimentResult", get_result),
        ("GET", "/v1/runs/{run_id}/metrics", "getExperimentRunMetrics", get_metrics),
        ("GET", "/v1/runs/{new_run_id}/compare-with/{old_run_id}", "getExperimentComparison", compare_runs),
        ("POST", "/session/start", "startSession", start_session),
        ("GET", "/v1/sessions/{session_id}", "getSession", get_session),
        ("POST", "/events", "createEvent", create_event),
        ("PUT", "/events", "updateEvent", update_event),
        ("POST", "/opentelemetry/v1/traces", "exportSpans", export_spans),
        ("GET", "/v1/datasets", "getDatasets", get_datasets),
        ("GET", "/v1/datapoints", "getDatapoints", get_datapoints),
        ("GET", "/v1/datapoints/{id}", "getDatapoint", get_datapoint),
    )
)


def endpoint_of(method: str, path: str) -> tuple[Endpoint, Mapping[str, str]] | None:
    """The endpoint that the request is for, with the variable parts of its path; None where there is none."""
    for endpoint in ENDPOINTS:
        parts = endpoint.parts(method, path)
        if parts is not None:
            return endpoint, parts
    return None
