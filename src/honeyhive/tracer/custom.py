"""The older home of `trace`, `atrace` and `enrich_span`."""

from honeyhive.tracer.decorators import atrace, trace
from honeyhive.tracer.enriching import enrich_span

__all__ = ["atrace", "enrich_span", "trace"]
