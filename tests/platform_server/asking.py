"""Raw requests, as any client might send them, to try the server with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

from platform_server.platform import PlatformServer

RUN, OTHER_RUN = "55aeb984-30c1-496e-8d58-afe7e3ae7b52", "11111111-1111-4111-8111-111111111111"
SESSION = "fb654e5e-93fc-4643-9056-47d2216af95b"


def client_of(server: PlatformServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, trust_env=False)


def start(client: httpx.Client, session_id: str = SESSION, **fields: Any) -> Any:
    metadata = {"run_id": RUN, "dataset_id": "EXT-d", "datapoint_id": f"EXT-{session_id[:2]}"}
    session = {"session_id": session_id, "session_name": "qa", "source": "evaluation", "metadata": metadata}
    return client.post("/session/start", json={"session": session | fields}).json()


def otlp(*spans: Mapping[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def span(span_id: str = "a25828d824f8b048", session_id: str = SESSION, **attributes: Any) -> dict[str, Any]:
    texts = {"honeyhive.session_id": {"stringValue": session_id}, "honeyhive_event_type": {"stringValue": "chain"}}
    return {
        "traceId": "76802998769d5e51d2bf8536d2ba7cb4",
        "spanId": span_id,
        "parentSpanId": None,
        "name": "solve",
        "kind": "SPAN_KIND_INTERNAL",
        "startTimeUnixNano": "1795329672729589630",
        "endTimeUnixNano": "1795329672729954648",
        "attributes": [{"key": key, "value": value} for key, value in (texts | attributes).items()],
    }


def two_runs(client: httpx.Client) -> None:
    for run_id, correct in ((RUN, [True, False]), (OTHER_RUN, [True, True])):
        client.post("/v1/runs", json={"run_id": run_id, "name": "qa"})
        for at, value in enumerate(correct):
            session_id = str(uuid4())
            ids = {"run_id": run_id, "dataset_id": "EXT-d", "datapoint_id": f"EXT-{at}"}
            start(client, session_id, metadata=ids)
            length = {"honeyhive_metrics.length": {"intValue": str(at)}}
            client.post("/opentelemetry/v1/traces", json=otlp(span(session_id[:8] * 2, session_id, **length)))
            client.put("/events", json={"event_id": session_id, "metrics": {"correct": value, "note": "x"}})


def every_request(server: PlatformServer, client: httpx.Client) -> None:
    server.add_dataset("ds1", [{"id": "dp1", "inputs": {"q": 1}, "ground_truth": None}])
    two_runs(client)
    client.put(f"/v1/runs/{RUN}", json={"status": "completed"})
    client.post("/events", json={"event": {"event_type": "tool", "inputs": {}}})
    session_id = next(iter(server.sessions))
    for path in ("result", "metrics", f"compare-with/{OTHER_RUN}"):
        client.get(f"/v1/runs/{RUN}/{path}")
    for path in ("runs", f"runs/{RUN}", f"sessions/{session_id}", "datasets", "datapoints?datapoint_ids=dp1"):
        client.get(f"/v1/{path}")
    client.get("/v1/datapoints/dp1")
    client.delete(f"/v1/runs/{RUN}")
