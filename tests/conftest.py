"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's affair, and that of what else it does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
