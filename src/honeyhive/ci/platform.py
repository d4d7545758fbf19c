"""Runs on HoneyHive, for the commands: the client where there is a key, and the sending of run files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from honeyhive.api.client import HoneyHive
from honeyhive.api.connection import Connection
from honeyhive.errors import InputError, ReportingError
from honeyhive.experiments.platform.delivery import Delivered, Delivery, upload


def find_client(
    environ: Mapping[str, str],
    *,
    api_key: str | None = None,
    project: str | None = None,
    server_url: str | None = None,
) -> HoneyHive | None:
    """The client, where there is a key, given or in the environment."""
    found = Connection.found(environ, api_key=api_key, project=project, server_url=server_url)
    if found is None:
        return None
    return HoneyHive(api_key=found.api_key, project=found.project, server_url=found.server_url)


def upload_runs(
    runs: Sequence[Path], environ: Mapping[str, str], *, project: str | None = None, server_url: str | None = None
) -> Iterator[str]:
    """Send what HoneyHive does not have of these runs; a line for each of them.

    Raises `InputError` without a key, `ReportingError`, after the last of them, where something could not be sent.
    """
    client = find_client(environ, project=project, server_url=server_url)
    if client is None:
        raise InputError("no API key", hint="set HH_API_KEY")
    left = []
    with client:
        for run in runs:
            delivered = upload(run, client, project=client.project)
            yield f"{run}: {told(delivered)}"
            if not delivered.complete:
                left.append(f"{run}: {delivered.reason or 'not all of it was taken'}")
    if left:
        raise ReportingError("; ".join(left), hint="try again later: what has arrived is not sent again")


def told(delivered: Delivered) -> str:
    """How much of a run is on HoneyHive, in a line."""
    sent = f"{delivered.sessions} of {delivered.of} sessions are on HoneyHive"
    return f"{sent}, run {delivered.run_id}" if delivered.run_id else sent


@contextmanager
def following(client: HoneyHive | None, run_file: Path, *, workers: int) -> Iterator[tuple[Delivery | None, list[str]]]:
    """A delivery that a run is followed with, and after the block the lines that tell how much has arrived."""
    if client is None:
        yield None, []
        return
    delivery, lines = Delivery(client, project=client.project, workers=workers), list[str]()
    with client:
        try:
            yield delivery, lines
        except BaseException:
            delivery.end(cancelled=True)
            raise
        delivered = delivery.end(cancelled=False)
    lines.append(told(delivered))
    if not delivered.complete:
        lines.append(f"not everything was sent ({delivered.reason}): `honeyhive upload {run_file}` sends the rest")
