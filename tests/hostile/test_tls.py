"""Certificates and proxies: who is believed, and who sees nothing. The gate of a pull request, by the command."""

from __future__ import annotations

from pathlib import Path

from hostile.pulls import Story
from loopback import Loopback
from relays import certificate, relay


def test_a_certificate_of_another_name_is_not_believed(story: Story, tmp_path: Path) -> None:
    other = certificate(tmp_path, "DNS:github.example")
    with relay(to=story.bees.server.port, tls=other) as tls:
        url = f"https://127.0.0.1:{tls.port}"
        story.untold("CERTIFICATE_VERIFY_FAILED", GITHUB_API_URL=url, SSL_CERT_FILE=str(other.file))
    assert story.methods == []


def test_a_certificate_that_nobody_trusts_is_not_believed(story: Story, tmp_path: Path) -> None:
    with relay(to=story.bees.server.port, tls=certificate(tmp_path)) as tls:
        story.untold("CERTIFICATE_VERIFY_FAILED", GITHUB_API_URL=f"https://127.0.0.1:{tls.port}")
    assert story.methods == []


def test_tls_to_a_port_without_it_gets_no_token(story: Story, elsewhere: Loopback) -> None:
    port = elsewhere.url.rpartition(":")[2]
    story.untold("SSL", GITHUB_API_URL=f"https://127.0.0.1:{port}")
    assert elsewhere.asked == []


def test_a_proxy_leads_to_the_api_and_sees_nothing(story: Story, tmp_path: Path) -> None:
    trusted = certificate(tmp_path)
    with relay(to=story.bees.server.port, tls=trusted) as tls, relay() as proxy:
        env = {"GITHUB_API_URL": f"https://127.0.0.1:{tls.port}", "SSL_CERT_FILE": str(trusted.file)}
        story.told(**env, HTTPS_PROXY=f"http://bee:pa55word@127.0.0.1:{proxy.port}")
        assert {head.split(b"\r\n")[0] for head in proxy.heads} == {f"CONNECT 127.0.0.1:{tls.port} HTTP/1.1".encode()}
        assert all(story.scene.secrets[0].encode() not in head for head in proxy.heads)
        assert all(b"Basic " in head for head in proxy.heads)


def test_no_proxy_names_what_is_reached_without(story: Story, tmp_path: Path) -> None:
    trusted = certificate(tmp_path)
    with relay(to=story.bees.server.port, tls=trusted) as tls, relay() as proxy:
        env = {"GITHUB_API_URL": f"https://127.0.0.1:{tls.port}", "SSL_CERT_FILE": str(trusted.file)}
        story.told(**env, HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}", NO_PROXY="example.com, 127.0.0.1")
        assert proxy.heads == []


def test_a_proxy_that_refuses_is_told_without_its_password(story: Story) -> None:
    story.scene.secrets += ("pa55word",)
    with relay(refusal=b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as proxy:
        address = f"http://bee:pa55word@127.0.0.1:{proxy.port}"
        story.untold("407", GITHUB_API_URL="https://github.example", HTTPS_PROXY=address)
        assert len(proxy.heads) == 1


def test_what_is_not_encrypted_goes_through_no_proxy(story: Story) -> None:
    with relay() as proxy:
        story.told(HTTPS_PROXY=f"http://127.0.0.1:{proxy.port}", ALL_PROXY="", HTTP_PROXY="")
        assert proxy.heads == []


def test_neither_netrc_nor_a_key_log_has_a_part_in_it(story: Story, tmp_path: Path) -> None:
    home = story.scene.runner.folder / "_temp" / "_github_home"
    home.mkdir(parents=True, exist_ok=True)
    (home / ".netrc").write_text("machine 127.0.0.1 login evil password evil\n")
    log, trusted = tmp_path / "keys.log", certificate(tmp_path)
    with relay(to=story.bees.server.port, tls=trusted) as tls:
        story.told(
            GITHUB_API_URL=f"https://127.0.0.1:{tls.port}", SSL_CERT_FILE=str(trusted.file), SSLKEYLOGFILE=str(log)
        )
    assert not log.exists() or log.read_text() == ""
    heads = {one.headers["authorization"] for one in story.bees.server.requests[story.before :]}
    assert heads == {f"Bearer {story.scene.secrets[0]}"}
