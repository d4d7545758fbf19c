"""What a gate touches of the world besides the repository and GitHub."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from honeyhive.ci.account import Account


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What the gate touches of the world: the environment, the log, and the folder for its report.

    `account` is the user that the user's code runs as, where that is another than our own.
    """

    environ: Mapping[str, str]
    echo: Callable[[str], None]
    report_dir: Path
    account: Account | None = None
