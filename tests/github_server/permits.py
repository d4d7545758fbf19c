"""Who may do what, and how a request says who asks."""

from __future__ import annotations

from collections.abc import Sequence

from github_server.asking import Asked
from github_server.state import Refused
from platform_server.arrivals import Recorded


def permit(asked: Asked, needs: Sequence[str], level: str) -> None:
    """Refuse the request where its token has none of the permissions at that level."""
    here, token = asked.here, asked.token
    if here is None:
        raise Refused(404, "Not Found")
    visible = not here.private or token.may("metadata", "read", here.full_name)
    if not visible:
        raise Refused(404, "Not Found")
    if level == "read" and not here.private:
        return
    if not any(token.may(one, level, here.full_name) for one in needs):
        whose = "integration" if token.app is not None else "personal access token"
        accepted = "; ".join(f"{one}={level}" for one in needs)
        headers = {"x-accepted-github-permissions": accepted}
        raise Refused(403, f"Resource not accessible by {whose}", headers)


def wrong_headers(request: Recorded) -> Sequence[str]:
    """What a request to GitHub should say and this one does not."""
    wanted = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
    found = [f"{name} is not {value}" for name, value in wanted.items() if request.headers.get(name) != value]
    found += [] if bearer(request) else ["without a token"]
    return found + ([] if "honeyhive" in request.headers.get("user-agent", "") else ["without our user agent"])


def bearer(request: Recorded) -> str:
    """The token of the request; empty where it has none."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text if scheme.lower() in ("bearer", "token") else ""
