"""The ledger: what has arrived is remembered, whatever happens to the process, and by one process at a time."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.errors import InputError, ReportingError
from honeyhive.experiments.platform.ledger import STEPS, Ledger, Sent

SERVER = "https://api.honeyhive.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sent.jsonl"


def session(name: str, steps: int = 3, platform_id: str | None = None) -> Sent:
    return Sent(session=name, platform_id=platform_id, steps=STEPS[:steps])


def test_it_stands_beside_the_run_file(tmp_path: Path) -> None:
    with Ledger.beside(tmp_path / "qa.jsonl", SERVER) as ledger:
        assert ledger.path == tmp_path / "qa.sent.jsonl"


def test_what_has_arrived_is_there_when_it_is_opened_again(path: Path) -> None:
    with Ledger(path, SERVER) as ledger:
        assert ledger.platform_run_id is None
        ledger.run_created("r-1")
        ledger.arrived(session("a", 1, "p-a"))
        ledger.arrived(session("a", 3, "p-a"))
        ledger.arrived(session("b", 2))
        ledger.run_ended("completed", ["p-a", "b"])
    with Ledger(path, SERVER) as again:
        assert again.platform_run_id == "r-1"
        assert again.sent() == [session("a", 3, "p-a"), session("b", 2)]
        assert [again.session(name).complete for name in ("a", "b", "c")] == [True, False, False]
        assert again.has_ended("completed", ["p-a", "b"])


def test_an_end_is_another_one_where_the_status_or_a_session_is_another(path: Path) -> None:
    with Ledger(path, SERVER) as ledger:
        assert not ledger.has_ended(None, [])
        ledger.run_ended("completed", ["a", "b"])
        assert not ledger.has_ended("cancelled", ["a", "b"])
        assert not ledger.has_ended("completed", ["a", "c"])  # as many as before, and one of them ran again
        assert not ledger.has_ended("completed", ["b", "a"])


def test_a_session_goes_from_step_to_step_and_keeps_the_platforms_id() -> None:
    sent = Sent(session="a")
    for step, complete in zip(STEPS, (False, False, True), strict=True):
        sent = sent.after(step, "p-a" if step == "start" else None)
        assert sent.complete is complete
    assert sent == session("a", 3, "p-a")


@given(length=st.integers(0, 400))
def test_cut_off_anywhere_it_says_no_more_than_what_arrived(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.mktemp("torn") / "run.sent.jsonl"
    with Ledger(path, SERVER) as ledger:
        ledger.run_created("r-1")
        for name in "abc":
            ledger.arrived(session(name))
    path.write_bytes(path.read_bytes()[:length])
    whole = path.read_bytes().count(b"\n")
    with Ledger(path, SERVER) as again:
        assert len(again.sent()) == max(0, whole - 2)
        again.arrived(session("z"))
    with Ledger(path, SERVER) as third:
        assert third.session("z").complete
        assert len(third.sent()) == max(0, whole - 2) + 1


def test_another_server_is_refused_and_both_are_named(path: Path) -> None:
    Ledger(path, SERVER).close()
    with pytest.raises(InputError) as refused:
        Ledger(path, "https://other.example")
    assert SERVER in str(refused.value)
    assert "https://other.example" in str(refused.value)
    assert refused.value.file == str(path)
    Ledger(path, SERVER).close()  # it has let go of the file


@pytest.mark.parametrize("text", ["{}\n", "no JSON\n", '{"type":"run","run_id":"r-1"}\n', '{"type":"new"}\n'])
def test_what_is_no_ledger_is_refused_with_its_place(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        Ledger(path, SERVER)
    assert refused.value.place == f"{path}:1"
    assert path.read_text() == text


def test_keys_that_it_does_not_know_are_passed_over(path: Path) -> None:
    path.write_text(f'{{"type":"ledger","server":"{SERVER}","later":1}}\n')
    with Ledger(path, SERVER) as ledger:
        assert ledger.sent() == []


def test_only_one_has_it_open(path: Path) -> None:
    with Ledger(path, SERVER), pytest.raises(ReportingError, match="another process is sending this run"):
        Ledger(path, SERVER)
    Ledger(path, SERVER).close()


def test_a_child_that_the_users_code_has_forked_does_not_keep_it_locked(path: Path) -> None:
    ledger = Ledger(path, SERVER)
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        ledger.close()
        Ledger(path, SERVER).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextmanager
def disk_that_ends_at(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes: writing says so, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 20])
def test_a_full_disk_is_told_and_leaves_no_half_a_line(path: Path, room: int) -> None:
    with Ledger(path, SERVER) as ledger:
        ledger.arrived(session("a"))
        whole = path.read_bytes()
        with disk_that_ends_at(len(whole) + room), pytest.raises(ReportingError, match="cannot be put down") as error:
            ledger.arrived(session("b"))
        assert error.value.file == str(path)
        assert path.read_bytes() == whole
        ledger.arrived(session("c"))
    with Ledger(path, SERVER) as again:
        assert [sent.session for sent in again.sent()] == ["a", "c"]


# --- what somebody else has put there --------------------------------------------------------------------------------


def a_link(path: Path) -> None:
    path.with_name("elsewhere").write_text("theirs")
    path.symlink_to(path.with_name("elsewhere"))


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("put", [a_link, a_folder, a_pipe])
def test_what_is_no_file_of_its_own_is_neither_read_nor_written_to(path: Path, put: Callable[[Path], None]) -> None:
    put(path)
    with pytest.raises(ReportingError) as refused:
        Ledger(path, SERVER)
    assert refused.value.file == str(path)
    if path.is_symlink():
        assert path.read_text() == "theirs"


@pytest.mark.parametrize("put", [a_link, a_pipe])
def test_anew_it_takes_the_place_of_whatever_is_there(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "run.sent.jsonl")
    with Ledger.anew(tmp_path / "run.jsonl", SERVER, vouched_for="r-1") as ledger:
        ledger.arrived(session("a"))
    assert not ledger.path.is_symlink()
    if put is a_link:
        assert (tmp_path / "elsewhere").read_text() == "theirs"


def test_anew_it_does_not_take_a_folder_away(tmp_path: Path) -> None:
    (tmp_path / "run.sent.jsonl").mkdir()
    with pytest.raises(ReportingError, match="in the way"):
        Ledger.anew(tmp_path / "run.jsonl", SERVER, vouched_for="r-1")


def test_anew_it_believes_nothing_that_an_earlier_one_said_and_remembers_whose_run_it_is(tmp_path: Path) -> None:
    with Ledger(tmp_path / "run.sent.jsonl", "https://theirs.example") as forged:
        forged.run_created("r-2")
        forged.arrived(session("a", 3, "p-2"))
    with Ledger.anew(tmp_path / "run.jsonl", SERVER, vouched_for="r-1") as ledger:
        assert (ledger.platform_run_id, ledger.sent()) == (None, [])
    with Ledger.beside(tmp_path / "run.jsonl", SERVER) as again:
        assert again.vouched_for == "r-1"


def test_a_line_longer_than_ours_is_refused_before_it_fills_the_memory(path: Path) -> None:
    Ledger(path, SERVER).close()
    with path.open("ab") as file:
        file.write(b'{"type":"session","session":"' + b"x" * 100_000)
    with pytest.raises(InputError) as refused:
        Ledger(path, SERVER)
    assert refused.value.place == f"{path}:2"
