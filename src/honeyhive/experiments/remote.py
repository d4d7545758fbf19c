"""The address of a git remote, made fit to be shown: no credentials, and the page that people open."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, kw_only=True)
class Remote:
    """Where a remote is, without anything that could be a credential."""

    url: str
    web: str | None
    """The repository's page; `None` where it is reached neither over the web nor by ssh."""


_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#\\]*)(?P<rest>.*)", re.IGNORECASE)
_SCP = re.compile(r"(?:(?P<user>[^/:]*)@)?(?P<host>[^/:@]+):(?P<rest>[^:].*)")
_HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9a-f:.]+\])(?::\d*)?", re.IGNORECASE)
_LOCAL = re.compile(r"(?!.*//)\.{0,2}/|[^:@]*$")
_SSH_HOSTS = {"ssh.github.com": "github.com"}  # GitHub's ssh on the https port has no pages of its own


def parse_remote(address: str) -> Remote | None:
    """The remote at `address`; `None` where a password in it could not be told from the rest.

    Kept of a user is only the name `git`, for ssh. A query and a fragment are dropped.
    """
    if not address.isprintable():
        return None
    if url := _URL.fullmatch(address):
        return _parse_url(url["scheme"].lower(), url["authority"], url["rest"])
    if _LOCAL.match(address):
        return Remote(url=address, web=None)
    scp = _SCP.fullmatch(address)
    if scp is None or "@" in scp["rest"]:
        return None
    user = "git@" if scp["user"] == "git" else ""
    path = _path(scp["rest"])
    return Remote(url=f"{user}{scp['host']}:{path}", web=_web("ssh", scp["host"], path))


def _parse_url(scheme: str, authority: str, rest: str) -> Remote | None:
    userinfo, _, host = authority.rpartition("@")
    # An @ further on may end a password that holds a slash: git would not log in with it, and it still is one.
    if "@" in rest or not (_HOST.fullmatch(host) or (scheme == "file" and not host)):
        return None
    user = "git@" if scheme == "ssh" and userinfo.partition(":")[0] == "git" else ""
    return Remote(url=f"{scheme}://{user}{host}{_path(rest)}", web=_web(scheme, host, _path(rest)))


def _path(rest: str) -> str:
    return re.split(r"[?#]", rest, maxsplit=1)[0]


def _web(scheme: str, host: str, path: str) -> str | None:
    known = _HOST.fullmatch(host)
    page = quote(path.strip("/").removesuffix(".git"), safe="/%~+")
    if scheme not in ("http", "https", "ssh") or not known or not page:
        return None
    if scheme == "ssh":
        return f"https://{_SSH_HOSTS.get(known['name'], known['name'])}/{page}"
    return f"{scheme}://{host}/{page}"
