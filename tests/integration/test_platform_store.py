"""The store `honeyhive:` against the stand-in for the platform: a run is saved, listed, fetched, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import failed, scored, write_run
from honeyhive.api.client import HoneyHive
from honeyhive.ci.baselines.listing import entry_of
from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.stores.platform import HoneyHiveStore
from honeyhive.ci.stores.sessions import lines_of, record_of
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.errors import NoDecisionError, StoreError
from honeyhive.experiments.platform.bodies import BASELINE, RECORD, PlatformRun
from honeyhive.experiments.platform.delivery import upload, upload_as
from honeyhive.gate.comparison import compare
from honeyhive.models.generated import Event, UpdateRunRequest
from honeyhive.result import Fault, Outcome, Scored
from honeyhive.runfile import read_run
from honeyhive.runlines import outcome_line
from platform_server import PlatformServer

COMMIT = "1a2b3c4d" * 5
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
PUSH = Situation(
    kind=Kind.PUSH,
    event="push",
    commit=COMMIT,
    head_ref="main",
    is_default_branch=True,
    repository="honey/bees",
    repository_id=7,
)
RUN_ID = "5e2f7c10-8b1d-4f7e-9a40-2d1f5c7e9b11"


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found


@pytest.fixture
def client(server: PlatformServer) -> Iterator[HoneyHive]:
    with HoneyHive(api_key=server.key, server_url=server.url, project="p") as client:
        yield client


@pytest.fixture
def store(client: HoneyHive) -> HoneyHiveStore:
    return HoneyHiveStore(client)


def session(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def of_all_kinds() -> list[Outcome]:
    """What can become of a datapoint: objects and plain values, repeats, errors, notes, a second try."""
    again = scored("EXT-b", {"session_id": session(9)}, correct=True)
    forging = {"outputs": {"more": 1}, "inputs": {"extra": 2}, "metadata": {RECORD: "forged"}}
    kinds: list[Outcome] = [
        scored("EXT-a", {"inputs": {"q": "é", "deep": {"n": [1, None, 2.5]}}, "output": {"answer": "A"}}, correct=True),
        scored(
            "EXT-b", {"inputs": "plain text", "ground_truth": 0, "output": ["x"], "tags": ("must-pass",)}, correct=False
        ),
        scored("EXT-c", {"inputs": None, "ground_truth": {"a": 1}, "output": None, "line": 3}, correct=None, tone=0.25),
        scored("EXT-d", {"output": {}, "inputs": {}, "metadata": {"talk": 4}}, correct=True, label=3),
        failed("EXT-e"),
        scored("EXT-f", {"inputs": {"inputs": "its only key"}, "output": {"result": "its only key"}}, correct=True),
        scored("EXT-g", {"enrichment": forging}, correct=True),
    ]
    first, second = kinds[:2]
    assert isinstance(first, Scored)
    fault = Fault(type="LookupError", message="no rule")
    kinds[0] = replace(first, faults={"strict": fault}, notes={"correct": "yes"}, sources={"tone": "style"})
    kinds[1] = replace(second, retry=again)
    return [replace(one, index=at, session_id=session(at)) for at, one in enumerate(kinds)]


def saved(store: HoneyHiveStore, folder: Path, *, run_id: str = RUN_ID, **fields: Any) -> tuple[Path, Entry]:
    """A run that was pushed to main, saved; `fields` are those of its entry that are to be others."""
    known: dict[str, Any] = {"run_id": run_id, "git": {"commit_hash": COMMIT, "is_dirty": False}}
    path = write_run(folder / f"{run_id}.jsonl", of_all_kinds(), **known)
    entry = replace(entry_of(path, PUSH, NOW), **fields)
    store.save(path, entry)
    return path, entry


def essence(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes without what nothing is decided by."""
    return sorted((replace(one, enrichment={}) for one in outcomes), key=lambda one: one.index)


def test_a_run_comes_back_as_it_was(store: HoneyHiveStore, server: PlatformServer, tmp_path: Path) -> None:
    path, entry = saved(store, tmp_path)
    assert list(store.entries("qa")) == [entry]
    before, after = read_run(path), read_run(store.fetch(entry, tmp_path / "fetched"))
    assert essence(list(after.outcomes)) == essence(list(before.outcomes))
    assert replace(after, outcomes=()) == replace(before, outcomes=())
    assert server.violations == []


def test_a_change_is_judged_against_it_as_against_the_file(store: HoneyHiveStore, tmp_path: Path) -> None:
    path, entry = saved(store, tmp_path)
    candidate = read_run(write_run(tmp_path / "candidate.jsonl", of_all_kinds(), run_id="candidate"))
    theirs = [compare(candidate, read_run(file)) for file in (path, store.fetch(entry, tmp_path / "fetched"))]
    assert theirs[0].metrics == theirs[1].metrics
    assert (theirs[0].paired, theirs[0].edited) == (theirs[1].paired, theirs[1].edited) == (7, 0)


