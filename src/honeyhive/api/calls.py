"""Every request that we send, as a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from honeyhive.api.call import Call, acknowledged, answer, params, path
from honeyhive.documents import shown
from honeyhive.errors import ApiNotFoundError, ArgumentError
from honeyhive.models.generated import (
    Acknowledged,
    AddDatapointsRequest,
    AddDatapointsResponse,
    CreateDatapointRequest,
    CreateDatapointResponse,
    CreateDatasetRequest,
    CreateDatasetResponse,
    CreateRunRequest,
    CreateRunResponse,
    Datapoint,
    Dataset,
    DeleteRunResponse,
    Event,
    ExperimentComparisonResponse,
    ExperimentResultResponse,
    ExportSpansResponse,
    GetDatapointResponse,
    GetRunResponse,
    ListDatapointsResponse,
    ListDatasetsResponse,
    ListEventsResponse,
    ListRunsResponse,
    RunMetricsResponse,
    StartSessionResponse,
    UpdateRunRequest,
    UpdateRunResponse,
)

EXTERNAL = "EXT-"
"""How the id of a dataset that the platform does not have begins."""

MOST_IDS = 100
LONGEST_QUERY = 4_000
"""How many ids one request asks for, and how long they may be together: URLs are cut at some 8,000 characters."""

# --- runs ------------------------------------------------------------------------------------------------------------


def create_run(request: CreateRunRequest) -> Call[CreateRunResponse]:
    """Creates a run. The id of a dataset that the platform does not have goes into its metadata."""
    body = request.to_wire()
    dataset_id = body.get("dataset_id")
    if dataset_id is not None and dataset_id.startswith(EXTERNAL):
        del body["dataset_id"]
        body["metadata"] = {"offline_dataset_id": dataset_id, **body.get("metadata", {})}
    parse = answer(CreateRunResponse)
    return Call(method="POST", path="/v1/runs", json=body, parse=parse, idempotent="run_id" in body)


def update_run(run_id: str, request: UpdateRunRequest) -> Call[UpdateRunResponse]:
    """Changes a run."""
    parse = acknowledged(UpdateRunResponse)
    return Call(method="PUT", path=path("/v1/runs/{}", run_id), json=request.to_wire(), parse=parse)


def get_run(run_id: str) -> Call[GetRunResponse]:
    """Asks for a run."""
    return Call(method="GET", path=path("/v1/runs/{}", run_id), parse=answer(GetRunResponse))


def list_runs(**filters: str | int | Sequence[str] | None) -> Call[ListRunsResponse]:
    """Asks for a page of runs."""
    return Call(method="GET", path="/v1/runs", params=params(**filters), parse=answer(ListRunsResponse))


def delete_run(run_id: str) -> Call[DeleteRunResponse]:
    """Deletes a run."""
    return Call(method="DELETE", path=path("/v1/runs/{}", run_id), parse=acknowledged(DeleteRunResponse))


def get_run_result(run_id: str, aggregate_function: str = "average") -> Call[ExperimentResultResponse]:
    """Asks for what a run came to."""
    return Call(
        method="GET",
        path=path("/v1/runs/{}/result", run_id),
        params=params(aggregate_function=aggregate_function),
        parse=answer(ExperimentResultResponse, run_id=run_id),
    )


def get_run_metrics(run_id: str) -> Call[RunMetricsResponse]:
    """Asks for the events of a run with their metrics."""
    return Call(method="GET", path=path("/v1/runs/{}/metrics", run_id), parse=answer(RunMetricsResponse))


def compare_runs(
    new_run_id: str, old_run_id: str, aggregate_function: str = "average"
) -> Call[ExperimentComparisonResponse]:
    """Asks how two runs compare."""
    return Call(
        method="GET",
        path=path("/v1/runs/{}/compare-with/{}", new_run_id, old_run_id),
        params=params(aggregate_function=aggregate_function),
        parse=answer(ExperimentComparisonResponse, new_run_id=new_run_id, old_run_id=old_run_id),
    )


# --- sessions, events and spans --------------------------------------------------------------------------------------


def start_session(session: Mapping[str, Any]) -> Call[StartSessionResponse]:
    """Starts a session; its own `session_id` stands where the answer names none.

    The session travels as an object, as both generations of the SDK send it, though the API describes it as a text.
    """
    held = session.get("session")
    body = held if isinstance(held, Mapping) and len(session) == 1 else session
    session_id = body.get("session_id")

    def parse(value: Any) -> StartSessionResponse:
        started = answer(StartSessionResponse)(value)
        return started.model_copy(update={"session_id": started.session_id or started.event_id or session_id})

    idempotent = session_id is not None
    return Call(method="POST", path="/session/start", json={"session": body}, parse=parse, idempotent=idempotent)


def get_session(session_id: str) -> Call[Event]:
    """Asks for a session and all below it."""
    return Call(method="GET", path=path("/v1/sessions/{}", session_id), parse=answer(Event))


def create_event(event: Mapping[str, Any]) -> Call[Acknowledged]:
    """Creates an event."""
    held = event.get("event")
    body = held if isinstance(held, Mapping) and len(event) == 1 else event
    parse = acknowledged(Acknowledged)
    return Call(method="POST", path="/events", json={"event": body}, parse=parse, idempotent="event_id" in body)


def update_event(event: Mapping[str, Any]) -> Call[Acknowledged]:
    """Adds to an event, or to a session, by its `event_id`."""
    if not event.get("event_id"):
        raise ArgumentError("an update needs the `event_id` of what it updates", hint="for a session, its session_id")
    return Call(method="PUT", path="/events", json=dict(event), parse=acknowledged(Acknowledged))


def get_session_events(session_id: str) -> Call[Event]:
    """Asks for the events of a session, nested as they happened."""
    return Call(method="GET", path=path("/v1/events/{}", session_id), parse=answer(Event))


def list_events(**filters: str | int | None) -> Call[ListEventsResponse]:
    """Asks for a page of events."""
    return Call(method="GET", path="/events", params=params(**filters), parse=answer(ListEventsResponse))


def export_spans(content: bytes) -> Call[ExportSpansResponse]:
    """Sends spans, as OTLP in JSON; the platform knows each by its id."""
    parse = acknowledged(ExportSpansResponse)
    return Call(method="POST", path="/opentelemetry/v1/traces", content=content, parse=parse)


# --- datasets and datapoints -----------------------------------------------------------------------------------------


def get_dataset(dataset_id: str) -> Call[Dataset]:
    """Asks for a dataset; `ApiNotFoundError` where the answer holds none of that id."""
    call = list_datasets(dataset_id=dataset_id)

    def parse(value: Any) -> Dataset:
        for dataset in call.parse(value).datasets:
            if dataset.id == dataset_id:
                return dataset
        raise _none_such("dataset", dataset_id, call)

    return replace(call, parse=parse)  # type: ignore[arg-type, return-value]  # `replace` knows one T, these are two


def list_datasets(**filters: str | None) -> Call[ListDatasetsResponse]:
    """Asks for datasets."""
    return Call(method="GET", path="/v1/datasets", params=params(**filters), parse=answer(ListDatasetsResponse))


def create_dataset(request: CreateDatasetRequest) -> Call[CreateDatasetResponse]:
    """Creates a dataset: another one each time."""
    body, parse = request.to_wire(), answer(CreateDatasetResponse)
    return Call(method="POST", path="/v1/datasets", json=body, parse=parse, idempotent=False)


def add_datapoints(dataset_id: str, request: AddDatapointsRequest) -> Call[AddDatapointsResponse]:
    """Adds rows to a dataset: once more each time."""
    address, body = path("/v1/datasets/{}/datapoints", dataset_id), request.to_wire()
    return Call(method="POST", path=address, json=body, parse=answer(AddDatapointsResponse), idempotent=False)


def get_datapoint(datapoint_id: str) -> Call[Datapoint]:
    """Asks for a datapoint; `ApiNotFoundError` where the answer holds none."""
    address, read = path("/v1/datapoints/{}", datapoint_id), answer(GetDatapointResponse)

    def parse(value: Any) -> Datapoint:
        for datapoint in read(value).datapoint:
            return datapoint
        raise _none_such("datapoint", datapoint_id, call)

    call = Call(method="GET", path=address, parse=parse)
    return call


def list_datapoints(
    ids: Sequence[str] | None = None, *, dataset_name: str | None = None
) -> Call[ListDatapointsResponse]:
    """Asks for datapoints by their ids, or for those of a dataset; those that there are not are left out."""
    query = params(datapoint_ids=ids, dataset_name=dataset_name)
    return Call(method="GET", path="/v1/datapoints", params=query, parse=answer(ListDatapointsResponse))


def batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids in their order, as many together as one request may ask for."""
    batch: list[str] = []
    length = 0
    for item in ids:
        needed = len(quote(item, safe="", errors="replace")) + len("&datapoint_ids=")
        if batch and (len(batch) == MOST_IDS or length + needed > LONGEST_QUERY):
            yield batch
            batch, length = [], 0
        batch.append(item)
        length += needed
    if batch:
        yield batch


def create_datapoint(request: CreateDatapointRequest) -> Call[CreateDatapointResponse]:
    """Creates a datapoint: another one each time."""
    body, parse = request.to_wire(), answer(CreateDatapointResponse)
    return Call(method="POST", path="/v1/datapoints", json=body, parse=parse, idempotent=False)


def _none_such(what: str, wanted: str, call: Call[Any]) -> ApiNotFoundError:
    return ApiNotFoundError(
        f"{call.request}: there is no {what} {shown(str(wanted))}",
        status=404,
        hint="is the id right, and does the key belong to its project?",
        request=call.request,
    )
