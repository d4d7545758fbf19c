"""A change that moves its own gate: it is judged as main has it, and the log and the comment say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from container.runner import Step
from github_server import GitHubServer
from stories import APP, Bees, Job, config

WHOLE = """
def whole(outputs):
    return isinstance(outputs, int)
"""
EVEN = """
def even(outputs):
    return outputs is not None and outputs % 2 == 0
"""
RULES = {"exact": {"max-drop": 0.02, "min": 0.3}}
OTHER = {"name": "other", "thresholds": {"exact": {"min": 0.1}}}

Row = dict[str, Any]
Files = Mapping[str, str | None]


def code(right: int, *instead: tuple[str, str], more: str = "") -> dict[str, str]:
    """The app that doubles so many of the hundred numbers rightly, each text of `instead` in place of another."""
    text = APP.format(right=right)
    for before, after in instead:
        assert before in text
        text = text.replace(before, after)
    return {"app.py": text + WHOLE + more}


def rows(change: Callable[[Row], Row | None] = lambda row: row, more: tuple[Row, ...] = ()) -> dict[str, str]:
    """A hundred numbers, the first of which has to pass; each as `change` leaves it."""
    every: list[Row] = [{"id": f"n{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(100)]
    every[0]["tags"] = ["must-pass"]
    kept = [row for row in map(change, every) if row is not None]
    return {"numbers.jsonl": "".join(f"{json.dumps(row)}\n" for row in (*kept, *more))}


def rules(**changed: Any) -> dict[str, str]:
    """honeyhive.yml as main has it, but for what is changed of the experiment or of the policies."""
    policies = {name: changed.pop(name) for name in list(changed) if name.startswith("on-")}
    whole = {"thresholds": RULES, "evaluators": ["app:exact", "app:whole"], "repeats": 2}
    return config({**whole, **changed}, **policies)


def is_hard(row: Row) -> bool:
    """Whether the number is one that a worse app gets wrong."""
    return int(row["inputs"]["number"]) in range(40, 60)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of a change: the step, and the report as the comment has it."""

    step: Step
    report: str

    def says(self, *texts: str) -> None:
        """Both the log and the report say so."""
        for text in texts:
            assert text in self.step.log
            assert text in self.report, self.report


@dataclass
class Changes:
    """A repository with a run of main, and changes of it: each on a branch of its own."""

    bees: Bees

    def __post_init__(self) -> None:
        self._numbers = count(100)

    def proposed(self, *files: Files, **inputs: str) -> Seen:
        """The gate of a pull request."""
        self.bees.propose(number := next(self._numbers), *files)
        return self._seen(self.bees.pull_request(number, comment="false", **inputs))

    def queued(self, *files: Files) -> Seen:
        """The gate of the merge queue."""
        self.bees.propose(number := next(self._numbers), *files)
        return self._seen(self.bees.queue(base=self.bees.work.git("rev-parse", "main"), number=number))

    def _seen(self, job: Job) -> Seen:
        machine = self.bees.machine(job)
        step = self.bees.step(machine, job)
        report = machine.workspace / "honeyhive-report" / "comment.md"
        return Seen(step=step, report=unescape(report.read_text("utf-8")) if report.exists() else "")


@contextmanager
def repository(folder: Path, *files: Files) -> Iterator[Changes]:
    """A repository with one commit of these files; whatever is asked of GitHub is asked rightly."""
    with GitHubServer(folder / "github") as server:
        bees = Bees(server, folder)
        bees.commit("Double numbers", code(60), rows(), *files)
        yield Changes(bees)
        assert server.violations == []


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changes]:
    """Of the hundred numbers main doubles sixty rightly, and its run is kept."""
    with repository(tmp_path_factory.mktemp("main"), rules()) as changes:
        done = changes.bees.run(changes.bees.push())
        assert "saved in git:honeyhive-runs" in done.log
        yield changes


