"""The run file: one run as JSON Lines, the contract between all parts. Append, read, resume; streaming throughout.

The lines are `run` (the header), one `outcome` per datapoint and repeat in the order in which they finished, after some
of them a `retry`, and `end`. A name that ends in `.gz` is read and written compressed. `docs/run-file.md` describes
every key.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Self, cast

from pydantic import ValidationError

from honeyhive.documents import compact_json, shown
from honeyhive.errors import InputError, RunFileError
from honeyhive.linefile import LineFile, encoded, opened
from honeyhive.result import Outcome, RunResult
from honeyhive.runlines import (
    MAX_LINE,
    EndLine,
    Kept,
    Line,
    Order,
    OutcomeLine,
    RetryLine,
    RunHeader,
    RunLine,
    Status,
    is_retry,
    outcome_line,
    parse_line,
    retries_in,
    retry_line,
    to_outcome,
    to_result,
)

_BATCH = 100
_GZIP_MARK = b"\x1f\x8b"
_TAIL = 64 * 1024
_LONGEST_PLACE = 100


# --- writing ---------------------------------------------------------------------------------------------------------


COMPANIONS = ("spans", "sent")
"""What may stand beside a run file: the spans of the run, and what of it has arrived at HoneyHive."""

_PREVIOUS = ".previous"


def companion(path: Path, kind: str) -> Path:
    """The file beside a run file: `RUN.spans.jsonl` of `RUN.jsonl`, `RUN.jsonl.gz.spans.jsonl` of `RUN.jsonl.gz`.

    That of a run file which was set aside was set aside with it.
    """
    name = path.name.removesuffix(_PREVIOUS)
    aside = _PREVIOUS if name != path.name else ""
    return path.with_name(f"{name.removesuffix('.jsonl')}.{kind}.jsonl{aside}")


def is_companion(path: Path) -> bool:
    """Whether the name is one of what stands beside a run file."""
    name = path.name.removesuffix(_PREVIOUS).removesuffix(".gz")
    return name.endswith(tuple(f".{kind}.jsonl" for kind in COMPANIONS))


def set_aside(path: Path) -> None:
    """Move a run file out of the way of a new one: `NAME.previous` beside it. A result is never just overwritten.

    What stands beside it goes with it. `InputError` where what is there is no file.
    """
    _refuse_no_file(path)
    if path.is_file() and path.stat().st_size:
        path.replace(path.with_name(path.name + _PREVIOUS))
    for kind in COMPANIONS if path.name else ():
        beside = companion(path, kind)
        if beside.is_file() and beside.stat().st_size:
            beside.replace(beside.with_name(beside.name + _PREVIOUS))


class RunWriter:
    """Appends to a run file from many threads.

    A plain file has each outcome at once: it outlives whatever becomes of the process. A compressed one has it at
    the next `flush()`, to be called at least once a second: each is a gzip member, readable whatever happens after.
    """

    def __init__(self, path: Path, *, finished: int = 0, retries: int = 0) -> None:
        """Continue the file at `path`, which holds so many outcomes and retries."""
        self.path = path
        self._finished = finished
        self._retries = retries
        self._lines = LineFile(path, batch=_BATCH if path.suffix == ".gz" else 1, written=self._count)

    @classmethod
    def create(cls, path: Path, header: RunHeader) -> Self:
        """Begin a new run file; one that is there is set aside. `InputError` where something else is there."""
        _refuse_other_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        set_aside(path)
        path.write_bytes(encoded(path, [compact_json(header.to_line())]))
        return cls(path)

    @classmethod
    def resume(
        cls,
        path: Path,
        header: RunHeader,
        *,
        retry_errors: bool = False,
        retry: Callable[[Outcome], bool] = lambda _: False,
    ) -> tuple[Self, Kept]:
        """Continue the run at `path`: its writer, and what it goes on from.

        The `end` line and a torn last line are dropped, with `retry_errors` also the outcomes that have an error, and
        their retries. Those that `retry` names and that have had none are owed one.
        Raises `InputError` where the file is a run of another function, dataset or evaluator than `header`'s.
        """
        source = _Source.at(path)
        _refuse_other_run(source, header)
        kept = Kept()
        copy = path.with_name(path.name + ".resumed" + path.suffix)
        try:
            with _written(copy) as stream:
                for raw, line in source.lines(torn_is_end=True):
                    if isinstance(line, RunLine) or kept.keep(line, retry_errors=retry_errors, retry=retry):
                        stream.write(raw if raw.endswith(b"\n") else raw + b"\n")
            copy.replace(path)
        finally:
            copy.unlink(missing_ok=True)
        return cls(path, finished=len(kept.done), retries=kept.retries), kept

    def append(self, outcome: Outcome) -> None:
        """Add one finished outcome, and its retry; what comes after `close()` is too late and not kept."""
        self.append_line(outcome_line(outcome))
        if outcome.retry is not None:
            self.append_line(retry_line(outcome.retry))

    def append_line(self, line: bytes) -> None:
        """Add what `outcome_line()` or `retry_line()` has encoded."""
        self._lines.append(line)

    @property
    def finished(self) -> int:
        """How many outcomes there are, those that are on their way to the file included."""
        return self._finished + sum(not is_retry(line) for line in self._lines.pending)

    def flush(self) -> None:
        """Hand all that was appended to the operating system."""
        self._lines.flush()

    def close(self, *, status: Status, duration_s: float) -> None:
        """Write the `end` line, make the file durable, and close it; one that could not be written to has no end."""

        def end() -> bytes:
            held = {"finished": self._finished, "retries": self._retries}
            return compact_json({"type": "end", **held, "duration_s": round(duration_s, 3), "status": status})

        self._lines.close(end)

    def _count(self, lines: Sequence[bytes]) -> None:
        retries = sum(map(is_retry, lines))
        self._retries += retries
        self._finished += len(lines) - retries


# --- reading ---------------------------------------------------------------------------------------------------------


def read_run(path: Path) -> RunResult:
    """The run at `path`; its outcomes stream from the file each time they are iterated.

    Raises `InputError` where there is no such file, and `RunFileError`, now or while the outcomes are iterated,
    where a line is malformed, comes twice, or the file does not hold what its `end` line says.
    """
    source = _Source.at(path)
    header = source.header()
    end = source.end()
    return to_result(header, end, _Outcomes(source=source, end=end))


@dataclass(frozen=True, kw_only=True)
class _Outcomes:
    """The outcomes of a file, re-iterable; a torn last line of a run that never ended is left out."""

    source: _Source
    end: EndLine | None

    def __iter__(self) -> Iterator[Outcome]:
        """Each outcome in the file's order, with its retry; refuses what is malformed, repeated or miscounted."""
        outcomes = retries = 0
        for _, line in self.source.lines(torn_is_end=self.end is None):
            if isinstance(line, OutcomeLine):
                outcomes += 1
                yield to_outcome(line, self._retries.get(line.key))
            elif isinstance(line, RetryLine):
                retries += 1
        miscount = self.end and self.end.miscount(outcomes=outcomes, retries=retries)
        if miscount:
            raise RunFileError(miscount, file=str(self.source.path), hint="the file was changed or damaged: run again")

    @cached_property
    def _retries(self) -> Mapping[tuple[str, int], RetryLine]:
        # A retry stands anywhere after its outcome, so it takes a scan to know; a run that ended says where none does.
        if self.end is not None and self.end.retries == 0:
            return {}
        return retries_in(raw for _, raw in self.source.numbered_lines())


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A run file on disk: its lines, plain or compressed, and what they parse to."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> _Source:
        if not path.is_file():
            what = "not a file" if path.exists() else "no such run file"
            raise InputError(what, file=str(path), hint="give the path of a file that `honeyhive run` wrote")
        return cls(path=path)

    def numbered_lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line with its number from 1; a compressed file that is cut off ends where it is cut."""
        with self._opened() as stream:
            number = 0
            while True:
                try:
                    line = stream.readline(MAX_LINE)
                except EOFError:
                    return
                except (OSError, ValueError, zlib.error) as error:
                    if isinstance(error, gzip.BadGzipFile) and self._ends_in_half_a_mark():
                        return
                    raise self.broken(number + 1, f"cannot be read: {error}") from error
                if not line:
                    return
                number += 1
                if len(line) >= MAX_LINE:
                    raise self.broken(number, f"longer than {MAX_LINE:,} bytes")
                yield number, line

    def header(self) -> RunLine:
        for number, raw in self.numbered_lines():
            line = self.parse(number, raw, torn_is_end=False)
            if isinstance(line, RunLine):
                return line
            raise self.broken(number, "a run file begins with its `run` line")
        raise RunFileError("the file is empty", file=str(self.path), hint="run again")

    def end(self) -> EndLine | None:
        """The last line where it is an `end` line."""
        try:
            line = parse_line(self._last_line())
        except ValueError:
            return None
        return line if isinstance(line, EndLine) else None

    def lines(self, *, torn_is_end: bool) -> Iterator[tuple[bytes, RunLine | OutcomeLine | RetryLine]]:
        """Each line up to `end` and what it says; refuses what is malformed, comes twice, or is a retry of nothing."""
        order = Order()
        for number, raw in self.numbered_lines():
            line = self.parse(number, raw, torn_is_end=torn_is_end)
            if line is None or isinstance(line, EndLine):
                return
            refusal = order.refusal(line)
            if refusal:
                raise self.broken(number, refusal)
            yield raw, line

    def parse(self, number: int, raw: bytes, *, torn_is_end: bool) -> Line | None:
        """What a line says; `None` for a last line without its newline, where that may be."""
        try:
            return parse_line(raw)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            named = where if where.isprintable() and len(where) <= _LONGEST_PLACE else shown(where, _LONGEST_PLACE)
            raise self.broken(number, f"{named}: {first['msg'].lower()}") from error
        except ValueError as error:
            if torn_is_end and not raw.endswith(b"\n"):
                return None
            raise self.broken(number, f"not a line of a run file: {error}") from error

    def broken(self, number: int, message: str) -> RunFileError:
        return RunFileError(message, file=str(self.path), line=number, hint="run again, or mend the line")

    def _ends_in_half_a_mark(self) -> bool:
        """Whether the file is cut between the two bytes that begin each gzip member."""
        with self.path.open("rb") as stream:
            stream.seek(-1, io.SEEK_END)
            return stream.read() == _GZIP_MARK[:1]

    def _last_line(self) -> bytes:
        with self._opened() as stream:
            if self.path.suffix == ".gz":
                tail = self._tail_of(stream)
            else:
                stream.seek(max(0, stream.seek(0, io.SEEK_END) - _TAIL))
                tail = stream.read(_TAIL)
        return tail.rstrip(b"\n").rpartition(b"\n")[2]

    @staticmethod
    def _tail_of(stream: io.BufferedReader) -> bytes:
        """The last bytes of a compressed file, as far as it can be read; it may be nothing but ends of lines."""
        tail = b""
        with suppress(EOFError, gzip.BadGzipFile, zlib.error):
            while chunk := stream.read1(_TAIL):
                tail = (tail + chunk)[-_TAIL:]
        return tail

    @contextmanager
    def _opened(self) -> Iterator[io.BufferedReader]:
        try:
            with opened(self.path) as stream:
                yield stream
        except OSError as error:
            raise RunFileError(
                f"cannot be read: {error.strerror or error}", file=str(self.path), hint="run again"
            ) from error


def _refuse_other_file(path: Path) -> None:
    """Nobody means to replace a dataset or a module by a run file, or what stands beside another one."""
    if is_companion(path):
        raise InputError(
            "no name for a run file: what stands beside one is called so",
            file=str(path),
            hint="give the experiment, or --out, another name",
        )
    _refuse_no_file(path)
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        _Source.at(path).header()
    except (InputError, RunFileError) as error:
        raise InputError("is there, and is not a run file", file=str(path), hint="give another --out") from error


def _refuse_no_file(path: Path) -> None:
    """A pipe would have us wait for who reads it, and a link that leads nowhere is somebody's plan."""
    if os.path.lexists(path) and not path.is_file():
        raise InputError("is there, and is no file", file=str(path), hint="move it away, or give another --out")


def _refuse_other_run(source: _Source, header: RunHeader) -> None:
    """A resumed run must be the same run: outcomes of two different things would look like one result."""
    before = source.header()
    wanted = {
        "function": (before.function, header.function),
        "function's source": (before.function_fingerprint, header.function_fingerprint),
        "dataset": (before.dataset.sha256, header.dataset_sha256),
        "evaluators": (
            sorted((e.name, e.fingerprint) for e in before.evaluators),
            sorted((e.name, e.fingerprint) for e in header.evaluators),
        ),
        "repeats": (before.repeats, header.repeats),
        "limit": (before.limit, header.limit),
    }
    changed = [name for name, (then, now) in wanted.items() if then != now]
    if changed:
        raise InputError(
            f"cannot resume: the {' and the '.join(changed)} changed since this run began",
            file=str(source.path),
            hint="run without --resume to begin anew",
        )


def _written(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "wb")) if path.suffix == ".gz" else path.open("wb")
