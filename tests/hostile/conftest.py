"""A machine for each story."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile.scene import Scene, new_scene
from stories import INPUTS


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A push to main, run by the command; what goes wrong in it is the story's affair."""
    return new_scene(tmp_path, inputs=INPUTS)
