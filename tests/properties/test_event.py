"""Whatever stands in the event of a job: a place known by safe words, or a refusal; never a stranger's rights."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.whereabouts.kinds import Checkout, Kind
from honeyhive.ci.whereabouts.situation import situation
from honeyhive.errors import ConfigError
from honeyhive.experiments.provenance import described_by_ci, read_event
from often import OFTEN
from properties.accidents import accidents, often_altered
from properties.readings import explained

HEAD, MERGE, MAIN, OTHER = ("1" * 40, "2" * 40, "3" * 40, "4" * 40)
OURS = {"id": 17, "full_name": "acme/qa", "default_branch": "main"}
FORK = {"id": 99, "full_name": "eve/qa", "default_branch": "main"}
REQUEST: dict[str, Any] = {
    "action": "synchronize",
    "pull_request": {
        "number": 12,
        "merged": False,
        "user": {"login": "ada"},
        "head": {"ref": "shorter", "sha": HEAD, "repo": FORK},
        "base": {"ref": "main", "sha": MAIN, "repo": OURS},
    },
    "repository": OURS,
}
EVENTS: dict[str, dict[str, Any]] = {
    "pull_request": REQUEST,
    "pull_request_target": REQUEST,
    "push": {"ref": "refs/heads/main", "before": MAIN, "deleted": False, "forced": False, "repository": OURS},
    "merge_group": {
        "merge_group": {
            "head_sha": MERGE,
            "head_ref": f"refs/heads/gh-readonly-queue/main/pr-12-{HEAD}",
            "base_sha": MAIN,
            "base_ref": "refs/heads/main",
        },
        "repository": OURS,
    },
    "release": {"action": "published", "release": {"tag_name": "v1"}, "repository": OURS},
    "workflow_run": {"workflow_run": {"head_repository": FORK, "actor": {"login": "eve"}}, "repository": OURS},
    "issue_comment": {"issue": {"number": 12}, "comment": {"body": "::error::EVIL"}, "repository": OURS},
}
ENVIRON = {
    "GITHUB_SHA": MERGE,
    "GITHUB_REF": "refs/pull/12/merge",
    "GITHUB_REPOSITORY": "acme/qa",
    "GITHUB_REPOSITORY_ID": "17",
    "GITHUB_RUN_ID": "1",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_API_URL": "https://api.github.com",
}
STRANGE = st.sampled_from(
    ["", "a\nb", "\x1b[2J", "https://evil.example@x", "..", "x" * 300, OTHER, "::error::EVIL", "refs/heads/main"]
)
CHECKOUTS = [
    Checkout(commit=MERGE, parents=(MAIN, HEAD)),
    Checkout(commit=MERGE, parents=(MAIN, HEAD), branch="main", default_branch="main", is_pristine=True),
    Checkout(commit=HEAD, parents=(OTHER,)),
    Checkout(),
]  # fmt: skip
SENT = st.sampled_from([*EVENTS]).flatmap(
    lambda name: st.tuples(
        st.just(name),
        accidents([json.dumps(EVENTS[name]).encode()], most=3)
        | often_altered(EVENTS[name]).map(lambda value: json.dumps(value).encode()),
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events")


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list | tuple):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


@OFTEN
@given(
    sent=SENT,
    odd=st.dictionaries(st.sampled_from([*ENVIRON]), STRANGE, max_size=2),
    checkout=st.sampled_from(CHECKOUTS),
)
def test_any_event_is_a_place_that_is_known_by_safe_words_or_refused(
    folder: Path, sent: tuple[str, bytes], odd: dict[str, str], checkout: Checkout
) -> None:
    name, content = sent
    (folder / "event.json").write_bytes(content)
    environ = {**ENVIRON, **odd, "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(folder / "event.json")}
    event = read_event(environ)
    assert (event.payload is None) == bool(event.reason)
    described_by_ci(environ, event)
    try:
        found = situation(environ, event.payload, checkout)
    except ConfigError as error:
        explained(error, 2)
        return
    for text in texts(asdict(found)):
        assert text.isprintable()
        assert len(text) <= 300
        text.encode("utf-8")
    assert found.number is None or 0 < found.number < 2**31
    assert found.commit == checkout.commit
    assert name != "pull_request_target"
    if name in ("workflow_run", "issue_comment"):
        assert checkout.is_pristine is True or (name == "workflow_run" and b"99" not in content)


@OFTEN
@given(value=often_altered({key: part for key, part in REQUEST.items() if key != "repository"}))
def test_a_change_is_our_own_only_where_the_event_says_so(value: Any) -> None:
    checkout = Checkout(commit=MERGE, parents=(MAIN, HEAD))
    payload = value if isinstance(value, dict) else None
    found = situation({**ENVIRON, "GITHUB_EVENT_NAME": "pull_request"}, payload, checkout)
    assert found.kind is Kind.PULL_REQUEST
    assert not found.saves
    if not found.is_fork:
        assert "acme/qa" in json.dumps(value["pull_request"]["head"]["repo"])