def assert_worse(seen: Seen) -> None:
    """The drop of twenty points is there, whatever the change did to hide it."""
    assert (seen.step.exit_code, seen.step.outputs["verdict"]) == (1, "failed"), seen.step.log
    seen.says("fell 20 points, 60.0 % → 40.0 %")


# --- rules -----------------------------------------------------------------------------------------------------------

LAXER = {
    "a threshold is lowered": (
        rules(thresholds={"exact": {"max-drop": 0.5, "min": 0.1}}),
        ("raises `exact.max-drop` 0.02 → 0.5; judged by 0.02", "lowers `exact.min` 0.3 → 0.1; judged by 0.3"),
    ),
    "a threshold is removed": (
        rules(thresholds={"whole": {"min": 0.1}}),
        ("removes `exact.max-drop` 0.02; judged by it all the same", "removes `exact.min` 0.3"),
    ),
    "an evaluator is removed": (
        rules(evaluators=["app:whole"]),
        ("removes the evaluator `app:exact`; it is run all the same",),
    ),
    "it runs less often": (rules(repeats=1), ("lowers `repeats` 2 → 1; judged by 2",)),
    "nothing is held against": (rules(baseline="none"), ("changes `baseline` auto → none; judged by auto",)),
    "another file is the baseline": (
        {**rules(baseline="mine.jsonl"), "mine.jsonl": "{}\n"},
        ("changes `baseline` auto → mine.jsonl; judged by auto",),
    ),
    "no change matters any more": (rules(paths=["docs/**"]), ("changes `paths` any file → docs/**; judged by any",)),
    "the configuration is gone": ({"honeyhive.yml": None}, ("removes `honeyhive.yml`; judged by the rules of the",)),
    "the experiment is gone": (
        config(OTHER),
        ("removes the experiment `doubling`; it is run as the base has it", "adds the experiment `other`"),
    ),
}


@pytest.mark.parametrize(("files", "said"), LAXER.values(), ids=LAXER.keys())
def test_who_gets_worse_and_loosens_the_rules_fails_by_those_of_main(
    main: Changes, files: Files, said: tuple[str, ...]
) -> None:
    seen = main.proposed(code(40), files)
    assert_worse(seen)
    assert "judged by honeyhive.yml of main" in seen.step.log
    seen.says(*said)


def test_what_loosens_stands_in_the_diff_where_the_change_says_it(main: Changes) -> None:
    seen = main.proposed(code(40), rules(thresholds={"exact": {"max-drop": 0.5}}))
    assert "::warning title=Changes its own gate,file=honeyhive.yml,line=" in seen.step.log


def test_errors_are_limited_by_what_main_says_of_them(main: Changes) -> None:
    seen = main.proposed(
        code(60, ("else None", "else 1 / 0")), rules(thresholds={"exact": {"max-drop": 0.9}, "errors": {"max": 1}})
    )
    assert seen.step.exit_code == 1
    seen.says("raises `errors.max` 0.05 → 1; judged by 0.05", "40.0 % of the datapoints went wrong, 5 % allowed")


# --- rows ------------------------------------------------------------------------------------------------------------


def test_deleting_what_fails_lifts_nothing(main: Changes) -> None:
    seen = main.proposed(code(40), rows(lambda row: None if is_hard(row) else row))
    assert_worse(seen)
    seen.says("removes 20 rows of `numbers.jsonl`", "run all the same, as main has them", "`EXT-n40`")


def test_a_dataset_of_another_name_still_has_the_rows_of_main(main: Changes) -> None:
    easy = rows(lambda row: row if row["inputs"]["number"] < 40 else None)["numbers.jsonl"]
    seen = main.proposed(code(40), {"numbers.jsonl": None, "easy.jsonl": easy}, rules(dataset="easy.jsonl"))
    assert_worse(seen)
    seen.says("changes `dataset` `numbers.jsonl` → `easy.jsonl`; the rows of the base are run too", "removes 60 rows")


