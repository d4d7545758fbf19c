"""Facts about the recorded exchanges, and the stand-in for the platform held to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from platform_server import PlatformServer, Recorded, attributes
from platform_server.asking import OTHER_RUN, RUN, client_of, two_runs
from platform_server.description import load, violations
from platform_server.spans import each_span, wrong_with
from recordings import (
    CREATE_RUN,
    END_RUN,
    START,
    TRACES,
    UPDATE,
    Request,
    implied_requests,
    key_paths,
    missing,
    needs_recordings,
    read,
)

NEWER, OLDER, MANAGED = "evaluate-1.7.0.json", "evaluate-0.2.57.json", "managed-dataset-and-compare-1.7.0.json"
RESULT = Request("GET", "/v1/runs/{run_id}/result")

MADE_UP = ("testcases", "metrics.details[]", "datapoints[].metrics[]")
"""An older name for datasets, and metrics that none of the recorded requests has sent."""

pytestmark = needs_recordings


# --- what was recorded -----------------------------------------------------------------------------------------------


def test_each_session_is_started_then_traced_then_updated() -> None:
    found = implied_requests(read(NEWER))
    assert list(found.per_session.values()) == [[START, TRACES, UPDATE]] * 3


def test_the_run_comes_first_and_ends_after_all_sessions() -> None:
    sequence = implied_requests(read(NEWER)).sequence
    assert sequence[0] == CREATE_RUN
    assert sequence[-2:] == [END_RUN, RESULT]
    assert sequence.count(START) == sequence.count(TRACES) == sequence.count(UPDATE) == 3


def test_sessions_and_spans_carry_the_ids_in_their_metadata() -> None:
    found = implied_requests(read(NEWER))
    ids = {"run_id", "dataset_id", "datapoint_id"}
    assert found.metadata[START] == ids
    assert found.metadata[TRACES] >= ids
    assert found.metadata[CREATE_RUN] == {"git", "offline_dataset_id"}


def test_the_source_is_evaluation_on_sessions_and_spans() -> None:
    for one in read(NEWER):
        if one.path == START.template:
            assert one.body["session"]["source"] == "evaluation"
        if one.path == TRACES.template:
            assert {attributes(span)["honeyhive.source"] for span in each_span(one.body)} == {"evaluation"}


def test_the_ended_run_names_every_session() -> None:
    recording = read(NEWER)
    (ended,) = (one for one in recording if (one.method, one.path[:9]) == ("PUT", "/v1/runs/"))
    assert ended.body["event_ids"] == list(implied_requests(recording).per_session)
    assert ended.body["status"] == "completed"


def test_the_older_generation_starts_a_session_before_it_updates_it() -> None:
    for requests in implied_requests(read(OLDER)).per_session.values():
        assert requests[0] == START
        assert UPDATE in requests


def test_the_older_generations_span_ids_are_no_hex() -> None:
    spans = [span for one in read(OLDER) if one.path == TRACES.template for span in each_span(one.body)]
    assert spans
    assert all(any("not 16 hex digits" in message for message in wrong_with(span)) for span in spans)


@pytest.mark.skipif(load() is None, reason="needs the folder `shared` beside the repository")
@pytest.mark.parametrize("name", [NEWER, MANAGED])
def test_every_recorded_request_is_as_described_but_for_the_session_as_an_object(name: str) -> None:
    assert [message for one in read(name) for message in violations(one)] == []
    sessions = [one.body["session"] for one in read(name) if one.path == START.template]
    assert sessions
    assert all(isinstance(session, dict) for session in sessions)


# --- what the stand-in makes of it -----------------------------------------------------------------------------------


def played(server: PlatformServer, recording: Iterable[Recorded]) -> Sequence[tuple[Recorded, Any]]:
    """Each recorded request with what the server answered; its sessions have ids of this server."""
    ids: dict[str, str] = {}
    found = []
    with client_of(server) as client:
        for one in recording:
            text = json.dumps(one.body)
            for recorded, own in ids.items():
                text = text.replace(recorded, own)
            content: dict[str, Any] = {} if one.body is None else {"json": json.loads(text)}
            answer = client.request(one.method, one.path, params=dict(one.query), **content)
            assert answer.status_code == one.answered
            found.append((one, answer.json()))
            if one.path == START.template:
                ids[one.answer["session_id"]] = answer.json()["session_id"]
    return found


@pytest.mark.parametrize(("name", "ignoring"), [(NEWER, ()), (MANAGED, MADE_UP)])
def test_the_server_answers_with_all_that_was_recorded(name: str, ignoring: Sequence[str]) -> None:
    with PlatformServer() as server:
        rows = [{"id": one, "inputs": {"q": f"hi {one}"}, "ground_truth": {"answer": "x"}} for one in ("dp1", "dp2")]
        server.add_dataset("ds1", rows)
        answered = played(server, (one for one in read(name) if "compare-with" not in one.path))
        assert server.violations == []
    for one, answer in answered:
        own = key_paths(answer)
        lacking = {path for path in key_paths(one.answer) if path not in own and not path.startswith(tuple(ignoring))}
        assert lacking == set(), one.path


def test_a_comparison_has_the_keys_of_the_recorded_one() -> None:
    (recorded,) = (one for one in read(MANAGED) if "compare-with" in one.path)
    with PlatformServer() as server, client_of(server) as client:
        two_runs(client)
        found = client.get(f"/v1/runs/{RUN}/compare-with/{OTHER_RUN}").json()
    assert found.keys() >= recorded.answer.keys()
    for metric in recorded.answer["metrics"]:
        assert found["metrics"][0].keys() >= metric.keys()


def test_a_played_recording_implies_what_the_recording_does() -> None:
    with PlatformServer() as server:
        played(server, read(NEWER))
        ours, recorded = implied_requests(server.requests), implied_requests(read(NEWER))
    assert ours.sequence == recorded.sequence
    assert list(ours.per_session.values()) == list(recorded.per_session.values())
    assert ours.bodies == recorded.bodies
    assert ours.metadata == recorded.metadata
    assert missing(ours, recorded) == []


def test_the_result_is_of_what_was_played() -> None:
    with PlatformServer() as server:
        result = played(server, read(NEWER))[-1][1]
    details = {one["metric_name"]: one for one in result["metrics"]["details"]}
    assert details["exact"]["values"] == [1, 1, 0]
    assert (details["exact"]["event_name"], details["exact"]["event_type"]) == ("task", "chain")
    assert result["failed"] == ["EXT-custom-3"]


# --- comparing ours with it ------------------------------------------------------------------------------------------


def changed(recording: Sequence[Recorded], method: str, path: str, old: str, new: str) -> list[Recorded]:
    def change(one: Recorded) -> Recorded:
        if (one.method, one.path) != (method, path):
            return one
        return Recorded(**(vars(one) | {"body": json.loads(json.dumps(one.body).replace(old, new))}))

    return [change(one) for one in recording]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"datapoint_id"', '"datapointId"', "POST /session/start: session.metadata.datapoint_id is missing"),
        ('"evaluation"', "7", "POST /session/start: session.source is number, recorded string"),
        ('"session"', '"sessions"', "POST /session/start: session is missing"),
    ],
)
def test_what_a_body_lacks_is_named(old: str, new: str, message: str) -> None:
    recording = read(NEWER)
    ours = implied_requests(changed(recording, *START, old, new))
    assert message in missing(ours, implied_requests(recording))
    assert missing(ours, implied_requests(recording), ignoring=["session"]) == []


def test_a_request_that_was_never_sent_is_named() -> None:
    recording = read(NEWER)
    ours = implied_requests(one for one in recording if one.path != UPDATE.template)
    assert missing(ours, implied_requests(recording)) == ["PUT /events: never sent"]


def test_more_than_was_recorded_is_fine() -> None:
    recording = read(NEWER)
    ours = implied_requests(changed(recording, *START, '"source"', '"user_properties": {}, "source"'))
    assert missing(ours, implied_requests(recording)) == []
