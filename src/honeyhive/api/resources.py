"""The parts of the API, one small class each; each method is one call, and what a run needs can be awaited too."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from honeyhive.api import calls
from honeyhive.api.call import Call
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

T = TypeVar("T")


class Sends(Protocol):
    """Where calls are sent: the client."""

    def send(self, call: Call[T]) -> T:
        """What the call comes to."""
        ...

    def send_async(self, call: Call[T]) -> Awaitable[T]:
        """The same, awaited."""
        ...


class _Resource:
    def __init__(self, line: Sends) -> None:
        self._line = line


class Experiments(_Resource):
    """Runs, what they came to, and how they compare."""

    def create_run(self, request: CreateRunRequest) -> CreateRunResponse:
        """Create a run."""
        return self._line.send(calls.create_run(request))

    async def create_run_async(self, request: CreateRunRequest) -> CreateRunResponse:
        """Create a run."""
        return await self._line.send_async(calls.create_run(request))

    def update_run(self, run_id: str, request: UpdateRunRequest) -> UpdateRunResponse:
        """Change a run; what the request does not give stays as it is."""
        return self._line.send(calls.update_run(run_id, request))

    async def update_run_async(self, run_id: str, request: UpdateRunRequest) -> UpdateRunResponse:
        """Change a run; what the request does not give stays as it is."""
        return await self._line.send_async(calls.update_run(run_id, request))

    def get_run(self, run_id: str) -> GetRunResponse:
        """The run as the platform keeps it."""
        return self._line.send(calls.get_run(run_id))

    def list_runs(
        self,
        *,
        dataset_id: str | None = None,
        name: str | None = None,
        status: str | None = None,
        run_ids: Sequence[str] | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> ListRunsResponse:
        """A page of runs, the newest first."""
        return self._line.send(
            calls.list_runs(dataset_id=dataset_id, name=name, status=status, run_ids=run_ids, page=page, limit=limit)
        )

    def delete_run(self, run_id: str) -> DeleteRunResponse:
        """Delete a run."""
        return self._line.send(calls.delete_run(run_id))

    def get_result(self, run_id: str, aggregate_function: str = "average") -> ExperimentResultResponse:
        """What the run came to, as the platform computes it."""
        return self._line.send(calls.get_run_result(run_id, aggregate_function))

    get_run_result = get_result

    def get_metrics(self, run_id: str) -> RunMetricsResponse:
        """The events of the run, each with its metrics."""
        return self._line.send(calls.get_run_metrics(run_id))

    get_run_metrics = get_metrics

    def compare_runs(
        self, new_run_id: str, old_run_id: str, aggregate_function: str = "average"
    ) -> ExperimentComparisonResponse:
        """How the new run compares with the old one, as the platform computes it."""
        return self._line.send(calls.compare_runs(new_run_id, old_run_id, aggregate_function))


class Sessions(_Resource):
    """Sessions: each is the trace of one datapoint."""

    def start(self, session: Mapping[str, Any]) -> StartSessionResponse:
        """Start a session; with a `session_id` of ours in it, starting it twice makes one."""
        return self._line.send(calls.start_session(session))

    create_session = start_session = start

    async def start_async(self, session: Mapping[str, Any]) -> StartSessionResponse:
        """Start a session; with a `session_id` of ours in it, starting it twice makes one."""
        return await self._line.send_async(calls.start_session(session))

    def get(self, session_id: str) -> Event:
        """The session and all below it."""
        return self._line.send(calls.get_session(session_id))


class Events(_Resource):
    """Events: the session itself, and the spans in it."""

    def create(self, event: Mapping[str, Any]) -> Acknowledged:
        """Create an event."""
        return self._line.send(calls.create_event(event))

    create_event = create

    def update(self, event: Mapping[str, Any]) -> Acknowledged:
        """Add to the event, or session, of that `event_id`."""
        return self._line.send(calls.update_event(event))

    update_event = update

    async def update_async(self, event: Mapping[str, Any]) -> Acknowledged:
        """Add to the event, or session, of that `event_id`."""
        return await self._line.send_async(calls.update_event(event))

    def get_by_session_id(self, session_id: str) -> Event:
        """The events of a session, nested as they happened."""
        return self._line.send(calls.get_session_events(session_id))

    def list_events(
        self, *, evaluation_id: str | None = None, page: int | None = None, limit: int | None = None
    ) -> ListEventsResponse:
        """A page of events; with `evaluation_id`, of those of one run."""
        return self._line.send(calls.list_events(evaluation_id=evaluation_id, page=page, limit=limit))

    list = list_events


class Spans(_Resource):
    """Spans, as OpenTelemetry writes them."""

    def export(self, content: bytes) -> ExportSpansResponse:
        """Send spans in OTLP/JSON; `rejected` says how many the platform refused."""
        return self._line.send(calls.export_spans(content))

    async def export_async(self, content: bytes) -> ExportSpansResponse:
        """Send spans in OTLP/JSON; `rejected` says how many the platform refused."""
        return await self._line.send_async(calls.export_spans(content))


class Datasets(_Resource):
    """Datasets that the platform keeps."""

    def get_dataset(self, dataset_id: str, project: str | None = None) -> Dataset:  # noqa: ARG002 - older callers give it
        """The dataset, with the ids of its datapoints. The project follows from the key."""
        return self._line.send(calls.get_dataset(dataset_id))

    def list_datasets(self, *, name: str | None = None) -> ListDatasetsResponse:
        """The datasets, or those of a name."""
        return self._line.send(calls.list_datasets(name=name))

    list = list_datasets

    def create(self, request: CreateDatasetRequest) -> CreateDatasetResponse:
        """Create a dataset."""
        return self._line.send(calls.create_dataset(request))

    create_dataset = create

    def add_datapoints(self, dataset_id: str, request: AddDatapointsRequest) -> AddDatapointsResponse:
        """Add rows to a dataset."""
        return self._line.send(calls.add_datapoints(dataset_id, request))


class Datapoints(_Resource):
    """Datapoints that the platform keeps."""

    def get_datapoint(self, id: str) -> Datapoint:  # noqa: A002 - the name that callers know
        """The datapoint of that id."""
        return self._line.send(calls.get_datapoint(id))

    def list_datapoints(
        self, ids: Sequence[str] | None = None, *, dataset_name: str | None = None
    ) -> ListDatapointsResponse:
        """The datapoints of these ids, in as many requests as it takes, or those of a dataset.

        Those that the platform does not have are left out; the order is the platform's.
        """
        if ids is None:
            return self._line.send(calls.list_datapoints(dataset_name=dataset_name))
        found: list[Datapoint] = []
        for batch in calls.batches(ids):
            found += self._line.send(calls.list_datapoints(batch, dataset_name=dataset_name)).datapoints
        return ListDatapointsResponse(datapoints=found)

    def create(self, request: CreateDatapointRequest) -> CreateDatapointResponse:
        """Create a datapoint."""
        return self._line.send(calls.create_datapoint(request))

    create_datapoint = create
