"""The client: both generations' names, waiting and awaited, over real connections."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from honeyhive.api import calls
from honeyhive.api.client import HoneyHive
from honeyhive.api.exchange import MAX_ANSWER
from honeyhive.errors import ApiAnswerError, ApiError, ApiKeyError, ApiStatusError, ApiUnreachableError, ArgumentError
from honeyhive.models.generated import (
    AddDatapointsRequest,
    CreateDatapointRequest,
    CreateDatasetRequest,
    CreateRunRequest,
    DatapointMapping,
    UpdateRunRequest,
)
from loopback import KEY, QUICK, Loopback, Reply

RUN = {"run_id": "r", "evaluation": {"run_id": "r", "status": "running"}}


def answering(answer: object) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, json=answer))


# --- construction ----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HH_API_KEY", "HONEYHIVE_API_KEY", "HH_PROJECT", "HH_API_URL", "HONEYHIVE_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_a_key_there_is_no_client(no_environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"no API key.*HH_API_KEY") as refused:
        HoneyHive()
    assert isinstance(refused.value, ArgumentError)


def test_the_environment_gives_what_is_not_given(no_environment: pytest.MonkeyPatch) -> None:
    no_environment.setenv("HH_API_KEY", KEY)
    no_environment.setenv("HH_PROJECT", "theirs")
    no_environment.setenv("HH_API_URL", "https://hh.example.com/")
    client = HoneyHive()
    assert (client.project, client.server_url) == ("theirs", "https://hh.example.com")
    assert HoneyHive(project="ours").project == "ours"


@pytest.mark.parametrize(
    "make",
    [
        lambda: HoneyHive(KEY, "p", server_url="https://hh.example.com"),
        lambda: HoneyHive(api_key=KEY, project="p", base_url="https://hh.example.com", verbose=True),
        lambda: HoneyHive(bearer_auth=KEY, project="p", server_url="https://hh.example.com", timeout=3),
    ],
)
def test_both_generations_make_the_same_client(make: Callable[[], HoneyHive]) -> None:
    client = make()
    assert repr(client) == "HoneyHive('https://hh.example.com', project='p')"
    assert client.connection.api_key == KEY
    assert client.evaluations is client.experiments


# --- names -----------------------------------------------------------------------------------------------------------

RESULT = {"status": "completed", "success": True}
INSERTED = {"inserted": True, "result": {"insertedId": "d", "insertedIds": ["d"]}}
REQUESTS: list[tuple[Callable[[HoneyHive], object], object, str]] = [
    (lambda c: c.evaluations.create_run(CreateRunRequest(name="n")), RUN, "POST /v1/runs"),
    (lambda c: c.evaluations.update_run(run_id="r", request=UpdateRunRequest(status="failed")), {}, "PUT /v1/runs/r"),
    (lambda c: c.experiments.get_run("r"), RUN, "GET /v1/runs/r"),
    (
        lambda c: c.experiments.list_runs(status="failed", run_ids=["a", "b"]),
        {},
        "GET /v1/runs?status=failed&run_ids=a&run_ids=b",
    ),
    (lambda c: c.experiments.delete_run("r"), {"id": "r", "deleted": True}, "DELETE /v1/runs/r"),
    (lambda c: c.experiments.get_result("r"), RESULT, "GET /v1/runs/r/result?aggregate_function=average"),
    (
        lambda c: c.experiments.get_run_result("r", aggregate_function="p95"),
        RESULT,
        "GET /v1/runs/r/result?aggregate_function=p95",
    ),
    (lambda c: c.experiments.get_metrics("r"), {"events": []}, "GET /v1/runs/r/metrics"),
    (lambda c: c.experiments.get_run_metrics("r"), {"events": []}, "GET /v1/runs/r/metrics"),
    (lambda c: c.experiments.compare_runs("n", "o"), {}, "GET /v1/runs/n/compare-with/o?aggregate_function=average"),
    (lambda c: c.sessions.start({"session_id": "s"}), {}, "POST /session/start"),
    (lambda c: c.sessions.create_session({"session_id": "s"}), {}, "POST /session/start"),
    (lambda c: c.sessions.start_session({"session": {}}), {}, "POST /session/start"),
    (lambda c: c.sessions.get("s"), {}, "GET /v1/sessions/s"),
    (lambda c: c.events.create({"event_type": "tool"}), {"success": True}, "POST /events"),
    (lambda c: c.events.create_event({"event": {"event_type": "tool"}}), {"success": True}, "POST /events"),
    (lambda c: c.events.update_event({"event_id": "e"}), {"success": True}, "PUT /events"),
    (lambda c: c.events.get_by_session_id("s"), {}, "GET /v1/events/s"),
    (lambda c: c.events.list(evaluation_id="r", page=2), {"events": []}, "GET /events?evaluation_id=r&page=2"),
    (lambda c: c.spans.export(b"{}"), {}, "POST /opentelemetry/v1/traces"),
    (lambda c: c.datasets.get_dataset("d", project="p"), {"datasets": [{"id": "d"}]}, "GET /v1/datasets?dataset_id=d"),
    (lambda c: c.datasets.list(name="n"), {"datasets": []}, "GET /v1/datasets?name=n"),
    (lambda c: c.datasets.create(CreateDatasetRequest(name="n")), INSERTED, "POST /v1/datasets"),
    (
        lambda c: c.datasets.add_datapoints("d", AddDatapointsRequest(data=[{"q": 1}], mapping=DatapointMapping())),
        {"inserted": True},
        "POST /v1/datasets/d/datapoints",
    ),
    (lambda c: c.datapoints.get_datapoint(id="d"), {"datapoint": [{"id": "d"}]}, "GET /v1/datapoints/d"),
    (lambda c: c.datapoints.list_datapoints(dataset_name="n"), {"datapoints": []}, "GET /v1/datapoints?dataset_name=n"),
    (lambda c: c.datapoints.create(CreateDatapointRequest(inputs={"q": 1})), INSERTED, "POST /v1/datapoints"),
]


@pytest.mark.parametrize(("ask", "answer", "request_line"), REQUESTS, ids=[line for _, _, line in REQUESTS])
def test_each_name_sends_its_request(
    server: Loopback, client: HoneyHive, ask: Callable[[HoneyHive], object], answer: object, request_line: str
) -> None:
    server.next(Reply(body=json.dumps(answer).encode()))
    ask(client)
    (asked,) = server.asked
    assert f"{asked.method} {asked.path}" == request_line


def test_spans_are_sent_as_they_are(server: Loopback, client: HoneyHive) -> None:
    client.spans.export(b'{"resourceSpans": []}')
    assert server.asked[0].body == b'{"resourceSpans": []}'
    assert server.asked[0].headers["content-type"] == "application/json"


def test_datapoints_are_fetched_in_batches_and_those_missing_left_out() -> None:
    sizes: list[int] = []

    def platform(request: httpx.Request) -> httpx.Response:
        ids = request.url.params.get_list("datapoint_ids")
        sizes.append(len(ids))
        return httpx.Response(200, json={"datapoints": [{"id": item} for item in ids if item != "dp7"]})

    with HoneyHive(KEY, transport=httpx.MockTransport(platform)) as client:
        found = client.datapoints.list_datapoints([f"dp{n}" for n in range(250)]).datapoints
    assert [datapoint.id for datapoint in found] == [f"dp{n}" for n in range(250) if n != 7]
    assert sizes == [100, 100, 50]


def test_no_ids_ask_for_nothing(server: Loopback, client: HoneyHive) -> None:
    assert client.datapoints.list_datapoints([]).datapoints == []
    assert server.asked == []


# --- awaited ---------------------------------------------------------------------------------------------------------


def test_what_a_run_needs_can_be_awaited(server: Loopback) -> None:
    async def run() -> None:
        async with HoneyHive(KEY, server_url=server.url, retries=QUICK) as client:
            server.next(Reply(body=json.dumps(RUN).encode()))
            created = await client.experiments.create_run_async(CreateRunRequest(name="n", run_id="r"))
            await client.sessions.start_async({"session_id": "s"})
            await client.spans.export_async(b"{}")
            await client.events.update_async({"event_id": "s"})
            await client.experiments.update_run_async(created.run_id, UpdateRunRequest(status="completed"))

    asyncio.run(run())
    assert [f"{asked.method} {asked.path}" for asked in server.asked] == [
        "POST /v1/runs",
        "POST /session/start",
        "POST /opentelemetry/v1/traces",
        "PUT /events",
        "PUT /v1/runs/r",
    ]
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}


def test_many_at_once_share_few_connections(server: Loopback) -> None:
    async def run() -> None:
        async with HoneyHive(KEY, server_url=server.url, retries=QUICK, max_connections=3) as client:
            await asyncio.gather(*(client.events.update_async({"event_id": f"e{n}"}) for n in range(100)))

    asyncio.run(run())
    assert {json.loads(asked.body)["event_id"] for asked in server.asked} == {f"e{n}" for n in range(100)}
    assert len(server.ports) <= 3


def test_awaited_calls_are_retried_and_refused_alike(server: Loopback) -> None:
    async def run() -> None:
        async with HoneyHive(KEY, server_url=server.url, retries=QUICK) as client:
            server.next(
                Reply(status=503),
                Reply(status=429, headers={"Retry-After": "0"}),
                Reply(declared=9, reset=True),
                Reply(),
            )
            await client.events.update_async({"event_id": "e"})
            assert len(server.asked) == 4
            server.next(Reply(status=401, body=KEY.encode()))
            with pytest.raises(ApiKeyError, match=r"\*\*\*") as refused:
                await client.events.update_async({"event_id": "e"})
            assert KEY not in str(refused.value)
            server.next(Reply(status=302, headers={"Location": "https://elsewhere.example"}))
            with pytest.raises(ApiStatusError, match="not followed"):
                await client.events.update_async({"event_id": "e"})

    asyncio.run(run())
    assert len(server.asked) == 6


def test_an_awaited_answer_that_grows_huge_is_not_read_to_its_end(server: Loopback) -> None:
    bomb = gzip.compress(b" " * (MAX_ANSWER + 2**20), compresslevel=1)
    server.next(Reply(body=bomb, headers={"Content-Encoding": "gzip"}))

    async def run() -> None:
        async with HoneyHive(KEY, server_url=server.url, retries=QUICK) as client:
            with pytest.raises(ApiAnswerError, match="longer than 64 MiB"):
                await client.events.update_async({"event_id": "e"})

    asyncio.run(run())


def test_a_loop_that_ended_without_closing_is_forgotten() -> None:
    client = HoneyHive(KEY, transport=answering({"success": True}))
    for _ in range(3):
        acknowledged = asyncio.run(client.events.update_async({"event_id": "e"}))
        assert acknowledged.success is True
    assert len(client._async_lines) == 1


def test_an_awaited_call_takes_no_longer_than_it_may(server: Loopback) -> None:
    server.usual = Reply(waits_for=threading.Event())

    async def run() -> None:
        async with HoneyHive(KEY, server_url=server.url, retries=replace(QUICK, total=0.1)) as client:
            with pytest.raises(ApiUnreachableError, match=r"no whole answer within 0\.1 s"):
                await client.events.update_async({"event_id": "e"})

    asyncio.run(run())
    server.wait_for(asked=1)


def test_one_client_is_awaited_on_one_loop_after_another_and_blocks_besides(server: Loopback) -> None:
    with HoneyHive(KEY, server_url=server.url, retries=QUICK) as client:

        async def run() -> None:
            await client.events.update_async({"event_id": "awaited"})
            await client.aclose()

        asyncio.run(run())
        client.events.update({"event_id": "blocked"})
        asyncio.run(run())
        client.events.update({"event_id": "blocked"})
    asked = [(json.loads(asked.body)["event_id"], asked.port) for asked in server.asked]
    assert [event for event, _ in asked] == ["awaited", "blocked", "awaited", "blocked"]
    assert asked[1][1] == asked[3][1]


def test_a_closed_client_awaits_nothing(server: Loopback, client: HoneyHive) -> None:
    client.close()

    async def run() -> None:
        with pytest.raises(ApiError, match="is closed"):
            await client.events.update_async({"event_id": "e"})

    asyncio.run(run())
    assert server.asked == []


def test_any_call_can_be_sent() -> None:
    with HoneyHive(KEY, transport=answering({"evaluation": {"id": 7}})) as client:
        evaluation = client.send(calls.get_run("r")).evaluation
    assert evaluation is not None
    assert evaluation.id == "7"
