"""A delivery that never begins, and the command that sends what is left."""

from __future__ import annotations

import shlex
from pathlib import Path

import httpx
import pytest

from builders import header, scored, write_run
from honeyhive.api.client import HoneyHive
from honeyhive.experiments.platform.delivery import Delivered, Delivery, upload_command
from honeyhive.experiments.platform.ledger import Ledger

SERVER = "https://hive.example"


def client(server: str = SERVER, project: str | None = None) -> HoneyHive:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was asked")

    return HoneyHive("hh-secret", project, server_url=server, transport=httpx.MockTransport(refuse))


def test_of_a_run_that_never_began_there_is_nothing_to_tell() -> None:
    delivered = Delivery(client()).end(cancelled=True)
    assert delivered == Delivered(sessions=0, of=0, ended=True, begun=False)
    assert delivered.complete
    assert delivered.reason is None


def test_a_run_that_another_server_has_goes_on_and_is_not_sent(tmp_path: Path) -> None:
    outcomes = [scored(f"EXT-{n}", {"index": n, "session_id": f"s-{n}"}) for n in range(2)]
    run_file = write_run(tmp_path / "run.jsonl", outcomes)
    Ledger.beside(run_file, "https://other.example").close()
    delivery = Delivery(client())
    delivery.begin(run_file, header(), ["EXT-0", "EXT-1"])
    delivery.follow(outcomes[0], None)
    delivered = delivery.end(cancelled=False)
    assert (delivered.sessions, delivered.of, delivered.complete, delivered.begun) == (0, 2, False, False)
    assert delivered.reason is not None
    assert "https://other.example" in delivered.reason
    assert SERVER in delivered.reason


@pytest.mark.parametrize("put", ["folder", "link"])
def test_a_ledger_that_is_none_keeps_no_run_from_going_on(tmp_path: Path, put: str) -> None:
    run_file = write_run(tmp_path / "run.jsonl", [scored()])
    beside = tmp_path / "run.sent.jsonl"
    beside.mkdir() if put == "folder" else beside.symlink_to(tmp_path / "nowhere")
    delivery = Delivery(client())
    delivery.begin(run_file, header(), [])
    delivered = delivery.end(cancelled=False)
    assert not delivered.complete
    assert str(beside) in str(delivered.reason)


@pytest.mark.parametrize(
    ("environ", "project", "words"),
    [
        ({"HH_API_URL": SERVER}, None, []),
        ({"HONEYHIVE_SERVER_URL": f"{SERVER}/", "HH_PROJECT": "my bees"}, "my bees", []),
        ({}, None, ["--server-url", SERVER]),
        ({"HH_API_URL": "https://other.example"}, None, ["--server-url", SERVER]),
        ({"HH_API_URL": "no address"}, None, ["--server-url", SERVER]),
        ({"HH_API_URL": SERVER}, "my bees", ["--project", "my bees"]),
        ({"HH_API_URL": SERVER, "HH_PROJECT": "wasps"}, "my bees", ["--project", "my bees"]),
    ],
)
def test_the_command_says_what_the_environment_does_not(
    environ: dict[str, str], project: str | None, words: list[str]
) -> None:
    command = upload_command(Path("my runs/qa.jsonl"), client(project=project), environ)
    assert shlex.split(command) == ["honeyhive", "upload", "my runs/qa.jsonl", *words]


def test_the_key_is_in_no_command() -> None:
    assert "hh-secret" not in upload_command(Path("qa.jsonl"), client(), {"HH_API_KEY": "hh-other-secret"})
    assert "secret" not in upload_command(Path("qa.jsonl"), client(), {"HH_API_KEY": "hh-other-secret"})
