"""Where code of strangers would be run beside a token that may write: refused.

Who opens a pull request from a fork, or comments, starts workflows of the repository. Those on `pull_request` get a
token that may only read, and no secrets; the others get both, and may run nothing but the repository's own code.
"""

from __future__ import annotations

from honeyhive.ci.whereabouts.kinds import Checkout
from honeyhive.ci.whereabouts.payload import Told
from honeyhive.errors import ConfigError

REQUESTS = frozenset({"pull_request", "pull_request_review", "pull_request_review_comment"})
"""The events of a pull request: their jobs run its test merge."""
DEPENDABOT = "dependabot[bot]"
# Who starts these may write to the repository.
_FROM_INSIDE = frozenset(
    {"push", "merge_group", "release", "schedule", "workflow_dispatch", "repository_dispatch"}
    | {"create", "deployment", "deployment_status"}
)
_WAY_OUT = "run the gate on `pull_request`, and post its report with `mode: publish` on `workflow_run`"


def refuse_strangers(told: Told, checkout: Checkout, *, allow_target: bool) -> None:
    """`ConfigError` where what is checked out may be a stranger's and the job's token may write.

    `allow_target` allows `pull_request_target`, for the code of the base branch and nothing else.
    """
    event = told.event
    if event == "pull_request_target":
        if not allow_target:
            raise ConfigError(
                "pull_request_target is refused: its jobs have secrets and a token that may write, and what they"
                " check out and run may be anybody's",
                hint=f"{_WAY_OUT}; `allow-pull-request-target` runs the base branch's own code there",
            )
        _only_our_commit(told, checkout)
    elif event == "workflow_run":
        if _is_strangers_run(told):
            _only_our_commit(told, checkout)
    elif event not in REQUESTS | _FROM_INSIDE:
        _only_our_commit(told, checkout)


def _only_our_commit(told: Told, checkout: Checkout) -> None:
    commit = checkout.commit
    if commit is None or commit != told.sha:
        checked_out = "nothing that git can read" if commit is None else f"`{commit[:7]}`"
        raise ConfigError(
            f"{told.event or 'this event'} runs with a token that may write, so that only the commit that it is for,"
            f" `{(told.sha or 'unknown')[:7]}`, may be run; what is checked out is {checked_out}",
            hint=f"leave `ref` of actions/checkout away, or {_WAY_OUT}",
        )
    if checkout.is_pristine is not True:
        # Also what git ignores: a compiled module of a stranger's is run in place of its source.
        raise ConfigError(
            f"files of the checkout differ from its commit, or may do, and {told.event or 'this event'} runs nothing"
            " that may be a stranger's",
            hint=f"let no step before this one write into the checkout, or {_WAY_OUT}",
        )


def _is_strangers_run(told: Told) -> bool:
    """Whether the workflow run that has ended was of another repository's code, or Dependabot's, or nobody knows."""
    if told.at("workflow_run", "actor", "login") == DEPENDABOT:
        return True
    return told.is_ours("workflow_run", "head_repository") is not True
