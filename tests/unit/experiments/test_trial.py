"""One datapoint, once: whatever the moment at which time runs out, its outcome says what had happened by then."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from typing import Any

from honeyhive.experiments.calling import bind_function
from honeyhive.experiments.context import ExperimentContext
from honeyhive.experiments.dataset import Dataset
from honeyhive.experiments.evaluators import to_evaluator
from honeyhive.experiments.loop import EventLoop
from honeyhive.experiments.trial import Procedure, Trial
from honeyhive.result import Failed, Fault, Scored

LATE = "TimeoutError"


def trial(function: Callable[..., Any], *evaluators: Callable[..., Any], timeout: float | None = 60.0) -> Trial:
    procedure = Procedure(
        function=bind_function(function, "app:answer"),
        function_name="app:answer",
        evaluators=tuple(to_evaluator(one, f"e{number}") for number, one in enumerate(evaluators)),
        context=ExperimentContext("run-1", None, "EXT-qa"),
        timeout=timeout,
        loop=EventLoop(threads=1),
        variables=contextvars.copy_context(),
    )
    (datapoint,) = Dataset.of([{"inputs": {"q": 1}, "ground_truth": 0}])
    return Trial(datapoint=datapoint, repeat=3, procedure=procedure)


def broken(inputs: Any) -> Any:
    raise ValueError("broken")


def test_what_was_not_begun_is_late() -> None:
    late = trial(lambda inputs: 1)
    late.abandon()
    outcome = late.outcome()
    assert isinstance(outcome, Failed)
    assert str(outcome.fault) == "TimeoutError: the function gave no answer within 60 s"
    assert (outcome.repeat, outcome.ground_truth, outcome.session_id) == (3, 0, None)


def test_what_had_failed_before_it_was_given_up_keeps_its_error() -> None:
    failed = trial(broken, lambda outputs: 1.0)
    failed.do()
    failed.abandon()
    outcome = failed.outcome()
    assert isinstance(outcome, Failed)
    assert outcome.fault == Fault(type="ValueError", message="broken")


def test_what_was_scored_before_it_was_given_up_keeps_its_scores() -> None:
    scored = trial(lambda inputs: 1, lambda outputs: (True, "well"), lambda outputs: 1 / 0)
    scored.do()
    whole = scored.outcome()
    scored.abandon()
    assert scored.outcome() == whole
    assert isinstance(whole, Scored)
    assert (whole.scores, whole.notes, list(whole.faults)) == ({"e0": True}, {"e0": "well"}, ["e1"])


def test_given_up_in_the_function_it_asks_no_evaluator() -> None:
    asked: list[Any] = []
    late = trial(lambda inputs: late.abandon(), asked.append)
    late.do()
    assert isinstance(late.outcome(), Failed)
    assert asked == []


def test_given_up_in_an_evaluator_it_asks_no_other_and_changes_no_more() -> None:
    asked: list[Any] = []

    def give_up(outputs: Any) -> float:
        late.abandon()
        return 1.0

    late = trial(lambda inputs: 1, lambda outputs: True, give_up, asked.append)
    late.do()
    outcome = late.outcome()
    assert isinstance(outcome, Scored)
    assert outcome.scores == {"e0": True}
    assert {name: fault.type for name, fault in outcome.faults.items()} == {"e1": LATE, "e2": LATE}
    assert asked == []


def test_a_retry_begins_anew_whatever_became_of_the_attempt_before_it() -> None:
    first = trial(lambda inputs: 1, lambda outputs: False)
    first.do()
    first.abandon()
    before = first.outcome()
    retry = first.again()
    assert (first.is_retry, retry.is_retry) == (False, True)
    assert (retry.deadline, retry.settled, retry.answered) == (None, None, False)
    retry.do()
    outcome = retry.outcome()
    assert isinstance(outcome, Scored)
    assert (outcome.key, outcome.ground_truth, outcome.scores) == (before.key, 0, {"e0": False})
    assert outcome.session_id != before.session_id
    assert first.outcome() is before


def test_without_a_limit_there_is_no_deadline() -> None:
    endless, limited = trial(lambda inputs: 1, timeout=None), trial(lambda inputs: 1)
    before = time.monotonic()
    endless.do()
    limited.do()
    assert endless.deadline is None
    assert limited.deadline is not None
    assert limited.deadline >= before + 60.0
