"""The stores `git:` and `file:`: what is saved is there, whole, for whoever comes next, and nothing else is touched."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from builders import write_run
from honeyhive.ci.git.repository import Address, NewCommit, Refused, Repository, StoredFile
from honeyhive.ci.stores.branch import ATTEMPTS, BRANCH, MAX_BRANCH, BranchStore
from honeyhive.ci.stores.entry import Entry, Store
from honeyhive.ci.stores.folder import FolderStore
from honeyhive.ci.stores.manifest import place_of, to_manifest
from honeyhive.ci.stores.opening import DEFAULT_BRANCH, DEFAULT_FOLDER, open_store
from honeyhive.errors import ConfigError, NoDecisionError, RepositoryError, StoreError
from honeyhive.runfile import companion, read_run
from repositories import GitServer, bare, clone, commit, content_of, git, hook, new_repository


@pytest.fixture(autouse=True)
def _nobody_configures_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def sha(at: int) -> str:
    return hashlib.sha1(str(at).encode(), usedforsecurity=False).hexdigest()


def saved(folder: Path, at: int, **fields: Any) -> tuple[Path, Entry]:
    """A run file, and the entry of it: the run of the commit number `at`, an hour after that of the one before."""
    experiment = fields.get("experiment", "qa")
    path = write_run(folder / f"run-{at}.jsonl", {"EXT-a": {"correct": at / 1000}}, run_id=f"run-{at}", name=experiment)
    content = path.read_bytes()
    known: dict[str, Any] = {
        "experiment": experiment,
        "commit": sha(at),
        "run_id": f"run-{at}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "event": "push",
        "ref": "main",
        "started_at": f"2026-{1 + at // 600:02}-{1 + at % 600 // 24:02}T{at % 24:02}:00:00+00:00",
        "saved_at": "2026-12-31T00:00:00+00:00",
        "datapoints": 1,
    }
    return path, Entry(**(known | fields))


def ids(store: Store, experiment: str | None = None) -> list[str]:
    return [entry.run_id for entry in store.entries(experiment)]


class Server:
    """A repository with a `main`, and stores on a branch of it, each as another job would open it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.work = new_repository(place / "work")
        self.head = commit(self.work)
        self.bare = bare(place / "server.git", self.work)
        self.address = Address(f"file://{self.bare}")
        self.pauses: list[float] = []

    def job(self, do: Callable[[BranchStore], Any], *, branch: str = BRANCH, **settings: Any) -> Any:
        usual: dict[str, Any] = {"pause": self.pauses.append, "jitter": lambda: 0.5}
        with Repository(self.address, timeout=30.0) as repository:
            return do(BranchStore(repository, branch, **(usual | settings)))

    def save(self, at: int, *, most: int = MAX_BRANCH, **fields: Any) -> Entry:
        path, entry = saved(self.place, at, **fields)
        self.job(lambda store: store.save(path, entry), most=most)
        return entry

    def commits(self, branch: str = BRANCH) -> list[str]:
        return git(self.bare, "rev-list", branch).split()

    def files(self) -> list[str]:
        return git(self.bare, "ls-tree", "-r", "--name-only", BRANCH).splitlines()

    def put(self, changes: Mapping[str, bytes]) -> None:
        """Write files to the branch as somebody else would."""
        with Repository(self.address) as repository:
            before = repository.branch(BRANCH)
            there: Mapping[str, StoredFile] = {}
            if before is not None:
                repository.fetch(before)
                there = repository.files(before)
            made = repository.make(NewCommit(files={**there, **changes}, message="by hand", seconds=1))
            assert repository.push(made, BRANCH, expected=before) is None


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


# --- a branch --------------------------------------------------------------------------------------------------------


