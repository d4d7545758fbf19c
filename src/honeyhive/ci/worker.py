"""The run in a process of its own: the user's code never shares one with the token and the verdict."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from honeyhive.ci.account import WAY_OUT, Account, own_folder, refuse_unreachable
from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.handing import handed_over
from honeyhive.ci.ownership import Owner, make_folder, take_file
from honeyhive.ci.processes import run_to_end
from honeyhive.ci.rows import BaseRows, Besides
from honeyhive.ci.settings import Settings
from honeyhive.ci.vast import cut_to_size
from honeyhive.documents.redactor import SHORTEST, Redactor
from honeyhive.experiments.provenance import MERGE_BASE_VARIABLE, provenance
from honeyhive.runfile import companion

PASSED_ON = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "TERM",
    "CI",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GITHUB_ACTIONS",
    "GITHUB_WORKSPACE",
    "GITHUB_REPOSITORY",
    "GITHUB_SHA",
    "GITHUB_REF",
    "GITHUB_REF_NAME",
    "GITHUB_HEAD_REF",
    "GITHUB_BASE_REF",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PATH",
    "HONEYHIVE_TELEMETRY",
    "HH_TELEMETRY",
    "GITHUB_SERVER_URL",
    "RUNNER_TRACKING_ID",  # by which a runner finds what a step has left running
    "RUNNER_OS",
    "RUNNER_ARCH",
    MERGE_BASE_VARIABLE,
]
"""The environment that the user's code sees without asking; `pass-env` names more."""

