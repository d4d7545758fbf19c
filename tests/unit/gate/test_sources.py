"""Metrics that are not called like their evaluator: one gives several, and they count as safely as any other."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import evaluators, failed, header, run, scored, write_run
from builders_verdict import judged
from honeyhive.errors import NoDecisionError, RunFileError
from honeyhive.gate.checks import Check, Reason, Rule, Status
from honeyhive.gate.comparison import compare
from honeyhive.gate.metrics import Kind, Metric, default_metric
from honeyhive.gate.scores import ScoreTable
from honeyhive.gate.sources import completed
from honeyhive.gate.warnings import of as warnings_of
from honeyhive.result import EvaluatorRef, Fault, Outcome, RunResult, Scored
from honeyhive.runfile import RunWriter, read_run

BROKE = Fault(type="ValueError", message="broke")
ERRORS = default_metric("errors")


def gave(at: int, source: str = "rouge", fields: Mapping[str, Any] | None = None, /, **scores: Any) -> Scored:
    """An outcome in which one evaluator gave these metrics; one of its own name has no source."""
    sources = {name: source for name in scores if name != source}
    return scored(f"EXT-{at:04}", {"index": at, "sources": sources} | dict(fields or {}), **scores)


def broke(at: int, fields: Mapping[str, Any] | None = None, /, **scores: Any) -> Scored:
    """An outcome in which the evaluator `rouge` itself failed."""
    return scored(f"EXT-{at:04}", {"index": at, "faults": {"rouge": BROKE}} | dict(fields or {}), **scores)


def sourced(given: Iterable[Outcome], *names: str, **header: Any) -> RunResult:
    return run(tuple(given), **({"evaluators": evaluators(*(names or ("rouge",)))} | header))


def table(*given: Outcome, names: Sequence[str] = ("rouge",)) -> ScoreTable:
    return ScoreTable(sourced(given, *names))


def means(found: ScoreTable, name: str) -> list[float | None]:
    """The mean score of each datapoint, an error counting as 0."""
    metric = ERRORS if name == "errors" else Metric(name=name, bounds=(0, 1)).of_kind(Kind.SCORE)
    scores = found.scores(metric).means
    return [None if math.isnan(scores[row]) else scores[row] for row in found.present]


# --- what is not there -----------------------------------------------------------------------------------------------


def test_a_metric_that_its_evaluator_gave_elsewhere_and_not_here_is_an_error() -> None:
    found = table(gave(0, rouge1=0.4, rougeL=0.3), gave(1, rouge1=0.8))
    assert means(found, "rougeL") == [0.3, 0.0]
    assert (means(found, "rouge1"), means(found, "errors"), found.errors) == ([0.4, 0.8], [0.0, 1.0], 1)


def test_null_is_not_applicable_and_no_error() -> None:
    found = table(gave(0, rouge1=0.4), gave(1, rouge1=None))
    assert (means(found, "rouge1"), found.errors) == ([0.4, None], 0)


def test_an_outcome_that_knows_nothing_of_the_evaluator_lacks_all_that_it_gives() -> None:
    found = table(gave(0, rouge1=0.4, rougeL=0.3), scored("EXT-0001"), scored("EXT-0002", other=1))
    assert (means(found, "rouge1"), means(found, "rougeL")) == ([0.4, 0.0, 0.0], [0.3, 0.0, 0.0])
    assert (means(found, "errors"), found.errors) == ([0.0, 1.0, 1.0], 2)


@pytest.mark.parametrize("backwards", [False, True])
def test_an_evaluator_that_failed_is_one_error_of_each_of_its_metrics(backwards: bool) -> None:
    outcomes: list[Outcome] = [gave(0, rouge1=1.0, rougeL=0.5), broke(1), failed("EXT-0002", {"index": 2})]
    found = table(*(reversed(outcomes) if backwards else outcomes))
    assert sorted(means(found, "rouge1"), key=str) == [0.0, 0.0, 1.0]
    assert sorted(means(found, "rougeL"), key=str) == [0.0, 0.0, 0.5]
    assert (sum(filter(None, means(found, "errors"))), found.errors) == (2.0, 2)
    rouge1 = found.sample(Metric(name="rouge1", bounds=(0, 1)).of_kind(Kind.SCORE))
    assert (rouge1.errors, rouge1.n, rouge1.not_applicable) == (2, 3, 0)


def test_it_is_an_error_in_the_outcomes_before_the_first_that_has_it_too() -> None:
    before: list[Outcome] = [broke(0), scored("EXT-0001", {"index": 1}), gave(2, rouge1=0.5), failed("EXT-0003")]
    found = table(*before, gave(4, rouge1=0.6, rougeL=0.7), names=("rouge", "never"))
    assert means(found, "rouge1") == [0.0, 0.0, 0.5, 0.0, 0.6]
    assert means(found, "rougeL") == [0.0, 0.0, 0.0, 0.0, 0.7]
    assert (means(found, "errors"), found.errors) == ([1.0, 1.0, 1.0, 1.0, 0.0], 4)


def test_a_metric_beside_the_evaluators_own_is_missed_where_only_its_own_is_there() -> None:
    found = table(scored("EXT-0000", rouge=0.9), gave(1, rouge=0.8, rouge_detail=0.2), gave(2, rouge_detail=0.4))
    assert (means(found, "rouge"), means(found, "rouge_detail")) == ([0.9, 0.8, 0.0], [0.0, 0.2, 0.4])
    assert means(found, "errors") == [1.0, 0.0, 1.0]


def test_a_fault_of_one_metric_is_an_error_of_that_one_alone() -> None:
    found = table(gave(0, "rouge", {"faults": {"rougeL": BROKE}}, rouge1=0.4), gave(1, rouge1=0.5, rougeL=0.6))
    assert (means(found, "rouge1"), means(found, "rougeL"), found.errors) == ([0.4, 0.5], [0.0, 0.6], 1)


def test_what_nobody_scored_is_not_missed() -> None:
    found = table(gave(0, rouge1=0.4, rougeL=None), gave(1, rouge1=0.5))
    assert not found.has("rougeL")
    assert found.errors == 0


def test_a_repeat_that_lacks_it_counts_as_the_worst_of_its_datapoint() -> None:
    found = table(*(gave(0, "rouge", {"repeat": at}, **one) for at, one in enumerate([{"a": 1.0}, {"b": 1.0}, {}])))
    assert (means(found, "a"), means(found, "b"), means(found, "errors")) == ([1 / 3], [1 / 3], [1.0])


def test_an_evaluators_own_name_is_no_metric_where_it_gives_only_others() -> None:
    found = table(broke(0), gave(1, rouge1=0.4), gave(2, rouge1=0.5), names=("rouge", "correct"))
    assert found.metrics == ["rouge1", "latency_ms", "errors"]
    assert not found.has("rouge")
    assert means(found, "errors") == [1.0, 0.0, 0.0]


def test_metrics_come_in_the_order_of_their_evaluators() -> None:
    both = {"sources": {"zeal": "tone", "awe": "tone", "rouge1": "rouge"}}
    found = table(scored("EXT-a", both, zeal=1, awe=1, rouge1=1, tone=1, extra=1), names=("tone", "rouge"))
    assert found.metrics == ["tone", "awe", "zeal", "rouge1", "extra", "latency_ms", "errors"]


def test_an_evaluator_that_failed_everywhere_leaves_errors_and_no_metric() -> None:
    broken = sourced([broke(at) for at in range(4)])
    assert ScoreTable(broken).errors == 4
    found = judged(broken, None, {"rouge1": {"min": 0.1}, "errors": {"max": 0.5}})
    assert [(check.metric, check.status, check.reason) for check in found.checks] == [
        ("rouge1", Status.FAILED, Reason.MISSING_METRIC),
        ("errors", Status.FAILED, Reason.ABOVE_MAX),
    ]


def test_a_built_in_metric_has_no_source() -> None:
    found = table(gave(0, rouge1=0.4, latency_ms=5.0, errors=1), gave(1, rouge1=0.4))
    assert (found.errors, found.metrics) == (0, ["rouge1", "latency_ms", "errors"])
    assert found.sample(default_metric("latency_ms")).mean == 1.5


# --- several evaluators, one metric ----------------------------------------------------------------------------------


def test_of_two_evaluators_that_give_the_same_metric_the_first_stands_and_the_other_is_an_error() -> None:
    found = table(gave(0, "rouge", m=0.4), gave(1, "bleu", m=1.0), gave(2, "rouge", m=0.6), names=("rouge", "bleu"))
    assert (means(found, "m"), means(found, "errors")) == ([0.4, 0.0, 0.6], [0.0, 1.0, 0.0])


def test_a_score_without_a_source_does_not_stand_in_for_one_with() -> None:
    found = table(gave(0, m=0.4), scored("EXT-0001", m=1.0))
    assert (means(found, "m"), found.errors) == ([0.4, 0.0], 1)
    other_way_round = table(scored("EXT-0001", m=1.0), gave(0, m=0.4))
    assert (means(other_way_round, "m"), other_way_round.errors) == ([1.0, 0.0], 1)


def test_nobody_gives_the_metric_of_another_evaluators_name() -> None:
    found = table(gave(0, "rouge", correct=1.0), scored("EXT-0001", correct=0.5), names=("rouge", "correct"))
    assert (means(found, "correct"), found.errors) == ([0.0, 0.5], 1)


# --- against a baseline ----------------------------------------------------------------------------------------------


def graded(source: str, fingerprint: str, *, count: int = 30, name: str = "m", score: float = 0.5) -> RunResult:
    ref = (EvaluatorRef(name=source, fingerprint=fingerprint),)
    return run([gave(at, source, **{name: score}) for at in range(count)], evaluators=ref)


def only_check(candidate: RunResult, baseline: RunResult | None, rules: Mapping[str, Any]) -> Check:
    (check,) = judged(candidate, baseline, rules).checks
    return check


def test_where_the_evaluator_changed_its_metrics_are_not_comparable() -> None:
    rules = {"m": {"max-drop": 0.1, "range": [0, 1]}}
    changed = only_check(graded("rouge", "2", score=0.9), graded("rouge", "1"), rules)
    assert (changed.status, changed.reason) == (Status.UNDECIDED, Reason.NOT_COMPARABLE)
    assert only_check(graded("rouge", "1"), graded("rouge", "1"), rules).reason is Reason.UNCHANGED


@pytest.mark.parametrize(
    ("ours", "theirs", "changed"),
    [
        (("rouge", "1"), ("bleu", "2"), True),
        (("rouge", "1"), ("bleu", "1"), False),
        (("rouge", ""), ("bleu", ""), True),
        (("rouge", ""), ("rouge", "1"), False),
        (("m", "1"), ("rouge", "2"), True),
        (("rouge", "2"), ("m", "1"), True),
    ],
)
def test_another_evaluator_is_another_whatever_it_is_called(
    ours: tuple[str, str], theirs: tuple[str, str], changed: bool
) -> None:
    assert compare(graded(*ours), graded(*theirs)).metrics["m"].evaluator_changed is changed


def test_a_metric_of_which_no_evaluator_is_known_has_not_changed() -> None:
    unknown = run([scored(f"EXT-{at:04}", m=0.5) for at in range(30)], evaluators=())
    assert not compare(graded("rouge", "1"), unknown).metrics["m"].evaluator_changed
    assert not compare(unknown, graded("rouge", "1")).metrics["m"].evaluator_changed
    assert not compare(graded("rouge", "1"), None).metrics["m"].evaluator_changed


def priced(*names: str, metric: str = "cost", score: float = 0.5) -> RunResult:
    """A run whose header names these evaluators, with a metric that is one of them, or nobody's."""
    return run(
        [scored(f"EXT-{at:04}", {"index": at}, **{metric: score}) for at in range(3)], evaluators=evaluators(*names)
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "changed"),
    [
        (("correct",), ("correct", "cost"), True),
        (("correct", "cost"), ("correct",), True),
        ((), ("cost",), True),
        (("cost",), (), True),
        (("cost",), ("cost",), False),
        (("correct",), ("correct",), False),
        (("correct",), (), False),
        ((), ("correct",), False),
        ((), (), False),
    ],
)
@pytest.mark.parametrize("metric", ["cost", "tokens.output"])
def test_a_cost_of_an_evaluator_is_not_one_of_the_spans(
    metric: str, ours: tuple[str, ...], theirs: tuple[str, ...], changed: bool
) -> None:
    candidate, baseline = (
        priced(*(metric if name == "cost" else name for name in names), metric=metric) for names in (ours, theirs)
    )
    found = compare(candidate, baseline).metrics
    assert found[metric].evaluator_changed is changed
    assert not any(found[name].evaluator_changed for name in ("latency_ms", "errors"))


