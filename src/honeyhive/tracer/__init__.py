"""Tracing of one datapoint at a time: `HoneyHiveTracer`; `trace` and what is added to spans and sessions."""

from honeyhive.tracer.decorators import atrace, trace, trace_class
from honeyhive.tracer.enriching import enrich_session, enrich_span, flush
from honeyhive.tracer.tracer import HoneyHiveTracer, current_tracer, set_default_tracer

__all__ = [
    "HoneyHiveTracer",
    "atrace",
    "current_tracer",
    "enrich_session",
    "enrich_span",
    "flush",
    "set_default_tracer",
    "trace",
    "trace_class",
]
