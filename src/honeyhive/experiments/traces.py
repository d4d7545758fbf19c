"""Where the spans of a run go: the file beside the run file, and the OpenTelemetry backend of the environment."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan

from honeyhive.errors import HoneyHiveWarning, ReportingError
from honeyhive.experiments.recorded import Cleaning
from honeyhive.experiments.spanfile import open_spans
from honeyhive.linefile import LineFile
from honeyhive.tracer.backend import open_backend
from honeyhive.tracer.otlp import span_line

_PATIENCE = 30.0
"""How long, in seconds, the end of a run waits for the backend to take what it has been given."""


class Traces:
    """Takes the spans of a run from its threads.

    Where they cannot be written, on a full disk say, the run goes on without, and one `HoneyHiveWarning` at its end
    says so: what became of its datapoints is worth more than how.
    """

    def __init__(self, run_file: Path, environ: Mapping[str, str], cleaning: Cleaning) -> None:
        """Open the spans file, and the way to the backend where the environment names one; neither gets a secret."""
        self._clean = cleaning
        self._file: LineFile | None = None
        self._problem: str | None = None
        with self._noted():
            self._file = open_spans(run_file)
        self._backend = open_backend(environ, cleaning.redactor)

    def record(self, spans: Sequence[ReadableSpan]) -> bytes | None:
        """Keep the spans of a datapoint; the line that they are, `None` where there are none."""
        if not spans:
            return None
        line = self._clean(span_line(spans))
        if self._file is not None:
            with self._noted():
                self._file.append(line)
        if self._backend is not None:
            self._backend.put(spans)
        return line

    def record_late(self, span: ReadableSpan) -> None:
        """Keep a span that ended after its datapoint."""
        self.record((span,))

    def flush(self) -> None:
        """Hand what was recorded to the operating system; to be called some times a second."""
        if self._file is not None:
            with self._noted():
                self._file.flush()

    def close(self) -> None:
        """Close the file, let the backend have what it was given, and say what could not be written."""
        if self._file is not None:
            with self._noted():
                self._file.close()
        if self._backend is not None:
            self._backend.close(_PATIENCE)
        if self._problem is not None:
            message = f"not all spans of this run could be written ({self._problem}); what became of its datapoints is"
            warnings.warn(message, HoneyHiveWarning, stacklevel=2)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """What keeps the spans from being written; a file that has failed takes nothing any more."""
        try:
            yield
        except (OSError, ReportingError) as error:
            self._problem = self._problem or str(error.strerror if isinstance(error, OSError) else error)
