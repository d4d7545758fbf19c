"""The sender: in nobody's way, whatever the platform, the disk or the end of the run do."""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina

from honeyhive.api.client import HoneyHive
from honeyhive.experiments.platform.bodies import PlatformRun
from honeyhive.experiments.platform.ledger import Ledger
from honeyhive.experiments.platform.sender import Sender, Session
from honeyhive.result import Scored

LONG = 60.0
RUN = PlatformRun(run_id="55aeb984-30c1-496e-8d58-afe7e3ae7b52", name="qa", dataset_id="EXT-d")
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "run.sent.jsonl", "https://hive.example") as found:
        yield found


def session(number: int, *spans: bytes) -> Session:
    outcome = Scored(
        index=number, datapoint_id=f"EXT-{number}", session_id=f"s-{number}", content_hash="", output=number, scores={}
    )
    return Session(outcome=outcome, session_id=f"s-{number}", spans=spans)


def sender(ledger: Ledger, handler: Handler, *, concurrency: int = 1) -> Sender:
    client = HoneyHive("key", server_url="https://hive.example", transport=httpx.MockTransport(handler))
    return Sender(client, RUN, ledger, concurrency=concurrency)


def fine(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"run_id": RUN.run_id})


def started(request: httpx.Request) -> str | None:
    """The session that the request starts."""
    return json.loads(request.content)["session"]["session_id"] if request.url.path == "/session/start" else None


def there(ledger: Ledger) -> list[str]:
    return [sent.session for sent in ledger.sent() if sent.complete]


def test_what_is_offered_is_sent_in_time(ledger: Ledger) -> None:
    with sender(ledger, fine) as sending:
        for number in range(5):
            sending.offer(session(number, b"{}"))
        sending.settle(LONG)
        assert there(ledger) == [f"s-{number}" for number in range(5)]
        assert sending.conclude("completed", there(ledger), LONG) is None
    assert not sending.down


def test_what_is_offered_after_the_end_is_left_alone(ledger: Ledger) -> None:
    with sender(ledger, fine) as sending:
        sending.settle(LONG)
    sending.offer(session(1))
    sending.send(session(2), LONG)
    sending.settle(LONG)
    assert ledger.sent() == []
    sending.close()


def test_an_offer_while_it_is_being_closed_raises_nothing(ledger: Ledger) -> None:
    raised: list[BaseException] = []

    def offer(sending: Sender, closed: threading.Event) -> None:
        try:
            while not closed.is_set():
                sending.offer(session(1))
        except BaseException as error:  # noqa: BLE001 - it is what the test is about
            raised.append(error)

    for _ in range(20):
        closed = threading.Event()
        with sender(ledger, fine) as sending:
            offering = threading.Thread(target=offer, args=(sending, closed))
            offering.start()
        closed.set()
        offering.join()
    assert raised == []


def test_a_run_that_is_there_already_is_made(ledger: Ledger) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(409 if request.method == "POST" else 200, json={})

    with sender(ledger, handler) as sending:
        sending.offer(session(1))
        sending.settle(LONG)
    assert ledger.platform_run_id == RUN.run_id
    assert there(ledger) == ["s-1"]
    assert sending.reason is None


def test_sessions_that_are_refused_do_not_stop_the_others(ledger: Ledger) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(413) if started(request) in {f"s-{n}" for n in range(5)} else fine(request)

    with sender(ledger, handler) as sending:
        for number in range(8):
            sending.offer(session(number))
        sending.settle(LONG)
    assert there(ledger) == ["s-5", "s-6", "s-7"]
    assert not sending.down
    assert "413" in str(sending.reason)


def test_after_three_failures_in_a_row_it_gives_up_and_the_rest_is_not_tried(ledger: Ledger) -> None:
    tried = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/session/start":
            tried.append(started(request))
            return httpx.Response(404)
        return fine(request)

    with sender(ledger, handler) as sending:
        for number in range(8):
            sending.offer(session(number))
        sending.settle(LONG)
        assert sending.down
    assert tried == ["s-0", "s-1", "s-2"]


def test_what_goes_wrong_in_the_sender_itself_is_told_and_not_raised(ledger: Ledger) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if started(request):
            raise ZeroDivisionError("a fault of ours")
        return fine(request)

    with sender(ledger, handler, concurrency=3) as sending:
        sending.offer(session(1))
        sending.settle(LONG)
        sending.offer(session(2))
        assert sending.conclude("completed", [], LONG) == "ZeroDivisionError: a fault of ours"
    assert sending.down
    assert sending.reason == "ZeroDivisionError: a fault of ours"


def test_a_full_disk_stops_the_sending(ledger: Ledger) -> None:
    with sender(ledger, fine) as sending:
        sending.settle(LONG)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ledger.path.stat().st_size + 10, before[1]))
        try:
            sending.offer(session(1))
            sending.settle(LONG)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert sending.down
        assert "cannot be put down" in str(sending.reason)
    assert ledger.path.read_bytes().endswith(b"\n")


class Held:
    """A platform that answers once it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.sessions: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert self.go.wait(LONG)
        if started(request):
            self.sessions.append(started(request))
        return fine(request)


@pytest.mark.parametrize(("size", "kept"), [(0, 1_000), (20 * 2**20, 1)])
def test_what_waits_is_bounded_in_number_and_in_bytes(ledger: Ledger, size: int, kept: int) -> None:
    platform, spans = Held(), b" " * size
    with sender(ledger, platform) as sending:
        for number in range(1_010 if not size else 3):
            sending.offer(session(number, spans) if size else session(number))
        platform.go.set()
        sending.settle(LONG)
    assert len(platform.sessions) == kept
    assert not sending.down


def test_a_platform_that_is_too_slow_is_given_up_in_time(ledger: Ledger) -> None:
    platform = Held()
    with sender(ledger, platform) as sending:
        sending.offer(session(1))
        sending.settle(0.01)
        assert sending.down
        assert "too slow" in str(sending.reason)
        platform.go.set()
    assert sending.conclude("completed", [], LONG) == sending.reason


SPANS = "/opentelemetry/v1/traces"


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(413, json={"error": "too large"}),
        httpx.Response(500),
        httpx.Response(200, json={"partialSuccess": {"rejectedSpans": 1, "errorMessage": "no such kind"}}),
    ],
    ids=["too large", "broken", "partly refused"],
)
def test_scores_arrive_where_the_spans_do_not_and_the_spans_alone_are_sent_later(
    ledger: Ledger, refusal: httpx.Response
) -> None:
    asked: list[str] = []

    def without_spans(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return refusal if request.url.path == SPANS else fine(request)

    with sender(ledger, without_spans) as sending:
        sending.offer(session(1, b"{}"))
        sending.settle(LONG)
        assert not sending.down
        assert sending.reason is not None
    assert ledger.session("s-1").steps == ("start", "update")
    assert asked[-1] == "/events"

    asked.clear()

    def mended(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return fine(request)

    with sender(ledger, mended) as sending:
        sending.offer(session(1, b"{}"))
        sending.settle(LONG)
    assert asked == [SPANS]
    assert ledger.session("s-1").complete
