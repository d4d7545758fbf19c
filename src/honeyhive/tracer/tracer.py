"""`HoneyHiveTracer`: one session with a provider of its own, its metadata on every span."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.documents import canonical_json
from honeyhive.tracer.provider import DatapointProvider

_current: ContextVar[HoneyHiveTracer | None] = ContextVar("honeyhive_tracer", default=None)


class HoneyHiveTracer:
    """Traces one session, isolated from every other tracer of the process.

    What its configuration says of the run, dataset and datapoint is the session's metadata and stands on each of
    its spans; nothing else sets it.
    """

    def __init__(  # noqa: PLR0913 - the guide gives its configuration these names
        self,
        *,
        project: str | None = None,
        source: str = "evaluation",
        session_name: str | None = None,
        run_id: str | None = None,
        dataset_id: str | None = None,
        datapoint_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """`metadata` is further metadata of the session; its values travel as text or JSON."""
        self.session_id = str(uuid.uuid4())
        self.session_name = session_name
        self.project = project
        self.source = source
        ids = {"run_id": run_id, "dataset_id": dataset_id, "datapoint_id": datapoint_id}
        self.metadata: dict[str, Any] = {
            **(metadata or {}),
            **{key: value for key, value in ids.items() if value is not None},
            "source": source,
        }
        self.provider = DatapointProvider(self._attributes())

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The session's spans that have ended so far."""
        return self.provider.spans

    @contextmanager
    def span(self, name: str) -> Iterator[trace.Span]:
        """A span of this session, current while the block runs."""
        with self.provider.get_tracer("honeyhive").start_as_current_span(name) as span:
            yield span

    @contextmanager
    def active(self) -> Iterator[HoneyHiveTracer]:
        """Make this the tracer that `current_tracer()` gives within the block, and to what the block starts.

        A span that is current outside of the block belongs to another trace, and is not the parent of those inside.
        """
        token = _current.set(self)
        outside = context.attach(trace.set_span_in_context(trace.INVALID_SPAN))
        try:
            yield self
        finally:
            context.detach(outside)
            _current.reset(token)

    def _attributes(self) -> dict[str, str]:
        """The session's metadata under the names that the platform reads."""
        attributes = {"honeyhive.session_id": self.session_id, "honeyhive.source": self.source}
        for key, value in self.metadata.items():
            attributes[f"honeyhive_metadata.{key}"] = value if isinstance(value, str) else canonical_json(value)
        return attributes


def current_tracer() -> HoneyHiveTracer | None:
    """The tracer of the datapoint that is running here; `None` outside of a run."""
    return _current.get()