def test_a_cost_that_is_of_no_evaluator_any_more_is_not_compared() -> None:
    baseline, cheaper = priced("correct", "cost"), priced("correct", score=0.1)
    check = only_check(cheaper, baseline, {"cost": {"max-increase": "1%"}})
    assert (check.status, check.reason) == (Status.UNDECIDED, Reason.NOT_COMPARABLE)
    assert list(warnings_of(compare(cheaper, baseline))) == [
        "no evaluator gives `cost`, as one did in the baseline: their scores are not comparable"
    ]


def test_of_other_metrics_a_run_that_names_evaluators_tells_that_none_gives_it() -> None:
    assert compare(priced("correct", metric="m"), graded("rouge", "1")).metrics["m"].evaluator_changed
    assert compare(graded("rouge", "1"), priced("correct", metric="m")).metrics["m"].evaluator_changed


def test_an_evaluator_without_scores_in_one_of_the_runs_has_not_changed_its_metric() -> None:
    refs = [(EvaluatorRef(name="m", fingerprint=version),) for version in "12"]
    with_scores = run([scored("EXT-0", m=1)], evaluators=refs[0])
    without = run([scored("EXT-0", {"faults": {"m": BROKE}})], evaluators=refs[1])
    assert not compare(with_scores, without).metrics["m"].evaluator_changed
    assert not compare(without, with_scores).metrics["m"].evaluator_changed


