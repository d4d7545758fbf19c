"""What `describe` reads from real repositories, whole ones, odd ones and hostile ones."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeyhive.experiments.git import describe, workspace_root
from honeyhive.experiments.gitprocess import GitFailed, find_git
from honeyhive.experiments.provenance import flat, provenance
from honeyhive.experiments.remote import Remote, parse_remote

FIELDS = {
    "commit_hash", "commit_hash_short", "commit_message", "author_name", "branch", "is_dirty", "uncommitted_changes",
    "remote_url", "repo_url", "commit_link", "relative_path",
}  # fmt: skip
AUTHOR = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com")
NO_COMMIT = "the repository has no commit yet"
FILTERED = "all changed files belong to a content filter (such as git-lfs), and we run none"


@pytest.fixture(autouse=True)
def _only_the_repository_configures_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(place: Path, *arguments: str, stdin: bytes = b"") -> str:
    command = ["git", *AUTHOR, *arguments]
    done = subprocess.run(command, cwd=place, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(place: Path, message: str = "Start", **files: str) -> str:
    for name, text in (files or {"README": "hello\n"}).items():
        (place / name).write_text(text)
    git(place, "add", "--all")
    git(place, "commit", "-q", "-m", message)
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """One commit on `main`, with an origin on GitHub."""
    place = tmp_path / "widget"
    git(tmp_path, "init", "-q", "-b", "main", str(place))
    git(place, "remote", "add", "origin", "https://github.com/acme/widget.git")
    commit(place, "Start\n\nFor a reason.\n")
    return place


def known(facts: dict[str, Any]) -> dict[str, Any]:
    """The fields that were read; every field is either read or absent, never both."""
    read = {name: value for name, value in facts.items() if name != "absent"}
    assert read.keys() | facts["absent"].keys() == FIELDS
    assert not read.keys() & facts["absent"].keys()
    return read


# --- ordinary repositories -------------------------------------------------------------------------------------------


def test_a_clean_checkout_has_every_field(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")

    assert describe(repo) == {
        "commit_hash": head,
        "commit_hash_short": head[:7],
        "commit_message": "Start\n\nFor a reason.",
        "author_name": "Ada Lovelace",
        "branch": "main",
        "is_dirty": False,
        "uncommitted_changes": False,
        "remote_url": "https://github.com/acme/widget.git",
        "repo_url": "https://github.com/acme/widget",
        "commit_link": f"https://github.com/acme/widget/commit/{head}",
        "relative_path": ".",
        "absent": {},
    }


def _modify(repo: Path) -> None:
    (repo / "README").write_text("changed\n")


def _stage(repo: Path) -> None:
    _modify(repo)
    git(repo, "add", "README")


@pytest.mark.parametrize(
    "change",
    [
        _modify,
        _stage,
        lambda repo: (repo / "new file").write_text(""),
        lambda repo: (repo / "README").unlink(),
        lambda repo: (repo / "README").chmod(0o755),
        lambda repo: git(repo, "mv", "README", "LIESMICH"),
    ],
    ids=["modified", "staged", "untracked", "deleted", "mode", "renamed"],
)
def test_a_change_makes_it_dirty(repo: Path, change: Callable[[Path], object]) -> None:
    change(repo)

    facts = describe(repo)

    assert facts["is_dirty"] is facts["uncommitted_changes"] is True


def test_reading_changes_nothing(repo: Path) -> None:
    os.utime(repo / "README", (1, 1))  # git would refresh the index
    before = {path: path.stat().st_mtime_ns for path in repo.rglob("*")}

    describe(repo)

    assert {path: path.stat().st_mtime_ns for path in repo.rglob("*")} == before


def test_what_we_write_ourselves_does_not_make_it_dirty(repo: Path) -> None:
    (repo / ".honeyhive" / "runs").mkdir(parents=True)
    commit(repo, **{".honeyhive/runs/tracked.jsonl": "{}"})
    (repo / "evals").mkdir()
    for place in (repo / ".honeyhive/runs", repo / "honeyhive-report", repo / "evals/.honeyhive"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "tracked.jsonl").write_text("a new run")

    assert describe(repo / "evals")["is_dirty"] is False

    (repo / "evals" / "theirs").write_text("")
    assert describe(repo / "evals")["is_dirty"] is True


def test_own_paths_are_taken_word_for_word(repo: Path) -> None:
    (repo / "report-1").write_text("")

    assert describe(repo, own_paths=["report-*"])["is_dirty"] is True
    assert describe(repo, own_paths=["report-1"])["is_dirty"] is False
    assert describe(repo, own_paths=[str(repo / "report-1")])["is_dirty"] is False


@pytest.mark.parametrize("own_path", [".", "..", "/", "/elsewhere", "sub/.."])
def test_an_own_path_around_the_repository_hides_nothing(repo: Path, own_path: str) -> None:
    (repo / "new").write_text("")

    assert describe(repo, own_paths=[own_path])["is_dirty"] is True


def test_a_subdirectory_knows_its_place(repo: Path) -> None:
    (repo / "evals" / "deep").mkdir(parents=True)

    facts = describe(repo / "evals" / "deep")

    assert facts["relative_path"] == "evals/deep"
    assert facts["is_dirty"] is False


def test_a_linked_worktree_is_read_as_itself(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    (repo / "README").write_text("changed in the other one\n")

    facts = describe(tmp_path / "linked")

    assert facts["branch"] == "side"
    assert facts["is_dirty"] is False
    assert facts["absent"] == {}


def test_a_shallow_clone_has_every_field(repo: Path, tmp_path: Path) -> None:
    second = commit(repo, "Second", README="again\n")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    git(tmp_path / "shallow", "remote", "set-url", "origin", "git@github.com:acme/widget.git")

    facts = describe(tmp_path / "shallow")

    assert facts["commit_link"] == f"https://github.com/acme/widget/commit/{second}"
    assert facts["commit_message"] == "Second"
    assert facts["absent"] == {}


def test_changes_inside_a_submodule_are_not_looked_at(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo), "part")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "part"), "part")
    commit(repo)
    (repo / "part" / "new").write_text("")

    assert describe(repo)["is_dirty"] is False
    assert describe(repo / "part")["is_dirty"] is True


# --- what can be missing ---------------------------------------------------------------------------------------------


def test_a_detached_head_has_no_branch(repo: Path) -> None:
    git(repo, "checkout", "-q", "--detach")

    facts = describe(repo)

    assert facts["absent"] == {"branch": "detached HEAD: no branch is checked out"}
    assert facts["is_dirty"] is False


def test_before_the_first_commit_there_is_only_a_branch(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "remote", "add", "origin", "https://github.com/acme/widget.git")

    facts = describe(tmp_path)

    assert known(facts).keys() == FIELDS - facts["absent"].keys()
    assert (facts["branch"], facts["is_dirty"]) == ("main", False)
    assert facts["repo_url"] == "https://github.com/acme/widget"
    absent = ("author_name", "commit_hash", "commit_hash_short", "commit_link", "commit_message")
    assert facts["absent"] == dict.fromkeys(absent, NO_COMMIT)


def test_without_an_origin_nothing_links_anywhere(repo: Path) -> None:
    git(repo, "remote", "rename", "origin", "upstream")

    facts = describe(repo)

    assert facts["absent"] == dict.fromkeys(("remote_url", "repo_url", "commit_link"), "no remote called origin")


def test_a_local_origin_has_an_address_and_no_link(repo: Path) -> None:
    git(repo, "remote", "set-url", "origin", "/srv/git/widget.git")

    facts = describe(repo)

    assert facts["remote_url"] == "/srv/git/widget.git"
    assert facts["absent"] == dict.fromkeys(("repo_url", "commit_link"), "origin is neither a web nor an ssh address")


def test_an_origin_that_may_hold_a_password_is_not_shown(repo: Path) -> None:
    git(repo, "config", "remote.origin.url", "https://ada:pass/word@github.com/acme/widget")

    facts = describe(repo)

    reason = "the address of origin has a form in which a password cannot be told from the rest"
    assert facts["absent"] == dict.fromkeys(("remote_url", "repo_url", "commit_link"), reason)


def test_a_token_in_the_address_of_origin_is_left_out(repo: Path) -> None:
    git(repo, "config", "remote.origin.url", "https://x-access-token:ghs_secret@github.com/acme/widget.git")
    git(repo, "config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic ghs_secret")
    git(repo, "config", "url.https://ghs_secret@github.com/.insteadOf", "https://github.com/")

    assert "ghs_secret" not in str(describe(repo))


@pytest.mark.parametrize("make", [lambda place: None, lambda place: (place / ".git").mkdir()], ids=["none", "empty"])
def test_outside_a_repository_everything_is_absent(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)

    assert describe(tmp_path) == {"absent": dict.fromkeys(FIELDS, "no git repository here")}
    assert describe(tmp_path / "missing") == {"absent": dict.fromkeys(FIELDS, "no git repository here")}


def test_a_broken_link_to_a_repository_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere/.git/modules/part\n")

    facts = describe(tmp_path)

    assert known(facts) == {"relative_path": "."}
    assert set(facts["absent"].values()) == {"what .git names here is not a git repository"}


def test_a_configuration_that_git_cannot_read_is_a_reason(repo: Path) -> None:
    with (repo / ".git" / "config").open("a") as config:
        config.write("[core\n")

    facts = describe(repo)

    assert known(facts) == {"relative_path": "."}
    assert set(facts["absent"].values()) == {"git: bad config line 9 in file .git/config"}


def test_a_damaged_index_leaves_the_commit(repo: Path) -> None:
    (repo / ".git" / "index").write_bytes(b"not an index at all, and long enough to be taken for one")

    facts = describe(repo)

    assert facts["absent"].keys() == {"branch", "is_dirty", "uncommitted_changes"}
    assert facts["absent"]["is_dirty"] == "git: index file corrupt"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_checkout_of_another_user_is_read(repo: Path) -> None:
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    refused = subprocess.run(["git", "status"], cwd=repo, capture_output=True, check=False)
    assert b"dubious ownership" in refused.stderr

    facts = describe(repo)

    assert facts["absent"] == {}
    assert facts["is_dirty"] is False


# --- git itself ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a program of the given text in the place of git."""
    place = tmp_path / "bin"
    place.mkdir()

    def install(text: str) -> None:
        (place / "git").write_text(text)
        (place / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(place))

    yield install
    monkeypatch.undo()


