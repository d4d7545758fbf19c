"""Run files are freed of secrets, all of them or none, and are left alone where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from honeyhive.ci.cleaning import Cleaning, OutOfTimeError, clean_run
from honeyhive.ci.edge import Edge
from honeyhive.ci.lastwords import CLEANED, LastWords
from honeyhive.ci.outlet import OUTLET
from honeyhive.documents.redactor import Redactor

SECRET = 'nsk-live-"q\\9/ü+Kd72'
REDACTOR = Redactor(frozenset({SECRET}))
CLEAN = b'{"type":"outcome","output":"a\\nb","scores":{"exact":1.0}}\n'
DIRTY = json.dumps({"type": "outcome", "output": [f"\n{SECRET}\n"], "notes": {SECRET: "a"}}).encode() + b"\n"


def test_a_run_without_secrets_is_the_same_file_afterwards(tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    run.write_bytes(CLEAN * 3)
    before = run.stat()
    assert clean_run(run, REDACTOR) == 0
    assert clean_run(run, Redactor()) == 0
    assert (run.stat().st_ino, run.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_lines_with_secrets_are_written_anew_and_the_others_stay_as_they_are(tmp_path: Path) -> None:
    run, spans = tmp_path / "run.jsonl", tmp_path / "run.spans.jsonl"
    run.write_bytes(CLEAN + DIRTY + CLEAN + DIRTY[:-1])
    spans.write_bytes(DIRTY)
    run.chmod(0o640)
    assert clean_run(run, REDACTOR) == 3
    first, second, third, last = run.read_bytes().splitlines(keepends=True)
    assert (first, third) == (CLEAN, CLEAN)
    assert json.loads(second) == {"type": "outcome", "output": ["\n***\n"], "notes": {"***": "a"}} == json.loads(last)
    assert second.endswith(b"\n")
    assert not last.endswith(b"\n")
    assert not REDACTOR.finds(run.read_bytes() + spans.read_bytes())
    assert run.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.jsonl", "run.spans.jsonl"]


def test_what_takes_too_long_is_given_up_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    run = tmp_path / "run.jsonl"
    run.write_bytes(CLEAN + DIRTY)
    with pytest.raises(OutOfTimeError):
        clean_run(run, REDACTOR, until=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]
    assert run.read_bytes() == CLEAN + DIRTY


@pytest.mark.parametrize("place", ["a folder", "a link", "a file"])
def test_what_cannot_be_cleaned_is_out_of_the_report_with_its_spans(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, elsewhere, said = tmp_path / "report", tmp_path / "elsewhere", list[str]()
    report.mkdir()
    elsewhere.mkdir()
    if place == "a link":
        (tmp_path / ".honeyhive").symlink_to(elsewhere)
    elif place == "a file":
        (tmp_path / ".honeyhive").touch()
    for name in ("run.jsonl", "run.spans.jsonl"):
        (report / name).write_bytes(DIRTY * 60_000)  # some seconds' work, where there is half of one
    monkeypatch.setattr(OUTLET, "redactor", REDACTOR)
    edge = Edge(environ={}, echo=said.append, report_dir=report)
    times = iter([0.0, CLEANED])  # of the signal, and when the run was over
    words = LastWords(lambda: next(times))
    words.begin()
    cleaning = Cleaning(report / "run.jsonl", "qa", edge, words=words)
    cleaning.finish()
    cleaning.finish()
    assert list(report.iterdir()) == list(elsewhere.iterdir()) == []
    assert len(said) == 1
    assert ("lies in .honeyhive/unclean" in said[0]) == (place == "a folder")


def test_a_torn_line_is_taken_for_text() -> None:
    assert REDACTOR.json_line(DIRTY[:60]).startswith(b'{"type": "outcome", "output": ["')
    assert not REDACTOR.finds(REDACTOR.json_line(DIRTY[:70]))


@pytest.mark.parametrize("kind", ["link", "folder", "nothing"])
def test_what_is_no_file_is_left_to_who_refuses_it(tmp_path: Path, kind: str) -> None:
    target, run = tmp_path / "elsewhere", tmp_path / "run.jsonl"
    target.write_bytes(DIRTY)
    if kind == "link":
        run.symlink_to(target)
    elif kind == "folder":
        run.mkdir()
    assert clean_run(run, REDACTOR) == 0
    assert target.read_bytes() == DIRTY
