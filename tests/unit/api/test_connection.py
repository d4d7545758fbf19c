"""Where the key comes from, and where it may go."""

from __future__ import annotations

import pytest

from honeyhive.api.connection import Connection
from honeyhive.errors import ArgumentError

KEY = "hh-secret-1234567890"


def test_without_a_key_there_is_no_connection() -> None:
    assert Connection.found({}) is None
    assert Connection.found({"HH_API_KEY": " \n", "HONEYHIVE_API_KEY": ""}, api_key="  ") is None


def test_arguments_come_before_the_environment() -> None:
    environ = {"HH_API_KEY": "theirs", "HH_PROJECT": "their project", "HH_API_URL": "https://theirs.example"}
    found = Connection.found(environ, api_key="ours", project="our project", server_url="https://ours.example")
    assert found == Connection(api_key="ours", project="our project", server_url="https://ours.example")


@pytest.mark.parametrize(
    ("names", "value"),
    [
        (("HH_API_KEY", "HONEYHIVE_API_KEY"), "api_key"),
        (("HH_PROJECT", "HONEYHIVE_PROJECT"), "project"),
        (("HH_API_URL", "HONEYHIVE_SERVER_URL", "HONEYHIVE_API_URL", "HH_SERVER_URL"), "server_url"),
    ],
)
def test_the_older_name_comes_first_and_blank_is_not_given(names: tuple[str, ...], value: str) -> None:
    base = {"HH_API_KEY": "key"} if value != "api_key" else {}
    for position, name in enumerate(names):
        later = {other: f"https://{other.lower()}.example" for other in names[position:]}
        blank = dict.fromkeys(names[:position], "  ")
        found = Connection.found({**base, **blank, **later})
        assert found is not None
        assert getattr(found, value) == f"https://{name.lower()}.example"


def test_the_default_server_is_the_platforms() -> None:
    found = Connection.found({"HH_API_KEY": "key", "HH_API_URL": ""})
    assert found is not None
    assert found.server_url == "https://api.honeyhive.ai"
    assert found.project is None


def test_the_environment_may_say_how_long_a_step_takes() -> None:
    found = [Connection.found({"HH_API_KEY": "key", "HH_API_TIMEOUT": text}) for text in ("2.5", " ")]
    assert [connection and connection.timeout for connection in found] == [2.5, None]


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_timeout_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(ArgumentError, match="HH_API_TIMEOUT"):
        Connection.found({"HH_API_KEY": "key", "HH_API_TIMEOUT": text})


def test_white_space_around_a_key_is_not_part_of_it() -> None:
    found = Connection.found({"HH_API_KEY": f" {KEY}\r\n"})
    assert found is not None
    assert found.api_key == KEY


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel", "nul\x00", "\ud800"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        Connection(api_key=key)
    assert key == "" or key not in str(refused.value)


def test_the_key_is_in_no_text_of_the_connection() -> None:
    connection = Connection(api_key=KEY)
    assert KEY not in f"{connection} {connection!r}"


@pytest.mark.parametrize(
    ("address", "server_url", "origin"),
    [
        ("https://hh.example.com/", "https://hh.example.com", "https://hh.example.com"),
        ("HTTPS://HH.Example.com:8443/api/v2//", "https://hh.example.com:8443/api/v2", "https://hh.example.com:8443"),
        ("http://localhost:8000", "http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.8.9.1", "http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:80/x", "http://[::1]:80/x", "http://[::1]:80"),
        ("https://my_host.internal", "https://my_host.internal", "https://my_host.internal"),
    ],
)
def test_an_address_keeps_scheme_host_port_and_path(address: str, server_url: str, origin: str) -> None:
    connection = Connection(api_key=KEY, server_url=address)
    assert (connection.server_url, connection.origin) == (server_url, origin)
    assert connection.encrypted == address.lower().startswith("https")


@pytest.mark.parametrize(
    "address",
    [
        "api.honeyhive.ai",
        "ftp://api.honeyhive.ai",
        "https://",
        "https:///path",
        "https://host?x=1",
        "https://host?",
        "https://host#f",
        "https://host:0",
        "https://host:65536",
        "https://host:port",
        "https://host/../other",
        "https://host\\@evil.example",
        "https://ho st",
        "https://host\n.evil.example",
        "https://-host",
        "https://[zz]",
    ],
)
def test_what_is_more_or_less_than_an_address_is_refused(address: str) -> None:
    with pytest.raises(ArgumentError, match=r"address of a server|user or a password"):
        Connection(api_key=KEY, server_url=address)


@pytest.mark.parametrize("address", ["https://user:pa55@host", "https://pa55@host/x", "https://host/@pa55"])
def test_credentials_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        Connection(api_key=KEY, server_url=address)
    assert "pa55" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["http://api.honeyhive.ai", "http://localhost.evil.example", "http://128.0.0.1", "http://127.0.0.1.evil.example"],
)
def test_the_key_is_not_sent_unencrypted_to_another_machine(address: str) -> None:
    with pytest.raises(ArgumentError, match="unencrypted"):
        Connection(api_key=KEY, server_url=address)
