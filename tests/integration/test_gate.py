"""The gate from end to end, in a process of its own, as a job runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builders_ci import preparation
from honeyhive.ci.edge import Edge
from honeyhive.ci.pipeline import run_gate
from honeyhive.gate.verdict import Verdict
from projects import APP, JOB_FILES, PATIENCE, Project, new_project

HALF = APP.replace('2 * inputs["number"]', '2 * inputs["number"] if inputs["number"] % 2 else None')
"""Every second answer is wrong."""
MAX_DROP: dict[str, Any] = {"thresholds": {"exact": {"max-drop": 0.02}}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_project(tmp_path / "project", count=20)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run file of the project as it is at first: everything is right."""
    project = new_project(tmp_path_factory.mktemp("main") / "project", count=20)
    assert project.honeyhive("run", "--out", "main.jsonl").exit_code == 0
    return (project.folder / "main.jsonl").read_text(encoding="utf-8")


@pytest.fixture
def with_baseline(project: Project, baseline: str) -> Project:
    """The project with that baseline, and half of the answers wrong since."""
    project.write("main.jsonl", baseline)
    project.write("app.py", HALF)
    project.config(MAX_DROP | {"baseline": "main.jsonl"})
    return project


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_a_passing_gate_leaves_report_outputs_and_summary_and_nothing_else(project: Project) -> None:
    done = project.gate()
    assert (done.exit_code, done.errors) == (0, [])
    assert "PASSED     doubling: exact is 100 %" in done.out
    assert done.out.splitlines()[-1] == "report: honeyhive-report/comment.md"
    report = project.folder / "honeyhive-report"
    assert {path.name for path in report.iterdir()} == {
        "comment.md", "comparison.json", "report.json", "run.jsonl", "run.spans.jsonl",
    }  # fmt: skip
    assert done.summary.rstrip() == (report / "comment.md").read_text().rstrip()
    assert done.verdict == json.loads((report / "comparison.json").read_text())
    run_id = project.lines()[0]["run_id"]
    assert {name: value for name, value in done.outputs.items() if name != "summary"} == {
        "verdict": "passed",
        "passed": "true",
        "report-dir": "honeyhive-report",
        "run-file": "honeyhive-report/run.jsonl",
        "run-id": run_id,
        "baseline-run-id": "",
        "comment-url": "",
    }
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project.folder, capture_output=True, text=True, check=True
    )
    assert {line for line in status.stdout.splitlines() if "__pycache__" not in line} == {"?? honeyhive-report/"}


def test_a_regression_fails_the_job(with_baseline: Project) -> None:
    done = with_baseline.gate_here()
    assert done.exit_code == 1
    assert done.error.startswith("::error title=Worse than allowed::doubling: exact 100 % → 50.0 %")
    assert (done.outputs["verdict"], done.outputs["passed"]) == ("failed", "false")
    assert done.outputs["baseline-run-id"] == with_baseline.lines("main.jsonl")[0]["run_id"]
    assert (done.verdict["checks"][0]["reason"], done.verdict["paired"]) == ("regressed", 20)
    assert "`exact` fell 50 points" in done.summary


def test_a_bound_that_is_missed_fails_the_job(project: Project) -> None:
    project.write("app.py", HALF)
    done = project.gate_here("--thresholds", "exact: {min: 51%}")
    assert done.exit_code == 1
    assert "exact" in done.error


@pytest.mark.parametrize(("policy", "code"), [("warn", 0), ("fail", 4)])
def test_without_a_baseline_the_policy_decides(project: Project, policy: str, code: int) -> None:
    project.config(MAX_DROP)
    done = project.gate_here("--on-missing-baseline", policy)
    assert done.exit_code == code
    assert done.outputs["verdict"] == "undecided"
    assert done.outputs["passed"] == ("true" if code == 0 else "false")
    assert "::warning title=doubling::" in done.err
    if code:
        assert done.error.startswith("::error title=No decision::doubling: ")


