"""`honeyhive calibrate` on run files, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from builders import scored, write_run
from honeyhive.ci.calibration import calibrate_files, lines
from honeyhive.ci.settings import load_settings
from honeyhive.documents import load_yaml
from honeyhive.gate.thresholds import parse_thresholds
from honeyhive.result import Score

TAU_BENCH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tau_bench_airline_gpt4o" / "scores"
needs_shared = pytest.mark.skipif(not TAU_BENCH.is_dir(), reason="needs the folder `shared` beside the repository")


def rerun(folder: Path, number: int, *, chance: float = 0.8, n: int = 60, **header: Any) -> Path:
    """A run of a system that passes with this chance: conversations of three datapoints that depend on each other."""
    random = Random(number)
    moods = [random.random() for _ in range(n)]
    outcomes = [
        scored(
            f"EXT-{at:03}",
            {"index": at, "metadata": {"talk": f"talk {at // 3}"}},
            correct=moods[at // 3] < chance,
            quality=random.gauss(0.7, 0.1),
        )
        for at in range(n)
    ]
    return write_run(folder / f"run-{number}.jsonl", outcomes, **({"run_id": f"run-{number}"} | header))


def calibrate(folder: Path, *arguments: Any, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "honeyhive", "calibrate", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def block_of(printed: str) -> Any:
    """What there is to paste."""
    return load_yaml(printed[printed.index("\n    thresholds:\n") :]).value


RULES = "correct: {max-drop: 0, cluster: talk}\nquality: {max-drop: 1%, min: 0.65}\nerrors: {max: 0.02}"


def test_two_runs_are_calibrated_and_the_thresholds_can_be_pasted(tmp_path: Path) -> None:
    done = calibrate(tmp_path, rerun(tmp_path, 1, n=30), rerun(tmp_path, 2, n=30), "--thresholds", RULES)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("calibration of qa: 2 runs of the same system, 30 datapoints\ncorrect: ")
    assert re.search(
        r"^false alarms: \d of 2 ordered pairs failed; [\d.]+ % ± [\d.]+ of 2000 resampled", done.stdout, re.M
    )
    assert re.search(r"^correct max-drop +0 +[\d.]+ %  ", done.stdout, re.M)
    suggested = block_of(done.stdout)["thresholds"]
    assert parse_thresholds(suggested)
    assert suggested["correct"]["cluster"] == "talk"
    assert suggested["quality"]["max-drop"].endswith("%")
    again = calibrate(tmp_path, "run-1.jsonl", "run-2.jsonl", "--thresholds", json.dumps(suggested))
    assert block_of(again.stdout)["thresholds"] == suggested


def test_the_same_files_and_seed_give_the_same_answer_in_another_process(tmp_path: Path) -> None:
    files = [rerun(tmp_path, number, n=15) for number in (1, 2, 3)]
    first, again, other = (
        calibrate(tmp_path, *files, "--thresholds", RULES, "--seed", seed, "--json", "-", hash_seed=hash_seed)
        for seed, hash_seed in (("7", "1"), ("7", "2"), ("8", "1"))
    )
    assert first.stdout == again.stdout
    assert json.loads(first.stdout)["resampled"] != json.loads(other.stdout)["resampled"]


def test_the_order_in_which_the_datapoints_finished_changes_nothing(tmp_path: Path) -> None:
    files = [rerun(tmp_path, 1), rerun(tmp_path, 2)]
    first = calibrate(tmp_path, *files, "--thresholds", RULES).stdout
    for file in files:
        header, *outcomes, end = file.read_text("utf-8").splitlines()
        Random(7).shuffle(outcomes)
        file.write_text("\n".join([header, *outcomes, end]) + "\n", "utf-8")
    assert calibrate(tmp_path, *files, "--thresholds", RULES).stdout == first


def test_datapoints_that_must_pass_and_do_not_always_are_named(tmp_path: Path) -> None:
    for number in (1, 2):
        outcomes = [
            scored(f"EXT-{at}", {"index": at, "tags": ["must-pass"] if at == 3 else []}, correct=at != 3 or number == 1)
            for at in range(30)
        ]
        write_run(tmp_path / f"run-{number}.jsonl", outcomes, run_id=f"run-{number}")
    printed = calibrate(tmp_path, "run-1.jsonl", "run-2.jsonl", "--thresholds", "correct: {max-drop: 0.1}").stdout
    assert "1 of 2 ordered pairs failed" in printed
    assert "warning: not every run passes EXT-3, which must pass" in printed
    assert "by more than chance" not in printed


def test_the_json_is_a_file_or_all_that_is_printed(tmp_path: Path) -> None:
    files = [rerun(tmp_path, number, n=20) for number in (1, 2)]
    printed = calibrate(tmp_path, *files, "--json", "-")
    written = calibrate(tmp_path, *files, "--json", "calibration.json")
    found = json.loads(printed.stdout)
    assert json.loads((tmp_path / "calibration.json").read_text("utf-8")) == found
    assert written.stdout.startswith("calibration of qa")
    assert (found["schema"], found["assumed"], found["datapoints"], found["seed"]) == (1, True, 20, 0)
    assert found["resampled"]["failed"] + found["resampled"]["undecided"] + found["resampled"]["passed"] == 2_000


def test_without_thresholds_it_says_by_what_it_judges(tmp_path: Path) -> None:
    done = calibrate(tmp_path, rerun(tmp_path, 1, n=20), rerun(tmp_path, 2, n=20))
    assert "no thresholds are configured: judged as if no metric may get worse" in done.stdout


def test_the_configuration_says_what_is_allowed(tmp_path: Path) -> None:
    experiment = "{name: %s, function: 'app:answer', dataset: qa.jsonl, thresholds: {correct: {max-drop: %s}}}"
    listed = f"[{experiment % ('other', 0.1)}, {experiment % ('qa', 0.3)}]"
    (tmp_path / "honeyhive.yml").write_text(f"version: 1\nexperiments: {listed}\n", encoding="utf-8")
    files = [rerun(tmp_path, number, n=20) for number in (1, 2)]
    assert "correct max-drop  0.3 " in calibrate(tmp_path, *files).stdout
    assert "correct max-drop  0.1 " in calibrate(tmp_path, *files, "--experiment", "other").stdout
    stranger = [rerun(tmp_path, number, n=20, name="stranger") for number in (1, 2)]
    done = calibrate(tmp_path, *stranger)
    assert (done.returncode, done.stdout) == (2, "")
    assert '"stranger", which the configuration does not have — choose with --experiment' in done.stderr


def test_a_run_that_was_never_finished_tells_nothing(tmp_path: Path) -> None:
    rerun(tmp_path, 1)
    write_run(tmp_path / "cut.jsonl", {"a": {"correct": True}, "b": {}}, status=None, expected=60, run_id="cut")
    done = calibrate(tmp_path, "run-1.jsonl", "cut.jsonl")
    assert (done.returncode, done.stdout, done.stderr.count("::error")) == (3, "", 1)
    assert "cut.jsonl: the run is incomplete: 2 of 60 outcomes — finish it with" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'RUNS...'. — honeyhive calibrate --help"),
        (["run-1.jsonl"], "one run: how much chance does"),
        (["run-1.jsonl", "./run-1.jsonl"], "run-1.jsonl: the same run as run-1.jsonl"),
        (["run-1.jsonl", "copy.jsonl"], "copy.jsonl: the same run as run-1.jsonl"),
        (["run-1.jsonl", "missing.jsonl"], "missing.jsonl: no such run file"),
        (["run-1.jsonl", "short.jsonl"], "the runs are of different datasets: they have 60, 20 datapoints"),
        (["run-1.jsonl", "edited.jsonl"], "share 0 with the same content"),
        (["run-1.jsonl", "run-2.jsonl", "--thresholds", "corect: {max-drop: 0}"], "did you mean correct?"),
        (["run-1.jsonl", "run-2.jsonl", "--thresholds", "correct: {min: 60}"], "thresholds.correct.min: 60"),
        (["run-1.jsonl", "run-2.jsonl", "--seed", "x"], "Invalid value for '--seed'"),
    ],
)
def test_what_tells_nothing_is_wrong_input(tmp_path: Path, arguments: Sequence[str], said: str) -> None:
    rerun(tmp_path, 1)
    rerun(tmp_path, 2)
    (tmp_path / "copy.jsonl").write_bytes((tmp_path / "run-1.jsonl").read_bytes())
    write_run(tmp_path / "short.jsonl", {f"EXT-{at:03}": {"correct": True} for at in range(20)}, run_id="short")
    edited = [scored(f"EXT-{at:03}", {"index": at, "inputs": "other"}, correct=True) for at in range(60)]
    write_run(tmp_path / "edited.jsonl", edited, run_id="edited")
    done = calibrate(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("::error") == 1


def test_a_strangers_metric_commands_nobody_and_breaks_no_line(tmp_path: Path) -> None:
    hostile = [
        "::error::boo",
        "a\n::warning::b",
        'quo"te\\ ##[error]',
        "\x1b[31mred",
        "[bold]rich[/bold]",
        "true",
        "ключ: {a}",
    ]
    for number in (1, 2):
        random = Random(number)
        rows: list[dict[str, Score]] = [{name: random.random() < 0.5 for name in hostile} for _ in range(20)]
        outcomes = [scored(f"EXT-{at}", {"index": at}, **row) for at, row in enumerate(rows)]
        write_run(tmp_path / f"run-{number}.jsonl", outcomes, run_id=f"run-{number}", evaluators=())
    done = calibrate(tmp_path, "run-1.jsonl", "run-2.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert not re.search(r"^\s*::|##\[|\x1b", done.stdout, re.M)
    assert "[bold]rich[/bold] max-drop" in done.stdout
    suggested = block_of(done.stdout)["thresholds"]
    assert set(suggested) == set(hostile)
    assert parse_thresholds(suggested)


def test_what_is_out_of_the_ordinary_is_said(tmp_path: Path) -> None:
    for number, passed in ((1, True), (2, False)):
        fields = {"tags": ("must-pass",)}
        outcomes = [scored(f"EXT-{at}", fields | {"index": at}, correct=passed, steady=1.5) for at in range(20)]
        outcomes.append(scored("EXT-edited", {"index": 20, "inputs": number}, correct=True, steady=1.5))
        git = {"commit_hash": f"commit {number}"}
        write_run(tmp_path / f"run-{number}.jsonl", outcomes, run_id=f"run-{number}", git=git)
    rules = "correct: {must-pass: true, max-drop: 0, min: 0.1}\nsteady: {max-drop: 0}"
    printed = calibrate(tmp_path, "run-1.jsonl", "run-2.jsonl", "--thresholds", rules).stdout
    for said in (
        "20 datapoints (1 left out: not the same in all of them)\n",
        "  failed: run 2 against run 1 as its baseline\n",
        "correct must-pass  true     1 of 2 pairs",
        "any drop",
        "must-pass is judged on the pairs alone",
        "warning: the runs are not of the same commit",
    ):
        assert said in printed
    assert block_of(printed)["thresholds"]["correct"]["must-pass"] is True


def test_runs_without_a_difference_fail_no_job(tmp_path: Path) -> None:
    same = {f"EXT-{at}": {"correct": at > 3} for at in range(20)}
    files = [write_run(tmp_path / f"run-{number}.jsonl", same, run_id=f"run-{number}") for number in (1, 2)]
    assert "Not one of 2000 jobs in which nothing has changed would have failed." in calibrate(tmp_path, *files).stdout
    alone = [write_run(tmp_path / f"l-{at}.jsonl", {"a": {}}, run_id=f"l-{at}", evaluators=()) for at in (1, 2)]
    done = calibrate(tmp_path, *alone)
    assert (done.returncode, "thresholds:" in done.stdout) == (0, False)


def test_the_table_fits_the_terminal(tmp_path: Path) -> None:
    settings = load_settings({"thresholds": RULES}, {}, directory=tmp_path, whole=False)
    found = calibrate_files([rerun(tmp_path, 1, n=20), rerun(tmp_path, 2, n=20)], settings, seed=0)
    folded, wide = list(lines(found, width=80)), list(lines(found))
    assert len(folded) > len(wide)
    header = next(at for at, line in enumerate(folded) if line.startswith("check"))
    assert all(len(line) <= 80 for line in folded[header : folded.index("", header)])


@needs_shared
def test_four_published_runs_of_one_model_are_no_regression_of_each_other(tmp_path: Path) -> None:
    files = []
    for trial in range(4):
        rows = map(json.loads, (TAU_BENCH / f"trial{trial}.jsonl").read_text("utf-8").splitlines())
        outcomes = [scored(row["id"], {"index": at}, reward=bool(row["reward"])) for at, row in enumerate(rows)]
        files.append(write_run(tmp_path / f"trial{trial}.jsonl", outcomes, run_id=f"run-{trial}", evaluators=()))
    settings = load_settings({"thresholds": "reward: {max-drop: 0}"}, {}, directory=tmp_path, whole=False)
    found = calibrate_files(files, settings, seed=0)
    (noise,) = found.noise
    assert (found.datapoints, noise.pass_fail) == (50, True)
    assert 0.2 < noise.lowest < noise.flips < noise.highest < 0.4
    assert (found.pairs.failed, found.pairs.count) == (0, 12)
    assert found.resampled.share < 0.06
    assert found.reached.share <= 0.01
    (check,) = (check for check in found.checks if check.metric == "reward")
    assert check.caught is not None
    assert 0.15 < check.caught < 0.3
