"""The store `honeyhive:`: runs on the platform, marked there as baselines, and made into run files again.

A run is a baseline only by the mark that `save` puts on it. What a run says of itself was written beside the user's
code, and is never taken for it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from honeyhive.api.client import HoneyHive
from honeyhive.ci.stores.entry import Entry, kept, newest_first
from honeyhive.ci.stores.manifest import from_manifest, to_manifest
from honeyhive.ci.stores.sessions import lines_of, record_of
from honeyhive.documents import shown
from honeyhive.errors import (
    ApiError,
    HoneyHiveError,
    InputError,
    NoDecisionError,
    ReportingError,
    RunFileError,
    StoreError,
)
from honeyhive.experiments.platform.bodies import BASELINE, RECORD
from honeyhive.experiments.platform.delivery import Delivered, upload
from honeyhive.experiments.platform.ledger import Ledger
from honeyhive.experiments.platform.record import Record
from honeyhive.experiments.platform.sender import Session
from honeyhive.models.generated import EvaluationRun, UpdateRunRequest
from honeyhive.runlines import EndLine, RunLine, parse_line

T = TypeVar("T")
R = TypeVar("R")

_PAGE = 100
_PAGES = 20
"""So many pages of runs are looked through, from the newest on."""
_NAMED = 5
"""How many marks that nobody can read are told of."""
_LONGEST_HEADER = 256 * 2**10
"""In bytes: every list of runs brings it along."""
_AT_ONCE = 8
"""How many sessions are asked for, or told something, at the same time."""


class _Mark(BaseModel):
    """What makes a run a baseline: entry, first and last line of its file, a digest of what its sessions hold."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[1] = Field(1, alias="schema")
    manifest: str
    header: str
    end: str
    outcomes: int
    sha256: str

    @cached_property
    def entry(self) -> Entry:
        """The entry; `ValueError` where the manifest is none."""
        return from_manifest(self.manifest.encode("utf-8", "surrogatepass"))


class HoneyHiveStore:
    """Keeps runs on HoneyHive. `notes` says what was found there that is no entry.

    A run file that comes from there says of each datapoint what the run's own said: id, content hash, scores, errors.
    Its bytes are others; what is checked is a digest of all that is decided by.
    """

    name = "honeyhive:"

    def __init__(self, client: HoneyHive) -> None:
        """With the client of the project whose runs they are."""
        self._client = client
        self._marked: dict[str, tuple[EvaluationRun, _Mark]] = {}
        self.notes: tuple[str, ...] = ()

    def entries(self, experiment: str | None = None) -> Sequence[Entry]:
        """The runs that are marked as baselines, the newest first; `NoDecisionError` where HoneyHive is silent."""
        found: list[Entry] = []
        broken: list[str] = []
        for run in self._runs(experiment):
            text = run.metadata.get(BASELINE)
            if text is None:
                continue
            mark = _mark(text)
            if mark is None:
                broken.append(
                    f"the run {shown(run.run_id or '')} on HoneyHive is marked as a baseline in a way nobody can read"
                )
            elif experiment in (None, mark.entry.experiment):
                self._marked[mark.entry.run_id] = (run, mark)
                found.append(mark.entry)
        self.notes = tuple(broken[:_NAMED])
        return newest_first(found)

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """The run's file, made of its sessions; `NoDecisionError` where one of them is not what it was."""
        run, mark = self._of(entry)
        ids = list(dict.fromkeys(run.event_ids))
        if len(ids) != mark.outcomes:
            raise _lost(entry, f"it has {len(ids):,} sessions, and was saved with {mark.outcomes:,}")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{hashlib.sha256(entry.run_id.encode()).hexdigest()[:32]}.jsonl"
        with ExitStack() as stack:
            stack.callback(file.unlink, missing_ok=True)
            self._write(file, entry, mark, ids)
            stack.pop_all()  # it is whole, and stays
        return file

    def save(self, run_file: Path, entry: Entry) -> None:
        """Send the run, write into its sessions what they do not say, and mark it; `StoreError` where that fails."""
        with _saving():
            delivered = upload(run_file, self._client, project=self._client.project)
        if not delivered.complete or delivered.run_id is None:
            raise StoreError(
                f"not all of the run is on HoneyHive: {delivered.reason or 'some of it was not taken'}",
                hint="honeyhive upload sends the rest; then save it again",
            )
        with _saving():
            self._mark(run_file, entry, delivered)

    def prune(self, keep: int) -> Sequence[Entry]:
        """Take the mark off all but the newest; the runs themselves stay on HoneyHive."""
        entries = self.entries()
        staying = frozenset(kept(entries, keep))
        gone = [entry for entry in entries if entry not in staying]
        for entry in gone:
            run, _ = self._marked.pop(entry.run_id)
            with _saving():
                self._update(run.run_id or entry.run_id, {**run.metadata, BASELINE: None})
        return gone

    # --- reading ------------------------------------------------------------------------------------------------------

    def _runs(self, experiment: str | None) -> Iterator[EvaluationRun]:
        for page in range(1, _PAGES + 1):
            with _reading():
                answer = self._client.experiments.list_runs(name=experiment, status="completed", page=page, limit=_PAGE)
            yield from answer.evaluations
            if not answer.evaluations or answer.pagination is None or not answer.pagination.has_next:
                return

    def _of(self, entry: Entry) -> tuple[EvaluationRun, _Mark]:
        if entry.run_id not in self._marked:
            self.entries(entry.experiment)
        found = self._marked.get(entry.run_id)
        if found is None or found[1].entry != entry:
            raise _lost(entry, "it is no longer marked as it was")
        return found

    def _write(self, file: Path, entry: Entry, mark: _Mark, ids: Sequence[str]) -> None:
        digest = _Digest()
        with file.open("wb") as stream:
            stream.write(f"{mark.header}\n".encode())
            for text, lines in _all_at_once(ids, lambda one: self._outcome(entry, one)):
                digest.add(text)
                stream.writelines(line + b"\n" for line in lines)
            stream.write(f"{mark.end}\n".encode())
        if digest.hexdigest() != mark.sha256:
            raise _lost(entry, "its sessions are not those that it was saved with")

    def _outcome(self, entry: Entry, session_id: str) -> tuple[str, tuple[bytes, ...]]:
        with _reading():
            session = self._client.sessions.get(session_id)
        text = session.metadata.get(RECORD)
        try:
            return str(text), lines_of(text, session)
        except ValueError as error:
            raise _lost(entry, f"of the session {shown(session_id)}, {error}") from error

    # --- writing ------------------------------------------------------------------------------------------------------

    def _mark(self, run_file: Path, entry: Entry, delivered: Delivered) -> None:
        with Ledger.beside(run_file, self._client.server_url) as ledger:
            vouched_for = ledger.vouched_for
        record = Record(run_file, vouched_for=vouched_for)
        run, run_id = record.platform_run(self._client.project), delivered.run_id or entry.run_id
        if record.run.run_id != entry.run_id:
            raise StoreError("the run file is that of another run", hint="something else has written to it: run again")
        digest, count = _Digest(), 0

        def write(session: Session) -> str:
            text = record_of(session.outcome, run)
            there = delivered.session_ids.get(session.session_id, session.session_id)
            body = run.record_update(session.outcome, there, text)
            body["metadata"]["run_id"] = run_id
            self._client.events.update(body)
            return text

        for text in _all_at_once(record.sessions(frozenset(record.session_ids())), write):
            digest.add(text)
            count += 1
        if count != record.run.finished:
            raise StoreError(
                f"{count:,} of its {record.run.finished or 0:,} datapoints have a session on HoneyHive",
                hint="keep this run in another store: git:BRANCH or file:DIR",
            )
        header, end = _ends(run_file)
        manifest = to_manifest(entry).decode()
        mark = _Mark(manifest=manifest, header=header, end=end, outcomes=count, sha256=digest.hexdigest())
        metadata = run.create_request().metadata or {}
        self._update(run_id, {**metadata, BASELINE: mark.model_dump_json(by_alias=True)})

    def _update(self, run_id: str, metadata: dict[str, object]) -> None:
        self._client.experiments.update_run(run_id, UpdateRunRequest(metadata=metadata))


