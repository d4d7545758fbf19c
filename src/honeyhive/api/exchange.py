"""One exchange with the API: what a request looks like on the wire, and what its answer, or its failure, means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from honeyhive.api.call import Call
from honeyhive.api.connection import Connection
from honeyhive.api.retries import retry_after
from honeyhive.documents import shown
from honeyhive.documents.redactor import redactor_of
from honeyhive.errors import (
    ApiAnswerError,
    ApiBusyError,
    ApiError,
    ApiKeyError,
    ApiNotFoundError,
    ApiStatusError,
    ApiUnreachableError,
)

T = TypeVar("T")

MAX_ANSWER = 64 * 2**20
"""No answer of the API is longer: one that is is refused before it fills the memory."""

_EXCERPT = 300
_KNOWN_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_CONTROLS = re.compile("[\x00-\x20\x7f-\xa0\u061c\u200b-\u200f\u2028-\u202f\u2066-\u2069\ud800-\udfff\ufeff]+")


@dataclass(frozen=True, kw_only=True)
class Received:
    """An answer as it came, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@cache
def _product() -> str:
    return version("honeyhive")


def headers(connection: Connection) -> dict[str, str]:
    """What every request says of us, and the key."""
    return {
        "Authorization": f"Bearer {connection.api_key}",
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Content-Type": "application/json",
        "User-Agent": f"honeyhive-python/{_product()}",
        "hh-client-version": _product(),
        "hh-client-language": "python",
        "hh-client-package": "honeyhive",
    }


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Reads answers to requests over one connection; what it says of them never holds the key."""

    connection: Connection

    def result(self, call: Call[T], received: Received) -> T:
        """What the answer is, or the `ApiError` that it means."""
        if not 200 <= received.status < 300:
            raise self._refusal(call, received)
        value = self._value(call, received)
        try:
            return call.parse(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{where or 'the answer'}: {first['msg'].lower()}"
        except ApiAnswerError as error:
            message = error.message
        # Raised out here, for those errors hold pieces of the answer, and the answer may hold the key.
        raise self._not_described(call, message, received)

    def check_head(self, call: Call[T], head: Mapping[str, str]) -> None:
        """Refuse an answer by its headers: one that is too long, or that a few bytes of could fill the memory."""
        encoding = head.get("content-encoding", "").strip().lower()
        if encoding not in _KNOWN_ENCODINGS:
            raise self._answer_error(call, f"the answer is encoded as {shown(encoding)}, which was not asked for")
        length = head.get("content-length", "")
        if length.isdecimal() and int(length) > MAX_ANSWER:
            raise self.too_long(call)

    def too_long(self, call: Call[T]) -> ApiAnswerError:
        """The error for an answer that does not end."""
        return self._answer_error(call, f"the answer is longer than {MAX_ANSWER // 2**20} MiB")

    def failure(self, call: Call[T], error: httpx.HTTPError | httpx.InvalidURL) -> ApiError:
        """The error for an exchange that did not come to a whole answer."""
        if isinstance(error, httpx.DecodingError):
            return self._answer_error(call, "the answer cannot be decompressed")
        what = self.clean(str(error)) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            what = f"no answer in time ({type(error).__name__})"
        hint = f"is {self.connection.origin} reachable from here? HH_API_URL names another server"
        if "CERTIFICATE_VERIFY_FAILED" in what:
            hint = "SSL_CERT_FILE names the certificates that are trusted here"
        return ApiUnreachableError(f"{call.request}: {what}", hint=hint, request=call.request)

    def cause(self, error: Exception) -> Exception | None:
        """The error to be kept as the cause; none where its own text holds the key, which a server may echo."""
        key, text = self.connection.api_key, str(error)
        return None if redactor_of(key).finds(text.encode("utf-8", "replace")) else error

    def overdue(self, call: Call[T], seconds: float) -> ApiUnreachableError:
        """The error for an exchange that took all the time that there was."""
        message = f"{call.request}: no whole answer within {seconds:g} s"
        return ApiUnreachableError(message, hint="try later, or allow more time", request=call.request)

    def clean(self, text: str) -> str:
        """A stranger's text on one line: without the key, without control characters, and not longer than we quote."""
        text = redactor_of(self.connection.api_key).beginning(_CONTROLS.sub(" ", text).strip(), _EXCERPT)
        return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 1]}…"

    def _value(self, call: Call[T], received: Received) -> object:
        body = received.body.strip()
        if not body:
            return None
        try:
            return json.loads(body, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        # Raised out here, for the decoder's own error holds the whole text.
        raise self._not_described(call, f"the answer is not JSON: {reason}", received)

    def _not_described(self, call: Call[T], message: str, received: Received) -> ApiAnswerError:
        excerpt = self.clean(received.body.decode("utf-8", "replace"))
        return self._answer_error(call, f"{self.clean(message)}: {excerpt}" if excerpt else self.clean(message))

    def _answer_error(self, call: Call[T], message: str) -> ApiAnswerError:
        hint = f"is {self.connection.origin} the HoneyHive API? HH_API_URL names another server"
        return ApiAnswerError(f"{call.request}: {message}", hint=hint, request=call.request)

    def _refusal(self, call: Call[T], received: Received) -> ApiStatusError:
        status = received.status
        if 300 <= status < 400:
            message, hint = self._redirect(received), "HH_API_URL names the server: give the address it has now"
        else:
            message, hint = self.clean(received.body.decode("utf-8", "replace")), _HINTS.get(status, "")
        text = f"{call.request}: {_status(status)}{': ' if message else ''}{message}"
        wait = retry_after(received.headers.get("retry-after"))
        shape = _ERRORS.get(status, ApiStatusError)
        return shape(text, status=status, retry_after=wait, hint=hint, request=call.request)

    def _redirect(self, received: Received) -> str:
        """Where it leads, without what may stand in its query; we go nowhere, for the key would go along."""
        try:
            target = urlsplit(received.headers.get("location", ""))
            place = f"{target.scheme}://{target.hostname}" if target.hostname else target.path
        except ValueError:
            place = ""
        return f"a redirect to {self.clean(place) or 'nowhere'}, which is not followed"


_ERRORS: Mapping[int, type[ApiStatusError]] = {
    401: ApiKeyError,
    403: ApiKeyError,
    404: ApiNotFoundError,
    429: ApiBusyError,
}
_HINTS = {
    401: "is HH_API_KEY the key of this server, and still valid?",
    403: "may this key do that? A key belongs to one project",
    404: "is the id right, and does the key belong to its project?",
    413: "the body is too large for the server",
    429: "try later, or with fewer workers",
    500: "try later",
    502: "try later",
    503: "try later",
    504: "try later",
}


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")
