"""Where a run comes from: what git knows of its code, and what the CI environment says of the pull request and job.

The event of a pull request is text of whoever opened it, and so are the names of its branches: every value is checked
for its type, its length and its characters, and what does not pass is absent with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from honeyhive.documents import Malformed, load_json
from honeyhive.experiments import git
from honeyhive.experiments.headcommit import HeadCommit, head_commit

CI_FIELDS = (
    "base_ref",
    "base_sha",
    "head_ref",
    "head_sha",
    "merge_base",
    "pr_number",
    "run_url",
    "run_attempt",
    "event",
)
"""What the CI environment tells, or the reason why it does not."""

FIELDS = (*git.FIELDS, *CI_FIELDS)

MERGE_BASE_VARIABLE = "HONEYHIVE_MERGE_BASE"
"""The variable by which whoever has searched the history tells the merge base."""

_SWITCHES = ("HONEYHIVE_TELEMETRY", "HH_TELEMETRY")
_OFF = frozenset({"false", "0", "f", "no", "n", "off"})
_MAX_EVENT = 8 * 2**20
MAX_NAME = 255
"""No branch, tag or job has a longer name."""
MAX_NUMBER = 2**31 - 1
"""No pull request has a higher number."""

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
EVENT_NAME = re.compile(r"[a-z_]{1,60}")
RUN_ID = re.compile(r"[0-9]{1,20}")
ATTEMPT = re.compile(r"[0-9]{1,9}")
MERGE_REF = re.compile(r"refs/pull/([0-9]{1,10})/(?:merge|head)")
# No user, no query, no fragment: nothing in which a credential could stand.
SERVER = re.compile(r"https?://[A-Za-z0-9.-]{1,200}(?::[0-9]{1,5})?")
REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")


def provenance(directory: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The git and CI fields of a run in `directory`, and under `absent` why each of the others is not there.

    Where `HONEYHIVE_TELEMETRY` or `HH_TELEMETRY` is off nothing is there, and neither git nor the event is looked at.
    """
    switch = telemetry_off(environ)
    if switch is not None:
        return {"absent": dict.fromkeys(FIELDS, f"{switch} is off")}
    known, ci = git.describe(directory), described_by_ci(environ, read_event(environ), head_commit(directory))
    return {**known, **ci, "absent": {**known["absent"], **ci["absent"]}}


def telemetry_off(environ: Mapping[str, str]) -> str | None:
    """The variable by which the user has said that nothing of the sort is to be collected."""
    return next((name for name in _SWITCHES if environ.get(name, "").strip().lower() in _OFF), None)


_LONGEST = 2_000


def flat(found: Mapping[str, Any]) -> dict[str, str | int | bool]:
    """The fields that are there, as the metadata of a session has them; a hostile file's longest text is cut."""
    known = {name: found[name] for name in FIELDS if isinstance(found.get(name), str | int)}
    return {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in known.items()}


# --- the event -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Event:
    """What started the job: the payload as it was sent, or why it cannot be read."""

    payload: Mapping[str, Any] | None = None
    reason: str = ""


