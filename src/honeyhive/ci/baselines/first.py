"""What to say where there is no baseline: why, and how the first one comes about."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from honeyhive.ci.baselines.ages import counted
from honeyhive.ci.whereabouts.situation import Kind, Situation
from honeyhive.gate.markdown import code

_NAMED = 3


def none_yet(experiment: str, others: Collection[str], situation: Situation, *, store: str) -> str:
    """The store has no run of the experiment; `others` are the experiments that it has runs of."""
    named = ", ".join(map(code, sorted(others)[:_NAMED])) + (" and others" if len(others) > _NAMED else "")
    if others and situation.judged_by_base:
        return (
            f"There is no run of {code(experiment)} in {code(store)} yet, only of {named}. Where it is new, the push "
            "that merges it saves the first one."
        )
    besides = f", only of {named}" if others else ""
    return f"There is no run of {code(experiment)} in {code(store)} yet{besides}. {first(situation, store=store)}"


def only_own(experiment: str, situation: Situation, *, store: str) -> str:
    """The store has runs of the commit that is judged, and of no other that may be a baseline."""
    here = f"the release {code(situation.tag)}" if situation.tag else "this commit"
    return f"No commit before {here} has a run of {code(experiment)} in {code(store)}. {first(situation, store=store)}"


def only_refused(experiment: str, refused: Sequence[str], situation: Situation, *, store: str) -> str:
    """The store has runs of the experiment, and none of them may be a baseline."""
    why = "; ".join(refused[:_NAMED])
    return (
        f"{code(store)} has no run of {code(experiment)} that may be a baseline: {why}. {first(situation, store=store)}"
    )


def none_before(experiment: str, count: int, start: str, situation: Situation, *, store: str) -> str:
    """The store has runs of the experiment, and none of them is of the commit to start from or of one before it."""
    runs = "The only run" if count == 1 else f"None of the {counted(count, 'run')}"
    verb = "is not" if count == 1 else "is"
    said = f"{runs} of {code(experiment)} in {code(store)} {verb} of {code(start[:7])} or a commit before it"
    if situation.kind is Kind.PULL_REQUEST:
        into = code(situation.base_ref or _main(situation))
        return f"{said}: the change starts from a commit that is older. Bring it up to date with {into}."
    return f"{said}. {first(situation, store=store)}"


def no_start(why: str, situation: Situation, *, store: str) -> str:
    """Nobody can tell which commit to start from, or there is none."""
    if situation.kind is Kind.LOCAL and situation.commit is not None:
        return f"{why}. Where it is the first one, a gate on a branch of it is held against its run."
    return f"{why}. {first(situation, store=store)}"


def first(situation: Situation, *, store: str) -> str:
    """How the first baseline comes about, with this store, seen from here."""
    kind, _, place = store.partition(":")
    if situation.saves:
        return f"This run is to be saved in {code(store)}: the changes after it are held against it."
    main = _main(situation)
    workflow = f"the workflow needs `on: push: branches: [{main}]`"
    if kind == "file" and situation.kind is Kind.LOCAL:
        return f"`honeyhive run` on {code(main)} makes the first, or `honeyhive baseline save RUN_FILE` keeps one."
    if kind == "file":
        return (
            f"A push to {code(main)} runs the gate and saves its run in {code(place)}: {workflow}, and its jobs have "
            "to share that folder."
        )
    if kind == "honeyhive":
        return f"A push to {code(main)} runs the gate and saves its run on HoneyHive: {workflow}, and `api-key`."
    return (
        f"A push to {code(main)} runs the gate and saves its run on the branch {code(place)}: {workflow} and "
        "`permissions: contents: write`."
    )


def _main(situation: Situation) -> str:
    return situation.default_branch or "main"
