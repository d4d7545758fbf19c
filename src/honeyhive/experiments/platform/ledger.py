"""What of a run has arrived at HoneyHive: one line for each thing, beside the run file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from honeyhive.documents import compact_json
from honeyhive.errors import InputError, ReportingError
from honeyhive.experiments.beside import open_beside
from honeyhive.runfile import companion

_LONGEST = 64 * 1024
"""No line of a ledger is longer, in bytes."""

Step = Literal["start", "spans", "update"]
STEPS: tuple[Step, ...] = ("start", "spans", "update")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """How far a session has got: its id with us and on the platform, and the steps that have arrived."""

    session: str
    platform_id: str | None = None
    steps: tuple[Step, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return not self.missing

    @property
    def missing(self) -> tuple[Step, ...]:
        """The steps that are still to be taken, in their order."""
        return tuple(step for step in STEPS if step not in self.steps)

    def after(self, step: Step, platform_id: str | None = None) -> Sent:
        """The same, one step further."""
        return replace(self, steps=(*self.steps, step), platform_id=platform_id or self.platform_id)


class _Line(BaseModel):
    """One line of the ledger; each kind has its own keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["ledger", "run", "session", "end"]
    server: str | None = None
    vouched_for: str | None = None
    run_id: str | None = None
    session: str = ""
    platform_id: str | None = None
    steps: tuple[Step, ...] = ()
    status: str | None = None
    sessions: str | None = None


class Ledger:
    """The ledger of one run for one server; appended to and never rewritten.

    Only one process at a time has it open. `platform_run_id` is `None` until the run is there. `vouched_for` is the id
    of a run whose files nobody else vouches for (see `Record`): it was the first to be known of it. Raises
    `ReportingError` where it cannot be written.
    """

    def __init__(self, path: Path, server: str, *, vouched_for: str | None = None) -> None:
        """Open the ledger; where there is none, begin it, with `vouched_for`.

        Raises `InputError` where the run was sent to another server, `ReportingError` where another process is at it,
        or where something else is in its place.
        """
        self.path = path
        self.platform_run_id: str | None = None
        self.vouched_for: str | None = None
        self._ended: tuple[str | None, str | None] | None = None
        self._server: str | None = None
        self._sent: dict[str, Sent] = {}
        self._size = 0
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | (os.O_EXCL if vouched_for else 0)
        self._file = os.fdopen(open_beside(path, flags), "a+b", buffering=0)
        try:
            _lock(self._file, path)
            self._read()
            self._begin(server, vouched_for)
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def beside(cls, run_file: Path, server: str) -> Self:
        """The ledger of the run in this file."""
        return cls(companion(run_file, "sent"), server)

    @classmethod
    def anew(cls, run_file: Path, server: str, *, vouched_for: str) -> Self:
        """A new ledger of the run in this file, which is `vouched_for`; what stood in its place is removed."""
        path = companion(run_file, "sent")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            message = f"is in the way, and cannot be removed: {error.strerror}"
            raise ReportingError(message, file=str(path), hint="see what has put it there") from error
        return cls(path, server, vouched_for=vouched_for)

    def __enter__(self) -> Self:
        """Nothing more: it is open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the file, also where a process that the user's code has forked still has it open."""
        if not self._file.closed:
            _unlock(self._file)
            self._file.close()

    def session(self, session_id: str) -> Sent:
        """How far the session has got."""
        return self._sent.get(session_id) or Sent(session=session_id)

    def sent(self) -> list[Sent]:
        """Every session of which something has arrived, in that order."""
        return list(self._sent.values())

    def run_created(self, platform_run_id: str) -> None:
        """The run is there, under this id."""
        self.platform_run_id = platform_run_id
        self._append({"type": "run", "run_id": platform_run_id})

    def arrived(self, sent: Sent) -> None:
        """So much of a session is there."""
        self._sent[sent.session] = sent
        self._append(
            {"type": "session", "session": sent.session, "platform_id": sent.platform_id, "steps": list(sent.steps)}
        )

    def has_ended(self, status: str | None, session_ids: Sequence[str]) -> bool:
        """Whether the platform knows that the run ended so, with these sessions."""
        return self._ended == (status, _digest(session_ids))

    def run_ended(self, status: str | None, session_ids: Sequence[str]) -> None:
        """The platform knows how the run ended."""
        self._ended = (status, _digest(session_ids))
        self._append({"type": "end", "status": status, "sessions": _digest(session_ids)})

    def _read(self) -> None:
        with os.fdopen(os.dup(self._file.fileno()), "rb") as file:
            file.seek(0)
            number = 0
            while raw := file.readline(_LONGEST):
                number += 1
                if not raw.endswith(b"\n") and len(raw) < _LONGEST:  # torn off: what it said is sent again
                    self._file.truncate(self._size)
                    break
                line = _parsed(raw)
                if line is None or (number == 1) != (line.type == "ledger"):
                    raise InputError("not a line of a ledger", file=str(self.path), line=number, hint=_AWAY)
                self._size += len(raw)
                self._take(line)

    def _begin(self, server: str, vouched_for: str | None) -> None:
        """Refuse what is of another server; begin what is empty."""
        if not self._size:
            self.vouched_for = vouched_for
            line = {"type": "ledger", "server": server}
            self._append(line | {"vouched_for": vouched_for} if vouched_for else line)
        elif self._server != server:
            message = f"this run was sent to {self._server}, and now it is to go to {server}"
            raise InputError(message, file=str(self.path), hint="give the same server, or move that file away")

    def _take(self, line: _Line) -> None:
        match line.type:
            case "run":
                self.platform_run_id = line.run_id
            case "session":
                self._sent[line.session] = Sent(session=line.session, platform_id=line.platform_id, steps=line.steps)
            case "end":
                self._ended = (line.status, line.sessions)
            case "ledger":
                self._server, self.vouched_for = line.server, line.vouched_for

    def _append(self, line: dict[str, Any]) -> None:
        raw = compact_json(line) + b"\n"
        try:
            written = self._file.write(raw)
            while written < len(raw):  # a full disk may take a part, and says so at the rest
                written += self._file.write(raw[written:])
        except OSError as error:
            with suppress(OSError):  # else the next line would follow half of this one
                self._file.truncate(self._size)
            message = f"what has been sent cannot be put down: {error.strerror}"
            raise ReportingError(
                message, file=str(self.path), hint="see to the disk; then `honeyhive upload`"
            ) from error
        self._size += len(raw)


_AWAY = "it is ours to write: move it away, and everything is sent again"


def _digest(session_ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(session_ids).encode()).hexdigest()[:16]


def _parsed(raw: bytes) -> _Line | None:
    try:
        return _Line.model_validate_json(raw)
    except ValidationError:
        return None


def _lock(file: BinaryIO, path: Path) -> None:
    with suppress(ImportError):  # a system without it has no such lock, and one sender at a time is up to the user
        import fcntl  # noqa: PLC0415 - as above

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            message = f"another process is sending this run ({path})"
            raise ReportingError(message, hint="wait for it to end") from error


def _unlock(file: BinaryIO) -> None:
    with suppress(ImportError):
        import fcntl  # noqa: PLC0415 - as above

        fcntl.flock(file, fcntl.LOCK_UN)
