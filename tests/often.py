"""How often a property is tried that strangers' text has to meet: 300 times for each change, 10,000 times at night."""

from __future__ import annotations

from hypothesis import settings

OFTEN = settings(max_examples=max(300, settings().max_examples))
"""As often as the profile says (tests/conftest.py), and never less than 300 times."""
