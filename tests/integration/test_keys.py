"""The HoneyHive key is in nothing that a run writes, prints or sends, whatever the code does with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from honeyhive import HoneyHiveTracer, enrich_session, enrich_span, trace
from honeyhive.experiments import evaluate
from honeyhive.runfile import companion, read_run
from hostile.scene import KEY, forms
from loopback import Loopback
from platform_runs import ROWS, ended, exact, run, start
from platform_server import PlatformServer

HELD = "held a secret, which is *** there"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server() -> Iterator[PlatformServer]:
    with PlatformServer(key=KEY) as found:
        yield found


def without(text: str) -> str:
    """The text, which holds the key in no form."""
    assert [form for form in forms(KEY) if form in text] == []
    return text


def sent(server: PlatformServer) -> str:
    """What the server was told, but for who tells it."""
    return without(json.dumps([[one.path, dict(one.query), one.body] for one in server.requests], ensure_ascii=False))


@trace
def ask(prompt: str) -> str:
    enrich_span(metadata={"header": f"Bearer {KEY}", KEY: 1})
    return prompt


def answered(inputs: Any) -> dict[str, Any]:
    return {"answer": inputs["q"].upper(), "key": KEY, "asked": ask(json.dumps({"key": KEY}))}


def raised(inputs: Any) -> None:
    raise OSError(f"401: {KEY}") from KeyError(KEY)


def enriched(inputs: Any) -> dict[str, Any]:
    enrich_session(metadata={"key": KEY}, feedback={KEY: "no"})
    return {"answer": inputs["q"].upper()}


def judged(outputs: Any) -> dict[str, Any]:
    return {"right": True, KEY: 0.5, "explanation": f"by {KEY}"}


def failing(outputs: Any) -> bool:
    raise ValueError(KEY)


@pytest.mark.parametrize("function", [answered, raised, enriched])
def test_what_the_code_does_with_the_key_is_kept_and_sent_without_it(server: PlatformServer, function: Any) -> None:
    found = run(server, function, evaluators=[exact, judged, failing], metadata={"key": KEY})
    assert [warning for warning in found.warned if HELD in warning]
    assert found.result.unsent is None
    for path in (found.run_file, companion(found.run_file, "spans")):
        assert "***" in without(path.read_text(encoding="utf-8"))
    assert "***" in sent(server)
    assert read_run(found.run_file).metadata == {"key": "***"}
    without(found.result.model_dump_json())
    right = [] if function is raised else [True, True, False]
    assert [m.value for one in found.result.datapoints for m in one.metrics if m.name == "exact"] == right


def test_it_is_in_nothing_that_is_printed(server: PlatformServer, capsys: pytest.CaptureFixture[str]) -> None:
    run(server, raised, print_results=True, verbose=True)
    out, err = capsys.readouterr()
    assert "401: ***" in without(out)
    without(err)


def test_a_key_of_the_environment_is_known_besides_the_one_that_is_used(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONEYHIVE_API_KEY", "hh_other_key_0123456789")
    found = run(server, lambda inputs: "hh_other_key_0123456789")
    assert {one.outputs for one in found.result.datapoints} == {"***"}


def test_a_run_that_tells_nothing_is_as_it_was_with_a_key_and_without(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcomes(path: Path) -> list[Any]:
        own = {"duration_ms", "session_id", "enrichment"}
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[1:-2]]
        return sorted(([one[key] for key in sorted(one.keys() - own)] for one in found), key=str)

    said = {"answer": '["a\\nb"]', "n": [1.5, 10**18, None, True, 1e-7], "ü": "é\u2028"}
    found = run(server, lambda inputs: said)
    assert found.warned == []
    monkeypatch.delenv("HH_API_KEY", raising=False)
    alone = evaluate(lambda inputs: said, dataset=list(ROWS), evaluators=[exact], name="alone", print_results=False)
    assert outcomes(found.run_file) == outcomes(Path(str(alone.run_file)))


def test_a_backend_is_not_told_either(server: PlatformServer, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Loopback()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", backend.url)
    try:
        run(server, answered)
    finally:
        backend.close()
    assert backend.asked
    for request in backend.asked:
        assert b"***" in request.body
        without(request.body.decode("utf-8", "replace"))


def test_nor_is_honeyhive_by_a_tracer_of_its_own(server: PlatformServer) -> None:
    tracer = HoneyHiveTracer(api_key=KEY, project="p", session_name=f"with {KEY}", server_url=server.url)
    with tracer.span(f"ask {KEY}", attributes={"key": KEY}):
        pass
    tracer.enrich_session(metadata={"key": KEY})
    tracer.flush()
    tracer.close()
    assert sent(server).count("***") >= 4


APP = """
import os
from honeyhive import enrich_span
def tell(inputs):
    enrich_span(metadata=dict(os.environ))
    if inputs["n"]:
        raise ValueError(os.environ["HH_API_KEY"])
    return [os.environ["MODEL_TOKEN"], os.environ["HH_API_KEY"]]
def right(outputs):
    return True
"""


def test_the_command_keeps_every_secret_of_its_environment_out_of_the_run(server: PlatformServer, folder: Path) -> None:
    (folder / "app.py").write_text(APP)
    (folder / "rows.jsonl").write_text('{"inputs": {"n": 0}}\n{"inputs": {"n": 1}}\n')
    arguments = ["--function", "app:tell", "--dataset", "rows.jsonl", "--evaluators", "app:right", "--out", "run.jsonl"]
    process = start(server, "-m", "honeyhive", "run", *arguments, folder=folder, MODEL_TOKEN="Zx81-token-Kd72")
    code, out, err = ended(process)
    assert code == 0, err
    assert "2 of 2 sessions are on HoneyHive" in out
    assert HELD in err
    written = [(folder / name).read_text(encoding="utf-8") for name in ("run.jsonl", "run.spans.jsonl")]
    for text in (*written, out, err, sent(server)):
        assert "Zx81-token-Kd72" not in without(text)
    assert [json.loads(line).get("output") for line in written[0].splitlines() if '"index":0' in line] == [["***"] * 2]
