"""An OpenTelemetry backend beside HoneyHive: where the environment names one, a run's spans go there too."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from honeyhive.documents.redactor import NO_SECRETS, Redactor
from honeyhive.errors import ApiUnreachableError
from honeyhive.tracer.warning import warn

if TYPE_CHECKING:  # it costs httpx, which a run without a backend does not need
    from honeyhive.tracer.sending import SpanSink

_TIMEOUT = 10.0
_LONGEST_IN_SECONDS = 600.0
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Where spans are sent by OTLP over HTTP, and how. Its headers hold keys, so they are in no text that shows it."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = _TIMEOUT
    gzip: bool = False
    json: bool = False
    certificate: str | None = None

    @property
    def host(self) -> str:
        """What a message may say of the address: its path and its user may be secret."""
        return urlsplit(self.url).hostname or ""


def otlp_backend(environ: Mapping[str, str]) -> Backend | None:
    """The backend that OpenTelemetry's variables name; `None` where they name none, or say that nothing is sent.

    `OTEL_EXPORTER_OTLP_TRACES_…` goes before `OTEL_EXPORTER_OTLP_…`. A timeout of 600 or less is in seconds, as the
    SDK for Python reads it, a larger one in milliseconds, as the specification does. gRPC is not spoken: a warning
    says so, and OTLP goes over HTTP.
    """
    own, general = _given(environ, "TRACES_ENDPOINT"), _given(environ, "ENDPOINT")
    if not (own or general) or _is_off(environ):
        return None
    url = own or f"{general.rstrip('/')}/v1/traces"
    if not _is_http(url):
        variable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if own else "OTEL_EXPORTER_OTLP_ENDPOINT"
        warn(f"{variable} is not an http address: no spans are sent there")
        return None
    protocol = _either(environ, "PROTOCOL").lower()
    if protocol == "grpc":
        told = "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, which is not spoken: http/protobuf is sent"
        warn(told)
    return Backend(
        url=url,
        headers=_headers(_either(environ, "HEADERS")),
        timeout=_timeout(_either(environ, "TIMEOUT")),
        gzip=_either(environ, "COMPRESSION").lower() == "gzip",
        json=protocol == "http/json",
        certificate=_either(environ, "CERTIFICATE") or None,
    )


def open_backend(environ: Mapping[str, str], redactor: Redactor = NO_SECRETS) -> SpanSink | None:
    """What takes a run's spans, without secrets, to the backend that the environment names; `None` without one."""
    backend = otlp_backend(environ)
    if backend is None:
        return None
    from honeyhive.tracer.sending import SpanSink  # noqa: PLC0415 - see its import for types

    try:
        return SpanSink(backend, redactor)
    except ApiUnreachableError as error:
        named = f" (OTEL_EXPORTER_OTLP_CERTIFICATE is {backend.certificate})" if backend.certificate else ""
        warn(f"no spans are sent to {backend.host}: {error}{named}")
        return None


def _given(environ: Mapping[str, str], name: str) -> str:
    return environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()


def _either(environ: Mapping[str, str], name: str) -> str:
    return _given(environ, f"TRACES_{name}") or _given(environ, name)


def _is_off(environ: Mapping[str, str]) -> bool:
    exporters = [name.strip().lower() for name in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or bool(exporters and not any(name.startswith("otlp") for name in exporters))


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _headers(text: str) -> dict[str, str]:
    """The headers of a list `name=value,name=value`, percent-decoded; one that is none is left out, with a warning."""
    found = {}
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        name, equals, value = entry.partition("=")
        name, value = unquote(name.strip()).lower(), unquote(value.strip())
        if equals and _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value):
            found[name] = value
        else:  # not quoted: it may be a key
            told = "OTEL_EXPORTER_OTLP_HEADERS holds an entry that is no name=value; it is left out"
            warn(told)
    return found


def _timeout(text: str) -> float:
    try:
        number = float(text) if text else _TIMEOUT
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        told = f"OTEL_EXPORTER_OTLP_TIMEOUT is not a time: {_TIMEOUT:g} s is taken"
        warn(told)
        return _TIMEOUT
    return number if number <= _LONGEST_IN_SECONDS else number / 1_000
