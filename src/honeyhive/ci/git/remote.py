"""The repository on its server: fetched from and pushed to, with the token and with nothing that the checkout says.

The token goes to git in its environment, as configuration for that one address: never in an argument, never in a file.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from honeyhive.ci.git.objects import is_full_name
from honeyhive.documents import in_one_line
from honeyhive.errors import RepositoryError
from honeyhive.experiments.gitprocess import QUIET, GitFailed, GitProcess, inherited, search_path

if TYPE_CHECKING:  # it comes with all that HTTP takes
    from honeyhive.api.retries import Budget

_PROTOCOLS = ("https", "http", "ssh", "file")
_NETWORK = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
)
_OWN = ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSH")
# What other programs call the certificates, and what git calls them.
_CERTIFICATES = {"SSL_CERT_FILE": "GIT_SSL_CAINFO", "SSL_CERT_DIR": "GIT_SSL_CAPATH"}
_NAME = "gate"
_MOST = 64 * 2**20
_SETTINGS = {
    "credential.interactive": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
}
_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before the next try, of five in all."""
_READ_HINT = "the token needs `permissions: contents: read`; is the address that of the repository?"


@dataclass(frozen=True)
class Address:
    """Where the repository is: a URL (https, http, ssh, file), and the token for it.

    With a token nothing of the user's git configuration is used; without, their own configuration and credentials are.
    """

    url: str
    token: str | None = field(default=None, repr=False)


class Refusal(StrEnum):
    """Why a push did not get through."""

    LOST = "another job was faster"
    DENIED = "the server refuses it"
    FAILED = "it failed"


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A push that did not get through, with what the server said."""

    why: Refusal
    reason: str


class Remote:
    """The repository on its server, as a bare repository of ours talks to it."""

    def __init__(self, address: Address, *, timeout: float, pause: Callable[[float], None] = time.sleep) -> None:
        """`timeout` is in seconds for each exchange, `pause` waits for another try."""
        self.within: Budget | None = None
        self._address = address
        self._timeout = timeout
        self._pause = pause
        parts = _parts(address.url)
        if parts is None:
            raise RepositoryError(
                "what is given as the address of the repository is none", hint=f"one of {', '.join(_PROTOCOLS)}://"
            )
        if parts.password:
            raise RepositoryError("the address of the repository holds a password", hint="give the token apart")

    def fetch(self, git: GitProcess, *refspecs: str, options: Sequence[str] = ()) -> None:
        """Fetch into the repository of `git`; `GitFailed` where the server does not give it."""
        self._asked(git, "fetch", "--quiet", "--no-tags", *options, _NAME, *refspecs)

    def refs(self, git: GitProcess, *patterns: str) -> Mapping[str, str]:
        """What the server's refs point to, by name; tags also as `NAME^{}`, the commit behind them."""
        try:
            listed = self._asked(git, "ls-remote", _NAME, *patterns)
        except GitFailed as failed:
            raise unreachable("the branches and tags", failed) from failed
        lines = (line.partition("\t") for line in listed.decode("utf-8", "surrogateescape").splitlines())
        return {name: commit for commit, _, name in lines if is_full_name(commit)}

    def push(self, git: GitProcess, commit: str, ref: str, *, expected: str | None) -> Refused | None:
        """Make the ref point to the commit where it points to `expected`, or is not there; why it does not."""
        lease = f"--force-with-lease={ref}:{expected or ''}"
        try:
            self._run(git, "push", "--quiet", "--no-verify", lease, _NAME, f"{commit}:{ref}")
        except GitFailed as failed:
            return _refused(failed, names=(ref, ref.removeprefix("refs/heads/"), self._address.url))
        return None

    def _asked(self, git: GitProcess, *arguments: str) -> bytes:
        """What changes nothing, asked again where that may help."""
        for wait in _WAITS:
            try:
                return self._run(git, *arguments)
            except GitFailed as failed:
                if not _PASSING.search(f"{failed}\n{failed.errors}") or wait > self._left():
                    raise
            self._pause(wait)
        return self._run(git, *arguments)

    def _left(self) -> float:
        return self._timeout if self.within is None else min(self._timeout, self.within.left())

    def _run(self, git: GitProcess, *arguments: str) -> bytes:
        if self._left() <= 0:
            raise GitFailed("the time for reporting was over")
        process = replace(git, environment=self._environment(git), timeout=self._left())
        try:
            answer = process.run(*arguments, most=_MOST)
        except GitFailed as failed:
            raise GitFailed(self._clean(str(failed)), errors=self._clean(failed.errors)) from None
        if not answer.whole:
            raise GitFailed(f"git {arguments[0]} says more than {_MOST:,} bytes")
        return answer.output

    def _environment(self, git: GitProcess) -> Mapping[str, str]:
        settings = [*_SETTINGS.items(), (f"remote.{_NAME}.url", self._address.url), *self._credentials()]
        certificates = {to: os.environ[name] for name, to in _CERTIFICATES.items() if name in os.environ}
        own = inherited(*_OWN)
        if self._address.token:
            # Whoever can write to the home of a job could lead the token elsewhere; there may be a .netrc, too.
            own |= {"HOME": str(git.root), "XDG_CONFIG_HOME": str(git.root)}
            own |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
            own = {name: value for name, value in own.items() if name not in _OWN}
        return {
            **own,
            **certificates,
            **{name: os.environ[name] for name in _NETWORK if name in os.environ},
            **QUIET,
            "PATH": search_path(),
            "GIT_DIR": git.environment["GIT_DIR"],
            "GIT_ALLOW_PROTOCOL": ":".join(_PROTOCOLS),
            "GIT_CONFIG_COUNT": str(len(settings)),
            **{f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in enumerate(settings)},
            **{f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(settings)},
        }

    def _credentials(self) -> Sequence[tuple[str, str]]:
        if not self._address.token:
            return ()
        header = f"http.{self._address.url}.extraHeader"
        return (
            ("credential.helper", ""),
            ("http.followRedirects", "false"),  # the token is for this server
            (header, ""),  # takes away what was said before: two such headers are refused
            (header, f"Authorization: basic {_basic(self._address.token)}"),
        )

    def _clean(self, text: str) -> str:
        token = self._address.token
        for secret in (token, _basic(token)) if token else ():
            text = text.replace(secret, "***")
        return text