@pytest.mark.parametrize(("policy", "code"), [("warn", 0), ("fail", 4)])
def test_where_the_data_cannot_tell_the_policy_decides(with_baseline: Project, policy: str, code: int) -> None:
    with_baseline.write("app.py", APP.replace("return", "return 7 if not inputs['number'] else", 1))
    with_baseline.config(MAX_DROP | {"baseline": "main.jsonl"}, **{"on-undecided": policy})
    done = with_baseline.gate_here()
    assert done.exit_code == code
    assert done.outputs["verdict"] == "undecided"


@pytest.mark.parametrize(("policy", "code"), [(None, 4), ("fail", 4), ("warn", 0)])
def test_where_an_evaluator_changed_the_policy_decides(with_baseline: Project, policy: str | None, code: int) -> None:
    with_baseline.write("app.py", APP.replace("outputs == ground_truth", "bool(outputs is not None)"))
    done = with_baseline.gate_here(*(["--on-incomparable", policy] if policy else []))
    assert done.exit_code == code
    assert done.verdict["checks"][0]["reason"] == "not_comparable"
    if code:
        assert "evaluator" in done.error


def test_a_baseline_over_another_dataset_is_no_decision(with_baseline: Project) -> None:
    with_baseline.rows({"id": f"other{n}", "inputs": {"number": n}, "ground_truth": 2 * n} for n in range(20))
    done = with_baseline.gate_here()
    assert done.exit_code == 4
    assert done.verdict["checks"][0]["reason"] == "no_pairs"


# --- several experiments ---------------------------------------------------------------------------------------------


def test_several_experiments_are_judged_together(project: Project) -> None:
    project.write("bad.py", HALF)
    project.config({"name": "good"}, {"name": "bad", "function": "bad:double", "thresholds": {"exact": {"min": 0.9}}})
    done = project.gate_here()
    assert done.exit_code == 1
    assert done.error.startswith("::error title=Worse than allowed::bad: ")
    assert [finding["verdict"] for finding in json.loads(done.outputs["summary"])] == ["passed", "failed"]
    report = project.folder / "honeyhive-report"
    assert {path.name for path in report.iterdir()} == {"comment.md", "report.json", "good", "bad"}
    assert len(project.outcomes("honeyhive-report/bad/run.jsonl")) == 20


def test_a_broken_experiment_beside_a_failed_one_is_what_the_job_ends_with(project: Project) -> None:
    project.write("bad.py", HALF)
    project.write("dead.py", "import os\ndef double(inputs): os._exit(0)\n")
    project.config(
        {"name": "bad", "function": "bad:double", "thresholds": {"exact": {"min": 0.9}}},
        {"name": "dead", "function": "dead:double"},
    )
    done = project.gate()
    assert done.exit_code == 3
    assert done.error.startswith("::error title=Incomplete run::dead: ")
    assert "FAILED     bad: " in done.out
    assert [finding["verdict"] for finding in json.loads(done.outputs["summary"])] == ["failed", "broken"]


def test_nothing_runs_while_something_is_known_to_be_wrong(project: Project) -> None:
    project.write("empty.jsonl", "")
    project.config({"name": "good"}, {"name": "wrong", "dataset": "empty.jsonl"})
    done = project.gate_here()
    assert done.exit_code == 2
    assert done.error.startswith("::error title=Wrong dataset,file=empty.jsonl::wrong: empty.jsonl: the dataset is")
    assert "not run, because of what is wrong with another experiment" in done.out
    assert not (project.folder / "honeyhive-report" / "good" / "run.jsonl").exists()


# --- wrong input -----------------------------------------------------------------------------------------------------


