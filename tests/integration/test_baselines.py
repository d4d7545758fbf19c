"""`honeyhive baseline list | show | save | prune`, as far as it is no command line: over a store and run files."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builders import write_run
from honeyhive.ci.baselines.listing import entry_of, list_lines, prune_lines, save, show_lines
from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.errors import InputError, NoDecisionError

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
COMMIT = "1a2b3c4d" * 5
RUN_ID = "5e2f7c10-8b1d-4f7e-9a40-2d1f5c7e9b11"
PUSH = Situation(
    kind=Kind.PUSH,
    event="push",
    commit=COMMIT,
    head=COMMIT,
    head_ref="main",
    is_default_branch=True,
    repository="honey/bees",
    repository_id=7,
)
LOCAL = Situation(kind=Kind.LOCAL, commit="f" * 40)
SCORES = {"EXT-a": {"correct": True}, "EXT-b": {"correct": False}}
CLEAN = {"commit_hash": COMMIT, "is_dirty": False, "branch": "main"}


@dataclass
class Held:
    """A store that is a list and the files that were saved in it."""

    notes: tuple[str, ...] = ()

    held: list[Entry] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    name: str = "git:honeyhive-runs"

    def entries(self, experiment: str | None = None) -> Sequence[Entry]:
        return [entry for entry in self.held if experiment in (None, entry.experiment)]

    def fetch(self, entry: Entry, folder: Path) -> Path:
        path = folder / f"{entry.run_id}.jsonl"
        path.write_bytes(self.files[entry.run_id])
        return path

    def save(self, run_file: Path, entry: Entry) -> None:
        self.held.insert(0, entry)
        self.files[entry.run_id] = run_file.read_bytes()

    def prune(self, keep: int) -> Sequence[Entry]:
        self.held, gone = self.held[:keep], self.held[keep:]
        return gone


def a_run(folder: Path, file: str = "run.jsonl", /, **fields: Any) -> Path:
    outcomes = fields.pop("outcomes", SCORES)
    return write_run(folder / file, outcomes, **({"run_id": RUN_ID, "git": CLEAN} | fields))


# --- the entry of a run ----------------------------------------------------------------------------------------------


def test_the_entry_says_what_the_job_knows_of_the_run(tmp_path: Path) -> None:
    path = a_run(tmp_path)
    assert entry_of(path, PUSH, NOW) == Entry(
        experiment="qa",
        commit=COMMIT,
        run_id=RUN_ID,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        size=path.stat().st_size,
        event="push",
        ref="main",
        repository="honey/bees",
        repository_id=7,
        started_at="2026-11-22T10:00:00+00:00",
        saved_at="2026-11-23T10:00:00+00:00",
        datapoints=2,
    )


def test_of_a_compressed_run_the_plain_bytes_count(tmp_path: Path) -> None:
    packed = a_run(tmp_path, "run.jsonl.gz")
    plain = gzip.decompress(packed.read_bytes())
    found = entry_of(packed, PUSH, NOW)
    assert (found.sha256, found.size) == (hashlib.sha256(plain).hexdigest(), len(plain))


def test_a_release_goes_by_its_tag(tmp_path: Path) -> None:
    found = entry_of(a_run(tmp_path), replace(PUSH, kind=Kind.RELEASE, event="release", tag="v1", head_ref=None), NOW)
    assert (found.event, found.ref, found.tag) == ("release", "v1", "v1")


def test_on_ones_own_machine_the_run_says_its_commit(tmp_path: Path) -> None:
    found = entry_of(a_run(tmp_path), LOCAL, NOW)
    assert (found.commit, found.event, found.ref) == (COMMIT, "local", "main")


def test_repeats_are_no_datapoints_of_their_own(tmp_path: Path) -> None:
    assert entry_of(a_run(tmp_path, repeats=2), PUSH, NOW).datapoints == 1


@pytest.mark.parametrize(
    ("says", "started"),
    [
        ("2099-01-01T00:00:00+00:00", "2026-11-23T10:00:00+00:00"),
        ("yesterday", "2026-11-23T10:00:00+00:00"),
        ("2026-11-23T10:30:00+01:00", "2026-11-23T09:30:00+00:00"),
    ],
)
def test_a_run_cannot_say_that_it_is_newer_than_now(tmp_path: Path, says: str, started: str) -> None:
    assert entry_of(a_run(tmp_path, started_at=says), PUSH, NOW).started_at == started


def test_in_ci_what_steps_have_left_makes_no_other_code(tmp_path: Path) -> None:
    here = replace(PUSH, has_changes=False)
    assert entry_of(a_run(tmp_path, git=CLEAN | {"is_dirty": True}), here, NOW).commit == COMMIT


@pytest.mark.parametrize(
    ("fields", "here", "said"),
    [
        ({"git": CLEAN}, replace(PUSH, has_changes=True), "with changes that are not in it"),
        ({"git": CLEAN | {"is_dirty": True}}, LOCAL, "with changes that are not in it"),
        ({"git": {"commit_hash": COMMIT}}, LOCAL, "not known whether with changes"),
        ({"git": {}}, LOCAL, "nobody knows which commit"),
        ({"git": CLEAN | {"commit_hash": "--output=x"}}, LOCAL, "nobody knows which commit"),
        ({"git": CLEAN}, replace(PUSH, commit=None), "nobody knows which commit"),
        ({"git": CLEAN | {"commit_hash": "f" * 40}}, PUSH, "is checked out"),
        ({"name": "../../etc"}, PUSH, "the experiment's name"),
        ({"run_id": "../run"}, PUSH, "the run's id"),
    ],
)
def test_what_cannot_be_told_to_be_of_a_commit_is_kept_by_nobody(
    tmp_path: Path, fields: dict[str, Any], here: Situation, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        entry_of(a_run(tmp_path, **fields), here, NOW)
    assert caught.value.hint


@pytest.mark.parametrize(
    "here",
    [
        replace(PUSH, kind=Kind.PULL_REQUEST, event="pull_request"),
        replace(PUSH, kind=Kind.QUEUE, event="merge_group"),
        replace(PUSH, kind=Kind.BRANCH, event="schedule"),
        replace(PUSH, is_default_branch=False),
    ],
)
def test_nothing_but_a_push_to_the_default_branch_or_a_release_makes_a_baseline(
    tmp_path: Path, here: Situation
) -> None:
    with pytest.raises(InputError, match="no baseline comes from here"):
        entry_of(a_run(tmp_path), here, NOW)


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz"])
def test_a_run_that_is_not_whole_is_no_baseline(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoDecisionError, match="incomplete"):
        entry_of(a_run(tmp_path, name, status=None), PUSH, NOW)
    whole = a_run(tmp_path, f"whole-{name}")
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(NoDecisionError):
        entry_of(whole, PUSH, NOW)


def test_a_run_that_is_not_there_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run file"):
        entry_of(tmp_path / "nothing.jsonl", PUSH, NOW)
    (tmp_path / "damaged.jsonl.gz").write_bytes(b"\x1f\x8b no gzip")
    with pytest.raises(NoDecisionError, match="cannot be read"):
        entry_of(tmp_path / "damaged.jsonl.gz", PUSH, NOW)


# --- the commands ----------------------------------------------------------------------------------------------------


def test_what_was_saved_is_listed_the_newest_first(tmp_path: Path) -> None:
    store = Held()
    for number in range(3):
        run_id, started = f"{number}{RUN_ID[1:]}", (NOW - timedelta(hours=5 - number)).isoformat()
        save(store, a_run(tmp_path, f"{number}.jsonl", run_id=run_id, started_at=started), situation=PUSH, now=NOW)
    lines = list(list_lines(store, situation=PUSH, now=NOW))
    assert lines[0].split() == ["experiment", "commit", "of", "when", "datapoints", "run", "size"]
    assert [line.split()[:6] for line in lines[1:]] == [
        ["qa", "1a2b3c4", "main", hours, "hours", "ago"] for hours in ("3", "4", "5")
    ]
    assert [line.split()[6:8] for line in lines[1:]] == [["2", f"{number}e2f7c10"] for number in (2, 1, 0)]


def test_what_is_refused_is_listed_with_the_reason(tmp_path: Path) -> None:
    store = Held()
    save(store, a_run(tmp_path), situation=PUSH, now=NOW)
    store.held.append(replace(store.held[0], is_fork=True, run_id="cafe" * 8))
    lines = list(list_lines(store, "qa", situation=PUSH, now=NOW))
    assert [line.endswith("×") for line in lines] == [False, False, True, False]
    assert lines[-1] == "× a run not taken as a baseline (`cafecafe`): it is from a fork"


def test_an_empty_store_says_so() -> None:
    assert list(list_lines(Held(), situation=PUSH, now=NOW)) == ["git:honeyhive-runs has no run"]
    assert list(list_lines(Held(), "qa", situation=PUSH, now=NOW)) == ['git:honeyhive-runs has no run of "qa"']


def test_a_table_obeys_neither_markup_nor_commands(tmp_path: Path) -> None:
    store = Held()
    save(store, a_run(tmp_path), situation=PUSH, now=NOW)
    store.held[0] = replace(store.held[0], experiment="::error::x", ref="[red]##[group]\x1b[31m")
    lines = list(list_lines(store, situation=PUSH, now=NOW))
    assert not lines[1].startswith("::")
    assert "[red]" in lines[1]
    assert not any(found in lines[1] for found in ("##[", "\x1b"))


def test_a_run_is_shown_with_its_metrics_and_where_it_comes_from(tmp_path: Path) -> None:
    store = Held()
    save(store, a_run(tmp_path), situation=PUSH, now=NOW)
    for wanted in (RUN_ID, RUN_ID[:8], COMMIT, COMMIT[:7]):
        assert list(show_lines(store, wanted, folder=tmp_path, now=NOW)) == [
            f"qa: run {RUN_ID}, 1 day ago",
            f"  commit {COMMIT}, main",
            "  made by push in honey/bees, saved 2026-11-23T10:00:00+00:00",
            "  correct: 1 of 2 (50.0%)",
            "  latency_ms: 1.5 ms (mean of 2)",
            "  errors: 0 of 2 (0.0%)",
        ]


def test_of_a_commit_the_newest_run_of_each_experiment_is_shown(tmp_path: Path) -> None:
    store = Held()
    for number, name in enumerate(("qa", "style", "qa")):
        fields = {"run_id": f"{number}{RUN_ID[1:]}", "name": name}
        save(store, a_run(tmp_path, f"{number}.jsonl", **fields), situation=PUSH, now=NOW)
    shown = [line for line in show_lines(store, COMMIT, folder=tmp_path, now=NOW) if ": run " in line]
    assert [line[:10] for line in shown] == ["qa: run 2e", "style: run"]
    (only,) = [line for line in show_lines(store, COMMIT, "style", folder=tmp_path, now=NOW) if ": run " in line]
    assert only.startswith("style: run 1e2f7c10")


@pytest.mark.parametrize(
    ("wanted", "said"), [("abcdef", "has no run of"), ("1a2", "has no run of"), ("1a2b", "several")]
)
def test_what_names_no_run_or_several_is_refused(tmp_path: Path, wanted: str, said: str) -> None:
    store = Held()
    save(store, a_run(tmp_path), situation=PUSH, now=NOW)
    store.held.append(replace(store.held[0], commit="1a2b" * 10, run_id="another"))
    with pytest.raises(InputError, match=said):
        list(show_lines(store, wanted, folder=tmp_path, now=NOW))


def test_what_is_pruned_is_told(tmp_path: Path) -> None:
    store = Held()
    for number in range(3):
        run_id = f"{number}{RUN_ID[1:]}"
        save(store, a_run(tmp_path, f"{number}.jsonl", run_id=run_id), situation=PUSH, now=NOW)
    assert list(prune_lines(store, 2)) == [
        f"qa: run 0{RUN_ID[1:]} of 1a2b3c4 is gone",
        "1 run gone from git:honeyhive-runs",
    ]
    assert list(prune_lines(store, 2)) == ["0 runs gone from git:honeyhive-runs"]