def unreachable(what: str, failed: GitFailed) -> RepositoryError:
    """The error for something that the server did not give."""
    text = f"{failed}\n{failed.errors}"
    hint = "run again; is the server reachable from here?"
    if _GONE.search(text):
        hint = "the server has it no longer: was the branch deleted, or pushed by force?"
    elif _DENIED.search(text):
        hint = _READ_HINT
    return RepositoryError(f"{what} cannot be fetched: {in_one_line(str(failed))}", hint=hint)


def _basic(token: str) -> str:
    return base64.b64encode(f"x-access-token:{token}".encode()).decode()


def _parts(url: str) -> SplitResult | None:
    """The parts of an address that git may be given; `git@host:path`, as people write it, is one of ssh."""
    if not url.isprintable() or " " in url:
        return None
    whole = f"ssh://{url.replace(':', '/', 1)}" if _SCP.fullmatch(url) else url
    try:
        parts = urlsplit(whole)
    except ValueError:
        return None
    return parts if parts.scheme in _PROTOCOLS else None


_SCP = re.compile(r"(?:[\w.-]+@)?[A-Za-z0-9][\w.-]*:(?!//)[^:]+")


# --- what a server says to a push ------------------------------------------------------------------------------------

_LOST = re.compile(
    r"stale info|fetch first|non-fast-forward|cannot lock ref|reference already exists|failed to update ref"
    r"|incorrect old value|unable to create '[^']*\.lock'|remote ref updated since checkout",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b40[13]\b|denied|forbidden|protected branch|not permitted|not allowed|hook declined|GH0(?:06|13)\b"
    r"|rule violations|permission|authentication failed|could not read (?:username|password)|write access"
    r"|deny updating",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"returned error: (?:408|429|5\d\d)\b|RPC failed|connection (?:was )?reset|recv failure|empty reply|early EOF"
    r"|unexpected disconnect|hung up|unexpected eof|gnutls_handshake|SSL_read|SSL_ERROR_SYSCALL|bad gateway",
    re.IGNORECASE,
)
_GONE = re.compile(r"not our ref|couldn't find remote ref", re.IGNORECASE)
_SAID = re.compile(r"^remote: *(.*[^ ]) *$", re.MULTILINE)
_STATUS = re.compile(r"^ *! \[[^\]]*\].*\(([^()]*)\)$", re.MULTILINE)


def _refused(failed: GitFailed, *, names: Sequence[str]) -> Refused:
    said = f"{failed}\n{failed.errors}"
    text = said
    for name in names:  # a branch may be called anything, also "denied"
        text = text.replace(name, "")
    statuses = " ".join(_STATUS.findall(text))
    lost = _LOST.search(statuses or text)
    why = Refusal.LOST if lost else Refusal.DENIED if _DENIED.search(text) else Refusal.FAILED
    parts = [*_SAID.findall(said)[:2], *_STATUS.findall(said)[:1]] or [str(failed)]
    return Refused(why=why, reason=in_one_line("; ".join(parts))[:300])
