"""Where the API is, and the key to it: from arguments, else from the environment."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from honeyhive.documents import shown
from honeyhive.errors import ArgumentError

DEFAULT_SERVER = "https://api.honeyhive.ai"
KEY_VARIABLES = ("HH_API_KEY", "HONEYHIVE_API_KEY")
PROJECT_VARIABLES = ("HH_PROJECT", "HONEYHIVE_PROJECT")
SERVER_VARIABLES = ("HH_API_URL", "HONEYHIVE_SERVER_URL", "HONEYHIVE_API_URL", "HH_SERVER_URL")
TIMEOUT_VARIABLES = ("HH_API_TIMEOUT",)

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[a-z0-9._~%-]+)*)/*",
    re.IGNORECASE | re.ASCII,  # without it ſ is a kind of s, and "httpſ" one of "https"
)
_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """The API's address and the key to it; the key is in no text that shows it.

    `timeout` is what the environment says of the time for each step of an exchange, in seconds.
    """

    api_key: str = field(repr=False)
    project: str | None = None
    server_url: str = DEFAULT_SERVER
    timeout: float | None = None

    def __post_init__(self) -> None:
        """`ArgumentError` for a key that is none, and for an address that the key must not be sent to."""
        key = self.api_key.strip()
        if not _KEY.fullmatch(key):
            raise ArgumentError(
                "the API key is empty or holds characters that no key has", hint="is HH_API_KEY what HoneyHive shows?"
            )
        object.__setattr__(self, "api_key", key)
        object.__setattr__(self, "project", _given(self.project))
        object.__setattr__(self, "server_url", _server(self.server_url.strip()))

    @classmethod
    def found(
        cls,
        environ: Mapping[str, str],
        *,
        api_key: str | None = None,
        project: str | None = None,
        server_url: str | None = None,
    ) -> Connection | None:
        """The connection that arguments and environment make; None where neither gives a key. Blank is not given."""
        key = _given(api_key) or _first(environ, KEY_VARIABLES)
        if key is None:
            return None
        return cls(
            api_key=key,
            project=_given(project) or _first(environ, PROJECT_VARIABLES),
            server_url=_given(server_url) or _first(environ, SERVER_VARIABLES) or DEFAULT_SERVER,
            timeout=_seconds(_first(environ, TIMEOUT_VARIABLES)),
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port: the one place that the key is sent to."""
        scheme, _, rest = self.server_url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    @property
    def encrypted(self) -> bool:
        """Whether the key travels encrypted; where not, it does not leave the machine."""
        return self.server_url.startswith("https:")


def _given(value: str | None) -> str | None:
    return (value or "").strip() or None


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := _given(environ.get(name)))), None)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ArgumentError(f"HH_API_TIMEOUT is {shown(text)}", hint="give seconds, such as 30")
    return seconds


def _server(address: str) -> str:
    """The address without a slash at its end; refused where it holds more than scheme, host, port and path."""
    if "@" in address:
        # Not quoted: what stands before the @ is a credential.
        raise ArgumentError("the server's address holds a user or a password", hint="the key is given as HH_API_KEY")
    url = _URL.fullmatch(address)
    if url is None or not _is_port(url["port"]) or {".", ".."} & set(url["path"].split("/")):
        raise ArgumentError(
            f"{shown(address)} is not the address of a server", hint=f"give one such as {DEFAULT_SERVER}"
        )
    scheme, host = url["scheme"].lower(), url["host"].lower()
    if scheme == "http" and not _is_loopback(host):
        raise ArgumentError(
            f"{shown(address)} would send the key unencrypted",
            hint="give an address with https; http is for this machine only",
        )
    port = f":{url['port']}" if url["port"] else ""
    return f"{scheme}://{host}{port}{url['path']}"


def _is_port(digits: str | None) -> bool:
    return digits is None or 0 < int(digits) < 2**16


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
