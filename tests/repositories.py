"""Real git repositories in a test's folder, with a server where one is wanted."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

AUTHOR = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.com", "-c", "commit.gpgSign=false")
ALONE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def git(place: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What git says in `place`, with nobody's configuration."""
    command = ["git", *AUTHOR, *arguments]
    done = subprocess.run(command, cwd=place, input=stdin, env=ALONE, capture_output=True, check=True)
    return done.stdout.decode().strip()


def commit(place: Path, message: str = "Start", **files: str) -> str:
    """A commit of these files; a path may not be a keyword, so `__` stands for its slash."""
    for name, text in (files or {"README": f"{message}\n"}).items():
        path = place / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(place, "add", "--all")
    git(place, "commit", "-q", "--allow-empty", "-m", message)
    return git(place, "rev-parse", "HEAD")


def new_repository(place: Path, *options: str) -> Path:
    """An empty repository on `main`."""
    place.mkdir(parents=True, exist_ok=True)
    git(place, "init", "-q", "-b", "main", *options, ".")
    return place


def bare(place: Path, source: Path | None = None, *options: str) -> Path:
    """A repository for a server: empty, or a clone of `source`."""
    if source is None:
        return new_repository(place, "--bare", *options)
    git(source, "clone", "-q", "--bare", f"file://{source}", str(place))
    return place


def clone(server: Path, place: Path, *options: str) -> Path:
    """A checkout of what the server has."""
    git(server, "clone", "-q", *options, f"file://{server}", str(place))
    return place


def hook(server: Path, name: str, program: str) -> None:
    """A program that the server runs."""
    path = server / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)


def content_of(place: Path) -> dict[str, bytes]:
    """Every file below, with its bytes."""
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


class GitServer:
    """Git over HTTP on loopback, as `git http-backend` serves it, for whoever brings the right credentials."""

    def __init__(self, root: Path, *, authorization: str | None = None) -> None:
        self.authorization = authorization
        self.root = root
        self.requests: list[tuple[str, str | None]] = []
        self.redirect: str | None = None
        self.refused_pushes: tuple[int, bytes] | None = None
        outer = self

        class Handler(_Handler):
            served = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[GitServer]:
        """While in the block, it answers."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: GitServer

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked is kept."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.served.requests.append((self.path, self.headers.get("Authorization")))
        if self.served.redirect is not None:
            self._say(301, b"", location=f"{self.served.redirect}{self.path}")
        elif self.served.authorization not in (None, self.headers.get("Authorization")):
            self._say(401, b"", authenticate='Basic realm="git"')
        elif self.served.refused_pushes is not None and "receive-pack" in self.path:
            self._say(*self.served.refused_pushes)
        else:
            self._run(path, query)

    do_POST = do_GET  # noqa: N815 - the names that the library calls

    def _say(self, status: int, body: bytes, *, location: str = "", authenticate: str = "") -> None:
        self.send_response(status)
        for name, value in (("Location", location), ("WWW-Authenticate", authenticate), ("Content-Type", "text/plain")):
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _run(self, path: str, query: str) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = ALONE | {
            "GIT_PROJECT_ROOT": str(self.served.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "REMOTE_USER": "ada",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
        }
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=False)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = [line.partition(": ") for line in head.decode().split("\r\n")]
        status = next((int(value[:3]) for name, _, value in fields if name == "Status"), 200)
        self.send_response(status)
        for name, _, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
