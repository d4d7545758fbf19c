"""An environment for the user's code, where our distribution and their requirements are resolved together."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

from honeyhive.ci.account import refuse_unreachable
from honeyhive.ci.edge import Edge
from honeyhive.ci.processes import run_to_end
from honeyhive.ci.settings import Settings
from honeyhive.ci.worker import environment_of, plain_folder
from honeyhive.documents import shown
from honeyhive.errors import InstallError

_TIME_LIMIT = 30 * 60


def install(
    requirements: str,
    *,
    python_version: str | None,
    folder: Path,
    directory: Path,
    edge: Edge,
) -> Path:
    """Make an environment in `folder` that has our distribution and `requirements`; its Python interpreter's path.

    `requirements` is a requirements file, a folder with a `pyproject.toml`, or packages separated by spaces or
    commas. A requirement of theirs on `honeyhive` is met by ours. Build steps of packages run as processes that see
    the edge's environment alone, and as its account. Raises `InstallError` with what the resolver said where the two do
    not go together.
    """
    uv, own = _uv(), folder / "own"
    own.mkdir() if edge.account is None else edge.account.make_folder(own)
    into = own / "environment"
    python = into / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = ["--python", python_version or sys.executable]
    _run([uv, "venv", "--no-project", *wanted, str(into)], directory, edge)
    ours = f"honeyhive @ {our_source()}"
    overrides = folder / "override.txt"  # not where their code may write
    overrides.write_text(f"{ours}\n", encoding="utf-8")
    arguments = ["--python", str(python), "--override", str(overrides), ours, *_requirements(requirements, directory)]
    _run([uv, "pip", "install", *arguments], directory, edge)
    return python


def our_source() -> str:
    """The URL that our own distribution was installed from (PEP 610)."""
    recorded = distribution("honeyhive").read_text("direct_url.json")
    url = json.loads(recorded).get("url") if recorded else None
    if not isinstance(url, str):
        raise InstallError(
            "install: it is not recorded where this honeyhive came from",
            hint="install honeyhive from its wheel, its folder or its git repository",
        )
    return url


def _requirements(requirements: str, directory: Path) -> list[str]:
    path = directory / requirements
    with suppress(OSError):  # a list of packages may be longer than any name of a file
        if path.is_dir():
            return [str(path)]
        if path.is_file():
            return ["-r", str(path)]
    names = requirements.replace(",", " ").split()
    if len(names) == 1 and (names[0].endswith((".txt", ".toml", ".lock", ".cfg")) or "/" in names[0]):
        raise InstallError(f"install: there is no {shown(requirements)}", hint=f"it is looked for in {directory}")
    if any(name.startswith("-") for name in names):
        raise InstallError(
            f"install: {shown(requirements)} has an option in it", hint="put options in a requirements file"
        )
    return names


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise InstallError("install: uv is not there to install with", hint="pip install uv")
    return found


def _run(command: Sequence[str], directory: Path, edge: Edge) -> None:
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        edge.echo(line)

    exit_code = run_to_end(
        command,
        environment=edge.environ,
        directory=directory,
        time_limit=_TIME_LIMIT,
        echo=hear,
        account=edge.account,
    )
    if exit_code is None:
        raise InstallError(f"install: not done after {_TIME_LIMIT // 60} minutes", hint="see the lines above")
    if exit_code:
        raise InstallError(f"install: {_complaint(said)}", hint="the lines above say more")


def _complaint(said: Sequence[str]) -> str:
    """What the resolver said, from its first complaint on, in one line."""
    start = next((number for number, line in enumerate(said) if line.lstrip().startswith(("×", "error:"))), 0)
    text = " ".join(" ".join(said[start:]).replace("×", "").replace("╰─▶", "").replace("error:", "").split())
    return text[:1_000] or "the installer failed and said nothing"


@contextmanager
def users_python(settings: Settings, edge: Edge, *, workspace: Path) -> Iterator[Path | None]:
    """The interpreter for the user's code: one with their requirements where `install` names some, else our own.

    Where it is built by an account of its own, what lies in the workspace is built from a copy of it all, which is
    there until the block is left: tools leave files beside what they build, and look for others around it.
    """
    if settings.install is None:
        yield None
        return
    with plain_folder(edge.account) as folder:
        inside = replace(edge, environ=environment_of(settings, edge))
        requirements, directory = settings.install, settings.directory
        place = _place(requirements, directory)
        if edge.account is not None and (place or "/" in requirements):
            refuse_unreachable(directory, edge.account)
            if place and place.is_relative_to(workspace):
                requirements = os.path.relpath(place, directory)
            copied = _copied(workspace, edge.account.make_folder(folder / "workspace"), inside)
            directory = copied / directory.relative_to(workspace)
        yield install(
            requirements, python_version=settings.python_version, folder=folder, directory=directory, edge=inside
        )


def _place(requirements: str, directory: Path) -> Path | None:
    """The file or folder that is meant, where it is none of the packages; `InstallError` where it is not there."""
    last = "".join(_requirements(requirements, directory)[-1:])
    return Path(os.path.normpath(last)) if Path(last).is_absolute() else None


def _copied(workspace: Path, into: Path, edge: Edge) -> Path:
    """A copy of the workspace, of the same name, as far as the account can read it."""
    copied = into / (workspace.name or "workspace")
    _run([sys.executable, "-I", "-m", "honeyhive.ci.copying", str(workspace), str(copied)], into, edge)
    return copied
