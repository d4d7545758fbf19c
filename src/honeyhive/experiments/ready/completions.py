"""A chat-completions endpoint: one request and its retries, connections kept as long as the event loop runs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import httpx
import stamina

from honeyhive.api.clients import Habits, new_async_client
from honeyhive.api.retries import retry_after
from honeyhive.documents import compact_json, shown
from honeyhive.documents.redactor import redactor_of
from honeyhive.errors import ApiUnreachableError, JudgeError
from honeyhive.experiments.ready.prompts import NoAnswerError

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MAX_ANSWER = 4 * 2**20
_NOT_ENCODED = frozenset({"", "identity", "none"})
_EXCERPT = 300
_SHORTEST_SECRET = 8  # what stands for a key where none is needed, such as "none", is in any text
_MAX_CONNECTIONS = 100


class _PassingError(Exception):
    """What may not be there the next time: the `error` that it is on the last; `wait` is what the endpoint asks for."""

    def __init__(self, error: JudgeError, *, wait: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoint:
    """Where chat completions are asked for; `timeout` seconds for each of at most so many attempts."""

    base_url: str
    timeout: float
    attempts: int
    first_wait: float = 0.5
    _clients: _Clients = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Nothing is opened before it is needed."""
        object.__setattr__(self, "_clients", _Clients(self.base_url))

    @property
    def origin(self) -> str:
        """Scheme and host: the only place that a key goes to."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    async def complete(self, body: dict[str, Any], key: str | None) -> str:
        """The text of the answer's first choice; `NoAnswerError` where it has none, `JudgeError` without an answer."""
        client = await self._clients.of_this_loop()
        try:
            async for attempt in stamina.retry_context(
                on=_again,
                attempts=self.attempts,
                timeout=None,
                wait_initial=self.first_wait,
                wait_max=20.0,
                wait_jitter=self.first_wait,
            ):
                with attempt:
                    return await self._once(client, body, key)
        except _PassingError as last:
            raise last.error from last.__cause__
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, client: httpx.AsyncClient, body: dict[str, Any], key: str | None) -> str:
        status, headers, answer = await self._exchange(client, body, key)
        if status != 200:
            raise self._refusal(status, headers, answer, key)
        return _content(answer, self.origin, key)

    async def _exchange(
        self, client: httpx.AsyncClient, body: dict[str, Any], key: str | None
    ) -> tuple[int, httpx.Headers, bytes]:
        headers = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        url = f"{self.base_url}/chat/completions"
        failed: Exception
        try:
            async with (
                asyncio.timeout(self.timeout),
                client.stream("POST", url, content=compact_json(body), headers=headers) as response,
            ):
                return response.status_code, response.headers, await self._read(response)
        except TimeoutError as error:
            failed, message = error, f"gave no answer within {self.timeout:g} s"
        except httpx.HTTPError as error:
            failed, message = error, f"cannot be reached: {type(error).__name__}"
        # Raised out here, for what the endpoint has sent, maybe the key, stands in some of httpx's errors.
        cause = failed if isinstance(failed, TimeoutError | httpx.NetworkError) else None
        raise _PassingError(JudgeError(f"{self.origin} {message}")) from cause

    async def _read(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in _NOT_ENCODED:
            # A few bytes of it may fill the memory. Its status still says whether to ask again.
            if response.status_code != 200:
                return b""
            raise JudgeError(f"{self.origin} answered in the encoding {shown(encoding)}, which was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_ANSWER:
                raise JudgeError(f"{self.origin} answered with more than {_MAX_ANSWER} bytes")
        return bytes(body)

    def _refusal(
        self, status: int, headers: httpx.Headers, answer: bytes, key: str | None
    ) -> JudgeError | _PassingError:
        message = f"{self.origin} answered with status {status}: {_quoted(answer, key)}"
        if status in _PASSING:
            return _PassingError(JudgeError(message), wait=retry_after(headers.get("retry-after")))
        if 300 <= status < 400:
            return JudgeError(message, hint="it redirects elsewhere, where the key does not go: mend base_url")
        hint = "see the key, the model's name and base_url"
        if status == 400:
            hint = "some models know no response_format: parameters={'response_format': None} leaves it out"
        return JudgeError(message, hint=hint)


class _Clients:
    """One HTTP client for each event loop: connections belong to the loop that made them, and end with it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._kept: dict[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[None, None]]] = {}

    async def of_this_loop(self) -> httpx.AsyncClient:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop in self._kept:
                return self._kept[loop][0]
            client = self._new()
            ending = self._until_the_end(loop, client)
            self._kept[loop] = client, ending
        await anext(ending)
        return client

    async def _until_the_end(
        self, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient
    ) -> AsyncGenerator[None, None]:
        """Begun on a loop, it is closed by that loop before it ends."""
        try:
            yield
        finally:
            with self._lock:
                del self._kept[loop]
            await client.aclose()

    def _new(self) -> httpx.AsyncClient:
        # Each attempt is bounded as a whole, and says itself whose key it has.
        habits = Habits(headers={}, timeout=httpx.Timeout(None), connections=_MAX_CONNECTIONS)
        try:
            return new_async_client(self._address, habits)
        except ApiUnreachableError as error:
            raise JudgeError(error.message, hint=error.hint) from error


def without_key(key: str | None, text: str) -> str:
    """The text without the key, should the endpoint send it back."""
    return redactor_of(key).text(text) if _is_secret(key) else text


def _quoted(answer: bytes, key: str | None) -> str:
    text = answer.decode(errors="replace")
    return shown(redactor_of(key).beginning(text, _EXCERPT) if _is_secret(key) else text, _EXCERPT)


def _is_secret(key: str | None) -> TypeGuard[str]:
    return key is not None and len(key) >= _SHORTEST_SECRET


def _again(error: Exception) -> bool | float:
    if not isinstance(error, _PassingError):
        return False
    return True if error.wait is None else error.wait


def _content(answer: bytes, origin: str, key: str | None) -> str:
    """What the model said, out of a chat completion; without the key, should the answer hold it."""
    is_completion = True
    try:
        choices = json.loads(answer)["choices"]
    except (ValueError, RecursionError, KeyError, TypeError):
        is_completion = False
    if not is_completion:  # raised out here, for the decoder's error holds the whole answer
        raise JudgeError(f"{origin} answered with no chat completion: {_quoted(answer, key)}", hint="see base_url")
    try:
        message = choices[0]["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise NoAnswerError("the completion has no message") from error
    if not isinstance(content, str) or not content.strip():
        raise NoAnswerError(
            f"it refused: {shown(without_key(key, refusal))}" if isinstance(refusal, str) else "the message is empty"
        )
    return without_key(key, content)