def test_ten_saves_are_ten_runs_and_one_commit(server: Server, tmp_path: Path) -> None:
    entries = [server.save(at) for at in range(10)]

    def check(store: BranchStore) -> None:
        assert [*store.entries()] == entries[::-1]
        for entry in entries:
            found = store.fetch(entry, tmp_path / "fetched")
            assert hashlib.sha256(found.read_bytes()).hexdigest() == entry.sha256
            assert read_run(found).run_id == entry.run_id
        assert not store.notes

    server.job(check)
    assert len(server.commits()) == 1
    assert server.files() == sorted(
        ["README.md", *(place_of(entry) + ending for entry in entries for ending in (".json", ".jsonl.gz"))]
    )
    assert "honeyhive" in git(server.bare, "show", f"{BRANCH}:README.md")
    assert git(server.bare, "log", "-1", "--format=%an|%ae|%aI|%s", BRANCH) == (
        f"honeyhive|honeyhive@noreply.invalid|2026-12-31T00:00:00+00:00|Add run run-9 of qa at {sha(9)}"
    )
    assert git(server.bare, "rev-parse", "main") == server.head


def test_without_the_branch_there_is_no_run_and_it_is_not_made(server: Server) -> None:
    assert server.job(ids) == []
    assert server.job(lambda store: store.prune(1)) == ()
    assert git(server.bare, "branch", "--list", BRANCH) == ""


def test_runs_are_listed_by_experiment(server: Server) -> None:
    server.save(1, experiment="qa")
    server.save(2, experiment="gsm8k")

    assert server.job(ids) == ["run-2", "run-1"]
    assert server.job(lambda store: ids(store, "qa")) == ["run-1"]
    assert server.job(lambda store: ids(store, "other")) == []


def test_a_run_that_is_saved_twice_is_there_once(server: Server) -> None:
    server.save(1)
    before = server.commits()
    server.save(1)
    assert server.commits() == before, "the same run makes the same commit"

    moved = server.save(1, commit=sha(99))

    assert server.job(lambda store: [*store.entries()]) == [moved]
    assert len(server.files()) == 3


def test_the_same_run_is_compressed_to_the_same_bytes(server: Server, tmp_path: Path) -> None:
    path, entry = saved(tmp_path, 1)
    server.job(lambda store: store.save(path, entry))
    first = server.commits()
    compressed = tmp_path / "elsewhere.jsonl.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes(), mtime=5))

    server.job(lambda store: store.save(compressed, entry))

    assert server.commits() == first


def test_a_file_that_is_not_the_run_of_the_entry_is_not_saved(server: Server, tmp_path: Path) -> None:
    path, entry = saved(tmp_path, 1)
    path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(StoreError, match="was changed after it ended"):
        server.job(lambda store: store.save(path, entry))
    assert server.job(ids) == []


def test_a_link_is_not_saved(server: Server, tmp_path: Path) -> None:
    path, entry = saved(tmp_path, 1)
    (tmp_path / "link.jsonl").symlink_to(path)

    with pytest.raises(Exception, match="it is a link"):
        server.job(lambda store: store.save(tmp_path / "link.jsonl", entry))


def test_jobs_at_the_same_time_lose_nothing(server: Server) -> None:
    entries = [saved(server.place, at) for at in range(4)]
    together = threading.Barrier(len(entries))

    def one(item: tuple[Path, Entry]) -> None:
        def save(store: BranchStore) -> None:
            store.entries()  # all have read the branch before the first writes it
            together.wait(60)
            store.save(*item)

        wait = threading.Event().wait
        server.job(save, pause=lambda seconds: wait(seconds / 20), jitter=random.random)

    with ThreadPoolExecutor(len(entries)) as pool:
        assert [*pool.map(one, entries)] == [None] * len(entries)

    assert server.job(ids) == ["run-3", "run-2", "run-1", "run-0"]
    assert len(server.commits()) == 1


def test_a_lost_race_is_run_again_on_what_the_other_has_written(server: Server) -> None:
    server.save(1)
    path, entry = saved(server.place, 3)
    with _Overtaken(server, by=[2, 4]) as repository:
        BranchStore(repository, pause=server.pauses.append, jitter=lambda: 0.5).save(path, entry)

    assert server.job(ids) == ["run-4", "run-3", "run-2", "run-1"]
    assert server.pauses == [0.5, 1.0]


class _Overtaken(Repository):
    """A repository in which other jobs save their runs between our reading and our writing."""

    def __init__(self, server: Server, *, by: Iterable[int]) -> None:
        super().__init__(server.address)
        self._server, self._by = server, iter(by)

    def push(self, commit: str, branch: str, *, expected: str | None) -> Refused | None:
        for at in islice(self._by, 1):
            self._server.save(at)
        return super().push(commit, branch, expected=expected)


