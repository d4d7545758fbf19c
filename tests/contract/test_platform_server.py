"""The stand-in for the platform: what it keeps, and what it makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from platform_server import PlatformServer
from platform_server.asking import OTHER_RUN, RUN, SESSION, client_of, otlp, span, start, two_runs


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found


@pytest.fixture
def client(server: PlatformServer) -> Iterator[httpx.Client]:
    with client_of(server) as found:
        yield found


# --- what it keeps ---------------------------------------------------------------------------------------------------


def test_a_run_is_created_updated_read_and_deleted(server: PlatformServer, client: httpx.Client) -> None:
    created = client.post("/v1/runs", json={"run_id": RUN, "name": "qa", "metadata": {"git": {"branch": "main"}}})
    changes = {"status": "completed", "metadata": {"offline_dataset_id": "EXT-d"}, "event_ids": [SESSION]}
    client.put(f"/v1/runs/{RUN}", json=changes)
    run = client.get(f"/v1/runs/{RUN}").json()["evaluation"]
    assert created.json()["run_id"] == RUN
    assert (run["name"], run["status"], run["event_ids"]) == ("qa", "completed", [SESSION])
    assert run["metadata"] == {"git": {"branch": "main"}, "offline_dataset_id": "EXT-d"}
    assert server.runs[RUN].updates == [changes]
    assert [one["run_id"] for one in client.get("/v1/runs", params={"name": "qa"}).json()["evaluations"]] == [RUN]
    assert client.delete(f"/v1/runs/{RUN}").json() == {"id": RUN, "deleted": True}
    assert client.get(f"/v1/runs/{RUN}").status_code == 404
    assert server.violations == []


def test_the_same_id_twice_is_one_thing_accepted_twice(server: PlatformServer, client: httpx.Client) -> None:
    for _ in range(2):
        client.post("/v1/runs", json={"run_id": RUN})
        start(client)
        client.post("/opentelemetry/v1/traces", json=otlp(span()))
    assert {key: kept.accepted for key, kept in server.runs.items()} == {RUN: 2}
    assert {key: kept.accepted for key, kept in server.sessions.items()} == {SESSION: 2}
    assert {key: kept.accepted for key, kept in server.spans.items()} == {"a25828d824f8b048": 2}


def test_without_an_id_each_is_another(server: PlatformServer, client: httpx.Client) -> None:
    ids = {client.post("/v1/runs", json={"name": "qa"}).json()["run_id"] for _ in range(2)}
    sessions = {client.post("/session/start", json={"session": {}}).json()["session_id"] for _ in range(2)}
    assert len(ids) == len(sessions) == 2
    assert set(server.runs) == ids
    assert set(server.sessions) == sessions


def test_own_ids_are_not_the_clients_and_stay_the_same() -> None:
    with PlatformServer(own_ids=True) as server, client_of(server) as client:
        runs = [client.post("/v1/runs", json={"run_id": RUN}).json()["run_id"] for _ in range(2)]
        sessions = [start(client)["session_id"] for _ in range(2)]
        assert len({RUN, *runs}) == len({SESSION, *sessions}) == 2
        assert client.put(f"/v1/runs/{RUN}", json={"status": "failed"}).status_code == 404
        assert client.put("/events", json={"event_id": SESSION, "outputs": {}}).status_code == 404
        assert client.put("/events", json={"event_id": sessions[0], "outputs": {}}).status_code == 200


def test_a_session_may_be_sent_as_json_text(server: PlatformServer, client: httpx.Client) -> None:
    text = json.dumps({"session_id": SESSION, "session_name": "qa"})
    assert client.post("/session/start", json={"session": text}).json()["event_name"] == "qa"
    assert client.get(f"/v1/sessions/{SESSION}").json()["session_name"] == "qa"
    assert server.violations == []


def test_updates_of_a_session_add_to_it(server: PlatformServer, client: httpx.Client) -> None:
    start(client)
    client.put("/events", json={"event_id": SESSION, "metrics": {"a": 1}, "outputs": {"x": 1}})
    client.put("/events", json={"event_id": SESSION, "metrics": {"b": True}, "metadata": {"k": "v"}, "duration": 3})
    session = server.sessions[SESSION].value
    assert session["metrics"] == {"a": 1, "b": True}
    assert session["outputs"] == {"x": 1}
    assert session["metadata"] == {"run_id": RUN, "dataset_id": "EXT-d", "datapoint_id": "EXT-fb", "k": "v"}
    assert session["duration"] == 3


def test_an_event_of_its_own_is_kept_and_updated(server: PlatformServer, client: httpx.Client) -> None:
    event = {"event_id": str(uuid4()), "event_type": "tool", "inputs": {}, "session_id": SESSION}
    assert client.post("/events", json={"event": event}).json() == {"success": True, "event_id": event["event_id"]}
    client.put("/events", json={"event_id": event["event_id"], "feedback": {"rating": 5}})
    assert server.events[str(event["event_id"])].value["feedback"] == {"rating": 5}


@pytest.mark.parametrize(("lenient", "status"), [(False, 404), (True, 200)])
def test_an_update_of_an_unknown_event(lenient: bool, status: int) -> None:
    with PlatformServer(unknown_events=lenient) as server, client_of(server) as client:
        assert client.put("/events", json={"event_id": SESSION, "metrics": {"a": 1}}).status_code == status
        assert (SESSION in server.events) is lenient


def test_spans_belong_to_the_session_that_they_name(server: PlatformServer, client: httpx.Client) -> None:
    other = str(uuid4())
    client.post("/opentelemetry/v1/traces", json=otlp(span(), span("61d3ee4d41bbaa4e", other)))
    assert [one["spanId"] for one in server.spans_of(SESSION)] == ["a25828d824f8b048"]
    assert [one["spanId"] for one in server.spans_of(other)] == ["61d3ee4d41bbaa4e"]


WRONG_SPANS = [
    span("oli42CT4sEg="),
    span() | {"traceId": "sv9B8tGCbIcY5rWmeW1Lpg=="},
    span() | {"parentSpanId": ""},
    span() | {"startTimeUnixNano": 1795329672729589630},
    span(k={"intValue": 1}),
    span(k={"textValue": "x"}),
]


@pytest.mark.parametrize("wrong", WRONG_SPANS)
def test_a_span_that_the_platform_would_not_understand_is_refused(
    server: PlatformServer, client: httpx.Client, wrong: Mapping[str, Any]
) -> None:
    assert client.post("/opentelemetry/v1/traces", json=otlp(wrong)).status_code == 400
    assert server.spans == {}
    assert len(server.violations) == 1


def test_a_dataset_lists_what_its_datapoints_no_longer_have(server: PlatformServer, client: httpx.Client) -> None:
    rows = [{"id": f"dp{at}", "inputs": {"q": at}, "ground_truth": {"a": at}} for at in range(3)]
    server.add_dataset("ds1", rows, missing=["dp1", "dp9"])
    (dataset,) = client.get("/v1/datasets", params={"dataset_id": "ds1"}).json()["datasets"]
    assert dataset["datapoints"] == ["dp0", "dp1", "dp2", "dp9"]
    for ids in (["dp0", "dp1", "dp2"], "dp0,dp1,dp2"):
        found = client.get("/v1/datapoints", params={"datapoint_ids": ids}).json()["datapoints"]
        assert [(one["id"], one["inputs"]) for one in found] == [("dp2", {"q": 2}), ("dp0", {"q": 0})]
    assert client.get("/v1/datapoints/dp2").json()["datapoint"][0]["ground_truth"] == {"a": 2}
    assert client.get("/v1/datapoints/dp1").status_code == 404
    assert client.get("/v1/datasets", params={"dataset_id": "ds2"}).json()["datasets"] == []
    assert server.violations == []


@pytest.mark.parametrize(("count", "status"), [(100, 200), (101, 400)])
def test_a_hundred_datapoints_at_most(client: httpx.Client, count: int, status: int) -> None:
    ids = [f"dp{at}" for at in range(count)]
    assert client.get("/v1/datapoints", params={"datapoint_ids": ids}).status_code == status


# --- what it makes of it ---------------------------------------------------------------------------------------------


def test_a_result_has_the_metrics_of_sessions_and_of_spans(client: httpx.Client) -> None:
    two_runs(client)
    result = client.get(f"/v1/runs/{RUN}/result", params={"aggregate_function": "average"}).json()
    correct, length = result["metrics"]["details"]
    assert (correct["metric_name"], correct["event_type"], correct["values"]) == ("correct", "session", [1, 0])
    assert (correct["aggregate"], correct["datapoints"]) == (0.5, {"passed": ["EXT-0"], "failed": ["EXT-1"]})
    assert (length["metric_name"], length["event_name"], length["values"]) == ("length", "solve", [0, 1])
    assert (result["success"], result["passed"], result["failed"]) == (False, ["EXT-0"], ["EXT-1"])
    assert len(client.get(f"/v1/runs/{RUN}/metrics").json()["events"]) == 2


def test_a_comparison_is_over_the_shared_datapoints(client: httpx.Client) -> None:
    two_runs(client)
    found = client.get(f"/v1/runs/{RUN}/compare-with/{OTHER_RUN}").json()
    correct = found["metrics"][0]
    assert found["commonDatapoints"] == ["EXT-0", "EXT-1"]
    assert (correct["old_aggregate"], correct["new_aggregate"], correct["difference"]) == (1, 0.5, -0.5)
    assert (correct["degraded"], correct["same"], correct["improved"]) == (["EXT-1"], ["EXT-0"], [])


@pytest.mark.parametrize(
    ("name", "aggregate"),
    [("average", 0.5), ("median", 0.5), ("min", 0), ("max", 1), ("sum", 1), ("count", 2), ("p90", 1)],
)
def test_the_aggregate_is_the_one_that_is_asked_for(client: httpx.Client, name: str, aggregate: float) -> None:
    two_runs(client)
    result = client.get(f"/v1/runs/{RUN}/result", params={"aggregate_function": name}).json()
    assert result["metrics"]["details"][0]["aggregate"] == aggregate
