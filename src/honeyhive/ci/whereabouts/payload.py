"""What a job is told of itself, by its environment and by its event: all of it strangers' text.

Each value is of the type, the length and the form that it should have, or it is `None`, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar

from honeyhive.experiments import provenance as forms
from honeyhive.experiments.provenance import is_name, is_number

SHA = forms.SHA
_API = re.compile(forms.SERVER.pattern + r"(?:/api/v3)?")
_ID = re.compile(r"[0-9]{1,18}")
_MAX_ID = 10**18
_NOBODY = re.compile("0+")
_Value = TypeVar("_Value")


class Told:
    """The environment and the event of a job, value by value; `notes` says what was not of its form."""

    def __init__(self, environ: Mapping[str, str], payload: Mapping[str, Any] | None) -> None:
        self._environ = environ
        self._payload = payload or {}
        self.notes: list[str] = [] if payload is not None else ["the event's file cannot be read"]

    def note(self, text: str) -> None:
        """Say something to the reader of the log, once."""
        if text not in self.notes:
            self.notes.append(text)

    # --- the environment

    @property
    def event(self) -> str | None:
        """The event's name; empty where it is none, `None` outside of CI."""
        if not self._environ.get("GITHUB_EVENT_NAME"):
            return None
        return self._variable("GITHUB_EVENT_NAME", forms.EVENT_NAME) or ""

    @property
    def sha(self) -> str | None:
        """The commit that the event is about, which GitHub has made or knows: of a pull request its test merge."""
        return self._variable("GITHUB_SHA", SHA)

    @property
    def server_url(self) -> str | None:
        """GitHub's address for people."""
        return self._variable("GITHUB_SERVER_URL", forms.SERVER)

    @property
    def api_url(self) -> str | None:
        """GitHub's address for programs; on a server of one's own it ends with `/api/v3`."""
        return self._variable("GITHUB_API_URL", _API)

    @property
    def run_id(self) -> int | None:
        """The workflow run that the job is of."""
        return _integer(self._variable("GITHUB_RUN_ID", _ID))

    @property
    def attempt(self) -> int:
        """Which attempt of the workflow run it is; the first where nobody says."""
        return _integer(self._variable("GITHUB_RUN_ATTEMPT", forms.ATTEMPT)) or 1

    def variable_name(self, variable: str) -> str | None:
        """A variable that holds the name of something: a branch, a workflow, somebody."""
        return self._checked(self._environ.get(variable) or None, is_name, variable)

    def ref(self, prefix: str) -> str | None:
        """What the ref that the job runs for names, if it is one of `prefix`: "refs/heads/"."""
        ref = self.variable_name("GITHUB_REF") or self.name("ref")
        return ref[len(prefix) :] or None if ref is not None and ref.startswith(prefix) else None

    # --- the event

    def at(self, *path: str) -> Any:
        """Whatever stands there in the event; `None` where nothing does."""
        found: Any = self._payload
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def commit(self, *path: str) -> str | None:
        """A commit by its hash; zeros are none."""
        found = self._checked(self.at(*path), _is_sha, _place(path))
        return None if found is None or _NOBODY.fullmatch(found) else found

    def name(self, *path: str) -> str | None:
        """The name of something: a branch, a tag."""
        return self._checked(self.at(*path), is_name, _place(path))

    def branch(self, *path: str) -> str | None:
        """A branch by its name, with or without `refs/heads/` before it in the event."""
        found = self.name(*path)
        return found.removeprefix("refs/heads/") or None if found is not None else None

    @property
    def number(self) -> int | None:
        """The number of the pull request, of the ref of its merge where the event does not tell."""
        found = self._checked(self.at("pull_request", "number"), is_number, _place(("pull_request", "number")))
        ref = forms.MERGE_REF.fullmatch(self._environ.get("GITHUB_REF", ""))
        return int(ref[1]) if found is None and ref and is_number(int(ref[1])) else found

    # --- the repository

    @property
    def repository(self) -> str | None:
        """`owner/name` of the repository that the job is of."""
        return self._variable("GITHUB_REPOSITORY", forms.REPOSITORY) or self._full_name("repository")

    @property
    def repository_id(self) -> int | None:
        """GitHub's number of the repository that the job is of, which stays when it gets another name."""
        return _integer(self._variable("GITHUB_REPOSITORY_ID", _ID)) or self._identity("repository")

    def is_ours(self, *path: str) -> bool | None:
        """Whether the repository there in the event is the job's own; `None` where that is not known."""
        theirs, ours = self._identity(*path), self.repository_id
        if theirs is not None and ours is not None:
            return theirs == ours
        name, own = self._full_name(*path), self.repository
        return name.lower() == own.lower() if name is not None and own is not None else None

    def _identity(self, *path: str) -> int | None:
        return self._checked(self.at(*path, "id"), _is_id, _place((*path, "id")))

    def _full_name(self, *path: str) -> str | None:
        return self._checked(self.at(*path, "full_name"), _is_repository, _place((*path, "full_name")))

    # --- forms

    def _variable(self, name: str, form: re.Pattern[str]) -> str | None:
        def fits(found: object) -> TypeGuard[str]:
            return isinstance(found, str) and form.fullmatch(found) is not None

        return self._checked(self._environ.get(name) or None, fits, name)

    def _checked(self, found: object, is_right: Callable[[object], TypeGuard[_Value]], what: str) -> _Value | None:
        """The value, which is not shown where it is not of the form that it should have."""
        if found is None:
            return None
        if is_right(found):
            return found
        self.note(f"{what} has an unexpected form")
        return None


def _place(path: tuple[str, ...]) -> str:
    return f"the event's {'.'.join(path)}"


def _integer(digits: str | None) -> int | None:
    return None if digits is None else int(digits) or None


def _is_sha(found: object) -> TypeGuard[str]:
    return isinstance(found, str) and SHA.fullmatch(found) is not None


def _is_repository(found: object) -> TypeGuard[str]:
    return isinstance(found, str) and forms.REPOSITORY.fullmatch(found) is not None


def _is_id(found: object) -> TypeGuard[int]:
    return isinstance(found, int) and not isinstance(found, bool) and 0 < found < _MAX_ID
