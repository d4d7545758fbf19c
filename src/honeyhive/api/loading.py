"""What a request imports and reads only when it is made, loaded before: for who makes it where strangers have been."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from importlib import import_module

from honeyhive.api.call import Call
from honeyhive.api.clients import ssl_context
from honeyhive.api.connection import Connection
from honeyhive.api.retries import Retries
from honeyhive.api.transport import AsyncTransport, Transport
from honeyhive.errors import ApiError

_LOOKED_FOR = ("sniffio",)
"""Modules that each request looks for, and does without."""

_TWICE = Retries(attempts=2, total=1.0, wait=0.0, longest_wait=0.0, jitter=0.0)


def load(connection: Connection) -> None:
    """Load what requests over the connection take, blocked on or awaited, retries among it. Nothing is sent.

    From then on a module that is looked for and not there is not looked for again in this process.
    """
    for name in _LOOKED_FOR:
        try:
            import_module(name)
        except ImportError:
            sys.modules[name] = None  # type: ignore[assignment] # how Python is told that there is none
    "localhost".encode("idna")  # sockets look for this codec when a name is first resolved
    if connection.encrypted:
        with suppress(OSError):  # certificates that cannot be read are the first request's to tell
            ssl_context()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can begin to
        nowhere = Connection(api_key="none", server_url=f"http://127.0.0.1:{mute.getsockname()[1]}")
        asyncio.run(_in_vain(nowhere))


async def _in_vain(nowhere: Connection) -> None:
    """Ask where there is no answer: each library loads what it takes on its way there, and for another try."""
    call = Call(method="GET", path="/", parse=_nothing)
    with suppress(ApiError), Transport(nowhere, retries=_TWICE) as line:
        line.send(call)
    async with AsyncTransport(nowhere, retries=_TWICE) as line_of_loop:
        with suppress(ApiError):
            await line_of_loop.send(call)


def _nothing(_: object) -> None:
    """What an answer comes to, where there is one."""
