"""When a request is sent again, and after how long."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeyhive.api.retries import LONGEST_WAIT, Budget, retry_after, retryable
from honeyhive.errors import ApiAnswerError, ApiStatusError, ApiUnreachableError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("3", 3.0), (" 7 ", 7.0), ("1.5", 1.5), ("31", LONGEST_WAIT), ("999999999", LONGEST_WAIT)],
)
def test_seconds_are_taken_within_bounds(header: str, seconds: float) -> None:
    assert retry_after(header, now=NOW) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Fri, 02 Jan 2026 03:04:15 GMT", 10.0),
        ("Fri, 02 Jan 2026 03:04:15 -0000", 10.0),
        ("Fri, 02 Jan 2026 04:04:15 +0100", 10.0),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0.0),
        ("Sun, 02 Jan 2028 03:04:00 GMT", LONGEST_WAIT),
    ],
)
def test_a_date_is_taken_within_bounds(header: str, seconds: float) -> None:
    assert retry_after(header, now=NOW) == seconds


@pytest.mark.parametrize("header", [None, "", "soon", "-1", "1e9", "nan", "inf", "0x10", "١", "Fri, 99 Foo 2026", ","])
def test_what_says_nothing_is_no_wait(header: str | None) -> None:
    assert retry_after(header, now=NOW) is None


@given(st.text())
def test_whatever_a_header_says_the_wait_is_bounded(header: str) -> None:
    wait = retry_after(header)
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= LONGEST_WAIT)


@given(
    st.integers(min_value=-3600, max_value=3600),
    st.sampled_from([UTC, timezone(timedelta(hours=-11)), timezone(timedelta(hours=5, minutes=45))]),
)
def test_any_date_in_any_zone_is_the_same_moment(seconds: int, zone: timezone) -> None:
    header = format_datetime((NOW + timedelta(seconds=seconds)).astimezone(zone))
    assert retry_after(header, now=NOW) == min(max(seconds, 0), LONGEST_WAIT)


def unreachable(cause: Exception) -> ApiUnreachableError:
    error = ApiUnreachableError("x")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert retryable(ApiStatusError("x", status=status), idempotent=True)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422, 501])
def test_what_stays_is_not(status: int) -> None:
    assert not retryable(ApiStatusError("x", status=status), idempotent=True)


def test_what_must_not_be_done_twice_is_tried_again_only_where_nothing_was_done() -> None:
    tried = {status for status in range(300, 600) if retryable(ApiStatusError("x", status=status), idempotent=False)}
    assert tried == {429, 503}
    assert retryable(unreachable(httpx.ConnectError("refused")), idempotent=False)
    assert retryable(unreachable(httpx.ConnectTimeout("slow")), idempotent=False)
    assert not retryable(unreachable(httpx.ReadError("reset")), idempotent=False)
    assert not retryable(unreachable(httpx.ReadTimeout("slow")), idempotent=False)
    assert not retryable(unreachable(httpx.RemoteProtocolError("cut")), idempotent=False)


@pytest.mark.parametrize(
    "cause",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_a_broken_exchange_is_tried_again(cause: Exception) -> None:
    assert retryable(unreachable(cause), idempotent=True)


def test_an_answer_that_is_wrong_is_not_asked_for_again() -> None:
    assert not retryable(ApiAnswerError("x"), idempotent=True)
    assert not retryable(unreachable(httpx.LocalProtocolError("ours")), idempotent=True)
    assert not retryable(ValueError("ours"), idempotent=True)


def test_a_budget_begins_when_it_is_first_asked() -> None:
    now = [100.0]
    budget = Budget(10, clock=lambda: now[0])
    now[0] = 200.0
    assert budget.left() == 10
    now[0] = 212.0
    assert budget.left() == -2
