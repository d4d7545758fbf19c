"""`honeyhive compare --plan` on run files: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from builders import scored, write_run
from builders_verdict import outcomes, pass_fail
from honeyhive.ci.plans import json_text, lines, plan_files
from honeyhive.ci.settings import load_settings
from honeyhive.errors import InputError, NoDecisionError, RunFileError
from honeyhive.result import Outcome
from projects import Project, new_project

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason="needs the folder `shared` beside the repository")

PAIRS = """\
correct: about 21.2 % of the datapoints differ between these two runs without one being better; 50 datapoints, \
1 repeat: drops of 23.5 pts or more show, four times of five
  to see a drop of   datapoints (at 1 repeat)   or repeats (of these 50 datapoints)
  1 pt                                 14,000                   no number is enough
  2 pts                                 3,600                   no number is enough
  5 pts                                   650                   no number is enough
  10 pts                                  190                   no number is enough
"""
ASSUMED = """\
correct: assumed that 8.0 % of the datapoints differ between two runs of the same system, as is usual; 50 datapoints, \
1 repeat: drops of 17.9 pts or more show, four times of five
  to see a drop of   datapoints (at 1 repeat)   or repeats (of these 50 datapoints)
  1 pt                                  5,600                   no number is enough
  2 pts                                 1,500                   no number is enough
  5 pts                                   320                   no number is enough
  10 pts                                  110                   no number is enough
  A second run of the same code would tell, as BASELINE, or a run with `repeats`.
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A repository with two runs of pass/fail."""
    project = Project(tmp_path / "project")
    project.folder.mkdir()
    for name, run in zip(("candidate", "baseline"), pass_fail(50, worse=7, better=5), strict=True):
        write_run(project.folder / f"{name}.jsonl", run.outcomes, evaluators=())
    return project


def told(candidate: Path, baseline: Path | None = None, thresholds: str | None = None) -> list[str]:
    """What the command prints, in this process."""
    flags = {} if thresholds is None else {"thresholds": thresholds}
    settings = load_settings(flags, {}, directory=candidate.parent, whole=False)
    planned = plan_files(candidate, baseline, settings)
    json.loads(json_text(planned))
    return list(lines(planned))


def saved(path: Path, found: Sequence[Outcome], **fields: Any) -> Path:
    return write_run(path, found, **({"evaluators": ()} | fields))


def qualities(seed: int, *, repeats: int = 1) -> list[Outcome]:
    """30 datapoints with a quality of their own and some noise, and as much time and cost."""
    random, found = Random(seed), []
    for at in range(30):
        for repeat in range(repeats):
            score = at / 40 + random.uniform(0, 0.2)
            fields = {"index": at, "repeat": repeat, "duration_ms": 1000 * score + 100, "metadata": {"of": at % 10}}
            found.append(scored(f"EXT-{at:02}", fields, quality=score, cost=score + 1))
    return [*found]


# --- the command -----------------------------------------------------------------------------------------------------


def test_a_plan_needs_one_run_and_no_thresholds(project: Project) -> None:
    done = project.honeyhive("compare", "--plan", "candidate.jsonl")
    assert (done.exit_code, done.err, done.out) == (0, "", ASSUMED)


def test_a_plan_of_two_runs_goes_by_their_pairs(project: Project) -> None:
    done = project.honeyhive("compare", "--plan", "candidate.jsonl", "baseline.jsonl")
    assert (done.exit_code, done.err, done.out) == (0, "", PAIRS)


def test_a_run_against_itself_tells_nothing(project: Project) -> None:
    (project.folder / "copy.jsonl").write_bytes((project.folder / "candidate.jsonl").read_bytes())
    done = project.honeyhive("compare", "--plan", "candidate.jsonl", "copy.jsonl")
    assert done.exit_code == 2
    assert "copy.jsonl: the same run as candidate.jsonl" in done.error


def test_a_terminal_or_its_width_change_nothing(project: Project) -> None:
    env = {"FORCE_COLOR": "1", "COLUMNS": "20", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}
    assert project.honeyhive("compare", "--plan", "candidate.jsonl", "baseline.jsonl", env=env).out == PAIRS


def test_a_plan_is_json_too(project: Project) -> None:
    printed = project.honeyhive("compare", "--plan", "candidate.jsonl", "baseline.jsonl", "--json", "-")
    filed = project.honeyhive("compare", "--plan", "candidate.jsonl", "baseline.jsonl", "--json", "plan.json")
    found = json.loads(printed.out)
    assert (filed.exit_code, filed.out) == (0, PAIRS)
    assert json.loads((project.folder / "plan.json").read_text()) == found
    (plan,) = found.pop("plans")
    assert found == {"schema": 1, "experiment": "qa", "candidate": "run-1", "baseline": "run-1"}
    assert plan.pop("rows")[2] == {"hundredths": 5, "drop": 0.05, "datapoints": 647, "repeats": None}
    assert plan == {
        "metric": "correct",
        "kind": "rate",
        "direction": "higher",
        "cluster": None,
        "n": 50,
        "repeats": 1,
        "source": "baseline",
        "aside": None,
        "flips": 11 / 52,
        "sd": None,
        "smallest_detectable": pytest.approx(0.23497110156487377),
        "unit": "rate",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["candidate.jsonl"], "Missing argument 'BASELINE'. — honeyhive compare --help"),
        (["--plan"], "Missing argument 'CANDIDATE'."),
        (["--plan", "candidate.jsonl", "--markdown", "-"], "--plan has no Markdown"),
        (["--plan", "nothing.jsonl"], "nothing.jsonl: "),
        (["--plan", "candidate.jsonl", "nothing.jsonl"], "nothing.jsonl: there is no such baseline"),
        (["--plan", "candidate.jsonl", "--thresholds", "correct: {max-drp: 1}"], "unknown rule"),
    ],
)
def test_what_cannot_be_planned_is_wrong_input(project: Project, arguments: list[str], said: str) -> None:
    done = project.honeyhive("compare", *arguments)
    assert (done.exit_code, done.out) == (2, "")
    assert said in done.error


def test_the_configuration_says_what_the_metrics_are(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    project.config(
        {"thresholds": {"quality": {"min": 0, "range": [0, 10], "direction": "lower"}, "errors": {"max": 0}}}
    )
    saved(project.folder / "run.jsonl", qualities(1))
    done = project.honeyhive("compare", "--plan", "run.jsonl")
    assert done.exit_code == 0
    assert "  to see a rise of " in done.out
    assert "  0.5 (5 % of the range) " in done.out
    assert [line.partition(":")[0] for line in done.out.splitlines() if "; 30 datapoints" in line] == [
        "quality",
        "cost",
    ]


# --- what is refused -------------------------------------------------------------------------------------------------


def test_runs_that_are_not_whole_are_refused(project: Project) -> None:
    whole = project.folder / "candidate.jsonl"
    half = write_run(project.folder / "half.jsonl", {"EXT-1": {"correct": True}}, expected=2)
    with pytest.raises(RunFileError, match="the run is incomplete: 1 of 2 outcomes"):
        told(half)
    with pytest.raises(NoDecisionError, match="the baseline is incomplete"):
        told(whole, half)


def test_of_several_experiments_the_run_has_to_be_one(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    project.config({"name": "one"}, {"name": "two"})
    saved(project.folder / "run.jsonl", qualities(1), name="three")
    with pytest.raises(InputError, match='the run is of "three"'):
        told(project.folder / "run.jsonl")


# --- what it says ----------------------------------------------------------------------------------------------------


def test_of_scores_it_says_how_far_their_datapoints_differ(tmp_path: Path) -> None:
    first, second = (saved(tmp_path / f"{seed}.jsonl", qualities(seed)) for seed in (1, 2))
    thrice = saved(tmp_path / "thrice.jsonl", qualities(3, repeats=3), repeats=3)
    latency = "latency_ms: {max-increase: 10%}"
    of_pairs = "\n".join(told(first, second, latency))
    assert (
        "quality: its datapoints differ by about 0.0835 between these two runs; 30 datapoints, 1 repeat: " in of_pairs
    )
    assert "latency_ms: its datapoints differ by about 27.1 % between these two runs; " in of_pairs
    assert "cost: its datapoints differ by about 5.7 % of the mean between these two runs; " in of_pairs
    assert "rises of 2.6 % or more show, four times of five\n  to see a rise of" in of_pairs
    within = "\n".join(told(thrice))
    assert (
        "quality: its datapoints differ by about 0.0848 from one repeat to another; 30 datapoints, 3 repeats: "
        in within
    )
    assert "  to see a drop of            datapoints (at 3 repeats)   or repeats (of these 30 datapoints)\n" in within
    assert "A second run" not in of_pairs + within


def test_of_a_single_run_it_says_that_its_numbers_are_a_bound(tmp_path: Path) -> None:
    said = told(saved(tmp_path / "run.jsonl", qualities(1)), thresholds="quality: {max-drop: 0.02, cluster: of}")
    assert said[0].startswith("quality: its datapoints differ by at most 0.3")
    assert said[0].endswith(" or more show, four times of five, perhaps smaller ones too")
    assert "   datapoints (at 1 repeat), at most   or repeats (of these 30 datapoints), at most" in said[1]
    assert said[2].startswith("  0.00453 (1 % of the mean) ")
    assert said[6:9] == [
        "  As if no datapoint depended on another: what those of one cluster share only a second run would tell.",
        "  A second run of the same code would tell, as BASELINE, or a run with `repeats`.",
        "",
    ]


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    two, four = (saved(tmp_path / f"{n}.jsonl", outcomes("quality", [0.25, 0.5, 0.75, 1.0][:n])) for n in (2, 4))
    assert told(four, four)[0].startswith("quality: nothing differs by chance between these two runs; 4 datapoints, ")
    assert told(four, four)[0].endswith(": no drop shows, however large")
    assert told(two)[0].endswith(": no drop shows, however large")
    same = saved(tmp_path / "same.jsonl", outcomes("quality", [0.5] * 9))
    assert told(same)[0] == "quality: its scores tell nothing of how much is chance"
    assert told(same, same)[0].endswith("9 datapoints, 1 repeat: every drop shows")
    assert told(four, saved(tmp_path / "other.jsonl", outcomes("other", [1.0] * 4)))[-2:] == [
        "  The baseline tells nothing of it: it has no score of this.",
        "  A second run of the same code would tell, as BASELINE, or a run with `repeats`.",
    ]
    opposed = saved(tmp_path / "opposed.jsonl", outcomes("quality", [1.0, -1.0] * 5))
    assert told(opposed)[1] == "  Its mean is 0, which has no hundredths: give it a `range`."
    assert told(four, thresholds="missing: {min: 1}")[0] == "missing: no datapoint has a score"
    huge = told(saved(tmp_path / "huge.jsonl", outcomes("quality", [1e308, -1e308, 1.0] * 9)))
    assert "more than is practical" in huge[2]


def test_more_repeats_than_can_be_set_are_not_counted(tmp_path: Path) -> None:
    said = told(saved(tmp_path / "run.jsonl", outcomes("quality", [0.0, 100.0] * 5)), thresholds="quality: {min: 0}")
    assert said[2].endswith(" more than 1000")


def test_the_name_of_a_metric_is_nothing_but_text(tmp_path: Path) -> None:
    name = "::error::[bold]x[/]\n##[group]\x1b[31m" + "y" * 99
    said = told(saved(tmp_path / "run.jsonl", outcomes(name, [True, False])))
    assert all("\n" not in line and "\x1b" not in line and "##[" not in line for line in said)
    assert said[0].startswith(": :error::[bold]x[/] ")


@needs_shared
def test_an_agent_that_ran_four_times_is_planned_by_its_repeats(tmp_path: Path) -> None:
    trials = [
        [json.loads(line) for line in (folder / f"trial{trial}.jsonl").read_text("utf-8").splitlines()]
        for folder in [DATA / "tau_bench_airline_gpt4o" / "scores"]
        for trial in range(4)
    ]
    attempts = [
        [scored(row["id"], {"index": at, "repeat": trial}, reward=bool(row["reward"])) for at, row in enumerate(rows)]
        for trial, rows in enumerate(trials)
    ]
    whole = saved(tmp_path / "whole.jsonl", [one for rows in attempts for one in rows], repeats=4)
    passes = [sum(bool(rows[at]["reward"]) for rows in trials) for at in range(50)]
    flips = sum(2 * c * (4 - c) / 12 for c in passes) / 50
    said = told(whole)
    assert said[0] == (
        f"reward: about {flips:.1%}".replace("%", " %") + " of the datapoints differ from one repeat to another; "
        "50 datapoints, 4 repeats: drops of 17.5 pts or more show, four times of five"
    )
    assert said[-1].split()[:3] == ["10", "pts", "110"]
    first, second = (saved(tmp_path / f"{at}.jsonl", [again(one) for one in attempts[at]]) for at in (0, 1))
    assert told(first, second)[0].startswith("reward: about 36.5 % of the datapoints differ between these two runs ")


def again(outcome: Outcome) -> Outcome:
    return dataclasses.replace(outcome, repeat=0)
