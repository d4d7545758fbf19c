"""An environment for the user's code, where our distribution and their requirements are resolved together."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from honeyhive.ci.processes import run_to_end
from honeyhive.ci.settings import Settings
from honeyhive.ci.worker import child_environment
from honeyhive.documents import shown
from honeyhive.errors import InstallError

_TIME_LIMIT = 30 * 60


def install(
    requirements: str,
    *,
    python_version: str | None,
    directory: Path,
    into: Path,
    environ: Mapping[str, str],
    echo: Callable[[str], None],
) -> Path:
    """Make an environment at `into` that has our distribution and `requirements`; its Python interpreter's path.

    `requirements` is a requirements file, a folder with a `pyproject.toml`, or packages separated by spaces or
    commas. A requirement of theirs on `honeyhive` is met by ours. Build steps of packages run as processes that see
    `environ` alone. Raises `InstallError` with what the resolver said where the two do not go together.
    """
    uv = _uv()
    python = into / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = ["--python", python_version or sys.executable]
    _run([uv, "venv", "--no-project", *wanted, str(into)], directory, environ, echo)
    ours = f"honeyhive @ {our_source()}"
    overrides = into / "honeyhive-override.txt"
    overrides.write_text(f"{ours}\n", encoding="utf-8")
    arguments = ["--python", str(python), "--override", str(overrides), ours, *_requirements(requirements, directory)]
    _run([uv, "pip", "install", *arguments], directory, environ, echo)
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


def _run(command: Sequence[str], directory: Path, environ: Mapping[str, str], echo: Callable[[str], None]) -> None:
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        echo(line)

    exit_code = run_to_end(command, environment=environ, directory=directory, time_limit=_TIME_LIMIT, echo=hear)
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
def users_python(settings: Settings, environ: Mapping[str, str], echo: Callable[[str], None]) -> Iterator[Path | None]:
    """The interpreter for the user's code: one with their requirements where `install` names some, else our own."""
    if settings.install is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="honeyhive-install-", ignore_cleanup_errors=True) as folder:
        yield install(
            settings.install,
            python_version=settings.python_version,
            directory=settings.directory,
            into=Path(folder, "environment"),
            environ=child_environment(environ, settings.pass_env),
            echo=echo,
        )