def test_an_easier_answer_does_not_take_the_place_of_the_harder_one(main: Changes) -> None:
    seen = main.proposed(code(40), rows(lambda row: {**row, "ground_truth": None} if is_hard(row) else row))
    assert_worse(seen)
    seen.says("edits 20 rows of `numbers.jsonl`", "run as main has them, too")


def test_columns_that_mean_something_else_do_not_change_the_rows_of_main(main: Changes) -> None:
    seen = main.proposed(code(40), rules(inputs=["inputs"], **{"ground-truth": "id"}))
    assert seen.step.exit_code == 1
    seen.says("changes what the columns mean (`ground-truth`)", "fell 20 points")


def test_many_easy_rows_besides_hide_no_drop(main: Changes) -> None:
    easy = tuple(
        {"id": f"e{n}", "inputs": {"number": 100 + n % 20}, "ground_truth": 2 * (100 + n % 20)} for n in range(300)
    )
    seen = main.proposed(code(40), rows(more=easy))
    assert_worse(seen)
    assert "300 datapoints not in the baseline: only `min` and `max` see them" in seen.step.log


def test_a_datapoint_that_has_to_pass_has_to_pass_without_its_tag_too(main: Changes) -> None:
    not_zero = code(60, ("if number %", "if 0 < number %"))
    seen = main.proposed(not_zero, rows(lambda row: {key: row[key] for key in row if key != "tags"}))
    assert seen.step.exit_code == 1
    assert seen.step.errors[0].startswith("::error title=Must-pass datapoints failed")
    seen.says("changes tags or metadata of 1 row of `numbers.jsonl` (`EXT-n0`)")


# --- evaluators ------------------------------------------------------------------------------------------------------


def test_an_evaluator_with_other_code_decides_nothing(main: Changes) -> None:
    seen = main.proposed(code(40, ("outputs == ground_truth", "True")))
    assert (seen.step.exit_code, seen.step.outputs["verdict"]) == (4, "undecided"), seen.step.log
    assert seen.step.errors[0].startswith("::error title=No decision")
    seen.says("cannot be compared: its evaluator changed", "ran again with today's evaluator")


def test_who_writes_the_evaluator_anew_cannot_call_that_a_warning(main: Changes) -> None:
    other = code(40, ("outputs == ground_truth", "bool(outputs == ground_truth)"))
    seen = main.proposed(other, rules(**{"on-incomparable": "warn"}))
    assert seen.step.exit_code == 4
    seen.says("changes `on-incomparable` fail → warn; judged by fail")


def test_who_has_no_baseline_cannot_call_that_a_warning(tmp_path: Path) -> None:
    with repository(tmp_path, rules(**{"on-missing-baseline": "fail"})) as changes:
        seen = changes.proposed(rules(**{"on-missing-baseline": "warn"}))
    assert seen.step.exit_code == 4
    seen.says("changes `on-missing-baseline` fail → warn; judged by fail", "nothing to compare with yet")


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_inputs_loosen_nothing(main: Changes) -> None:
    seen = main.proposed(
        code(40),
        thresholds="exact: {max-drop: 0.9, min: 0}",
        repeats="1",
        evaluators="app:whole",
        baseline="none",
        paths="docs/**",
        **{"on-undecided": "warn", "on-incomparable": "warn"},
    )
    assert_worse(seen)
    seen.says(
        "by an input, raises `exact.max-drop` 0.02 → 0.9; judged by 0.02",
        "by an input, lowers `exact.min` 0.3 → 0; judged by 0.3",
        "by an input, changes `baseline` `auto` → `none`; judged by `auto`",
        "by an input, lowers `repeats` 2 → 1; judged by 2",
        "by an input, changes `on-incomparable` fail → warn; judged by fail",
        "by an input, gives other `paths` than the base; those of the base hold",
    )


def test_inputs_may_be_stricter(main: Changes) -> None:
    seen = main.proposed(code(60), thresholds="exact: {min: 0.7}")
    assert seen.step.exit_code == 1
    seen.says("below the 70 % required")


