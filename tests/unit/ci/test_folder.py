from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_gate import check, regressed, verdict
from honeyhive.ci.reports import folder as folders
from honeyhive.ci.reports.folder import find_reports, read_report, write_report
from honeyhive.ci.reports.report import Origin, Report
from honeyhive.ci.reports.report_json import LONGEST_TEXT, MOST_BYTES, parse_report, report_text
from honeyhive.errors import InputError, ReportingError
from honeyhive.gate.broken import Broken, Skipped
from honeyhive.gate.checks import Reason
from honeyhive.gate.comparison import Change
from honeyhive.gate.evidence import Evidence
from honeyhive.gate.report import Context, Dataset, render
from honeyhive.gate.verdict import Side
from often import OFTEN
from scenes_gate import COMMENTS, HOSTILE, Scene, several_experiments

HEAD = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
ORIGIN = Origin(
    repository="honey/bees",
    repository_id=17,
    number=4,
    head=HEAD,
    event="pull_request",
    run_id=901,
    attempt=2,
    workflow="Gate",
    job="gate",
    key='{"python": "3.11"}',
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z")
COUNTS = st.none() | st.integers(0, 10**6)
BROKEN = st.builds(
    Broken,
    experiment=NAMES,
    title=TEXTS,
    message=TEXTS,
    hint=TEXTS,
    exit_code=st.sampled_from([0, 2, 3, 4, 70, 143]),
    expected=COUNTS,
    finished=COUNTS,
    details=st.lists(TEXTS).map(tuple),
    file=st.none() | TEXTS,
    line=COUNTS,
)
SKIPPED = st.builds(Skipped, experiment=NAMES, reason=TEXTS)
VERDICTS = st.builds(
    lambda name, reason, warnings: verdict(check(reason=reason), experiment=name, warnings=tuple(warnings)),
    NAMES,
    st.sampled_from([Reason.REGRESSED, Reason.LOW_POWER, Reason.UNCHANGED]),
    st.lists(TEXTS),
)
ORIGINS = st.builds(
    Origin,
    repository=st.none() | st.just("honey/bees.js"),
    repository_id=st.none() | st.integers(1, 2**53),
    number=st.none() | st.integers(1, 2**31),
    head=st.none() | st.just(HEAD),
    event=TEXTS,
    run_id=st.none() | st.integers(1, 2**53),
    attempt=st.integers(1, 1000),
    workflow=TEXTS,
    job=TEXTS,
    key=TEXTS,
)
CONTEXTS = st.builds(
    Context,
    judged_by=TEXTS,
    judged_at=st.none() | TEXTS,
    datasets=st.dictionaries(NAMES, st.builds(Dataset, path=TEXTS), max_size=3),
    own_gate=st.lists(TEXTS, max_size=5).map(tuple),
    label=TEXTS,
    notes=st.lists(TEXTS, max_size=5).map(tuple),
)
REPORTS = st.builds(
    Report,
    findings=st.lists(BROKEN | SKIPPED | VERDICTS, min_size=1, max_size=5, unique_by=lambda one: one.experiment).map(
        tuple
    ),
    context=CONTEXTS,
    origin=ORIGINS,
)


def report(scene: Scene | None = None) -> Report:
    found = scene or several_experiments()
    context = replace(found.context, datasets={"order-sums": Dataset(path="evals/orders.jsonl")})
    context = replace(context, commit_url=None, report_url=None, attempt=None)
    return Report(findings=tuple(found.findings), evidence=found.evidence, context=context, origin=ORIGIN)


def written(folder: Path, found: Report | None = None) -> Path:
    """A folder as the gate leaves it: the files of two experiments, and the report."""
    (folder / "comment.md").write_text("## ✅ all is well, says the fork")
    (folder / "order-sums").mkdir()
    (folder / "order-sums" / "comparison.json").write_text("{}\n")
    (folder / "order-sums" / "run.jsonl").write_text('{"type": "run"}\n')
    write_report(found or report(), folder)
    return folder


def changed(folder: Path, change: Callable[[Any], None]) -> Path:
    path = folder / "report.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return folder


def shown(found: Report) -> str:
    return render(found.findings, evidence=found.evidence, context=found.context)


def refused(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        read_report(folder)
    assert error.value.hint
    return str(error.value)


# --- there and back --------------------------------------------------------------------------------------------------


@given(REPORTS)
def test_a_report_comes_back_from_its_own_text(found: Report) -> None:
    assert parse_report(report_text(found, ()))[0] == found


@pytest.mark.parametrize("name", [name for name in COMMENTS if name != "hostile"])
def test_what_is_read_makes_the_comment_that_the_job_itself_would_have_made(name: str, tmp_path: Path) -> None:
    found = report(COMMENTS[name]())
    assert shown(read_report(written(tmp_path, found))) == shown(found)


def test_a_hostile_report_makes_the_same_harmless_comment(tmp_path: Path) -> None:
    scene = COMMENTS["hostile"]()
    (finding,) = scene.findings
    side = replace(finding.candidate, commit=None)
    finding = replace(finding, experiment="order-sums", candidate=side, baseline=None)
    found = replace(report(scene), findings=(finding,), evidence={"order-sums": scene.evidence[HOSTILE]})
    assert shown(read_report(written(tmp_path, found))) == shown(found).replace("\ufffd", "?")


def test_no_address_is_handed_on(tmp_path: Path) -> None:
    scene = several_experiments()
    found = Report(findings=tuple(scene.findings), evidence=scene.evidence, context=scene.context, origin=ORIGIN)
    assert "https://" in str(found)
    text = (written(tmp_path, found) / "report.json").read_text()
    assert "http" not in text
    assert read_report(tmp_path).context.commit_url is None


def test_a_long_text_is_cut_where_no_comment_goes_on(tmp_path: Path) -> None:
    long = "".join(f"{n} bees, " for n in range(100_000))
    found = report()
    evidence = {
        "order-sums": {
            key: replace(one, inputs={"question": long, "n": [1, None]}, candidate_output=[long, {"a": 0.5}])
            for key, one in found.evidence["order-sums"].items()
        }
    }
    found = replace(found, evidence=evidence)
    read = read_report(written(tmp_path, found))
    assert (tmp_path / "report.json").stat().st_size < 400_000
    assert shown(read) == shown(found)
    assert shown(replace(read, evidence={})) != shown(found)


def test_datapoints_that_no_comment_shows_are_left_out(tmp_path: Path) -> None:
    changes = tuple(
        Change(datapoint_id=f"q{n}", line=n, metric="correct", baseline=1.0, candidate=0.0, better=False)
        for n in range(1, 51)
    )
    evidence = {f"q{n}": Evidence(datapoint_id=f"q{n}", inputs="?", candidate_output="!") for n in range(1, 51)}
    found = replace(report(), findings=(verdict(regressed(), changes=changes),), evidence={"order-sums": evidence})
    read = read_report(written(tmp_path, found))
    assert [*read.evidence["order-sums"]] == [f"q{n}" for n in range(1, 11)]
    assert shown(read) == shown(found)


def test_a_report_that_gets_too_large_goes_without_its_texts() -> None:
    changes = tuple(
        Change(datapoint_id=f"q{n}", line=n, metric="correct", baseline=1.0, candidate=0.0, better=False)
        for n in range(10)
    )
    texts = {f"q{n}": Evidence(datapoint_id=f"q{n}", inputs="🐝" * 20_000, candidate_output="!") for n in range(10)}
    names = [f"bees-{n}" for n in range(50)]
    found = Report(
        findings=tuple(verdict(regressed(), experiment=name, changes=changes) for name in names),
        evidence=dict.fromkeys(names, texts),
    )
    text = report_text(found, ())
    read, _ = parse_report(text)
    assert len(text.encode()) <= MOST_BYTES
    assert len(read.evidence["bees-0"]["q0"].inputs) == 1_499
    assert len(read.findings) == 50


def test_a_report_that_stays_too_large_is_not_written(tmp_path: Path) -> None:
    warnings = tuple(f"{n} " + "🐝 " * 4_900 for n in range(1_000))
    with pytest.raises(ReportingError, match="may have 8,388,608"):
        write_report(replace(report(), findings=(verdict(warnings=warnings),)), tmp_path)
    assert not (tmp_path / "report.json").exists()


def test_what_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "bees").mkdir()
    (tmp_path / "bees" / "run.jsonl").touch()
    tmp_path = tmp_path / "report"
    tmp_path.mkdir()
    with pytest.raises(ReportingError, match=r"cannot be handed on: report\.files\.0\.path"):
        write_report(replace(report(), findings=(verdict(experiment="../bees"),)), tmp_path)
    assert not (tmp_path / "report.json").exists()


def test_a_commit_that_is_none_is_not_handed_on(tmp_path: Path) -> None:
    side = Side(run_id="r", commit="../../../evil/bees", branch="main", count=1, errors=0)
    found = replace(report(), findings=(verdict(candidate=side, baseline=side),), evidence={})
    (finding,) = read_report(written(tmp_path, found)).findings
    assert "evil" not in str(finding)


def test_half_a_character_is_written_as_a_question_mark(tmp_path: Path) -> None:
    found = replace(report(), findings=(Skipped(experiment="bees", reason="no \ud83d file"),), evidence={})
    assert read_report(written(tmp_path, found)).findings == (Skipped(experiment="bees", reason="no ? file"),)


def test_the_worst_verdict_is_that_of_the_report() -> None:
    found = report()
    assert found.verdict == "failed"
    broken = Broken(experiment="x", title="t", message="m", exit_code=3)
    assert replace(found, findings=(*found.findings, broken)).verdict == "broken"
    assert replace(found, findings=(Skipped(experiment="x", reason="r"),)).verdict == "skipped"


# --- the files of the folder -----------------------------------------------------------------------------------------


def test_every_file_of_the_report_is_listed_with_its_digest(tmp_path: Path) -> None:
    files = json.loads((written(tmp_path) / "report.json").read_text())["files"]
    assert [file["path"] for file in files] == ["comment.md", "order-sums/comparison.json", "order-sums/run.jsonl"]
    for file in files:
        content = (tmp_path / file["path"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_run_that_is_too_large_for_a_report_is_not_listed(tmp_path: Path) -> None:
    with (tmp_path / "run.jsonl").open("wb") as stream:
        stream.truncate(folders.MOST_TOTAL + 1)
    (tmp_path / "comparison.json").write_text("{}")
    write_report(report(), tmp_path)
    assert [file["path"] for file in json.loads((tmp_path / "report.json").read_text())["files"]] == ["comparison.json"]
    assert read_report(tmp_path).origin == ORIGIN


def test_a_link_that_the_users_code_leaves_is_not_written_about(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(ReportingError, match="it is a link"):
        write_report(report(), tmp_path)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (written(tmp_path) / "order-sums" / "run.sent.jsonl").write_text("")
    (tmp_path / "notes").mkdir()
    assert read_report(tmp_path).origin == ORIGIN


def link_to_passwd(folder: Path) -> None:
    (folder / "order-sums" / "run.jsonl").unlink()
    (folder / "order-sums" / "run.jsonl").symlink_to("/etc/passwd")


def report_is_a_link(folder: Path) -> None:
    (folder / "report.json").rename(folder / "true.json")
    (folder / "report.json").symlink_to("true.json")


def folder_is_a_link(folder: Path) -> None:
    (folder / "order-sums").rename(folder / "sums")
    (folder / "order-sums").symlink_to("sums")


def unlisted_link(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x\n::error::y").symlink_to("/etc")


def pipe(folder: Path) -> None:
    (folder / "comment.md").unlink()
    os.mkfifo(folder / "comment.md")


def another_run(folder: Path) -> None:
    (folder / "order-sums" / "run.jsonl").write_text('{"type": "RUN"}\n')


def longer_run(folder: Path) -> None:
    (folder / "order-sums" / "run.jsonl").write_text('{"type": "run"}\n\n')


def no_run(folder: Path) -> None:
    (folder / "order-sums" / "run.jsonl").unlink()


def report_is_a_folder(folder: Path) -> None:
    (folder / "report.json").unlink()
    (folder / "report.json").mkdir()


def many_files(folder: Path) -> None:
    for n in range(500):
        (folder / f"{n}").touch()


def very_many_files(folder: Path) -> None:
    (folder / "order-sums" / "x").mkdir()
    for n in range(1_001):
        (folder / "order-sums" / "x" / f"{n}").touch()


def large_report(folder: Path) -> None:
    os.truncate(folder / "report.json", 50 * 2**20)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (link_to_passwd, "order-sums/run.jsonl: is a link"),
        (report_is_a_link, "report.json: is a link"),
        (folder_is_a_link, "order-sums: is a link"),
        (unlisted_link, "deep/er/x ::error::y: is a link"),
        (pipe, "comment.md: is no regular file"),
        (another_run, "order-sums/run.jsonl: does not have the digest"),
        (longer_run, "order-sums/run.jsonl: does not have the 16 bytes"),
        (no_run, "order-sums/run.jsonl: is not there"),
        (report_is_a_folder, "report.json: is no regular file"),
        (many_files, "holds more than 500 files"),
        (very_many_files, "holds more than 1,000 files"),
        (large_report, "report.json: has more than 8,388,608 bytes"),
        (lambda folder: (folder / "report.json").unlink(), "report.json: is not there"),
        (lambda folder: (folder / "report.json").write_bytes(b'{"schema": "\xff"}'), "report.json: not UTF-8"),
    ],
)
def test_a_folder_that_is_not_what_was_written_is_refused(
    attack: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    attack(written(tmp_path))
    assert said in refused(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "/etc/passwd",
        "order-sums/../../x/run.jsonl",
        "../run.jsonl",
        "./run.jsonl",
        "order-sums//run.jsonl",
        "order-sums\\run.jsonl",
        "run.jsonl\n",
        "run.jsonl\x00",
        ".git/run.jsonl",
        "a/b/run.jsonl",
        "secrets.json",
    ],
)
def test_a_path_that_is_not_one_of_ours_is_refused(path: str, tmp_path: Path) -> None:
    folder = changed(written(tmp_path), lambda data: data["files"][0].update(path=path))
    assert "report.files.0.path" in refused(folder)


def test_no_file_is_listed_twice(tmp_path: Path) -> None:
    folder = changed(written(tmp_path), lambda data: data["files"].append(data["files"][0]))
    assert "comment.md: listed twice" in refused(folder)


def test_files_that_are_too_large_together_are_not_even_opened(tmp_path: Path) -> None:
    folder = changed(written(tmp_path), lambda data: data["files"][0].update(size=folders.MOST_TOTAL + 1))
    assert "more than 209,715,200 bytes" in refused(folder)


# --- the text of the report ------------------------------------------------------------------------------------------


def put(*path: str | int, to: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("schema", to=2), "the report has schema 2, this version reads up to 1"),
        (put("schema", to="1"), "report.schema: input should be a valid integer"),
        (put("findings", to=[]), "report.findings: tuple should have at least 1 item"),
        (put("findings", 0, "experiment", to="../x"), "experiment: string should match"),
        (put("findings", 0, "experiment", to="replies\n"), "experiment: string should match"),
        (put("findings", 0, "experiment", to="order-sums"), 'two findings on "order-sums"'),
        (put("findings", 0, "verdict", to="failed"), "its checks do not say so"),
        (put("findings", 0, "verdict", to="splendid"), "verdict.verdict: input should be"),
        (put("findings", 0, "verdict", to="broken"), "broken.title: field required"),
        (put("findings", 0, "verdict", to="skipped"), "skipped.reason: field required"),
        (put("findings", 0, "candidate", "commit", to="../../../evil/x"), "is no commit"),
        (put("findings", 0, "candidate", "run_id", to=7), "verdict.candidate.run_id: input should be a valid string"),
        (put("findings", 0, "checks", 0, "p_adjusted", to=1e308), "a number beyond ±1e+100: 1e+308"),
        (put("findings", 0, "checks", 0, "candidate", to=1e308), "a number beyond ±1e+100: 1e+308"),
        (put("findings", 0, "checks", 0, "candidate", to=-1e308), "a number beyond ±1e+100: -1e+308"),
        (put("findings", 0, "checks", 0, "p", to=1.5), 'a probability of "replies" is not between 0 and 1'),
        (put("findings", 0, "checks", 0, "p_adjusted", to=-5e-324), "is not between 0 and 1"),
        (put("findings", 0, "paired", to=True), "verdict.paired: input should be a valid integer"),
        (put("findings", 0, to=[]), "report.findings.0: input should be"),
        (put("findings", 0, "warnings", to=["x" * (LONGEST_TEXT + 1)]), "a text of 10,001 characters"),
        (put("x" * (LONGEST_TEXT + 1), to=1), "a text of 10,001 characters"),
        (put("findings", 0, "changes", to=[0] * 20_001), "a list of 20,001 items"),
        (put("mood", to=[[[]] * 19_000] * 6), "more than 100,000 lists"),
        (put("context", "judged_by", to="x" * 1_001), "report.context.judged_by: string should have at most 1000"),
        (put("context", "own_gate", to=["x"] * 101), "report.context.own_gate: tuple should have at most 100 items"),
        (put("context", "datasets", to={"../x": "y"}), "report.context.datasets"),
        (put("origin", "repository", to="honey/bees/../wasps"), "report.origin.repository"),
        (put("origin", "repository", to="honey/bees\n"), "report.origin.repository"),
        (put("origin", "repository_id", to="17"), "report.origin.repository_id: input should be a valid integer"),
        (put("origin", "head", to="main"), "report.origin.head"),
        (put("origin", "number", to=-1), "report.origin.number"),
        (put("origin", "attempt", to=1.5), "report.origin.attempt"),
        (put("evidence", to={"order-sums": [{"datapoint_id": "q", "inputs": {"a": 1}}]}), "inputs: input should be"),
        (put("evidence", to={"order-sums": [{"inputs": "?"}]}), "datapoint_id: field required"),
        (put("files", to=[{"path": "run.jsonl", "size": 1, "sha256": "x"}]), "report.files.0.sha256"),
        (put("files", to=[{"path": "run.jsonl", "size": -1, "sha256": "0" * 64}]), "report.files.0.size"),
    ],
)
def test_a_text_that_is_no_report_is_refused_by_the_key(
    change: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    error = refused(changed(written(tmp_path), change))
    assert said in error
    assert "report.json" in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", "report: input should be"),
        ("null", "report: input should be"),
        ("[" * 1_000_000, "nested deeper than 100 levels"),
        ('{"a":' * 1_000_000, "nested deeper than 100 levels"),
        ("[" * 120 + "]" * 120, "nested deeper than 100 levels"),
        ('{"schema": NaN}', "NaN is not a JSON number"),
        ('{"schema": 1e999}', "does not fit a 64-bit float"),
        ('{"schema": 1, "schema": 1}', 'duplicate key "schema"'),
        ('{"schema": ' + "9" * 100 + "}", "does not fit 64 bits"),
    ],
)
def test_a_text_that_is_no_proper_json_is_refused_by_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    assert said in refused(tmp_path)


