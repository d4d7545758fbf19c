"""The endpoints of people's words: comments, check runs, who one is."""

from __future__ import annotations

from typing import Any

from github_server.asking import Answer, Asked, Endpoint
from github_server.state import SITE, Comment, Refused, moment

LONGEST_BODY = 65_536

ISSUE = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id}"
CHECKS = "/repos/{owner}/{repo}/check-runs"
CHECK = "/repos/{owner}/{repo}/check-runs/{check_run_id}"

WORDS = ("issues", "pull_requests")


def list_comments(asked: Asked) -> Answer:
    number = _issue(asked)
    items, links = asked.page([one for one in asked.repository.kept_comments if one.number == number])
    return Answer(body=[one.json(asked.repository.full_name) for one in items], headers=links)


def get_comment(asked: Asked) -> Answer:
    return Answer(body=_comment(asked).json(asked.repository.full_name))


def create_comment(asked: Asked) -> Answer:
    number, body = _issue(asked), _text(asked)
    if number in asked.repository.locked:
        raise Refused(403, "Unable to create comment because issue is locked.")
    token = asked.token
    made = asked.repository.add_comment(number, body, login=token.login, is_bot=token.app is not None, app=token.app)
    return Answer(body=made.json(asked.repository.full_name), status=201)


def update_comment(asked: Asked) -> Answer:
    comment = _comment(asked)
    comment.body = _text(asked)
    comment.bodies.append(comment.body)
    comment.edits.append(asked.token.login)
    comment.updated_at = moment(asked.repository.ids("event"))
    return Answer(body=comment.json(asked.repository.full_name))


def delete_comment(asked: Asked) -> Answer:
    asked.repository.kept_comments.remove(_comment(asked))
    return Answer(status=204)


def create_check(asked: Asked) -> Answer:
    if asked.token.app is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    given = asked.body
    if asked.repository.bare.commit(str(given.get("head_sha"))) is None:
        raise Refused(422, f"No commit found for SHA: {given.get('head_sha')}")
    check_id = asked.repository.ids("check")
    app = {"id": 15368, "slug": asked.token.app, "name": asked.token.app}
    began = {"id": check_id, "status": "queued", "conclusion": None, "started_at": moment(0), "completed_at": None}
    check = began | {
        "app": app,
        "html_url": f"{SITE}/{asked.repository.full_name}/runs/{check_id}",
        "output": _output(),
    }
    asked.repository.kept_checks[check_id] = check
    return Answer(body=_changed(asked, check), status=201)


def update_check(asked: Asked) -> Answer:
    return Answer(body=_changed(asked, _check(asked)))


def get_check(asked: Asked) -> Answer:
    return Answer(body=_shown(_check(asked)))


def list_checks(asked: Asked) -> Answer:
    sha = asked.repository.bare.commit(asked.parts["ref"])
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {asked.parts['ref']}")
    name = asked.query("check_name")
    found = [one for one in asked.repository.kept_checks.values() if one["head_sha"] == sha]
    found = [one for one in found if name in ("", one["name"])]
    items, links = asked.page(found)
    return Answer(body={"total_count": len(found), "check_runs": list(map(_shown, items))}, headers=links)


def get_user(asked: Asked) -> Answer:
    if asked.token.app is not None:
        raise Refused(403, "Resource not accessible by integration")
    return Answer(body=asked.token.user | {"user_view_type": "private"})


def rate_limit(asked: Asked) -> Answer:
    core = {"limit": 5000, "used": 1, "remaining": 4999, "reset": 1767603600}
    return Answer(body={"resources": {"core": core, "search": core}, "rate": core})


def _changed(asked: Asked, check: dict[str, Any]) -> dict[str, Any]:
    """The check run with what the request says of it; annotations are added to those that are there."""
    given = dict(asked.body)
    output = given.pop("output", None)
    check |= given
    if given.get("conclusion"):
        check |= {
            "status": "completed",
            "completed_at": given.get("completed_at", moment(asked.repository.ids("event"))),
        }
    if output is not None:
        annotations = check.get("annotations", []) + output.pop("annotations", [])
        check["annotations"] = annotations
        check["output"] = check["output"] | output | {"annotations_count": len(annotations)}
    return _shown(check)


def _shown(check: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in check.items() if name != "annotations"}


def _output() -> dict[str, Any]:
    url = "https://api.github.com/annotations"
    return {"title": None, "summary": None, "text": None, "annotations_count": 0, "annotations_url": url}


def _check(asked: Asked) -> dict[str, Any]:
    found = asked.repository.kept_checks.get(asked.number("check_run_id"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _issue(asked: Asked) -> int:
    number = asked.number("issue_number")
    if number not in asked.repository.issues:
        raise Refused(404, "Not Found")
    return number


def _comment(asked: Asked) -> Comment:
    wanted = asked.number("comment_id")
    for comment in asked.repository.kept_comments:
        if comment.id == wanted:
            return comment
    raise Refused(404, "Not Found")


def _text(asked: Asked) -> str:
    body = asked.body.get("body")
    if not isinstance(body, str) or not body.strip():
        raise Refused(422, "Validation Failed: body can't be blank")
    if len(body) > LONGEST_BODY:
        raise Refused(422, f"Validation Failed: body is too long (maximum is {LONGEST_BODY} characters)")
    return body


WORDS_ENDPOINTS = tuple(
    Endpoint(method=method, template=template, needs=needs, level=level, act=act)
    for method, template, needs, level, act in (
        ("GET", ISSUE, WORDS, "read", list_comments),
        ("POST", ISSUE, WORDS, "write", create_comment),
        ("GET", COMMENT, WORDS, "read", get_comment),
        ("PATCH", COMMENT, WORDS, "write", update_comment),
        ("DELETE", COMMENT, WORDS, "write", delete_comment),
        ("POST", CHECKS, ("checks",), "write", create_check),
        ("GET", CHECK, ("checks",), "read", get_check),
        ("PATCH", CHECK, ("checks",), "write", update_check),
        ("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", ("checks",), "read", list_checks),
        ("GET", "/user", (), "read", get_user),
        ("GET", "/rate_limit", (), "read", rate_limit),
    )
)