def test_without_a_threshold_there_is_a_block_to_paste(project: Project) -> None:
    project.config({"thresholds": {}})
    done = project.gate_here()
    assert done.exit_code == 2
    assert "It saw exact, errors, latency_ms" in done.error
    assert "    thresholds:\n                 exact: {max-drop: 0.02}\n" in done.out
    assert len(project.outcomes()) == 20
    assert done.outputs["verdict"] == "broken"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"evaluators"', '"evaluatorz"', "file=honeyhive.yml,line=1::honeyhive.yml:1:"),
        ('"version": 1', '"version": 3', "honeyhive.yml:1:2: version: should be 1, not 3"),
        ('"min": 0.5', '"min": 50', "thresholds.exact.min: "),
        ('"numbers.jsonl"', '"numbres.jsonl"', 'numbres.jsonl: no such file — did you mean "numbers.jsonl"?'),
        ('"app:double"', '"app"', "'app' is not of the form module:callable"),
        ('"app:double"', '"app:dubble"', "app:dubble: app has no 'dubble' — did you mean double?"),
        ("{", "", "honeyhive.yml:1:"),
    ],
)
def test_a_wrong_configuration_is_named_with_what_would_be_right(
    project: Project, old: str, new: str, said: str
) -> None:
    path = project.folder / "honeyhive.yml"
    path.write_text(path.read_text().replace(old, new, 1))
    done = project.gate()
    assert done.exit_code == 2
    assert said in done.error
    assert " — " in done.error, "there is no hint"


def test_an_import_error_shows_the_users_traceback_alone(project: Project) -> None:
    project.write("app.py", "import json\n\ndef load():\n    return json.loads('{')\n\nDATA = load()\n")
    done = project.gate()
    assert done.exit_code == 2
    assert done.errors == [line for line in done.err.splitlines() if line]
    assert "Cannot load your code" in done.errors[0]
    assert "importing app failed: JSONDecodeError: " in done.errors[0]
    assert f'File "{project.folder}/app.py", line 4, in load' in done.out
    assert "honeyhive/" not in done.out.partition("BROKEN")[0]
    assert done.outputs["verdict"] == "broken"


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("no.jsonl", 2, "no.jsonl: there is no such baseline"),
        ("numbers.jsonl", 4, "numbers.jsonl:1: "),
        ("part.jsonl", 4, "part.jsonl: the baseline is incomplete: 20 of 20 outcomes"),
        (".", 2, "not a file"),
    ],
)
def test_a_baseline_that_cannot_be_used_is_named_before_anything_runs(
    project: Project, baseline: str, path: str, code: int, said: str
) -> None:
    project.write("part.jsonl", "".join(baseline.splitlines(keepends=True)[:-1]))
    done = project.gate_here("--baseline", path)
    assert done.exit_code == code
    assert said in done.error
    assert not (project.folder / "honeyhive-report" / "run.jsonl").exists()
    assert done.outputs["verdict"] == "broken"


def test_a_bound_that_a_rate_can_never_reach_is_wrong_once_it_is_known_to_be_a_rate(project: Project) -> None:
    done = project.gate_here("--thresholds", "exact: {min: 35}")
    assert done.exit_code == 2
    assert "did you mean min: 35%?" in done.error
    assert len(project.outcomes()) == 20


def test_a_report_folder_that_is_in_the_way_is_named(project: Project) -> None:
    project.write("honeyhive-report", "")
    done = project.gate()
    assert done.exit_code == 2
    assert "honeyhive-report: cannot be cleared for a new report: Not a directory — move it away" in done.error


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_a_flag_goes_over_an_input_and_an_input_over_the_file(project: Project) -> None:
    env = {"INPUT_LIMIT": "4", "INPUT_MAX-WORKERS": "2", "INPUT_THRESHOLDS": "exact: {min: 1e-3}", "INPUT_CONFIG": ""}
    done = project.gate("--limit", "3", env=env)
    assert done.exit_code == 0
    assert done.verdict["checks"][0]["limit"] == 0.001
    assert project.lines()[0]["limit"] == 3
    assert len(project.outcomes()) == 3


def test_an_input_that_is_wrong_is_named(project: Project) -> None:
    done = project.gate(env={"INPUT_ON-UNDECIDED": "ignore"})
    assert done.exit_code == 2
    assert "on-undecided: should be 'warn' or 'fail', not \"ignore\"" in done.error


