"""The folders of commits: what is in them, where two differ, and how they are written to a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from honeyhive.ci.git.objects import TreeEntry
from honeyhive.errors import RepositoryError

Named = Mapping[str, tuple[TreeEntry, str]]
"""What a folder holds, by name: the entry, and the object that it names."""

_MOST_TREES = 20_000
_HINT = "check the repository: git fsck"


def find(tree: str, path: str, open_tree: Callable[[str], Named]) -> str | None:
    """The content that the regular file at `path` has; `None` where there is none, or only by way of a link."""
    place = PurePosixPath(path)
    if not place.parts or place.is_absolute() or ".." in place.parts:
        return None
    for part in place.parts[:-1]:
        entry, tree = open_tree(tree).get(part, (None, ""))
        if entry is None or not entry.is_tree:
            return None
    entry, content = open_tree(tree).get(place.parts[-1], (None, ""))
    return content if entry is not None and entry.is_file else None


def leads_to(tree: str, path: str, open_tree: Callable[[str], Named]) -> bool:
    """Whether something is at `path`, or anything but a folder on the way there: a link may lead anywhere."""
    for part in PurePosixPath(path).parts:
        entry, tree = open_tree(tree).get(part, (None, ""))
        if entry is None:
            return False
        if not entry.is_tree:
            return True
    return True


def walk(tree: str, open_tree: Callable[[str], Named]) -> Iterator[tuple[PurePosixPath, TreeEntry, str]]:
    """Everything below a tree but the folders themselves."""
    pending = [(PurePosixPath(), tree)]
    while pending:
        above, folder = pending.pop()
        for name, (entry, content) in open_tree(folder).items():
            if entry.is_tree:
                pending.append((above / name, content))
            else:
                yield above / name, entry, content


def differences(before: str, after: str, open_tree: Callable[[str, bool], Named]) -> Iterator[str]:
    """The paths in which two trees differ; `open_tree` is told whether it is the later one of which it opens a folder.

    Raises `RepositoryError` where they differ in more folders than anybody looks through.
    """
    pending = [("", before, after)]
    for _ in range(_MOST_TREES):
        if not pending:
            return
        above, one, other = pending.pop()
        then = open_tree(one, False) if one else {}  # noqa: FBT003 - the signature is a callable's
        now = open_tree(other, True) if other else {}  # noqa: FBT003 - the signature is a callable's
        for name in then.keys() | now.keys():
            found = then.get(name), now.get(name)
            if found[0] == found[1]:
                continue
            folders = [entry[1] if entry and entry[0].is_tree else "" for entry in found]
            if any(folders):
                pending.append((f"{above}{name}/", folders[0], folders[1]))
            if any(entry and not entry[0].is_tree for entry in found):
                yield above + name
    raise RepositoryError("the two commits differ in too many folders", hint="give the job no `paths`")


def write_file(place: Path, content: bytes, *, is_program: bool) -> None:
    """A new file at `place`; `RepositoryError` where something is there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as stream:
            stream.write(content)
        if is_program:
            place.chmod(0o755)
    except (OSError, ValueError) as error:
        raise _unwritten(place, error) from error


def write_links(folder: Path, links: Sequence[tuple[Path, bytes]]) -> None:
    """Symbolic links below `folder`: those that lead out of it, by whatever way, are left out."""
    made = []
    for place, target in links:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target.decode("utf-8", "surrogateescape"))
        except (OSError, ValueError) as error:
            raise _unwritten(place, error) from error
        made.append(place)
    inside = folder.resolve()
    # They may lead over each other, so where each leads is known when all are there, and again when one is gone.
    while leading_out := [place for place in made if not _stays(place, inside)]:
        for place in leading_out:
            place.unlink()
        made = [place for place in made if place not in leading_out]


def _stays(place: Path, inside: Path) -> bool:
    try:
        return place.resolve().is_relative_to(inside)
    except (OSError, RuntimeError):  # a circle
        return False


def _unwritten(place: Path, error: Exception) -> RepositoryError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return RepositoryError(f"a file of the commit cannot be written: {reason}", file=str(place), hint=_HINT)
