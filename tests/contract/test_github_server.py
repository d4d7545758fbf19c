"""The stand-in for GitHub: what it objects to, how it answers, what it keeps; and its git."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from github_server import GitHubServer, Repository
from github_server.bare import environment
from github_server.description import DESCRIPTION, check_answer, operation
from github_server.routing import ENDPOINTS, as_described
from github_server.scenes import ID, NAME, Work, history

HERE = f"/repos/{NAME}"
needs_description = pytest.mark.skipif(
    not DESCRIPTION.is_file(), reason="needs the folder `shared` beside the repository"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHubServer]:
    with GitHubServer(tmp_path / "github") as found:
        yield found


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


@pytest.fixture
def repository(server: GitHubServer, work: Work) -> Repository:
    """With two commits on main, one more on a branch with a pull request from a fork, and a run of a workflow."""
    made = server.repository(NAME, id=ID)
    _, second = history(work, ["one", "two"])
    work.git("checkout", "-q", "-b", "topic/a")
    head = work.commit("three", {"evals/rows.jsonl": "{}\n"})
    work.publish(made)
    made.open_pull(5, head_sha=head, head_ref="topic/a", base_sha=second, head_repository="other/bees")
    made.add_workflow_run(7, head_sha=head, head_branch="topic/a", head_repository="other/bees")
    return made


def client_of(server: GitHubServer, token: str | None = None, *, url: str | None = None) -> httpx.Client:
    headers = {
        "Authorization": f"Bearer {token or server.token()}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "honeyhive/2",
    }
    return httpx.Client(base_url=url or server.api_url, headers=headers, trust_env=False)


# --- what it objects to, and how it answers --------------------------------------------------------------------------


OBJECTIONABLE: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", f"{HERE}/issues/5/comments", {"json": {"body": ""}}, "'' should be non-empty"),
    ("POST", f"{HERE}/issues/5/comments", {"json": {"body": "x" * 65_537}}, "is too long"),
    ("POST", f"{HERE}/issues/5/comments", {"json": {"body": "x", "draft": True}}, "draft is not described"),
    ("POST", f"{HERE}/issues/5/comments", {"json": {}}, "'body' is a required property"),
    ("GET", f"{HERE}/issues/5/comments", {"params": {"per_page": "101"}}, "101 is greater than the maximum of 100"),
    ("GET", f"{HERE}/issues/5/comments", {"params": {"pages": "2"}}, "the query's pages is not described"),
    ("GET", f"{HERE}/issues/five/comments", {}, "five"),
    ("POST", f"{HERE}/check-runs", {"json": {"name": "gate"}}, "'head_sha' is a required property"),
    ("PATCH", f"{HERE}/check-runs/1", {"json": {"status": "completed"}}, "is not valid under any of the given schemas"),
    ("GET", f"{HERE}/compare/main...topic", {"json": {}}, "a body is not described"),
    ("GET", f"{HERE}/wiki", {}, "no endpoint that this server knows"),
    ("GET", HERE, {"headers": {"Accept": "*/*"}}, "accept is not application/vnd.github+json"),
    ("GET", HERE, {"headers": {"Authorization": "Basic x"}}, "without a token"),
]


@needs_description
@pytest.mark.parametrize(("method", "path", "content", "message"), OBJECTIONABLE)
def test_a_request_that_is_not_as_described_is_noted(
    server: GitHubServer, method: str, path: str, content: dict[str, Any], message: str
) -> None:
    with client_of(server) as client:
        client.request(method, path, **content)
    assert any(message in one and one.startswith(f"{method} {path}: ") for one in server.violations), server.violations


def every_request(server: GitHubServer, repository: Repository) -> None:
    """One of each that the server knows, and some that it refuses."""
    sha, place = repository.pulls[5].head_sha, f"{HERE}/issues/5/comments"
    artifact = repository.add_artifact(7, "honeyhive-report", b"PK")
    ref = quote("topic/a", safe="")
    with client_of(server) as client:
        comment = client.post(place, json={"body": "x"}).json()["id"]
        check = client.post(f"{HERE}/check-runs", json={"name": "gate", "head_sha": sha}).json()["id"]
        output = {"title": "t", "summary": "s"}
        client.patch(f"{HERE}/check-runs/{check}", json={"conclusion": "success", "output": output})
        client.patch(f"{HERE}/issues/comments/{comment}", json={"body": "y"})
        for path in (
            HERE,
            place,
            f"{HERE}/issues/comments/{comment}",
            f"{HERE}/check-runs/{check}",
            f"{HERE}/commits/{ref}/check-runs",
            f"{HERE}/compare/main...{ref}",
            f"{HERE}/compare/{ref}...main",
            f"{HERE}/git/commits/{sha}",
            f"{HERE}/commits/{sha}/pulls",
            f"{HERE}/commits/{ref}",
            f"{HERE}/pulls",
            f"{HERE}/pulls/5",
            f"{HERE}/pulls/5/files",
            f"{HERE}/actions/runs/7",
            f"{HERE}/actions/runs/7/artifacts",
            f"{HERE}/actions/artifacts/{artifact.id}/zip",
            f"{HERE}/git/ref/heads/topic%2Fa",
            f"{HERE}/git/matching-refs/heads",
            f"{HERE}/contents/evals%2Frows.jsonl?ref=topic/a",
            "/user",
            "/rate_limit",
        ):
            client.get(path)
        client.delete(f"{HERE}/issues/comments/{comment}")
        client.get(f"{HERE}/compare/main...unknown")
        client.get(f"{HERE}/issues/9/comments")
    with client_of(server, server.token(login="alice")) as client:
        client.get("/user")
    with client_of(server, server.token(permissions={})) as client:
        client.post(place, json={"body": "x"})


@needs_description
def test_every_answer_is_as_described(server: GitHubServer, repository: Repository) -> None:
    every_request(server, repository)
    assert server.violations == []
    for request in server.requests:
        check_answer(request, server.described(request)[1])
    asked = {server.described(one)[0] for one in server.requests if one.answered in (200, 201, 204, 302)}
    known = {as_described(one, _any_parts(one.template))[0] for one in ENDPOINTS}
    assert {template for template in known if not template.startswith("/_")} <= asked


def _any_parts(template: str) -> dict[str, str]:
    return {part.partition("}")[0]: "x" for part in template.split("{")[1:]}


@needs_description
def test_every_endpoint_is_described() -> None:
    for endpoint in ENDPOINTS:
        template = as_described(endpoint, _any_parts(endpoint.template))[0]
        assert template.startswith("/_") or operation(endpoint.method, template)


# --- what it keeps ---------------------------------------------------------------------------------------------------


def test_both_addresses_are_the_same_server(server: GitHubServer, repository: Repository) -> None:
    token = server.token()
    with client_of(server, token) as ghes, client_of(server, token, url=server.url) as plain:
        assert ghes.get(HERE).json() == plain.get(HERE).json()
        assert ghes.get("/repositories/17/pulls/5").json()["number"] == 5
    assert [one.path for one in server.requests[:2]] == [HERE, HERE]


def test_pages_lead_to_each_other_by_the_repositorys_number(server: GitHubServer, repository: Repository) -> None:
    ids = [repository.add_comment(5, f"c{at}").id for at in range(25)]
    found: list[int] = []
    with client_of(server) as client:
        answer = client.get(f"{HERE}/issues/5/comments", params={"per_page": 10})
        found += [one["id"] for one in answer.json()]
        while "next" in answer.links:
            assert "/repositories/17/issues/5/comments?" in answer.links["next"]["url"]
            answer = client.get(answer.links["next"]["url"])
            found += [one["id"] for one in answer.json()]
    assert found == ids == sorted(ids)
    assert server.violations == []


def test_comments_are_written_as_who_the_token_is(server: GitHubServer, repository: Repository) -> None:
    for token in (server.token(), server.token(app="hive-bot"), server.token(login="alice")):
        with client_of(server, token) as client:
            client.post(f"{HERE}/issues/5/comments", json={"body": "x"})
    assert [(one.login, one.is_bot, one.app) for one in repository.comments[5]] == [
        ("github-actions[bot]", True, "github-actions"),
        ("hive-bot[bot]", True, "hive-bot"),
        ("alice", False, None),
    ]


def test_comments_made_at_once_have_ids_of_their_own(server: GitHubServer, repository: Repository) -> None:
    token = server.token()

    def write(who: int) -> list[int]:
        with client_of(server, token) as client:
            bodies = [{"body": f"{who}.{at}"} for at in range(10)]
            return [client.post(f"{HERE}/issues/5/comments", json=body).json()["id"] for body in bodies]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(write, range(8)))
    assert all(ids == sorted(ids) for ids in made)
    assert sorted(one for ids in made for one in ids) == [one.id for one in repository.comments[5]]
    assert len({one.id for one in repository.comments[5]}) == 80
    assert server.violations == []


def test_a_fork_may_read_and_no_more(server: GitHubServer, repository: Repository) -> None:
    token = server.token(permissions={"contents": "read", "pull-requests": "read"})
    with client_of(server, token) as client:
        assert client.get(f"{HERE}/issues/5/comments").json() == []
        refused = client.post(f"{HERE}/issues/5/comments", json={"body": "x"})
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by integration"
    assert refused.headers["x-accepted-github-permissions"] == "issues=write; pull_requests=write"
    assert repository.comments == {}


def test_only_apps_make_check_runs(server: GitHubServer, repository: Repository) -> None:
    body = {"name": "gate", "head_sha": repository.pulls[5].head_sha}
    with client_of(server, server.token(login="alice")) as client:
        assert client.post(f"{HERE}/check-runs", json=body).status_code == 403
    assert repository.checks == {}


def test_an_artifact_is_fetched_where_it_is_kept_without_the_token(
    server: GitHubServer, repository: Repository
) -> None:
    artifact = repository.add_artifact(7, "honeyhive-report", b"PK\x03\x04zip")
    old = repository.add_artifact(7, "old", b"PK", expired=True)
    with client_of(server) as client:
        listed = client.get(f"{HERE}/actions/runs/7/artifacts", params={"name": "honeyhive-report"}).json()
        assert [one["id"] for one in listed["artifacts"]] == [artifact.id]
        place = client.get(f"{HERE}/actions/artifacts/{artifact.id}/zip").headers["location"]
        assert httpx.get(place, trust_env=False).content == b"PK\x03\x04zip"
        assert client.get(f"{HERE}/actions/artifacts/{old.id}/zip").status_code == 410
        assert server.violations == []
        client.get(place)
    assert "the token went to where the artifact is kept" in server.violations[-1]


def test_the_test_merge_has_base_and_head_as_its_parents(
    server: GitHubServer, repository: Repository, work: Work
) -> None:
    work.git("checkout", "-q", "main")
    base = work.commit("later", {"later.txt": "x"})
    work.publish(repository, "main")
    merge = repository.test_merge(5)
    assert repository.bare.parents(merge) == [base, repository.pulls[5].head_sha]
    assert repository.bare.refs()["refs/pull/5/merge"] == merge


# --- git -------------------------------------------------------------------------------------------------------------


def git(*arguments: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    who = () if token is None else ("-c", f"http.extraHeader=AUTHORIZATION: basic {header}")
    variables = environment() | {"GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(["git", *who, *arguments], env=variables, capture_output=True, text=True, check=False)


def url_of(server: GitHubServer) -> str:
    return f"{server.url}/{NAME}.git"


def test_a_public_repository_is_cloned_by_anybody(server: GitHubServer, repository: Repository, tmp_path: Path) -> None:
    done = git("clone", "-q", "--depth=1", "--branch=main", f"{server.url}/{NAME}", str(tmp_path / "clone"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone/two.txt").read_text() == "two"
    assert (tmp_path / "clone/.git/shallow").exists()


def test_commits_are_fetched_by_their_sha_and_without_blobs(
    server: GitHubServer, repository: Repository, tmp_path: Path
) -> None:
    first = repository.bare.commits("main~1", "main")[0]
    git("init", "-q", str(tmp_path / "clone"))
    where = ("-C", str(tmp_path / "clone"))
    done = git(*where, "fetch", "-q", "--filter=blob:none", "--depth=1", url_of(server), first)
    assert done.returncode == 0, done.stderr
    assert git(*where, "rev-parse", "FETCH_HEAD").stdout.strip() == first
    missing = git(*where, "rev-list", "--objects", "--missing=print", "FETCH_HEAD").stdout
    assert any(line.startswith("?") for line in missing.splitlines())


def test_a_private_repository_asks_who_one_is(server: GitHubServer, repository: Repository, tmp_path: Path) -> None:
    repository.private = True
    reads, none = server.token(permissions={"contents": "read"}), server.token(permissions={})
    listed = [git("ls-remote", url_of(server), token=one) for one in (reads, None, "ghs_unknown", none)]
    assert [one.returncode for one in listed] == [0, 128, 128, 128]
    assert "refs/heads/main" in listed[0].stdout


def test_a_push_needs_contents_write(server: GitHubServer, repository: Repository, work: Work) -> None:
    reads, writes = server.token(permissions={"contents": "read"}), server.token(permissions={"contents": "write"})
    push = ("-C", str(work.folder), "push", url_of(server), "HEAD:refs/heads/runs")
    refused = git(*push, token=reads)
    assert refused.returncode == 128
    assert f"Permission to {NAME}.git denied to github-actions[bot]." in refused.stderr
    assert "403" in refused.stderr
    assert git(*push).returncode == 128
    assert git(*push, token=writes).returncode == 0
    assert repository.bare.commit("runs") == work.git("rev-parse", "HEAD")


def test_a_large_push_arrives_in_chunks(server: GitHubServer, repository: Repository, work: Work) -> None:
    noise = "".join(f"{at * 7919 % 1_000_003:x}" for at in range(400_000))
    sha = work.commit("large", {"large.txt": noise})
    push = ("-C", str(work.folder), "-c", "http.postBuffer=65536", "push", url_of(server), "HEAD:refs/heads/large")
    done = git(*push, token=server.token())
    assert done.returncode == 0, done.stderr
    assert repository.bare.commit("large") == sha
    assert any("chunked" in one.headers.get("transfer-encoding", "") for one in server.git_requests)


def test_many_refs_are_asked_for_in_a_compressed_body(
    server: GitHubServer, repository: Repository, tmp_path: Path
) -> None:
    main = repository.bare.commit("main")
    repository.bare.git("update-ref", "--stdin", text="".join(f"create refs/tags/t{at} {main}\n" for at in range(300)))
    tree = repository.bare.git("rev-parse", "main^{tree}").strip()
    who = ("-c", "user.name=bee", "-c", "user.email=bee@example.com")
    for at in range(40):
        made = repository.bare.git(*who, "commit-tree", tree, "-m", f"root {at}").strip()
        repository.bare.git("update-ref", f"refs/heads/root{at}", made)
    done = git("clone", "-q", url_of(server), str(tmp_path / "clone"))
    assert done.returncode == 0, done.stderr
    assert any(one.headers.get("content-encoding") == "gzip" for one in server.git_requests)


def test_a_lost_race_is_refused_as_git_does_it(server: GitHubServer, repository: Repository, work: Work) -> None:
    token = server.token()
    push = ("-C", str(work.folder), "push", "--force-with-lease=main:" + "1" * 40, url_of(server), "HEAD:main")
    done = git(*push, token=token)
    assert done.returncode == 1
    assert "stale info" in done.stderr


def test_git_may_fail_too(server: GitHubServer, repository: Repository) -> None:
    server.fail("GET", f"/{NAME}.git/info/refs", "502", times=1)
    assert "502" in git("ls-remote", url_of(server)).stderr
    assert git("ls-remote", url_of(server)).returncode == 0
    assert server.requests == []
