"""Sending a run's spans to an OpenTelemetry backend, in the background, over one connection."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import httpx
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from honeyhive.api.clients import Client, Habits, new_client
from honeyhive.api.deadline import Deadline
from honeyhive.api.retries import Budget, Retries, retry_after
from honeyhive.documents.redactor import NO_SECRETS, Redactor
from honeyhive.errors import ApiError, ApiStatusError, ApiUnreachableError
from honeyhive.tracer.backend import Backend
from honeyhive.tracer.otlp import span_line, span_protobuf, without_secrets
from honeyhive.tracer.provider import process_resource
from honeyhive.tracer.warning import warn

_QUEUE = 16_384
"""Spans that may wait to be sent: a run makes them faster than most backends take them."""

_LONGEST_EXPORT = 60.0
_LONGEST_ANSWER = 64 * 1024
_RETRIES = Retries(total=_LONGEST_EXPORT, longest_wait=5.0)


class SpanSink:
    """Takes the spans of a run's datapoints, and sends them in batches; one thread and one connection for all."""

    def __init__(
        self, backend: Backend, redactor: Redactor = NO_SECRETS, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport` takes the place of the network in tests."""
        self._exporter = SpanBackend(backend, redactor, transport=transport)
        queue = None if OTEL_BSP_MAX_QUEUE_SIZE in os.environ else _QUEUE
        self._processor = BatchSpanProcessor(self._exporter, max_queue_size=queue)
        self._counting = threading.Lock()
        self._taken = 0

    def put(self, spans: Iterable[ReadableSpan]) -> None:
        """Send these, as soon as may be. Those that a provider of the user's has made have a way out of their own."""
        ours = [span for span in spans if span.resource is process_resource()]
        with self._counting:
            self._taken += len(ours)
        for span in ours:
            self._processor.on_end(span)

    def close(self, timeout: float) -> int:
        """Send what is left, for at most so many seconds; how many spans of all could not be sent."""
        self._exporter.stop_after(timeout)
        # The processor waits for half a minute, whatever is left of our time.
        closing = threading.Thread(target=self._processor.shutdown, name="honeyhive-backend", daemon=True)
        closing.start()
        closing.join(timeout)
        return self._taken - self._exporter.sent


class SpanBackend(SpanExporter):
    """Sends spans by OTLP over HTTP, and again where that may help. What fails is warned of once, and lost."""

    def __init__(
        self, backend: Backend, redactor: Redactor = NO_SECRETS, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport` takes the place of the network in tests."""
        self.sent = 0
        self._redactor = redactor
        self._backend = backend
        self._warned = False
        self._stop = float("inf")
        kind = "application/json" if backend.json else "application/x-protobuf"
        packed = {"content-encoding": "gzip"} if backend.gzip else {}
        address = httpx.URL(backend.url)
        # Whoever logs requests logs their address, which is no place for a password.
        self._url = address.copy_with(userinfo=b"")
        self._auth = (address.username, address.password) if address.userinfo else None
        self._habits = Habits(
            headers={**backend.headers, "accept-encoding": "identity", "content-type": kind, **packed},
            timeout=httpx.Timeout(backend.timeout),
            connections=1,
            certificates=None if backend.certificate is None else Path(backend.certificate),
        )
        self._transport = transport
        self._client = self._new_client()

    def stop_after(self, seconds: float) -> None:
        """Send nothing any more when so many seconds have passed."""
        self._stop = time.monotonic() + seconds

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch, without secrets."""
        if self._redactor.secrets and self._redactor.touches(span_line(spans)):
            spans = [without_secrets(span, self._redactor) for span in spans]
        content = span_line(spans) if self._backend.json else span_protobuf(spans)
        try:
            self._send(gzip.compress(content) if self._backend.gzip else content)
        except ApiError as error:
            self._warn(error)
            return SpanExportResult.FAILURE
        self.sent += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the connection."""
        self._client.close()

    def _send(self, content: bytes) -> None:
        budget = Budget(min(_LONGEST_EXPORT, self._left()))
        for attempt in _RETRIES.loop(budget, idempotent=True):
            with attempt:
                self._post(content)

    def _post(self, content: bytes) -> None:
        left = self._left()
        if left <= 0:
            raise ApiUnreachableError(f"{self._backend.host} had no more time to take what was left")
        timeout = min(self._backend.timeout, left)
        try:
            response = self._answered(content, timeout)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiUnreachableError(f"{self._backend.host}: {type(error).__name__}") from error
        if not response.is_success:
            wait = retry_after(response.headers.get("retry-after"))
            message = f"{self._backend.host} answers with status {response.status_code}"
            raise ApiStatusError(message, status=response.status_code, retry_after=wait)

    def _answered(self, content: bytes, seconds: float) -> httpx.Response:
        """The answer, of which only the status counts; within so many seconds for all of it, or without its end."""
        line = self._client.line
        trace = {"trace": line.trace}
        try:
            with Deadline(line, seconds):
                request = self._client.build_request(
                    "POST", self._url, content=content, timeout=seconds, extensions=trace
                )
                response = self._client.send(request, stream=True, auth=self._auth)
                with closing(response), suppress(httpx.HTTPError):
                    _read_past(response)
                return response
        finally:
            if line.is_cut:
                self._client.close()
                self._client = self._new_client()

    def _new_client(self) -> Client:
        return new_client(self._backend.url, self._habits, transport=self._transport)

    def _left(self) -> float:
        return self._stop - time.monotonic()

    def _warn(self, error: ApiError) -> None:
        if not self._warned:
            self._warned = True
            told = f"spans are not sent to the OpenTelemetry backend: {error}"
            warn(told)


def _read_past(response: httpx.Response) -> None:
    """Read the answer, so that the connection can be used again; one that is too long costs the connection."""
    if response.headers.get("content-encoding", "identity") != "identity":
        return  # nobody has asked for it to be packed, and unpacked it may be a thousand times as long
    size = 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > _LONGEST_ANSWER:
            return
