"""The spans of a run, beside its run file: a line of OTLP/JSON for each datapoint, for any OpenTelemetry reader.

The format is that of the OpenTelemetry file exporter (opentelemetry.io/docs/specs/otel/protocol/file-exporter):
each line is one `ExportTraceServiceRequest`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from honeyhive.linefile import LineFile
from honeyhive.runfile import companion

_SESSION = re.compile(rb'"key":"honeyhive\.session_id","value":\{"stringValue":"([^"\\]{1,200})"').search


_BATCH = 50
"""So many datapoints' spans are written at once, or those of a quarter of a second; the outcomes go one by one."""


def open_spans(run_file: Path) -> LineFile:
    """The spans file beside the run file, to go on where it ends; a torn last line stays alone."""
    path = companion(run_file, "spans")
    lines = LineFile(path, batch=_BATCH)
    if path.stat().st_size and not _ends_a_line(path):
        lines.append(b"")
        lines.flush()
    return lines


class SpanIndex:
    """Where the spans of each session are in a spans file; the lines stay there until they are asked for."""

    def __init__(self, run_file: Path) -> None:
        """Read the file beside the run file once; a line that names no session is nobody's."""
        self.path = companion(run_file, "spans")
        self._places: dict[str, list[tuple[int, int]]] = {}
        for start, line in self._lines():
            found = _SESSION(line)
            if found:
                self._places.setdefault(found[1].decode(), []).append((start, len(line)))

    def lines(self, session_id: str | None) -> list[bytes]:
        """The lines of a session, in the order in which they were written."""
        places = self._places.get(session_id or "", ())
        if not places:
            return []
        with self.path.open("rb") as file:
            return [_read_at(file.fileno(), place).rstrip(b"\n") for place in places]

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        if not self.path.is_file():
            return
        start = 0
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # else it is torn: the run was killed as it wrote it
                    yield start, line
                start += len(line)


def _read_at(descriptor: int, place: tuple[int, int]) -> bytes:
    start, length = place
    return os.pread(descriptor, length, start)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