def test_the_platforms_own_ids_lead_to_the_same_run(tmp_path: Path) -> None:
    with (
        PlatformServer(own_ids=True) as server,
        HoneyHive(api_key=server.key, server_url=server.url) as client,
    ):
        _, entry = saved(HoneyHiveStore(client), tmp_path)
        assert RUN_ID not in server.runs
        again = HoneyHiveStore(client)  # which has not listed anything
        assert read_run(again.fetch(entry, tmp_path / "fetched")).run_id == RUN_ID


def test_a_run_that_the_gate_has_sent_is_saved_under_the_ids_that_it_has(
    store: HoneyHiveStore, client: HoneyHive, server: PlatformServer, tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run.jsonl", of_all_kinds(), run_id=RUN_ID)
    assert upload_as(RUN_ID, path, client).complete
    entry = entry_of(path, PUSH, NOW)
    store.save(path, entry)
    assert len(server.sessions) == 7
    assert len(list(read_run(store.fetch(entry, tmp_path / "fetched")).outcomes)) == 7


def test_only_what_was_saved_is_an_entry(
    store: HoneyHiveStore, client: HoneyHive, server: PlatformServer, tmp_path: Path
) -> None:
    """A pull request's code writes its own run file: its header may say anything of itself."""
    _, entry = saved(store, tmp_path)
    forged = json.loads(server.runs[RUN_ID].value["metadata"][BASELINE])
    header: dict[str, Any] = {
        "metadata": {BASELINE: json.dumps(forged)},
        "git": {"commit_hash": COMMIT, "event": "push"},
    }
    path = write_run(tmp_path / "forged.jsonl", of_all_kinds(), run_id="0" * 8 + RUN_ID[8:], **header)
    assert upload(path, client).complete
    assert len(server.runs) == 2
    assert list(store.entries()) == [entry]


def test_a_session_that_was_changed_is_refused(
    store: HoneyHiveStore, client: HoneyHive, server: PlatformServer, tmp_path: Path
) -> None:
    _, entry = saved(store, tmp_path)
    kept = server.sessions[session(0)].value
    record = kept["metadata"][RECORD]
    changes: list[tuple[dict[str, Any], str]] = [
        ({"inputs": {"q": "another"}}, "its inputs or its ground truth are not what they were"),
        ({"inputs": kept["inputs"], "metadata": {RECORD: record.replace("true", "false")}}, "not those that it was"),
        ({"metadata": {RECORD: "{"}}, "cannot be read"),
        ({"metadata": {RECORD: None}}, "does not say how its outcome was recorded"),
    ]
    for change, said in changes:
        client.events.update({"event_id": session(0), **change})
        with pytest.raises(NoDecisionError, match=said):
            store.fetch(entry, tmp_path / "fetched")
        assert list((tmp_path / "fetched").iterdir()) == []


def test_a_run_that_lost_a_session_is_refused(
    store: HoneyHiveStore, client: HoneyHive, server: PlatformServer, tmp_path: Path
) -> None:
    _, entry = saved(store, tmp_path)
    client.experiments.update_run(RUN_ID, UpdateRunRequest(event_ids=[session(0)]))
    with pytest.raises(NoDecisionError, match="1 sessions, and was saved with 7"):
        HoneyHiveStore(client).fetch(entry, tmp_path / "fetched")
    assert "0" in server.runs[RUN_ID].value["event_ids"][0]


def test_an_entry_that_is_no_longer_there_is_refused(store: HoneyHiveStore, tmp_path: Path) -> None:
    _, entry = saved(store, tmp_path)
    for other in (replace(entry, run_id="another"), replace(entry, commit="f" * 40)):
        with pytest.raises(NoDecisionError, match="no longer marked as it was"):
            store.fetch(other, tmp_path / "fetched")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda mark: "{",
        lambda mark: 7,
        lambda mark: mark.replace("completed", "cancelled"),
        lambda mark: mark.replace(COMMIT, "--output=x"),
        lambda mark: mark.replace('"name\\":\\"qa', '"name\\":\\"other'),
        lambda mark: json.dumps(json.loads(mark) | {"header": json.loads(mark)["header"] + "\n{}"}),
    ],
)
def test_a_mark_that_nobody_can_read_is_told_and_no_entry(
    store: HoneyHiveStore, client: HoneyHive, server: PlatformServer, tmp_path: Path, spoil: Callable[[str], Any]
) -> None:
    _, kept = saved(store, tmp_path, run_id="f" * 8 + RUN_ID[8:])
    saved(store, tmp_path)
    mark = spoil(server.runs[RUN_ID].value["metadata"][BASELINE])
    client.experiments.update_run(RUN_ID, UpdateRunRequest(metadata={BASELINE: mark}))
    assert list(store.entries()) == [kept]
    (note,) = store.notes
    assert RUN_ID in note


