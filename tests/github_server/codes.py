"""The endpoints of code: the repository, commits, comparisons, pull requests, runs of workflows, refs and files."""

from __future__ import annotations

import base64
from typing import Any

from github_server.asking import Answer, Asked, Endpoint
from github_server.repository import Repository
from github_server.state import SITE, Artifact, Pull, Refused, WorkflowRun, user

MOST_FILES, MOST_PULL_FILES, COMMITS_AT_ONCE = 300, 3_000, 250

REPO = "/repos/{owner}/{repo}"


def get_repository(asked: Asked) -> Answer:
    return Answer(body=asked.repository.json())


def compare(asked: Asked) -> Answer:
    bare, (base, dots, head) = asked.repository.bare, asked.parts["basehead"].partition("...")
    first, last = (bare.commit(name.rpartition(":")[2]) for name in (base, head))
    if not dots or first is None or last is None:
        raise Refused(404, "Not Found")
    middle = bare.merge_base(first, last)
    if middle is None:
        raise Refused(404, f"No common ancestor between {base} and {head}.")
    ahead, behind = bare.commits(first, last), bare.commits(last, first)
    items, links = asked.page(ahead, default=COMMITS_AT_ONCE)
    files = (
        []
        if asked.query("page", "1") != "1"
        else [_file(one.path, one.status, one.previous) for one in bare.changed(middle, last)[:MOST_FILES]]
    )
    return Answer(
        body={
            "status": _status(len(ahead), len(behind)),
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "base_commit": _commit(asked.repository, first),
            "merge_base_commit": _commit(asked.repository, middle),
            "commits": [_commit(asked.repository, one) for one in items],
            "files": files,
        },
        headers=links,
    )


