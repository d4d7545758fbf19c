"""Objects as a git that misbehaves gives them, and what commits and trees say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.ci.git.objects import Objects, TreeEntry, parse_commit, parse_tree
from honeyhive.errors import RepositoryError
from honeyhive.experiments.gitprocess import GitProcess

CONTENT = b"hello\n"
NAME = hashlib.sha1(b"blob 6\0" + CONTENT, usedforsecurity=False).hexdigest()


def fake(folder: Path, program: str, *, timeout: float = 30.0) -> GitProcess:
    path = folder / "git"
    path.write_text(f"#!/bin/sh\nread name; read end\n{program}\n")
    path.chmod(0o755)
    return GitProcess(program=str(path), root=folder, environment={"PATH": "/usr/bin:/bin"}, timeout=timeout)


def test_what_git_gives_is_read(tmp_path: Path) -> None:
    with Objects(fake(tmp_path, 'echo "$name blob 6"; printf "hello\\n\\n"; echo "$end missing"; sleep 60')) as objects:
        assert objects.read(NAME, "blob") == CONTENT


@pytest.mark.parametrize(
    "program",
    [
        "exit 0",
        'echo "$name missing"; echo "$end missing"; sleep 60',
        'echo "$name tree 6"; printf "hello\\n\\n"; echo "$end missing"; sleep 60',
        'echo "$name blob 6"; printf "hallo\\n\\n"; echo "$end missing"; sleep 60',
        'echo "$name blob 9"; printf "hello\\n\\n"; echo "$end missing"; sleep 60',
        'echo "$name blob 2"; printf "hello\\n\\n"; echo "$end missing and a lot more than that"; sleep 60',
    ],
    ids=["ending", "missing", "another kind", "another content", "less than said", "more than said"],
)
def test_what_is_not_as_its_name_says_is_not_there(tmp_path: Path, program: str) -> None:
    with Objects(fake(tmp_path, program)) as objects:
        assert objects.read(NAME, "blob") is None


def test_a_git_that_hangs_is_given_up(tmp_path: Path) -> None:
    git = fake(tmp_path, "sleep 60", timeout=0.1)
    with Objects(git) as objects, pytest.raises(RepositoryError, match=r"did not answer within 0\.1 seconds"):
        objects.read(NAME, "blob")


def test_a_git_that_does_not_start_is_said(tmp_path: Path) -> None:
    git = GitProcess(program=str(tmp_path / "nope"), root=tmp_path, environment={}, timeout=1.0)
    with Objects(git) as objects, pytest.raises(RepositoryError, match="could not be started"):
        objects.read(NAME, "blob")


# --- commits and trees -----------------------------------------------------------------------------------------------

TREE, PARENT = "a" * 40, "b" * 40
WHO = "Ada <ada@example.com> 1800000000 +0100"


def test_a_commit_says_its_tree_its_parents_and_its_time() -> None:
    text = f"tree {TREE}\nparent {PARENT}\nparent {TREE}\nauthor {WHO}\ncommitter {WHO}\ngpgsig -----\n x\n\ntree x\n"
    found = parse_commit(text.encode())

    assert (found.tree, found.parents, found.time) == (TREE, (PARENT, TREE), 1_800_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"committer {WHO}\n\n",
        f"tree {TREE}\n\ncommitter {WHO}\n",
        f"tree {TREE}\ntree {TREE}\ncommitter {WHO}\n\n",
        f"tree {TREE[:39]}\ncommitter {WHO}\n\n",
        f"tree {TREE}\nparent --output=x\ncommitter {WHO}\n\n",
    ],
)
def test_a_commit_that_git_would_not_write_is_refused(text: str) -> None:
    with pytest.raises(RepositoryError, match="malformed"):
        parse_commit(text.encode())


_names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..") and name.lower() != ".git"
)
_entries = st.dictionaries(_names, st.tuples(st.sampled_from(["100644", "40000"]), st.binary(min_size=20, max_size=20)))


@given(_entries)
def test_a_tree_is_read_as_it_was_written(entries: dict[str, tuple[str, bytes]]) -> None:
    content = b"".join(f"{mode} {name}\0".encode() + raw for name, (mode, raw) in entries.items())

    assert parse_tree(content, width=40) == {
        TreeEntry(mode=mode, name=name): raw.hex() for name, (mode, raw) in entries.items()
    }


@given(st.binary(min_size=1, max_size=100))
def test_a_tree_of_anything_is_read_or_refused(content: bytes) -> None:
    try:
        found = parse_tree(content, width=40)
    except RepositoryError:
        return
    assert b"".join(f"{e.mode} {e.name}".encode("utf-8", "surrogateescape") + b"\0" for e in found)
