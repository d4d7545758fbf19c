"""What a datapoint has been given: one giver a metric, a score or a fault."""

from __future__ import annotations

from honeyhive.experiments.evaluators import Grade
from honeyhive.experiments.gradebook import Gradebook
from honeyhive.result import Fault

BROKEN = Fault(type="ValueError", message="broken")
OWNED = ("latency_ms", "errors", "a", "b", "a_b", "cost")


def book() -> Gradebook:
    return Gradebook(OWNED)


def test_a_metric_has_a_score_or_a_fault_never_both() -> None:
    found = book()
    found.grade("a", {"a": Grade(score=True, note="fine"), "b": Grade(score=1)})  # `b` is another evaluator's
    told = found.told()
    assert told["scores"] == told["notes"] == told["sources"] == {}
    assert set(told["faults"]) == {"a"}


def test_what_the_run_measures_gives_way_to_an_evaluator_of_that_name_also_where_it_fails() -> None:
    found = book()
    found.measure({"cost": 5.0, "tokens.input": 3, "tokens.output": BROKEN})
    found.grade("cost", BROKEN)
    told = found.told()
    assert told["scores"] == {"tokens.input": 3}
    assert told["faults"] == {"cost": BROKEN, "tokens.output": BROKEN}


def test_no_mapping_gives_what_the_run_measures_or_another_gives() -> None:
    found = book()
    found.measure({"tokens.input": 3})
    found.grade("a", {"shared": Grade(score=1), "tokens.input": Grade(score=0)})
    found.grade("b", {"shared": Grade(score=0), "own": Grade(score=2), "errors": Grade(score=0)})
    told = found.told()
    assert told["scores"] == {"tokens.input": 3, "shared": 1, "own": 2}
    assert told["sources"] == {"shared": "a", "own": "b"}
    assert set(told["faults"]) == {"a", "b"}


def test_an_evaluator_that_was_late_has_no_score_whatever_it_has_said_by_then() -> None:
    found = book()
    found.grade("a", {"a": Grade(score=True)})
    assert found.graded() == {"a"}
    late = Fault(type="TimeoutError", message="late")
    assert found.told({"a": late, "b": late}) == {
        "scores": {},
        "notes": {},
        "sources": {},
        "faults": {"a": late, "b": late},
    }
