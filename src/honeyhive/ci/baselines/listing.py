"""The runs of a store, for people: `honeyhive baseline list`, `show`, `save` and `prune`."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from honeyhive.ci.baselines.ages import ago, counted, moment
from honeyhive.ci.baselines.usable import LOCAL, SHA, refusal, refused
from honeyhive.ci.console import run_lines
from honeyhive.ci.runs import read_baseline
from honeyhive.ci.stores.entry import Entry, Store
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.documents import in_one_line, shown
from honeyhive.errors import InputError, NoDecisionError
from honeyhive.result import RunResult

WIDTH = 160
"""How wide a table is in a log, which has no width of its own."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_REF = 255
_SHORTEST = 4
"""How many characters of a commit or a run's id name it where nothing else begins so."""
_COLUMNS = ("experiment", "commit", "of", "when", "datapoints", "run", "size", "")


# --- list ------------------------------------------------------------------------------------------------------------


def list_lines(
    store: Store, experiment: str | None = None, *, situation: Situation, now: datetime, width: int = WIDTH
) -> Iterator[str]:
    """A table of the runs in the store, the newest first, and why some of them may not be a baseline here."""
    entries = store.entries(experiment)
    if entries:
        yield from _table(entries, situation, store.name, now, width)
    else:
        of_it = f" of {shown(experiment)}" if experiment else ""
        yield f"{store.name} has no run{of_it}"
    for said in (*refused(entries, situation, store=store.name), *store.notes):
        yield in_one_line(f"× {said}")


def _table(entries: Sequence[Entry], situation: Situation, store: str, now: datetime, width: int) -> Iterator[str]:
    from rich.console import Console  # noqa: PLC0415 - only who lists them waits for tables
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for entry in entries:
        mark = "" if refusal(entry, situation, store=store) is None else "×"
        table.add_row(*(Text(in_one_line(cell)) for cell in (*_cells(entry, now), mark)))
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(table)
    for line in stream.getvalue().splitlines():
        yield line.rstrip()


def _cells(entry: Entry, now: datetime) -> tuple[str, ...]:
    return (
        entry.experiment,
        entry.commit[:7],
        entry.tag or entry.ref or "",
        ago(entry.started_at or entry.saved_at, now),
        "" if entry.datapoints is None else f"{entry.datapoints:,}",
        entry.run_id[:8],
        _size(entry.size),
    )


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


# --- show ------------------------------------------------------------------------------------------------------------


def show_lines(
    store: Store, wanted: str, experiment: str | None = None, *, folder: Path, now: datetime
) -> Iterator[str]:
    """What the run of that id came to, or the newest runs of that commit, and where they come from.

    `folder` is where its file goes. Raises `InputError` where there is no such run, or more than one begins so.
    """
    for at, entry in enumerate(_wanted(store.entries(experiment), wanted, store.name)):
        run = read_baseline(store.fetch(entry, folder)).run
        if at:
            yield ""
        yield from (in_one_line(line) for line in _provenance(entry, now))
        yield from (f"  {in_one_line(line)}" for line in run_lines(run))


def _wanted(entries: Sequence[Entry], wanted: str, store: str) -> Sequence[Entry]:
    """The run of that id; or of that commit the newest run of each experiment."""
    whole = [entry for entry in entries if wanted in (entry.run_id, entry.commit)]
    named = whole or [entry for entry in entries if len(wanted) >= _SHORTEST and _begins(entry, wanted)]
    if not named:
        raise InputError(f"{store} has no run of {shown(wanted)}", hint="honeyhive baseline list shows what there is")
    if len({entry.commit for entry in named}) > 1:
        raise InputError(f"several commits and runs begin with {shown(wanted)}", hint="write more of it")
    newest: dict[str, Entry] = {}
    for entry in named:
        newest.setdefault(entry.experiment, entry)
    return list(newest.values())


def _begins(entry: Entry, wanted: str) -> bool:
    return entry.run_id.startswith(wanted) or entry.commit.startswith(wanted)


def _provenance(entry: Entry, now: datetime) -> Iterator[str]:
    since = ago(entry.started_at or entry.saved_at, now)
    of_it = f", {entry.tag or entry.ref}" if entry.tag or entry.ref else ""
    yield f"{entry.experiment}: run {entry.run_id}, {since}" if since else f"{entry.experiment}: run {entry.run_id}"
    yield f"  commit {entry.commit}{of_it}"
    yield f"  made by {entry.event}{f' in {entry.repository}' if entry.repository else ''}, saved {entry.saved_at}"


# --- save and prune --------------------------------------------------------------------------------------------------


