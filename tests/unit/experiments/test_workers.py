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


# --- work that follows from work -------------------------------------------------------------------------------------


def work_with(following: dict[Piece, Piece], pieces: Iterable[Piece], *, size: int = 1) -> list[Piece]:
    done: list[Piece] = []

    def hand_on(piece: Piece) -> Piece | None:
        done.append(piece)
        return following.get(piece)

    Workers(iter(pieces), size=size, done=hand_on).run(lambda: None)
    return done


def test_what_follows_from_a_piece_is_done_next() -> None:
    first, second, follower, its_follower = Piece(), Piece(), Piece(), Piece()
    done = work_with({first: follower, follower: its_follower}, [first, second])
    assert done == [first, follower, its_follower, second]


def test_what_follows_from_the_last_piece_is_done_also_when_the_other_workers_have_gone() -> None:
    together = threading.Barrier(2)
    other = Piece(lambda: together.wait(LONG))

    def outlast() -> None:
        together.wait(LONG)
        assert other.thread is not None
        other.thread.join(LONG)

    last, follower = Piece(outlast), Piece()
    assert work_with({last: follower}, [other, last], size=2) == [other, last, follower]
    assert follower.thread is last.thread


def test_what_follows_from_an_abandoned_piece_is_done_by_the_worker_in_its_place() -> None:
    release = threading.Event()
    late = Piece(lambda: release.wait(LONG), overdue=True)

    def let_go() -> None:
        release.set()
        assert late.thread is not None
        late.thread.join(LONG)

    follower, after = Piece(let_go), Piece()
    assert work_with({late: follower}, [late, after]) == [late, follower, after]
    assert (late.abandoned, follower.abandoned) == (1, 0)
    assert follower.thread is not late.thread


def test_what_follows_is_given_up_on_its_own_when_it_takes_too_long() -> None:
    release = threading.Event()
    late, later = (Piece(lambda: release.wait(LONG), overdue=True) for _ in range(2))
    after = Piece()
    assert work_with({late: later}, [late, after]) == [late, later, after]
    assert (late.abandoned, later.abandoned) == (1, 1)
    release.set()
    for thread in hanging():
        thread.join(LONG)


def test_what_follows_is_not_begun_after_the_end() -> None:
    release, ended = threading.Event(), threading.Event()
    begun: list[str] = []
    follower = Piece(lambda: begun.append("follower"))

    def hand_on(piece: Piece) -> Piece | None:
        ended.set()
        return follower

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Workers(iter([Piece(lambda: release.wait(LONG))]), size=1, done=hand_on).run(interrupt)
    release.set()
    assert ended.wait(LONG)
    for thread in hanging():
        thread.join(LONG)
    assert begun == []


# --- errors ----------------------------------------------------------------------------------------------------------


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
