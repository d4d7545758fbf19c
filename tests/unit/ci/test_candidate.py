"""What a child left is believed only where it is the run that was asked for, and all of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import dataset, failed, header, scored, write_run
from honeyhive.ci.candidate import check_candidate, interrupted
from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.worker import Ending, ReportedError
from honeyhive.errors import Cancelled
from honeyhive.experiments.dataset import Dataset
from honeyhive.gate.broken import Broken
from honeyhive.result import Outcome, RunResult

RUN_ID = "run-1"
WELL = Ending(exit_code=0, run_id=RUN_ID)
QA = ExperimentConfig(name="qa", function="app:answer", dataset="qa.jsonl")
TWICE = ExperimentConfig(name="qa", function="app:answer", dataset="qa.jsonl", repeats=2)


@pytest.fixture
def three(tmp_path: Path) -> Dataset:
    """A dataset of the datapoints a, b and c."""
    return dataset(tmp_path, ["a", "b", "c"])


def outcome(name: str, at: int = 0, **fields: Any) -> Outcome:
    known = {"index": at, "line": at + 1, "inputs": {"q": name}} | fields
    return scored(f"EXT-{name}", known, correct=True)


def left(folder: Path, dataset: Dataset, *outcomes: Outcome, **fields: Any) -> Path:
    """The run file of a child that ran this dataset."""
    known: dict[str, Any] = {"dataset_sha256": dataset.sha256, "expected": 3, "dataset_count": 3}
    return write_run(folder / "run.jsonl", outcomes, **(known | fields))


def check(path: Path, dataset: Dataset, ending: Ending = WELL, config: ExperimentConfig = QA) -> RunResult | Broken:
    return check_candidate(path, config, dataset, ending)


def broken(path: Path, dataset: Dataset, ending: Ending = WELL, config: ExperimentConfig = QA) -> Broken:
    found = check(path, dataset, ending, config)
    assert isinstance(found, Broken)
    return found


ALL = (outcome("a"), outcome("b", 1), outcome("c", 2))


# --- whole and right -------------------------------------------------------------------------------------------------


def test_a_whole_run_is_the_candidate_in_whatever_order_it_finished(tmp_path: Path, three: Dataset) -> None:
    found = check(left(tmp_path, three, *reversed(ALL)), three)
    assert isinstance(found, RunResult)
    assert {outcome.datapoint_id for outcome in found.outcomes} == {"EXT-a", "EXT-b", "EXT-c"}


def test_datapoints_that_failed_are_there_too(tmp_path: Path, three: Dataset) -> None:
    wrong = failed("EXT-b", {"index": 1, "inputs": {"q": "b"}})
    assert isinstance(check(left(tmp_path, three, ALL[0], wrong, ALL[2]), three), RunResult)


def test_every_repeat_has_to_be_there(tmp_path: Path, three: Dataset) -> None:
    twice = [outcome(name, at, repeat=repeat) for repeat in (0, 1) for at, name in enumerate("abc")]
    whole = left(tmp_path, three, *twice, expected=6, repeats=2)
    assert isinstance(check(whole, three, config=TWICE), RunResult)
    part = left(tmp_path, three, *twice[:-1], expected=6, repeats=2)
    found = broken(part, three, config=TWICE)
    assert found.message.startswith("1 of 6 datapoints have no outcome")
    assert found.details == ("missing: line 3 (EXT-c), repeat 1",)


# --- not whole -------------------------------------------------------------------------------------------------------


def test_a_killed_child_leaves_an_incomplete_run_with_what_is_missing(tmp_path: Path, three: Dataset) -> None:
    path = left(tmp_path, three, ALL[0], status=None)
    found = broken(path, three, Ending(run_id=RUN_ID, exit_code=-9))
    assert found == Broken(
        experiment="qa",
        title="Incomplete run",
        message="2 of 3 datapoints have no outcome; the process of the run was killed by SIGKILL, "
        "as it is where memory runs out",
        hint="what was finished is kept: go on with "
        f"`honeyhive run --resume --out {os.path.relpath(path)}`, or run again",
        exit_code=3,
        expected=3,
        finished=1,
        details=("missing: line 2 (EXT-b)", "missing: line 3 (EXT-c)"),
    )


def test_only_the_first_few_missing_datapoints_are_named(tmp_path: Path) -> None:
    many = dataset(tmp_path, [str(number) for number in range(1, 2001)])
    path = left(tmp_path, many, expected=2000, dataset_count=2000)
    found = broken(path, many)
    assert found.message.startswith("2,000 of 2,000 datapoints have no outcome")
    assert found.details == tuple(f"missing: line {number} (EXT-{number})" for number in range(1, 6))


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending(run_id=RUN_ID, exit_code=None, time_limit=61.5), "the run was ended after 61.5 s, its time limit"),
        (Ending(run_id=RUN_ID, exit_code=-11), "the process of the run was killed by SIGSEGV"),
        (Ending(run_id=RUN_ID, exit_code=-60), "the process of the run was killed by signal 60"),
        (Ending(run_id=RUN_ID, exit_code=0), "the process of the run ended with exit code 0 before it was done"),
        (
            Ending(run_id=RUN_ID, exit_code=70, error=ReportedError(message="OSError: no space left")),
            "the process of the run ended with exit code 70 before it was done: OSError: no space left",
        ),
    ],
)
def test_how_the_child_ended_is_said(tmp_path: Path, three: Dataset, ending: Ending, words: str) -> None:
    found = broken(left(tmp_path, three, ALL[0], status=None), three, ending)
    assert found.message == f"2 of 3 datapoints have no outcome; {words}"
    assert found.exit_code == 3


def test_all_outcomes_and_no_end_is_not_whole(tmp_path: Path, three: Dataset) -> None:
    found = broken(left(tmp_path, three, *ALL, status=None), three)
    assert found.message.startswith("the run did not end as it should; ")
    assert (found.finished, found.exit_code) == (3, 3)


@pytest.mark.parametrize(
    "ending", [Ending(run_id=RUN_ID, exit_code=1), Ending(run_id=RUN_ID, exit_code=None, time_limit=1)]
)
def test_a_whole_file_of_a_child_that_ended_badly_is_not_believed(
    tmp_path: Path, three: Dataset, ending: Ending
) -> None:
    assert broken(left(tmp_path, three, *ALL), three, ending).exit_code == 3


@pytest.mark.parametrize("status", ["failed", "cancelled", "stopped"])
def test_a_run_that_says_it_did_not_complete_is_not_judged(tmp_path: Path, three: Dataset, status: Any) -> None:
    assert broken(left(tmp_path, three, *ALL, status=status), three).exit_code == 3


def test_without_a_run_file_everything_is_missing(tmp_path: Path, three: Dataset) -> None:
    found = broken(tmp_path / "run.jsonl", three)
    assert found.message.startswith("3 of 3 datapoints have no outcome; the process of the run ended with exit code 0")
    assert (found.finished, found.hint) == (0, "the lines above may say more")


def test_what_stands_in_the_place_of_the_run_file_is_not_waited_for(tmp_path: Path, three: Dataset) -> None:
    os.mkfifo(tmp_path / "run.jsonl")
    assert broken(tmp_path / "run.jsonl", three).exit_code == 3


# --- the user's own mistake ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (ReportedError(message="no module", hint="mend it", title="Cannot load your code"), "no module"),
        (ReportedError(message="no such key", hint="mend it", file="a.yml", line=3), "a.yml:3: no such key"),
        (ReportedError(message="no such file", hint="mend it", file="a.jsonl"), "a.jsonl: no such file"),
    ],
)
def test_input_that_the_child_refused_is_wrong_input(
    tmp_path: Path, three: Dataset, said: ReportedError, message: str
) -> None:
    found = broken(tmp_path / "run.jsonl", three, Ending(run_id=RUN_ID, exit_code=2, error=said))
    assert (found.exit_code, found.message, found.hint) == (2, message, "mend it")
    assert found.title == (said.title or "Wrong input")


def test_an_exit_with_2_that_says_nothing_or_comes_late_is_a_broken_run(tmp_path: Path, three: Dataset) -> None:
    assert broken(tmp_path / "run.jsonl", three, Ending(run_id=RUN_ID, exit_code=2)).exit_code == 3
    late = Ending(run_id=RUN_ID, exit_code=2, error=ReportedError(message="no"))
    assert broken(left(tmp_path, three, ALL[0], status=None), three, late).exit_code == 3


# --- tampered with ---------------------------------------------------------------------------------------------------

Lines = list[dict[str, Any]]


def drop_one(lines: Lines) -> None:
    del lines[2]
    lines[-1]["finished"] = 2


def drop_one_and_expect_less(lines: Lines) -> None:
    drop_one(lines)
    lines[0]["expected"] = 2


def invent_one(lines: Lines) -> None:
    lines[2] |= {"datapoint_id": "EXT-invented"}


def edit_one(lines: Lines) -> None:
    lines[2] |= {"inputs": {"q": "easier"}, "content_hash": "0" * 32}


def repeat_one(lines: Lines) -> None:
    lines[2] |= {"repeat": 1}


def double_one(lines: Lines) -> None:
    lines[3] = lines[2]


def miscount(lines: Lines) -> None:
    lines[-1]["finished"] = 4


def rename(lines: Lines) -> None:
    lines[0]["name"] = "other"


def take_the_id_of_another_run(lines: Lines) -> None:
    lines[0]["run_id"] = "55aeb984-30c1-496e-8d58-afe7e3ae7b52"


def change_the_dataset(lines: Lines) -> None:
    lines[0]["dataset"] |= {"sha256": "1" * 64}


def claim_a_limit(lines: Lines) -> None:
    lines[0]["limit"] = 3


def claim_repeats(lines: Lines) -> None:
    lines[0]["repeats"] = 2


def forget_the_header(lines: Lines) -> None:
    del lines[0]


def add_a_header(lines: Lines) -> None:
    lines.insert(2, lines[0])


def write_nan(lines: Lines) -> None:
    lines[2]["scores"] = {"correct": float("nan")}


def write_text(lines: Lines) -> None:
    lines[2]["scores"] = {"correct": "1.0"}


TAMPERED = [
    *(drop_one, drop_one_and_expect_less, invent_one, edit_one, repeat_one, double_one, miscount, rename),
    *(
        take_the_id_of_another_run,
        change_the_dataset,
        claim_a_limit,
        claim_repeats,
        forget_the_header,
        add_a_header,
        write_nan,
        write_text,
    ),
]


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__)
def test_a_run_file_that_was_tampered_with_is_never_judged(
    tmp_path: Path, three: Dataset, tamper: Callable[[Lines], None]
) -> None:
    path = left(tmp_path, three, *ALL)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    tamper(lines)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = broken(path, three)
    assert found.exit_code == 3
    assert found.message
    assert found.hint


@pytest.mark.parametrize("text", ["", "\n", "{}\n", "PASSED\n", '{"type": "run"}\n', "\x00" * 100])
def test_what_is_no_run_file_is_never_judged(tmp_path: Path, three: Dataset, text: str) -> None:
    (tmp_path / "run.jsonl").write_text(text)
    assert broken(tmp_path / "run.jsonl", three).exit_code == 3


def test_a_link_in_the_place_of_the_run_file_is_never_judged(tmp_path: Path, three: Dataset) -> None:
    (tmp_path / "elsewhere").mkdir()
    whole = left(tmp_path / "elsewhere", three, *ALL)
    (tmp_path / "run.jsonl").symlink_to(whole)
    assert broken(tmp_path / "run.jsonl", three).exit_code == 3


# --- cancelled -------------------------------------------------------------------------------------------------------


def test_a_cancelled_run_says_what_it_has_kept(tmp_path: Path, three: Dataset) -> None:
    path = left(tmp_path, three, *ALL[:2], status="cancelled")
    found = interrupted(path, QA, three, Cancelled("stopped by SIGTERM", signal_number=15))
    assert (found.exit_code, found.expected, found.finished) == (143, 3, 2)
    assert found.message == "stopped by SIGTERM; 2 of 3 datapoints were finished"
    assert "--resume" in found.hint


@pytest.mark.parametrize("text", [None, "", "torn"])
def test_a_run_that_was_cancelled_before_it_began_has_kept_nothing(
    tmp_path: Path, three: Dataset, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "run.jsonl").write_text(text)
    found = interrupted(tmp_path / "run.jsonl", QA, three, Cancelled("stopped by SIGINT", signal_number=2))
    assert (found.exit_code, found.finished, found.hint) == (130, 0, "run it again")


def test_a_header_alone_is_an_incomplete_run(tmp_path: Path, three: Dataset) -> None:
    line = header(dataset_sha256=three.sha256, name="qa").to_line()
    (tmp_path / "run.jsonl").write_text(f"{json.dumps(line, default=str)}\n")
    assert broken(tmp_path / "run.jsonl", three).finished == 0
