"""The entry of a run as a file: what is written is read again, and what is not an entry is none."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.stores.entry import Entry, kept, newest_first
from honeyhive.ci.stores.manifest import file_name, from_manifest, place_of, to_manifest

ENTRY = Entry(
    experiment="qa",
    commit="a" * 40,
    run_id="run-1",
    sha256="b" * 64,
    size=10,
    event="push",
    saved_at="2026-11-22T10:00:00+00:00",
)

_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255)
_times = st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat())
entries = st.builds(
    Entry,
    experiment=_texts,
    commit=st.from_regex(r"\A([0-9a-f]{40}|[0-9a-f]{64})\Z"),
    run_id=_texts,
    sha256=st.from_regex(r"\A[0-9a-f]{64}\Z"),
    size=st.integers(1, 2**40),
    event=_texts,
    ref=st.none() | _texts,
    tag=st.none() | _texts,
    repository=st.none() | _texts,
    repository_id=st.none() | st.integers(1, 2**40),
    is_fork=st.booleans(),
    started_at=st.none() | _times,
    saved_at=_times,
    datapoints=st.none() | st.integers(0, 2**40),
)


@given(entries)
def test_an_entry_that_is_written_is_read_again(entry: Entry) -> None:
    assert from_manifest(to_manifest(entry)) == entry
    assert to_manifest(from_manifest(to_manifest(entry))) == to_manifest(entry)


@given(entries)
def test_an_entry_has_a_place_that_is_a_file_of_one_folder_anywhere(entry: Entry) -> None:
    folder, name = place_of(entry).split("/")
    for part in (folder, name):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._~-]*", part)
        assert len(part) < 240
    assert name.startswith(f"{entry.commit}-")


@given(_texts, _texts)
def test_two_names_are_never_one_file(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


@given(st.binary(max_size=200) | entries.map(to_manifest).map(lambda content: content[:-5]))
def test_what_is_no_manifest_is_a_reason(content: bytes) -> None:
    with pytest.raises(ValueError) as refused:
        from_manifest(content)
    assert str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 2),
        ("schema", 0),
        ("schema", "1"),
        ("commit", "A" * 40),
        ("commit", "a" * 41),
        ("commit", "../../x"),
        ("commit", "a" * 40 + "\n"),
        ("sha256", "b" * 63),
        ("sha256", None),
        ("size", 0),
        ("size", "10"),
        ("size", 1.5),
        ("experiment", ""),
        ("experiment", "x" * 256),
        ("run_id", 7),
        ("is_fork", "no"),
        ("repository_id", "7"),
        ("saved_at", "yesterday"),
        ("saved_at", "2026-11-22T10:00:00"),
        ("started_at", ""),
        ("datapoints", -1),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(key: str, value: Any) -> None:
    changed = json.loads(to_manifest(ENTRY)) | {key: value}

    with pytest.raises(ValueError, match=key):
        from_manifest(json.dumps(changed).encode())


@pytest.mark.parametrize("key", ["schema", "experiment", "commit", "run_id", "sha256", "size", "event", "saved_at"])
def test_a_value_that_is_missing_is_named(key: str) -> None:
    without = {name: value for name, value in json.loads(to_manifest(ENTRY)).items() if name != key}

    with pytest.raises(ValueError, match=key):
        from_manifest(json.dumps(without).encode())


def test_what_a_later_version_adds_is_passed_over() -> None:
    more = json.loads(to_manifest(ENTRY)) | {"colour": "blue"}

    assert from_manifest(json.dumps(more).encode()) == ENTRY


# --- order and bounds ------------------------------------------------------------------------------------------------


def _entry(run_id: str, started_at: str | None, **fields: Any) -> Entry:
    known: dict[str, Any] = {
        "experiment": "qa",
        "commit": "a" * 40,
        "sha256": "b" * 64,
        "size": 1,
        "event": "push",
        "saved_at": "2026-01-01T12:00:00+00:00",
    }
    return Entry(run_id=run_id, started_at=started_at, **(known | fields))


def test_the_newest_is_the_one_that_began_last_whatever_its_time_zone() -> None:
    found = newest_first(
        [
            _entry("noon", "2026-01-01T12:00:00Z"),
            _entry("later in the east", "2026-01-01T13:30:00+02:00"),
            _entry("evening", "2026-01-01T18:00:00.5+00:00"),
            _entry("only saved", None, saved_at="2026-01-01T15:00:00Z"),
            _entry("no time", "soon"),
        ]
    )

    assert [entry.run_id for entry in found] == ["evening", "only saved", "noon", "later in the east", "no time"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(0, 9)), max_size=30), st.integers(0, 5))
def test_of_each_experiment_the_newest_are_kept_and_of_its_releases(
    drawn: list[tuple[str, bool, int]], keep: int
) -> None:
    made = [
        _entry(f"run-{at}", f"2026-01-01T{hour:02}:00:00Z", experiment=name, tag="v1" if release else None)
        for at, (name, release, hour) in enumerate(drawn)
    ]

    staying = kept(made, keep)

    assert [*staying] == [entry for entry in newest_first(made) if entry in staying]
    for name in "ab":
        for tag in (None, "v1"):
            of_kind = [entry for entry in newest_first(made) if (entry.experiment, entry.tag) == (name, tag)]
            assert [entry for entry in staying if entry in of_kind] == of_kind[:keep]
