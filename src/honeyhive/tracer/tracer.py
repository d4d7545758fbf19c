"""`HoneyHiveTracer`: one session with a provider of its own, its metadata on every span."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, Unpack

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.api.connection import Connection
from honeyhive.documents import canonical_json
from honeyhive.tracer.attributes import attribute, attributes_of
from honeyhive.tracer.configuration import Accepted, refuse_unknown
from honeyhive.tracer.enrichment import SessionEnrichment, session_enrichment
from honeyhive.tracer.provider import DatapointProvider, Late
from honeyhive.tracer.recording import Recording
from honeyhive.tracer.warning import warn

if TYPE_CHECKING:  # it costs httpx, which a run without a key does not need
    from honeyhive.tracer.platform import Platform

_TRACER = context.create_key("honeyhive-tracer")


class _Flush:
    """`force_flush` of a tracer; on the class, as the SDK before 1.0 has it, that of the default tracer."""

    def __get__(self, tracer: HoneyHiveTracer | None, owner: type[HoneyHiveTracer]) -> Callable[..., bool]:
        return partial(_flush, default_tracer() if tracer is None else tracer)


def _flush(tracer: HoneyHiveTracer | None, timeout: float = 30.0) -> bool:
    return tracer is None or tracer.force_flush(timeout)


class HoneyHiveTracer:
    """Traces one session, isolated from every other tracer of the process.

    What its configuration says of the run, dataset and datapoint is the session's metadata and stands on each of
    its spans; nothing else sets it. The tracer of a datapoint (`is_evaluation`) never talks to the network: its run
    takes the spans at `close()`. Any other starts its session on HoneyHive where there is a key, given or in
    `HH_API_KEY`, and sends its spans in the background; without a key they go nowhere.
    """

    def __init__(  # noqa: PLR0913 - the guide and the published SDKs give it these names, in this order
        self,
        api_key: str | None = None,
        project: str | None = None,
        session_name: str | None = None,
        source: str | None = None,
        server_url: str | None = None,
        session_id: str | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        is_evaluation: bool = False,
        run_id: str | None = None,
        dataset_id: str | None = None,
        datapoint_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ingestion_api_key: str | None = None,
        disable_batch: bool = False,
        disable_tracing: bool = False,
        test_mode: bool = False,
        **accepted: Unpack[Accepted],
    ) -> None:
        """`metadata` is further metadata of the session; its values travel as text or JSON.

        `source` is `HH_SOURCE` or "dev" where it is not given. A `session_id` names a session that exists: none is
        started. `ingestion_api_key` is the key where no `api_key` is given. `disable_batch` sends each span as it
        ends; `test_mode` and `disable_tracing` send nothing. What is `Accepted` has no effect.
        """
        refuse_unknown(accepted)
        self.session_id = session_id or str(uuid.uuid4())
        self.session_name = session_name
        self.project = project
        self.source = source or os.environ.get("HH_SOURCE") or "dev"
        self.inputs = dict(inputs or {})
        self.is_evaluation = is_evaluation
        self.run_id, self.dataset_id, self.datapoint_id = run_id, dataset_id, datapoint_id
        self.metadata: dict[str, Any] = {**(metadata or {}), **self._identity()}
        self._enrichment: dict[str, dict[str, Any]] = {}
        self._enriching = threading.Lock()
        silent = is_evaluation or test_mode or disable_tracing
        self._platform = None if silent else _platform((api_key, ingestion_api_key), project, server_url)
        if self._platform is not None and session_id is None:
            self.session_id = self._platform.start(self._session())
        self.provider = DatapointProvider(self._attributes(), keeps=is_evaluation)
        if self._platform is not None:
            self.provider.add_span_processor(self._platform.processor(batches=not disable_batch))

    @classmethod
    def init(cls, *given: Any, **configuration: Any) -> Self:
        """A tracer that is also the process's default: the one of whatever is traced outside of any other's session."""
        tracer = cls(*given, **configuration)
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
        self,
        name: str,
        *,
        event_type: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Iterator[trace.Span]:
        """A span of this session, current while the block runs; an exception is put down on it and goes on."""
        added = {key: attribute(value) for key, value in (attributes or {}).items()}
        span = self.provider.get_tracer("honeyhive").start_span(name, self.context(), attributes=added)
        if event_type is not None:
            span.set_attributes({"honeyhive_event_type": event_type, "honeyhive_event_name": name})
        for key, value in (inputs or {}).items():
            span.set_attributes(attributes_of(f"honeyhive_inputs.{key}", value))
        with Recording(span, self.context()):
            yield span

    start_span = span
    """`span`, by the name that the SDK since 1.0 has for it."""

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

    def enrich_session(self, *given: Any, **named: Unpack[SessionEnrichment]) -> None:
        """Add to this session, a later value of a key wins; to that of `session_id` where the tracer sends its own.

        By position come metadata, inputs, outputs, config, feedback, metrics, user properties and the session's id;
        where its id is first, the others as `honeyhive.tracer.enrich_session` has them.
        """
        session_id, added = session_enrichment(given, named)
        if self._platform is not None:
            self._platform.enrich(session_id or self.session_id, added)
        elif session_id not in (None, self.session_id):
            warn(f"enrich_session: {session_id} is not this tracer's session; nothing is added")
        elif self.is_evaluation:
            with self._enriching:
                for kind, values in added.items():
                    self._enrichment.setdefault(kind, {}).update(values)

    def enrich_span(self, metadata: Mapping[str, Any] | None = None, **enrichment: Any) -> bool:
        """Add to the span that is current, as `honeyhive.tracer.enrich_span` does."""
        from honeyhive.tracer.enriching import enrich_span  # noqa: PLC0415 - it needs this module

        return enrich_span(metadata, **enrichment)

    # --- sending ------------------------------------------------------------------------------------------------------

    flush = _Flush()

    def force_flush(self, timeout: float = 30.0) -> bool:
        """Send what has not been sent yet; whether all of it was, in so many seconds.

        The spans of a datapoint are its run's to send.
        """
        return self._platform is None or self._platform.flush(timeout)

    def shutdown(self) -> None:
        """Send what has not been sent yet, and let go of the connection; spans that end afterwards are lost."""
        platform, self._platform = self._platform, None
        if platform is not None:
            platform.close()

    def _identity(self) -> dict[str, str]:
        """What of the metadata says where the session belongs."""
        ids = {"run_id": self.run_id, "dataset_id": self.dataset_id, "datapoint_id": self.datapoint_id}
        return {**{key: value for key, value in ids.items() if value is not None}, "source": self.source}

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


def _platform(keys: tuple[str | None, ...], project: str | None, server_url: str | None) -> Platform | None:
    """The platform, by the first of the keys that is one, else by the environment's; without any, `None`."""
    api_key = next((key for key in keys if key and key.strip()), None)
    if Connection.found(os.environ, api_key=api_key, project=project, server_url=server_url) is None:
        around = current_tracer()
        if around is None or not around.is_evaluation:
            warn(_NO_KEY)
        return None
    from honeyhive.tracer.platform import Platform  # noqa: PLC0415 - see its import for types

    return Platform.found(api_key=api_key, project=project, server_url=server_url)


_NO_KEY = (
    "no API key: nothing of this session is sent to HoneyHive"
    " (set HH_API_KEY, or give api_key; test_mode=True to mean it)"
)


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
