"""Our requests and answers, held to the published description of the API and to recorded exchanges.

Both lie in the folder `shared` beside the repository.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from described import API, SPECS, answer_schema, body_schema, full, kinds, operation, resolved, strict, with_extras
from honeyhive.api import calls
from honeyhive.api.call import Call
from honeyhive.errors import ApiNotFoundError
from honeyhive.models.generated import (
    AddDatapointsRequest,
    CreateDatapointRequest,
    CreateDatasetRequest,
    CreateRunRequest,
    DatapointMapping,
    PassingRange,
    UpdateRunRequest,
)
from honeyhive.models.shapes import Request

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason="needs the folder `shared` beside the repository")

DEVIATIONS: Mapping[str, str] = {
    "PostExperimentRunRequest.run_id": "not described; the SDK of 1.7 sends it, and the platform answers with it",
    "POST /session/start session": "described as a text; both generations of the SDK send an object",
    "POST /events event": "described as a text; its own schema, PostEventRequest, and sessions are objects",
    "POST /opentelemetry/v1/traces": "not described; recorded from the SDK of 1.7",
}
"""Where we do other than the description says, and why."""

REQUESTS: Mapping[str, type[Request]] = {
    "PostExperimentRunRequest": CreateRunRequest,
    "PutExperimentRunRequest": UpdateRunRequest,
    "PassingRange": PassingRange,
    "CreateDatasetRequest": CreateDatasetRequest,
    "AddDatapointsToDatasetRequest": AddDatapointsRequest,
    "DatapointMapping": DatapointMapping,
    "CreateDatapointRequest": CreateDatapointRequest,
}

RUN_FIELDS: Mapping[str, Any] = {
    "name": "n",
    "description": "d",
    "status": "running",
    "metadata": {"git": {"branch": None}},
    "results": {},
    "event_ids": ["e"],
    "configuration": {"max_workers": 2},
    "evaluators": ["exact"],
    "session_ids": ["s"],
    "datapoint_ids": ["d"],
    "passing_ranges": {"exact": {"min": 0.5}},
}
ID = "55aeb984-30c1-496e-8d58-afe7e3ae7b52"
SESSION = {"session_id": ID, "session_name": "n", "source": "evaluation", "inputs": {"q": "a"}, "metadata": {}}
ROWS = AddDatapointsRequest(data=[{"q": "a"}], mapping=DatapointMapping(inputs=["q"], history=[], ground_truth=[]))
POINT = CreateDatapointRequest(
    inputs={"q": 1}, history=[{}], ground_truth={}, metadata={}, linked_event="e", linked_datasets=["d"]
)

CALLS: Mapping[str, Call[Any]] = {
    "POST /v1/runs": calls.create_run(CreateRunRequest(dataset_id="ds1", run_id=ID, project="p", **RUN_FIELDS)),
    "PUT /v1/runs/{run_id}": calls.update_run(ID, UpdateRunRequest(**RUN_FIELDS)),
    "GET /v1/runs/{run_id}": calls.get_run(ID),
    "GET /v1/runs": calls.list_runs(dataset_id="d", name="n", status="failed", run_ids=[ID, ID], page=1, limit=100),
    "DELETE /v1/runs/{run_id}": calls.delete_run(ID),
    "GET /v1/runs/{run_id}/result": calls.get_run_result(ID, "p95"),
    "GET /v1/runs/{run_id}/metrics": calls.get_run_metrics(ID),
    "GET /v1/runs/{new_run_id}/compare-with/{old_run_id}": calls.compare_runs(ID, ID),
    "POST /session/start": calls.start_session(SESSION),
    "GET /v1/sessions/{session_id}": calls.get_session(ID),
    "POST /events": calls.create_event({"event_type": "tool", "inputs": {}}),
    "PUT /events": calls.update_event(
        {"event_id": ID, "outputs": {}, "metrics": {"m": True}, "metadata": {}, "feedback": {}, "duration": 1.5}
    ),
    "GET /v1/events/{id}": calls.get_session_events(ID),
    "GET /events": calls.list_events(evaluation_id=ID, page=1, limit=10),
    "GET /v1/datasets": calls.get_dataset("x"),
    "POST /v1/datasets": calls.create_dataset(CreateDatasetRequest(name="n", description="d", datapoints=["a"])),
    "POST /v1/datasets/{dataset_id}/datapoints": calls.add_datapoints("ds1", ROWS),
    "GET /v1/datapoints/{id}": calls.get_datapoint("dp1"),
    "GET /v1/datapoints": calls.list_datapoints(["dp1", "dp2"], dataset_name="n"),
    "POST /v1/datapoints": calls.create_datapoint(POINT),
}


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REQUESTS)
def test_every_key_that_we_can_send_is_described_with_its_type(name: str) -> None:
    schema = resolved(API["components"]["schemas"][name])["properties"]
    ours = REQUESTS[name].model_json_schema(mode="serialization")
    definitions = ours.get("$defs", {})
    for key, field in ours["properties"].items():
        if f"{name}.{key}" in DEVIATIONS:
            assert key not in schema, "the description has it now: no deviation any more"
            continue
        parts = [definitions.get(part.get("$ref", "").rsplit("/", 1)[-1], part) for part in field.get("anyOf", [field])]
        sent = set().union(*map(kinds, parts)) - {"null"}
        assert sent <= kinds(schema[key]), key


def test_the_project_is_never_sent() -> None:
    assert "project" not in CreateRunRequest.model_json_schema(mode="serialization")["properties"]
    assert "project" not in (CALLS["POST /v1/runs"].json or {})


@pytest.mark.parametrize("line", CALLS)
def test_every_request_goes_where_the_description_has_it(line: str) -> None:
    call = CALLS[line]
    method, _, template = line.partition(" ")
    assert call.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), call.path)
    queries = {part["name"]: part["schema"] for part in operation(line).get("parameters", []) if part["in"] == "query"}
    assert {name for name, _ in call.params} <= queries.keys()


@pytest.mark.parametrize("line", [line for line, call in CALLS.items() if call.json is not None])
def test_every_body_is_what_the_description_asks_for(line: str) -> None:
    body, schema = json.loads(CALLS[line].body or b""), strict(body_schema(line))
    for deviation in DEVIATIONS:
        place, _, key = deviation.rpartition(" ")
        if place == line:
            assert kinds(schema["properties"][key]) == {"string"}, "the description has changed: no deviation any more"
            assert isinstance(body[key], dict)
            body[key] = json.dumps(body[key])
        if line == "POST /v1/runs" and deviation.startswith("PostExperimentRunRequest."):
            del body[deviation.partition(".")[2]]
    assert [error.message for error in Draft202012Validator(schema).iter_errors(body)] == []


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("required_only", [True, False], ids=["required", "all"])
@pytest.mark.parametrize("line", CALLS)
def test_every_answer_that_is_described_is_read(line: str, *, required_only: bool) -> None:
    schema = answer_schema(line)
    answer = {} if schema is None else full(schema, required_only=required_only)
    if (line, answer) == ("GET /v1/datapoints/{id}", {}):
        with pytest.raises(ApiNotFoundError):
            CALLS[line].parse(answer)
        return
    for read in (answer, with_extras(answer)):
        shape = CALLS[line].parse(read)
        dumped = shape.model_dump(by_alias=False)
        if read is not answer:
            assert dumped["new_key"] == {"deep": [1]}


def test_what_is_not_described_is_stated() -> None:
    assert "/opentelemetry/v1/traces" not in API["paths"]
    assert all(reason for reason in DEVIATIONS.values())


# --- recordings ------------------------------------------------------------------------------------------------------

MAKERS: tuple[tuple[str, Call[Any]], ...] = (
    (r"POST (/v1)?/runs", CALLS["POST /v1/runs"]),
    (r"PUT (/v1)?/runs/[^/]+", CALLS["PUT /v1/runs/{run_id}"]),
    (r"GET /v1/runs/[^/]+/result\?.*", CALLS["GET /v1/runs/{run_id}/result"]),
    (r"GET /v1/runs/[^/]+/compare-with/.*", CALLS["GET /v1/runs/{new_run_id}/compare-with/{old_run_id}"]),
    (r"POST /session/start", CALLS["POST /session/start"]),
    (r"PUT /events", CALLS["PUT /events"]),
    (r"POST /opentelemetry/v1/traces", calls.export_spans(b"{}")),
    (r"GET /v1/datasets\?dataset_id=ds1", calls.get_dataset("ds1")),
    (r"GET /v1/datapoints/[^/]+", CALLS["GET /v1/datapoints/{id}"]),
)


def recorded() -> Iterator[Any]:
    for path in sorted(SPECS.glob("recorded/*.json")):
        for exchange in json.loads(path.read_text("utf-8")):
            yield pytest.param(exchange, id=f"{path.stem}-{exchange['seq']}")


def reader(exchange: Mapping[str, Any]) -> Call[Any]:
    line = f"{exchange['method']} {exchange['path']}"
    return next(call for pattern, call in MAKERS if re.fullmatch(pattern, line))


@pytest.mark.parametrize("exchange", list(recorded()))
def test_every_recorded_answer_is_read_whole(exchange: Mapping[str, Any]) -> None:
    answer = exchange["response"]
    for read in (answer, with_extras(answer)):
        shape = reader(exchange).parse(copy.deepcopy(read))
        assert shape is not None
        # What was sent with a name that we know too is there under it, unchanged.
        for name in shape.__class__.model_fields.keys() & answer.keys():
            assert_same(answer[name], shape.model_dump()[name])


def assert_same(sent: Any, read: Any) -> None:
    if isinstance(sent, dict):
        for name, item in sent.items():
            if name in read:
                assert_same(item, read[name])
    elif isinstance(sent, list):
        assert len(sent) == len(read)
        for one, other in zip(sent, read, strict=True):
            assert_same(one, other)
    elif sent is not None:
        assert sent == read


@pytest.mark.parametrize("exchange", list(recorded()))
def test_every_recorded_request_of_a_run_can_be_made(exchange: Mapping[str, Any]) -> None:
    body = exchange["request"]
    match exchange["method"], re.sub(r"^/v1", "", exchange["path"]).split("/")[1:]:
        case "POST", ["runs"]:
            request = CreateRunRequest(**body)
            assert request.to_wire() == {name: value for name, value in body.items() if name != "project"}
        case "PUT", ["runs", _]:
            assert UpdateRunRequest(**body).to_wire() == body
        case "POST", ["session", "start"]:
            assert calls.start_session(body["session"]).json == body
        case "PUT", ["events"]:
            assert calls.update_event(body).json == body
        case _:
            assert exchange["method"] in ("GET", "POST")
