"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's affair, and that of what else it does.
settings.register_profile("untimed", deadline=None)
# `make properties`: pytest --hypothesis-profile nightly
settings.register_profile("nightly", settings.get_profile("untimed"), max_examples=10_000, print_blob=True)
settings.load_profile("untimed")
