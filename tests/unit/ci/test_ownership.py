"""Whose files are, and what is closed while user code runs: by descriptors, and never through a link."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from honeyhive.ci.account import Account
from honeyhive.ci.closing import checkouts, closed, credential_files, places_of_the_job
from honeyhive.ci.ownership import Owner, give_folder, give_to_owner_of, make_folder, open_below, take_file
from honeyhive.errors import ConfigError, InputError

SOMEBODY = Owner(uid=60600, gid=60600)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def owner(path: Path) -> int:
    return path.lstat().st_uid


def found_in(workspace: Path) -> tuple[Path, ...]:
    return credential_files(checkouts(workspace).places)


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


def test_of_a_folder_that_the_code_needs_the_command_files_alone_are_closed(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    environ = {"GITHUB_OUTPUT": str(tmp_path / "out"), "GITHUB_ENV": "/dev/null", "GITHUB_PATH": "/nowhere"}
    found = set(places_of_the_job(environ, tmp_path, [tmp_path / "account"]))
    assert found == {tmp_path / "out", Path("/github/runner_temp")}


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
    assert found_in(tmp_path) == ((config,) if holds else ())


def test_a_linked_worktree_and_what_is_included_are_looked_through_too(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    (main / ".git" / "worktrees" / "tree").mkdir(parents=True)
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/tree\n")
    included = tmp_path / "git-credentials.config"
    included.touch()
    (main / ".git" / "config").write_text(f'[includeIf "gitdir:x"]\n\tpath = "{included}"\n\tpath = ../nowhere\n')
    assert found_in(tree) == (included,)


@as_root
def test_folders_however_deep_are_given_with_few_descriptors(tmp_path: Path) -> None:
    """More of them than a process may have open, and than Python's own ways to walk can go down."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    here, depth = os.dup(descriptor), 9_000
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    give_folder(descriptor, SOMEBODY)
    assert os.fstat(here).st_uid == os.stat("file", dir_fd=here).st_uid == SOMEBODY.uid
    os.close(here)
    os.close(descriptor)
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


@as_root
def test_what_is_kept_is_not_given_nor_what_is_in_it(tmp_path: Path) -> None:
    for place in ("a/.git/objects", "b/.GIT", "c"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").touch()
    with (
        closed([tmp_path / "c" / "file"], reached=[]) as kept,
        Account(owner=SOMEBODY, folder=tmp_path, kept=kept).given(tmp_path, ["a", "b", "c"]),
    ):
        given = {path for path in tmp_path.rglob("*") if owner(path) == SOMEBODY.uid}
    assert given == {tmp_path / "a", tmp_path / "b", tmp_path / "c"}
    assert {owner(path) for path in tmp_path.rglob("*")} == {0}


@as_root
def test_what_the_account_has_made_of_two_names_goes_back_as_well(tmp_path: Path) -> None:
    account = Account(owner=SOMEBODY, folder=tmp_path)
    with account.given(tmp_path, ["cache"]):
        (tmp_path / "cache" / "one").touch()
        os.chown(tmp_path / "cache" / "one", SOMEBODY.uid, SOMEBODY.gid)
        os.link(tmp_path / "cache" / "one", tmp_path / "cache" / "two")
    assert owner(tmp_path / "cache" / "two") == 0


@as_root
@pytest.mark.parametrize("names", [1, 2], ids=["that all may write to", "of two names"])
def test_a_file_that_is_taken_is_written_to_by_nobody_else(tmp_path: Path, names: int) -> None:
    path, twin = tmp_path / "run.jsonl", tmp_path / "twin"
    path.write_text("as it was\n")
    path.chmod(0o666)
    os.chown(path, SOMEBODY.uid, SOMEBODY.gid)
    if names == 2:
        os.link(path, twin)
    take_file(path, Owner.of(tmp_path))
    found = path.stat()
    assert (found.st_uid, found.st_mode & 0o7777, found.st_nlink) == (0, 0o644, 1)
    assert path.read_text() == "as it was\n"
    assert [path.name for path in tmp_path.iterdir() if path != twin] == ["run.jsonl"]


@as_root
def test_a_folder_is_its_owners_from_the_beginning(tmp_path: Path) -> None:
    make_folder(tmp_path / "report" / "doubling", SOMEBODY)
    assert owner(tmp_path / "report") == owner(tmp_path / "report" / "doubling") == SOMEBODY.uid
    assert owner(tmp_path) == 0


def test_a_credential_is_found_however_deep_its_checkout_is_and_not_in_what_only_looks_like_one(tmp_path: Path) -> None:
    for place in ("a/b/c/.git", "node_modules/x/.git", "a/.git", "a/.git/deep/.git", "elsewhere"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "config").write_text("[credential]\n\thelper = store\n")
    (tmp_path / "a" / "linked").symlink_to(tmp_path)
    assert set(found_in(tmp_path)) == {tmp_path / place / ".git" / "config" for place in ("a", "a/b/c")}


def test_of_very_many_folders_the_nearest_are_looked_through_and_it_is_said(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}" / "below" / ".git").mkdir(parents=True)
    (tmp_path / "19" / ".git").mkdir()
    found = checkouts(tmp_path, most=21)
    assert not found.all_seen
    assert tmp_path / "19" / ".git" in found.places
    assert len(found.places) == 1
    assert checkouts(tmp_path).all_seen


@as_root
def test_a_folder_that_is_closed_is_not_given(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    with (
        closed([tmp_path / "temporary"], reached=[]) as kept,
        pytest.raises(ConfigError, match="it is closed to it"),
        Account(owner=SOMEBODY, folder=tmp_path, kept=kept).given(tmp_path, ["temporary"]),
    ):
        pass


NESTED = """
import os, sys
from honeyhive.ci.account import own_folder
from honeyhive.ci.lastwords import LAST_WORDS

with own_folder() as folder:
    os.chdir(folder)
    for _ in range(3_000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir("/")
    if sys.argv[1:] == ["stopped"]:
        LAST_WORDS.begin()
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["and the job goes on", "and the job was stopped"])
def test_what_the_account_left_however_deep_takes_no_time_from_the_last_words(tmp_path: Path, stopped: bool) -> None:
    command = [sys.executable, "-I", "-c", NESTED, *(["stopped"] if stopped else [])]
    subprocess.run(command, env={"TMPDIR": str(tmp_path)}, check=True)
    assert bool(list(tmp_path.iterdir())) == stopped
    subprocess.run(["rm", "-rf", "--", *tmp_path.iterdir()], check=True)
