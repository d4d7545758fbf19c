"""`HoneyHiveTracer`: one session with a provider of its own, its metadata on every span."""

from __future__ import annotations

import os
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.api.connection import Connection
from honeyhive.documents import canonical_json
from honeyhive.tracer.attributes import attributes_of
from honeyhive.tracer.provider import DatapointProvider, Late
from honeyhive.tracer.recording import Recording

if TYPE_CHECKING:  # it costs httpx, which a run without a key does not need
    from honeyhive.tracer.platform import Platform

_TRACER = context.create_key("honeyhive-tracer")

ENRICHABLE = ("metadata", "inputs", "outputs", "config", "feedback", "metrics", "user_properties")
"""What may be added to a session."""


class HoneyHiveTracer:
    """Traces one session, isolated from every other tracer of the process.

    What its configuration says of the run, dataset and datapoint is the session's metadata and stands on each of
    its spans; nothing else sets it. The tracer of a datapoint (`is_evaluation`) never talks to the network: its run
    takes the spans at `close()`. Any other starts its session on HoneyHive where there is a key, given or in
    `HH_API_KEY`, and sends its spans in the background; without a key they go nowhere.
    """

    def __init__(  # noqa: PLR0913 - the guide and the published SDKs give its configuration these names
        self,
        *,
        api_key: str | None = None,
        project: str | None = None,
        session_name: str | None = None,
        source: str | None = None,
        server_url: str | None = None,
        session_id: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        is_evaluation: bool = False,
        run_id: str | None = None,
        dataset_id: str | None = None,
        datapoint_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        disable_batch: bool = False,
        test_mode: bool = False,
        verbose: bool = False,  # noqa: ARG002 - accepted
        disable_http_tracing: bool = False,  # noqa: ARG002 - accepted
    ) -> None:
        """`metadata` is further metadata of the session; its values travel as text or JSON.

        `source` is `HH_SOURCE` or "dev" where it is not given. A `session_id` names a session that exists: none is
        started. `disable_batch` sends each span as it ends; `test_mode` sends nothing. `verbose` and
        `disable_http_tracing` are accepted and have no effect: we log nothing, and instrument no HTTP client.
        """
        self.session_id = session_id or str(uuid.uuid4())
        self.session_name = session_name
        self.project = project
        self.source = source or os.environ.get("HH_SOURCE") or "dev"
        self.inputs = dict(inputs or {})
        self.is_evaluation = is_evaluation
        ids = {"run_id": run_id, "dataset_id": dataset_id, "datapoint_id": datapoint_id}
        self.metadata: dict[str, Any] = {
            **(metadata or {}),
            **{key: value for key, value in ids.items() if value is not None},
            "source": self.source,
        }
        self._enrichment: dict[str, dict[str, Any]] = {}
        self._enriching = threading.Lock()
        self._platform = None if is_evaluation or test_mode else _platform(api_key, project, server_url)
        if self._platform is not None and session_id is None:
            self.session_id = self._platform.start(self._session())
        self.provider = DatapointProvider(self._attributes(), keeps=is_evaluation)
        if self._platform is not None:
            self.provider.add_span_processor(self._platform.processor(batches=not disable_batch))

    @classmethod
    def init(cls, **configuration: Any) -> Self:
        """A tracer that is also the process's default: the one of whatever is traced outside of any other's session."""
        tracer = cls(**configuration)
        set_default_tracer(tracer)
        return tracer

    def __repr__(self) -> str:
        """Which session it is; never the key."""
        return f"HoneyHiveTracer(session_id={self.session_id!r}, project={self.project!r}, source={self.source!r})"

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans of a datapoint's session that have ended so far."""
        return self.provider.spans

    @contextmanager
    def span(
        self, name: str, *, event_type: str | None = None, inputs: Mapping[str, Any] | None = None
    ) -> Iterator[trace.Span]:
        """A span of this session, current while the block runs; an exception is put down on it and goes on."""
        span = self.provider.get_tracer("honeyhive").start_span(name, self.context())
        if event_type is not None:
            span.set_attributes({"honeyhive_event_type": event_type, "honeyhive_event_name": name})
        for key, value in (inputs or {}).items():
            span.set_attributes(attributes_of(f"honeyhive_inputs.{key}", value))
        with Recording(span, self.context()):
            yield span

    @contextmanager
    def active(self) -> Iterator[Self]:
        """Make this the tracer that `current_tracer()` gives within the block, and to what the block starts.

        A span that is current outside of the block belongs to another trace, and is not the parent of those inside.
        """
        token = context.attach(self._own_context())
        try:
            yield self
        finally:
            context.detach(token)

    def context(self) -> Context:
        """The current OpenTelemetry context where this tracer is the one in it, else one that begins a trace of its."""
        return context.get_current() if current_tracer() is self else self._own_context()

    def close(self, late: Late | None = None) -> tuple[ReadableSpan, ...]:
        """End the session of a datapoint and hand over its spans, each once: a second call gives none.

        Spans that are still open end as errors. Those that end afterwards, in threads that the user's code has left
        behind, go to `late`. A tracer that sends its own spans sends what is left, and hands over nothing.
        """
        self.shutdown()
        return self.provider.close(late)

    # --- enrichment ---------------------------------------------------------------------------------------------------

    @property
    def enrichment(self) -> Mapping[str, Mapping[str, Any]]:
        """What was added to a datapoint's session, by kind (`metadata`, `metrics`, …): the run sends it."""
        with self._enriching:
            return MappingProxyType({kind: dict(values) for kind, values in self._enrichment.items()})

    def enrich_session(  # noqa: PLR0913 - what the published SDKs take
        self,
        metadata: Mapping[str, Any] | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        feedback: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        user_properties: Mapping[str, Any] | None = None,
        session_id: str | None = None,
    ) -> None:
        """Add to this session, a later value of a key wins; to that of `session_id` where the tracer sends its own."""
        given = (metadata, inputs, outputs, config, feedback, metrics, user_properties)
        added = {kind: value for kind, value in zip(ENRICHABLE, given, strict=True) if value is not None}
        for kind in [kind for kind, value in added.items() if not isinstance(value, Mapping)]:
            warnings.warn(f"enrich_session: {kind} is not a mapping, and not added", stacklevel=2)
            del added[kind]
        if self._platform is not None:
            self._platform.enrich(session_id or self.session_id, added)
        elif session_id not in (None, self.session_id):
            warnings.warn(f"enrich_session: {session_id} is not this tracer's session; nothing is added", stacklevel=2)
        elif self.is_evaluation:
            with self._enriching:
                for kind, values in added.items():
                    self._enrichment.setdefault(kind, {}).update(values)

    def enrich_span(self, **enrichment: Any) -> bool:
        """Add to the span that is current, as `honeyhive.tracer.enrich_span` does."""
        from honeyhive.tracer.enriching import enrich_span  # noqa: PLC0415 - it needs this module

        return enrich_span(**enrichment)

    # --- sending ------------------------------------------------------------------------------------------------------

    def flush(self, timeout: float = 30.0) -> bool:
        """Send what has not been sent yet; whether all of it was. The spans of a datapoint are its run's to send."""
        return self._platform is None or self._platform.flush(timeout)

    def force_flush(self, timeout: float = 30.0) -> bool:
        """`flush()` by the name that OpenTelemetry gives it; in seconds."""
        return self.flush(timeout)

    def shutdown(self) -> None:
        """Send what has not been sent yet, and let go of the connection; spans that end afterwards are lost."""
        platform, self._platform = self._platform, None
        if platform is not None:
            platform.close()

    def _session(self) -> dict[str, Any]:
        """What a session starts with."""
        known = {"project": self.project, "session_name": self.session_name, "inputs": self.inputs}
        begun = {"session_id": self.session_id, "source": self.source, "metadata": self.metadata}
        return {**begun, **{key: value for key, value in known.items() if value}}

    def _own_context(self) -> Context:
        return context.set_value(_TRACER, self, trace.set_span_in_context(trace.INVALID_SPAN))

    def _attributes(self) -> dict[str, str]:
        """The session's metadata under the names that the platform reads."""
        attributes = {
            "honeyhive.session_id": self.session_id,
            "traceloop.association.properties.session_id": self.session_id,
            "honeyhive.source": self.source,
            "traceloop.association.properties.source": self.source,
        }
        for key, value in self.metadata.items():
            attributes[f"honeyhive_metadata.{key}"] = value if isinstance(value, str) else canonical_json(value)
        return attributes


def _platform(api_key: str | None, project: str | None, server_url: str | None) -> Platform | None:
    if Connection.found(os.environ, api_key=api_key, project=project, server_url=server_url) is None:
        return None
    from honeyhive.tracer.platform import Platform  # noqa: PLC0415 - see its import for types

    return Platform.found(api_key=api_key, project=project, server_url=server_url)


# --- which is current -------------------------------------------------------------------------------------------------

_default: list[HoneyHiveTracer] = []


def tracer_in(found: Context | None = None) -> HoneyHiveTracer | None:
    """The tracer of an OpenTelemetry context; of the current one where none is given."""
    tracer = context.get_value(_TRACER, found)
    return tracer if isinstance(tracer, HoneyHiveTracer) else None


def current_tracer() -> HoneyHiveTracer | None:
    """The tracer of the datapoint that is running here; `None` outside of a run."""
    return tracer_in()


def default_tracer() -> HoneyHiveTracer | None:
    """The tracer of whatever is traced outside of any session; `None` where none was set."""
    return _default[-1] if _default else None


def set_default_tracer(tracer: HoneyHiveTracer | None) -> None:
    """Make this the tracer of whatever is traced outside of any session; `None` for none."""
    _default[:] = [] if tracer is None else [tracer]
