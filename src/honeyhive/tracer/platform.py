"""The platform's side of a tracer that is no run's: its session started, its spans sent in the background."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from honeyhive.api.client import HoneyHive
from honeyhive.api.connection import Connection
from honeyhive.api.retries import Retries
from honeyhive.documents.redactor import redactor_of_keys
from honeyhive.errors import ApiError
from honeyhive.tracer.attributes import written
from honeyhive.tracer.otlp import span_line
from honeyhive.tracer.warning import warn

_TIMEOUT, _PATIENCE = 5.0, 10.0
"""In seconds: so long may a step of an exchange take, and all tries of it, while the user's program waits."""


class Platform:
    """HoneyHive, as one tracer reaches it. What it cannot send is lost after the retries: one warning says so."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is sent yet."""
        self._client = HoneyHive(
            connection.api_key,
            connection.project,
            server_url=connection.server_url,
            timeout=connection.timeout or _TIMEOUT,
            retries=Retries(total=_PATIENCE),
        )
        self._redactor = redactor_of_keys([connection.api_key])
        self._exporter = _Exporter(self)
        self._processor: SpanProcessor | None = None
        self._warning = threading.Lock()
        self._warned = False
        atexit.register(self.close)

    @classmethod
    def found(cls, *, api_key: str | None, project: str | None, server_url: str | None) -> Self | None:
        """The platform that arguments and environment name; `None` where neither has a key."""
        connection = Connection.found(os.environ, api_key=api_key, project=project, server_url=server_url)
        return None if connection is None else cls(connection)

    def start(self, session: Mapping[str, Any]) -> str:
        """Start the session; its id, which is the one it was given where HoneyHive is not reached."""
        sent = self._redactor.value({key: written(value) for key, value in session.items()})
        try:
            with suppress_instrumentation():
                return self._client.sessions.start(sent).session_id or session["session_id"]
        except ApiError as error:
            self.warn(error)
            return str(session["session_id"])

    def enrich(self, session_id: str, added: Mapping[str, Mapping[str, Any]]) -> None:
        """Add to a session."""
        if not added:
            return
        try:
            with suppress_instrumentation():
                said = self._redactor.value({key: written(item) for key, item in added.items()})
                self._client.events.update({"event_id": session_id, **said})
        except ApiError as error:
            self.warn(error)

    def processor(self, *, batches: bool) -> SpanProcessor:
        """What sends each span that ends: many at a time in the background, or each at once."""
        self._processor = BatchSpanProcessor(self._exporter) if batches else SimpleSpanProcessor(self._exporter)
        return self._processor

    def send(self, spans: Sequence[ReadableSpan]) -> bool:
        """Send spans; whether they were taken."""
        try:
            self._client.spans.export(self._redactor.own_line(span_line(spans)))
        except ApiError as error:
            self.warn(error)
            return False
        return True

    def flush(self, timeout: float) -> bool:
        """Send what has ended; whether all that was sent since the last time was taken."""
        flushed = self._processor is None or self._processor.force_flush(round(timeout * 1_000))
        return flushed and self._exporter.all_taken()

    def close(self) -> None:
        """Send what has ended, then let go of the connection."""
        atexit.unregister(self.close)
        if self._processor is not None:
            self._processor.shutdown()
        self._client.close()

    def warn(self, error: ApiError) -> None:
        """Say once what is wrong."""
        with self._warning:
            warned, self._warned = self._warned, True
        if not warned:
            warn(f"HoneyHive does not get everything that is traced: {error}")


class _Exporter(SpanExporter):
    """The platform, as OpenTelemetry's processors want it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._refused = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._platform.send(spans):
            return SpanExportResult.SUCCESS
        self._refused += 1
        return SpanExportResult.FAILURE

    def all_taken(self) -> bool:
        refused, self._refused = self._refused, 0
        return not refused
