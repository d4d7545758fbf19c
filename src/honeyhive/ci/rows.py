"""The rows that an experiment goes over: those of its dataset, and those that the base has besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.settings import Settings
from honeyhive.errors import DatasetError
from honeyhive.experiments.dataset import Columns, Dataset
from honeyhive.experiments.git import workspace_root
from honeyhive.experiments.overlay import Overlay, Without


@dataclass(frozen=True, kw_only=True)
class BaseRows:
    """The dataset as the base has it: a copy of the file, and what its columns mean there.

    `left_out` are the ids of rows that are not run: a secret is in them, and taken out of the run they would be others.
    """

    path: Path
    columns: Columns
    left_out: tuple[str, ...] = ()

    def as_said(self) -> dict[str, Any]:
        """For the process that runs the experiment."""
        columns = {
            "inputs": self.columns.inputs,
            "ground_truth": self.columns.ground_truth,
            "id": self.columns.id,
        }
        return {"path": str(self.path), "columns": columns, "left_out": self.left_out}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> BaseRows:
        """What `as_said` gave."""
        inputs = said["columns"]["inputs"]
        columns = Columns(**{**said["columns"], "inputs": None if inputs is None else tuple(inputs)})
        return cls(path=Path(said["path"]), columns=columns, left_out=tuple(said["left_out"]))

    def opened(self, limit: int | None) -> Dataset:
        """Its rows, every one read and checked."""
        return Dataset.open(self.path, workspace=self.path.parent, columns=self.columns, limit=limit)


@dataclass(frozen=True, kw_only=True)
class Besides:
    """What the process of a run is told besides its plan: where the run comes from, and the rows of the base.

    It may see less of the repository than the gate does. `passed` are the variables that it is given by name.
    """

    provenance: Mapping[str, Any]
    base_rows: BaseRows | None
    passed: tuple[str, ...] = ()

    def to_json(self) -> str:
        """For a file."""
        rows = self.base_rows.as_said() if self.base_rows else None
        said = {"provenance": self.provenance, "base_rows": rows, "passed": self.passed}
        return json.dumps(said, ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str) -> Besides:
        """What `to_json` gave."""
        said = json.loads(text)
        rows = said["base_rows"]
        base_rows = None if rows is None else BaseRows.of(rows)
        return cls(provenance=said["provenance"], base_rows=base_rows, passed=tuple(said["passed"]))


def open_dataset(
    config: ExperimentConfig, settings: Settings, *, base_rows: BaseRows | None = None
) -> Dataset | Overlay:
    """The dataset of an experiment, every row of it read and checked; with the rows that the base has besides.

    A base whose dataset cannot be read has none of its rows run: whoever mends it has to get past the gate.
    """
    workspace = workspace_root(settings.directory)
    path = relative(settings.directory / config.dataset, workspace)
    head = Dataset.open(path, workspace=workspace, columns=columns_of(config), limit=settings.limit)
    if base_rows is None:
        return head
    try:
        base = base_rows.opened(settings.limit)
    except DatasetError:  # told by who finds no overlay here
        return head
    return Overlay(head, Without(base, base_rows.left_out) if base_rows.left_out else base)


def columns_of(config: ExperimentConfig) -> Columns:
    """What the columns of an experiment's dataset mean."""
    return Columns(inputs=config.inputs, ground_truth=config.ground_truth, id=config.id)


def relative(path: Path, start: Path) -> Path:
    """The path as people know it, from `start` on, where it is below it."""
    return path.relative_to(start) if path.is_relative_to(start) else path