def save(store: Store, run_file: Path, *, situation: Situation, now: datetime) -> Entry:
    """Keep a run as a baseline; what it is kept as. Raises what `entry_of()` and the store raise."""
    entry = entry_of(run_file, situation, now)
    why = refusal(entry, situation, store=store.name)
    if why is not None:
        raise InputError(
            f"{store.name} would keep it in vain: it is {why}",
            file=str(run_file),
            hint="a gate on the default branch saves its runs there; file:.honeyhive/runs keeps those of this machine",
        )
    store.save(run_file, entry)
    return entry


def prune_lines(store: Store, keep: int) -> Iterator[str]:
    """Keep the newest runs of each experiment, and tell which went."""
    gone = store.prune(keep)
    for entry in gone:
        yield in_one_line(f"{entry.experiment}: run {entry.run_id} of {entry.commit[:7]} is gone")
    yield f"{counted(len(gone), 'run')} gone from {store.name}"


def entry_of(run_file: Path, situation: Situation, now: datetime) -> Entry:
    """The run as an entry of a store: what the job knows of it, and only what nobody else can tell from its file.

    Raises `NoDecisionError` where the run is broken, incomplete or of no use, `InputError` where it may not become a
    baseline: made by a pull request, of a commit that nobody knows, or of files that were changed.
    """
    if situation.kind is not Kind.LOCAL and not situation.saves:
        raise InputError(
            f"no baseline comes from here ({situation.event or situation.kind.value})",
            hint="a push to the default branch or a release makes one",
        )
    before = _digest(run_file)
    run = read_baseline(run_file).run
    if _digest(run_file) != before:
        raise NoDecisionError("the run was changed while it was read", file=str(run_file), hint="run again")
    sha256, size = before
    commit = _commit(run, run_file, situation)
    local = situation.kind is Kind.LOCAL
    return Entry(
        experiment=_matching(_NAME, run.name, "the experiment's name", run_file),
        commit=commit,
        run_id=_matching(_ID, run.run_id, "the run's id", run_file),
        sha256=sha256,
        size=size,
        event=LOCAL if local else situation.event,
        ref=_ref(run, situation),
        tag=situation.tag,
        repository=situation.repository,
        repository_id=situation.repository_id,
        is_fork=situation.is_fork,
        started_at=_stamp(_started(run, now)),
        saved_at=_stamp(now),
        datapoints=run.expected // run.repeats,
    )


def _commit(run: RunResult, run_file: Path, situation: Situation) -> str:
    """The commit that the run is of: in CI the one that is checked out, elsewhere what the run says."""
    local = situation.kind is Kind.LOCAL
    # In CI steps before ours leave files of all kinds: what counts there is what git knows.
    says, dirty = run.git.get("commit_hash"), run.git.get("is_dirty") if local else situation.has_changes
    commit = says if local else situation.commit
    if not isinstance(commit, str) or not SHA.fullmatch(commit):
        raise InputError(
            "nobody knows which commit the run is of",
            file=str(run_file),
            hint="run in a git repository, and check it out in CI before the gate",
        )
    if says not in (None, commit):
        raise InputError(
            f"the run is of {shown(str(says)[:_REF])}, and {commit} is checked out",
            file=str(run_file),
            hint="run again at this commit",
        )
    if dirty is True or (local and dirty is not False):
        state = "with changes that are not in it" if dirty else "and it is not known whether with changes"
        raise InputError(
            f"the run is of commit {commit[:7]} {state}: it is no baseline for what comes after the commit",
            file=str(run_file),
            hint="commit the changes (or have git ignore what a step before made), and run again",
        )
    return commit


def _ref(run: RunResult, situation: Situation) -> str | None:
    found = situation.tag or situation.head_ref or run.git.get("branch")
    return found if isinstance(found, str) and 0 < len(found) <= _REF and found.isprintable() else None


def _started(run: RunResult, now: datetime) -> datetime:
    """When the run began by its own file, which cannot make it newer than it is."""
    found = moment(run.started_at)
    return now if found is None else min(found, now)


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")


def _matching(pattern: re.Pattern[str], text: str, what: str, run_file: Path) -> str:
    if not pattern.fullmatch(text):
        raise InputError(
            f"{what}, {shown(text)}, cannot name a file", file=str(run_file), hint="letters, digits, dot, dash"
        )
    return text


def _digest(run_file: Path) -> tuple[str, int]:
    """Digest and size of the run file's plain bytes."""
    if not run_file.is_file():
        raise InputError("no such run file", file=str(run_file), hint="give the path of a run file")
    try:
        with gzip.open(run_file) if run_file.suffix == ".gz" else run_file.open("rb") as stream:
            sha256 = hashlib.file_digest(cast(io.BufferedReader, stream), "sha256")  # both kinds of file have its ways
            return sha256.hexdigest(), stream.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise NoDecisionError(f"the run cannot be read: {error}", file=str(run_file), hint="run again") from error
