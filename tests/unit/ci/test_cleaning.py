"""Run files are freed of secrets, all of them or none, and are left alone where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from honeyhive.ci.cleaning import clean_run
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