def test_whoever_loses_every_race_is_told(server: Server) -> None:
    path, entry = saved(server.place, 1)

    with _Overtaken(server, by=range(100, 200)) as repository:
        store = BranchStore(repository, pause=server.pauses.append, jitter=lambda: 0.5)
        with pytest.raises(StoreError, match=f"in {ATTEMPTS} attempts, other jobs were faster") as failed:
            store.save(path, entry)

    assert "concurrency" in failed.value.hint
    assert len(server.pauses) == ATTEMPTS - 1
    assert max(server.pauses) <= 8
    assert len(server.job(ids)) == ATTEMPTS


@pytest.mark.parametrize(
    "words",
    [
        "GH006: Protected branch update failed for refs/heads/honeyhive-runs.",
        "GH013: Repository rule violations found",
        "Permission to acme/widget.git denied to github-actions[bot].",
    ],
)
def test_a_server_that_refuses_names_the_permission(server: Server, words: str) -> None:
    hook(server.bare, "pre-receive", f"echo '{words}' >&2; exit 1")

    with pytest.raises(StoreError) as refused:
        server.save(1)

    assert words in refused.value.message
    assert "permissions: contents: write" in refused.value.hint
    assert "ruleset" in refused.value.hint
    assert server.pauses == [], "no use in trying again"
    assert server.job(ids) == []


def test_a_branch_may_have_the_words_of_a_refusal_in_its_name(server: Server) -> None:
    path, entry = saved(server.place, 1)
    hook(server.bare, "pre-receive", "exit 1")
    branch = "permission-denied/stale info".replace(" ", "-")

    with pytest.raises(StoreError, match="hook declined"):
        server.job(lambda store: store.save(path, entry), branch=branch)
    (server.bare / "hooks/pre-receive").unlink()
    hook(server.bare, "update", "echo 'disk trouble' >&2; kill -9 $PPID")
    with pytest.raises(StoreError, match="could not be written") as failed:
        server.job(lambda store: store.save(path, entry), branch=branch)
    assert "contents: write" not in failed.value.hint
    assert len(server.pauses) == 2, "a fault is tried three times"


def test_a_token_that_may_only_read_is_told_apart(server: Server, tmp_path: Path) -> None:
    git(server.bare, "config", "http.receivepack", "true")
    path, entry = saved(tmp_path, 1)
    with GitServer(tmp_path).running() as over_http:
        over_http.refused_pushes = (403, b"Permission to acme/widget.git denied to github-actions[bot].")
        address = Address(f"{over_http.url}/server.git", "ghs_readonly")
        with Repository(address) as repository, pytest.raises(StoreError) as refused:
            BranchStore(repository, pause=server.pauses.append).save(path, entry)

    assert "denied to github-actions[bot]" in refused.value.message
    assert "permissions: contents: write" in refused.value.hint
    assert server.pauses == []


def test_a_server_that_is_not_there_is_an_error_of_reading_and_of_saving(server: Server, tmp_path: Path) -> None:
    path, entry = saved(tmp_path, 1)
    with Repository(Address("file:///nowhere/x.git")) as repository:
        store = BranchStore(repository, pause=server.pauses.append)
        with pytest.raises(NoDecisionError):
            store.entries()
        with pytest.raises(StoreError):
            store.save(path, entry)


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_the_newest_runs_stay_and_those_of_releases_apart(server: Server) -> None:
    for at in (1, 2, 3, 4):
        server.save(at)
    for at in (5, 6):
        server.save(at, experiment="gsm8k")
    for at in (7, 8, 9):
        server.save(at, event="release", tag=f"v{at}")

    gone = server.job(lambda store: store.prune(2))

    assert [entry.run_id for entry in gone] == ["run-7", "run-2", "run-1"]
    assert server.job(ids) == ["run-9", "run-8", "run-6", "run-5", "run-4", "run-3"]
    assert len(server.files()) == 13
    assert server.job(lambda store: store.prune(2)) == ()


