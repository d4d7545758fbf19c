"""`honeyhive run` and `honeyhive upload` with a key: what they send, and what they say of what they cannot."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import stamina
from click.testing import CliRunner, Result

from builders import scored, write_run
from builders_spans import span
from honeyhive.cli import cli
from honeyhive.experiments.platform.ledger import Ledger
from honeyhive.runfile import companion, read_run
from honeyhive.tracer.otlp import span_line
from platform_runs import run
from platform_server import PlatformServer, attributes

APP = """
import os

def quick(inputs):
    return inputs["n"]

def wandering(inputs):
    os.chdir("/")
    return inputs["n"]

def failing(inputs):
    raise ValueError(inputs["n"])
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program and its rows, which no other test can import; retries do not wait."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    Path("app.py").write_text(APP)
    Path("rows.jsonl").write_text("".join(json.dumps({"inputs": {"n": n}}) + "\n" for n in range(3)))
    with stamina.set_testing(True, attempts=2, cap=True):
        yield tmp_path
    sys.modules.pop("app", None)
    os.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer() as found:
        yield found


def honeyhive(*arguments: str | Path, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], env=env or {})


def keys(server: PlatformServer) -> dict[str, str]:
    return {"HH_API_KEY": server.key, "HH_API_URL": server.url}


def exit_code(result: Result) -> int:
    return getattr(result.exception, "exit_code", 1) if result.exception else 0


def run_app(function: str, *flags: str, env: dict[str, str] | None = None) -> Result:
    return honeyhive("run", "--function", f"app:{function}", "--dataset", "rows.jsonl", *flags, env=env)


# --- run -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["here.jsonl", "runs/here.jsonl.gz"])
def test_code_that_goes_elsewhere_does_not_take_the_run_file_along(
    folder: Path, server: PlatformServer, out: str
) -> None:
    done = run_app("wandering", "--out", out, env=keys(server))
    assert (done.exception, done.exit_code) == (None, 0)
    assert f"run file: {out}\n" in done.output
    assert read_run(folder / out).complete
    assert "3 of 3 sessions are on HoneyHive" in done.output


def test_an_error_names_the_run_file_as_it_was_given() -> None:
    done = run_app("quick", "--out", "app.py")
    assert exit_code(done) == 2
    assert getattr(done.exception, "file", None) == "app.py"


def test_a_run_has_the_id_that_its_parent_gives_it(folder: Path) -> None:
    given = "55aeb984-30c1-496e-8d58-afe7e3ae7b52"
    assert exit_code(run_app("quick", "--out", "qa.jsonl", "--run-id", given)) == 0
    assert read_run(folder / "qa.jsonl").run_id == given
    assert "--run-id" not in honeyhive("run", "--help").output


def test_a_run_that_goes_on_with_another_server_is_not_sent_and_says_so(folder: Path, server: PlatformServer) -> None:
    assert exit_code(run_app("failing", "--out", "qa.jsonl", env=keys(server))) == 0
    with PlatformServer() as other:
        done = run_app("failing", "--out", "qa.jsonl", "--resume", "--retry-errors", env=keys(other))
        assert (done.exception, done.exit_code) == (None, 0)
        assert other.requests == []
    assert "nothing was sent: qa.sent.jsonl" in done.output.replace(f"{folder}/", "")
    assert server.url in done.output
    assert "sends the rest" not in done.output
    assert read_run(folder / "qa.jsonl").complete


def test_what_is_not_there_can_be_sent_with_the_command_that_is_printed(server: PlatformServer) -> None:
    server.fail("PUT", "/events", "500")
    done = run_app("quick", env=keys(server))
    assert "`honeyhive upload .honeyhive/runs/quick.jsonl` sends the rest" in done.output
    server.mend()
    assert exit_code(honeyhive("upload", ".honeyhive/runs/quick.jsonl", env=keys(server))) == 0


def test_an_experiment_may_not_be_called_like_what_stands_beside_another(folder: Path) -> None:
    done = run_app("quick", "--experiment", "qa.spans")
    assert exit_code(done) == 2
    assert "another name" in str(done.exception)
    assert list(folder.glob(".honeyhive/runs/*")) == []


# --- upload ----------------------------------------------------------------------------------------------------------