def test_an_evaluator_that_changed_is_named_once_with_its_metrics() -> None:
    def graded_three(fingerprint: str) -> RunResult:
        ref = (EvaluatorRef(name="rouge", fingerprint=fingerprint),)
        return run([gave(at, rouge1=0.5, rouge2=0.5, rougeL=0.5) for at in range(3)], evaluators=ref)

    (said,) = warnings_of(compare(graded_three("2"), graded_three("1")))
    assert said == (
        "the evaluator `rouge` (`rouge1`, `rouge2` and 1 more) is not the one that scored the baseline: "
        "their scores are not comparable"
    )


def test_what_the_candidate_lacks_does_not_lift_its_mean() -> None:
    baseline = sourced([gave(at, rouge1=1.0 if at % 2 else 0.2, rougeL=0.5) for at in range(40)])
    candidate = sourced([gave(at, **({"rouge1": 1.0} if at % 2 else {}), rougeL=0.5) for at in range(40)])
    check = only_check(candidate, baseline, {"rouge1": {"max-drop": 0.05, "range": [0, 1]}})
    assert (check.candidate, check.baseline, check.reason) == (0.5, 0.6, Reason.REGRESSED)


def test_a_threshold_on_one_of_the_metrics_is_a_threshold_like_any_other() -> None:
    candidate = sourced([gave(at, rouge1=0.4, rougeL=0.3) for at in range(5)])
    found = judged(candidate, None, {"rouge1": {"min": 0.5}, "rougeL": {"min": 0.2}, "rouge2": {"min": 0.2}})
    assert [(check.metric, check.reason) for check in found.checks] == [
        ("rouge1", Reason.BELOW_MIN),
        ("rougeL", Reason.MET),
        ("rouge2", Reason.MISSING_METRIC),
    ]