def test_saving_keeps_fifty_of_each(server: Server, tmp_path: Path) -> None:
    made = [saved(tmp_path, at) for at in range(52)]
    files: dict[str, bytes] = {}
    for path, entry in made[:51]:
        key = place_of(entry)
        files |= {f"{key}.json": to_manifest(entry), f"{key}.jsonl.gz": gzip.compress(path.read_bytes())}
    server.save(0)
    server.put(files)
    assert len(server.job(ids)) == 51

    server.job(lambda store: store.save(*made[51]))

    assert server.job(ids) == [f"run-{at}" for at in range(51, 1, -1)]


def test_the_oldest_go_when_the_branch_is_full(server: Server) -> None:
    for at in (1, 2, 3):
        server.save(at)
    size = sum(
        int(line.split()[3]) for line in git(server.bare, "ls-tree", "-rl", BRANCH).splitlines() if "README" not in line
    )
    path, entry = saved(server.place, 4)

    server.job(lambda store: store.save(path, entry), most=size + 10)

    assert server.job(ids) == ["run-4", "run-3", "run-2"]


def test_a_busy_experiment_drives_no_other_and_no_release_from_a_full_branch(server: Server) -> None:
    server.save(1, experiment="rare")
    server.save(2, event="release", tag="v1")
    server.save(3, event="release", tag="v2")
    for at in (4, 5, 6):
        server.save(at)
    size = sum(
        int(line.split()[3]) for line in git(server.bare, "ls-tree", "-rl", BRANCH).splitlines() if "README" not in line
    )
    for at in (7, 8):
        server.save(at, most=size * 11 // 12)
        assert server.job(ids) == [f"run-{at}", f"run-{at - 1}", f"run-{at - 2}", "run-3", "run-1"]


def test_a_run_that_is_too_large_is_refused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    content = random.Random(1).randbytes(26 * 2**20)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    entry = replace(saved(tmp_path, 1)[1], sha256=digest, size=len(content))

    with pytest.raises(StoreError, match="larger than 25 MiB") as refused:
        server.job(lambda store: store.save(path, entry))
    assert "file:DIR" in refused.value.hint


# --- what others have written ----------------------------------------------------------------------------------------


def test_a_manifest_that_cannot_be_read_is_told_and_stops_nothing(server: Server) -> None:
    entry = server.save(1)
    other = saved(server.place, 2)[1]
    newer = json.loads(to_manifest(other)) | {"schema": 2}
    server.put(
        {
            "qa/broken.json": b"{",
            "qa/broken.jsonl.gz": b"x",
            "qa/list.json": b"[]",
            "qa/newer.json": json.dumps(newer).encode(),
            "qa/moved.json": to_manifest(entry),
            f"{place_of(other)}.json": to_manifest(other),
            "qa/alone.jsonl.gz": b"no manifest",
        }
    )

    def check(store: BranchStore) -> list[str]:
        assert ids(store) == ["run-1"]
        return sorted(store.notes)

    notes = server.job(check)
    assert [note.split()[0] for note in notes] == sorted(
        ["qa/broken.json", "qa/list.json", "qa/moved.json", "qa/newer.json", f"{place_of(other)}.json"]
    )
    assert "is not where what it says belongs" in " ".join(notes)
    assert "has no run beside it" in " ".join(notes)
    assert "update honeyhive" in " ".join(notes)

    server.save(3)
    assert server.job(ids) == ["run-3", "run-1"]
    assert "qa/newer.json" in server.files(), "a later version may have written it"
    assert "qa/broken.jsonl.gz" in server.files()
    assert "qa/alone.jsonl.gz" not in server.files()
    server.save(2)
    assert server.job(ids) == ["run-3", "run-2", "run-1"]


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", gzip.compress(b"another run"), gzip.compress(b"\0" * 10_000_000), b"whole but cut"],
    ids=["empty", "no gzip", "another", "a bomb", "cut"],
)
def test_a_run_that_is_not_what_was_saved_is_refused(server: Server, tmp_path: Path, content: bytes) -> None:
    entry = server.save(1)
    path = saved(server.place, 1)[0]
    if content == b"whole but cut":
        content = gzip.compress(path.read_bytes())[:-9]
    server.put({f"{place_of(entry)}.jsonl.gz": content})

    with pytest.raises(NoDecisionError, match="run-1 of commit"):
        server.job(lambda store: store.fetch(entry, tmp_path / "fetched"))
    assert not [*(tmp_path / "fetched").iterdir()]


