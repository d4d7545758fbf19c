"""What a release writes into its commit: digests, each in the one line where it belongs. Used by release.yml alone.

    python scripts/release.py version 2.0.0                          # refuses what is not the version of this commit
    python scripts/release.py base python:3.13-slim@sha256:…         # the image that the Dockerfile builds on
    python scripts/release.py image ghcr.io/owner/name@sha256:…      # the image that action.yml names: no job builds it

It runs on the standard library, in the folder of the repository, and ends with 2 and one line where anything is not
exactly as it has to be: nothing is written then.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

_DIGEST = r"sha256:[0-9a-f]{64}"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAGGED = re.compile(rf"{_PART}:[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}@{_DIGEST}")
_PUSHED = re.compile(rf"ghcr\.io(?:/{_PART}){{2,5}}@{_DIGEST}")
_VERSION = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){2}")


class Refused(Exception):  # noqa: N818 - it names what happened
    """Something is not as a release needs it; the message says what."""


def check_version(root: Path, version: str) -> None:
    """Whether this commit is that version: the package says so, and the changelog begins with it."""
    if not _VERSION.fullmatch(version):
        raise Refused(f"{version!r} is not a version: 2.0.0, without a v")
    said = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if said != version:
        raise Refused(f"pyproject.toml has version {said}, not {version}")
    heading = re.search(r"^## .*$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if heading is None or heading.group() != f"## {version}":
        raise Refused(f"CHANGELOG.md does not begin with `## {version}`")


def pin_base(root: Path, image: str) -> None:
    """Have the Dockerfile build on exactly this image, which has to be the one that it names by its tag."""
    if not _TAGGED.fullmatch(image):
        raise Refused(f"{image!r} is not NAME:TAG@sha256: and 64 hex digits")
    _replace(root / "Dockerfile", f"ARG BASE={image.partition('@')[0]}", f"ARG BASE={image}")


def pin_image(root: Path, image: str) -> None:
    """Have the action run exactly this image."""
    if not _PUSHED.fullmatch(image):
        raise Refused(f"{image!r} is not ghcr.io/OWNER/NAME@sha256: and 64 hex digits, in lower case")
    _replace(root / "action.yml", "  image: Dockerfile", f"  image: docker://{image}")


def _replace(path: Path, line: str, instead: str) -> None:
    """Put a line in the place of the only one that reads so; every other byte stays."""
    lines = path.read_bytes().split(b"\n")
    if lines.count(line.encode()) != 1:
        raise Refused(f"{path.name} has {lines.count(line.encode())} lines `{line}`, not one")
    lines[lines.index(line.encode())] = instead.encode()
    path.write_bytes(b"\n".join(lines))


COMMANDS: Mapping[str, Callable[[Path, str], None]] = {"version": check_version, "base": pin_base, "image": pin_image}


def main(arguments: list[str], root: Path) -> int:
    """The exit code."""
    try:
        match arguments:
            case [command, value] if command in COMMANDS:
                COMMANDS[command](root, value)
            case _:
                raise Refused(f"usage: release.py {'|'.join(COMMANDS)} VALUE")  # noqa: TRY301 - as any other refusal
    except Refused as refused:
        sys.stderr.write(f"release.py: {refused}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
