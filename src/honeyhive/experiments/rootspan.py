"""The span that stands for a datapoint: what the function was given, what it answered, and its scores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import StatusCode

from honeyhive.result import Fault, Score
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.attributes import attributes_of, cut


class RootSpan:
    """The first span of a session; the platform reads the datapoint's metrics from it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._started = time.time_ns()
        self.ended: int | None = None

    def answered(self, answer: Any, fault: Fault | None) -> None:
        """The function has come to its end, and here ends the time that the span stands for."""
        self.ended = time.time_ns()
        if not self._span.is_recording():  # given up, and told as it stood
            return
        duration = {"honeyhive_duration_ms": (self.ended - self._started) / 1_000_000}
        if fault is None:
            self._span.set_attributes(attributes_of("honeyhive_outputs.result", answer) | duration)
        else:
            self._span.set_attributes({"honeyhive_error": cut(str(fault)), **duration})
            self._span.set_status(StatusCode.ERROR, cut(str(fault)))
            stack = {"exception.stacktrace": cut(fault.traceback)} if fault.traceback else {}
            told = {"exception.type": fault.type, "exception.message": cut(fault.message)}
            self._span.add_event("exception", {**told, **stack})

    def graded(self, scores: Mapping[str, Score], notes: Mapping[str, str]) -> None:
        """The evaluators have come to theirs."""
        if not self._span.is_recording():
            return
        scored = {f"honeyhive_metrics.{metric}": score for metric, score in scores.items() if score is not None}
        noted = {f"honeyhive_metrics.{metric}_explanation": cut(note) for metric, note in notes.items()}
        self._span.set_attributes({**scored, **noted})


@contextmanager
def root_span(tracer: HoneyHiveTracer, name: str, given: Mapping[str, Any]) -> Iterator[RootSpan]:
    """The datapoint's span, current within the block; it ends with the block, as of when the function answered."""
    attributes = {
        "honeyhive_event_type": "chain",
        "honeyhive_event_name": name,
        "honeyhive_metadata.event_type": "chain",
        "honeyhive_metadata.event_name": name,
    }
    for what in ("inputs", "ground_truth"):
        if given[what] is not None:
            attributes |= attributes_of(f"honeyhive_inputs.{what}", given[what])  # type: ignore[arg-type]  # texts among others
    span = tracer.provider.get_tracer("honeyhive").start_span(name, attributes=attributes)
    root = RootSpan(span)
    try:
        with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield root
    finally:
        if span.is_recording():
            span.end(root.ended)
