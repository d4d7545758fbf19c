"""Which values of a job's are secrets: its tokens, what is called so, and what `pass-env` hands on."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from honeyhive.documents.redactor import SHORTEST, Redactor
from honeyhive.regular import open_regular

_INPUTS = ("INPUT_GITHUB-TOKEN", "INPUT_API-KEY")
"""The other inputs are no secrets, `comment-key` among them."""
_FLAGS = ("github-token", "api-key")
_OWN = ("GITHUB_TOKEN", "HH_API_KEY", "HONEYHIVE_API_KEY", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""Tokens whatever they look like."""
_SECRET = frozenset(
    {"AUTH", "AUTHORIZATION", "BEARER", "COOKIE", "CREDENTIAL", "CREDENTIALS", "CREDS", "DSN", "JWT", "PASS",
     "PASSPHRASE", "PASSWD", "PAT", "PRIVATE", "PWD", "SALT", "SAS", "SESSION", "SIGNATURE", "SIGNING", "WEBHOOK"}
)  # fmt: skip
_ENDS = ("KEY", "KEYS", "TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWORDS", "PWD")
_PLAIN = frozenset(
    {"ADDRESS", "BASE", "CLASS", "COUNT", "DEBUG", "DEPLOYMENT", "DIR", "DIRECTORY", "DOMAIN", "ENABLED", "ENDPOINT",
     "ENV", "ENVIRONMENT", "FILE", "FORMAT", "HOME", "HOST", "HOSTNAME", "LANG", "LEVEL", "LIMIT", "LOCALE", "LOCATION",
     "MODE", "MODEL", "MODELS", "NAME", "ORG", "ORGANIZATION", "PATH", "PORT", "PROJECT", "PROVIDER", "PROXY", "REGION",
     "SEED", "SERVER", "SIZE", "SOCK", "TEMPERATURE", "TIMEOUT", "TYPE", "TZ", "URI", "URL", "USER", "USERNAME",
     "VERSION", "ZONE"}
)  # fmt: skip
_USUAL = frozenset(
    {
        "CI",
        "LANGUAGE",
        "LOGNAME",
        "SHELL",
        "TERM",
        "TMPDIR",
        "PATH",
        "LANG",
        "HONEYHIVE_TELEMETRY",
        "HH_TELEMETRY",
        "HONEYHIVE_MERGE_BASE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "PIP_CERT",
    }
)
"""What everybody has, under names that do not say what it is."""
_WORD = re.compile(r"(?!.*[^aeiouy]{5})(?:[a-z]{1,15}|[A-Z][a-z]{1,14})|(?!.*[^AEIOUY]{5})[A-Z]{1,15}")
"""One that can be pronounced, more or less: sixteen letters at random are a password of Google's."""
_FIGURES = re.compile(r"[0-9]{1,8}|v?[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}|[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAMED_KEY = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")
_ALWAYS = frozenset({"DSN", "WEBHOOK"})
"""Secrets although their values are addresses."""
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://(?P<user>[^/\s:@?#]*)(?::(?P<password>[^/\s@]*))?@", re.IGNORECASE)
_LONG_USER = 16
"""An address may have a token for its user and no password; a name is shorter."""
_HEADER = re.compile(
    r"extraheader\s*=\s*\"?[\w-]+:\s*(?:(?P<scheme>basic|bearer|token)\s+)?(?P<value>\S+)", re.IGNORECASE
)
_LONGEST_CONFIG = 2**20


def known_secrets(environ: Mapping[str, str]) -> frozenset[str]:
    """The tokens of the job, whatever is called a secret, and the passwords in addresses."""
    return frozenset(secret for name, value in environ.items() for secret in _of(name, value))


def given_secrets(flags: Mapping[str, Any]) -> frozenset[str]:
    """What the command line gives for the job's tokens."""
    return _long_enough(value.strip() for name in _FLAGS if isinstance(value := flags.get(name), str))


def passed_secrets(environ: Mapping[str, str], names: Iterable[str]) -> frozenset[str]:
    """What the user's code is given by name, unless the name plainly says that it is no secret."""
    there = [name for name in names if name in environ]
    return frozenset(secret for name in there for secret in _of(name, environ[name], passed=True))


def variable_of(text: bytes, environ: Mapping[str, str], passed: Iterable[str]) -> str | None:
    """The name of a variable whose secret is in the text, where it is one's."""
    given = set(passed)
    found = ((name, Redactor(_of(name, value, passed=name in given))) for name, value in environ.items())
    return next((name for name, redactor in found if redactor.finds(text)), None)


