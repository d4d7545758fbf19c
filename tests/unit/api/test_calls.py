"""Requests as values: what is sent where."""

from __future__ import annotations

import uuid
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.api import calls
from honeyhive.api.call import Call, params, path
from honeyhive.errors import ApiAnswerError, ApiNotFoundError, ArgumentError
from honeyhive.models.generated import (
    AddDatapointsRequest,
    CreateDatapointRequest,
    CreateDatasetRequest,
    CreateRunRequest,
    DatapointMapping,
    UpdateRunRequest,
)

IDS = st.text(min_size=1).filter(lambda text: text.strip() not in ("", ".", ".."))


@given(IDS)
def test_an_id_stays_one_part_of_the_path_whatever_is_in_it(text: str) -> None:
    address = httpx.URL(f"https://host/api{path('/v1/runs/{}/result', text)}")
    parts = address.raw_path.decode().split("/")
    assert (parts[:4], parts[5:]) == (["", "api", "v1", "runs"], ["result"])
    assert unquote(parts[4]) == text.encode("utf-8", "replace").decode()
    assert address.query == b""


@pytest.mark.parametrize("text", ["", " ", ".", "..", " ..", "\n"])
def test_what_would_be_a_step_in_the_tree_is_no_id(text: str) -> None:
    with pytest.raises(ArgumentError, match="is not an id"):
        calls.get_run(text)


def test_ids_may_be_given_as_uuids() -> None:
    run_id = uuid.uuid4()
    assert calls.get_run(run_id).path == f"/v1/runs/{run_id}"  # type: ignore[arg-type]  # what users do
    assert CreateRunRequest(run_id=run_id).to_wire() == {"run_id": str(run_id)}


def test_a_query_repeats_lists_and_leaves_out_none() -> None:
    query = params(ids=["a", "b"], page=2, name=None, deep=True)
    assert query == (("ids", "a"), ("ids", "b"), ("page", "2"), ("deep", "true"))


def test_only_what_may_be_sent_twice_is_idempotent() -> None:
    run, named = CreateRunRequest(name="x"), CreateRunRequest(name="x", run_id="r")
    rows = AddDatapointsRequest(data=[{"q": 1}], mapping=DatapointMapping(inputs=["q"]))
    twice: list[Call[object]] = [
        calls.create_run(named),
        calls.update_run("r", UpdateRunRequest(status="completed")),
        calls.start_session({"session_id": "s"}),
        calls.update_event({"event_id": "e"}),
        calls.create_event({"event_id": "e"}),
        calls.export_spans(b"{}"),
        calls.get_run("r"),
        calls.delete_run("r"),
    ]
    once: list[Call[object]] = [
        calls.create_run(run),
        calls.start_session({}),
        calls.create_event({}),
        calls.create_dataset(CreateDatasetRequest(name="d")),
        calls.create_datapoint(CreateDatapointRequest()),
        calls.add_datapoints("d", rows),
    ]
    assert [call.idempotent for call in twice] == [True] * len(twice)
    assert [call.idempotent for call in once] == [False] * len(once)


def test_the_id_of_an_external_dataset_travels_in_the_metadata() -> None:
    request = CreateRunRequest(project="p", name="n", dataset_id="EXT-1", metadata={"git": {"branch": None}})
    assert calls.create_run(request).json == {
        "name": "n",
        "metadata": {"offline_dataset_id": "EXT-1", "git": {"branch": None}},
    }
    assert request.metadata == {"git": {"branch": None}}


def test_the_id_of_a_managed_dataset_travels_as_itself() -> None:
    assert calls.create_run(CreateRunRequest(dataset_id="ds1")).json == {"dataset_id": "ds1"}


def test_a_session_is_sent_as_an_object_however_it_is_given() -> None:
    session = {"session_name": "x", "inputs": {}}
    assert calls.start_session(session).json == calls.start_session({"session": session}).json == {"session": session}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"session_id": "theirs"}, "theirs"),
        ({"session_id": None, "event_id": "event"}, "event"),
        ({"org_id": "o", "workspace_id": "w", "project_id": "p"}, "ours"),
    ],
)
def test_a_session_without_an_id_in_the_answer_has_ours(answer: object, found: str) -> None:
    assert calls.start_session({"session_id": "ours"}).parse(answer).session_id == found


def test_an_update_needs_to_say_of_what() -> None:
    with pytest.raises(ArgumentError, match="event_id"):
        calls.update_event({"outputs": {}})


def test_what_only_has_to_arrive_may_be_answered_with_nothing() -> None:
    assert calls.update_event({"event_id": "e"}).parse(None).success is None
    assert calls.export_spans(b"{}").parse(None).rejected == 0
    with pytest.raises(ApiAnswerError, match="says that it failed"):
        calls.update_event({"event_id": "e"}).parse({"success": False})
    with pytest.raises(ApiAnswerError, match="is a list"):
        calls.update_event({"event_id": "e"}).parse([])


def test_what_is_needed_must_be_there() -> None:
    with pytest.raises(ApiAnswerError, match="is empty"):
        calls.get_run("r").parse(None)


def test_an_export_says_how_many_spans_were_refused() -> None:
    answer = {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}
    assert calls.export_spans(b"{}").parse(answer).rejected == 3


def test_the_result_knows_its_run() -> None:
    assert calls.get_run_result("r").parse({"status": "completed", "success": True}).run_id == "r"
    compared = calls.compare_runs("new", "old").parse({})
    assert (compared.new_run_id, compared.old_run_id) == ("new", "old")


def test_a_dataset_is_found_by_its_id_among_the_answers() -> None:
    answer = {"datasets": [{"id": "other"}, {"id": "ds1", "datapoints": ["a", 7]}]}
    assert calls.get_dataset("ds1").parse(answer).datapoints == ["a", "7"]
    with pytest.raises(ApiNotFoundError, match='no dataset "ds2"'):
        calls.get_dataset("ds2").parse(answer)


def test_a_datapoint_that_is_not_there_is_said_to_be_missing() -> None:
    assert calls.get_datapoint("d").parse({"datapoint": [{"id": "d", "inputs": None}]}).inputs == {}
    with pytest.raises(ApiNotFoundError, match='no datapoint "d"'):
        calls.get_datapoint("d").parse({"datapoint": []})


@given(st.lists(st.text(max_size=300), max_size=250))
def test_batches_keep_every_id_in_order_and_within_bounds(ids: list[str]) -> None:
    made = list(calls.batches(ids))
    assert [item for batch in made for item in batch] == ids
    assert all(0 < len(batch) <= calls.MOST_IDS for batch in made)
    for batch in made:
        query = httpx.URL("https://h", params=list(calls.list_datapoints(batch).params)).query
        assert len(batch) == 1 or len(query) <= 2 * calls.LONGEST_QUERY


def test_a_body_is_json_whatever_is_in_it() -> None:
    call = calls.update_event({"event_id": "e", "outputs": {"a": float("nan"), "b": "\ud800", "c": {1, 2}}})
    assert call.body == b'{"event_id":"e","outputs":{"a":"nan","b":"?","c":[1,2]}}'


def test_a_long_path_is_cut_in_messages() -> None:
    assert len(calls.get_run("x" * 5000).request) < 250
