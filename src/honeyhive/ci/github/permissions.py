"""Which permission of a workflow a request needs, as it is written there: `pull-requests: write`."""

from __future__ import annotations

import re

_AREAS = (
    (r"/issues/(?:\d+/)?comments(?:/|$)", "pull-requests"),
    (r"/pulls(?:/|$)", "pull-requests"),
    (r"/check-runs(?:/|$)", "checks"),
    (r"/actions/", "actions"),
)
_ELSEWHERE = "contents"
"""The repository itself, its commits and comparisons."""

_ACCEPTED = re.compile(r"([a-z_]{1,40})=(read|write|admin)")


def needed(method: str, path: str, accepted: str = "") -> str:
    """The permission for a request, by its path, and by the header `x-accepted-github-permissions` where it came.

    The header names several where any of them is enough: the one that we would name is taken if it is among them.
    """
    area = next((name for pattern, name in _AREAS if re.search(pattern, path)), _ELSEWHERE)
    ours = f"{area}: {'read' if method == 'GET' else 'write'}"
    named = [f"{name.replace('_', '-')}: {level}" for name, level in _ACCEPTED.findall(accepted[:1_000])]
    # Workflows cannot ask for `metadata`: every token has it.
    given = [one for one in named if not one.startswith("metadata:")]
    return ours if ours in given or not given else given[0]


def advice(permission: str) -> str:
    """How a workflow gets it."""
    return (
        f"put `{permission}` under `permissions:` in the workflow;"
        " a pull request from a fork or of Dependabot never gets more than read"
    )
