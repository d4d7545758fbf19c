"""The stand-in for the platform, held to the description: what it objects to, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from platform_server import PlatformServer, Recorded, Style
from platform_server.asking import RUN, SESSION, client_of, every_request
from platform_server.description import DESCRIPTION, MISDESCRIBED, check_answer, described, resolved
from platform_server.endpoints import ENDPOINTS, endpoint_of
from platform_server.replies import REQUIRED, UNKNOWN

needs_description = pytest.mark.skipif(
    not DESCRIPTION.is_file(), reason="needs the folder `shared` beside the repository"
)


# --- what it objects to ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": "Basic hh-test-key"}])
def test_without_the_key_nothing_is_done(headers: Mapping[str, str]) -> None:
    with PlatformServer() as server, httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        assert client.post("/v1/runs", json={"run_id": RUN}).status_code == 401
        assert server.runs == {}
        assert server.violations == ["POST /v1/runs: without the key"]


OBJECTIONABLE: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/v1/runs", {"json": {"status": "done"}}, "'done' is not one of"),
    ("POST", "/v1/runs", {"json": {"name": 3}}, "3 is not of type 'string'"),
    ("POST", "/v1/runs", {"json": {"projekt": "p"}}, "projekt is not described"),
    ("POST", "/v1/runs", {"json": [1]}, "the body has to be a JSON object"),
    ("PUT", "/events", {"json": {"outputs": {}}}, "'event_id' is a required property"),
    ("PUT", "/events", {"json": {"event_id": SESSION, "outputs": "x"}}, "'x' is not of type 'object'"),
    ("POST", "/session/start", {"json": {"session": {"sesion_name": "qa"}}}, "session.sesion_name is no key"),
    ("POST", "/session/start", {"json": {"session": {"inputs": "q"}}}, "session.inputs is no object"),
    ("POST", "/session/start", {"json": {"session": {"session_id": "1"}}}, "session.session_id is no UUID"),
    ("POST", "/session/start", {"json": {"session": "{"}}, "session is no object"),
    ("POST", "/events", {"json": {"event": {"event_type": "x"}}}, "event.inputs is missing"),
    ("GET", "/v1/runs/one/result", {}, "'one' is not a 'uuid'"),
    ("GET", f"/v1/runs/{RUN}/result", {"params": {"aggregate_function": "mean"}}, "'mean' is not one of"),
    ("GET", f"/v1/runs/{RUN}", {"params": {"verbose": "1"}}, "the query's verbose is not described"),
    ("GET", "/v2/runs", {}, "no endpoint that an experiment uses"),
]


@needs_description
@pytest.mark.parametrize(("method", "path", "content", "message"), OBJECTIONABLE)
def test_a_request_that_is_not_as_described_is_noted(
    method: str, path: str, content: dict[str, Any], message: str
) -> None:
    with PlatformServer() as server, client_of(server) as client:
        assert server.validates
        client.request(method, path, **content)
        assert any(message in one and one.startswith(f"{method} {path}: ") for one in server.violations)


# --- how it answers --------------------------------------------------------------------------------------------------


@needs_description
@pytest.mark.parametrize("style", ["full", "required", "extra"])
def test_every_answer_is_as_described_in_every_style(style: Style) -> None:
    with PlatformServer(style=style) as server, client_of(server) as client:
        every_request(server, client)
        assert {one.answered for one in server.requests} == {200}
        assert {one.operation for one in ENDPOINTS if server.of(one.method, one.template)} == set(REQUIRED)
        for one in server.requests:
            if operation(one) not in MISDESCRIBED:
                check_answer(one)
        assert server.violations == []


def test_extra_keys_are_everywhere_but_in_what_is_the_users() -> None:
    with PlatformServer(style="extra") as server, client_of(server) as client:
        every_request(server, client)
        assert all(one.answer.items() >= UNKNOWN.items() for one in server.requests)
        (datapoint,) = server.of("GET", "/v1/datapoints/dp1")[0].answer["datapoint"]
        assert datapoint["inputs"] == {"q": 1}
        assert datapoint.items() >= UNKNOWN.items()


@needs_description
@pytest.mark.parametrize("name", sorted(REQUIRED.keys() - MISDESCRIBED.keys() - {"exportSpans"}))
def test_the_required_keys_are_those_of_the_description(name: str) -> None:
    content = described(name)["responses"]["200"].get("content")
    assert REQUIRED[name] == (content and required(content["application/json"]["schema"]))


def required(schema: Mapping[str, Any]) -> Any:
    found = resolved(schema)
    if found.get("type") == "array":
        return required(found["items"])
    if "properties" not in found:
        return None
    return {key: required(found["properties"][key]) for key in found.get("required", ())}


def operation(one: Recorded) -> str:
    found = endpoint_of(one.method, one.path)
    assert found is not None
    return found[0].operation
