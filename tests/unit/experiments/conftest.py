"""What the tests of experiments share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from honeyhive.experiments.evaluators import registry as names
from honeyhive.experiments.evaluators.registry import Registered


@pytest.fixture(autouse=True)
def registry() -> Iterator[dict[str, Registered]]:
    """The evaluators that go by a name: those that a test defines are gone after it."""
    before = dict(names._EVALUATORS)
    yield names._EVALUATORS
    names._EVALUATORS.clear()
    names._EVALUATORS.update(before)
