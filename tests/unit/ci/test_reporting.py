"""What the gate found, told: everywhere the same, in full, and never in the way of the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builders import failed, scored, write_run
from builders_ci import preparation
from builders_gate import check, low_power, regressed, verdict
from honeyhive.ci import conclusion, reporting, telling
from honeyhive.ci.commands import Annotation, Level
from honeyhive.ci.conclusion import conclude
from honeyhive.ci.config import ExperimentConfig
from honeyhive.ci.edge import Edge
from honeyhive.ci.pipeline import Judged, experiment_folder
from honeyhive.ci.reporting import judge_files
from honeyhive.ci.settings import Settings, load_settings
from honeyhive.ci.telling import outputs, tell, write_outputs
from honeyhive.documents import load_yaml
from honeyhive.errors import ConfigError, InputError, NoDecisionError, ReportingError, RunFileError
from honeyhive.gate.broken import Broken, Finding
from honeyhive.gate.checks import Reason, Status
from honeyhive.gate.verdict import Policies, Policy, Verdict
from honeyhive.result import Score
from projects import parse_outputs

CRASHED = Broken(
    experiment="order-sums",
    title="Incomplete run",
    message="2 of 3 datapoints have no outcome",
    hint="run again",
    exit_code=3,
    expected=3,
    finished=1,
    details=("missing: line 2 (EXT-b)", "missing: line 3 (EXT-c)"),
)
NOT_RUN = Broken(experiment="safety", title="Not run", message="not run", exit_code=0, expected=3, finished=0)
WRONG = Broken(experiment="safety", title="Wrong dataset", message="empty", exit_code=2)
FAILED = verdict(regressed(message="correct fell", advice="see the datapoints"))
PASSED = verdict(check(reason=Reason.MET, message="correct is met"), experiment="safety")


def judged(*findings: Finding, folder: Path = Path("report")) -> list[Judged]:
    return [
        Judged(
            config=ExperimentConfig(name=finding.experiment, function="app:f", dataset="qa.jsonl"),
            finding=finding,
            folder=folder,
            run_file=folder / "run.jsonl",
            baseline_file=None,
        )
        for finding in findings
    ]


def publish(found: list[Judged], settings: Settings, edge: Edge) -> list[ReportingError]:
    with preparation(settings.directory, settings=settings) as prepared:
        _, told = tell(found, prepared, edge)
    write_outputs(found, edge, exit_code=1, comment_url=told.url)
    return [*told.problems]


def edge(folder: Path, **environ: str) -> Edge:
    return Edge(environ=environ, echo=print, report_dir=folder / "report")


# --- the exit code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("findings", "code", "word"),
    [
        ([PASSED], 0, "passed"),
        ([FAILED, PASSED], 1, "failed"),
        ([FAILED, CRASHED], 3, "broken"),
        ([CRASHED, WRONG], 2, "broken"),
        ([WRONG, NOT_RUN], 2, "broken"),
        ([FAILED, Broken(experiment="x", title="Cancelled", message="stopped", exit_code=143)], 143, "broken"),
        ([Broken(experiment="x", title="No decision", message="no", exit_code=4), FAILED], 1, "broken"),
        ([Broken(experiment="x", title="Internal error", message="no", exit_code=70), WRONG], 70, "broken"),
        ([Broken(experiment="x", title="Unheard of", message="no", exit_code=9)], 70, "broken"),
        ([verdict(low_power()), PASSED], 0, "undecided"),
    ],
)
def test_the_worst_of_several_experiments_decides(findings: list[Finding], code: int, word: str) -> None:
    assert conclusion.exit_code(judged(*findings)) == code
    assert conclusion.overall(judged(*findings)) == word


# --- what is printed -------------------------------------------------------------------------------------------------


def test_a_passing_job_prints_its_checks_and_sets_no_annotation() -> None:
    found = conclude(judged(PASSED), Policies())
    assert found.exit_code == 0
    assert found.annotations == ()
    assert found.lines[0].startswith("PASSED     safety: ")
    assert found.lines[1] == "  correct is met"


def test_a_failing_job_says_in_one_annotation_why_and_what_to_do() -> None:
    found = conclude(judged(FAILED, PASSED), Policies())
    assert found.annotations == (
        Annotation(
            level=Level.ERROR, title="Worse than allowed", message="order-sums: correct fell — see the datapoints"
        ),
    )
    assert "  → see the datapoints" in found.lines


def test_where_everything_went_wrong_that_is_told_and_not_what_is_missing_because_of_it() -> None:
    missing = check("style", Reason.MISSING_METRIC, status=Status.FAILED, message="style is missing")
    wrong = check("errors", Reason.ABOVE_MAX, message="20 of 20 datapoints went wrong")
    (annotation,) = conclude(judged(verdict(missing, wrong)), Policies()).annotations
    assert annotation.message == "order-sums: 20 of 20 datapoints went wrong"


def test_of_several_guilty_experiments_the_first_speaks_for_all() -> None:
    other = verdict(regressed(message="style fell"), experiment="style")
    (annotation,) = conclude(judged(PASSED, FAILED, other), Policies()).annotations
    assert annotation.message == "order-sums: correct fell — see the datapoints (and 1 more)"


def test_a_broken_experiment_is_named_with_what_is_missing() -> None:
    found = conclude(judged(CRASHED), Policies())
    assert found.lines == (
        "BROKEN     order-sums: 2 of 3 datapoints have no outcome",
        "           missing: line 2 (EXT-b)",
        "           missing: line 3 (EXT-c)",
    )
    (annotation,) = found.annotations
    assert annotation.title == "Incomplete run"
    assert annotation.message == "order-sums: 2 of 3 datapoints have no outcome — run again"


def test_what_is_open_is_a_warning_and_too_few_datapoints_a_notice() -> None:
    drop = check("style", Reason.APPARENT_DROP, message="style may have fallen", advice="repeat it")
    found = conclude(judged(verdict(low_power(message="cannot tell"), drop)), Policies())
    assert [(annotation.level, annotation.message) for annotation in found.annotations] == [
        (Level.NOTICE, "cannot tell"),
        (Level.WARNING, "style may have fallen — repeat it"),
    ]
    assert found.exit_code == 0


def test_the_check_that_the_policy_is_about_is_the_one_that_is_told() -> None:
    changed = check("style", Reason.NOT_COMPARABLE, message="style cannot be compared")
    undecided = verdict(low_power(message="cannot tell"), changed, exit_code=4)
    annotations = conclude(judged(undecided), Policies(on_incomparable=Policy.FAIL)).annotations
    assert annotations[-1] == Annotation(
        level=Level.ERROR, title="No decision", message="order-sums: style cannot be compared"
    )


def test_a_problem_of_the_report_is_a_warning_beside_the_verdict() -> None:
    found = conclude(judged(PASSED), Policies(), [ReportingError("the disk is full", hint="make room")])
    assert found.exit_code == 0
    assert found.annotations == (
        Annotation(level=Level.WARNING, title="Reporting failed", message="the disk is full — make room"),
    )


def test_nothing_that_is_printed_is_a_command() -> None:
    evil = "\n::error::x\r##[error]y"
    hostile = verdict(regressed(message=evil, advice=evil), experiment="qa", warnings=(evil,))
    broken = Broken(experiment="x", title="t", message=evil, exit_code=3, details=(evil,))
    for line in conclude(judged(hostile, broken), Policies()).lines:
        assert "##[" not in line
        assert not [part for part in line.replace("\r", "\n").split("\n") if part.lstrip().startswith("::")]


# --- outputs ---------------------------------------------------------------------------------------------------------


def test_the_outputs_of_one_experiment_name_its_runs(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "run.jsonl").touch()
    found = outputs(
        judged(FAILED, folder=tmp_path / "report"), edge(tmp_path, GITHUB_WORKSPACE=str(tmp_path)), exit_code=1
    )
    assert (found["verdict"], found["passed"]) == ("failed", "false")
    assert (found["report-dir"], found["run-file"]) == ("report", "report/run.jsonl")
    assert FAILED.baseline
    assert (found["run-id"], found["baseline-run-id"]) == (FAILED.candidate.run_id, FAILED.baseline.run_id)
    assert json.loads(found["summary"])[0]["checks"][0]["reason"] == "regressed"


def test_the_outputs_of_a_broken_experiment_say_how_far_it_got(tmp_path: Path) -> None:
    found = outputs(judged(CRASHED, folder=tmp_path / "report"), edge(tmp_path), exit_code=1)
    assert (found["verdict"], found["passed"], found["run-id"], found["baseline-run-id"]) == ("broken", "false", "", "")
    (summary,) = json.loads(found["summary"])
    assert summary == {
        "schema": 1,
        "verdict": "broken",
        "experiment": "order-sums",
        "reason": "2 of 3 datapoints have no outcome",
        "hint": "run again",
        "expected": 3,
        "finished": 1,
        "exit_code": 3,
    }


def test_the_outputs_of_several_experiments_are_a_list(tmp_path: Path) -> None:
    found = outputs(judged(FAILED, PASSED), edge(tmp_path), exit_code=1)
    assert [item["verdict"] for item in json.loads(found["summary"])] == ["failed", "passed"]
    assert found.keys() == {"verdict", "passed", "summary", "report-dir", "comment-url"}


def test_a_summary_that_a_job_could_not_hold_goes_without_its_changes(tmp_path: Path) -> None:
    many = verdict(regressed(), warnings=("x" * telling.SUMMARY_OUTPUT,), changes=())
    (summary,) = json.loads(outputs(judged(many), edge(tmp_path), exit_code=1)["summary"])
    assert summary["changes"] == []
    assert summary["checks"]


# --- begin and publish -----------------------------------------------------------------------------------------------

CONFIG = """
version: 1
experiments:
  - {name: order-sums, function: app:f, dataset: qa.jsonl}
  - {name: safety, function: app:f, dataset: qa.jsonl}
