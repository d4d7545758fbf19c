"""User code beside a token: it reaches neither the token, nor the runner, nor the decision."""

from __future__ import annotations

from hostile.scene import Scene


def test_an_honest_change_passes(scene: Scene) -> None:
    scene.gate().holds(0, "PASSED     doubling", finished=12)
