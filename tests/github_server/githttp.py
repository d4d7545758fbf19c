"""Git over HTTP, as git itself serves it."""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
from collections.abc import Mapping
from urllib.parse import unquote

from github_server.bare import environment
from github_server.repository import Repository
from github_server.state import Token
from platform_server.replies import Reply

PATH = re.compile(
    r"/(?P<name>[^/]+/[^/]+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack|HEAD|objects/.+)"
)
PASSED_ON = {
    "content-type": "CONTENT_TYPE",
    "content-encoding": "HTTP_CONTENT_ENCODING",
    "git-protocol": "GIT_PROTOCOL",
    "accept": "HTTP_ACCEPT",
    "user-agent": "HTTP_USER_AGENT",
}


def wanted(path: str) -> tuple[str, str] | None:
    """The repository's name and what is wanted of it; None where the path is none of git's."""
    found = PATH.fullmatch(unquote(path))
    return (found["name"], found["rest"]) if found else None


def credential(headers: Mapping[str, str]) -> str | None:
    """The password of the request, which is the token; None where it has none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def served(
    repository: Repository | None,
    token: Token | None,
    *,
    rest: str,
    query: str,
    request: tuple[str, Mapping[str, str], bytes],
) -> Reply:
    """What git answers, to those who may ask."""
    method, headers, body = request
    if token is None and (credential(headers) is not None or repository is None or repository.private):
        return _said(401, "Repository not found.", {"WWW-Authenticate": 'Basic realm="GitHub"'})
    if repository is None or (repository.private and not _may(token, "read", repository)):
        return _said(404, "Repository not found.")
    if "git-receive-pack" in (rest, query.partition("service=")[2]) and not _may(token, "write", repository):
        if token is None:
            return _said(401, "No anonymous write access.", {"WWW-Authenticate": 'Basic realm="GitHub"'})
        return _said(403, f"Permission to {repository.full_name}.git denied to {token.login}.")
    return _backend(repository, {"REQUEST_METHOD": method, "QUERY_STRING": query, "rest": rest}, headers, body)


def _may(token: Token | None, level: str, repository: Repository) -> bool:
    return token is not None and token.may("contents", level, repository.full_name)


def _backend(repository: Repository, asked: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Reply:
    path = repository.path
    given = {name: headers[header] for header, name in PASSED_ON.items() if header in headers}
    variables = {
        "GIT_PROJECT_ROOT": str(path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{path.name}/{asked['rest']}",
        "REQUEST_METHOD": asked["REQUEST_METHOD"],
        "QUERY_STRING": asked["QUERY_STRING"],
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_USER": "somebody",  # who may push has been decided by now
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ["git", "http-backend"], input=body, capture_output=True, env=environment() | variables | given, check=False
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    if not head:
        return _said(500, done.stderr.decode(errors="replace"))
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(fields.pop("Status", "200").split()[0])
    return Reply(status=status, content=content, headers=fields)


def _said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status=status, content=text.encode(), headers={"Content-Type": "text/plain", **(headers or {})})