def test_without_git_only_the_place_is_known(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "evals").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    facts = describe(repo / "evals")

    assert known(facts) == {"relative_path": "evals"}
    assert set(facts["absent"].values()) == {"git is not installed"}


def test_git_is_never_taken_from_the_repository(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = repo / "git"
    theirs.write_text("#!/bin/sh\ntouch ran\n")
    theirs.chmod(0o755)
    monkeypatch.chdir(repo)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.pathsep}{os.environ['PATH']}")

    assert describe(repo)["branch"] == "main"
    assert not (repo / "ran").exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("not a program", "git could not be started: Exec format error"),
        (
            "#!/bin/sh\necho >&2 'fatal: detected dubious ownership in repository'\nexit 128",
            "this directory belongs to another user and git refuses to read it",
        ),
        (
            "#!/bin/sh\necho >&2 'warning: odd'\necho >&2 'fatal: no https://ada:secret@example.com'\nexit 1",
            "git: no https://example.com",
        ),
        ("#!/bin/sh\nexit 1", "git: no answer"),
    ],
    ids=["no program", "refusing", "failing", "silent"],
)
def test_a_git_that_fails_is_a_reason(repo: Path, fake_git: Callable[[str], None], program: str, reason: str) -> None:
    fake_git(program)

    assert set(describe(repo)["absent"].values()) == {reason}