def test_a_run_that_is_gone_is_no_decision(server: Server, tmp_path: Path) -> None:
    server.save(1)
    with pytest.raises(NoDecisionError, match="is not on honeyhive-runs"):
        server.job(lambda store: store.fetch(saved(tmp_path, 2)[1], tmp_path))


@pytest.mark.parametrize(
    "files",
    [
        {"src/app.py": b"theirs"},
        {"README.md": b"# Widget\n"},
        {"README.md": b"<!-- honeyhive: runs -->\n", "src/app.py": b"theirs"},
        {"README.md": b"<!-- honeyhive: runs -->\n", "deep/er/run.json": b"{}"},
        {"README.md": b"<!-- honeyhive: runs -->\n", ".github/workflows/x.yml": b"on: push"},
    ],
    ids=["files", "a readme", "files and mark", "too deep", "workflows"],
)
def test_a_branch_that_is_not_ours_is_neither_read_nor_written(server: Server, files: dict[str, bytes]) -> None:
    server.put(files)
    before = server.commits()

    with pytest.raises(StoreError, match="is not one of runs") as refused:
        server.save(1)
    with pytest.raises(RepositoryError, match="is not one of runs"):
        server.job(ids)

    assert "another branch" in refused.value.hint
    assert server.commits() == before


def test_main_is_never_overwritten(server: Server) -> None:
    path, entry = saved(server.place, 1)
    with pytest.raises(StoreError, match=r"the branch main is not one of runs"):
        server.job(lambda store: store.save(path, entry), branch="main")
    assert git(server.bare, "rev-parse", "main") == server.head


def test_a_link_in_the_place_of_a_run_is_not_ours(server: Server, tmp_path: Path) -> None:
    entry = server.save(1)
    checkout = clone(server.bare, tmp_path / "checkout", "--branch", BRANCH)
    run_file = checkout / f"{place_of(entry)}.jsonl.gz"
    run_file.unlink()
    run_file.symlink_to("/etc/passwd")
    commit(checkout, "evil", **{"qa__x.json": "{}"})
    git(checkout, "push", "-q", "origin", BRANCH)

    with pytest.raises(RepositoryError, match="is not one of runs"):
        server.job(ids)


def test_saving_touches_nothing_of_the_checkout(server: Server, tmp_path: Path) -> None:
    checkout = clone(server.bare, tmp_path / "checkout")
    (checkout / "README").write_text("changed")
    (checkout / "new").write_text("untracked")
    git(checkout, "add", "new")
    before = content_of(checkout)
    path, entry = saved(tmp_path, 1)

    with Repository(server.address, checkout=checkout) as repository:
        store = BranchStore(repository)
        store.save(path, entry)
        assert ids(store) == ["run-1"]

    assert content_of(checkout) == before


def test_an_odd_name_of_an_experiment_is_kept_in_full(server: Server, tmp_path: Path) -> None:
    for at, name in enumerate(["../../escape", ".git", "käse/brot", "-x", "a" * 200, "README.md"]):
        server.save(at, experiment=name, run_id=f"../{at}")

    found = server.job(lambda store: [(entry.experiment, entry.run_id) for entry in store.entries()])
    assert found == [
        (name, f"../{at}")
        for at, name in reversed([*enumerate(["../../escape", ".git", "käse/brot", "-x", "a" * 200, "README.md"])])
    ]
    entry = server.job(lambda store: store.entries("../../escape")[0])
    fetched = server.job(lambda store: store.fetch(entry, tmp_path / "fetched"))
    assert fetched.parent == tmp_path / "fetched"


# --- a folder --------------------------------------------------------------------------------------------------------


def local(folder: Path, file: str, at: int, **header: Any) -> Path:
    """A run as `honeyhive run` leaves it on somebody's machine."""
    folder.mkdir(parents=True, exist_ok=True)
    git_facts = {"commit_hash": sha(at), "branch": "main", "is_dirty": False} | header.pop("git", {})
    usual = {"run_id": f"run-{at}", "git": git_facts, "started_at": f"2026-01-01T{at:02}:00:00+00:00"}
    return write_run(folder / file, {"EXT-a": {"correct": 1.0}}, **(usual | header))


