"""An OpenTelemetry backend of the environment's: which one, and what it gets."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import StatusCode

from builders_spans import span
from honeyhive.documents.redactor import NO_SECRETS, Redactor
from honeyhive.errors import HoneyHiveWarning
from honeyhive.tracer import HoneyHiveTracer
from honeyhive.tracer.backend import Backend, open_backend, otlp_backend
from honeyhive.tracer.sending import SpanBackend, SpanSink
from wire import wire

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
URL = "https://otel.example:4318"


# --- which one -------------------------------------------------------------------------------------------------------


def found(**environ: str) -> Backend:
    backend = otlp_backend({ENDPOINT: URL, **{f"OTEL_EXPORTER_OTLP_{key}": value for key, value in environ.items()}})
    assert backend is not None
    return backend


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {ENDPOINT: " "},
        {ENDPOINT: URL, "OTEL_SDK_DISABLED": "True"},
        {ENDPOINT: URL, "OTEL_TRACES_EXPORTER": "none"},
        {TRACES_ENDPOINT: URL, "OTEL_TRACES_EXPORTER": "console,zipkin"},
    ],
)
def test_no_backend_is_named(environ: dict[str, str]) -> None:
    assert otlp_backend(environ) is None
    assert open_backend(environ) is None


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({ENDPOINT: URL}, f"{URL}/v1/traces"),
        ({ENDPOINT: f"{URL}/"}, f"{URL}/v1/traces"),
        ({ENDPOINT: f"{URL}/api/otel"}, f"{URL}/api/otel/v1/traces"),
        ({TRACES_ENDPOINT: f"{URL}/as/it/is"}, f"{URL}/as/it/is"),
        ({TRACES_ENDPOINT: URL, ENDPOINT: "https://other"}, URL),
        ({ENDPOINT: URL, "OTEL_TRACES_EXPORTER": "console, otlp"}, f"{URL}/v1/traces"),
        ({ENDPOINT: URL, "OTEL_SDK_DISABLED": "false"}, f"{URL}/v1/traces"),
    ],
)
def test_the_address_is_as_opentelemetry_makes_it(environ: dict[str, str], url: str) -> None:
    backend = otlp_backend(environ)
    assert backend is not None
    assert backend.url == url


@pytest.mark.parametrize("address", ["localhost:4317", "grpc://host", "https://", "http://[", "http://host:99999"])
def test_what_is_no_http_address_is_warned_of(address: str) -> None:
    with pytest.warns(HoneyHiveWarning, match=f"{ENDPOINT} is not an http address"):
        assert otlp_backend({ENDPOINT: address}) is None


def test_headers_are_decoded_and_those_for_traces_go_first() -> None:
    assert found(HEADERS="Authorization=Basic%20YTpi, x-team = a%2Cb ,empty=").headers == {
        "authorization": "Basic YTpi",
        "x-team": "a,b",
        "empty": "",
    }
    assert found(HEADERS="a=1", TRACES_HEADERS="b=2").headers == {"b": "2"}


@pytest.mark.parametrize("entry", ["secret", "na me=secret", "k=secret%0D%0Ax: y", "k=%C3%A9secret", "=secret"])
def test_what_is_no_header_is_left_out_and_not_shown(entry: str) -> None:
    with pytest.warns(HoneyHiveWarning, match="left out") as caught:
        assert found(HEADERS=f"{entry},fine=1").headers == {"fine": "1"}
    assert "secret" not in str(caught[0].message)


@pytest.mark.parametrize(("given", "seconds"), [("", 10.0), ("3", 3.0), ("0.5", 0.5), ("10000", 10.0), ("600", 600.0)])
def test_a_timeout_is_in_seconds_and_a_large_one_in_milliseconds(given: str, seconds: float) -> None:
    assert found(TIMEOUT=given).timeout == seconds
    assert found(TIMEOUT="7", TRACES_TIMEOUT=given).timeout == (seconds if given else 7.0)


@pytest.mark.parametrize("given", ["soon", "-1", "0", "nan", "inf"])
def test_what_is_no_timeout_is_warned_of(given: str) -> None:
    with pytest.warns(HoneyHiveWarning, match="is not a time"):
        assert found(TIMEOUT=given).timeout == 10.0


def test_protocol_and_compression() -> None:
    assert (found().json, found().gzip) == (False, False)
    assert found(PROTOCOL="http/json", COMPRESSION="gzip").json
    assert found(COMPRESSION="none", TRACES_COMPRESSION="gzip").gzip
    assert not found(PROTOCOL="http/protobuf").json
    with pytest.warns(HoneyHiveWarning, match="grpc, which is not spoken"):
        assert not found(PROTOCOL="grpc").json


def test_no_text_that_shows_a_backend_holds_its_secrets() -> None:
    backend = otlp_backend({ENDPOINT: "https://user:secret@host/secret", HEADERS: "api-key=secret"})
    assert backend is not None
    assert "secret" not in repr(backend)
    assert backend.host == "host"


def test_certificates_that_cannot_be_read_are_warned_of(tmp_path: Path) -> None:
    with pytest.warns(HoneyHiveWarning, match=r"cannot be read: No such file .*OTEL_EXPORTER_OTLP_CERTIFICATE"):
        assert open_backend({ENDPOINT: URL, "OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "none.pem")}) is None


# --- what it gets ----------------------------------------------------------------------------------------------------


class Collector:
    """The far side of the wire."""

    def __init__(self, answer: Callable[[int], httpx.Response] = lambda _: httpx.Response(200)) -> None:
        self.requests: list[httpx.Request] = []
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return self._answer(len(self.requests))

    def sink(self, redactor: Redactor = NO_SECRETS, **settings: Any) -> SpanSink:
        backend = Backend(url=f"{URL}/v1/traces", headers={"api-key": "k-1"}, **settings)
        return SpanSink(backend, redactor, transport=httpx.MockTransport(self))

    def names(self) -> list[str]:
        requests = [ExportTraceServiceRequest.FromString(request.content) for request in self.requests]
        scopes = [scope for one in requests for part in one.resource_spans for scope in part.scope_spans]
        return [made.name for scope in scopes for made in scope.spans]


def made(*names: str) -> tuple[ReadableSpan, ...]:
    tracer = HoneyHiveTracer(is_evaluation=True)
    for name in names:
        with tracer.span(name):
            pass
    return tracer.close()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_spans_are_sent_as_protobuf_in_batches() -> None:
    collector = Collector()
    sink = collector.sink()
    for number in range(600):
        sink.put(made(str(number)))
    assert sink.close(30) == 0
    assert collector.names() == [str(number) for number in range(600)]
    assert len(collector.requests) < 10
    (headers,) = {(one.headers["content-type"], one.headers["api-key"], one.method) for one in collector.requests}
    assert headers == ("application/x-protobuf", "k-1", "POST")
    assert str(collector.requests[0].url) == f"{URL}/v1/traces"


def test_it_may_be_packed_and_may_be_json() -> None:
    packed, plain = Collector(), Collector()
    for collector, packs in ((packed, True), (plain, False)):
        sink = collector.sink(gzip=packs, json=True)
        sink.put(made("x"))
        assert sink.close(30) == 0
    (request,) = packed.requests
    assert request.headers["content-encoding"] == "gzip"
    line = json.loads(gzip.decompress(request.content))
    assert line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "x"
    assert json.loads(plain.requests[0].content)
    assert plain.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize("as_json", [False, True], ids=["protobuf", "JSON"])
def test_no_secret_is_in_a_span_that_is_sent(as_json: bool) -> None:
    secret, collector = "hh_live_7f3c9a1b2d5e", Collector()
    sink = collector.sink(Redactor(frozenset({secret})), json=as_json)
    tracer = HoneyHiveTracer(is_evaluation=True)
    with tracer.span(f"ask {secret}", attributes={"said": [secret, "x"], secret: 1, "n": 2**70}) as held:
        held.add_event(secret, {"why": secret})
        held.set_status(StatusCode.ERROR, f"401 {secret}")
        held.add_link(held.get_span_context(), {"of": secret})
    sink.put(tracer.close())
    sink.put(made("another"))
    assert sink.close(30) == 0
    sent = b"".join(request.content for request in collector.requests)
    assert secret.encode() not in sent
    assert sent.count(b"***") == 7
    if not as_json:
        assert collector.names() == ["ask ***", "another"]


def test_spans_of_a_provider_of_the_users_have_a_way_out_of_their_own() -> None:
    collector = Collector()
    sink = collector.sink()
    sink.put([*made("ours"), span(name="theirs")])
    assert sink.close(30) == 0
    assert collector.names() == ["ours"]


def test_what_is_busy_is_asked_again() -> None:
    answers: list[httpx.Response | Exception] = [
        httpx.Response(503, headers={"retry-after": "0"}),
        httpx.ConnectError("down"),
        httpx.Response(200),
    ]

    def answer(count: int) -> httpx.Response:
        one = answers[count - 1]
        if isinstance(one, Exception):
            raise one
        return one

    collector = Collector(answer)
    sink = collector.sink()
    sink.put(made("x"))
    assert sink.close(30) == 0
    assert collector.names() == ["x"] * 3


@pytest.mark.parametrize("status", [400, 401, 404, 301])
def test_what_refuses_is_warned_of_once_and_counted(status: int) -> None:
    collector = Collector(lambda _: httpx.Response(status, headers={"location": "https://elsewhere"}))
    sink = collector.sink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(600):
            sink.put(made(str(number)))
        assert sink.close(30) == 600
    (warning,) = caught
    assert warning.category is HoneyHiveWarning
    assert f"otel.example answers with status {status}" in str(warning.message)
    assert "k-1" not in str(warning.message)
    assert {request.url.host for request in collector.requests} == {"otel.example"}


def test_closing_takes_no_longer_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    collector = Collector(lambda _: httpx.Response(503, headers={"retry-after": "30"}))
    sink = collector.sink()
    sink.put(made("x", "y"))
    with caplog.at_level(logging.ERROR), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert sink.close(5) == 2
    assert len(caught) == 1
    assert caplog.records == []
    assert len(collector.requests) == 1


def test_an_answer_without_an_end_is_not_read_to_it() -> None:
    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 10_000

    collector = Collector(lambda _: httpx.Response(200, stream=Endless()))
    sink = collector.sink()
    sink.put(made("x"))
    assert sink.close(30) == 0


def test_an_answer_that_drips_costs_no_more_than_its_time_and_the_connection() -> None:
    with wire() as server:
        server.speak = server.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b" ")
        sender = SpanBackend(Backend(url=server.url, timeout=0.3))
        assert [sender.export(made("x")), sender.export(made("y"))] == [SpanExportResult.SUCCESS] * 2
        sender.shutdown()
        assert len(server.connections) == 2
