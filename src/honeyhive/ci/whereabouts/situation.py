"""Where we are in the life of a change: the event, the pull request, and the commit that it starts from.

Plain values in, one value out: nothing here reads a file, the environment or the network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from honeyhive.ci.whereabouts.kinds import Base, Checkout, Job, Kind, Situation
from honeyhive.ci.whereabouts.payload import Told
from honeyhive.ci.whereabouts.strangers import DEPENDABOT, REQUESTS, refuse_strangers
from honeyhive.documents import in_one_line
from honeyhive.errors import ConfigError

__all__ = ["Base", "Checkout", "Job", "Kind", "Situation", "situation"]

_MAX_KEY = 200
_ON_DEFAULT_BRANCH = frozenset({"schedule", "repository_dispatch", "workflow_run"})
# What Dependabot starts on these may only read, as if it came from a fork; also where somebody else runs it again.
_LESS_FOR_DEPENDABOT = REQUESTS | {"push", "create", "deployment", "deployment_status"}
_QUEUED = re.compile(r"gh-readonly-queue/.{1,200}/pr-([0-9]{1,10})-[0-9a-f]{40,64}")


def situation(
    environ: Mapping[str, str],
    payload: Mapping[str, Any] | None,
    checkout: Checkout,
    *,
    key: str = "",
    allow_pull_request_target: bool = False,
    runs_code: bool = True,
) -> Situation:
    """Where we are, by the job's environment, its event (`None`: it cannot be read) and what is checked out.

    Raises `ConfigError` where a stranger's code would be run beside a token that may write, unless nothing is to be
    run (`runs_code`), and where a ref was deleted. Whatever else is missing or odd is `None`, with a note.
    """
    told = Told(environ, payload)
    if told.event is None:
        return _local(checkout)
    if runs_code:
        refuse_strangers(told, checkout, allow_target=allow_pull_request_target)
    tell = _TELLING.get(told.event, _branch)
    found = tell(_Place(told=told, checkout=checkout, known=_known(told, checkout, key)))
    return replace(found, notes=tuple(told.notes))


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Who tells, what is checked out, and what is known of the job whatever its event is."""

    told: Told
    checkout: Checkout
    known: Situation

    @property
    def tip(self) -> str | None:
        """What is judged: what is checked out, or else what the event is about."""
        return self.checkout.commit or self.told.sha

    @property
    def is_named(self) -> bool:
        """Whether what is checked out is the very commit that GitHub has named, with parents that it has chosen."""
        return self.checkout.commit is not None and self.checkout.commit == self.told.sha

    @property
    def parent(self) -> Base | None:
        """The first parent of what is checked out."""
        return Base(commit=self.checkout.parents[0], words="first parent") if self.checkout.parents else None


def _known(told: Told, checkout: Checkout, key: str) -> Situation:
    if checkout.commit is None:
        told.note("there is no commit checked out that git can read")
    event = told.event or ""
    return Situation(
        kind=Kind.BRANCH,
        event=event,
        commit=checkout.commit,
        head=checkout.commit or told.sha,
        repository=told.repository,
        repository_id=told.repository_id,
        default_branch=_default_branch(told, checkout),
        has_changes=checkout.has_changes,
        is_fork=event in _LESS_FOR_DEPENDABOT and told.variable_name("GITHUB_ACTOR") == DEPENDABOT,
        server_url=told.server_url,
        api_url=told.api_url,
        job=_job(told, key),
    )


def _job(told: Told, key: str) -> Job | None:
    run_id = told.run_id
    if run_id is None:
        told.note("GITHUB_RUN_ID does not tell the workflow run")
        return None
    workflow, name = told.variable_name("GITHUB_WORKFLOW") or "", told.variable_name("GITHUB_JOB") or ""
    return Job(run_id=run_id, attempt=told.attempt, workflow=workflow, name=name, key=_one_line(key))


