"""Which endpoint a path is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from urllib.parse import quote, unquote

from github_server.asking import Endpoint
from github_server.codes import CODE_ENDPOINTS
from github_server.endpoints import WORDS_ENDPOINTS

ENDPOINTS = (*WORDS_ENDPOINTS, *CODE_ENDPOINTS)

SEVERAL = ("ref", "basehead", "path")
"""Parts of a path that may hold slashes."""

ARTIFACT = "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}"
DESCRIBED = {f"{ARTIFACT}/zip": f"{ARTIFACT}/{{archive_format}}"}
"""Templates that the description writes in another way."""


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    pattern = "".join(
        f"(?P<{part}>{'.+' if part in SEVERAL else '[^/]+'})" if at % 2 else re.escape(part)
        for at, part in enumerate(parts)
    )
    return re.compile(pattern)


def endpoint_of(method: str, path: str) -> tuple[Endpoint, Mapping[str, str]] | None:
    """The endpoint that the request is for, with the variable parts of its path; None where there is none."""
    for endpoint in ENDPOINTS:
        found = _pattern(endpoint.template).fullmatch(path) if endpoint.method == method else None
        if found:
            return endpoint, {name: unquote(part) for name, part in found.groupdict().items()}
    return None


def is_known(path: str) -> bool:
    """Whether some method has such a path."""
    return any(_pattern(endpoint.template).fullmatch(path) for endpoint in ENDPOINTS)


def as_described(endpoint: Endpoint, parts: Mapping[str, str]) -> tuple[str, str]:
    """The description's template, and the path with each part quoted, so that it is one part."""
    path = endpoint.template.format(**{name: quote(part, safe="") for name, part in parts.items()})
    return DESCRIBED.get(endpoint.template, endpoint.template), path