def read_event(environ: Mapping[str, str]) -> Event:
    """The event that `GITHUB_EVENT_PATH` names."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return Event(reason="GITHUB_EVENT_PATH is not set")
    try:
        if not Path(path).is_file():  # a pipe would let us wait
            return Event(reason="GITHUB_EVENT_PATH names no file")
        with Path(path).open("rb") as stream:
            raw = stream.read(_MAX_EVENT + 1)
    except (OSError, ValueError) as error:
        return Event(reason=f"the event cannot be read: {getattr(error, 'strerror', None) or 'an impossible path'}")
    if len(raw) > _MAX_EVENT:
        return Event(reason=f"the event is larger than {_MAX_EVENT // 2**20} MiB")
    try:
        payload = load_json(raw.decode("utf-8"))
    except (Malformed, UnicodeDecodeError):
        return Event(reason="the event is not JSON")
    return Event(payload=payload) if isinstance(payload, dict) else Event(reason="the event is no JSON object")


# --- fields ----------------------------------------------------------------------------------------------------------


class _Absent(Exception):  # noqa: N818 - it names the field that it ends up in
    """The field is not there; the message is the reason that the user reads."""


def described_by_ci(environ: Mapping[str, str], event: Event, checked_out: HeadCommit | None = None) -> dict[str, Any]:
    """The CI fields that are known, and under `absent` why the others are not.

    Of a test merge that is `checked_out` the parents are the head and the base: the event's base is that of long ago.
    """
    change = _Change(environ=environ, event=event, merged=_merged(environ, checked_out))
    readers: dict[str, Callable[[], str | int]] = {
        "base_ref": lambda: change.ref("base", "GITHUB_BASE_REF"),
        "base_sha": lambda: change.sha("base"),
        "head_ref": lambda: change.ref("head", "GITHUB_HEAD_REF"),
        "head_sha": lambda: change.sha("head"),
        "merge_base": lambda: _merge_base(environ),
        "pr_number": change.number,
        "run_url": lambda: _run_url(environ),
        "run_attempt": lambda: int(_matching(ATTEMPT, environ, "GITHUB_RUN_ATTEMPT")),
        "event": lambda: _matching(EVENT_NAME, environ, "GITHUB_EVENT_NAME"),
    }
    fields: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for name in CI_FIELDS:
        try:
            fields[name] = readers[name]()
        except _Absent as reason:
            absent[name] = str(reason)
    return {**fields, "absent": absent}


@dataclass(frozen=True, kw_only=True)
class _Change:
    """The pull request or merge group that the job is about: from the event, for HEAD is a test merge there."""

    environ: Mapping[str, str]
    event: Event
    merged: Mapping[str, str]

    def ref(self, side: str, variable: str) -> str:
        """A branch by its name; the variable tells where the event does not."""
        found = self._of_side(side, "ref")
        named = self.environ.get(variable)
        if found is None and named:
            return _branch(named, variable)
        return _branch(self._there(found), f"the event's {side} branch")

    def sha(self, side: str) -> str:
        """A commit by its hash."""
        if side in self.merged:
            return self.merged[side]
        found = self._there(self._of_side(side, "sha"))
        if isinstance(found, str) and SHA.fullmatch(found):
            return found
        raise _Absent(f"the event's {side} commit is no hash")

    def number(self) -> int:
        """The number of the pull request, of the ref of its merge where there is no event."""
        request = self._mapping("pull_request")
        found = request.get("number") if request is not None else None
        ref = MERGE_REF.fullmatch(self.environ.get("GITHUB_REF", ""))
        if found is None and ref:
            found = int(ref[1])
        found = self._there(found)
        if is_number(found):
            return found
        raise _Absent("the event's pull request has no usable number")

    def _of_side(self, side: str, key: str) -> Any:
        request, group = self._mapping("pull_request"), self._mapping("merge_group")
        if request is not None:
            branch = request.get(side)
            return branch.get(key) if isinstance(branch, Mapping) else None
        return None if group is None else group.get(f"{side}_{key}")

    def _mapping(self, key: str) -> Mapping[str, Any] | None:
        found = (self.event.payload or {}).get(key)
        return found if isinstance(found, Mapping) else None

    def _there(self, found: Any) -> Any:
        if found is not None:
            return found
        if self.event.payload is None:
            raise _Absent(self.event.reason)
        kinds = [key for key in ("pull_request", "merge_group") if self._mapping(key) is not None]
        raise _Absent(f"the event's {kinds[0]} does not say" if kinds else "the event is not about a pull request")


def _merged(environ: Mapping[str, str], checked_out: HeadCommit | None) -> Mapping[str, str]:
    """The two sides of the test merge of a pull request; nothing where that is not what is checked out."""
    ref = MERGE_REF.fullmatch(environ.get("GITHUB_REF", ""))
    is_merge = ref is not None and ref[0].endswith("/merge")
    if not is_merge or checked_out is None or checked_out.commit != environ.get("GITHUB_SHA"):
        return {}
    return dict(zip(("base", "head"), checked_out.parents, strict=True)) if len(checked_out.parents) == 2 else {}


def is_name(found: Any) -> TypeGuard[str]:
    """Whether a stranger's value is a name that can be shown: of a branch, a tag, a job."""
    return isinstance(found, str) and 0 < len(found) <= MAX_NAME and found.isprintable()


def is_number(found: Any) -> TypeGuard[int]:
    """Whether a stranger's value can be the number of a pull request."""
    return isinstance(found, int) and not isinstance(found, bool) and 0 < found <= MAX_NUMBER


def _branch(found: Any, what: str) -> str:
    if not is_name(found):
        raise _Absent(f"{what} is no name that can be shown")
    return found.removeprefix("refs/heads/")


def _merge_base(environ: Mapping[str, str]) -> str:
    if not environ.get(MERGE_BASE_VARIABLE):
        raise _Absent("the history is not searched for it")
    return _matching(SHA, environ, MERGE_BASE_VARIABLE)


def _run_url(environ: Mapping[str, str]) -> str:
    server = _matching(SERVER, environ, "GITHUB_SERVER_URL")
    repository = _matching(REPOSITORY, environ, "GITHUB_REPOSITORY")
    return f"{server}/{repository}/actions/runs/{_matching(RUN_ID, environ, 'GITHUB_RUN_ID')}"


def _matching(pattern: re.Pattern[str], environ: Mapping[str, str], name: str) -> str:
    """The variable's value, which is not shown where it is not of the form that it should have."""
    value = environ.get(name)
    if not value:
        raise _Absent(f"{name} is not set")
    if not pattern.fullmatch(value):
        raise _Absent(f"{name} has an unexpected form")
    return value