# --- a name for each datapoint ---------------------------------------------------------------------------------------


def named(count: int) -> RunResult:
    """A run in which each datapoint has a metric of its own."""
    return sourced([gave(at, **{f"m{at}": 1}) for at in range(count)])


def tried_again(count: int) -> RunResult:
    """A run in which only a second try has so many metrics."""
    retry = gave(0, **{f"m{at}": True for at in range(count)})
    return sourced([gave(0, "rouge", {"tags": ("must-pass",), "retry": retry}, rouge=True)])


def evaluated(count: int) -> RunResult:
    """A run whose header names so many evaluators."""
    return run((), evaluators=evaluators(*(f"m{at}" for at in range(count))))


def silent(count: int) -> RunResult:
    """A run that tells of so many evaluators without a score."""
    return sourced([scored(f"EXT-{at}", {"index": at, "sources": {f"m{at}": "rouge"}}) for at in range(count)])


def unsourced(count: int) -> RunResult:
    return run([scored("EXT-0", **dict.fromkeys((f"m{at}" for at in range(count)), 1.0))], evaluators=())


def broken(count: int) -> RunResult:
    return run([scored("EXT-0", {"faults": dict.fromkeys((f"m{at}" for at in range(count)), BROKE)})], evaluators=())


MAKES = [unsourced, broken, evaluated, silent, named, tried_again]


@pytest.mark.parametrize("make", MAKES)
def test_a_run_with_too_many_metrics_is_refused(make: Callable[[int], RunResult]) -> None:
    with pytest.raises(RunFileError, match="more than 1,000 metrics") as raised:
        ScoreTable(make(1_001))
    assert raised.value.exit_code == 3
    assert "the same names" in raised.value.hint