def test_everything_is_relative_to_the_working_directory(project: Project) -> None:
    for name in ("app.py", "numbers.jsonl", "honeyhive.yml"):
        (project.folder / "evals").mkdir(exist_ok=True)
        (project.folder / name).rename(project.folder / "evals" / name)
    project.write("lib/extra.py", "FACTOR = 2\n")
    project.write("evals/app.py", "import extra\n" + APP.replace("2 *", "extra.FACTOR *"))
    done = project.gate_here("--working-directory", "evals", "--python-path", "../lib")
    assert done.exit_code == 0, done.err
    assert done.outputs["run-file"] == "evals/honeyhive-report/run.jsonl"
    assert "report: evals/honeyhive-report/comment.md" in done.out


def test_every_repeat_is_run_and_counted(project: Project) -> None:
    done = project.gate_here("--repeats", "3", "--max-workers", "4")
    assert done.exit_code == 0
    assert {outcome["repeat"] for outcome in project.outcomes()} == {0, 1, 2}
    assert done.verdict["candidate"]["count"] == 20


def test_the_users_code_sees_what_pass_env_names_and_nothing_of_the_job(project: Project) -> None:
    project.write("app.py", "import os\ndef double(inputs): return dict(os.environ)\ndef exact(outputs): return True\n")
    env = {"OPENAI_API_KEY": "sk-1", "STRIPE_KEY": "sk-2", "PYTHONPATH": "/nowhere", "GITHUB_SHA": "abc"}
    done = project.gate("--pass-env", "OPENAI_API_KEY", env=env)
    assert done.exit_code == 0
    seen = project.outcomes()[0]["output"]
    assert (seen["OPENAI_API_KEY"], seen["GITHUB_SHA"]) == ("sk-1", "abc")
    assert not seen.keys() & {"STRIPE_KEY", "PYTHONPATH", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY"}
    assert not [name for name in seen if name.startswith(("INPUT_", "ACTIONS_")) or "TOKEN" in name]
    assert not [value for value in seen.values() if "secret" in value]


def test_pass_env_does_not_give_the_job_away(project: Project) -> None:
    done = project.gate("--pass-env", "OPENAI_API_KEY,INPUT_GITHUB-TOKEN")
    assert done.exit_code == 2
    assert "pass-env: INPUT_GITHUB-TOKEN is never passed to your code" in done.error


@pytest.mark.parametrize(
    "trick", ["write_text('verdict=passed\\n')", "unlink()", "rename(path.with_suffix('.old')); path.mkdir()"]
)
def test_the_users_code_does_not_speak_for_the_job(project: Project, trick: str) -> None:
    paths = [str(project.job_file(name)) for name in JOB_FILES]
    app = f"from pathlib import Path\nfor path in map(Path, {paths}): path.{trick}\n{HALF}"
    project.write("app.py", app)
    done = project.gate_here("--thresholds", "exact: {min: 1}")
    assert done.exit_code == 1
    assert done.outputs["verdict"] == "failed"
    assert done.summary.startswith("## ")
    assert project.job_file("GITHUB_ENV").read_text() == ""


# --- incomplete ------------------------------------------------------------------------------------------------------

KILLED = """
import os
from pathlib import Path

def double(inputs):
    with Path("calls").open("a") as calls:
        calls.write(f"{inputs['number']}\\n")
    if inputs["number"] == 5 and Path("stop").exists():
        while Path("honeyhive-report/run.jsonl").read_text().count('"outcome"') < 5:
            os.sched_yield()
        os.kill(os.getpid(), 9)
    return 2 * inputs["number"]

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""


def test_a_child_that_is_killed_is_an_incomplete_run_that_can_be_gone_on_with(project: Project) -> None:
    project.write("app.py", KILLED)
    project.write("stop", "")
    done = project.gate("--max-workers", "1")
    assert done.exit_code == 3
    assert done.error.startswith(
        "::error title=Incomplete run::doubling: 15 of 20 datapoints have no outcome; "
        "the process of the run was killed by SIGKILL"
    )
    assert "missing: line 6 (EXT-n5)" in done.out
    assert "missing: line 10 (EXT-n9)" in done.out
    assert "line 6 (EXT-n5)" in done.summary
    assert (done.verdict["expected"], done.verdict["finished"]) == (20, 5)
    assert [outcome["output"] for outcome in project.outcomes()] == [0, 2, 4, 6, 8]

    (project.folder / "stop").unlink()
    assert "honeyhive run --resume --out honeyhive-report/run.jsonl" in done.error
    resumed = project.honeyhive("run", "--resume", "--out", "honeyhive-report/run.jsonl", "--max-workers", "1")
    assert resumed.exit_code == 0
    assert [outcome["output"] for outcome in project.outcomes()] == [2 * n for n in range(20)]
    called = [int(line) for line in (project.folder / "calls").read_text().split()]
    assert called == [*range(6), *range(5, 20)]
    assert project.honeyhive("compare", *["honeyhive-report/run.jsonl"] * 2).exit_code == 0


HANGING = """
import threading
from pathlib import Path

def double(inputs):
    if inputs["number"] == 5:
        Path("hanging").touch()
        threading.Event().wait()
    return 2 * inputs["number"]

def exact(outputs, inputs, ground_truth):
    return outputs == ground_truth
"""


def test_a_run_whose_time_is_up_is_an_incomplete_run(project: Project) -> None:
    project.write("app.py", HANGING)
    done = project.gate_here("--max-workers", "1", "--time-limit", "1s")
    assert done.exit_code == 3
    assert "of 20 datapoints have no outcome; the run was ended after 1 s, its time limit" in done.error


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_gate_and_what_was_finished_is_kept_and_said(
    project: Project, by: signal.Signals, code: int
) -> None:
    project.write("app.py", HANGING)
    project.config({"name": "one", "max-workers": 1}, {"name": "two"})
    hanging = project.folder / "hanging"
    done = project.cancelled("gate", when=hanging.exists, by=by)
    assert done.exit_code == code
    assert done.error.startswith(
        f"::error title=Cancelled::one: stopped by {by.name}; 5 of 20 datapoints were finished — what was finished"
    )
    assert "BROKEN     two: not run" in done.out
    assert done.outputs["verdict"] == "broken"
    assert len(project.outcomes("honeyhive-report/one/run.jsonl")) == 5
    assert project.lines("honeyhive-report/one/run.jsonl")[-1]["status"] == "cancelled"


def test_a_run_file_of_an_earlier_gate_is_never_judged(project: Project) -> None:
    assert project.gate_here().exit_code == 0
    for app in ("import os\nos._exit(0)\n", "import nothing_of_the_kind\n"):
        project.write("app.py", app)
        done = project.gate_here()
        assert done.exit_code in (2, 3)
        assert done.outputs["verdict"] == "broken"
        assert not (project.folder / "honeyhive-report" / "run.jsonl").exists()
        assert "datapoints in" not in done.summary
    project.write("numbers.jsonl", "")
    assert project.gate_here().exit_code == 2
    assert len(project.outcomes("honeyhive-report/run.jsonl.previous")) == 20


# --- nothing of ours is loaded once the users code has run -----------------------------------------------------------

AUDIT = """
import json, sys
from pathlib import Path

before, later = None, []

def audit(event, arguments):
    global before
    if event == "subprocess.Popen" and "--error-file" in map(str, arguments[1]):
        before = set(sys.modules)
    elif before is not None and event == "import":
        later.append(f"import {arguments[0]}")
    elif before is not None and event == "open" and "site-packages" in str(arguments[0]) + "src/honeyhive":
        if str(arguments[0]).endswith((".py", ".pyc", ".so", ".j2")):
            later.append(f"open {arguments[0]}")

sys.addaudithook(audit)
from honeyhive.cli import cli
try:
    cli.main(["gate", *sys.argv[2:]], standalone_mode=False)
except Exception as verdict:
    found = {"code": verdict.exit_code, "modules": sorted(set(sys.modules) - before), "later": later}
    Path(sys.argv[1]).write_text(json.dumps(found))
"""


@pytest.mark.parametrize("app", ["better", "worse", "failing", "dead"])
def test_nothing_is_loaded_once_the_users_code_has_run(with_baseline: Project, tmp_path: Path, app: str) -> None:
    apps = {
        "better": APP,
        "worse": HALF + "\nprint('::error::x', chr(0x1f41d))\n",
        "failing": "def double(inputs): raise ValueError('🐝')\ndef exact(outputs): return 1\n",
        "dead": "import os\ndef double(inputs): os._exit(0)\ndef exact(outputs): return 1\n",
    }
    with_baseline.write("app.py", apps[app])
    found = tmp_path / "found.json"
    environment = {name: value for name, value in with_baseline.environment().items() if "COVERAGE" not in name}
    command = [sys.executable, "-I", "-c", AUDIT, str(found)]
    subprocess.run(command, cwd=with_baseline.folder, env=environment, check=True, timeout=PATIENCE)
    codes = {"better": 0, "worse": 1, "failing": 1, "dead": 3}
    assert json.loads(found.read_text()) == {"code": codes[app], "modules": [], "later": []}


# --- requirements of the user's --------------------------------------------------------------------------------------

UV = """#!/bin/sh
case "$1" in
venv)
  for into in "$@"; do :; done
  mkdir -p "$into/bin"
  printf '#!/bin/sh\\nINSTALLED=yes exec {python} "$@"\\n' > "$into/bin/python"
  chmod +x "$into/bin/python";;
