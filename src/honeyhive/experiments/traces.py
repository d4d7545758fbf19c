"""Where the spans of a run go: the file beside the run file, and the OpenTelemetry backend of the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.experiments.spanfile import open_spans
from honeyhive.tracer.backend import open_backend
from honeyhive.tracer.otlp import span_line

_PATIENCE = 30.0
"""How long, in seconds, the end of a run waits for the backend to take what it has been given."""


class Traces:
    """Takes the spans of a run from its threads."""

    def __init__(self, run_file: Path, environ: Mapping[str, str]) -> None:
        """Open the spans file, and the way to the backend where the environment names one."""
        self._file = open_spans(run_file)
        self._backend = open_backend(environ)

    def record(self, spans: Sequence[ReadableSpan]) -> bytes | None:
        """Keep the spans of a datapoint; the line that the file has of them, `None` where there are none."""
        if not spans:
            return None
        line = span_line(spans)
        self._file.append(line)
        if self._backend is not None:
            self._backend.put(spans)
        return line

    def record_late(self, span: ReadableSpan) -> None:
        """Keep a span that ended after its datapoint."""
        self.record((span,))

    def flush(self) -> None:
        """Hand what was recorded to the operating system; to be called some times a second."""
        self._file.flush()

    def close(self) -> None:
        """Close the file, and let the backend have what it was given."""
        self._file.close()
        if self._backend is not None:
            self._backend.close(_PATIENCE)