@pytest.mark.parametrize("make", [unsourced, broken])
def test_a_run_with_as_many_metrics_as_there_may_be_is_read(make: Callable[[int], RunResult]) -> None:
    assert len({*ScoreTable(make(1_000)).metrics} - {"latency_ms", "errors"}) == 1_000


def test_a_baseline_with_too_many_metrics_is_no_baseline() -> None:
    with pytest.raises(NoDecisionError, match=r"the baseline cannot be held against anything: .* 1,000 metrics"):
        compare(unsourced(1), unsourced(1_001))
    with pytest.raises(RunFileError):
        compare(unsourced(1_001), unsourced(1))


# --- must-pass -------------------------------------------------------------------------------------------------------

MUST: dict[str, Any] = {"tags": ("must-pass",)}


def must_pass(*given: Outcome, rules: Mapping[str, Any] | None = None, names: Sequence[str] = ("rouge",)) -> Check:
    checks = judged(sourced(given, *names), None, {"errors": {"max": 1}} | dict(rules or {})).checks
    (found,) = (check for check in checks if check.rule is Rule.MUST_PASS)
    return found


def test_a_tagged_datapoint_has_to_pass_the_metrics_of_a_mapping() -> None:
    fine = gave(0, "rouge", MUST, exact=True)
    assert must_pass(fine, gave(1, "rouge", MUST, exact=True)).status is Status.PASSED
    check = must_pass(fine, gave(1, "rouge", MUST, exact=False))
    assert (check.metric, check.status) == ("exact", Status.FAILED)


@pytest.mark.parametrize(
    "lacking",
    [
        broke(1, MUST),
        scored("EXT-0001", MUST),
        gave(1, "rouge", MUST, other=1.0),
        gave(1, "rouge", {**MUST, "faults": {"exact": BROKE}}),
        gave(1, "bleu", MUST, exact=True),
    ],
)
@pytest.mark.parametrize("rules", [{}, {"exact": {"must-pass": True}}])
def test_a_tagged_datapoint_that_lacks_its_score_does_not_pass(lacking: Scored, rules: Mapping[str, Any]) -> None:
    fine = gave(0, "rouge", MUST, exact=True)
    check = must_pass(fine, lacking, rules=rules, names=("rouge", "bleu"))
    assert (check.metric, check.status, check.candidate) == ("exact", Status.FAILED, 0.5)
    assert [place.datapoint_id for place in check.not_passed] == ["EXT-0001"]


def test_a_retry_that_has_the_score_makes_it_flaky_and_one_of_another_evaluator_does_not() -> None:
    fine = gave(0, "rouge", MUST, exact=True)
    again = broke(1, {**MUST, "retry": gave(1, exact=True)})
    assert [place.datapoint_id for place in must_pass(fine, again).flaky] == ["EXT-0001"]
    other = broke(1, {**MUST, "retry": gave(1, "bleu", exact=True)})
    assert must_pass(fine, other, names=("rouge", "bleu")).status is Status.FAILED
    assert must_pass(fine, broke(1, {**MUST, "retry": broke(1)})).status is Status.FAILED


def test_an_evaluators_own_name_is_nothing_to_pass_where_it_is_no_metric() -> None:
    check = must_pass(gave(0, "rouge", MUST, exact=True), broke(1))
    assert (check.metric, check.status, check.n) == ("exact", Status.PASSED, 1)


# --- from a file -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_resumed_file_is_judged_as_a_whole(tmp_path: Path, suffix: str) -> None:
    whole = header(evaluators=evaluators("rouge"), expected=4, dataset_count=4)
    path = tmp_path / f"run{suffix}"
    write_run(path, [broke(0), scored("EXT-0001", {"index": 1})], status=None, evaluators=evaluators("rouge"))
    writer, _ = RunWriter.resume(path, replace(whole, expected=4))
    writer.append(gave(2, rouge1=0.4, rougeL=0.3))
    writer.append(gave(3, rouge1=0.5))
    writer.close(status="completed", duration_s=1.0)
    found = ScoreTable(read_run(path))
    assert means(found, "rouge1") == [0.0, 0.0, 0.4, 0.5]
    assert means(found, "rougeL") == [0.0, 0.0, 0.3, 0.0]
    assert means(found, "errors") == [1.0, 1.0, 0.0, 1.0]


# --- whatever the outcomes -------------------------------------------------------------------------------------------