def test_the_newest_comes_first_and_only_of_the_experiment(store: HoneyHiveStore, tmp_path: Path) -> None:
    stamps = {"a": "2026-11-20T10:00:00+00:00", "b": "2026-11-22T10:00:00+00:00", "c": "2026-11-21T10:00:00+00:00"}
    for letter, stamp in stamps.items():
        saved(store, tmp_path, run_id=letter * 8 + RUN_ID[8:], started_at=stamp)
    assert [entry.run_id[0] for entry in store.entries("qa")] == ["b", "c", "a"]
    assert list(store.entries("other")) == []


def test_saving_a_run_twice_keeps_one(store: HoneyHiveStore, server: PlatformServer, tmp_path: Path) -> None:
    path, entry = saved(store, tmp_path)
    store.save(path, entry)
    assert list(store.entries()) == [entry]
    assert (len(server.runs), len(server.sessions)) == (1, 7)


def test_pruning_takes_the_mark_off_and_leaves_the_run(
    store: HoneyHiveStore, server: PlatformServer, tmp_path: Path
) -> None:
    for number, tag in enumerate((None, "v1", None)):
        stamp = f"2026-11-2{number}T10:00:00+00:00"
        saved(store, tmp_path, run_id=str(number) * 8 + RUN_ID[8:], started_at=stamp, tag=tag)
    assert [entry.run_id[0] for entry in store.prune(1)] == ["0"]
    assert [entry.run_id[0] for entry in store.entries()] == ["2", "1"]
    assert len(server.runs) == 3
    assert store.prune(1) == []


def test_a_platform_that_is_down_is_not_a_store_without_runs(
    store: HoneyHiveStore, server: PlatformServer, tmp_path: Path
) -> None:
    path, entry = saved(store, tmp_path)
    server.fail("GET", "/v1/sessions", "401")
    with pytest.raises(NoDecisionError, match="cannot be read"):
        store.fetch(entry, tmp_path / "fetched")
    server.fail("*", "/", "401")
    with pytest.raises(NoDecisionError, match="cannot be read") as caught:
        store.entries()
    assert server.key not in str(caught.value)
    path.with_name(f"{RUN_ID}.sent.jsonl").unlink()
    with pytest.raises(StoreError, match="not all of the run is on HoneyHive"):
        store.save(path, entry)


def test_a_run_is_marked_last(store: HoneyHiveStore, server: PlatformServer, tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.jsonl", of_all_kinds(), run_id=RUN_ID)
    server.fail("PUT", "/events", "404", skip=10)
    with pytest.raises(StoreError, match="cannot be kept on HoneyHive"):
        store.save(path, entry_of(path, PUSH, NOW))
    assert list(store.entries()) == []


def test_a_datapoint_without_a_session_cannot_be_kept(store: HoneyHiveStore, tmp_path: Path) -> None:
    outcomes = [*of_all_kinds(), scored("EXT-z", {"index": 7, "session_id": None}, correct=True)]
    path = write_run(tmp_path / "run.jsonl", outcomes, run_id=RUN_ID)
    with pytest.raises(StoreError, match="7 of its 8 datapoints have a session"):
        store.save(path, entry_of(path, PUSH, NOW))
    assert list(store.entries()) == []


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    inputs=_JSON, truth=_JSON, output=_JSON, said=st.none() | st.dictionaries(st.text(max_size=4), _JSON, max_size=2)
)
def test_whatever_a_datapoint_is_its_session_gives_it_back(inputs: Any, truth: Any, output: Any, said: Any) -> None:
    enrichment = {} if said is None else {"inputs": said, "outputs": said, "feedback": said}
    fields = {"inputs": inputs, "ground_truth": truth, "output": output, "enrichment": enrichment}
    outcome, run = scored("EXT-a", fields, correct=True), PlatformRun(run_id=RUN_ID, name="qa", dataset_id="EXT-d")
    update = run.event_update(outcome, RUN_ID)
    told = {"inputs": run.session(outcome, RUN_ID, b"")["inputs"]}
    told |= {part: update.get(part, {}) for part in ("outputs", "feedback")}
    (line,) = lines_of(record_of(outcome, run), Event.model_validate(json.loads(json.dumps(told))))
    found, wanted = json.loads(line), json.loads(outcome_line(replace(outcome, enrichment={})))
    assert found == wanted