def test_no_key_of_theirs_gets_into_the_log_as_it_is(tmp_path: Path) -> None:
    removed = {"datapoint_id": "q", "line": 1, "scores": {"a\n::error::x\x1b[31m": "high"}}
    change = put("findings", 0, "removed_datapoints", to=[removed])
    error = refused(changed(written(tmp_path), change))
    assert "scores.a ::error::x [31m: input should be a valid number" in error


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    def add(data: Any) -> None:
        data["mood"] = data["origin"]["mood"] = data["context"]["commit_url"] = "https://evil.example"
        data["findings"][0]["mood"] = data["files"][0]["mood"] = {"a": [1]}

    before = read_report(written(tmp_path))
    assert read_report(changed(tmp_path, add)) == before


@OFTEN
@given(st.data())
def test_whatever_is_put_in_place_of_a_value_is_read_or_refused_and_what_is_read_can_be_shown(
    data: st.DataObject,
) -> None:
    document = json.loads(report_text(report(COMMENTS[data.draw(st.sampled_from(sorted(SAFE)))]()), ()))
    for _ in range(data.draw(st.integers(1, 4))):
        parent, key = data.draw(st.sampled_from(places(document)))
        parent[key] = data.draw(VALUES)
    try:
        found, _ = parse_report(json.dumps(document))
    except InputError:
        return
    assert shown(found)