cells = st.sampled_from([0.25, 0.75, 1.0, None, "absent", "fault"])
attempts = st.one_of(st.just("crash"), st.just("broke"), st.fixed_dictionaries({"a": cells, "b": cells, "own": cells}))


def attempt_of(at: int, given: Any, repeat: int) -> Outcome:
    fields: dict[str, Any] = {"index": at, "repeat": repeat}
    if given == "crash":
        return failed(f"EXT-{at:04}", fields)
    if given == "broke":
        return broke(at, fields)
    names = {"a": "a", "b": "b", "own": "rouge"}
    faults = {names[key]: BROKE for key, cell in given.items() if cell == "fault"}
    scores = {names[key]: cell for key, cell in given.items() if cell not in ("absent", "fault")}
    return gave(at, "rouge", fields | {"faults": faults}, **scores)


def expected_means(given: Sequence[Sequence[Any]], name: str) -> list[float | None]:
    """By the rules in words: an error is a crash, a fault, and what is absent where the metric has a score anywhere."""
    attempts = [one for repeats in given for one in repeats]
    measured = {
        key: any(isinstance(one, dict) and isinstance(one[key], float) for one in attempts) for key in ("a", "b", "own")
    }

    def erred(one: Any) -> bool:
        if not isinstance(one, dict):
            return True
        return any(cell == "fault" or (cell == "absent" and measured[key]) for key, cell in one.items())

    def score(one: Any) -> float | None:
        if name == "errors":
            return float(erred(one))
        cell = one[name] if isinstance(one, dict) else "fault"
        return (
            None
            if cell is None or (cell == "absent" and not measured[name])
            else cell
            if isinstance(cell, float)
            else 0.0
        )

    found = [[value for one in repeats if (value := score(one)) is not None] for repeats in given]
    return [sum(values) / len(values) if values else None for values in found]


@given(st.lists(st.lists(attempts, min_size=1, max_size=3), min_size=1, max_size=6), st.randoms())
def test_every_attempt_counts_once_in_whatever_order_they_come(given: list[list[Any]], random: Any) -> None:
    outcomes = [attempt_of(at, one, repeat) for at, repeats in enumerate(given) for repeat, one in enumerate(repeats)]
    random.shuffle(outcomes)
    found = table(*outcomes)
    places = [found.rows.position(row) for row in found.present]
    for name, metric in (("a", "a"), ("b", "b"), ("own", "rouge"), ("errors", "errors")):
        if metric != "errors" and not found.has(metric):
            continue
        by_place = dict(zip(places, means(found, metric), strict=True))
        for at, value in enumerate(expected_means(given, name)):
            assert by_place[at] == (None if value is None else pytest.approx(value)), (metric, at)


@given(st.lists(attempts, min_size=1, max_size=8))
def test_outcome_by_outcome_the_errors_are_those_of_the_table(given: list[Any]) -> None:
    whole = sourced([attempt_of(at, one, 0) for at, one in enumerate(given)])
    found = ScoreTable(whole)
    erred = [float(not isinstance(one, Scored) or bool(one.faults)) for one in completed(whole)]
    assert erred == means(found, "errors")
    for name in ("a", "b"):
        scored_so = [None if not isinstance(one, Scored) else one.scores.get(name) for one in completed(whole)]
        counted = [
            score if isinstance(one, Scored) and name not in one.faults else 0.0
            for one, score in zip(completed(whole), scored_so, strict=True)
        ]
        assert not found.has(name) or counted == means(found, name)


def test_outcome_by_outcome_another_evaluators_score_is_an_error_in_a_retry_too() -> None:
    first, other = gave(0, "rouge", {"retry": gave(0, "bleu", m=1.0)}, m=0.4), gave(1, "bleu", m=1.0)
    found = list(completed(sourced([first, other], "rouge", "bleu")))
    assert [bool(one.faults) for one in found if isinstance(one, Scored)] == [False, True]
    assert isinstance(found[0].retry, Scored)
    assert found[0].retry.faults["m"].type == "OtherEvaluator"


def test_sources_take_a_few_bytes_a_datapoint() -> None:
    count = 10_000

    def most(one: Scored) -> int:
        """The most memory that reading such a run takes."""
        outcomes = (replace(one, datapoint_id=str(at)) for at in range(count))
        tracemalloc.start()
        ScoreTable(replace(sourced([]), outcomes=outcomes))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert (most(gave(0, rouge1=0.4, rougeL=0.3)) - most(scored("EXT-0", a=1, b=1))) / count < 16