def made(name: str, **fields: Any) -> Path:
    """A run file made by hand, of one outcome; and its spans."""
    session_id = fields.pop("session_id", f"session of {name}")
    path = write_run(Path(name), [scored("EXT-a", {"session_id": session_id}, exact=True)], **{"run_id": name} | fields)
    attributes = {"honeyhive.session_id": session_id, "honeyhive_metadata.run_id": name, "said": "session of"}
    companion(path, "spans").write_bytes(span_line([span(1, attributes=attributes)]) + b"\n")
    return path


def test_of_several_runs_each_is_sent_and_what_stands_beside_them_is_passed_over(server: PlatformServer) -> None:
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        made(name)
    Path("b.jsonl").write_text("no run\n")
    Ledger.beside(Path("c.jsonl"), "https://other.example").close()
    made("d.jsonl")
    files = sorted(Path().glob("*[.]jsonl"))
    files.remove(Path("rows.jsonl"))
    assert Path("a.spans.jsonl") in files
    done = honeyhive("upload", *files, env=keys(server))
    assert exit_code(done) == 2  # of 3 for b, 2 for c: the one that ends a command first
    assert [line.partition(":")[0] for line in done.output.splitlines()] == ["a.jsonl", "d.jsonl"]
    assert "b.jsonl" in str(done.exception)
    assert "https://other.example" in str(done.exception)
    assert len(server.runs) == 2


@pytest.mark.parametrize(("broken", "code"), [("no run\n", 3), (None, 5)])
def test_it_ends_as_the_worst_of_them(server: PlatformServer, broken: str | None, code: int) -> None:
    made("a.jsonl")
    made("b.jsonl")
    server.fail("PUT", "/v1/runs/", "500")
    if broken:
        Path("b.jsonl").write_text(broken)
    done = honeyhive("upload", "a.jsonl", "b.jsonl", env=keys(server))
    assert exit_code(done) == code
    assert "a.jsonl" in str(done.exception)
    assert "b.jsonl" in str(done.exception)


def test_nothing_but_what_stands_beside_a_run_is_no_success(server: PlatformServer) -> None:
    made("a.jsonl")
    assert exit_code(honeyhive("upload", "a.spans.jsonl", env=keys(server))) == 2


def test_ids_that_are_no_uuids_become_some_that_are_always_the_same(server: PlatformServer) -> None:
    path = made("a.jsonl", session_id="s")
    for _ in range(2):
        assert exit_code(honeyhive("upload", path, env=keys(server))) == 0
        companion(path, "sent").unlink()
    (run_id,), (session_id,) = server.runs, server.sessions
    assert (str(UUID(run_id)), str(UUID(session_id))) == (run_id, session_id)
    (sent,) = server.spans_of(session_id)
    assert attributes(sent)["honeyhive_metadata.run_id"] == run_id
    assert attributes(sent)["said"] == "session of"  # which an "s" is in
    assert server.violations == []


def test_the_same_session_of_two_runs_made_by_hand_is_two(server: PlatformServer) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        assert exit_code(honeyhive("upload", made(name, session_id="s"), env=keys(server))) == 0
    assert len(server.sessions) == 2


def test_spans_that_are_no_json_are_left_out_for_good_and_said_to_be(server: PlatformServer) -> None:
    path = made("a.jsonl")
    whole = companion(path, "spans").read_bytes()
    companion(path, "spans").write_bytes(whole[:-9] + b"\n" + whole)
    done = honeyhive("upload", path, env=keys(server))
    assert exit_code(done) == 0
    assert "1 of 1 sessions are on HoneyHive" in done.output
    assert "a line of the spans file cannot be sent" in done.output
    assert len(server.spans) == 1


def test_a_run_that_was_set_aside_goes_on_where_it_was(server: PlatformServer) -> None:
    found = run(server)
    aside = found.run_file.with_name(f"{found.run_file.name}.previous")
    for file in list(found.run_file.parent.iterdir()):
        file.rename(f"{file}.previous")
    asked = len(server.requests)
    assert exit_code(honeyhive("upload", aside, env=keys(server))) == 0
    assert len(server.requests) == asked


def test_the_help_says_how_it_ends() -> None:
    assert "5 not everything was told" in honeyhive("--help").output
