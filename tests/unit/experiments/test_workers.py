"""Worker threads: what they do at once, give up, and leave; and who hears of an error that is not the user's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import pytest

from honeyhive.experiments.workers import Workers

LONG = 60.0


class Piece:
    """A piece of work that does what it is told."""

    def __init__(self, do: Callable[[], object] = lambda: None, *, overdue: bool = False) -> None:
        self._do = do
        self.deadline: float | None = None
        self.overdue = overdue
        self.abandoned = 0
        self.thread: threading.Thread | None = None

    def do(self) -> None:
        self.thread = threading.current_thread()
        if self.overdue:
            self.deadline = time.monotonic() - 1
        self._do()

    def abandon(self) -> None:
        self.abandoned += 1


def work(pieces: Iterable[Piece], *, size: int = 2, tick: Callable[[], None] = lambda: None) -> list[Piece]:
    done: list[Piece] = []
    Workers(iter(pieces), size=size, done=done.append).run(tick)
    return done


def hanging() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "honeyhive-worker"]


def test_every_piece_is_done_once_and_handed_on_by_the_thread_that_did_it() -> None:
    pieces = [Piece() for _ in range(100)]
    done: dict[Piece, threading.Thread] = {}
    Workers(iter(pieces), size=5, done=lambda piece: done.update({piece: threading.current_thread()})).run(lambda: None)
    assert done == {piece: piece.thread for piece in pieces}
    assert all(thread.daemon for thread in done.values())
    assert hanging() == []


def test_no_work_is_no_wait() -> None:
    assert work([]) == []


def test_overdue_work_is_abandoned_once_and_its_late_end_discarded() -> None:
    release = threading.Event()
    late = Piece(lambda: release.wait(LONG), overdue=True)

    def let_go() -> None:
        release.set()
        assert late.thread is not None
        late.thread.join(LONG)

    after = Piece(let_go)
    assert work([late, after], size=1) == [late, after]
    assert (late.abandoned, after.abandoned) == (1, 0)
    assert hanging() == []


def test_as_many_work_after_an_abandoned_one_as_before() -> None:
    release = threading.Event()
    together = threading.Barrier(2)
    late = [Piece(lambda: release.wait(LONG), overdue=True) for _ in range(2)]
    after = [Piece(lambda: together.wait(LONG)) for _ in range(4)]
    done = work([*late, *after], size=2)
    assert set(done) == {*late, *after}
    assert len(done) == 6
    release.set()
    for thread in hanging():
        thread.join(LONG)


def test_what_has_no_deadline_or_one_to_come_is_not_abandoned() -> None:
    ticked = threading.Event()
    endless, soon = Piece(lambda: ticked.wait(LONG)), Piece(lambda: ticked.wait(LONG))
    soon.deadline = time.monotonic() + LONG
    assert set(work([endless, soon], tick=ticked.set)) == {endless, soon}
    assert endless.abandoned == soon.abandoned == 0


def test_an_error_of_the_source_is_raised_in_the_caller() -> None:
    def source() -> Iterator[Piece]:
        yield Piece()
        raise LookupError("the file has changed")

    with pytest.raises(LookupError, match="the file has changed"):
        work(source())


def test_an_error_of_who_takes_the_work_is_raised_in_the_caller_and_ends_it() -> None:
    begun: list[int] = []

    def refuse(piece: Piece) -> None:
        raise OSError("disk full")

    pieces = (Piece(lambda number=number: begun.append(number)) for number in range(1_000))  # type: ignore[misc]  # bound
    with pytest.raises(OSError, match="disk full"):
        Workers(pieces, size=2, done=refuse).run(lambda: None)
    assert len(begun) <= 2


def test_the_first_of_several_errors_is_raised() -> None:
    together = threading.Barrier(2)

    def fail() -> None:
        together.wait(LONG)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        work([Piece(fail), Piece(fail)])
    for thread in hanging():
        thread.join(LONG)


def test_an_error_does_not_wait_for_work_that_hangs() -> None:
    release = threading.Event()
    hangs = threading.Event()

    def hang() -> None:
        hangs.set()
        release.wait(LONG)

    def fail() -> None:
        hangs.wait(LONG)
        raise OSError("disk full")

    late: list[Piece] = []
    with pytest.raises(OSError, match="disk full"):
        Workers(iter([Piece(hang), Piece(fail)]), size=2, done=late.append).run(lambda: None)
    release.set()
    for thread in hanging():
        thread.join(LONG)
    assert late == [], "what ends after the end is not handed on"


def test_an_error_of_the_tick_begins_no_more_work() -> None:
    release = threading.Event()
    begun: list[int] = []

    def begin(number: int) -> None:
        begun.append(number)
        release.wait(LONG)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work((Piece(partial(begin, number)) for number in range(1_000)), tick=interrupt)
    release.set()
    for thread in hanging():
        thread.join(LONG)
    assert sorted(begun) == [0, 1]