def test_runs_that_were_left_in_a_folder_are_baselines(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    local(folder, "one.jsonl", 1)
    local(folder, "two.jsonl.gz", 2)
    local(folder / "qa", "three.jsonl", 3)
    local(folder / "qa" / "deeper", "four.jsonl", 4)
    local(folder, "other.jsonl", 5, name="gsm8k")
    store = FolderStore(folder)

    assert ids(store, "qa") == ["run-3", "run-2", "run-1"]
    assert ids(store) == ["run-5", "run-3", "run-2", "run-1"]
    assert store.notes == ()
    entry = store.entries("qa")[-1]
    assert (entry.commit, entry.event, entry.ref, entry.datapoints) == (sha(1), "local", "main", 1)
    found = store.fetch(entry, tmp_path / "fetched")
    assert found.read_bytes() == (folder / "one.jsonl").read_bytes()


def test_what_is_no_baseline_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    local(folder, "dirty.jsonl", 1, git={"is_dirty": True})
    local(folder, "nowhere.jsonl", 2, git={"commit_hash": None})
    local(folder, "half.jsonl", 3, status=None)
    local(folder, "failed.jsonl", 4, status="failed")
    (folder / "broken.jsonl").write_text("{")
    (folder / "link.jsonl").symlink_to(local(tmp_path / "elsewhere", "x.jsonl", 5))
    os.mkfifo(folder / "pipe.jsonl")
    companion(folder / "dirty.jsonl", "spans").write_text("{}\n")
    (folder / "dirty.jsonl.previous").write_text("{}\n")
    (folder / "notes.txt").write_text("hello")
    store = FolderStore(folder)

    assert ids(store) == []
    assert sorted(note.split()[0] for note in store.notes) == [
        "broken.jsonl", "dirty.jsonl", "failed.jsonl", "half.jsonl", "nowhere.jsonl",
    ]  # fmt: skip
    said = " ".join(store.notes)
    assert "changed since its commit" in said
    assert "which commit" in said
    assert "incomplete" in said


def test_what_is_saved_in_a_folder_keeps_its_entry(tmp_path: Path) -> None:
    path, entry = saved(tmp_path, 1, event="release", tag="v1", repository="acme/widget", repository_id=7)
    store = FolderStore(tmp_path / "runs")

    store.save(path, entry)
    store.save(path, entry)

    assert [*store.entries()] == [entry]
    assert sorted(content_of(tmp_path / "runs")) == [f"{place_of(entry)}.json", f"{place_of(entry)}.jsonl.gz"]
    assert store.fetch(entry, tmp_path / "fetched").read_bytes() == path.read_bytes()


def test_a_run_that_is_saved_again_for_another_commit_is_there_once(tmp_path: Path) -> None:
    path, entry = saved(tmp_path, 1)
    store = FolderStore(tmp_path / "runs")
    store.save(path, entry)

    moved = replace(entry, commit=sha(2), experiment="other")
    store.save(path, moved)

    assert [*store.entries()] == [moved]
    assert len(content_of(tmp_path / "runs")) == 2


def test_a_folder_keeps_fifty_saved_runs_and_all_that_somebody_else_left_there(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "runs")
    for at in range(51):
        own = local(tmp_path / "runs", f"own-{at}.jsonl", at, run_id=f"own-{at}", started_at="2020-01-01T00:00:00Z")
        os.utime(own, (0, 0))  # all of one age, whichever second it is by now
    for at in range(51):
        path, entry = saved(tmp_path, at)
        (tmp_path / "runs" / place_of(entry)).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / f"{place_of(entry)}.json").write_bytes(to_manifest(entry))
        (tmp_path / "runs" / f"{place_of(entry)}.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))

    store.save(*saved(tmp_path, 51))

    assert ids(store) == [f"run-{at}" for at in range(51, 1, -1)] + sorted(
        (f"own-{at}" for at in range(51)), reverse=True
    )


def test_a_run_and_its_saved_copy_are_one(tmp_path: Path) -> None:
    path, entry = saved(tmp_path / "runs", 1)
    store = FolderStore(tmp_path / "runs")
    store.save(path, entry)

    assert ids(store) == ["run-1"]
    assert store.entries()[0].event == "push"


@pytest.mark.parametrize("change", [b"", b"\n", b"another"])
def test_a_saved_run_that_was_changed_is_left_aside(tmp_path: Path, change: bytes) -> None:
    path, entry = saved(tmp_path, 1)
    store = FolderStore(tmp_path / "runs")
    store.save(path, entry)
    kept = tmp_path / "runs" / f"{place_of(entry)}.jsonl.gz"
    kept.write_bytes(gzip.compress(path.read_bytes() + change) if change else b"")

    assert ids(store) == []
    assert len(store.notes) == 1
    with pytest.raises(NoDecisionError, match="or not as it was"):
        store.fetch(entry, tmp_path / "fetched")


def test_a_folder_is_pruned_with_what_stands_beside_its_runs(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    for at in (1, 2, 3):
        companion(local(folder, f"{at}.jsonl", at), "spans").write_text("{}\n")
    path, entry = saved(tmp_path, 0)
    store = FolderStore(folder)
    store.save(path, replace(entry, started_at="2025-01-01T00:00:00Z"))
    local(folder, "dirty.jsonl", 9, git={"is_dirty": True})

    assert [gone.run_id for gone in store.prune(2)] == ["run-1", "run-0"]

    assert ids(store) == ["run-3", "run-2"]
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"2.jsonl", "2.spans.jsonl", "3.jsonl", "3.spans.jsonl", "dirty.jsonl"}


def test_a_folder_that_is_not_there_is_empty_and_one_that_is_a_file_is_said(tmp_path: Path) -> None:
    assert ids(FolderStore(tmp_path / "nope")) == []
    (tmp_path / "file").write_text("")
    path, entry = saved(tmp_path, 1)

    with pytest.raises(StoreError, match="cannot be written"):
        FolderStore(tmp_path / "file").save(path, entry)


# --- opening ---------------------------------------------------------------------------------------------------------


def test_each_store_is_opened_by_its_name(server: Server, tmp_path: Path) -> None:
    with Repository(server.address, checkout=server.work) as repository:
        opened = {
            text: open_store(text, directory=tmp_path, repository=repository, honeyhive=None)
            for text in (DEFAULT_BRANCH, DEFAULT_FOLDER, "git:runs/of-ours")
        }
        own = FolderStore(tmp_path)
        for text in ("honeyhive:", "honeyhive"):
            assert open_store(text, directory=tmp_path, repository=None, honeyhive=lambda: own) is own
    assert [store.name for store in opened.values()] == [*opened]
    assert isinstance(opened[DEFAULT_BRANCH], BranchStore)
    local(tmp_path / ".honeyhive/runs", "x.jsonl", 1)
    assert ids(opened[DEFAULT_FOLDER]) == ["run-1"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "write git:honeyhive-runs"),
        ("gti:runs", "did you mean git:runs?"),
        ("GIT:runs", "did you mean git:runs?"),
        ("honeyhvie", "did you mean honeyhive:?"),
        ("honeyhive", "api-key"),
        ("some/folder", "did you mean file:some/folder?"),
        ("s3://bucket", "write git:honeyhive-runs"),
        ("file:", "write file:.honeyhive/runs"),
        ("honeyhive:project", "write honeyhive:"),
        ("honeyhive:", "api-key"),
        ("git:", "write git:honeyhive-runs"),
        ("git:--output=x", "write git:honeyhive-runs"),
        ("git:refs/heads/x", "write git:honeyhive-runs"),
        ("git:a..b", "write git:honeyhive-runs"),
        ("git:a b", "write git:honeyhive-runs"),
        ("git:x.lock", "write git:honeyhive-runs"),
        ("git:+x:main", "write git:honeyhive-runs"),
        ("git:x\x1b[2J", "write git:honeyhive-runs"),
        ("git:main", "write git:honeyhive-runs"),
    ],
)
def test_a_store_that_is_none_is_refused_with_the_way_out(server: Server, text: str, hint: str) -> None:
    with Repository(server.address, checkout=server.work) as repository, pytest.raises(ConfigError) as refused:
        open_store(text, directory=server.place, repository=repository, honeyhive=None)

    assert hint in refused.value.hint
    assert "\x1b" not in str(refused.value)
    assert refused.value.path == ("store",)
