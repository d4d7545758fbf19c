"""The one factory of HTTP clients: what they take from the environment, and that nobody else makes any."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from honeyhive.api.clients import Habits, new_async_client, new_client, proxy_of, ssl_context
from loopback import Loopback, Reply

SOURCE = Path(__file__).parents[3] / "src" / "honeyhive"
HABITS = Habits(headers={"Authorization": "Bearer x"}, timeout=httpx.Timeout(5), connections=1)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
MAKING = {
    *(f"httpx.{name}" for name in ("Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport")),
    *(f"httpx.{name}" for name in ("get", "post", "put", "patch", "delete", "head", "options", "request", "stream")),
    *("urllib.request.urlopen", "urlopen", "http.client.HTTPConnection", "http.client.HTTPSConnection"),
    *("requests.get", "requests.post", "requests.Session", "socket.create_connection"),
}
"""What makes a connection in a way of its own."""


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
        elif isinstance(node, ast.ClassDef):
            yield from map(ast.unparse, node.bases)


def test_clients_are_made_in_one_place() -> None:
    making = {
        path.relative_to(SOURCE).as_posix(): found
        for path in SOURCE.rglob("*.py")
        if (found := MAKING.intersection(_calls(ast.parse(path.read_text("utf-8")))))
    }
    assert making == {"api/clients.py": {"httpx.Client", "httpx.AsyncClient"}}


@pytest.mark.parametrize(
    ("environ", "address", "proxy"),
    [
        ({}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://api.example", "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "https://api.example/v1", "http://proxy:3128"),
        ({"ALL_PROXY": "http://proxy"}, "https://api.example", "http://proxy"),
        ({"HTTP_PROXY": "http://proxy"}, "https://api.example", None),
        ({"HTTP_PROXY": "http://proxy", "ALL_PROXY": "http://proxy"}, "http://127.0.0.1:9", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "example"}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": " .example , x"}, "https://api.example:8443", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "pi.example"}, "https://api.example", "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "api.example:1"}, "https://api.example:2", "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy", "no_proxy": "*"}, "https://api.example", None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "::1"}, "https://[::1]:8443", None),
        ({"HTTPS_PROXY": ""}, "https://api.example", None),
    ],
)
def test_the_proxy_of_an_address(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], address: str, proxy: str | None
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(address) == proxy


def test_the_environment_is_not_trusted_but_for_the_proxy() -> None:
    with new_client("https://api.example", HABITS) as client:
        assert not client.trust_env
        assert not client.follow_redirects
        assert client.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_cookie_kept(status: int) -> None:
    server = Loopback()
    server.usual = Reply(status=status, headers={"Location": "/there", "Set-Cookie": "spy=1; Path=/"})

    async def twice() -> None:
        async with new_async_client(server.url, HABITS) as client:
            for _ in range(2):
                assert (await client.get(server.url)).status_code == status

    try:
        with new_client(server.url, HABITS) as client:
            for _ in range(2):
                assert client.get(server.url).status_code == status
        asyncio.run(twice())
    finally:
        server.close()
    assert [one.path for one in server.asked] == ["/"] * 4
    assert all("cookie" not in one.headers for one in server.asked)


def test_no_connection_is_written_to_a_key_log(tmp_path: Path) -> None:
    script = "from honeyhive.api.clients import ssl_context; print(ssl_context().keylog_filename)"
    env = {"SSLKEYLOGFILE": str(tmp_path / "keys.log")}
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=env)
    assert done.stdout == "None\n"


def test_old_tls_is_not_spoken() -> None:
    assert ssl_context().minimum_version >= 0x0303  # TLS 1.2


def test_a_client_may_have_no_time_limit_of_its_own() -> None:
    endless = Habits(headers={}, timeout=httpx.Timeout(None), connections=1)
    with new_client("http://127.0.0.1:1", endless) as client:
        assert client.timeout.read is None
