"""Clients that the environment does not allow for."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from honeyhive.api.client import HoneyHive
from honeyhive.api.clients import ssl_context
from honeyhive.errors import ApiUnreachableError
from loopback import KEY, QUICK

WRONG = {
    "HTTPS_PROXY": "ftp://user:pa55word@127.0.0.1:9",
    "https_proxy": "http://user:pa55/word@127.0.0.1:9",
    "ALL_PROXY": "socks5://user:pa55word@127.0.0.1:9",
}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[HoneyHive]:
    for name in (*WRONG, "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    ssl_context.cache_clear()
    with HoneyHive(KEY, server_url="https://127.0.0.1:9", retries=QUICK) as made:
        yield made
    ssl_context.cache_clear()


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_a_proxy_that_cannot_be_used_is_an_error_of_the_tree(
    client: HoneyHive, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ApiUnreachableError, match=r"no connection can be made here: .*proxy variables") as blocked:
        client.events.update({"event_id": "e"})
    assert "pa55" not in "".join(traceback.format_exception(blocked.value))
    with pytest.raises(ApiUnreachableError, match="no connection can be made here"):
        asyncio.run(client.events.update_async({"event_id": "e"}))


def test_certificates_that_are_not_there_are_an_error_of_the_tree(
    client: HoneyHive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ApiUnreachableError, match=r"certificates cannot be read: No such file.*SSL_CERT_FILE"):
        client.events.update({"event_id": "e"})
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    with pytest.raises(ApiUnreachableError, match="certificates cannot be read"):
        client.events.update({"event_id": "e"})
