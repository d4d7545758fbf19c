"""The spans of a run, beside its run file: a line of OTLP/JSON for each datapoint, for any OpenTelemetry reader.

The format is that of the OpenTelemetry file exporter (opentelemetry.io/docs/specs/otel/protocol/file-exporter):
each line is one `ExportTraceServiceRequest`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pydantic_core import from_json

from honeyhive.experiments.beside import open_beside
from honeyhive.linefile import LineFile
from honeyhive.runfile import companion
from honeyhive.runlines import MAX_LINE

_SESSION = re.compile(rb'"key":"honeyhive\.session_id","value":\{"stringValue":"([^"\\]{1,200})"').search

_BATCH = 50
"""So many datapoints' spans are written at once, or those of a quarter of a second; the outcomes go one by one."""


_BLOCK = 64 * 1024


def open_spans(run_file: Path) -> LineFile:
    """The spans file beside the run file, to go on where it ends; a torn last line is cut off."""
    path = companion(run_file, "spans")
    with suppress(FileNotFoundError), os.fdopen(open_beside(path, os.O_RDWR), "r+b", buffering=0) as file:
        _cut_torn_end(file)
    return LineFile(path, batch=_BATCH)


class SpanIndex:
    """Where the spans of each session are in a spans file; the lines stay there until they are asked for.

    `unreadable` is how many lines were seen that are no JSON, or far too long: they are nobody's.
    """

    def __init__(self, run_file: Path) -> None:
        """Read the file beside the run file once; a line that names no session is nobody's.

        `ReportingError` where something else is in its place.
        """
        self.path = companion(run_file, "spans")
        self.unreadable = 0
        self._places: dict[str, list[tuple[int, int]]] = {}
        for start, line in self._lines():
            found = _SESSION(line)
            if found:
                name = found[1].decode("utf-8", "replace")
                self._places.setdefault(name, []).append((start, len(line)))
            else:
                self._is_readable(line)

    def lines(self, session_id: str | None) -> list[bytes]:
        """The lines of a session, in the order in which they were written."""
        places = self._places.get(session_id or "", ())
        if not places:
            return []
        with self._opened() as file:
            found = [os.pread(file.fileno(), length, start).rstrip(b"\n") for start, length in places]
        return [line for line in found if self._is_readable(line)]

    def _is_readable(self, line: bytes) -> bool:
        try:
            readable = isinstance(from_json(line, allow_inf_nan=False), dict)
        except ValueError:
            readable = not line.strip()
        self.unreadable += not readable
        return readable

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Each whole line, and where it begins; what is torn is none: the run was killed as it wrote it."""
        with suppress(FileNotFoundError), self._opened() as file:
            start = 0
            while line := file.readline(MAX_LINE):
                length = len(line)
                if line.endswith(b"\n"):
                    yield start, line
                elif length == MAX_LINE:
                    self.unreadable += 1
                    length += _skip_line(file)
                start += length

    def _opened(self) -> BinaryIO:
        return os.fdopen(open_beside(self.path, os.O_RDONLY), "rb")


def _skip_line(file: BinaryIO) -> int:
    """Go on to the next line; how far that was."""
    skipped = 0
    while part := file.readline(_BLOCK):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _cut_torn_end(file: BinaryIO) -> None:
    """Cut off what follows the last line end."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(file.fileno(), end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)
