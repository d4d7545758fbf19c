"""The seconds after a signal: nobody gets more of them than there are."""

from __future__ import annotations

import math
import threading

import pytest

from honeyhive.ci.lastwords import ASKED, CLEANED, KILLED, OVER, PATIENCE, TOLD, LastWords
from honeyhive.errors import ReportingError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_ends_the_run_leaves_time_to_tell_and_all_of_it_is_over_before_a_runner_kills() -> None:
    # The group is asked, then ended, then what it left behind is ended, then its last output is read.
    assert ASKED + 3 * KILLED < TOLD < OVER < PATIENCE


def test_before_a_signal_everybody_has_the_time_that_they_want() -> None:
    words = LastWords(Clock())
    assert not words.begun
    assert words.shorter(5.0, 1.0) == 5.0
    main = threading.current_thread()
    assert words.telling(threading.current_thread) is main


def test_after_it_they_have_less_and_no_more_than_they_wanted() -> None:
    words = LastWords(Clock())
    words.begin()
    assert (words.begun, words.shorter(5.0, 1.0), words.shorter(0.5, 1.0)) == (True, 1.0, 0.5)


def test_after_it_there_is_an_end_and_a_moment_in_any_case() -> None:
    clock = Clock()
    words = LastWords(clock)
    assert words.left(CLEANED, least=0.5) == math.inf
    words.begin()
    clock.now += 2.0
    assert words.left(CLEANED, least=0.5) == CLEANED - 2.0
    clock.now += 60.0
    assert words.left(CLEANED, least=0.5) == 0.5


def test_after_it_what_answers_is_told_and_what_fails_fails() -> None:
    words = LastWords(Clock())
    words.begin()
    assert words.telling(lambda: "told") == "told"
    with pytest.raises(ZeroDivisionError):
        words.telling(lambda: 1 // 0)


def test_what_does_not_answer_is_left_behind_when_the_time_is_over() -> None:
    clock, answered = Clock(), threading.Event()
    words = LastWords(clock)
    words.begin()
    clock.now += TOLD - 0.01
    with pytest.raises(ReportingError, match="not all was told"):
        words.telling(answered.wait)
    clock.now += 100.0
    with pytest.raises(ReportingError):
        words.telling(answered.wait)
    answered.set()
