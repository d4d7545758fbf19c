"""What a gate touches of the world besides the repository and GitHub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What the gate touches of the world: the environment, the log, and the folder for its report."""

    environ: Mapping[str, str]
    echo: Callable[[str], None]
    report_dir: Path