@pytest.mark.parametrize(
    "program",
    ["/bin/sleep 60", f"while :; do echo {'noise' * 2_000} >&2; done", "exec >&- 2>&-; /bin/sleep 60"],
    ids=["silent", "noisy", "closed"],
)
def test_a_git_that_does_not_answer_is_ended_with_all_it_started(
    repo: Path, tmp_path: Path, fake_git: Callable[[str], None], program: str
) -> None:
    fake_git(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\n{program}\n")

    facts = describe(repo, timeout=0.5)

    assert facts["absent"]["commit_hash"] == "git rev-list did not answer within 0.5 seconds"
    assert facts["absent"]["is_dirty"] == "git did not answer here before"
    groups = {int(group) for group in (tmp_path / "pids").read_text().split()}
    deadline = time.monotonic() + 10
    while (left := alive(groups)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def alive(groups: set[int]) -> list[psutil.Process]:
    """The processes of the groups that still run; a dead one that nobody has waited for does not."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_git_sees_nothing_of_our_environment(
    repo: Path, tmp_path: Path, fake_git: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    monkeypatch.setenv("GIT_INDEX_FILE", "/elsewhere")
    fake_git(f"#!/bin/sh\n/usr/bin/env >> {tmp_path}/environment\nexit 1\n")

    describe(repo)

    seen = (tmp_path / "environment").read_text()
    assert "GIT_CONFIG_GLOBAL=/dev/null" in seen
    assert "ghs_secret" not in seen
    assert "GIT_INDEX_FILE" not in seen


def test_a_hook_that_runs_us_does_not_choose_the_repository(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))

    assert describe(repo)["branch"] == "main"


def test_a_huge_configuration_leaves_the_commit(repo: Path) -> None:
    with (repo / ".git" / "config").open("a") as config:
        config.write("[x]\n" + f"y = {'z' * 1000}\n" * 1100)

    facts = describe(repo)

    assert facts["commit_message"].startswith("Start")
    assert facts["absent"]["is_dirty"] == "the git configuration here is larger than 1 MiB"


def test_more_changes_than_we_read_are_still_changes(repo: Path) -> None:
    for number in range(5_000):
        (repo / f"{number:0230d}").touch()

    assert describe(repo)["is_dirty"] is True


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["--output=x", "größe/日本", "a b".replace(" ", "\N{NO-BREAK SPACE}"), "HEAD", "-c"])
def test_any_name_of_a_branch_is_read(repo: Path, name: str) -> None:
    git(repo, "update-ref", f"refs/heads/{name}", "HEAD")
    git(repo, "symbolic-ref", "HEAD", f"refs/heads/{name}")

    facts = describe(repo)

    assert facts["branch"] == name
    assert facts["absent"] == {}
    assert not (repo / "x").exists()


def test_a_branch_that_is_no_utf8_is_shown_with_replacements(repo: Path) -> None:
    (repo / ".git" / "HEAD").write_bytes(b"ref: refs/heads/caf\xe9\n")

    assert describe(repo)["branch"] == "caf\N{REPLACEMENT CHARACTER}"


def test_a_long_message_is_cut(repo: Path) -> None:
    commit(repo, "x" * 3_000, README="again\n")

    message = describe(repo)["commit_message"]

    assert len(message) == 2_000
    assert message.endswith("xxx…")


def test_a_message_beyond_all_bounds_is_cut(repo: Path) -> None:
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    head = git(repo, "commit-tree", tree, stdin=b"x" * 2**21)
    git(repo, "reset", "-q", "--hard", head)

    facts = describe(repo)

    assert facts["commit_hash"] == head
    assert len(facts["commit_message"]) == 2_000


@pytest.mark.parametrize(
    ("encoding", "expected"), [("ISO-8859-1", "für"), ("UTF-8", "f\N{REPLACEMENT CHARACTER}r")], ids=["named", "wrong"]
)
def test_a_message_that_is_no_utf8_is_read(repo: Path, encoding: str, expected: str) -> None:
    headers = git(repo, "cat-file", "commit", "HEAD").partition("\n\n")[0]
    raw = f"{headers}\nencoding {encoding}\n\nfür".encode("latin-1")
    (repo / ".git/refs/heads/main").write_text(git(repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw))

    assert describe(repo)["commit_message"] == expected


def test_an_empty_message_is_empty_and_not_absent(repo: Path) -> None:
    git(repo, "commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")

    assert describe(repo)["commit_message"] == ""


# --- hostile repositories --------------------------------------------------------------------------------------------


@pytest.fixture
def trap(tmp_path: Path) -> Callable[[str], str]:
    """A program that leaves a file `ran-<name>` when it is started."""

    def make(name: str) -> str:
        program = tmp_path / f"trap-{name}"
        program.write_text(f"#!/bin/sh\n: > {tmp_path}/ran-{name}\n")
        program.chmod(0o755)
        return str(program)

    return make


def ran(tmp_path: Path) -> set[str]:
    """The traps that were sprung since the last time."""
    sprung = list(tmp_path.glob("ran-*"))
    for path in sprung:
        path.unlink()
    return {path.name.removeprefix("ran-") for path in sprung}


HOSTILE = {
    "core.fsmonitor": "fsmonitor",
    "core.sshCommand": "ssh",
    "core.pager": "pager",
    "core.editor": "editor",
    "core.askPass": "askpass",
    "core.gitProxy": "proxy",
    "core.alternateRefsCommand": "alternates",
    "alias.status": "alias",
    "alias.config": "alias",
    "alias.rev-list": "alias",
    "diff.external": "diff",
    "diff.evil.textconv": "textconv",
    "diff.evil.command": "diffdriver",
    "filter.evil.clean": "clean",
    "filter.evil.smudge": "smudge",
    "filter.evil.dots.and Blanks.process": "process",
    "merge.evil.driver": "merge",
    "gpg.program": "gpg",
    "credential.helper": "credential",
    "uploadpack.packObjectsHook": "pack",
}
SWITCHES = {
    "pager.status": "true",
    "filter.evil.required": "true",
    "filter.evil.dots.and Blanks.required": "true",
    "log.showSignature": "true",
    "status.submoduleSummary": "true",
    "status.showUntrackedFiles": "no",
    "diff.ignoreSubmodules": "none",
    "protocol.allow": "always",
    "core.worktree": "/",
    "core.fsmonitorHookVersion": "1",
}


def _make_hostile(repo: Path, trap: Callable[[str], str]) -> None:
    (repo / "filtered").write_text("one")
    (repo / "processed").write_text("two")
    (repo / ".gitattributes").write_text("filtered filter=evil diff=evil merge=evil\n")
    commit(repo)
    (repo / ".git" / "info" / "attributes").write_text('processed "filter=evil.dots.and Blanks"\n')
    hooks = repo / ".git" / "hooks"
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout", "pre-commit"):
        shutil.copy(trap("hook"), hooks / hook)
    for key, name in HOSTILE.items():
        git(repo, "config", key, ("!" if key.startswith("alias.") else "") + trap(name))
    for key, value in SWITCHES.items():
        git(repo, "config", key, value)


def _sign_head(repo: Path) -> None:
    head, _, message = git(repo, "cat-file", "commit", "HEAD").partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n{message}\n".encode()
    (repo / ".git" / "refs/heads/main").write_text(
        git(repo, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
    )


def test_a_hostile_repository_runs_nothing(repo: Path, tmp_path: Path, trap: Callable[[str], str]) -> None:
    _sign_head(repo)
    _make_hostile(repo, trap)
    for name in ("filtered", "processed"):
        os.utime(repo / name, (1, 1))
    # Asked plainly, git falls into the traps, so they are real ones.
    for command in (("status",), ("log", "-1", "HEAD^")):
        place = ["git", f"--work-tree={repo}", *command]
        subprocess.run(place, cwd=repo, capture_output=True, check=False)
    assert {"fsmonitor", "clean", "gpg"} <= ran(tmp_path)
    for name in ("filtered", "processed"):
        os.utime(repo / name, (2, 2))

    facts = describe(repo)

    assert ran(tmp_path) == set()
    assert facts["absent"] == {}
    assert facts["is_dirty"] is False


def test_a_process_filter_with_an_odd_name_is_not_run(repo: Path, tmp_path: Path, trap: Callable[[str], str]) -> None:
    commit(repo, **{"a": "text", ".gitattributes": "a filter=Evil.v2\n"})
    git(repo, "config", "filter.Evil.v2.process", trap("process"))
    git(repo, "config", "filter.Evil.v2.required", "true")
    os.utime(repo / "a", (1, 1))
    subprocess.run(["git", "status"], cwd=repo, capture_output=True, check=False)
    assert ran(tmp_path) == {"process"}

    facts = describe(repo)

    assert ran(tmp_path) == set()
    assert facts["is_dirty"] is False


@pytest.mark.parametrize(
    "condition",
    ["include", "includeIf.gitdir:**/.git", "includeIf.onbranch:main", "includeIf.hasconfig:remote.*.url:https://**"],
)
def test_a_filter_in_an_included_file_is_not_run(
    repo: Path, tmp_path: Path, trap: Callable[[str], str], condition: str
) -> None:
    commit(repo, **{"a": "text", ".gitattributes": "a filter=evil\n"})
    git(repo, "config", "--file", str(tmp_path / "included"), "filter.evil.clean", trap("clean"))
    git(repo, "config", f"{condition}.path", str(tmp_path / "included"))
    os.utime(repo / "a", (1, 1))
    subprocess.run(["git", "status"], cwd=repo, capture_output=True, check=False)
    assert ran(tmp_path) == {"clean"}
    os.utime(repo / "a", (2, 2))

    assert describe(repo)["is_dirty"] is False
    assert ran(tmp_path) == set()


def test_a_filter_in_the_configuration_of_a_worktree_is_not_run(
    repo: Path, tmp_path: Path, trap: Callable[[str], str]
) -> None:
    commit(repo, **{"a": "text", ".gitattributes": "a filter=evil\n"})
    git(repo, "config", "extensions.worktreeConfig", "true")
    git(repo, "worktree", "add", "-q", str(tmp_path / "linked"))
    git(tmp_path / "linked", "config", "--worktree", "filter.evil.clean", trap("clean"))
    os.utime(tmp_path / "linked" / "a", (1, 1))

    assert describe(tmp_path / "linked")["is_dirty"] is False
    assert ran(tmp_path) == set()


def test_a_filter_that_cannot_be_switched_off_means_that_we_do_not_look(
    repo: Path, tmp_path: Path, trap: Callable[[str], str]
) -> None:
    commit(repo, **{"a": "text", ".gitattributes": "a filter=ev=il\n"})
    git(repo, "config", "filter.ev=il.clean", trap("clean"))
    os.utime(repo / "a", (1, 1))

    facts = describe(repo)

    assert ran(tmp_path) == set()
    assert facts["absent"]["is_dirty"] == "a content filter in the git configuration has a name with a ="
    assert facts["commit_message"] == "Start"


def test_a_submodule_with_a_hostile_configuration_runs_nothing(
    repo: Path, tmp_path: Path, trap: Callable[[str], str]
) -> None:
    git(tmp_path, "clone", "-q", str(repo), "part")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "part"), "part")
    commit(repo)
    git(repo / "part", "config", "core.fsmonitor", trap("fsmonitor"))
    git(repo, "status")
    assert ran(tmp_path) == {"fsmonitor"}

    assert describe(repo)["is_dirty"] is False
    assert ran(tmp_path) == set()


def test_a_repository_that_git_waits_in_is_asked_once(repo: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    git(repo, "config", "include.path", str(tmp_path / "pipe"))
    for timeout, said in ((0.5, "did not answer within 0.5 seconds"), (600.0, "did not answer here before")):
        found = find_git(repo, timeout=timeout)
        assert found is not None
        with pytest.raises(GitFailed, match=said):
            found.run("config", "--list")


def test_a_missing_object_is_not_fetched(repo: Path, tmp_path: Path, trap: Callable[[str], str]) -> None:
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    (repo / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    (repo / ".git" / "index").unlink()
    program = trap("transport")
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{program}",
        "protocol.ext.allow": "always",
    }.items():
        git(repo, "config", key, value)
    subprocess.run(["git", "status"], cwd=repo, capture_output=True, check=False)
    assert ran(tmp_path) == {"transport"}

    facts = describe(repo)

    assert ran(tmp_path) == set()
    assert facts["commit_message"].startswith("Start")
    assert facts["absent"]["is_dirty"] == "git: bad tree object HEAD"


# --- files that a filter rewrites ------------------------------------------------------------------------------------


@pytest.fixture
def filtered(repo: Path) -> Path:
    """A clean checkout of a file that is stored in another form, as git-lfs does."""
    git(repo, "config", "filter.upper.clean", "tr a-z A-Z")
    git(repo, "config", "filter.upper.smudge", "tr A-Z a-z")
    commit(repo, **{"big": "text", ".gitattributes": "big filter=upper\n"})
    os.utime(repo / "big", (1, 1))
    return repo


def test_when_only_filtered_files_differ_we_do_not_know(filtered: Path) -> None:
    assert describe(filtered)["absent"] == dict.fromkeys(("is_dirty", "uncommitted_changes"), FILTERED)


@pytest.mark.parametrize(("name", "text"), [("new", ""), ("README", "HELLO\n")], ids=["untracked", "modified"])
def test_any_other_change_beside_filtered_files_makes_it_dirty(filtered: Path, name: str, text: str) -> None:
    (filtered / name).write_text(text)

    assert describe(filtered)["is_dirty"] is True


def test_a_filtered_file_that_git_knows_to_be_unchanged_is_clean(filtered: Path) -> None:
    git(filtered, "update-index", "--refresh")

    assert describe(filtered)["is_dirty"] is False


# --- the top of the repository ---------------------------------------------------------------------------------------


def test_the_workspace_is_the_nearest_repository_around(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "evals" / ".git").mkdir(parents=True)
    (repo / "link").symlink_to(repo / "evals")
    monkeypatch.setenv("PATH", "")

    assert workspace_root(repo / "evals") == repo
    assert workspace_root(repo / "link") == repo
    assert workspace_root(repo) == repo


def test_without_a_repository_the_workspace_is_the_directory_itself(tmp_path: Path) -> None:
    assert workspace_root(tmp_path / "a" / "..") == tmp_path
    assert workspace_root(tmp_path / ("x" * 300)) == tmp_path / ("x" * 300)


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "url", "web"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r.git", "https://github.com/o/r"),
        ("https://user:token@github.com/o/r.git", "https://github.com/o/r.git", "https://github.com/o/r"),
        ("https://token@github.com/o/r", "https://github.com/o/r", "https://github.com/o/r"),
        ("https://a@b:c@github.com/o/r/", "https://github.com/o/r/", "https://github.com/o/r"),
        ("HTTPS://GitHub.com/o/r.git?t=1#f", "https://GitHub.com/o/r.git", "https://GitHub.com/o/r"),
        ("http://gitea.local:3000/o/r.git", "http://gitea.local:3000/o/r.git", "http://gitea.local:3000/o/r"),
        ("git@github.com:o/r.git", "git@github.com:o/r.git", "https://github.com/o/r"),
        ("git@github.com:/o/r.git?t=1", "git@github.com:/o/r.git", "https://github.com/o/r"),
        ("ada@example.com:o/r", "example.com:o/r", "https://example.com/o/r"),
        ("example.com:o/r", "example.com:o/r", "https://example.com/o/r"),
        ("ssh://git:pw@github.com:22/o/r.git", "ssh://git@github.com:22/o/r.git", "https://github.com/o/r"),
        ("ssh://ada@[::1]:22/o/r", "ssh://[::1]:22/o/r", "https://[::1]/o/r"),
        ("ssh://git@ssh.github.com:443/o/r.git", "ssh://git@ssh.github.com:443/o/r.git", "https://github.com/o/r"),
        ("https://example.com/a b/(c)", "https://example.com/a b/(c)", "https://example.com/a%20b/%28c%29"),
        ("https://example.com", "https://example.com", None),
        ("git://example.com/o/r", "git://example.com/o/r", None),
        ("codecommit://profile@repository", "codecommit://repository", None),
        ("file:///srv/git/r.git", "file:///srv/git/r.git", None),
        ("/home/ada@work/r:1.git", "/home/ada@work/r:1.git", None),
        ("../r.git", "../r.git", None),
        ("r.git", "r.git", None),
    ],
)
def test_an_address_is_shown_without_credentials(address: str, url: str, web: str | None) -> None:
    assert parse_remote(address) == Remote(url=url, web=web)


@pytest.mark.parametrize(
    "address",
    [
        "https://user:to/ken@github.com/o/r",
        "https://user:to?ken@github.com/o/r",
        "https://user:to#ken@github.com/o/r",
        "https://user:to\\ken@github.com/o/r",
        "https://user:token/o/r",
        "https:/user:token@github.com/o/r",
        "https:///o/r",
        " https://user:token@github.com/o/r",
        "//user:token@github.com/o/r",
        "user:token@github.com/o/r",
        "user:token@github.com:o/r",
        "token@github.com/o/r",
        "ext::sh -c true",
        "helper::https://user:token@github.com/o/r",
        "https://github.com/o/r\n::error::x",
        "\x1b[31m",
    ],
)
def test_an_address_of_an_unclear_form_is_not_shown(address: str) -> None:
    assert parse_remote(address) is None


SECRET = "h0neyS3cret"
anything = st.text(max_size=12)


@given(
    form=st.sampled_from(
        ["https://{}@github.com/o/r.git", "ssh://{}@github.com/o/r", "{}@github.com:o/r.git", "x://{}@h", "//{}@h/o/r"]
    ),
    user=anything,
    before=anything,
    after=anything,
)
@example(form="https://{}@github.com/o/r.git", user="git", before="12/", after="")
@example(form="https://{}@github.com/o/r.git", user="u", before="p@", after=":/")
@example(form="{}@github.com:o/r.git", user="git@h", before="", after="")
def test_no_password_survives(form: str, user: str, before: str, after: str) -> None:
    remote = parse_remote(form.format(f"{user}:{before}{SECRET}{after}"))

    assert SECRET not in str(remote)


@given(
    form=st.sampled_from(["https://{}@github.com/o/r.git", "ssh://{}@h/o/r", "{}@github.com:o/r.git"]), after=anything
)
def test_no_token_in_the_place_of_a_user_survives(form: str, after: str) -> None:
    assert SECRET not in str(parse_remote(form.format(f"{SECRET}{after}")))


@given(address=st.text() | st.from_regex(r"[a-z]{0,5}:?/{0,2}[a-z:@/?#\\\[\]. ]*", fullmatch=True))
def test_any_address_has_an_answer_that_is_its_own_answer(address: str) -> None:
    remote = parse_remote(address)

    if remote is not None:
        again = parse_remote(remote.url)
        assert again is None or again.web == remote.web
        assert remote.web is None or re.fullmatch(r"https?://[^/@]+/[^@\s]+", remote.web)


# --- with what the job says ------------------------------------------------------------------------------------------


def test_what_git_knows_and_what_the_job_says_make_one_account(repo: Path, tmp_path: Path) -> None:
    base = git(repo, "rev-parse", "HEAD")
    head = commit(repo, "Change", README="changed\n")
    request = {"number": 7, "base": {"ref": "main", "sha": base}, "head": {"ref": "change", "sha": head}}
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": request}))
    job = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}

    found = provenance(repo, job)

    alone = describe(repo)
    assert found | {"absent": {}} == alone | {
        "base_ref": "main",
        "base_sha": base,
        "head_ref": "change",
        "head_sha": head,
        "pr_number": 7,
        "event": "pull_request",
    }
    assert found["absent"].keys() == {"merge_base", "run_url", "run_attempt"}
    assert flat(found) == {name: value for name, value in found.items() if name != "absent"}


def test_where_it_is_switched_off_git_is_not_even_started(
    repo: Path, tmp_path: Path, fake_git: Callable[[str], None]
) -> None:
    fake_git(f"#!/bin/sh\n: > '{tmp_path / 'started'}'\nexit 1")

    assert provenance(repo, {"HONEYHIVE_TELEMETRY": "false"})["absent"]["commit_hash"] == "HONEYHIVE_TELEMETRY is off"
    assert not (tmp_path / "started").exists()
    provenance(repo, {})
    assert (tmp_path / "started").exists(), "the stand-in is what would have been started"
