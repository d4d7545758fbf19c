"""Requests held to the platform's published description, and where all of its clients deviate from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import ImmutableMultiDict

from platform_server.arrivals import Recorded
from platform_server.endpoints import Endpoint, endpoint_of
from platform_server.replies import parsed

SPECS = Path(__file__).resolve().parents[3] / "shared" / "specs"
DESCRIPTION = SPECS / "honeyhive-api.yaml"
HOST = "https://api.honeyhive.ai"

WRAPPED: Mapping[str, str] = {"startSession": "session", "createEvent": "event"}
"""The one deviation of form: the description wants the JSON of an object, as a string, under this key. Both recorded
generations of the SDK send the object itself, and the platform takes it; so do we, and look at the object."""

UNDESCRIBED: Mapping[str, Mapping[str, str]] = {
    "createRun": {"run_id": "the newer generation chooses the run's id, so that a request sent twice is one run"},
}
"""Keys that the description does not list and a client may send all the same, by operation, each with the reason."""

MISDESCRIBED: Mapping[str, str] = {
    "getDatapoint": "described as objects that each hold a list of datapoints; recorded as the list of datapoints",
}
"""Answers that the platform gives in another form than the description says, by operation."""

OBJECTS = ("inputs", "outputs", "metadata", "metrics", "feedback", "config", "user_properties")
TEXTS = ("session_name", "event_name", "source", "project", "event_type", "error")
IDS = ("session_id", "event_id", "parent_id")
NUMBERS = ("start_time", "end_time", "duration")
LISTS = ("children_ids",)

EVENT_TYPES = ("chain", "model", "tool", "session")


@cache
def load() -> Mapping[str, Any] | None:
    """The description; None where the folder `shared` is not beside the repository."""
    if not DESCRIPTION.is_file():
        return None
    # The C loader is the safe one, ten times as quick on this file.
    loaded: Mapping[str, Any] = yaml.load(DESCRIPTION.read_text("utf-8"), Loader=yaml.CSafeLoader)
    return loaded


@cache
def _checker() -> OpenAPI | None:
    found = load()
    return None if found is None else OpenAPI.from_dict(dict(found))


def described(operation: str) -> Mapping[str, Any]:
    """The operation as the description has it; empty where it says nothing of it."""
    for path in (load() or {"paths": {}})["paths"].values():
        for one in path.values():
            if isinstance(one, Mapping) and one.get("operationId") == operation:
                return one
    return {}


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that this one refers to, or itself."""
    found = load()
    if found is None or "$ref" not in schema:
        return schema
    target: Mapping[str, Any] = found["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return target


def violations(request: Recorded) -> Sequence[str]:
    """What is wrong with the request, as far as the description, or the form of a session, says."""
    found = endpoint_of(request.method, request.path)
    if found is None:
        return [f"{request.method} {request.path}: no endpoint that an experiment uses"]
    endpoint = found[0]
    where = f"{request.method} {request.path}"
    return [f"{where}: {message}" for message in _wrong(endpoint, request)]


def _wrong(endpoint: Endpoint, request: Recorded) -> Iterator[str]:
    body = request.body
    if endpoint.operation in WRAPPED and isinstance(body, Mapping):
        key = WRAPPED[endpoint.operation]
        yield from _wrong_object(key, body.get(key))
    checker, operation = _checker(), described(endpoint.operation)
    if checker is None or not operation:
        return
    yield from _undescribed(endpoint, request, operation)
    try:
        checker.validate_request(_presented(endpoint, request))
    except OpenAPIError as exc:
        errors = getattr(exc.__cause__, "schema_errors", ())
        yield "; ".join(str(error.message) for error in errors) or f"{exc} {exc.__cause__ or ''}".strip()


def _wrong_object(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, str):
        value = parsed(value.encode())
    if not isinstance(value, Mapping):
        yield f"{key} is no object"
        return
    known = (*OBJECTS, *TEXTS, *IDS, *NUMBERS, *LISTS)
    yield from (f"{key}.{name} is no key of it" for name in value if name not in known)
    yield from (f"{key}.{name} is no object" for name in OBJECTS if not isinstance(value.get(name, {}), Mapping))
    yield from (f"{key}.{name} is no text" for name in TEXTS if not isinstance(value.get(name, ""), str | None))
    yield from (f"{key}.{name} is no number" for name in NUMBERS if not isinstance(value.get(name, 0), int | float))
    yield from (f"{key}.{name} is no list" for name in LISTS if not isinstance(value.get(name, []), list))
    yield from (f"{key}.{name} is no UUID" for name in IDS if name in value and not _is_uuid(value[name]))
    if key == "event" and value.get("event_type") not in EVENT_TYPES:
        yield f"event.event_type is none of {', '.join(EVENT_TYPES)}"
    if key == "event" and "inputs" not in value:
        yield "event.inputs is missing"


def _is_uuid(value: object) -> bool:
    try:
        return str(UUID(str(value))) == value
    except ValueError:
        return False


def _undescribed(endpoint: Endpoint, request: Recorded, operation: Mapping[str, Any]) -> Iterator[str]:
    names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    yield from (f"the query's {name} is not described" for name in request.query if name not in names)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None and request.body is not None:
        yield "a body is not described"
    if content is None or not isinstance(request.body, Mapping):
        return
    known = {*resolved(content["schema"]).get("properties", {}), *UNDESCRIBED.get(endpoint.operation, {})}
    yield from (f"the body's {name} is not described" for name in request.body if name not in known)


def _presented(endpoint: Endpoint, request: Recorded) -> MockRequest:
    body = request.body
    if endpoint.operation in WRAPPED and isinstance(body, Mapping):
        key = WRAPPED[endpoint.operation]
        body = {**body, key: json.dumps(body[key])} if isinstance(body.get(key), Mapping) else body
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    pairs = [(name, one) for name, values in request.query.items() for one in values]
    return MockRequest(
        HOST,
        request.method.lower(),
        request.path,
        args=ImmutableMultiDict(pairs),
        headers={"authorization": "Bearer key"},  # whether it is the right one is the server's to say
        data=content,
        content_type=request.headers.get("content-type", ""),
    )


def check_answer(request: Recorded) -> None:
    """Raise where the answer to the request is not what the description says."""
    checker = _checker()
    endpoint = endpoint_of(request.method, request.path)
    if checker is None or endpoint is None or not described(endpoint[0].operation):
        return
    response = MockResponse(
        data=b"" if request.answer is None else json.dumps(request.answer).encode(),
        status_code=request.answered or 0,
        content_type="application/json",
    )
    checker.validate_response(_presented(endpoint[0], request), response)