def secrets_of_checkout(root: Path) -> frozenset[str]:
    """The credentials that a checkout has left in its configuration."""
    try:
        with os.fdopen(open_regular(root / ".git" / "config"), encoding="utf-8", errors="replace") as stream:
            text = stream.read(_LONGEST_CONFIG)
    except OSError:
        return frozenset()
    headers = [
        part for found in _HEADER.finditer(text) for part in _of_header(found["scheme"], found["value"].rstrip('"'))
    ]
    return _long_enough([*headers, *_passwords([text])])


def _of(name: str, value: str, *, passed: bool = False) -> frozenset[str]:
    """The secrets in the value of a variable, `passed` to the user's code or not."""
    if name in _OWN or name in _INPUTS:
        return _long_enough([value, value.strip(), *_passwords([value])])
    called_so = _is_secret(name) and not name.startswith("INPUT_")
    named = _with_parts([value]) if called_so or (passed and not _is_plain(name)) else ()
    return frozenset(found for found in _long_enough([*named, *_passwords([value])]) if not _is_public(found))


def _is_public(value: str) -> bool:
    """Whether it is a word, a small number, a version or a date, which ordinary text has too, or a key of our files."""
    if _WORD.fullmatch(value) or _FIGURES.fullmatch(value):
        return True
    return _NAMED_KEY.fullmatch(value) is not None and value in _our_keys()


@cache
def _our_keys() -> frozenset[str]:
    """What the run file, the report and the comparison are written with: to redact that would make them unreadable."""
    from honeyhive.ci.reports.report_json import Document  # noqa: PLC0415 - hardly any job needs it
    from honeyhive.ci.schemas import schema_of  # noqa: PLC0415 - as above
    from honeyhive.runlines import LINES  # noqa: PLC0415 - as above

    schemas = [model.model_json_schema() for model in (Document, *LINES.values())]
    return frozenset(_keys([schema_of("comparison"), *schemas]))


def _keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(found := schema.get("properties"), dict):
            yield from found
        yield from _keys(list(schema.values()))
    elif isinstance(schema, list):
        for part in schema:
            yield from _keys(part)


def _is_secret(name: str) -> bool:
    """By its name; one that says what else it is, such as `TOKEN_URL`, is none."""
    parts = _parts(name)
    if not parts or (parts[-1] in _PLAIN and not _ALWAYS & set(parts)) or parts[0] == "PUBLIC":
        return False
    return any(part in _SECRET or part.endswith(_ENDS) for part in parts) and parts not in (["PWD"], ["OLDPWD"])


def _is_plain(name: str) -> bool:
    parts = _parts(name)
    if name in _USUAL or (name.startswith(("GITHUB_", "RUNNER_", "LC_")) and not _is_secret(name)):
        return True
    return bool(parts) and parts[-1] in _PLAIN and not _ALWAYS & set(parts)


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[^A-Z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()) if part]


def _with_parts(values: Iterable[str]) -> Iterator[str]:
    """The values, and the secrets in those that are JSON, such as the key of a service account; no path of a file."""
    for value in values:
        if not _is_path(value):
            yield value
            if value.lstrip().startswith("{"):
                with suppress(ValueError, RecursionError):
                    yield from _in_json(json.loads(value))


def _in_json(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _in_json(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _in_json(part, name)
    elif isinstance(value, str) and _is_secret(name):
        yield value


def _is_path(value: str) -> bool:
    try:
        return value.startswith(("/", "./", "~/")) and Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _passwords(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for found in _USERINFO.finditer(text) if "@" in text else ():
            user, password = found["user"], found["password"]
            if password == user:  # as databases have it that are there for the tests
                continue
            kept = password if password is not None else user if len(user) >= _LONG_USER else ""
            yield from (kept, unquote(kept))
            if password is not None and len(user) >= _LONG_USER:  # `https://TOKEN:x-oauth-basic@`
                yield user


def _of_header(scheme: str | None, value: str) -> Iterator[str]:
    yield value
    if scheme and scheme.lower() == "basic":
        with suppress(binascii.Error, ValueError):
            yield base64.b64decode(value).decode("utf-8").partition(":")[2]


def _long_enough(values: Iterable[str]) -> frozenset[str]:
    return frozenset(value for value in values if len(value.strip()) >= SHORTEST)