SAFE: Mapping[str, Callable[[], Scene]] = {name: scene for name, scene in COMMENTS.items() if name != "hostile"}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.sampled_from([0, 1, -1, 0.0, 1.0, -0.0, 5e-324, 1e100, -1e100, 1e308, -1e308]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "rate", "score", "latency", "cost", "label", "higher", "lower", *map(str, Reason), HOSTILE]),
    st.sampled_from(["min", "max", "max-drop", "max-increase", "must-pass", "passed", "failed", "undecided", "strict"]),
    TEXTS,
    st.just([]),
    st.just({}),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every value within, as what holds it and by which key."""
    held = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [place for key, item in held for place in [(value, key), *places(item)]]


# --- where the reports are -------------------------------------------------------------------------------------------


def test_a_report_is_found_in_the_folder_itself_and_nothing_below_it(tmp_path: Path) -> None:
    (written(tmp_path) / "order-sums" / "report.json").write_text("{}")
    assert find_reports(tmp_path) == (tmp_path,)


def test_the_reports_of_a_matrix_are_found_in_a_folder_each(tmp_path: Path) -> None:
    for name in ("report-3.12", "report-3.11/honeyhive-report", "notes"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("report-3.12", "report-3.11/honeyhive-report"):
        (tmp_path / name / "report.json").touch()
    assert find_reports(tmp_path) == (tmp_path / "report-3.11" / "honeyhive-report", tmp_path / "report-3.12")


def test_no_link_is_followed_to_a_report(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    written(tmp_path / "elsewhere")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "report").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"there is no report\.json in it"):
        find_reports(tmp_path / "here")


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_without_a_report_it_is_said_how_one_gets_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"actions/upload-artifact.*actions/download-artifact") as error:
        find_reports(tmp_path / name)
    assert error.value.file == str(tmp_path / name)


def test_the_search_for_reports_ends(tmp_path: Path) -> None:
    deep = tmp_path / "deep" / "/".join("abcdef")
    deep.mkdir(parents=True)
    (deep / "report.json").touch()
    with pytest.raises(InputError, match=r"there is no report\.json"):
        find_reports(tmp_path / "deep")
    for n in range(101):
        (tmp_path / "many" / f"{n}").mkdir(parents=True)
        (tmp_path / "many" / f"{n}" / "report.json").touch()
    with pytest.raises(InputError, match="101 reports, where 100 are the most"):
        find_reports(tmp_path / "many")
    for n in range(40):
        for m in range(30):
            (tmp_path / "wide" / f"{n}" / f"{m}").mkdir(parents=True)
    with pytest.raises(InputError, match="holds more than 1,000 folders"):
        find_reports(tmp_path / "wide")
