"""Which event means what: where we are, what a change starts from, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.whereabouts.situation import Base, Checkout, Job, Kind, Situation, situation
from honeyhive.errors import ConfigError
from often import OFTEN

HEAD, MAIN, MERGE, OLD, OTHER = ("a1" * 20, "b2" * 20, "c3" * 20, "d4" * 20, "e5" * 20)
TEST_MERGE = Checkout(commit=MERGE, parents=(MAIN, HEAD), is_dirty=False)
ON_MAIN = Checkout(commit=MAIN, parents=(OLD,), branch="main", is_dirty=False, is_pristine=True)
REPOSITORY = {"id": 17, "full_name": "honey/bees", "default_branch": "main"}
JOB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "ada",
    "GITHUB_API_URL": "https://api.github.com",
    "GITHUB_JOB": "gate",
    "GITHUB_REPOSITORY": "honey/bees",
    "GITHUB_REPOSITORY_ID": "17",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_RUN_ID": "9876543210",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_WORKFLOW": "Evaluate",
}


def job(event: str, ref: str = "refs/heads/main", sha: str = MAIN, **more: str) -> dict[str, str]:
    return {**JOB, "GITHUB_EVENT_NAME": event, "GITHUB_REF": ref, "GITHUB_SHA": sha, **more}


REQUEST_JOB = job("pull_request", "refs/pull/12/merge", MERGE, GITHUB_BASE_REF="main", GITHUB_HEAD_REF="shorter")


def request(**more: Any) -> dict[str, Any]:
    """The event of a pull request from a branch of the repository; its `base.sha` is that of long ago."""
    pull = {
        "number": 12,
        "user": {"login": "ada"},
        "head": {"ref": "shorter", "sha": HEAD, "repo": REPOSITORY},
        "base": {"ref": "main", "sha": OLD, "repo": REPOSITORY},
    }
    return {"action": "synchronize", "pull_request": pull | more, "repository": REPOSITORY}


def of_request(payload: Mapping[str, Any] | None = None, checkout: Checkout = TEST_MERGE, **environ: str) -> Situation:
    return situation(REQUEST_JOB | environ, request() if payload is None else payload, checkout)


def starts_from(commit: str, words: str) -> Base:
    return Base(commit=commit, words=words)


def parts_from(one: str, other: str) -> Base:
    return Base(between=(one, other), words="merge base")


# --- the events ------------------------------------------------------------------------------------------------------

QUEUE_REF = f"refs/heads/gh-readonly-queue/main/pr-12-{MAIN}"
GROUP = {"head_sha": HEAD, "head_ref": QUEUE_REF, "base_sha": MAIN, "base_ref": "refs/heads/main"}
HERE = {"repository": REPOSITORY}
PUSHED = Checkout(commit=MAIN, parents=(OLD, OTHER), branch="main", is_dirty=False)
SIDE = Checkout(commit=HEAD, parents=(OLD,), branch="side", is_dirty=False)
ZEROS = "0" * 40

EVENTS: list[tuple[str, dict[str, str], dict[str, Any], Checkout, Kind, Base | None, dict[str, Any]]] = [
    # what, environment, event, checkout, kind, base, and what else is known
    (
        "a pull request, its test merge checked out",
        REQUEST_JOB, request(), TEST_MERGE,
        Kind.PULL_REQUEST, starts_from(MAIN, "first parent"),
        {"number": 12, "head": HEAD, "head_ref": "shorter", "base_ref": "main", "is_fork": False},
    ),
    (
        "its head checked out",
        REQUEST_JOB, request(), Checkout(commit=HEAD, parents=(OLD,), is_dirty=False),
        Kind.PULL_REQUEST, parts_from("main", HEAD), {"number": 12, "head": HEAD},
    ),
    (
        "its head checked out, which is a merge of its own",
        REQUEST_JOB, request(), Checkout(commit=HEAD, parents=(OTHER, MAIN), is_dirty=False),
        Kind.PULL_REQUEST, parts_from("main", HEAD), {"head": HEAD},
    ),
    (
        "a merge that looks like the test merge, of the pull request's own making",
        REQUEST_JOB, request(), Checkout(commit=OTHER, parents=(OLD, HEAD), is_dirty=False),
        Kind.PULL_REQUEST, parts_from("main", OTHER), {"head": HEAD},
    ),
    (
        "a re-run after another push: the test merge is that of then",
        REQUEST_JOB, request(head={"ref": "shorter", "sha": OTHER, "repo": REPOSITORY}), TEST_MERGE,
        Kind.PULL_REQUEST, starts_from(MAIN, "first parent"), {"head": HEAD},
    ),
    (
        "a review of a pull request",
        REQUEST_JOB | {"GITHUB_EVENT_NAME": "pull_request_review"}, request(), TEST_MERGE,
        Kind.PULL_REQUEST, starts_from(MAIN, "first parent"), {"number": 12},
    ),
    (
        "a pull request that was squashed and merged: its base branch is checked out",
        job("pull_request", "refs/heads/main", MAIN), request(merged=True), ON_MAIN,
        Kind.PULL_REQUEST, starts_from(OLD, "first parent"), {"number": 12, "head": HEAD},
    ),
    (
        "a merge queue",
        job("merge_group", QUEUE_REF, HEAD), {"merge_group": GROUP, **HERE}, SIDE,
        Kind.QUEUE, starts_from(MAIN, "base of the queue"),
        {"number": None, "head": HEAD, "base_ref": "main", "judged_by_base": True},
    ),
    (
        "a push to the default branch",
        job("push"), {"ref": "refs/heads/main", "before": OLD, **HERE}, PUSHED,
        Kind.PUSH, starts_from(OLD, "the commit before"),
        {"head": MAIN, "head_ref": "main", "is_default_branch": True, "saves": True},
    ),
    (
        "a push to another branch",
        job("push", "refs/heads/side", HEAD), {"ref": "refs/heads/side", "before": OTHER, **HERE}, SIDE,
        Kind.PUSH, starts_from(OTHER, "the commit before"), {"is_default_branch": False, "saves": False},
    ),
    (
        "the first push of a branch",
        job("push", "refs/heads/side", HEAD), {"ref": "refs/heads/side", "before": ZEROS, **HERE}, SIDE,
        Kind.PUSH, starts_from(OLD, "first parent"), {"head_ref": "side"},
    ),
    (
        "a push that rewrites the branch",
        job("push"), {"ref": "refs/heads/main", "before": OTHER, "forced": True, **HERE}, ON_MAIN,
        Kind.PUSH, starts_from(OLD, "first parent"), {},
    ),
    (
        "the push of a tag",
        job("push", "refs/tags/v2.1"), {"ref": "refs/tags/v2.1", "before": ZEROS, **HERE}, ON_MAIN,
        Kind.RELEASE, starts_from(OLD, "first parent"), {"tag": "v2.1", "saves": True},
    ),
    (
        "a release",
        job("release", "refs/tags/v2.1"), {"release": {"tag_name": "v2.1"}, **HERE}, ON_MAIN,
        Kind.RELEASE, starts_from(OLD, "first parent"), {"tag": "v2.1", "saves": True},
    ),
    (
        "by night, on the default branch, which the event does not name",
        job("schedule"), {"schedule": "0 3 * * *"}, ON_MAIN,
        Kind.BRANCH, starts_from(MAIN, "this commit"),
        {"is_default_branch": True, "default_branch": "main", "saves": False},
    ),
    (
        "by hand, on the default branch",
        job("workflow_dispatch"), HERE, ON_MAIN,
        Kind.BRANCH, starts_from(MAIN, "this commit"), {"is_default_branch": True},
    ),
    (
        "by hand, on another branch",
        job("workflow_dispatch", "refs/heads/side", HEAD), HERE, SIDE,
        Kind.BRANCH, parts_from("main", HEAD), {"is_default_branch": False, "head_ref": "side"},
    ),
    (
        "by hand, on another branch, with the whole history here",
        job("workflow_dispatch", "refs/heads/side", HEAD), HERE,
        replace(SIDE, default_branch="main", default_commit=MAIN),
        Kind.BRANCH, parts_from(MAIN, HEAD), {"is_default_branch": False},
    ),
    (
        "by hand on the default branch, with another one checked out",
        job("workflow_dispatch"), HERE, SIDE,
        Kind.BRANCH, parts_from("main", HEAD), {"is_default_branch": False, "head_ref": "side"},
    ),
    (
        "from outside",
        job("repository_dispatch"), {}, ON_MAIN,
        Kind.BRANCH, starts_from(MAIN, "this commit"), {"is_default_branch": True},
    ),
    (
        "after another workflow",
        job("workflow_run"), {"workflow_run": {"head_sha": HEAD, "head_repository": REPOSITORY}, **HERE}, ON_MAIN,
        Kind.BRANCH, starts_from(MAIN, "this commit"), {"number": None},
    ),
    (
        "after another workflow, what that ran on checked out",
        job("workflow_run"), {"workflow_run": {"head_sha": HEAD, "head_repository": REPOSITORY}, **HERE},
        replace(SIDE, branch=None),
        Kind.BRANCH, parts_from("main", HEAD), {},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "payload", "checkout", "kind", "base", "more"), [row[1:] for row in EVENTS], ids=[e[0] for e in EVENTS]
)
def test_each_event_says_what_the_job_is_about_and_what_it_starts_from(
    environ: dict[str, str],
    payload: dict[str, Any],
    checkout: Checkout,
    kind: Kind,
    base: Base | None,
    more: dict[str, Any],
) -> None:
    found = situation(environ, payload, checkout)

    assert (found.kind, found.base) == (kind, base)
    assert {name: getattr(found, name) for name in more} == more
    assert (found.event, found.commit) == (environ["GITHUB_EVENT_NAME"], checkout.commit)
    assert (found.repository, found.repository_id) == ("honey/bees", 17)


def test_an_ordinary_pull_request_leaves_nothing_to_note() -> None:
    assert of_request() == Situation(
        kind=Kind.PULL_REQUEST,
        event="pull_request",
        commit=MERGE,
        head=HEAD,
        head_ref="shorter",
        base=starts_from(MAIN, "first parent"),
        base_ref="main",
        number=12,
        repository="honey/bees",
        repository_id=17,
        default_branch="main",
        server_url="https://github.com",
        api_url="https://api.github.com",
        job=Job(run_id=9876543210, attempt=2, workflow="Evaluate", name="gate"),
    )


def test_an_entry_of_the_merge_queue_is_named_and_is_not_the_number_of_its_group() -> None:
    found = situation(job("merge_group", QUEUE_REF, HEAD), {"merge_group": GROUP, **HERE}, SIDE)
    assert found.number is None
    assert found.notes == ("in the merge queue: pull request 12, with those before it",)


def test_a_server_of_ones_own_has_its_own_addresses() -> None:
    found = of_request(GITHUB_SERVER_URL="http://ghes.local:8080", GITHUB_API_URL="http://ghes.local:8080/api/v3")
    assert (found.server_url, found.api_url) == ("http://ghes.local:8080", "http://ghes.local:8080/api/v3")


@pytest.mark.parametrize(
    "address",
    ["https://user:secret@api.github.com", "https://api.github.com/secret", "ftp://secret", "https://a\nsecret"],
)
def test_an_address_that_is_none_is_not_used_and_not_shown(address: str) -> None:
    found = of_request(GITHUB_API_URL=address)
    assert found.api_url is None
    assert found.notes == ("GITHUB_API_URL has an unexpected form",)


# --- forks -----------------------------------------------------------------------------------------------------------


def from_repository(repository: Any) -> dict[str, Any]:
    return request(head={"ref": "shorter", "sha": HEAD, "repo": repository})


@pytest.mark.parametrize(
    ("repository", "is_fork"),
    [
        ({"id": 17, "full_name": "honey/bees"}, False),
        ({"id": 17, "full_name": "honey/former-name"}, False),
        ({"id": 18, "full_name": "eve/bees"}, True),
        ({"id": 18, "full_name": "honey/bees"}, True),
        ({"full_name": "Honey/Bees"}, False),
        ({"full_name": "eve/bees"}, True),
        ({"id": "17", "full_name": 3}, True),
        (None, True),
        ([], True),
    ],
)
def test_a_change_from_another_repository_or_from_none_that_is_known_is_a_forks(repository: Any, is_fork: bool) -> None:
    assert of_request(from_repository(repository)).is_fork is is_fork


def test_a_deleted_fork_is_still_a_pull_request() -> None:
    found = of_request(from_repository(None))
    assert (found.number, found.head, found.base) == (12, HEAD, starts_from(MAIN, "first parent"))
    assert found.notes == ("the repository that the pull request came from is gone",)


def test_what_dependabot_opened_or_started_may_only_read() -> None:
    assert of_request(request(user={"login": "dependabot[bot]"})).is_fork
    assert of_request(GITHUB_ACTOR="dependabot[bot]").is_fork
    push = {"ref": "refs/heads/main", "before": OLD, **HERE}
    assert situation(job("push", GITHUB_ACTOR="dependabot[bot]"), push, ON_MAIN).is_fork
    assert not situation(job("schedule", GITHUB_ACTOR="dependabot[bot]"), HERE, ON_MAIN).is_fork


# --- what is refused -------------------------------------------------------------------------------------------------

TARGET = job("pull_request_target", "refs/heads/main", MAIN)


def test_pull_request_target_is_refused() -> None:
    with pytest.raises(ConfigError, match="secrets and a token that may write") as refused:
        situation(TARGET, request(), ON_MAIN)
    assert "on `pull_request`" in refused.value.hint
    assert "mode: publish" in refused.value.hint


def test_where_it_is_allowed_pull_request_target_runs_the_base_branch_and_nothing_else() -> None:
    found = situation(TARGET, request(), ON_MAIN, allow_pull_request_target=True)
    assert (found.kind, found.number, found.base) == (Kind.BRANCH, None, starts_from(MAIN, "this commit"))
    assert found.notes == ("on pull_request_target it is the base branch that is run, and not the pull request",)


@pytest.mark.parametrize(
    "checkout",
    [
        Checkout(commit=HEAD, parents=(OLD,), is_dirty=False, is_pristine=True),
        replace(TEST_MERGE, is_pristine=True),
        replace(ON_MAIN, is_dirty=True, is_pristine=False),
        replace(ON_MAIN, is_pristine=False),
        replace(ON_MAIN, is_pristine=None),
        Checkout(),
    ],
    ids=["head", "test merge", "dirty", "ignored files", "perhaps dirty", "nothing"],
)
def test_what_may_be_the_pull_requests_is_refused_on_pull_request_target(checkout: Checkout) -> None:
    with pytest.raises(ConfigError, match=r"may write|nothing that may be"):
        situation(TARGET, request(), checkout, allow_pull_request_target=True)


def ended(repository: Any, **more: Any) -> dict[str, Any]:
    return {"workflow_run": {"head_sha": HEAD, "head_repository": repository, **more}, **HERE}


@pytest.mark.parametrize(
    "payload",
    [
        ended({"id": 18, "full_name": "eve/bees"}),
        ended(None),
        ended(REPOSITORY, actor={"login": "dependabot[bot]"}),
        {},
        None,
    ],
    ids=["fork", "deleted fork", "dependabot", "no run", "no event"],
)
@pytest.mark.parametrize("checkout", [Checkout(commit=HEAD), TEST_MERGE, Checkout()], ids=["head", "merge", "nothing"])
def test_a_strangers_run_is_no_reason_to_run_its_code(payload: dict[str, Any] | None, checkout: Checkout) -> None:
    with pytest.raises(ConfigError, match="workflow_run runs with a token that may write"):
        situation(job("workflow_run"), payload, checkout)
    assert situation(job("workflow_run"), payload, ON_MAIN).kind is Kind.BRANCH
    assert situation(job("workflow_run"), payload, checkout, runs_code=False).kind is Kind.BRANCH


@pytest.mark.parametrize("event", ["issue_comment", "issues", "discussion_comment", "check_suite", "some_new_event"])
def test_events_that_strangers_cause_run_the_default_branch_alone(event: str) -> None:
    assert situation(job(event), HERE, ON_MAIN).base == starts_from(MAIN, "this commit")
    for checkout in (Checkout(commit=HEAD), Checkout()):
        with pytest.raises(ConfigError, match="only the commit that it is for, `b2b2b2b`"):
            situation(job(event), HERE, checkout)
    with pytest.raises(ConfigError, match="`unknown`"):
        situation(job(event, sha=""), HERE, ON_MAIN)


def test_an_event_without_a_proper_name_is_none_to_trust() -> None:
    assert situation(job("Push!"), HERE, ON_MAIN).notes == ("GITHUB_EVENT_NAME has an unexpected form",)
    with pytest.raises(ConfigError, match="this event runs with a token"):
        situation(job("Push!"), HERE, Checkout(commit=HEAD))


@pytest.mark.parametrize("action", ["deleted", "unpublished"])
def test_of_a_release_that_was_taken_back_there_is_nothing_to_run(action: str) -> None:
    environ, payload = job("release", "refs/tags/v1"), {"action": action, "release": {"tag_name": "v1"}, **HERE}
    with pytest.raises(ConfigError, match="this release was taken back") as refused:
        situation(environ, payload, ON_MAIN)
    assert "types: [published]" in refused.value.hint
    assert situation(environ, {**payload, "action": "edited"}, ON_MAIN).tag == "v1"


@pytest.mark.parametrize("ref", ["refs/heads/side", "refs/tags/v1"])
def test_of_a_deleted_ref_there_is_nothing_to_run(ref: str) -> None:
    with pytest.raises(ConfigError, match="deleted a branch or a tag") as refused:
        situation(job("push", ref), {"ref": ref, "deleted": True, "after": ZEROS, **HERE}, ON_MAIN)
    assert "github.event.deleted" in refused.value.hint


# --- what is missing -------------------------------------------------------------------------------------------------


def test_without_its_event_a_pull_request_is_known_by_the_environment_and_the_merge() -> None:
    found = situation(REQUEST_JOB, None, TEST_MERGE)
    assert (found.number, found.base_ref, found.head_ref, found.head) == (12, "main", "shorter", HEAD)
    assert found.base == starts_from(MAIN, "first parent")
    assert found.is_fork
    assert found.notes == (
        "the event's file cannot be read",
        "nothing tells which repository the pull request comes from: it is taken for a fork",
    )


def test_without_a_checkout_a_pull_request_starts_where_its_merge_and_its_branch_part() -> None:
    found = of_request(checkout=Checkout())
    assert (found.commit, found.head, found.base) == (None, HEAD, parts_from("main", MERGE))
    assert found.notes == ("there is no commit checked out that git can read",)


def test_a_pull_request_of_which_nothing_is_known_has_no_base() -> None:
    found = situation({"GITHUB_EVENT_NAME": "pull_request"}, {}, Checkout(commit=HEAD, parents=(OLD,)))
    assert (found.base, found.number, found.job, found.is_fork) == (None, None, None, True)
    assert "nothing tells which branch the pull request is to go into" in found.notes
    assert "nothing tells the number of the pull request" in found.notes


def test_the_stale_base_of_the_event_is_taken_where_nothing_better_is_known() -> None:
    checkout = Checkout(commit=HEAD, parents=(OTHER,))
    payload = request(base={"sha": OLD, "ref": None})
    assert of_request(payload, checkout, GITHUB_BASE_REF="").base == parts_from(OLD, HEAD)


def test_a_queue_without_its_base_starts_where_the_branches_part() -> None:
    payload = {"merge_group": {"base_ref": "refs/heads/main"}, **HERE}
    found = situation(job("merge_group", QUEUE_REF, HEAD), payload, SIDE)
    assert found.base == parts_from("main", HEAD)
    assert "the event does not tell the base of the queue" in found.notes


def test_the_first_commit_of_all_starts_from_nothing() -> None:
    first = Checkout(commit=MAIN, branch="main", is_dirty=False)
    assert situation(job("push"), {"ref": "refs/heads/main", "before": ZEROS, **HERE}, first).base is None


# --- no CI -----------------------------------------------------------------------------------------------------------

LOCAL = Checkout(
    commit=HEAD, parents=(OLD, OTHER), branch="side", default_branch="main", default_commit=MAIN, is_dirty=False
)


@pytest.mark.parametrize(
    ("checkout", "base"),
    [
        (LOCAL, parts_from(MAIN, HEAD)),
        (replace(LOCAL, is_dirty=True), parts_from(MAIN, HEAD)),
        (replace(LOCAL, branch=None), parts_from(MAIN, HEAD)),
        (replace(LOCAL, branch="main", is_dirty=True), starts_from(HEAD, "the last commit")),
        (replace(LOCAL, branch="main", is_dirty=False), starts_from(OLD, "first parent")),
        (replace(LOCAL, branch="main", is_dirty=None), starts_from(OLD, "first parent")),
        (replace(LOCAL, branch=None, default_commit=HEAD, is_dirty=True), starts_from(HEAD, "the last commit")),
        (Checkout(commit=HEAD, parents=(OLD,), branch="trunk", is_dirty=False), starts_from(OLD, "first parent")),
        (Checkout(commit=HEAD, branch="main", is_dirty=False), None),
        (Checkout(), None),
    ],
    ids=[
        "a branch", "a dirty branch", "detached", "dirty on main", "clean on main", "perhaps dirty on main",
        "detached at main, dirty", "no default branch", "the first commit", "no repository",
    ],
)  # fmt: skip
def test_outside_of_ci_a_change_starts_from_the_default_branch(checkout: Checkout, base: Base | None) -> None:
    found = situation({"HOME": "/home/ada"}, None, checkout)
    assert (found.kind, found.event, found.base, found.job) == (Kind.LOCAL, "", base, None)
    assert not found.saves
    assert not found.judged_by_base
    assert found.notes == (() if base else ("there is no commit here that this starts from",))


# --- matrices --------------------------------------------------------------------------------------------------------


def key_of(key: str) -> str:
    found = situation(REQUEST_JOB, request(), TEST_MERGE, key=key).job
    assert found is not None
    return found.key


def test_the_key_of_a_matrix_job_is_one_line() -> None:
    assert key_of('{\n  "model": "small",\n  "os": "linux"\n}') == '{ "model": "small", "os": "linux" }'
    assert key_of("::error::x\x1b[2J") == ": :error::x [2J"


def test_long_keys_stay_apart() -> None:
    one, other = key_of("x" * 500 + "a"), key_of("x" * 500 + "b")
    assert len(one) == len(other) <= 200
    assert one != other


# --- whatever stands there -------------------------------------------------------------------------------------------

NAMES = (
    "pull_request", "merge_group", "workflow_run", "release", "repository", "head", "base", "repo", "ref", "sha", "id",
    "full_name", "number", "user", "login", "before", "deleted", "forced", "tag_name", "default_branch", "base_sha",
    "base_ref", "head_ref", "head_sha", "head_repository", "actor", "merged",
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from([HEAD, MAIN, ZEROS, "main", "refs/heads/", "refs/tags/v1", "a\nb", "\ud800", "x" * 300, 17, 12])
)  # fmt: skip
PAYLOADS = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        max_leaves=15,
    ),
    max_size=6,
)
EVENT_NAMES = [
    "pull_request", "pull_request_target", "merge_group", "push", "release", "schedule", "workflow_run",
    "issue_comment",
]  # fmt: skip
VARIABLES = ["GITHUB_REF", "GITHUB_SHA", "GITHUB_BASE_REF", *JOB]
CHECKOUTS = st.sampled_from([TEST_MERGE, ON_MAIN, SIDE, LOCAL, Checkout(), Checkout(commit=HEAD)])


@OFTEN
@given(
    payload=PAYLOADS,
    event=st.sampled_from(EVENT_NAMES),
    environ=st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=8) | st.sampled_from(["x" * 300, HEAD])),
    checkout=CHECKOUTS,
    key=st.text(),
)
def test_whatever_the_event_holds_nothing_but_a_refusal_comes_of_it(
    payload: dict[str, Any], event: str, environ: dict[str, str], checkout: Checkout, key: str
) -> None:
    try:
        found = situation({**job(event, sha=MERGE), **environ}, payload, checkout, key=key)
    except ConfigError:
        return
    for text in texts(asdict(found)):
        assert text.isprintable()
        assert len(text) <= 300
        text.encode("utf-8")
    assert found.number is None or 0 < found.number < 2**31
    assert found.repository_id is None or 0 < found.repository_id < 10**18


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    return [text for inner in value for text in texts(inner)] if isinstance(value, list | tuple) else []
