"""The spans file: a line for each datapoint, found again by its session."""

from __future__ import annotations

import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from builders_spans import *  # placeholder
