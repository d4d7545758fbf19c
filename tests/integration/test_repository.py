"""The repository of a change, read and fetched: whole ones, shallow ones, odd ones and hostile ones."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from honeyhive.ci.git.repository import Address, NewCommit, Repository, address_of
from honeyhive.errors import RepositoryError
from repositories import GitServer, bare, clone, commit, content_of, git, new_repository

TOKEN = "ghs_verysecrettoken1234567890"
HEADER = "basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
NOWHERE = "0" * 39 + "1"


@pytest.fixture(autouse=True)
def _nobody_configures_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


class History:
    """Five commits on `main`, a branch of two from the second, all of it on a server."""

    def __init__(self, place: Path) -> None:
        self.work = new_repository(place / "work")
        self.main = [commit(self.work, str(at), **{f"f{at}": f"{at}\n", "evals__x": f"{at}\n"}) for at in range(5)]
        git(self.work, "tag", "-a", "v1", "-m", "first", self.main[1])
        git(self.work, "tag", "light", self.main[2])
        git(self.work, "checkout", "-q", "-b", "feature/one", self.main[1])
        self.side = [commit(self.work, f"side {at}", **{f"s{at}": "s\n"}) for at in range(2)]
        git(self.work, "checkout", "-q", "main")
        self.server = bare(place / "server.git", self.work)
        self.address = Address(f"file://{self.server}")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("history"))


@pytest.fixture
def shallow(history: History, tmp_path: Path) -> Path:
    return clone(history.server, tmp_path / "shallow", "--depth=1")


@contextmanager
def opened(address: Address | None, checkout: Path | None = None) -> Iterator[Repository]:
    with Repository(address, checkout=checkout, timeout=30.0) as repository:
        yield repository


# --- commits and files -----------------------------------------------------------------------------------------------


def distance(repository: Repository, ancestor: str, commit: str) -> int | None:
    """How many commits back `ancestor` is, as far as the commits are here."""
    seen, here, back = {commit}, [commit], 0
    while here:
        if ancestor in here:
            return back
        parents = {parent for one in here if repository.has(one) for parent in repository.parents(one)}
        here, back = sorted(parents - seen), back + 1
        seen |= parents
    return None


def test_a_file_is_read_at_any_commit_and_only_what_is_missing_is_fetched(history: History, shallow: Path) -> None:
    newest, older = history.main[4], history.main[2]
    with opened(None, shallow) as repository:
        assert repository.read(newest, "evals/x") == b"4\n"

    with opened(history.address, shallow) as repository:
        assert (repository.has(newest), repository.has(older)) == (True, False)
        assert repository.read(older, "evals/x") == b"2\n"
        assert repository.has(older)


@pytest.mark.parametrize("path", ["nope", "evals", "evals/nope", "f1/x", "", "/f1", "../f1", "evals/../f1"])
def test_what_is_no_file_of_the_commit_is_none(history: History, path: str) -> None:
    with opened(None, history.work) as repository:
        assert repository.read(history.main[4], path) is None


def test_links_and_submodules_are_not_followed(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    inner = commit(new_repository(tmp_path / "inner"))
    (work / "link").symlink_to("target")
    (work / "folder-link").symlink_to("folder")
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{inner},module")
    head = commit(work, target="t\n", folder__file="f\n")

    with opened(None, work) as repository:
        found = [repository.read(head, path) for path in ("link", "folder-link/file", "module", "module/README")]
        assert found == [None] * 4
        assert repository.read(head, "folder/file") == b"f\n"


def test_a_file_that_is_too_large_is_refused_and_the_next_is_read(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    head = commit(work, large="x" * 100_000, small="s")

    with opened(None, work) as repository:
        with pytest.raises(RepositoryError, match=r"100,000 bytes, and 1,000 are the most"):
            repository.read(head, "large", most=1_000)
        assert repository.read(head, "small", most=1_000) == b"s"


def test_the_parents_of_a_merge_are_in_their_order(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    first = commit(work, "first")
    git(work, "checkout", "-q", "-b", "side")
    side = commit(work, "side", side="s")
    git(work, "checkout", "-q", "main")
    main = commit(work, "main", main="m")
    git(work, "merge", "-q", "--no-ff", "-m", "merged", "side")
    merge = git(work, "rev-parse", "HEAD")
    at_depth_1 = clone(bare(tmp_path / "server.git", work), tmp_path / "shallow", "--depth=1")

    with opened(None, at_depth_1) as repository:
        assert repository.parents(merge) == (main, side)
        assert distance(repository, main, merge) == 1
        assert distance(repository, first, merge) is None
    with opened(None, work) as repository:
        assert distance(repository, first, merge) == 2


def test_history_is_deepened_without_files(history: History, shallow: Path) -> None:
    first, last = history.main[0], history.main[4]
    with opened(history.address, shallow) as repository:
        assert distance(repository, first, last) is None
        repository.deepen(last, 3)
        assert distance(repository, history.main[2], last) == 2
        assert distance(repository, first, last) is None
        repository.deepen(last, 2**31 - 1)
        repository.deepen(history.side[1], 2**31 - 1)
        assert distance(repository, first, last) == 4
        # Only the commits have come: the files are fetched when they are asked for.
        assert repository.read(first, "evals/x") == b"0\n"


def test_a_server_without_filters_gives_the_history_too(history: History, tmp_path: Path) -> None:
    server = bare(tmp_path / "server.git", history.work)
    git(server, "config", "uploadpack.allowFilter", "false")

    with opened(Address(f"file://{server}")) as repository:
        repository.deepen(history.main[4], 100)
        assert distance(repository, history.main[0], history.main[4]) == 4


def test_what_differs_between_two_commits(history: History, shallow: Path) -> None:
    with opened(history.address, shallow) as repository:
        assert repository.changed(history.main[1], history.side[1]) == ("s0", "s1")
        assert repository.changed(history.main[3], history.main[4]) == ("evals/x", "f4")
        assert repository.changed(history.main[4], history.main[4]) == ()
        assert repository.changed(history.main[4], NOWHERE) is None


def test_a_file_that_becomes_a_folder_and_one_that_becomes_a_program_differ(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    before = commit(work, thing="file", program="p", same__inside="s")
    (work / "thing").unlink()
    (work / "program").chmod(0o755)
    after = commit(work, thing__inside="now a folder")

    with opened(None, work) as repository:
        assert repository.changed(before, after) == ("program", "thing", "thing/inside")


@pytest.mark.parametrize("name", ["main", "HEAD", "", "abc", "--output=x", "0" * 41])
def test_only_the_whole_name_of_a_commit_is_fetched(history: History, name: str) -> None:
    with opened(history.address) as repository:
        assert not repository.has(name)
        for ask in (repository.fetch, repository.parents, lambda name: repository.read(name, "f1")):
            with pytest.raises(RepositoryError, match="no whole name of a commit"):
                ask(name)


def test_a_commit_that_the_server_has_not_is_an_error(history: History) -> None:
    with (
        opened(history.address) as repository,
        pytest.raises(RepositoryError, match=r"commit 0000000 cannot be") as failed,
    ):
        repository.read(NOWHERE, "f1")
    assert "deleted, or pushed by force" in failed.value.hint


def test_without_an_address_only_what_is_here_is_known(history: History, shallow: Path, tmp_path: Path) -> None:
    with opened(None, shallow) as repository:
        with pytest.raises(RepositoryError, match="where the repository's server is"):
            repository.read(history.main[0], "f0")
        assert repository.changed(history.main[0], history.main[4]) is None
    with opened(None) as repository:
        assert repository.resolve("HEAD") is None
        assert not repository.has(history.main[0])


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_stand_for_commits(history: History, tmp_path: Path) -> None:
    place = clone(history.server, tmp_path / "checkout")
    head = history.main[4]
    with opened(None, place) as repository:
        named = {name: repository.resolve(name) for name in ("main", "HEAD", head, head[:8], "feature/one")}
        assert named == dict.fromkeys(("main", "HEAD", head, head[:8]), head) | {"feature/one": history.side[1]}
        assert (repository.resolve("v1"), repository.resolve("light")) == (history.main[1], history.main[2])
        assert repository.current_branch() == "main"


@pytest.mark.parametrize(
    "name",
    ["nope", "deadbeef", NOWHERE, "", "main..v1", "main^{tree}", "HEAD~1", ":/Start", "@{-1}", "ma*n", "a b", "x\0y"],
)
def test_what_names_nothing_is_none(history: History, name: str) -> None:
    with opened(history.address, history.work) as repository:
        assert repository.resolve(name) is None
        assert repository.branch(name) is None


def test_a_branch_may_be_called_like_an_option(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    head = commit(work)
    for name in ("--output=x", "-c", "--upload-pack=touch x"):
        git(work, "update-ref", f"refs/heads/{name.replace(' ', '')}", head)
    before = content_of(work)

    with opened(Address(f"file://{work}"), work) as repository:
        for name in ("--output=x", "-c", "--upload-pack=touchx"):
            assert repository.resolve(name) == head
            assert repository.branch(name) == head
        assert repository.resolve("--output=y") is None
    assert content_of(work) == before


def test_a_branch_in_a_folder_is_not_that_of_its_last_name(history: History) -> None:
    with opened(history.address, history.work) as repository:
        assert repository.branch("feature/one") == history.side[1]
        assert repository.branch("one") is None
        assert repository.resolve("feature") is None


def test_tags_are_peeled(history: History) -> None:
    with opened(history.address) as repository:
        assert repository.tags() == {"v1": history.main[1], "light": history.main[2]}


# --- exporting -------------------------------------------------------------------------------------------------------


def test_a_commit_is_exported_as_it_is_stored(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    (work / "inside").symlink_to("folder/file")
    (work / "outside").symlink_to("/etc/passwd")
    (work / "above").symlink_to("../../x")
    (work / "folder").mkdir()
    (work / "folder" / "round").symlink_to("round")
    (work / "folder" / "up").symlink_to("../..")
    (work / "by-way").symlink_to("folder/up/etc")
    head = commit(work, folder__file="f\n", program="#!/bin/sh\n", **{".gitattributes": "* text eol=crlf ident\n"})
    (work / "program").chmod(0o755)
    head = commit(work)

    with opened(None, work) as repository:
        repository.export(head, tmp_path / "out")

    out = tmp_path / "out"
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    assert found == {"README", "inside", "folder/file", "program", ".gitattributes"}
    assert (out / "inside").read_bytes() == b"f\n"
    assert os.access(out / "program", os.X_OK)
    assert not os.access(out / "folder/file", os.X_OK)


def _raw_commit(work: Path, entries: bytes) -> str:
    """A commit of a tree that git itself would not write."""
    tree = git(work, "hash-object", "-w", "--stdin", "-t", "tree", "--literally", stdin=entries)
    return git(work, "commit-tree", tree, "-m", "odd")


@pytest.mark.parametrize("name", [b"..", b".", b".git", b".GIT", b"a/b", b""])
def test_a_tree_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: bytes) -> None:
    work = new_repository(tmp_path / "work")
    commit(work)
    blob = git(work, "hash-object", "-w", "--stdin", stdin=b"evil")
    head = _raw_commit(work, b"100644 " + name + b"\0" + bytes.fromhex(blob))

    with opened(None, work) as repository, pytest.raises(RepositoryError, match="malformed"):
        repository.export(head, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work")
    commit(work)
    blob, link = (git(work, "hash-object", "-w", "--stdin", stdin=text) for text in (b"evil", b"/tmp"))
    below = git(work, "hash-object", "-w", "--stdin", "-t", "tree", stdin=b"100644 x\0" + bytes.fromhex(blob))
    head = _raw_commit(work, b"120000 a\0" + bytes.fromhex(link) + b"40000 a\0" + bytes.fromhex(below))

    with opened(None, work) as repository, pytest.raises(RepositoryError, match="malformed"):
        repository.export(head, tmp_path / "out")


# --- checkouts that are not the simple one ---------------------------------------------------------------------------


def _worktree(history: History, place: Path) -> Path:
    source = clone(history.server, place / "source")
    git(source, "worktree", "add", "-q", "--detach", str(place / "linked"), "HEAD")
    return place / "linked"


def _submodule(history: History, place: Path) -> Path:
    above = new_repository(place / "above")
    commit(above)
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{history.server}", "inner")
    git(above, *add)
    return above / "inner"


def _of_another_user(history: History, place: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory to another user")
    checkout = clone(history.server, place / "theirs")
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    return checkout


def _with_alternates(history: History, place: Path) -> Path:
    return clone(history.server, place / 'a "quoted": name', "--shared")


@pytest.mark.parametrize("make", [_worktree, _submodule, _of_another_user, _with_alternates])
def test_an_odd_checkout_is_read(history: History, tmp_path: Path, make: Callable[[History, Path], Path]) -> None:
    checkout = make(history, tmp_path)

    with opened(None, checkout) as repository:
        head = repository.resolve("HEAD")
        assert head == history.main[4]
        assert repository.read(history.main[1], "evals/x") == b"1\n"
        assert distance(repository, history.main[0], head) == 4


@pytest.mark.parametrize("pointer", [None, "", "gitdir: nowhere\n", "gitdir: \0\n", "odd\n"])
def test_what_is_no_checkout_knows_nothing(history: History, tmp_path: Path, pointer: str | None) -> None:
    if pointer is not None:
        (tmp_path / ".git").write_text(pointer)

    with opened(history.address, tmp_path) as repository:
        assert repository.resolve("main") is None
        assert repository.current_branch() is None
        assert repository.read(history.main[0], "f0") == b"0\n"


def test_what_is_no_file_is_not_waited_for(history: History, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    with opened(history.address, tmp_path) as repository:
        assert repository.resolve("main") is None
        assert repository.current_branch() is None


def test_a_checkout_with_a_broken_configuration_does_not_keep_anybody_from_fetching(
    history: History, tmp_path: Path
) -> None:
    checkout = clone(history.server, tmp_path / "checkout")
    (checkout / ".git/config").write_text("[core\n")

    with opened(history.address, checkout) as repository:
        with pytest.raises(RepositoryError, match="bad config"):
            repository.resolve("HEAD")
        assert repository.read(history.main[0], "f0") == b"0\n"


def test_a_repository_of_sha256_names_is_read_and_written(tmp_path: Path) -> None:
    work = new_repository(tmp_path / "work", "--object-format=sha256")
    first, second = commit(work, "1", a="1"), commit(work, "2", a="2")
    server = bare(tmp_path / "server.git", None, "--object-format=sha256")
    git(work, "push", "-q", f"file://{server}", "main")
    shallow = clone(server, tmp_path / "shallow", "--depth=1")

    with opened(Address(f"file://{server}"), shallow) as repository:
        assert len(first) == 64
        assert repository.read(second, "a") == b"2"
        assert repository.read(first, "a") == b"1"
        made = repository.make(NewCommit(files={"x": b"x"}, message="m", seconds=1))
        assert repository.push(made, "runs", expected=None) is None
        assert repository.branch("runs") == made


def test_without_git_it_is_said(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with opened(None, history.work) as repository:
        for ask in (repository.resolve, repository.has):
            with pytest.raises(RepositoryError, match="git is not installed"):
                ask("HEAD" if ask == repository.resolve else history.main[0])


def test_the_folder_is_gone_afterwards(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with opened(history.address, history.work) as repository:
        repository.fetch(history.main[0])
        repository.parents(history.main[0])
        assert [*tmp_path.iterdir()]

    assert not [*tmp_path.iterdir()]


# --- hostile checkouts -----------------------------------------------------------------------------------------------


def _poison(place: Path, name: str, kind: str, content: bytes) -> None:
    """A loose object with another content than its name says."""
    path = place / ".git" / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))


def _unpacked(history: History, place: Path) -> Path:
    checkout = clone(history.server, place)
    packs = [*(checkout / ".git/objects/pack").glob("*.pack")]
    for pack in packs:
        moved = place.parent / pack.name
        pack.rename(moved)
        pack.with_suffix(".idx").unlink()
        git(checkout, "unpack-objects", "-q", stdin=moved.read_bytes())
    return checkout


def test_what_was_put_in_the_place_of_an_object_is_not_believed(history: History, tmp_path: Path) -> None:
    checkout = _unpacked(history, tmp_path / "checkout")
    base, evil = history.main[3], "threshold: 0\n"
    blob = git(checkout, "rev-parse", f"{base}:evals/x")
    _poison(checkout, blob, "blob", evil.encode())
    assert git(checkout, "cat-file", "-p", blob) == evil.strip(), "git itself believes it"

    with opened(None, checkout) as repository, pytest.raises(RepositoryError):
        repository.read(base, "evals/x")
    with opened(history.address, checkout) as repository:
        assert repository.read(base, "evals/x") == b"3\n"


def test_a_commit_with_other_parents_or_files_is_not_believed(history: History, tmp_path: Path) -> None:
    checkout = _unpacked(history, tmp_path / "checkout")
    merge, honest = history.main[4], git(history.work, "cat-file", "commit", history.main[4])
    _poison(checkout, merge, "commit", honest.replace(history.main[3], history.main[0]).encode())
    assert git(checkout, "log", "-1", "--format=%P", merge) == history.main[0], "git itself believes it"

    with opened(history.address, checkout) as repository:
        assert not repository.has(merge)
        assert distance(repository, history.main[0], merge) is None
        assert repository.parents(merge) == (history.main[3],)


@pytest.mark.parametrize("damage", [b"", b"garbage", zlib.compress(b"blob 99\0short"), zlib.compress(b"odd 1\0x")])
def test_a_damaged_object_is_fetched(history: History, tmp_path: Path, damage: bytes) -> None:
    checkout = _unpacked(history, tmp_path / "checkout")
    blob = git(checkout, "rev-parse", f"{history.main[3]}:evals/x")
    path = checkout / ".git/objects" / blob[:2] / blob[2:]
    path.unlink()
    path.write_bytes(damage)

    with opened(history.address, checkout) as repository:
        assert repository.read(history.main[3], "evals/x") == b"3\n"
        assert repository.read(history.main[3], "f3") == b"3\n"


def test_grafts_and_replacements_do_not_change_history(history: History, tmp_path: Path) -> None:
    checkout = clone(history.server, tmp_path / "checkout")
    git(checkout, "replace", history.main[4], history.main[0])
    (checkout / ".git/info/grafts").write_text(f"{history.main[4]} {history.main[0]}\n")
    (checkout / ".git/shallow").write_text(f"{history.main[4]}\n")

    with opened(None, checkout) as repository:
        assert repository.parents(history.main[4]) == (history.main[3],)
        assert distance(repository, history.main[0], history.main[4]) == 4


def _make_hostile(checkout: Path, traps: Path, elsewhere: str) -> None:
    trap = traps / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{traps}/sprung'\nexit 1\n")
    trap.chmod(0o755)
    for name in ("post-checkout", "pre-push", "reference-transaction", "post-index-change", "pre-auto-gc"):
        (checkout / ".git/hooks" / name).write_bytes(trap.read_bytes())
        (checkout / ".git/hooks" / name).chmod(0o755)
    settings = {
        "core.sshCommand": str(trap),
        "core.fsmonitor": str(trap),
        "core.askPass": str(trap),
        "core.gitProxy": str(trap),
        "core.pager": str(trap),
        "core.editor": str(trap),
        "core.alternateRefsCommand": str(trap),
        "credential.helper": str(trap),
        "uploadpack.packObjectsHook": str(trap),
        "gpg.program": str(trap),
        "http.proxy": elsewhere,
        "http.sslVerify": "false",
        f"url.{elsewhere}/.insteadOf": "http://",
        f"url.{elsewhere}/push/.pushInsteadOf": "http://",
        "url.ext::sh -c trap .insteadOf": "file://",
        "protocol.ext.allow": "always",
        "filter.evil.smudge": str(trap),
        "remote.gate.url": elsewhere,
        "remote.gate.uploadpack": str(trap),
        "remote.gate.receivepack": str(trap),
        "extensions.partialClone": "gate",
        "include.path": str(traps / "more"),
    }
    (traps / "more").write_text(f'[core]\n\tsshCommand = "{trap}"\n')
    for name, value in settings.items():
        git(checkout, "config", name, value)
    (checkout / ".git/info").mkdir(exist_ok=True)
    (checkout / ".git/info/attributes").write_text("* filter=evil\n")


def test_nothing_that_the_checkout_says_is_obeyed_and_nothing_in_it_changes(history: History, tmp_path: Path) -> None:
    served = tmp_path / "served"
    bare(served / "server.git", history.work)
    git(served / "server.git", "config", "http.receivepack", "true")
    checkout = clone(history.server, tmp_path / "checkout", "--depth=1")
    traps = tmp_path / "traps"
    traps.mkdir()
    with GitServer(served, authorization=HEADER).running() as server, GitServer(served).running() as elsewhere:
        _make_hostile(checkout, traps, elsewhere.url)
        before = content_of(checkout)
        with opened(Address(f"{server.url}/server.git", TOKEN), checkout) as repository:
            assert repository.resolve("main") == history.main[4]
            assert repository.read(history.main[4], "f4") == b"4\n"
            assert repository.read(history.main[0], "f0") == b"0\n"
            repository.deepen(history.main[4], 10)
            repository.export(history.main[3], tmp_path / "out")
            made = repository.make(NewCommit(files={"x": b"x"}, message="m", seconds=1))
            assert repository.push(made, "runs", expected=None) is None
            assert repository.branch("runs") == made
        assert elsewhere.requests == []

    assert content_of(checkout) == before
    assert not (traps / "sprung").exists()


# --- the token -------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(history: History, tmp_path: Path) -> Iterator[GitServer]:
    """The server over HTTP, for the token alone."""
    bare(tmp_path / "served" / "server.git", history.work)
    git(tmp_path / "served" / "server.git", "config", "http.receivepack", "true")
    with GitServer(tmp_path / "served", authorization=HEADER).running() as server:
        yield server


def test_the_token_goes_to_its_address_in_a_header(history: History, served: GitServer) -> None:
    with opened(Address(f"{served.url}/server.git", TOKEN)) as repository:
        assert repository.read(history.main[0], "f0") == b"0\n"
        assert repository.branch("main") == history.main[4]

    assert {sent for _, sent in served.requests} == {HEADER}


def test_a_header_of_the_users_configuration_is_not_sent_too(
    history: History, served: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[http "{served.url}/"]\n\textraHeader = Authorization: basic b3RoZXI=\n')
    (home / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    monkeypatch.setenv("HOME", str(home))

    with opened(Address(f"{served.url}/server.git", TOKEN)) as repository:
        assert repository.branch("main") == history.main[4]
    assert {sent for _, sent in served.requests} == {HEADER}


def test_without_a_token_the_users_own_credentials_are_used(
    history: History, served: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    helper = f'!f() {{ echo username=x-access-token; echo "password={TOKEN}"; }}; f'
    git(home, "config", "--file", str(home / ".gitconfig"), "credential.helper", helper)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    monkeypatch.setenv("HOME", str(home))
    served.authorization = HEADER.replace("basic", "Basic")

    with opened(Address(f"{served.url}/server.git")) as repository:
        assert repository.branch("main") == history.main[4]


def test_a_token_does_not_follow_to_another_place(history: History, served: GitServer, tmp_path: Path) -> None:
    with GitServer(tmp_path / "served").running() as elsewhere:
        served.redirect = elsewhere.url
        with opened(Address(f"{served.url}/server.git", TOKEN)) as repository, pytest.raises(RepositoryError):
            repository.branch("main")
        assert elsewhere.requests == []


def test_a_wrong_token_is_said_to_be_one_and_is_not_shown(history: History, served: GitServer) -> None:
    served.authorization = "basic of somebody else"
    address = Address(f"{served.url}/server.git", TOKEN)
    with opened(address) as repository, pytest.raises(RepositoryError) as failed:
        repository.fetch(history.main[0])

    assert "contents: read" in failed.value.hint
    shown = str(failed.value) + repr(address) + repr(failed.value.__cause__)
    assert TOKEN not in shown
    assert HEADER.split()[1] not in shown


def test_the_token_is_in_no_argument_and_in_no_file(
    history: History, served: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, real = tmp_path / "seen", subprocess.run(["which", "git"], capture_output=True, check=True, text=True).stdout
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{seen}"\nexec {real.strip()} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    with opened(Address(f"{served.url}/server.git", TOKEN)) as repository:
        repository.fetch(history.main[0])
        made = repository.make(NewCommit(files={"x": b"x"}, message="m", seconds=1))
        assert repository.push(made, "runs", expected=None) is None
        written = b"".join(content_of(tmp_path / "temporary").values())

    for secret in (TOKEN, HEADER.split()[1]):
        assert secret not in seen.read_text()
        assert secret.encode() not in written
    assert "push" in seen.read_text()


def test_certificates_and_proxies_are_passed_on_and_no_secret_of_ours(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nenv > "{seen}"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}{os.pathsep}{os.environ['PATH']}")
    given = {"SSL_CERT_FILE": "/ca.pem", "HTTPS_PROXY": "http://proxy", "GITHUB_TOKEN": "secret", "GIT_DIR": "/x"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    for token in (TOKEN, None):
        with opened(Address("https://example.com/x.git", token)) as repository:
            assert repository.branch("main") is None
        passed = dict(line.split("=", 1) for line in seen.read_text().splitlines())
        assert (passed["GIT_SSL_CAINFO"], passed["HTTPS_PROXY"]) == ("/ca.pem", "http://proxy")
        assert not passed.keys() & {"GITHUB_TOKEN"}
        assert passed["GIT_DIR"] != "/x"
        assert (passed["HOME"] == os.environ["HOME"]) is (token is None)


@pytest.mark.parametrize(
    "url", ["ext::sh -c true", "--upload-pack=x", "/a/path", "ftp://x/y", "https://h/a b", "http://u:secret@h/x", ""]
)
def test_an_address_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with opened(Address(url)) as repository, pytest.raises(RepositoryError, match="the address of the repo") as failed:
        repository.branch("main")
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("https://ada:secret@github.com/acme/widget.git", "https://github.com/acme/widget.git"),
        ("git@github.com:acme/widget.git", "git@github.com:acme/widget.git"),
        ("ssh://git@example.com/widget", "ssh://git@example.com/widget"),
        ("/srv/widget.git", "file:///srv/widget.git"),
    ],
)
def test_the_address_that_the_checkout_names_has_no_credentials(tmp_path: Path, origin: str, url: str) -> None:
    work = new_repository(tmp_path / "work")
    assert address_of(work) is None
    git(work, "remote", "add", "origin", origin)

    assert address_of(work) == Address(url)


def test_a_server_that_is_not_there_is_said() -> None:
    with opened(Address("file:///nowhere/at/all.git")) as repository:
        with pytest.raises(RepositoryError, match="cannot be fetched") as failed:
            repository.branch("main")
        assert "run again" in failed.value.hint


# --- writing ---------------------------------------------------------------------------------------------------------


def test_the_same_files_at_the_same_time_are_the_same_commit(history: History) -> None:
    new = NewCommit(files={"a/b": b"1", "c": b"\0\xff"}, message="Say why\n", seconds=1_800_000_000)
    made = []
    for _ in range(2):
        with opened(history.address) as repository:
            made.append(repository.make(new))
            files = repository.files(made[-1])
            assert {path: repository.content(made[-1], file) for path, file in files.items()} == new.files
            assert repository.parents(made[-1]) == ()

    assert made[0] == made[1]
    tree = hashlib.sha1(b"blob 1\x001", usedforsecurity=False).hexdigest()
    assert files["a/b"].blob == tree


def test_a_branch_is_replaced_only_where_it_is_what_was_read(history: History, tmp_path: Path) -> None:
    server = bare(tmp_path / "server.git")
    with opened(Address(f"file://{server}")) as repository:
        one, other = (repository.make(NewCommit(files={"x": text}, message="m", seconds=1)) for text in (b"1", b"2"))
        assert repository.push(one, "runs", expected=None) is None
        lost = repository.push(other, "runs", expected=None)
        assert lost is not None
        assert lost.why.name == "LOST"
        assert repository.push(other, "runs", expected=one) is None
        assert repository.branch("runs") == other
