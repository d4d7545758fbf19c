"""The store `file:DIR`: run files in a folder, as `honeyhive run` leaves them there, and those that were saved.

A saved run has its entry beside it. Of any other the entry is made of the run's own header, and only where that says
which commit it is of, and not that files had been changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from honeyhive.ci.git.objects import is_full_name
from honeyhive.ci.stores.entry import KEPT, Entry, kept, newest_first
from honeyhive.ci.stores.manifest import file_name, from_manifest, place_of, to_manifest
from honeyhive.ci.stores.packing import digest_of, pack, plain, unpack
from honeyhive.documents import in_one_line
from honeyhive.errors import HoneyHiveError, NoDecisionError, RunFileError, StoreError
from honeyhive.experiments.beside import open_beside
from honeyhive.result import RunResult
from honeyhive.runfile import COMPANIONS, companion, is_companion, read_run

_RUN, _MANIFEST = ".jsonl.gz", ".json"
_ENDINGS = (".jsonl", _RUN)
_MOST_MANIFEST = 2**16
_NAMED = 5
_LOCAL = "local"


class FolderStore:
    """Runs in a folder and its folders. `notes` tells, after a reading, which of the files there are no baselines."""

    def __init__(self, folder: Path, *, name: str | None = None) -> None:
        """`name` is the store as the user wrote it."""
        self.name = name or f"file:{folder}"
        self.notes: Sequence[str] = ()
        self._folder = folder

    def entries(self, experiment: str | None = None) -> Sequence[Entry]:
        """The runs that may be baselines, the newest first; `NoDecisionError` where the folder cannot be read."""
        return newest_first(self._found(experiment))

    def fetch(self, entry: Entry, folder: Path) -> Path:
        """A copy of the run file in `folder`; `NoDecisionError` where it is gone, or not what `entry` says."""
        path = self._found(entry.experiment).get(entry)
        if path is None:
            raise NoDecisionError(
                f"the run {entry.run_id[:40]} is not in {self.name}, or not as it was",
                hint="`honeyhive baseline list` shows what is there",
            )
        with plain(path) as stream:
            return unpack(stream, entry, folder)

    def save(self, run_file: Path, entry: Entry) -> None:
        """Copy the run into the folder, with its entry; `StoreError` where that cannot be done.

        Of the runs that were saved the newest stay, as many of each experiment as any store keeps.
        """
        packed = pack(run_file, entry)
        place = self._folder / place_of(entry)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            # The entry goes first: a run without one would be taken for somebody's own.
            _write(_with(place, _MANIFEST), to_manifest(entry))
            _write(_with(place, _RUN), packed)
            self._remove_others(entry)
            saved = {found: path for found, path in self._found(None).items() if self._is_saved(found, path)}
            for surplus in saved.keys() - {*kept(saved)}:
                _remove(saved[surplus])
        except OSError as error:
            raise self._unwritten(place, error) from error

    def prune(self, keep: int = KEPT) -> Sequence[Entry]:
        """Keep the newest `keep` runs of each experiment, and as many of its releases; what was taken away."""
        found = self._found(None)
        staying = {*kept(found, keep)}
        gone = [entry for entry in newest_first(found) if entry not in staying]
        names = {entry.run_id for entry in gone}
        # A run may lie here twice, as it was made and as it was saved: when the one is gone the other is found.
        while surplus := [path for entry, path in found.items() if entry.run_id in names]:
            for path in surplus:
                try:
                    _remove(path)
                except OSError as error:
                    raise self._unwritten(path, error) from error
            found = self._found(None)
        return tuple(gone)

    def _remove_others(self, entry: Entry) -> None:
        """Take away what was saved of the same run at another place."""
        ending, own = f"{file_name(entry.run_id)}{_RUN}", _with(self._folder / place_of(entry), _RUN)
        for path in [*self._run_files()]:
            commit, _, rest = path.name.partition("-")
            if is_full_name(commit) and rest == ending and path != own:
                _remove(path)

    def _is_saved(self, entry: Entry, path: Path) -> bool:
        return path == _with(self._folder / place_of(entry), _RUN)

    def _unwritten(self, place: Path, error: OSError) -> StoreError:
        return StoreError(
            f"{self.name} cannot be written: {error.strerror}", file=str(place), hint="who owns the folder?"
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    def _found(self, experiment: str | None) -> Mapping[Entry, Path]:
        """The entries, each with its run file; of two files of one run the later saved one."""
        found: dict[str, tuple[Entry, Path]] = {}
        notes: list[str] = []
        for path in self._run_files():
            try:
                entry = _entry(path, experiment)
            except (HoneyHiveError, OSError, ValueError) as error:
                said = error.message if isinstance(error, HoneyHiveError) else str(error)
                notes.append(in_one_line(f"{path.name} in {self.name} is left aside: {said}")[:300])
                continue
            before = found.get(entry.run_id) if entry else None
            if entry is not None and (before is None or before[0].saved_at <= entry.saved_at):
                found[entry.run_id] = entry, path
        more = (f"{len(notes) - _NAMED:,} more files in {self.name} are left aside",) if len(notes) > _NAMED else ()
        self.notes = (*notes[:_NAMED], *more)
        return dict(found.values())

    def _run_files(self) -> Iterator[Path]:
        """The files that may be runs: in the folder, and one level below; links are passed over."""
        try:
            for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
                kind = path.lstat().st_mode
                if stat.S_ISDIR(kind):
                    yield from (below for below in sorted(path.iterdir()) if _may_be_run(below))
                elif _may_be_run(path):
                    yield path
        except OSError as error:
            raise NoDecisionError(
                f"{self.name} cannot be read: {error.strerror}", file=str(self._folder), hint="who owns the folder?"
            ) from error


def _may_be_run(path: Path) -> bool:
    return path.name.endswith(_ENDINGS) and not is_companion(path) and stat.S_ISREG(path.lstat().st_mode)


def _entry(path: Path, experiment: str | None) -> Entry | None:
    """What the file is a run of; `None` where that is another experiment, an error where it is no baseline."""
    said = _said_beside(path)
    if said is not None:
        if experiment not in (None, said.experiment):
            return None
        if digest_of(path) != (said.sha256, said.size):
            raise ValueError("it is not what was saved: its SHA-256 is another")
        return said
    run = read_run(path)
    return _made_of(run, path) if experiment in (None, run.name) else None


def _said_beside(path: Path) -> Entry | None:
    """The entry that was saved with the run; `None` where there is none, an error where it is one of something else."""
    if not path.name.endswith(_RUN):
        return None
    beside = path.with_name(path.name.removesuffix(_RUN) + _MANIFEST)
    try:
        descriptor = open_beside(beside, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        entry = from_manifest(stream.read(_MOST_MANIFEST))
    if Path(place_of(entry)).name != beside.name.removesuffix(_MANIFEST):
        raise ValueError("what stands beside it is of another run")
    return entry


def _made_of(run: RunResult, path: Path) -> Entry:
    """The entry of a run that nobody has saved: made on this machine, of the commit that it names."""
    commit, branch, event = run.git.get("commit_hash"), run.git.get("branch"), run.ci.get("event")
    if not run.complete:
        raise RunFileError("the run is incomplete", file=str(path))
    if not isinstance(commit, str) or not is_full_name(commit):
        raise ValueError("it does not say which commit it is of")
    if run.git.get("is_dirty") not in (None, False):
        raise ValueError("files had been changed since its commit")
    sha256, size = digest_of(path)
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return Entry(
        experiment=run.name,
        commit=commit,
        run_id=run.run_id,
        sha256=sha256,
        size=size,
        event=event if isinstance(event, str) and event else _LOCAL,
        ref=branch if isinstance(branch, str) else None,
        started_at=run.started_at,
        saved_at=written,
        datapoints=run.expected // run.repeats,
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def _with(place: Path, ending: str) -> Path:
    return place.with_name(place.name + ending)


def _write(path: Path, content: bytes) -> None:
    """The whole file, or the one that was there: whoever reads at the same time sees no half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _remove(run_file: Path) -> None:
    """The run file, and what stands beside it."""
    beside = [companion(run_file, kind) for kind in COMPANIONS]
    if run_file.name.endswith(_RUN):
        beside.append(run_file.with_name(run_file.name.removesuffix(_RUN) + _MANIFEST))
    run_file.unlink()
    for path in beside:
        path.unlink(missing_ok=True)
