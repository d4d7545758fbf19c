"""Which values of a job's are secrets."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from honeyhive.ci.secrets import given_secrets, known_secrets, passed_secrets, secrets_of_checkout, variable_of
from honeyhive.ci.worker import PASSED_ON

VALUE = "0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "INPUT_GITHUB-TOKEN",
        "INPUT_API-KEY", "HH_API_KEY", "OPENAI_APIKEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "DB_PASSWORD",
        "DB_PASS", "MYSQL_PWD", "SENTRY_DSN", "SLACK_WEBHOOK_URL", "SESSION_COOKIE", "azureClientSecret",
        "GOOGLE_CREDENTIALS", "PRIVATE_KEY_PEM", "github_token", "NPM_AUTH",
    ],
)  # fmt: skip
def test_a_name_that_says_so_is_a_secrets(name: str) -> None:
    assert VALUE in known_secrets({name: VALUE})


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "PWD", "OLDPWD", "GITHUB_ACTOR", "GITHUB_REPOSITORY", "TOKEN_URL", "ACTIONS_ID_TOKEN_REQUEST_URL",
        "KEY_FILE", "MONKEY_NAME", "AUTHOR", "COMPASS", "INPUT_COMMENT-KEY", "PUBLIC_KEY", "GIT_AUTHOR_NAME", "",
    ],
)  # fmt: skip
def test_other_names_are_not(name: str) -> None:
    assert known_secrets({name: VALUE}) == frozenset()


@pytest.mark.parametrize(
    ("name", "secret"), [("CUSTOMER", True), ("MODEL_KEY", True), ("OPENAI_MODEL", False), ("A_URL", False)]
)
def test_what_is_passed_is_one_unless_its_name_says_otherwise(name: str, secret: bool) -> None:
    assert passed_secrets({name: VALUE}, [name, "MISSING"]) == (frozenset({VALUE}) if secret else frozenset())


def test_short_values_and_paths_are_none(tmp_path: Path) -> None:
    assert known_secrets({"A_KEY": "1234567", "B_KEY": " 123456 ", "C_KEY": str(tmp_path)}) == frozenset()


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("http://bee:p%40ssword1@proxy:8080", {"p%40ssword1", "p@ssword1"}),
        ("postgres://bee:0123456789@db/bees", {"0123456789"}),
        (f"https://{VALUE}@github.com/honey/bees", {VALUE}),
        (f"https://{VALUE}:x-oauth-basic@github.com", {VALUE, "x-oauth-basic"}),
        ("https://bee@github.com", set()),
        ("https://example.com/a@b:c", set()),
    ],
)
def test_the_password_in_an_address_is_one(address: str, secret: set[str]) -> None:
    assert known_secrets({"ADDRESS": address}) == secret


def test_secrets_within_json_are_secrets_too() -> None:
    value = json.dumps({"private_key": VALUE, "deep": [{"client_secret": VALUE[::-1]}], "project": "bees-and-honey"})
    assert known_secrets({"GOOGLE_CREDENTIALS": value}) == {value, VALUE, VALUE[::-1]}
    assert known_secrets({"GOOGLE_CREDENTIALS": "{no JSON at all"}) == {"{no JSON at all"}


def test_flags_give_them_too() -> None:
    assert given_secrets({"api-key": f" {VALUE} ", "github-token": None, "project": "bees-and-honey"}) == {VALUE}


def test_a_checkouts_configuration_may_hold_some(tmp_path: Path) -> None:
    assert secrets_of_checkout(tmp_path) == frozenset()
    (tmp_path / ".git").mkdir()
    header = base64.b64encode(f"x-access-token:{VALUE}".encode()).decode()
    remote = '[remote "origin"]\n\turl = https://b:hunter2hunter2@h/r\n'
    config = f"{remote}[http]\n\textraheader = AUTHORIZATION: basic {header}\n"
    (tmp_path / ".git" / "config").write_text(config)
    assert secrets_of_checkout(tmp_path) == {"hunter2hunter2", header, VALUE}


PUBLIC = ["postgres", "accuracy", "Baseline", "PRODUCTION", "20241105", "2024-11-05", "v10.12.1", "ground_truth"]


@pytest.mark.parametrize("value", PUBLIC)
def test_ordinary_words_and_the_keys_of_our_files_are_none_whatever_they_are_called(value: str) -> None:
    assert known_secrets({"SORT_KEY": value, "DB": f"postgres://bees:{value}@db/bees"}) == frozenset()
    assert passed_secrets({"VARIANT": value}, ["VARIANT"]) == frozenset()
    assert known_secrets({"GITHUB_TOKEN": value, "HH_API_KEY": value}) == {value}


RANDOM = ["abcdefghijklmnop", "qzxwvkjhgf", "aBcDeFgHiJ", "hunter22", "known-to-everybody", "123456789", "my_baseline"]


@pytest.mark.parametrize("value", RANDOM)
def test_what_could_be_chosen_by_chance_or_is_more_than_a_word_is_one(value: str) -> None:
    assert known_secrets({"SORT_KEY": value, "DB": f"postgres://bees:{value}@db/bees"}) == {value}
    assert passed_secrets({"VARIANT": value}, ["VARIANT"]) == {value}


def test_a_password_that_is_the_users_name_is_none() -> None:
    assert known_secrets({"DATABASE_URL": "postgres://bees-and-1-more:bees-and-1-more@db/bees"}) == frozenset()


@pytest.mark.parametrize("name", [*PASSED_ON, "LC_ALL", "GITHUB_RUN_NUMBER", "RUNNER_NAME"])
def test_what_everybody_has_is_none_when_it_is_passed_too(name: str) -> None:
    assert passed_secrets({name: VALUE}, [name]) == frozenset()


@pytest.mark.parametrize("name", ["GITHUB_APP_PRIVATE_KEY", "GITHUB_TOKEN", "GITHUB_PAT", "RUNNER_TOKEN"])
def test_of_githubs_names_those_that_say_so_are_secrets_all_the_same(name: str) -> None:
    assert passed_secrets({name: VALUE}, [name]) == {VALUE}


def test_the_variable_of_a_secret_is_found_by_what_is_in_a_text() -> None:
    environ = {"HOME": VALUE, "A_KEY": VALUE[::-1], "VARIANT": VALUE[2:]}
    assert variable_of(f"<{VALUE[::-1]}>".encode(), environ, ()) == "A_KEY"
    assert variable_of(f"<{VALUE}>".encode(), environ, ()) is None
    assert variable_of(f"<{VALUE}>".encode(), environ, ["VARIANT"]) == "VARIANT"