pip) {then};;
esac
"""


@pytest.fixture
def uv(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for uv, whose environments have our own interpreter, which tells that it was used."""
    script = tmp_path / "bin" / "uv"
    script.parent.mkdir()
    script.write_text(UV.format(python=sys.executable, then="true"))
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    return script


def test_the_users_code_runs_in_the_environment_that_was_installed(project: Project, uv: Path) -> None:
    project.write(
        "app.py", "import os\ndef double(inputs): return os.environ['INSTALLED']\ndef exact(outputs): return True\n"
    )
    edge = Edge(environ=os.environ, echo=lambda _: None, report_dir=project.folder / "honeyhive-report")
    with preparation(project.folder, {"install": "six"}) as prepared:
        (found,) = run_gate(prepared, edge)
    assert isinstance(found.finding, Verdict)
    assert project.outcomes()[0]["output"] == "yes"


def test_requirements_that_cannot_be_installed_are_wrong_input_and_the_outputs_say_so(
    project: Project, tmp_path: Path
) -> None:
    done = project.gate_here("--install", "no-such-file.txt")
    assert done.exit_code == 2
    assert done.error.startswith("::error title=Cannot install your requirements::")
    assert done.outputs["verdict"] == "broken"


def test_a_baseline_of_nothing_but_errors_is_no_baseline(project: Project) -> None:
    good = (project.folder / "app.py").read_text()
    project.write("app.py", "def double(inputs):\n    raise ValueError\n\ndef exact(outputs):\n    return True\n")
    assert project.honeyhive("run", "--out", "all-wrong.jsonl").exit_code == 0
    project.write("app.py", good)
    done = project.gate_here("--baseline", "all-wrong.jsonl")
    assert done.exit_code == 4
    assert "went wrong" in done.error


def test_a_config_error_leaves_no_older_report(project: Project) -> None:
    assert project.gate_here().exit_code == 0
    assert (project.folder / "honeyhive-report" / "comment.md").exists()
    assert project.gate_here("--max-workers", "many").exit_code == 2
    assert not (project.folder / "honeyhive-report" / "comment.md").exists()


def test_where_everything_raised_that_is_said_first_and_of_a_missing_metric_too(project: Project) -> None:
    project.write(
        "app.py", "def double(inputs):\n    raise ValueError('boom')\n\ndef exact(outputs):\n    return True\n"
    )
    done = project.gate_here()
    assert done.exit_code == 1
    assert "went wrong" in done.summary.splitlines()[0]
    checks = done.verdict["checks"]
    missing = next(check for check in checks if check["reason"] == "missing_metric")
    assert (missing["cause"], missing["advice"]) == (
        "only_errors",
        "Read the errors of the datapoints that went wrong.",
    )


def test_a_baseline_that_is_not_there_says_how_it_is_made(project: Project) -> None:
    done = project.gate_here("--baseline", "main.jsonl")
    assert done.exit_code == 2
    assert "honeyhive run --out main.jsonl" in done.error
