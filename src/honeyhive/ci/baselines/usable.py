"""Which runs of a store may be a baseline here, and why the others may not: nobody's pull request makes its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from honeyhive.ci.stores.entry import Entry
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.gate.markdown import code

MADE_BY = ("push", "release")
"""The events whose runs are baselines: what runs then has been merged, or released."""

LOCAL = "local"
"""What stands in an entry for the event, where the run was made outside of CI."""

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAMED = 3


def refusal(entry: Entry, situation: Situation, *, store: str) -> str | None:
    """Why the run may not be a baseline here; `None` where it may. `store` is the store's name."""
    ours, theirs = situation.repository_id, entry.repository_id
    if entry.is_fork:
        return "from a fork"
    if ours is not None and theirs is not None and ours != theirs:
        return "from another repository"
    if entry.event not in _accepted(situation, store):
        return f"made by {code(entry.event)}, not by a push to the default branch or a release"
    if not SHA.fullmatch(entry.commit):
        return "of a commit that has no hash"
    return None


def refused(entries: Iterable[Entry], situation: Situation, *, store: str) -> tuple[str, ...]:
    """A sentence for each reason why some of the entries may not be a baseline."""
    reasons: dict[str, list[Entry]] = {}
    for entry in entries:
        why = refusal(entry, situation, store=store)
        if why is not None:
            reasons.setdefault(why, []).append(entry)
    return tuple(_said(why, found) for why, found in reasons.items())


def _accepted(situation: Situation, store: str) -> tuple[str, ...]:
    """In CI what somebody ran on their own machine is no baseline; there, with files of their own, it is."""
    own = situation.kind is Kind.LOCAL and store.startswith("file:")
    return (*MADE_BY, LOCAL) if own else MADE_BY


def _said(why: str, entries: Sequence[Entry]) -> str:
    named = ", ".join(code(entry.run_id[:8]) for entry in entries[:_NAMED])
    more = f" and {len(entries) - _NAMED:,} more" if len(entries) > _NAMED else ""
    one = len(entries) == 1
    return (
        f"{'a run' if one else 'runs'} not taken as a baseline ({named}{more}): {'it is' if one else 'they are'} {why}"
    )
