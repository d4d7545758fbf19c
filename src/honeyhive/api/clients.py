"""The one place that makes HTTP clients: whom they trust, whom they go through, and what they never do."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TypedDict, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from honeyhive.api.deadline import Line
from honeyhive.errors import ApiUnreachableError

C = TypeVar("C", bound=httpx.Client | httpx.AsyncClient)

_KEEP_IDLE = 30.0


class Client(httpx.Client):
    """A blocking client, whose connection can be cut where it has only one."""

    line: Line


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What a client says with each request, and within which bounds.

    `headers` are all that it says: without an `accept-encoding` among them it asks for nothing that is packed.
    `certificates` names a file of those that it trusts, in the place of the process's own.
    """

    headers: Mapping[str, str]
    timeout: httpx.Timeout
    connections: int
    certificates: Path | None = None


def new_client(address: str, habits: Habits, *, transport: httpx.BaseTransport | None = None) -> Client:
    """A client of the server at that address; `ApiUnreachableError` where the environment does not allow for one.

    It follows no redirect, keeps no cookie, and takes nothing from the environment but the proxy and the certificates.
    `transport` takes the place of the network in tests.
    """
    direct = transport is not None
    client = _made(lambda: Client(transport=transport, **_settings(address, habits, direct=direct)))
    client.line = Line()
    return client


def new_async_client(
    address: str, habits: Habits, *, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """The same for an event loop."""
    direct = transport is not None
    return _made(lambda: httpx.AsyncClient(transport=transport, **_settings(address, habits, direct=direct)))


@cache
def ssl_context() -> ssl.SSLContext:
    """The one context of this process: making one takes as long as a dozen requests."""
    return _silent(httpx.create_ssl_context())


def proxy_of(address: str) -> str | None:
    """The proxy that the environment names for a server, by HTTPS_PROXY or ALL_PROXY, and not by NO_PROXY.

    None for what is not encrypted: a proxy would read it.
    """
    url = urlsplit(address)
    if url.scheme != "https":
        return None
    named = getproxies_environment()
    if any(map(proxy_bypass, (url.netloc, url.hostname or ""))):
        return None
    proxy = named.get("https") or named.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


class _Settings(TypedDict):
    """What both kinds of httpx client are made with."""

    headers: dict[str, str]
    timeout: httpx.Timeout
    limits: httpx.Limits
    verify: ssl.SSLContext
    proxy: httpx.Proxy | None
    trust_env: bool
    follow_redirects: bool
    http1: bool
    http2: bool
    cookies: CookieJar


def _settings(address: str, habits: Habits, *, direct: bool) -> _Settings:
    proxy = None if direct else proxy_of(address)
    most = habits.connections
    return {
        "headers": {"accept-encoding": "identity"} | {name.lower(): text for name, text in habits.headers.items()},
        "timeout": habits.timeout,
        "limits": httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_KEEP_IDLE),
        "verify": _trusted(address, habits.certificates),
        "proxy": None if proxy is None else _proxy(proxy),
        "trust_env": False,
        "follow_redirects": False,
        "http1": True,
        "http2": False,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    }


def _proxy(address: str) -> httpx.Proxy:
    encrypted = address.lower().startswith("https:")
    return httpx.Proxy(address, ssl_context=ssl_context() if encrypted else None)


def _trusted(address: str, certificates: Path | None) -> ssl.SSLContext:
    if not address.startswith("https:"):
        # An unencrypted connection needs no certificates, and this context trusts none.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl_context() if certificates is None else _silent(ssl.create_default_context(cafile=certificates))


def _silent(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, which writes no connection's secrets to the file that SSLKEYLOGFILE names: they hold our keys."""
    context.keylog_filename = None  # type: ignore[assignment] # how ssl is told that there is none
    return context


def _made(make: Callable[[], C]) -> C:
    try:
        return make()
    except ImportError as error:
        reason = str(error)
    except OSError as error:
        reason = f"the trusted certificates cannot be read: {error.strerror or type(error).__name__}"
    except (ValueError, httpx.InvalidURL):
        reason = "a proxy's address is none that can be used"
    # Raised out here, and without quoting it: a proxy's address may hold a password.
    raise ApiUnreachableError(
        f"no connection can be made here: {reason}", hint="see the proxy variables and SSL_CERT_FILE"
    )
