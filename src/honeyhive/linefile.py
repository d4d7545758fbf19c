"""Files of lines: appended to from many threads, none of which waits for another; read within bounds."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from honeyhive.regular import open_regular

MAX_RATIO = 100
"""No compressed file holds more than this many times its size, beyond 128 MiB: ours pack to a thirtieth."""
_UNBOUNDED = 128 * 2**20


def encoded(path: Path, lines: Sequence[bytes]) -> bytes:
    """The lines as the file has them: compressed, as a gzip member of their own, where its name ends in `.gz`."""
    batch = b"".join(line + b"\n" for line in lines)
    return gzip.compress(batch, compresslevel=6) if path.suffix == ".gz" else batch


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The plain bytes of the regular file at `path`, compressed or not; `OSError` where it would unpack to too much."""
    with os.fdopen(open_regular(path), "rb") as raw, unpacked(raw, compressed=path.suffix == ".gz") as stream:
        yield stream


@contextmanager
def unpacked(raw: io.BufferedReader, *, compressed: bool = True) -> Iterator[io.BufferedReader]:
    """The plain bytes of a file that is open; `OSError` as they are read where there are too many of them."""
    if not compressed:
        yield raw
        return
    size = os.fstat(raw.fileno()).st_size
    with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
        yield io.BufferedReader(_Bounded(stream, max(_UNBOUNDED, MAX_RATIO * size)))


class _Bounded(io.RawIOBase):
    """What a compressed file holds, as far as anybody may have meant it."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream, self._left = stream, most

    def readable(self) -> bool:
        """It is for nothing else."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As much as there is at once: what comes before a fault is had before the fault is."""
        chunk = self._stream.read1(len(buffer))
        self._left -= len(chunk)
        if self._left < 0:
            raise OSError(f"it unpacks to more than {MAX_RATIO} times its size")
        buffer[: len(chunk)] = chunk
        return len(chunk)


class LineFile:
    """Appends lines, `batch` at a time; the others are in the file with the next `flush()` or `close()`.

    `written` is told of the lines that have been handed to the operating system, one call at a time.
    """

    def __init__(
        self, path: Path, *, batch: int = 1, written: Callable[[Sequence[bytes]], None] = lambda _: None
    ) -> None:
        """Go on where the file ends; it is made where there is none."""
        self.path = path
        self._batch = batch
        self._written = written
        self._pending: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)

    @property
    def pending(self) -> tuple[bytes, ...]:
        """The lines that are on their way to the file."""
        return () if self._file.closed else tuple(self._pending.copy())

    def append(self, line: bytes) -> None:
        """Add a line; what comes after `close()` is too late and not kept. `OSError` where it cannot be written."""
        if self._file.closed:
            return
        self._pending.append(line)
        self._write_batches()

    def flush(self) -> None:
        """Hand all that was appended to the operating system."""
        with self._lock:
            self._write()
        self._write_batches()

    def close(self, last: Callable[[], bytes] | None = None) -> None:
        """Write what is left, and the last line, made durable, where there is one; then close the file, once."""
        with self._lock:
            if self._file.closed:
                return
            with self._file:
                self._write()
                if last is not None:
                    self._write_all([last()])
                    os.fsync(self._file.fileno())

    def _write_batches(self) -> None:
        # Who comes while another thread writes does not wait for it: that one looks again before it goes.
        while len(self._pending) >= self._batch and not self._file.closed and self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()

    def _write(self) -> None:
        """Write what is pending, and nothing once the file is closed; call it with the lock."""
        lines = list(self._taken())
        if lines and not self._file.closed:
            self._write_all(lines)
            self._written(lines)

    def _taken(self) -> Iterator[bytes]:
        with suppress(IndexError):
            while True:
                yield self._pending.popleft()

    def _write_all(self, lines: list[bytes]) -> None:
        batch = encoded(self.path, lines)
        try:
            written = self._file.write(batch)
            while written < len(batch):  # a full disk may take a part, and says so at the rest
                written += self._file.write(batch[written:])
        except OSError:  # what came after a torn line would be read as part of it
            self._file.close()
            raise
