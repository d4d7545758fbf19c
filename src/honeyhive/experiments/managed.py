"""Datasets that HoneyHive keeps: fetched in batches, each datapoint in its place, missing ones included."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from honeyhive.documents import compact_json
from honeyhive.errors import ArgumentError
from honeyhive.experiments.datapoint import Datapoint
from honeyhive.result import Fault

if TYPE_CHECKING:  # a dataset out of a file does not wait for what talks to the platform
    from honeyhive.api.client import HoneyHive


class ManagedDataset:
    """A dataset of the platform's, under its own ids.

    A datapoint that the dataset names and the platform does not have keeps its place, and fails.
    """

    path: str | None = None
    limit: int | None = None

    def __init__(self, dataset_id: str, rows: Sequence[dict[str, Any] | None], ids: Sequence[str]) -> None:
        """`rows` are in the order of `ids`, `None` where there is no such datapoint."""
        if not ids:
            raise ArgumentError(f"the dataset {dataset_id!r} is empty", hint="a run needs at least one datapoint")
        if len(set(ids)) < len(ids):
            raise ArgumentError(f"the dataset {dataset_id!r} names a datapoint twice", hint="name each once")
        self.dataset_id = dataset_id
        self.count = len(ids)
        self.sha256 = hashlib.sha256(b"\n".join(map(compact_json, rows))).hexdigest()
        self._rows = rows
        self._ids = ids

    def __iter__(self) -> Iterator[Datapoint]:
        """Each datapoint in the dataset's order."""
        for index, (datapoint_id, row) in enumerate(zip(self._ids, self._rows, strict=True)):
            if row is None:
                message = f"HoneyHive has no datapoint {datapoint_id}, which its dataset {self.dataset_id} names"
                fault = Fault(type="LookupError", message=message)
                yield Datapoint(index=index, id=datapoint_id, inputs=None, row=None, fault=fault)
            else:
                truth = row.get("ground_truth")
                yield Datapoint(index=index, id=datapoint_id, inputs=row.get("inputs"), ground_truth=truth, row=row)


def fetch_honeyhive_dataset(
    client: HoneyHive,
    dataset_id: str,
    project: str | None = None,
) -> tuple[list[dict[str, Any] | None], list[str]]:
    """The datapoints of a dataset on HoneyHive and their ids, in pairs and in the dataset's order.

    A datapoint that the platform does not have is `None`. Raises `ApiError` where the platform cannot be asked, or has
    no such dataset.
    """
    dataset = client.datasets.get_dataset(dataset_id=dataset_id, project=project)
    ids = [str(datapoint_id) for datapoint_id in dataset.datapoints or ()]
    found = {
        str(datapoint.id): {"inputs": datapoint.inputs or {}, "ground_truth": datapoint.ground_truth or {}}
        for datapoint in client.datapoints.list_datapoints(ids).datapoints
    }
    return [found.get(datapoint_id) for datapoint_id in ids], ids
