"""Run files, packed and unpacked: compressed the same way every time, and checked against what their entry says."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.stores.manifest import file_name, folder_of
from honeyhive.errors import NoDecisionError, StoreError
from honeyhive.experiments.beside import open_beside
from honeyhive.linefile import unpacked as unpacked_lines

MAX_PACKED = 25 * 2**20
"""No run file is kept that is larger than this when it is compressed."""

_CHUNK = 2**20


def pack(run_file: Path, entry: Entry, *, most: int = MAX_PACKED) -> bytes:
    """The run file, compressed; the same run gives the same bytes.

    Raises `StoreError` where it is larger than `most` bytes then, is not what `entry` says, or cannot be read.
    """
    digest, size, packed = hashlib.sha256(), 0, io.BytesIO()
    try:
        with plain(run_file) as stream, gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as target:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
                if packed.tell() > most:
                    break
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(f"the run cannot be read: {error}", file=str(run_file), hint="run again") from error
    if packed.tell() > most:
        raise StoreError(
            f"the run is larger than {most / 2**20:,.0f} MiB, compressed: the most that is kept of one",
            file=str(run_file),
            hint="record less of each datapoint, or use a store `file:DIR`",
        )
    if (digest.hexdigest(), size) != (entry.sha256, entry.size):
        raise StoreError("the run was changed after it ended", file=str(run_file), hint="run again")
    return packed.getvalue()


def unpacked(content: bytes, entry: Entry, folder: Path) -> Path:
    """What `pack()` has packed, as `unpack()` leaves it."""
    with gzip.open(io.BytesIO(content)) as stream:
        return unpack(cast(BinaryIO, stream), entry, folder)


def unpack(source: BinaryIO, entry: Entry, folder: Path) -> Path:
    """The run file of the entry in `folder`, out of its plain bytes.

    Raises `NoDecisionError`, and leaves nothing, where they are not those of the run that `entry` is of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{folder_of(entry.experiment)}-{entry.commit}-{file_name(entry.run_id)}.jsonl"
    digest, size = hashlib.sha256(), 0
    try:
        with place.open("wb") as target:
            while size <= entry.size and (chunk := source.read(_CHUNK)):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        place.unlink(missing_ok=True)
        raise _damaged(entry, f"cannot be read: {error}") from error
    if (digest.hexdigest(), size) != (entry.sha256, entry.size):
        place.unlink(missing_ok=True)
        raise _damaged(entry, "is not the one that was saved: its SHA-256 is another")
    return place


@contextmanager
def plain(run_file: Path) -> Iterator[BinaryIO]:
    """The plain bytes of a run file, compressed or not; a link, or what is no file, is not opened."""
    with (
        os.fdopen(open_beside(run_file, os.O_RDONLY), "rb") as raw,
        unpacked_lines(raw, compressed=run_file.suffix == ".gz") as stream,
    ):
        yield stream


def digest_of(run_file: Path) -> tuple[str, int]:
    """SHA-256 and length of the plain bytes."""
    digest, size = hashlib.sha256(), 0
    with plain(run_file) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _damaged(entry: Entry, what: str) -> NoDecisionError:
    return NoDecisionError(
        f"the run {entry.run_id[:40]} of commit {entry.commit[:7]} in the store {what}",
        hint="save that baseline again: run the gate on its commit",
    )