def _default_branch(told: Told, checkout: Checkout) -> str | None:
    named = told.branch("repository", "default_branch")
    if named is None and told.event in _ON_DEFAULT_BRANCH:
        named = told.ref("refs/heads/")
    return named or checkout.default_branch


def _one_line(key: str) -> str:
    """The key in one line, of a long one the beginning; two keys never become one by that."""
    flat = " ".join(in_one_line(key).split())
    if len(flat) <= _MAX_KEY:
        return flat
    return f"{flat[: _MAX_KEY - 20]}… {hashlib.sha256(key.encode('utf-8', 'backslashreplace')).hexdigest()[:12]}"


# --- a pull request --------------------------------------------------------------------------------------------------


def _pull_request(place: _Place) -> Situation:
    told, number = place.told, place.told.number
    base_ref = told.branch("pull_request", "base", "ref") or told.variable_name("GITHUB_BASE_REF")
    base, head = _base_and_head(place, base_ref)
    if base is None:
        told.note("nothing tells which branch the pull request is to go into")
    if number is None:
        told.note("nothing tells the number of the pull request")
    return replace(
        place.known,
        kind=Kind.PULL_REQUEST,
        head=head,
        head_ref=told.branch("pull_request", "head", "ref") or told.variable_name("GITHUB_HEAD_REF"),
        base=base,
        base_ref=base_ref,
        number=number,
        is_fork=place.known.is_fork or _is_from_elsewhere(told),
    )


def _base_and_head(place: _Place, base_ref: str | None) -> tuple[Base | None, str | None]:
    told, checkout = place.told, place.checkout
    head = told.commit("pull_request", "head", "sha")
    if told.at("pull_request", "merged") is True and place.is_named and checkout.parents:
        return place.parent, head  # the jobs of its closing run the base branch, as the merge has left it
    if _is_test_merge(place, head):
        if head not in (None, checkout.parents[1]):
            told.note("what is checked out is the test merge of another push than the event's, and goes before it")
        return place.parent, checkout.parents[1]
    if checkout.commit not in (None, head) and not place.is_named:
        told.note("what is checked out is neither the pull request's head nor the test merge that the job is for")
    # The event's `base.sha` is where the base branch was when the pull request was opened.
    return _merge_base(base_ref or told.commit("pull_request", "base", "sha"), place.tip or head), head


def _is_test_merge(place: _Place, head: str | None) -> bool:
    """Whether what is checked out is GitHub's merge of the pull request into its base branch.

    A branch that was pushed to after the event began may end with a merge that looks the same, of the pull request's
    own making. So it has to be the commit that GitHub names; of any other the history tells where it starts.
    """
    checkout = place.checkout
    if len(checkout.parents) != 2 or checkout.commit == head:
        return False
    return place.is_named or (place.told.sha is None and checkout.parents[1] == head)


def _is_from_elsewhere(told: Told) -> bool:
    """Whether the change comes from another repository or from Dependabot, or nobody can tell that it does not."""
    if told.at("pull_request", "user", "login") == DEPENDABOT:
        return True
    head = told.at("pull_request", "head")
    if isinstance(head, Mapping) and head.get("repo") is None:
        told.note("the repository that the pull request came from is gone")
        return True
    is_ours = told.is_ours("pull_request", "head", "repo")
    if is_ours is None:
        told.note("nothing tells which repository the pull request comes from: it is taken for a fork")
    return is_ours is not True


def _queue(place: _Place) -> Situation:
    told = place.told
    head_ref = told.branch("merge_group", "head_ref") or told.ref("refs/heads/")
    base, base_ref = told.commit("merge_group", "base_sha"), told.branch("merge_group", "base_ref")
    queued = _QUEUED.fullmatch(head_ref or "")
    if queued is not None:  # the last of its group: no number stands for all of them
        told.note(f"in the merge queue: pull request {int(queued[1])}, with those before it")
    if base is None:
        told.note("the event does not tell the base of the queue")
    return replace(
        place.known,
        kind=Kind.QUEUE,
        head=told.commit("merge_group", "head_sha") or place.known.head,
        head_ref=head_ref,
        base=Base(commit=base, words="base of the queue") if base else _merge_base(base_ref, place.tip),
        base_ref=base_ref,
    )