# --- a baseline that is in the repository ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changes]:
    """A repository whose baseline is a file of its own, `main.jsonl`."""
    with repository(tmp_path_factory.mktemp("kept"), rules(baseline="none")) as changes:
        bees = changes.bees
        machine = bees.machine(job := bees.push())
        bees.step(machine, job)
        run = (machine.workspace / "honeyhive-report" / "run.jsonl").read_text("utf-8")
        bees.commit("Keep the run", {"main.jsonl": run}, rules(baseline="main.jsonl"))
        yield changes


def test_a_baseline_that_the_change_edits_is_taken_as_main_has_it(kept: Changes) -> None:
    run = kept.bees.work.git("show", "main:main.jsonl")
    worse = run.replace('"exact":true', '"exact":false').replace('"exact": true', '"exact": false')
    assert worse != run
    seen = kept.proposed(code(40), {"main.jsonl": worse})
    assert_worse(seen)
    seen.says("edits the baseline `main.jsonl`; judged by the one of main")


def test_a_baseline_that_the_change_removes_is_there_all_the_same(kept: Changes) -> None:
    seen = kept.proposed(code(40), {"main.jsonl": None})
    assert_worse(seen)
    seen.says("edits the baseline `main.jsonl`")


def test_another_file_does_not_take_the_place_of_the_baseline(kept: Changes) -> None:
    seen = kept.proposed(code(40), {"mine.jsonl": "{}\n"}, rules(baseline="mine.jsonl"))
    assert_worse(seen)
    seen.says("changes `baseline` main.jsonl → mine.jsonl; judged by main.jsonl")


# --- what is meant well ----------------------------------------------------------------------------------------------


def test_rows_that_are_added_are_run_and_nobody_minds(main: Changes) -> None:
    seen = main.proposed(rows(more=({"id": "new", "inputs": {"number": 101}, "ground_truth": 202},)))
    assert (seen.step.exit_code, seen.step.outputs["verdict"]) == (0, "passed"), seen.step.log
    assert "adds 1 row to `numbers.jsonl`: `min` and `max` judge them, too" in seen.report
    assert "1 datapoint not in the baseline" in seen.report


def test_an_evaluator_that_is_added_is_run_and_judges_from_the_merge_on(main: Changes) -> None:
    more = rules(evaluators=["app:exact", "app:whole", "app:even"], thresholds={**RULES, "even": {"min": 0.99}})
    seen = main.proposed(code(60, more=EVEN), more)
    assert seen.step.exit_code == 0, seen.step.log
    seen.says("adds the evaluator `app:even`: it is run", "adds `even.min` 0.99: judges from the merge on")
    assert "| `even` |" in seen.report


def test_a_label_that_is_put_right_passes_and_the_comment_says_what_was_run_as_main_has_it(main: Changes) -> None:
    seen = main.proposed(rows(lambda row: {**row, "ground_truth": None} if row["id"] == "n70" else row))
    assert seen.step.exit_code == 0, seen.step.log
    seen.says("edits 1 row of `numbers.jsonl` (`EXT-n70`): run as main has them, too")


# --- in the merge queue ----------------------------------------------------------------------------------------------


def test_in_the_queue_the_rules_and_the_rows_are_those_of_main_too(main: Changes) -> None:
    seen = main.queued(
        code(40),
        rules(thresholds={"exact": {"max-drop": 0.9}}),
        rows(lambda row: None if is_hard(row) else row),
    )
    assert_worse(seen)
    assert "judged by honeyhive.yml of main" in seen.step.log
    seen.says("raises `exact.max-drop` 0.02 → 0.9; judged by 0.02", "removes 20 rows of `numbers.jsonl`")


def test_in_the_queue_too_what_is_meant_well_passes(main: Changes) -> None:
    seen = main.queued(rows(more=({"id": "new", "inputs": {"number": 101}, "ground_truth": 202},)))
    assert (seen.step.exit_code, seen.step.outputs["verdict"]) == (0, "passed"), seen.step.log