_TOKENS = (
    "GITHUB_TOKEN", "INPUT_GITHUB-TOKEN", "INPUT_API-KEY", "HH_API_KEY", "HONEYHIVE_API_KEY", "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)  # fmt: skip
"""What stands in these is not passed on under another name either, nor as a part of something, such as an address."""

_MAX_ERROR = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class ReportedError:
    """What the child said of an error of the user's: its words, to be shown and not to be trusted."""

    message: str
    hint: str = ""
    title: str = ""
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the child came to its end. `exit_code` is negative for a signal, `None` where its time ran out.

    `run_id` is what its run was to be called: a run file of another id is not its work, whoever wrote it.
    """

    exit_code: int | None
    run_id: str
    time_limit: float | None = None
    error: ReportedError | None = None

    @property
    def words(self) -> str:
        """The ending in words."""
        if self.exit_code is None:
            return f"the run was ended after {self.time_limit:g} s, its time limit"
        if self.exit_code < 0:
            return f"the process of the run was killed by {_signal_name(-self.exit_code)}"
        return f"the process of the run ended with exit code {self.exit_code} before it was done"


def run_in_child(  # noqa: PLR0913 - what to run and how, and the effects that the caller brings
    experiment: ExperimentConfig,
    settings: Settings,
    *,
    run_id: str | None = None,
    base_rows: BaseRows | None = None,
    python: Path | None = None,
    out: Path,
    edge: Edge,
) -> Ending:
    """Run one experiment in a child process, which leaves its run file at `out`, as the run `run_id` or a new one.

    Each line of the child's output goes to the log, workflow commands made harmless. When this returns, no process
    that the child started is left, and what it could write is its owner's again. On an exception (a signal) the child
    is asked to end first.
    """
    run_id = run_id or str(uuid.uuid4())
    environment = environment_of(settings, edge)
    with plain_folder(edge.account) as folder:
        plan, told, error_file = (folder / f"{name}.json" for name in ("plan", "besides", "error"))
        plan.write_text(_plan(experiment), encoding="utf-8")
        git = provenance(settings.directory, environment)
        besides = Besides(provenance=git, base_rows=base_rows, passed=tuple(settings.pass_env))
        told.write_text(besides.to_json(), encoding="utf-8")
        command = _command(experiment, settings, python or Path(sys.executable))
        command += ["--config", str(plan), "--besides", str(told), "--run-id", run_id]
        command += ["--out", str(out), "--error-file", str(error_file)]
        with _written_by_the_child(out, error_file, settings, edge.account), cut_to_size(out):
            exit_code = run_to_end(
                command,
                environment=environment,
                directory=settings.directory,
                time_limit=settings.time_limit,
                echo=edge.echo,
                account=edge.account,
            )
        error = _reported_error(error_file)
        if error is not None and edge.account is not None and "Permission denied" in error.message:
            error = replace(error, hint="; ".join(filter(None, (error.hint, WAY_OUT))))
        return Ending(exit_code=exit_code, run_id=run_id, time_limit=settings.time_limit, error=error)


def child_environment(
    environ: Mapping[str, str], pass_env: Sequence[str], account: Account | None = None
) -> dict[str, str]:
    """The part of the environment that the user's code may see; home and scratch are those of the account."""
    names = {*PASSED_ON, *pass_env, *(name for name in environ if name.startswith("LC_"))}
    tokens, holding = _tokens(environ), _holding_tokens(environ)
    passed = {name: environ[name] for name in names if name in environ and environ[name] not in tokens}
    seen = {name: value for name, value in passed.items() if not holding.finds(os.fsencode(value))}
    return seen if account is None else account.environment(seen)


def environment_of(settings: Settings, edge: Edge) -> dict[str, str]:
    """The environment of a child; a file that a variable of `pass-env` names is one that its account can read."""
    seen = child_environment(edge.environ, settings.pass_env, edge.account)
    if edge.account is None:
        return seen
    return handed_over(seen, settings, edge.account, environ=edge.environ, tokens=_holding_tokens(edge.environ))


def _tokens(environ: Mapping[str, str]) -> set[str]:
    return {value for name in _TOKENS if (value := environ.get(name))}


def _holding_tokens(environ: Mapping[str, str]) -> Redactor:
    return Redactor(frozenset(token for token in _tokens(environ) if len(token) >= SHORTEST))


@contextmanager
def plain_folder(account: Account | None) -> Iterator[Path]:
    """A folder of ours for the block, in which the account can read and not write."""
    if account is None:
        with tempfile.TemporaryDirectory(prefix="honeyhive-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    with own_folder(account.folder) as folder:
        folder.chmod(0o711)
        yield folder


@contextmanager
def _written_by_the_child(out: Path, error_file: Path, settings: Settings, account: Account | None) -> Iterator[None]:
    """What the child has to write is there and the account's, and so is what the user lets it write; then no more."""
    if account is None:
        yield
        return
    refuse_unreachable(settings.directory, account)
    back, files = Owner.of(settings.directory), (out, companion(out, "spans"))
    make_folder(out.parent, back)
    for path in (*files, error_file):
        account.make_file(path)
    try:
        with account.given(settings.directory, settings.writable):
            yield
    finally:
        for path in files:
            if path.lstat().st_size:
                take_file(path, back)
            else:  # as if nobody had made it
                path.unlink()


def _plan(experiment: ExperimentConfig) -> str:
    """What the child has to do, as a configuration file: the thresholds tell it which datapoints are tried again."""
    chosen = experiment.model_dump(mode="json", by_alias=True, exclude={"baseline"}, exclude_none=True)
    return json.dumps({"version": 1, "experiments": [chosen]}, ensure_ascii=False)


def _command(experiment: ExperimentConfig, settings: Settings, python: Path) -> list[str]:
    command = [str(python), "-I", "-u", "-m", "honeyhive", "run", "--experiment", experiment.name]
    if settings.limit is not None:
        command += ["--limit", str(settings.limit)]
    for directory in settings.python_path:
        command += ["--python-path", directory]
    return command


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name}, as it is where memory runs out" if number == signal.SIGKILL else name


def _reported_error(path: Path) -> ReportedError | None:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_ERROR:
            return None
        said = json.loads(path.read_text(encoding="utf-8"))
        return ReportedError(
            message=_line(said["message"]),
            hint=_line(said.get("hint", "")),
            title=_line(said.get("title", "")),
            file=_line(said["file"]) if said.get("file") else None,
            line=said["line"] if isinstance(said.get("line"), int) else None,
        )
    except (OSError, RecursionError, ValueError, KeyError, TypeError, AttributeError):  # it is the child's to spoil
        return None


def _line(said: Any) -> str:
    return " ".join(str(said).split())
