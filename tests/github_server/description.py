"""Requests held to GitHub's published description of its API, and answers filled up to what that requires."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import ImmutableMultiDict

from platform_server.arrivals import Recorded

DESCRIPTION = Path(__file__).resolve().parents[3] / "shared" / "specs" / "github-rest-api.json"
HOST = "https://api.github.com"

Schema = Mapping[str, Any]

FORMATS = {"uri": f"{HOST}/x", "date-time": "2026-01-05T09:00:00Z", "email": "x@example.com"}


@cache
def load() -> Mapping[str, Any] | None:
    """The description; None where the folder `shared` is not beside the repository."""
    if not DESCRIPTION.is_file():
        return None
    loaded: Mapping[str, Any] = json.loads(DESCRIPTION.read_text("utf-8"))
    return loaded


@cache
def _checker() -> OpenAPI | None:
    found = load()
    # Whether the description is one is not for each test to find out: that takes seconds.
    return None if found is None else OpenAPI.from_dict(dict(found), config=Config(spec_validator_cls=None))


def operation(method: str, template: str) -> Mapping[str, Any]:
    """The operation as the description has it; empty where it says nothing of it."""
    found: Mapping[str, Any] = (load() or {"paths": {}})["paths"].get(template, {}).get(method.lower(), {})
    return found


def resolved(value: Any) -> Any:
    """What this refers to, or itself."""
    while isinstance(value, Mapping) and "$ref" in value:
        target: Any = load()
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def violations(request: Recorded, template: str, path: str) -> Iterator[str]:
    """What is wrong with the request, which is for this template and has this path with its parts quoted."""
    checker, described = _checker(), operation(request.method, template)
    if checker is None:
        return
    if not described:
        yield "the description has no such request"
        return
    names = [one["name"] for one in map(resolved, described.get("parameters", ())) if one["in"] == "query"]
    yield from (f"the query's {name} is not described" for name in request.query if name not in names)
    if "requestBody" not in described and request.body is not None:
        yield "a body is not described"
    if isinstance(request.body, Mapping) and "requestBody" in described:
        known = resolved(described["requestBody"]["content"]["application/json"]["schema"]).get("properties", {})
        yield from (f"the body's {name} is not described" for name in request.body if name not in known)
    try:
        checker.validate_request(_presented(request, path))
    except OpenAPIError as exc:
        errors = getattr(exc.__cause__, "schema_errors", ())
        yield "; ".join(_short(error.message) for error in errors) or f"{exc} {exc.__cause__ or ''}".strip()


def _short(message: str) -> str:
    """The message's beginning and end: between them it may quote a whole comment."""
    return message if len(message) <= 400 else f"{message[:200]}…{message[-200:]}"


def check_answer(request: Recorded, path: str) -> None:
    """Raise where the answer to the request is not what the description says."""
    checker = _checker()
    if checker is None:
        return
    response = MockResponse(
        data=b"" if request.answer is None else json.dumps(request.answer).encode(),
        status_code=request.answered or 0,
        content_type="application/json",
    )
    checker.validate_response(_presented(request, path), response)


def _presented(request: Recorded, path: str) -> MockRequest:
    body = request.body
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    pairs = [(name, one) for name, values in request.query.items() for one in values]
    media = request.headers.get("content-type", "")
    return MockRequest(
        HOST, request.method.lower(), path, args=ImmutableMultiDict(pairs), data=content, content_type=media
    )


# --- answers ---------------------------------------------------------------------------------------------------------


def filled(method: str, template: str, status: int, body: Any) -> Any:
    """The body with all that the description requires of that answer; what is there stays as it is."""
    response = resolved(operation(method, template).get("responses", {}).get(str(status), {}))
    content = response.get("content", {}).get("application/json", {})
    return _filled(content["schema"], body) if "schema" in content else body


def _filled(schema: Schema, value: Any) -> Any:
    schema = resolved(schema)
    if isinstance(value, list):
        return [_filled(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    properties, required = _object(schema, value)
    made = {name: _filled(properties.get(name, {}), item) for name, item in value.items()}
    return {name: _made(properties[name]) for name in required if name not in made and name in properties} | made


def _object(schema: Schema, value: Mapping[str, Any]) -> tuple[Schema, Sequence[str]]:
    """The properties of an object and those that it must have, alternatives decided by what is there already."""
    properties, required = dict(schema.get("properties", {})), list(schema.get("required", ()))
    parts = list(schema.get("allOf", ()))
    for several in (schema.get("anyOf"), schema.get("oneOf")):
        kinds = [one for one in map(resolved, several or ()) if "properties" in one or "allOf" in one]
        parts += sorted(kinds, key=lambda one: len(set(value) - set(one.get("properties", {}))))[:1]
    for part in parts:
        more, needed = _object(resolved(part), value)
        properties |= more
        required += needed
    return properties, required


def _made(schema: Schema) -> Any:
    schema = resolved(schema)
    if schema.get("nullable"):
        return None
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "array":
            return []
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return False
        case "string":
            return FORMATS.get(schema.get("format", ""), "x")
        case _:
            return _filled(schema, {})
