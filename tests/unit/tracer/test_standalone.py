"""A tracer that is no run's: its session on HoneyHive, its spans sent in the background."""

from __future__ import annotations

import gc
import gzip
import json
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from honeyhive.errors import ArgumentError, HoneyHiveWarning
from honeyhive.tracer import HoneyHiveTracer, current_tracer, enrich_session, flush, set_default_tracer, trace
from honeyhive.tracer.tracer import default_tracer

KEY = "hh-secret-key"
"""Nowhere but in the header."""

WITHOUT_A_KEY = pytest.mark.filterwarnings("ignore:no API key:honeyhive.errors.HoneyHiveWarning")


class Platform:
    """A server on this machine that takes what it gets."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.keys: set[str | None] = set()
        self.status = 200
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                platform.keys.add(self.headers["authorization"])
                sent = json.loads(body)
                platform.requests.append((self.command, self.path, sent))
                answer: dict[str, Any] = {}
                if self.path == "/session/start":
                    answer = {"session_id": sent["session"]["session_id"]}
                elif self.path == "/events":
                    answer = {"success": True}
                content = json.dumps(answer).encode()
                self.send_response(platform.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_PUT(self) -> None:
                self.do_POST()

            def log_message(self, *arguments: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def sent(self, path: str) -> list[Any]:
        return [body for _, where, body in self.requests if where == path]

    def spans(self) -> list[dict[str, Any]]:
        lines = self.sent("/opentelemetry/v1/traces")
        scopes = [scope for line in lines for part in line["resourceSpans"] for scope in part["scopeSpans"]]
        return [span for scope in scopes for span in scope["spans"]]


@pytest.fixture
def platform() -> Iterator[Platform]:
    server = Platform()
    yield server
    set_default_tracer(None)
    server.close()


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HH_API_KEY", "HONEYHIVE_API_KEY", "HH_PROJECT", "HH_API_URL", "HH_SOURCE"):
        monkeypatch.delenv(name, raising=False)


def connected(platform: Platform, **configuration: Any) -> HoneyHiveTracer:
    return HoneyHiveTracer(**({"api_key": KEY, "project": "demo", "server_url": platform.url} | configuration))


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values()), None) for one in span["attributes"]}


def test_a_tracer_with_a_key_starts_its_session_and_sends_its_spans(platform: Platform) -> None:
    tracer = connected(platform, session_name="chat", inputs={"q": "why"}, metadata={"team": "x"})
    with tracer.active(), tracer.span("outer"):
        trace(lambda: None)()
    assert tracer.flush() is True
    (start,) = platform.sent("/session/start")
    session = start["session"]
    assert session["session_id"] == tracer.session_id
    assert (session["session_name"], session["source"], session["inputs"]) == ("chat", "dev", {"q": "why"})
    assert session["metadata"] == {"team": "x", "source": "dev"}
    assert {span["name"].rpartition(".")[2] for span in platform.spans()} == {"outer", "<lambda>"}
    assert {attributes(span)["honeyhive.session_id"] for span in platform.spans()} == {tracer.session_id}
    tracer.shutdown()
    assert platform.keys == {f"Bearer {KEY}"}
    assert KEY not in json.dumps(platform.requests)
    assert KEY not in repr(tracer)


def test_it_keeps_none_of_its_spans_and_hands_over_none(platform: Platform) -> None:
    tracer = connected(platform)
    with tracer.span("x"):
        pass
    assert tracer.spans == tracer.close() == ()
    assert [span["name"] for span in platform.spans()] == ["x"], "closing sends what is left"


def test_the_key_may_come_from_the_environment(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HH_API_KEY", KEY)
    monkeypatch.setenv("HH_API_URL", platform.url)
    HoneyHiveTracer().shutdown()
    assert len(platform.sent("/session/start")) == 1


@pytest.mark.parametrize(
    ("configuration", "key"),
    [
        ({"api_key": None, "ingestion_api_key": "hh_ingst_1"}, "hh_ingst_1"),
        ({"api_key": " ", "ingestion_api_key": "hh_ingst_1"}, "hh_ingst_1"),
        ({"ingestion_api_key": "hh_ingst_1"}, KEY),
    ],
)
def test_a_key_for_ingestion_is_one_where_no_other_is_given(
    platform: Platform, configuration: dict[str, Any], key: str
) -> None:
    connected(platform, **configuration).shutdown()
    assert platform.keys == {f"Bearer {key}"}


def test_the_key_comes_first_then_project_session_source_server_and_session_id(platform: Platform) -> None:
    HoneyHiveTracer(KEY, "demo", "chat", "ci", platform.url).shutdown()
    (start,) = platform.sent("/session/start")
    session = start["session"]
    assert (session["project"], session["session_name"], session["source"]) == ("demo", "chat", "ci")
    tracer = HoneyHiveTracer.init(KEY, "demo", "chat", "ci", platform.url, "11111111-1111-4111-8111-111111111111")
    tracer.shutdown()
    assert tracer.session_id == "11111111-1111-4111-8111-111111111111"
    assert default_tracer() is tracer
    assert len(platform.sent("/session/start")) == 1
    assert platform.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize("make", [HoneyHiveTracer, HoneyHiveTracer.init])
def test_without_a_key_each_tracer_says_where_it_is_made_that_nothing_is_sent(
    make: Callable[..., HoneyHiveTracer],
) -> None:
    try:
        for _ in range(2):
            with pytest.warns(HoneyHiveWarning, match="no API key: nothing of this session is sent") as caught:
                make(project="demo")
            (warning,) = caught
            assert warning.filename == __file__
    finally:
        set_default_tracer(None)


def test_without_a_key_one_that_is_made_beside_another_says_so_and_one_made_in_a_run_does_not() -> None:
    with HoneyHiveTracer(test_mode=True).active(), pytest.warns(HoneyHiveWarning, match="no API key"):
        HoneyHiveTracer()
    with HoneyHiveTracer(is_evaluation=True).active():
        HoneyHiveTracer()


def test_a_session_that_exists_is_not_started(platform: Platform) -> None:
    tracer = connected(platform, session_id="11111111-1111-4111-8111-111111111111")
    with tracer.span("x"):
        pass
    tracer.shutdown()
    assert platform.sent("/session/start") == []
    assert attributes(platform.spans()[0])["honeyhive.session_id"] == "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    "configuration",
    [
        {"is_evaluation": True},
        {"test_mode": True},
        {"disable_tracing": True},
        pytest.param({"api_key": None}, marks=WITHOUT_A_KEY),
        pytest.param({"api_key": " ", "ingestion_api_key": ""}, marks=WITHOUT_A_KEY),
    ],
)
def test_nothing_is_sent_for_a_run_for_a_test_or_without_a_key(
    platform: Platform, configuration: dict[str, Any]
) -> None:
    threads = threading.active_count()
    tracer = connected(platform, **configuration)
    with tracer.active(), tracer.span("x"):
        tracer.enrich_session({"k": 1})
    tracer.flush()
    tracer.close()
    assert platform.requests == []
    assert threading.active_count() == threads
    assert len(tracer.session_id) == 36


def test_a_session_is_added_to_by_the_api(platform: Platform) -> None:
    tracer = connected(platform)
    tracer.enrich_session({"k": {1, 2}}, metrics={"m": 1}, outputs={"o": object()})
    tracer.enrich_session(feedback={"stars": 5}, session_id="another")
    enrich_session("a third", {"k": 1}, tracer=tracer)
    tracer.enrich_session("a fourth", {"k": 1}, {"stars": 5})
    tracer.enrich_session()
    tracer.shutdown()
    assert platform.sent("/events") == [
        {
            "event_id": tracer.session_id,
            "metadata": {"k": [1, 2]},
            "metrics": {"m": 1},
            "outputs": {"o": "<builtins.object>"},
        },
        {"event_id": "another", "feedback": {"stars": 5}},
        {"event_id": "a third", "metadata": {"k": 1}},
        {"event_id": "a fourth", "metadata": {"k": 1}, "feedback": {"stars": 5}},
    ]
    assert tracer.enrichment == {}


def test_the_default_tracer_sends_what_is_traced_outside_of_any_other(platform: Platform) -> None:
    tracer = HoneyHiveTracer.init(api_key=KEY, server_url=platform.url)

    @trace
    def solve() -> bool:
        enrich_session(metadata={"k": 1})
        return current_tracer() is tracer

    assert solve() is True
    assert flush() is True
    assert [span["name"].rpartition(".")[2] for span in platform.spans()] == ["solve"]
    assert platform.sent("/events") == [{"event_id": tracer.session_id, "metadata": {"k": 1}}]
    tracer.shutdown()


def test_flush_on_the_class_is_that_of_the_default_tracer(platform: Platform) -> None:
    assert HoneyHiveTracer.flush() is True
    tracer = HoneyHiveTracer.init(api_key=KEY, server_url=platform.url)
    with tracer.span("x"):
        pass
    with HoneyHiveTracer(is_evaluation=True).active():
        assert HoneyHiveTracer.flush() is True
    assert [span["name"] for span in platform.spans()] == ["x"]
    platform.status = 401
    with tracer.span("y"):
        pass
    with pytest.warns(HoneyHiveWarning, match="does not get everything"):
        assert HoneyHiveTracer.flush(timeout=10.0) is False
    tracer.shutdown()


def test_without_batches_each_span_is_sent_as_it_ends(platform: Platform) -> None:
    tracer = connected(platform, disable_batch=True)
    with tracer.span("x"):
        pass
    assert [span["name"] for span in platform.spans()] == ["x"]
    tracer.shutdown()


def test_what_ends_after_shutdown_is_lost_and_no_trouble(platform: Platform) -> None:
    threads = threading.active_count()
    tracer = connected(platform)
    tracer.shutdown()
    tracer.shutdown()
    with tracer.span("x"):
        pass
    tracer.enrich_session({"k": 1})
    assert tracer.flush() is True
    assert platform.spans() == []
    assert threading.active_count() <= threads + 1, "the server has one for a connection"


def test_nothing_keeps_a_tracer_that_was_shut_down(platform: Platform) -> None:
    tracer = connected(platform)
    gone = weakref.ref(tracer._platform)
    tracer.shutdown()
    del tracer
    gc.collect()
    assert gone() is None


def test_a_platform_that_refuses_is_warned_of_once_and_breaks_nothing(platform: Platform) -> None:
    platform.status = 401
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tracer = connected(platform)
        with tracer.active():
            assert trace(lambda: 5)() == 5
        tracer.enrich_session({"k": 1})
        assert tracer.flush() is False
        tracer.shutdown()
    (warning,) = caught
    assert warning.category is HoneyHiveWarning
    assert "HoneyHive does not get everything that is traced" in str(warning.message)
    assert KEY not in str(warning.message)
    assert len(tracer.session_id) == 36
    assert len(platform.requests) == 3


def test_a_wrong_address_is_the_users_to_know_of() -> None:
    with pytest.raises(ArgumentError, match="unencrypted"):
        HoneyHiveTracer(api_key=KEY, server_url="http://example.com")
