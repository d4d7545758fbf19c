"""A gate about to begin in a folder, as `honeyhive gate` makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from honeyhive.ci.inputs import read_inputs
from honeyhive.ci.preparing import Preparation
from honeyhive.ci.settings import Settings, load_settings
from honeyhive.ci.storing import store_of
from honeyhive.ci.whereabouts.surroundings import look_around

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@contextmanager
def preparation(
    folder: Path,
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> Iterator[Preparation]:
    """What a gate has settled of the job when it begins with its experiments."""
    inputs = read_inputs(flags or {}, {})
    with look_around(inputs, environ or {}, folder) as around:
        found = settings or load_settings(flags or {}, {}, directory=folder, base=around.rules)
        store = store_of(found.store, inputs, around, environ or {})
        yield Preparation(settings=found, around=around, store=store, now=NOW)
