"""What the CI environment and the event of a pull request say of a run, and what they may not say."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.experiments.headcommit import HeadCommit
from honeyhive.experiments.provenance import (
    CI_FIELDS,
    FIELDS,
    Event,
    described_by_ci,
    flat,
    provenance,
    read_event,
    telemetry_off,
)

HEAD, BASE = "a1" * 20, "b2" * 20
JOB = {
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_BASE_REF": "main",
    "GITHUB_HEAD_REF": "shorter-prompt",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/widget",
    "GITHUB_RUN_ID": "9876543210",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SHA": "c3" * 20,
}
PULL_REQUEST: dict[str, Any] = {
    "action": "synchronize",
    "pull_request": {
        "number": 12,
        "base": {"ref": "main", "sha": BASE},
        "head": {"ref": "shorter-prompt", "sha": HEAD, "repo": None},
        "title": "Shorter prompt",
    },
}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([HEAD, "main", 12]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["pull_request", "merge_group", "base", "head", "ref", "sha", "number", "base_sha"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def told(environ: Mapping[str, str] = JOB, payload: Mapping[str, Any] | None = PULL_REQUEST) -> dict[str, Any]:
    """The fields that are known; each of the others has a reason."""
    found = described_by_ci(environ, Event(payload=payload, reason="no event here" if payload is None else ""))
    absent = found.pop("absent")
    assert found.keys() | absent.keys() == {*CI_FIELDS}
    assert not found.keys() & absent.keys()
    assert all(absent.values())
    return found


def reason(field: str, environ: Mapping[str, str] = JOB, payload: Mapping[str, Any] | None = PULL_REQUEST) -> str:
    found = described_by_ci(environ, Event(payload=payload, reason="no event here" if payload is None else ""))
    assert field not in found
    return str(found["absent"][field])


def changed(path: str, value: Any) -> dict[str, Any]:
    """The event of the pull request with one value replaced."""
    event = json.loads(json.dumps(PULL_REQUEST))
    *way, last = path.split(".")
    place = event
    for key in way:
        place = place[key]
    place[last] = value
    return dict(event)


# --- what is known ---------------------------------------------------------------------------------------------------


def test_a_pull_request_knows_its_head_its_base_and_its_job() -> None:
    assert told() == {
        "base_ref": "main",
        "base_sha": BASE,
        "head_ref": "shorter-prompt",
        "head_sha": HEAD,
        "pr_number": 12,
        "run_url": "https://github.com/acme/widget/actions/runs/9876543210",
        "run_attempt": 2,
        "event": "pull_request",
    }
    assert reason("merge_base") == "the history is not searched for it"


def test_the_merge_base_is_what_somebody_has_found_who_searched_the_history() -> None:
    assert told(JOB | {"HONEYHIVE_MERGE_BASE": BASE})["merge_base"] == BASE
    assert reason("merge_base", JOB | {"HONEYHIVE_MERGE_BASE": "main"}) == (
        "HONEYHIVE_MERGE_BASE has an unexpected form"
    )


def test_the_parents_of_the_test_merge_are_its_base_and_its_head() -> None:
    main, head = "d4" * 20, "e5" * 20
    merge = HeadCommit(commit=JOB["GITHUB_SHA"], parents=(main, head))
    for event in (Event(payload=PULL_REQUEST), Event(reason="no event here")):
        found = described_by_ci(JOB, event, merge)
        assert (found["base_sha"], found["head_sha"]) == (main, head)


@pytest.mark.parametrize(
    ("environ", "checked_out"),
    [
        (JOB, None),
        (JOB, HeadCommit(commit=HEAD, parents=("d4" * 20, "e5" * 20))),
        (JOB, HeadCommit(commit=JOB["GITHUB_SHA"], parents=("d4" * 20,))),
        (JOB | {"GITHUB_REF": "refs/heads/main"}, HeadCommit(commit=JOB["GITHUB_SHA"], parents=("d4" * 20, HEAD))),
        (JOB | {"GITHUB_REF": "refs/pull/12/head"}, HeadCommit(commit=JOB["GITHUB_SHA"], parents=("d4" * 20, HEAD))),
    ],
    ids=["nothing", "a merge of somebody's", "no merge", "a branch", "the head"],
)
def test_the_parents_of_anything_else_are_neither(environ: dict[str, str], checked_out: HeadCommit | None) -> None:
    found = described_by_ci(environ, Event(payload=PULL_REQUEST), checked_out)
    assert (found["base_sha"], found["head_sha"]) == (BASE, HEAD)


def test_what_the_event_says_goes_before_what_the_environment_says() -> None:
    found = told(JOB | {"GITHUB_BASE_REF": "other", "GITHUB_HEAD_REF": "other", "GITHUB_REF": "refs/pull/99/merge"})
    assert (found["base_ref"], found["head_ref"], found["pr_number"]) == ("main", "shorter-prompt", 12)


def test_a_merge_group_knows_its_head_and_its_base() -> None:
    group = {
        "base_ref": "refs/heads/main",
        "base_sha": BASE,
        "head_ref": "refs/heads/queue/main/pr-12",
        "head_sha": HEAD,
    }
    found = told({"GITHUB_EVENT_NAME": "merge_group"}, {"merge_group": group})
    assert found == {
        "base_ref": "main",
        "base_sha": BASE,
        "head_ref": "queue/main/pr-12",
        "head_sha": HEAD,
        "event": "merge_group",
    }
    assert reason("pr_number", {}, {"merge_group": group}) == "the event's merge_group does not say"


def test_a_push_has_no_pull_request() -> None:
    environ = {**JOB, "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    del environ["GITHUB_BASE_REF"], environ["GITHUB_HEAD_REF"]
    push = {"before": BASE, "after": HEAD, "ref": "refs/heads/main"}
    assert told(environ, push).keys() == {"run_url", "run_attempt", "event"}
    for field in ("base_ref", "base_sha", "head_ref", "head_sha", "pr_number"):
        assert reason(field, environ, push) == "the event is not about a pull request"


def test_without_its_event_a_job_knows_its_branches_and_its_number() -> None:
    found = told(JOB, None)
    assert (found["base_ref"], found["head_ref"], found["pr_number"]) == ("main", "shorter-prompt", 12)
    assert reason("base_sha", JOB, None) == reason("head_sha", JOB, None) == "no event here"


def test_outside_of_ci_each_field_says_what_is_not_set() -> None:
    assert told({}, None) == {}
    assert reason("event", {}, None) == "GITHUB_EVENT_NAME is not set"
    assert reason("run_attempt", {}, None) == "GITHUB_RUN_ATTEMPT is not set"
    assert reason("run_url", {}, None) == "GITHUB_SERVER_URL is not set"
    assert reason("base_ref", {}, None) == "no event here"


# --- what may not be said --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("pull_request.base.sha", "main", "base_sha"),
        ("pull_request.base.sha", HEAD + "\n", "base_sha"),
        ("pull_request.base.sha", HEAD.upper(), "base_sha"),
        ("pull_request.base.sha", 12, "base_sha"),
        ("pull_request.head.sha", ["x"], "head_sha"),
        ("pull_request.head.sha", None, "head_sha"),
        ("pull_request.base", "main", "base_sha"),
        ("pull_request.base.ref", {"name": "main"}, "base_ref"),
        ("pull_request.base.ref", "", "base_ref"),
        ("pull_request.head.ref", "a\nb", "head_ref"),
        ("pull_request.head.ref", "a\x1b[2Jb", "head_ref"),
        ("pull_request.head.ref", "a\u202eb", "head_ref"),
        ("pull_request.head.ref", "\ud800", "head_ref"),
        ("pull_request.head.ref", "x" * 256, "head_ref"),
        ("pull_request.number", "12", "pr_number"),
        ("pull_request.number", True, "pr_number"),
        ("pull_request.number", 0, "pr_number"),
        ("pull_request.number", -1, "pr_number"),
        ("pull_request.number", 2**31, "pr_number"),
        ("pull_request.number", 12.0, "pr_number"),
    ],
)
def test_a_value_of_the_event_that_is_not_what_it_should_be_is_absent(path: str, value: Any, field: str) -> None:
    said = reason(field, JOB, changed(path, value))
    assert said.isprintable()
    assert len(said) < 100


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("GITHUB_SERVER_URL", "https://user:secret@github.com", "run_url"),
        ("GITHUB_SERVER_URL", "https://secret@github.com", "run_url"),
        ("GITHUB_SERVER_URL", "https://github.com?token=secret", "run_url"),
        ("GITHUB_SERVER_URL", "https://github.com/#secret", "run_url"),
        ("GITHUB_SERVER_URL", "javascript:secret", "run_url"),
        ("GITHUB_SERVER_URL", "https://github.com\nsecret", "run_url"),
        ("GITHUB_REPOSITORY", "acme/widget?token=secret", "run_url"),
        ("GITHUB_REPOSITORY", "secret@acme/widget", "run_url"),
        ("GITHUB_RUN_ID", "1/secret", "run_url"),
        ("GITHUB_RUN_ATTEMPT", "secret", "run_attempt"),
        ("GITHUB_RUN_ATTEMPT", "9" * 30, "run_attempt"),
        ("GITHUB_EVENT_NAME", "secret event", "event"),
        ("GITHUB_EVENT_NAME", "push\n", "event"),
    ],
)
def test_a_variable_of_an_unexpected_form_is_absent_and_not_shown(name: str, value: str, field: str) -> None:
    found = described_by_ci(JOB | {name: value}, Event(payload=PULL_REQUEST))
    assert field not in found
    assert found["absent"][field] == f"{name} has an unexpected form"
    assert "secret" not in json.dumps(found)


@given(JSON_VALUES, st.dictionaries(st.sampled_from(sorted(JOB)), st.text(max_size=10)))
def test_whatever_the_event_and_the_environment_every_field_is_there_or_has_a_reason(
    payload: Any, environ: dict[str, str]
) -> None:
    found = told(environ, payload if isinstance(payload, dict) else None)
    for value in found.values():
        assert isinstance(value, int) or (isinstance(value, str) and value.isprintable() and len(value) < 500)


# --- the event's file ------------------------------------------------------------------------------------------------


def event_at(path: Path | str) -> Event:
    return read_event({"GITHUB_EVENT_PATH": str(path)})


def test_the_event_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text(json.dumps(PULL_REQUEST))
    assert event_at(tmp_path / "event.json") == Event(payload=PULL_REQUEST)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the event is not JSON"),
        (b"{", "the event is not JSON"),
        (b'{"a": 1, "a": 2}', "the event is not JSON"),
        (b'{"a": NaN}', "the event is not JSON"),
        (b"\xff\xfe", "the event is not JSON"),
        (b"[" * 100_000, "the event is not JSON"),
        (b"[1]", "the event is no JSON object"),
        (b'"' + b"x" * 8 * 2**20 + b'"', "the event is larger than 8 MiB"),
    ],
)
def test_what_is_no_event_is_a_reason(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "event.json").write_bytes(content)
    assert event_at(tmp_path / "event.json") == Event(reason=said)


def test_an_event_that_is_no_file_is_a_reason_and_nothing_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, tmp_path / "missing", "/dev/zero", "a\0b"):
        assert event_at(place).reason == "GITHUB_EVENT_PATH names no file"
    assert read_event({}).reason == "GITHUB_EVENT_PATH is not set"


# --- switched off ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["HONEYHIVE_TELEMETRY", "HH_TELEMETRY"])
@pytest.mark.parametrize("value", ["false", "False", "0", "F", "no", "N", "OFF", " off "])
def test_telemetry_can_be_switched_off(name: str, value: str, tmp_path: Path) -> None:
    assert telemetry_off({name: value}) == name
    found = provenance(tmp_path, {**JOB, name: value, "GITHUB_EVENT_PATH": str(tmp_path / "no such file")})
    assert found == {"absent": dict.fromkeys(FIELDS, f"{name} is off")}
    assert flat(found) == {}


@pytest.mark.parametrize("value", ["true", "1", "on", "", "maybe"])
def test_any_other_value_leaves_it_on(value: str) -> None:
    assert telemetry_off({"HONEYHIVE_TELEMETRY": value, "HH_TELEMETRY": value}) is None


def test_one_of_the_two_switches_is_enough() -> None:
    assert telemetry_off({"HONEYHIVE_TELEMETRY": "true", "HH_TELEMETRY": "no"}) == "HH_TELEMETRY"


# --- as metadata -----------------------------------------------------------------------------------------------------


def test_the_metadata_of_a_session_has_only_the_fields_that_are_there() -> None:
    found = described_by_ci(JOB, Event(payload=PULL_REQUEST))
    assert flat({**found, "is_dirty": False, "commit_hash": HEAD}) == {
        **told(),
        "is_dirty": False,
        "commit_hash": HEAD,
    }


def test_nothing_else_becomes_metadata_whatever_a_run_file_says() -> None:
    assert flat({"commit_hash": {"deep": 1}, "event": ["x"], "branch": None, "api_key": "x", "absent": {}}) == {}
