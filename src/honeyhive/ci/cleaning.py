"""The run file that user code has left, and the spans beside it, freed of secrets before anybody reads them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from honeyhive.ci.edge import Edge
from honeyhive.ci.outlet import OUTLET
from honeyhive.documents.redactor import MARK, Redactor
from honeyhive.errors import DatasetError, HoneyHiveError, RunFileError
from honeyhive.experiments.beside import open_beside
from honeyhive.gate.broken import Broken, Finding
from honeyhive.regular import open_regular
from honeyhive.runfile import companion
from honeyhive.runlines import MAX_LINE

_BLOCK = 2**20
_WAY_OUT = "take it out, and no longer use it; if it is none, let the name of its variable say so: ..._MODEL, ..._NAME"


@contextmanager
def cleaned(run_file: Path, experiment: str, edge: Edge) -> Iterator[None]:
    """However the run in the block ends, what it left is without secrets after it; the log says how many."""
    try:
        yield
    finally:
        found = clean_run(run_file, OUTLET.redactor)
        if found:
            lines = "a line" if found == 1 else f"{found:,} lines"
            edge.echo(f"{experiment}: {lines} of its run held a secret, which is {MARK} from here on")


def without_secrets(finding: Finding) -> Finding:
    """The finding; what went wrong is told in words of the user's code, before anybody shortens them."""
    if not isinstance(finding, Broken):
        return finding
    said = {"title": finding.title, "message": finding.message, "hint": finding.hint, "file": finding.file}
    return replace(finding, details=tuple(map(OUTLET.clean, finding.details)), **OUTLET.clean_value(said))


def refuse_secrets(dataset: Path, named: str) -> None:
    """`DatasetError` where a dataset holds a secret: taken out of the run, its row would look like another one."""
    line = 1
    with suppress(OSError), os.fdopen(open_regular(dataset), "rb") as stream:  # what cannot be read was refused before
        for block in _blocks(stream):
            if OUTLET.redactor.finds(block):
                rows = block.splitlines(keepends=True)
                line += next((number for number, row in enumerate(rows) if OUTLET.redactor.finds(row)), 0)
                raise DatasetError("holds a secret of this job", file=named, line=line, hint=_WAY_OUT)
            line += block.count(b"\n")


def clean_run(run_file: Path, redactor: Redactor) -> int:
    """Take the secrets out of a run file and its spans; in how many lines there were some.

    A file without any is left as it is. One that is none, such as a link, is left to those who refuse it. Raises
    `RunFileError` where a secret is found and cannot be taken out.
    """
    return sum(_clean(path, redactor) for path in (run_file, companion(run_file, "spans")))


def _clean(path: Path, redactor: Redactor) -> int:
    if not redactor.secrets:
        return 0
    try:
        stream = os.fdopen(open_beside(path, os.O_RDONLY), "rb")
    except (OSError, HoneyHiveError):
        return 0
    try:
        with stream:
            found = any(redactor.finds(block) for block in _blocks(stream))
            return _rewrite(path, stream, redactor) if found else 0
    except OSError as error:
        message = f"a secret in it cannot be taken out: {error.strerror or error}"
        path.unlink(missing_ok=True)  # rather no run than one that tells
        raise RunFileError(message, file=str(path), hint="see to the disk, and run again") from error


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The file in pieces that end where lines do: to look at each line alone would take three times as long."""
    while block := stream.read(_BLOCK):
        yield block + stream.readline(MAX_LINE)


def _rewrite(path: Path, stream: BinaryIO, redactor: Redactor) -> int:
    """Put the clean file in the place of the other, all of it or nothing, for the same owner to read."""
    stream.seek(0)
    was, changed = os.fstat(stream.fileno()), 0
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as clean:
            for line in iter(lambda: stream.readline(MAX_LINE), b""):
                kept = redactor.json_line(line)
                changed += kept != line
                clean.write(kept)
            os.fchmod(clean.fileno(), was.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(clean.fileno(), was.st_uid, was.st_gid)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return changed