"""


@pytest.fixture
def two(tmp_path: Path) -> Settings:
    (tmp_path / "honeyhive.yml").write_text(CONFIG)
    return load_settings({}, {}, directory=tmp_path)


def test_nothing_of_an_earlier_gate_stays_in_place(tmp_path: Path, two: Settings) -> None:
    report = tmp_path / "report"
    folders = [report, *(experiment_folder(report, config, two) for config in two.experiments)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for name in ("comment.md", "comparison.json", "run.jsonl"):
            (folder / name).write_text("old")
    telling.begin(two, report)
    for folder in folders[1:]:
        assert [path.name for path in folder.iterdir()] == ["run.jsonl.previous"]
    assert not (report / "comment.md").exists()
    assert not (report / "comparison.json").exists()


def test_a_first_gate_finds_nothing_to_take_away(tmp_path: Path, two: Settings) -> None:
    telling.begin(two, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("blocker", ["report", "report/comment.md/x"])
def test_what_is_in_the_way_of_the_report_is_named(tmp_path: Path, two: Settings, blocker: str) -> None:
    path = tmp_path / blocker
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    with pytest.raises(InputError, match="cannot be cleared for a new report") as caught:
        telling.begin(two, tmp_path / "report")
    assert caught.value.file == str(tmp_path / "report")
    assert caught.value.hint == "move it away"


def test_everything_is_published(tmp_path: Path, two: Settings) -> None:
    environ = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    found = judged(CRASHED, folder=tmp_path / "report" / "order-sums")
    assert publish(found, two, edge(tmp_path, **environ)) == []
    comment = (tmp_path / "report" / "comment.md").read_text()
    assert "2 of 3 datapoints have no outcome" in comment
    assert (tmp_path / "summary").read_text().rstrip() == comment.rstrip()
    assert json.loads((tmp_path / "report" / "order-sums" / "comparison.json").read_text())["verdict"] == "broken"
    assert parse_outputs((tmp_path / "output").read_text())["verdict"] == "broken"


def test_what_cannot_be_written_keeps_nothing_else_from_being_told(tmp_path: Path, two: Settings) -> None:
    environ = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path)}
    (tmp_path / "report" / "comment.md").mkdir(parents=True)
    problems = publish(judged(CRASHED, folder=tmp_path / "report"), two, edge(tmp_path, **environ))
    assert [problem.message.partition(":")[0] for problem in problems] == [
        "the report cannot be written",
        "is no regular file",
        "the step summary cannot be written",
    ]
    assert parse_outputs((tmp_path / "output").read_text())["verdict"] == "broken"
    assert (tmp_path / "report" / "comparison.json").exists()


def test_a_run_file_that_is_gone_by_then_keeps_the_outputs_from_nothing(tmp_path: Path, two: Settings) -> None:
    environ = {"GITHUB_OUTPUT": str(tmp_path / "output")}
    problems = publish(judged(FAILED, folder=tmp_path / "report"), two, edge(tmp_path, **environ))
    assert [problem.title for problem in problems] == ["Reporting failed"]
    assert parse_outputs((tmp_path / "output").read_text())["verdict"] == "failed"
    assert "correct" in (tmp_path / "report" / "comment.md").read_text()


# --- two files judged ------------------------------------------------------------------------------------------------

Scores = Mapping[str, Mapping[str, Score]]
GOOD: Scores = {f"EXT-{n}": {"correct": True} for n in range(20)}
BAD: Scores = {f"EXT-{n}": {"correct": n < 10} for n in range(20)}


def compare(folder: Path, candidate: Path, baseline: Path, **flags: str) -> Judged:
    given = {"thresholds": "correct: {max-drop: 0.02}"} | flags
    return judge_files(candidate, baseline, load_settings(given, {}, directory=folder, whole=False))


def test_two_run_files_make_a_verdict(tmp_path: Path) -> None:
    bad, good = write_run(tmp_path / "bad.jsonl", BAD), write_run(tmp_path / "good.jsonl.gz", GOOD)
    found = compare(tmp_path, bad, good).finding
    assert isinstance(found, Verdict)
    assert (found.verdict, found.exit_code) == (Status.FAILED, 1)
    assert compare(tmp_path, good, bad).finding.exit_code == 0


def test_an_incomplete_candidate_is_broken(tmp_path: Path) -> None:
    part, good = write_run(tmp_path / "part.jsonl", BAD, expected=21), write_run(tmp_path / "good.jsonl", GOOD)
    with pytest.raises(RunFileError, match="the run is incomplete: 20 of 21 outcomes") as caught:
        compare(tmp_path, part, good)
    assert (caught.value.exit_code, caught.value.file) == (3, str(part))
    assert "--resume" in caught.value.hint


def test_an_incomplete_baseline_decides_nothing(tmp_path: Path) -> None:
    part, good = write_run(tmp_path / "part.jsonl", BAD, status=None), write_run(tmp_path / "good.jsonl", GOOD)
    with pytest.raises(NoDecisionError, match="the baseline is incomplete: 20 of 20 outcomes") as caught:
        compare(tmp_path, good, part)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("line", [0, 1, 2, 21])
def test_a_malformed_baseline_decides_nothing(tmp_path: Path, line: int) -> None:
    good, torn = write_run(tmp_path / "good.jsonl", GOOD), write_run(tmp_path / "torn.jsonl", GOOD)
    lines = torn.read_text().splitlines()
    torn.write_text("\n".join([*lines[:line], "{", *lines[line + 1 :], ""]))
    with pytest.raises(NoDecisionError) as caught:
        compare(tmp_path, good, torn)
    assert caught.value.exit_code == 4
    assert caught.value.file == str(torn)
    assert caught.value.hint


@pytest.mark.parametrize("line", [0, 2])
def test_a_malformed_candidate_is_broken(tmp_path: Path, line: int) -> None:
    good, torn = write_run(tmp_path / "good.jsonl", GOOD), write_run(tmp_path / "torn.jsonl", GOOD)
    lines = torn.read_text().splitlines()
    torn.write_text("\n".join([*lines[:line], "{", *lines[line + 1 :], ""]))
    with pytest.raises(RunFileError) as caught:
        compare(tmp_path, torn, good)
    assert (caught.value.exit_code, caught.value.line) == (3, line + 1)


def test_a_file_that_is_not_there_is_wrong_input(tmp_path: Path) -> None:
    good = write_run(tmp_path / "good.jsonl", GOOD)
    for pair in ((good, tmp_path / "no.jsonl"), (tmp_path / "no.jsonl", good)):
        with pytest.raises(InputError, match=r"no such (run file|baseline)") as caught:
            compare(tmp_path, *pair)
        assert caught.value.exit_code == 2


def test_without_a_threshold_there_is_a_block_to_paste(tmp_path: Path) -> None:
    good = write_run(tmp_path / "good.jsonl", GOOD)
    with pytest.raises(ConfigError, match="no threshold") as caught:
        compare(tmp_path, good, good, thresholds="{}")
    assert "It saw correct, errors, latency_ms" in caught.value.message
    assert caught.value.details == "    thresholds:\n      correct: {max-drop: 0.02}"


def test_a_strangers_metric_stays_one_line_of_the_block_to_paste(tmp_path: Path) -> None:
    name = "x: {min: 0}\n      errors"
    candidate = write_run(tmp_path / "c.jsonl", [scored("EXT-0", **{name: True, "\x1b[2Jq": True})])
    settings = load_settings({"thresholds": "{}"}, {}, directory=tmp_path, whole=False)
    with pytest.raises(ConfigError) as caught:
        judge_files(candidate, candidate, settings)
    assert set(load_yaml(caught.value.details).value["thresholds"]) == {name, "\x1b[2Jq"}
    assert "\x1b" not in caught.value.details + caught.value.message


def test_the_experiment_of_a_run_is_found_by_its_name(tmp_path: Path) -> None:
    rows = [f"  - {{name: {name}, function: app:f, dataset: d.jsonl}}" for name in ("qa", "style")]
    (tmp_path / "honeyhive.yml").write_text("\n".join(["version: 1", "experiments:", *rows]) + "\n")
    settings = load_settings({}, {}, directory=tmp_path, whole=False)
    other = write_run(tmp_path / "other.jsonl", GOOD, name="other")
    with pytest.raises(InputError, match='"other", which the configuration does not have'):
        judge_files(other, other, settings)
    style = write_run(tmp_path / "style.jsonl", GOOD, name="style")
    with pytest.raises(ConfigError, match="no threshold"):
        judge_files(style, style, settings)


# --- the comment -----------------------------------------------------------------------------------------------------


def test_the_comment_shows_what_changed_and_what_went_wrong(tmp_path: Path) -> None:
    baseline = [scored(f"EXT-{n}", {"output": f"right {n}"}, correct=True) for n in range(20)]
    candidate: list[Any] = [scored(f"EXT-{n}", {"output": f"wrong {n}"}, correct=False) for n in range(19)]
    candidate.append(failed("EXT-19", {"line": 20}, error="no answer"))
    ours, theirs = write_run(tmp_path / "ours.jsonl", candidate), write_run(tmp_path / "theirs.jsonl", baseline)
    found = compare(tmp_path, ours, theirs)
    settings = load_settings({"thresholds": "correct: {max-drop: 0}"}, {}, directory=tmp_path, whole=False)
    comment = reporting.comment([found], settings)
    assert "right 3" in comment
    assert "wrong 3" in comment
    assert "no answer" in comment
    assert "the flags given" in comment


def test_the_comment_can_be_made_from_json_later(tmp_path: Path) -> None:
    bad, good = write_run(tmp_path / "bad.jsonl", BAD), write_run(tmp_path / "good.jsonl", GOOD)
    (tmp_path / "comparison.json").write_text(reporting.json_text(compare(tmp_path, bad, good).finding))
    alone = reporting.comment_of_json(tmp_path / "comparison.json", None, None)
    assert "`correct` fell 50 points" in alone
    whole = reporting.comment_of_json(tmp_path / "comparison.json", bad, good)
    assert len(whole) > len(alone)


@pytest.mark.parametrize("text", ["{", "[]", '{"verdict": "passed"}', "\xff", '{"schema": 2}'])
def test_what_is_no_comparison_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "comparison.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        reporting.comment_of_json(tmp_path / "comparison.json", None, None)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_comparison_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file") as caught:
        reporting.comment_of_json(tmp_path / "no.json", None, None)
    assert caught.value.file == str(tmp_path / "no.json")
