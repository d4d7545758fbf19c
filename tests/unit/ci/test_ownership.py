"""Whose files are, and what is closed while user code runs: by descriptors, and never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from honeyhive.ci.closing import closed, credential_files, places_of_the_job
from honeyhive.ci.ownership import Owner, give_folder, give_to_owner_of, open_below
from honeyhive.errors import InputError

SOMEBODY = Owner(uid=60600, gid=60600)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def owner(path: Path) -> int:
    return path.lstat().st_uid


@as_root
def test_a_folder_is_given_with_all_in_it_and_nothing_that_is_elsewhere_too(tmp_path: Path) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    (top / "deep").mkdir(parents=True)
    outside.mkdir()
    for path in (top / "deep" / "file", outside / "file", outside / "twin"):
        path.touch()
    (top / "link").symlink_to(outside)
    os.link(outside / "twin", top / "twin")
    descriptor = open_below(tmp_path, "top")
    give_folder(descriptor, SOMEBODY)
    os.close(descriptor)
    given = {path for path in tmp_path.rglob("*") if owner(path) == SOMEBODY.uid}
    assert given == {top, top / "deep", top / "deep" / "file", top / "link"}


@as_root
def test_what_root_left_goes_to_the_owner_of_the_workspace_but_nothing_outside_of_it(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "report", outside / "report"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (root / "linked").symlink_to(outside)
    os.chown(root, SOMEBODY.uid, SOMEBODY.gid)
    give_to_owner_of(root, [root / "report", root / "not there", root / "linked", root / "linked" / "report"])
    given = {path for path in tmp_path.rglob("*") if owner(path) == SOMEBODY.uid}
    assert given == {root, root / "report", root / "report" / "file"}


def test_a_folder_is_not_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    with pytest.raises(OSError, match=r"link|symbolic|directory"):
        open_below(tmp_path, "link")
    with pytest.raises(FileNotFoundError):
        open_below(tmp_path, "nowhere")


def test_what_is_closed_is_opened_again_wherever_it_stands_by_then(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir(mode=0o755)
    file.touch(mode=0o644)
    (tmp_path / "link").symlink_to("file")
    with closed([folder, file, folder, tmp_path / "link", tmp_path / "nowhere"], reached=[tmp_path]):
        assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
        folder.rename(tmp_path / "moved")
    assert ((tmp_path / "moved").stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o755, 0o644)


def test_nothing_is_closed_in_which_the_code_is(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    with (
        pytest.raises(InputError, match="cannot be closed to your code"),
        closed([tmp_path], reached=[tmp_path / "workspace"]),
    ):
        pass


def test_the_places_of_a_job_are_those_that_it_names(tmp_path: Path) -> None:
    environ = {
        "GITHUB_OUTPUT": "/commands/out",
        "GITHUB_ENV": "/commands/env",
        "HOME": "/home/bee",
        "RUNNER_TEMP": "/t",
    }
    found = {str(path) for path in places_of_the_job(environ, tmp_path)}
    assert found == {"/commands", "/home/bee", "/github/runner_temp", "/t"}
    assert Path("/") not in set(places_of_the_job({"HOME": "/"}, tmp_path)), "it would close everything"


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        ('[core]\n\tbare = false\n[remote "origin"]\n\turl = https://github.com/honey/bees\n', False),
        ('[remote "origin"]\n\turl = https://x-access-token:ghs_1@github.com/honey/bees\n', True),
        ('[http "https://github.com/"]\n\tExtraHeader = AUTHORIZATION: basic YTpi\n', True),
        ("[credential]\n\thelper = store\n", True),
        ("[core]\n\tsshCommand = ssh -i /tmp/key\n", True),
        ("x" * (2**20 + 1), True),
    ],
    ids=["none", "in an address", "in a header", "a helper", "a key", "too long to tell"],
)
@pytest.mark.parametrize("place", [".git", "other/.git", ".git/modules/sub"])
def test_a_configuration_with_a_credential_is_found(tmp_path: Path, written: str, holds: bool, place: str) -> None:
    config = tmp_path / place / "config"
    config.parent.mkdir(parents=True)
    config.write_text(written)
    assert credential_files(tmp_path, {"GITHUB_WORKSPACE": str(tmp_path)}) == ((config,) if holds else ())


def test_a_linked_worktree_and_what_is_included_are_looked_through_too(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    (main / ".git" / "worktrees" / "tree").mkdir(parents=True)
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/tree\n")
    included = tmp_path / "git-credentials.config"
    included.touch()
    (main / ".git" / "config").write_text(f'[includeIf "gitdir:x"]\n\tpath = "{included}"\n\tpath = ../nowhere\n')
    assert credential_files(tree, {}) == (included,)
