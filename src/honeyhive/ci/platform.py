"""Runs on HoneyHive, for the commands: the client where there is a key, and the sending of run files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from honeyhive.api.connection import Connection
from honeyhive.ci.commands import neutralise
from honeyhive.errors import HoneyHiveError, InputError, ReportingError

if TYPE_CHECKING:  # a command without a key does not wait for what talks to the platform
    from honeyhive.api.client import HoneyHive
    from honeyhive.ci.pipeline import Edge, Judged
    from honeyhive.ci.settings import Settings
    from honeyhive.experiments.platform.delivery import Delivered, Delivery


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
    from honeyhive.api.client import HoneyHive  # noqa: PLC0415 - see its import for types

    return HoneyHive(api_key=found.api_key, project=found.project, server_url=found.server_url, timeout=found.timeout)


def upload_runs(
    runs: Sequence[Path], environ: Mapping[str, str], *, project: str | None = None, server_url: str | None = None
) -> Iterator[str]:
    """Send what HoneyHive does not have of these runs; a line for each of them.

    Raises `InputError` without a key, `ReportingError`, after the last of them, where something could not be sent.
    """
    from honeyhive.experiments.platform.delivery import upload  # noqa: PLC0415 - see its import for types

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
    from honeyhive.experiments.platform.delivery import Delivery  # noqa: PLC0415 - see its import for types

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


def send(judged: Sequence[Judged], settings: Settings, edge: Edge) -> list[ReportingError]:
    """Send the runs of a gate, where there is a key; what could not be told, which changes no verdict.

    The key stays in this process: the child that ran the user's code has never seen it.
    """
    try:
        client = find_client(
            edge.environ, api_key=settings.api_key, project=settings.project, server_url=settings.server_url
        )
    except InputError as error:
        return [ReportingError(f"the runs are not on HoneyHive: {error.message}", hint=error.hint)]
    if client is None:
        return []
    with client:
        return [problem for item in judged if (problem := _sent(item, client, edge)) is not None]


def _sent(item: Judged, client: HoneyHive, edge: Edge) -> ReportingError | None:
    from honeyhive.ci.pipeline import relative  # noqa: PLC0415 - see its import for types
    from honeyhive.experiments.platform.delivery import upload  # noqa: PLC0415 - as above

    if not item.run_file.is_file():
        return None
    try:
        delivered = upload(item.run_file, client, project=client.project)
    except (OSError, HoneyHiveError) as error:
        return ReportingError(f"{item.finding.experiment}: the run cannot be sent to HoneyHive: {error}")
    edge.echo(neutralise(f"{item.finding.experiment}: {told(delivered)}"))
    if delivered.complete:
        return None
    return ReportingError(
        f"{item.finding.experiment}: not everything was sent to HoneyHive: {delivered.reason}",
        hint=f"`honeyhive upload {relative(item.run_file, Path.cwd())}` sends the rest",
    )