class _Digest:
    """The digest of texts in whatever order they come."""

    def __init__(self) -> None:
        self._each: list[bytes] = []

    def add(self, text: str) -> None:
        self._each.append(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(sorted(self._each))).hexdigest()


def _all_at_once(items: Iterable[T], call: Callable[[T], R]) -> Iterator[R]:
    """What each call comes to, in order; several at a time, and never all of a large run in memory."""
    with ThreadPoolExecutor(_AT_ONCE, "honeyhive-store") as pool:
        rest = iter(items)
        while batch := list(islice(rest, 8 * _AT_ONCE)):
            yield from pool.map(call, batch)


def _mark(text: object) -> _Mark | None:
    """The mark, where it is one and its parts are about one whole run."""
    if not isinstance(text, str):
        return None
    try:
        mark = _Mark.model_validate_json(text)
        entry = mark.entry
        header, end = (parse_line(line.encode()) for line in (mark.header, mark.end))
    except ValueError:  # Pydantic's are among them
        return None
    whole = isinstance(header, RunLine) and isinstance(end, EndLine) and end.status == "completed"
    if not whole or "\n" in mark.header + mark.end:
        return None
    same = isinstance(header, RunLine) and (header.run_id, header.name) == (entry.run_id, entry.experiment)
    return mark if same else None


def _ends(run_file: Path) -> tuple[str, str]:
    """The first and the last line of a run file."""
    first = last = b""
    with gzip.open(run_file) if run_file.suffix == ".gz" else run_file.open("rb") as stream:
        for line in stream:
            first, last = first or line, line
    if len(first) > _LONGEST_HEADER:
        raise StoreError(
            f"the header of the run has {len(first):,} bytes, and {_LONGEST_HEADER:,} are the most that is marked",
            hint="say less in the run's metadata and configuration",
        )
    return first.decode().strip(), last.decode().strip()


def _lost(entry: Entry, why: str) -> NoDecisionError:
    return NoDecisionError(
        f"the run {shown(entry.run_id)} cannot be had from HoneyHive as it was: {why}",
        hint="run the gate of its commit again, or name another baseline",
    )


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise NoDecisionError(f"the baselines on HoneyHive cannot be read: {error.message}", hint=error.hint) from error


@contextmanager
def _saving() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except (OSError, ReportingError, InputError, RunFileError) as error:
        said = error.message if isinstance(error, HoneyHiveError) else str(error)
        raise StoreError(
            f"the run cannot be kept on HoneyHive: {said}", hint=getattr(error, "hint", "") or "try again later"
        ) from error
