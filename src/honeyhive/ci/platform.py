"""Runs on HoneyHive, for the commands: the client where there is a key, and the sending of run files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from honeyhive.api.connection import Connection
from honeyhive.documents import neutralise
from honeyhive.errors import Cancelled, ConfigError, HoneyHiveError, InputError, ReportingError
from honeyhive.runfile import is_companion

if TYPE_CHECKING:  # a command without a key does not wait for what talks to the platform
    from honeyhive.api.client import HoneyHive
    from honeyhive.api.retries import Budget
    from honeyhive.ci.edge import Edge
    from honeyhive.ci.pipeline import Judged
    from honeyhive.ci.settings import Settings
    from honeyhive.ci.stores.entry import Store
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
    """Send what HoneyHive does not have of these runs; a line for each of them. What stands beside one is passed over.

    Raises `InputError` without a key, and after the last of them what was wrong with those that could not be sent, or
    not whole: with the exit code of the worst of it.
    """
    from honeyhive.experiments.platform.delivery import upload  # noqa: PLC0415 - see its import for types

    client = find_client(environ, project=project, server_url=server_url)
    if client is None:
        raise InputError("no API key", hint="set HH_API_KEY")
    named = [run for run in runs if not is_companion(run)]
    if not named:
        raise InputError("no run file", file=str(runs[0]), hint="that stands beside one: give the run file itself")
    left: list[HoneyHiveError] = []
    with client:
        for run in named:
            try:
                delivered = upload(run, client, project=client.project)
            except Cancelled:
                raise
            except (OSError, HoneyHiveError) as error:
                left.append(error if isinstance(error, HoneyHiveError) else _unreadable(run, error))
                continue
            yield f"{run}: {told(delivered)}"
            if not delivered.complete:
                left.append(_incomplete(run, delivered))
    if left:
        raise _all_of(left)


def _unreadable(run: Path, error: OSError) -> InputError:
    return InputError(f"cannot be read: {error.strerror}", file=str(run), hint="see to the file")


def _incomplete(run: Path, delivered: Delivered) -> ReportingError:
    reason = delivered.reason or "not all of it was taken"
    return ReportingError(reason, file=str(run), hint="try again later: what has arrived is not sent again")


def _all_of(errors: Sequence[HoneyHiveError]) -> HoneyHiveError:
    """What went wrong with several runs as one error, which ends the command as the worst of them would."""
    if len(errors) == 1:
        return errors[0]
    whole = ReportingError("; ".join(map(str, errors)))
    codes = {error.exit_code for error in errors}
    whole.exit_code = next(
        code for code in (HoneyHiveError.exit_code, 2, 3, ReportingError.exit_code, *codes) if code in codes
    )
    return whole


def told(delivered: Delivered) -> str:
    """How much of a run is on HoneyHive, in a line."""
    sent = f"{delivered.sessions} of {delivered.of} sessions are on HoneyHive"
    run = f", run {delivered.run_id}" if delivered.run_id else ""
    lines = "a line" if delivered.left_out == 1 else f"{delivered.left_out} lines"
    lost = f"; {lines} of the spans file cannot be sent" if delivered.left_out else ""
    return f"{sent}{run}{lost}"


def store(
    environ: Mapping[str, str], *, api_key: str | None = None, project: str | None = None, server_url: str | None = None
) -> Store:
    """HoneyHive as a store of runs; `ConfigError` where there is no key for it."""
    from honeyhive.ci.stores.platform import HoneyHiveStore  # noqa: PLC0415 - see its import for types

    client = find_client(environ, api_key=api_key, project=project, server_url=server_url)
    if client is None:
        raise ConfigError("store: honeyhive: needs an API key", hint="give api-key, or set HH_API_KEY")
    return HoneyHiveStore(client)


@contextmanager
def following(
    client: HoneyHive | None, run_file: Path, environ: Mapping[str, str], *, workers: int
) -> Iterator[tuple[Delivery | None, list[str]]]:
    """A delivery that a run is followed with, and after the block the lines that tell how much has arrived.

    `run_file` is its name as the user knows it.
    """
    if client is None:
        yield None, []
        return
    from honeyhive.experiments.platform.delivery import (  # noqa: PLC0415 - see its import for types
        Delivery,
        upload_command,
    )

    delivery, lines = Delivery(client, project=client.project, workers=workers), list[str]()
    with client:
        try:
            yield delivery, lines
        except BaseException:
            delivery.end(cancelled=True)
            raise
        delivered = delivery.end(cancelled=False)
    lines.append(told(delivered))
    if not delivered.begun:
        lines.append(f"nothing was sent: {delivered.reason}")
    elif not delivered.complete:
        command = upload_command(run_file, client, environ)
        lines.append(f"not everything was sent ({delivered.reason}): `{command}` sends the rest")


def prepare(settings: Settings, environ: Mapping[str, str]) -> None:
    """Load now what `send` takes, where there is a key: later the user's code may have been where that is loaded from.

    What keeps anything from being sent, `send` tells.
    """
    try:
        client = _client_of(settings, environ)
    except InputError:
        return
    if client is None:
        return
    from honeyhive.api.loading import load  # noqa: PLC0415 - see its import for types
    from honeyhive.experiments.platform import delivery  # noqa: F401, PLC0415 - loaded is all that it is to be

    load(client.connection)


def send(judged: Sequence[Judged], settings: Settings, edge: Edge, *, budget: Budget) -> list[ReportingError]:
    """Send the runs of a gate within a time, where there is a key; what could not be told, which changes no verdict.

    The key stays in this process: the child that ran the user's code has never seen it.
    """
    try:
        client = _client_of(settings, edge.environ)
    except InputError as error:
        return [ReportingError(f"the runs are not on HoneyHive: {error.message}", hint=error.hint)]
    if client is None:
        return []
    with client:
        return [problem for item in judged if (problem := _sent(item, client, edge, budget)) is not None]


def _client_of(settings: Settings, environ: Mapping[str, str]) -> HoneyHive | None:
    return find_client(environ, api_key=settings.api_key, project=settings.project, server_url=settings.server_url)


def _sent(item: Judged, client: HoneyHive, edge: Edge, budget: Budget) -> ReportingError | None:
    from honeyhive.ci.rows import relative  # noqa: PLC0415 - see its import for types
    from honeyhive.experiments.platform.delivery import upload_as, upload_command  # noqa: PLC0415 - as above

    name = item.finding.experiment
    if item.digest is None:
        return None
    if not item.is_as_judged:
        return ReportingError(f"{name}: its run file was changed after it was judged, and is not sent to HoneyHive")
    try:
        left = max(budget.left(), 0.0)
        delivered = upload_as(item.run_id, item.run_file, client, project=client.project, patience=left)
    except Cancelled:
        raise
    except (OSError, HoneyHiveError) as error:
        return ReportingError(f"{name}: the run cannot be sent to HoneyHive: {error}")
    edge.echo(neutralise(f"{name}: {told(delivered)}"))
    if delivered.complete:
        return None
    command = upload_command(relative(item.run_file, Path.cwd()), client, edge.environ)
    return ReportingError(
        f"{name}: not everything was sent to HoneyHive: {delivered.reason}", hint=f"`{command}` sends the rest"
    )