def _status(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


def get_git_commit(asked: Asked) -> Answer:
    sha = asked.parts["commit_sha"]
    if asked.repository.bare.commit(sha) != sha:
        raise Refused(404, "Not Found")
    commit = _commit(asked.repository, sha)
    return Answer(body=commit["commit"] | {"sha": sha, "parents": commit["parents"]})


def get_commit(asked: Asked) -> Answer:
    sha = asked.repository.bare.commit(asked.parts["ref"])
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {asked.parts['ref']}")
    return Answer(body=_commit(asked.repository, sha))


def get_pull(asked: Asked) -> Answer:
    return Answer(body=_pull_json(asked, _pull(asked)))


def list_pulls(asked: Asked) -> Answer:
    state = asked.query("state", "open")
    found = [one for one in asked.repository.pulls.values() if state in ("all", one.state)]
    items, links = asked.page(found)
    return Answer(body=[_pull_json(asked, one) for one in items], headers=links)


def pulls_of_commit(asked: Asked) -> Answer:
    found = [one for one in asked.repository.pulls.values() if one.head_sha == asked.parts["commit_sha"]]
    items, links = asked.page(found)
    return Answer(body=[_pull_json(asked, one) for one in items], headers=links)


def pull_files(asked: Asked) -> Answer:
    pull, bare = _pull(asked), asked.repository.bare
    if pull.files is not None:
        files = [_file(path, "renamed" if before else "modified", before) for path, before in pull.files]
    else:
        middle = bare.merge_base(bare.commit(pull.base_ref) or pull.base_sha, pull.head_sha) or pull.base_sha
        files = [_file(one.path, one.status, one.previous) for one in bare.changed(middle, pull.head_sha)]
    items, links = asked.page(files[:MOST_PULL_FILES])
    return Answer(body=list(items), headers=links)


def get_workflow_run(asked: Asked) -> Answer:
    return Answer(body=_run_json(asked, _run(asked)))


def list_artifacts(asked: Asked) -> Answer:
    run, name = _run(asked), asked.query("name")
    kept = asked.repository.artifacts.values()
    found = [one for one in kept if one.run_id == run.id and name in ("", one.name)]
    items, links = asked.page(found)
    listed = [_artifact_json(asked, one) for one in items]
    return Answer(body={"total_count": len(found), "artifacts": listed}, headers=links)


def download_artifact(asked: Asked) -> Answer:
    artifact = _artifact(asked)
    if artifact.expired:
        raise Refused(410, "Artifact has expired")
    return Answer(status=302, headers={"Location": f"{asked.base}/_blobs/{asked.repository.id}/{artifact.id}.zip"})


def get_blob_of_artifact(asked: Asked) -> Answer:
    """What storage gives to whoever has the address, token or not."""
    for repository in asked.repositories.values():
        artifact = repository.artifacts.get(asked.number("artifact_id"))
        if repository.id == asked.number("repository_id") and artifact is not None:
            return Answer(content=artifact.content, headers={"Content-Type": "application/zip"})
    raise Refused(404, "Not Found")


def get_ref(asked: Asked) -> Answer:
    name = f"refs/{asked.parts['ref']}"
    sha = asked.repository.bare.refs().get(name)
    if sha is None:
        raise Refused(404, "Not Found")
    return Answer(body=_ref(name, sha))


def matching_refs(asked: Asked) -> Answer:
    found = asked.repository.bare.refs().items()
    return Answer(body=[_ref(name, sha) for name, sha in found if name.startswith(f"refs/{asked.parts['ref']}")])


def get_contents(asked: Asked) -> Answer:
    bare, path = asked.repository.bare, asked.parts["path"]
    commit = bare.commit(asked.query("ref", asked.repository.default_branch))
    listed = bare.git("ls-tree", "-z", "--full-tree", commit, "--", path).rstrip("\0") if commit else ""
    if not listed or listed.split()[1] != "blob":
        raise Refused(404, "Not Found")
    sha = listed.split()[2]
    content = bare.content("cat-file", "blob", sha)
    about = {"type": "file", "name": path.rpartition("/")[2], "path": path, "sha": sha, "size": len(content)}
    return Answer(body=about | {"encoding": "base64", "content": base64.encodebytes(content).decode()})


def _file(path: str, status: str, previous: str | None) -> dict[str, Any]:
    before = {} if previous is None else {"previous_filename": previous}
    return {"filename": path, "status": status, "additions": 1, "deletions": 0, "changes": 1, **before}


def _commit(repository: Repository, sha: str) -> dict[str, Any]:
    show = ("show", "--no-patch", "--format=%T%n%an%n%ae%n%B", sha)
    tree, name, email, message = repository.bare.git(*show).split("\n", 3)
    who = {"name": name, "email": email, "date": "2026-01-05T09:00:00Z"}
    url = f"https://api.github.com/repos/{repository.full_name}/commits"
    parents = [{"sha": one, "url": f"{url}/{one}", "html_url": f"{url}/{one}"} for one in repository.bare.parents(sha)]
    inner = {"author": who, "committer": who, "message": message.strip(), "tree": {"sha": tree, "url": url}}
    return {"sha": sha, "commit": inner, "parents": parents, "author": user(name), "committer": user(name)}


def _ref(name: str, sha: str) -> dict[str, Any]:
    return {"ref": name, "object": {"type": "commit", "sha": sha}}


def _pull(asked: Asked) -> Pull:
    found = asked.repository.pulls.get(asked.number("pull_number"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _pull_json(asked: Asked, pull: Pull) -> dict[str, Any]:
    owner = asked.repository.full_name.partition("/")[0]
    author = (pull.head_repository or "ghost/none").partition("/")[0]
    return {
        "number": pull.number,
        "state": pull.state,
        "draft": pull.draft,
        "merged": pull.merged,
        "title": "A change",
        "user": user(author),
        "html_url": f"{SITE}/{asked.repository.full_name}/pull/{pull.number}",
        "head": {
            "ref": pull.head_ref,
            "sha": pull.head_sha,
            "label": f"{author}:{pull.head_ref}",
            "repo": _repository_json(asked, pull.head_repository),
            "user": user(author),
        },
        "base": {
            "ref": pull.base_ref,
            "sha": pull.base_sha,
            "label": f"{owner}:{pull.base_ref}",
            "repo": asked.repository.json(),
            "user": user(owner),
        },
    }


def _repository_json(asked: Asked, full_name: str | None) -> dict[str, Any] | None:
    if full_name is None:
        return None
    here = asked.repositories.get(full_name)
    if here is not None:
        return here.json()
    owner, _, name = full_name.partition("/")
    about = {"id": asked.repository.ids(full_name), "name": name, "full_name": full_name, "owner": user(owner)}
    return about | {"private": False, "fork": True, "default_branch": "main", "html_url": f"{SITE}/{full_name}"}


def _run(asked: Asked) -> WorkflowRun:
    found = asked.repository.runs.get(asked.number("run_id"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _run_json(asked: Asked, run: WorkflowRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "event": run.event,
        "head_sha": run.head_sha,
        "head_branch": run.head_branch,
        "head_repository": _repository_json(asked, run.head_repository),
        "repository": asked.repository.json(),
        "run_attempt": run.attempt,
        "status": "completed",
        "conclusion": "success",
        "pull_requests": [],
        "html_url": f"{SITE}/{asked.repository.full_name}/actions/runs/{run.id}",
    }


def _artifact(asked: Asked) -> Artifact:
    found = asked.repository.artifacts.get(asked.number("artifact_id"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _artifact_json(asked: Asked, artifact: Artifact) -> dict[str, Any]:
    run = asked.repository.runs[artifact.run_id]
    about = {"id": artifact.id, "name": artifact.name, "size_in_bytes": len(artifact.content)}
    of = {"id": run.id, "head_sha": run.head_sha, "head_branch": run.head_branch}
    return about | {"expired": artifact.expired, "workflow_run": of}


CODE_ENDPOINTS = tuple(
    Endpoint(method="GET", template=template, needs=needs, level="read", act=act)
    for template, needs, act in (
        (REPO, ("metadata",), get_repository),
        (f"{REPO}/compare/{{basehead}}", ("contents",), compare),
        (f"{REPO}/git/commits/{{commit_sha}}", ("contents",), get_git_commit),
        (f"{REPO}/commits/{{commit_sha}}/pulls", ("pull_requests", "contents"), pulls_of_commit),
        (f"{REPO}/commits/{{ref}}", ("contents",), get_commit),
        (f"{REPO}/pulls", ("pull_requests",), list_pulls),
        (f"{REPO}/pulls/{{pull_number}}", ("pull_requests", "contents"), get_pull),
        (f"{REPO}/pulls/{{pull_number}}/files", ("pull_requests",), pull_files),
        (f"{REPO}/actions/runs/{{run_id}}", ("actions",), get_workflow_run),
        (f"{REPO}/actions/runs/{{run_id}}/artifacts", ("actions",), list_artifacts),
        (f"{REPO}/actions/artifacts/{{artifact_id}}/zip", ("actions",), download_artifact),
        ("/_blobs/{repository_id}/{artifact_id}.zip", (), get_blob_of_artifact),
        (f"{REPO}/git/ref/{{ref}}", ("contents",), get_ref),
        (f"{REPO}/git/matching-refs/{{ref}}", ("contents",), matching_refs),
        (f"{REPO}/contents/{{path}}", ("contents",), get_contents),
    )
)
