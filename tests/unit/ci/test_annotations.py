from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from builders_gate import check, errors, improved, must_pass, rate, regressed, verdict
from honeyhive.ci.annotations import MOST, Located, annotate
from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.rules.own_gate import OwnGateChange
from honeyhive.gate.broken import Broken, Skipped
from honeyhive.gate.checks import Place, Reason, Rule, Status
from honeyhive.gate.comparison import Change
from honeyhive.gate.metrics import Kind

DATASET = "evals/orders.jsonl"
BROKEN = Broken(experiment="e", title="Incomplete run", message="no", exit_code=3)
SKIPPED = Skipped(experiment="e", reason="nothing has changed")


def change(number: int, metric: str = "correct", **fields: Any) -> Change:
    usual: dict[str, Any] = {"line": number, "baseline": 1.0, "candidate": 0.0, "better": False}
    return Change(datapoint_id=f"q{number}", metric=metric, **(usual | fields))


def rows(*changes: Change, checks: Sequence[Any] = (), experiment: str = "order-sums", **fields: Any) -> Located:
    """A verdict by which `correct` fell, with these changes."""
    metrics = (rate(), rate("tone", kind=Kind.SCORE))
    found = verdict(*(checks or (regressed(),)), experiment=experiment, metrics=metrics, changes=changes, **fields)
    return Located(finding=found, dataset=DATASET)


def messages(found: Sequence[Annotation]) -> list[str]:
    return [one.message for one in found]


def test_a_regression_is_shown_on_the_line_of_its_datapoint() -> None:
    (found,) = annotate([rows(change(17))])
    assert found == Annotation(
        level=Level.WARNING, title="order-sums", message="q17: correct ✅ → ❌", file=DATASET, line=17
    )


def test_a_datapoint_that_had_to_pass_comes_first() -> None:
    failing = must_pass(not_passed=(Place(datapoint_id="q4", line=4), Place(datapoint_id="q9", line=None)))
    found = annotate([rows(change(17), change(4), checks=(regressed(), failing))])
    assert messages(found) == ["q4: correct ❌, and it must pass, correct ✅ → ❌", "q17: correct ✅ → ❌"]


def test_several_metrics_take_turns_and_a_datapoint_has_one_annotation() -> None:
    tone = check("tone", kind=Kind.SCORE, limit=0.2)
    moved = [change(n, "tone", baseline=4.5, candidate=3.0) for n in (3, 1)]
    found = annotate([rows(change(1), change(2), *moved, checks=(regressed(), tone))])
    assert messages(found) == ["q1: correct ✅ → ❌, tone 4.5 → 3", "q3: tone 4.5 → 3", "q2: correct ✅ → ❌"]


def test_only_what_a_failed_check_is_about_is_blamed() -> None:
    changes = (change(1, "other"), change(2, better=True, baseline=0.0, candidate=1.0), change(3))
    assert messages(annotate([rows(*changes)])) == ["q3: correct ✅ → ❌"]
    assert annotate([rows(*changes, checks=(improved(),))]) == ()
    undecided = replace(regressed(), reason=Reason.LOW_POWER, status=Status.UNDECIDED)
    assert annotate([rows(*changes, checks=(undecided, errors()))]) == ()


def test_of_an_aggregate_its_metric_is_meant() -> None:
    total = check("correct.total", Reason.BELOW_MIN, rule=Rule.MIN, limit=5.0, candidate=4.0)
    assert messages(annotate([rows(change(3), checks=(total,))])) == ["q3: correct ✅ → ❌"]


def test_a_row_without_a_line_or_a_dataset_outside_has_none() -> None:
    assert annotate([rows(change(1, line=None))]) == ()
    assert annotate([replace(rows(change(1)), dataset=None)]) == ()


@pytest.mark.parametrize("finding", [BROKEN, SKIPPED])
def test_without_a_verdict_there_is_no_row_to_blame(finding: Broken | Skipped) -> None:
    assert annotate([Located(finding=finding, dataset=DATASET)]) == ()


def test_there_are_at_most_ten_and_the_last_says_how_many_more() -> None:
    found = annotate([rows(*(change(n) for n in range(1, 25)))])
    assert len(found) == MOST
    assert found[-1].message == "q10: correct ✅ → ❌ (and 14 more, see the report)"
    assert not any("more" in one.message for one in found[:-1])
    assert not any("more" in one.message for one in annotate([rows(*(change(n) for n in range(1, 11)))]))


def test_experiments_take_turns() -> None:
    found = annotate([rows(*(change(n) for n in range(1, 25)), experiment=name) for name in ("a", "b")])
    assert [one.title for one in found] == ["a", "b"] * 5


def own(at: int, **fields: Any) -> OwnGateChange:
    usual: dict[str, Any] = {"text": f"lowers `correct.min` {at}", "file": "honeyhive.yml", "line": at, "loosens": True}
    return OwnGateChange(**(usual | fields))


def test_what_a_change_does_to_its_own_gate_is_shown_where_it_says_so() -> None:
    found = annotate([], [own(12), own(14, text="adds `tone.min` 3", loosens=False), own(1, file=None, line=None)])
    assert found == (
        Annotation(
            level=Level.WARNING,
            title="Changes its own gate",
            message="this change lowers `correct.min` 12",
            file="honeyhive.yml",
            line=12,
        ),
        Annotation(
            level=Level.NOTICE,
            title="Changes its own gate",
            message="this change adds `tone.min` 3",
            file="honeyhive.yml",
            line=14,
        ),
    )


@pytest.mark.parametrize(("changes", "regressions", "expected"), [(20, 20, (5, 5)), (20, 2, (8, 2)), (1, 20, (1, 9))])
def test_its_own_gate_leaves_room_for_what_got_worse(changes: int, regressions: int, expected: tuple[int, int]) -> None:
    found = annotate([rows(*map(change, range(1, regressions + 1)))], [own(n) for n in range(1, changes + 1)])
    of_gate = sum(one.file == "honeyhive.yml" for one in found)
    assert (of_gate, len(found) - of_gate) == expected
    left_out = changes + regressions - len(found)
    assert found[-1].message.endswith(f"(and {left_out} more, see the report)")


def test_a_hostile_name_stays_one_short_line() -> None:
    hostile = "::error::x\n\x1b[31m%0A" + "y" * 500
    found = rows(replace(change(3), datapoint_id=hostile, metric=hostile), checks=(regressed(hostile),))
    (one,) = annotate([found])
    assert "\n" not in one.message
    assert "\x1b" not in one.message
    assert len(one.message) < 200
    assert one.command().count("\n") == 0