# --- branches and tags -----------------------------------------------------------------------------------------------


def _push(place: _Place) -> Situation:
    told = place.told
    if told.at("deleted") is True:
        raise ConfigError(
            "this push deleted a branch or a tag: there is nothing to run",
            hint="give the job `if: ${{ !github.event.deleted }}`",
        )
    tag, branch = told.ref("refs/tags/"), told.ref("refs/heads/")
    if tag is not None:
        return replace(place.known, kind=Kind.RELEASE, tag=tag, base=place.parent)
    before = told.commit("before")
    if told.at("forced") is True:
        told.note("the branch was rewritten: what stood there before is nothing that this starts from")
        before = None
    return replace(
        place.known,
        kind=Kind.PUSH,
        head_ref=branch,
        base=Base(commit=before, words="the commit before") if before else place.parent,
        is_default_branch=branch is not None and branch == place.known.default_branch,
    )


def _release(place: _Place) -> Situation:
    if place.told.at("action") in ("deleted", "unpublished"):
        raise ConfigError(
            "this release was taken back: there is nothing to run", hint="give the workflow `types: [published]`"
        )
    tag = place.told.name("release", "tag_name") or place.told.ref("refs/tags/")
    if tag is None:
        place.told.note("nothing tells the tag of the release")
    return replace(place.known, kind=Kind.RELEASE, tag=tag, base=place.parent)


def _branch(place: _Place) -> Situation:
    """A branch as it is; on the default branch this very commit is what it is held against, as it was run before."""
    told, checkout, default = place.told, place.checkout, place.known.default_branch
    branch = told.ref("refs/heads/") if place.is_named or checkout.commit is None else checkout.branch
    is_default = branch is not None and branch == default
    if is_default:
        base = Base(commit=place.tip, words="this commit") if place.tip else None
    else:
        # By its commit where that is here: who has the whole history needs nobody to tell what a name stands for.
        here = checkout.default_commit if default in (None, checkout.default_branch) else None
        base = _merge_base(here or default, place.tip) or place.parent
    if told.event == "pull_request_target":
        told.note("on pull_request_target it is the base branch that is run, and not the pull request")
    return replace(place.known, head_ref=branch, tag=told.ref("refs/tags/"), base=base, is_default_branch=is_default)


def _local(checkout: Checkout) -> Situation:
    commit, default = checkout.commit, checkout.default_commit
    is_default = default is None or commit == default
    if checkout.branch is not None and checkout.default_branch is not None:
        is_default = checkout.branch == checkout.default_branch
    if commit is None:
        base = None
    elif not is_default:
        base = _merge_base(default, commit)
    elif checkout.is_dirty:
        base = Base(commit=commit, words="the last commit")
    else:  # also where nobody can tell: held against itself a commit never got worse
        base = Base(commit=checkout.parents[0], words="first parent") if checkout.parents else None
    return Situation(
        kind=Kind.LOCAL,
        commit=commit,
        head=commit,
        head_ref=checkout.branch,
        base=base,
        base_ref=checkout.default_branch,
        default_branch=checkout.default_branch,
        is_default_branch=commit is not None and default is not None and is_default,
        notes=() if base else ("there is no commit here that this starts from",),
    )


def _merge_base(one: str | None, other: str | None) -> Base | None:
    return None if one is None or other is None else Base(between=(one, other), words="merge base")


_TELLING = {
    **dict.fromkeys(REQUESTS, _pull_request),
    "merge_group": _queue,
    "push": _push,
    "release": _release,
}
