"""Adding to what is being traced: `enrich_span`, `enrich_session`; and `flush`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace

from honeyhive.tracer.attributes import attribute
from honeyhive.tracer.enrichment import enrichment_attributes
from honeyhive.tracer.tracer import HoneyHiveTracer, current_tracer, default_tracer


def enrich_span(  # noqa: PLR0913 - what the published SDKs take
    metadata: Mapping[str, Any] | None = None,
    *,
    metrics: Mapping[str, Any] | None = None,
    feedback: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    error: str | None = None,
    event_id: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    tracer: HoneyHiveTracer | None = None,  # noqa: ARG001 - accepted
    **further: Any,
) -> bool:
    """Add to the OpenTelemetry span that is current, whatever made it; whether there is one that takes it.

    `attributes` and any other keyword are metadata too. What the run says of itself in the metadata stays. A `tracer`
    is accepted and has no effect: the span is the current one.
    """
    span = trace.get_current_span()
    if not span.is_recording():
        return False
    kinds = {"inputs": inputs, "outputs": outputs, "config": config, "metrics": metrics, "feedback": feedback}
    span.set_attributes(enrichment_attributes({**kinds, "user_properties": user_properties}))
    for added in (metadata, attributes, further):
        span.set_attributes(enrichment_attributes({"metadata": added or None}))
    for name, text in (("honeyhive_error", error), ("honeyhive_event_id", event_id)):
        if text is not None:
            span.set_attribute(name, attribute(text))
    return True


def enrich_session(  # noqa: PLR0913, PLR0917 - what the published SDKs take, in their order
    session_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    feedback: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    user_properties: Mapping[str, Any] | None = None,
    *,
    tracer: HoneyHiveTracer | None = None,
) -> bool:
    """Add to the session of `tracer`, of the current one, or of the default; whether there is one.

    A `session_id` is that of another session, where the tracer sends its own.
    """
    found = tracer or current_tracer() or default_tracer()
    if found is None:
        return False
    found.enrich_session(metadata, inputs, outputs, config, feedback, metrics, user_properties, session_id)
    return True


def flush(tracer: HoneyHiveTracer | None = None) -> bool:
    """Send the spans of `tracer`, of the current one, or of the default, that were not sent yet; whether all were."""
    found = tracer or current_tracer() or default_tracer()
    return found is None or found.flush()
