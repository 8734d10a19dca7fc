"""The process: one uvicorn server that ends in good order when told to, or when its parent is gone."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from practice_org import (
    authorize,
    bulk,
    clock,
    collections,
    control,
    credentials,
    describe,
    oauth,
    page,
    query,
    rest,
    unknown,
)
from practice_org.faults.transport import TRANSPORT
from practice_org.org import Options, Org

PARENT_POLL_SECONDS = 0.5
SHUTDOWN_SECONDS = 1
LISTEN_BACKLOG = 512
_SLASHES = re.compile("/{2,}")


class Protocol(HttpToolsProtocol):
    """Leaves each connection's transport in the scope, so that faults can break it."""

    def on_message_begin(self) -> None:
        """httptools calls this for every request, before its headers."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]  # a key of our own


class Server(uvicorn.Server):
    """Calls `ready` once requests are accepted; ends with exit code 0 on SIGTERM and SIGINT."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], parent_pid: int | None) -> None:
        super().__init__(config)
        self._ready = ready
        self._parent_pid = parent_pid

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's own, does not raise the signal again after the orderly end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announces itself after the sockets listen."""
        await super().startup(sockets)
        if self._parent_pid is not None:
            self._watch = asyncio.create_task(self._follow_parent(self._parent_pid))
        self._ready()

    def _stop(self) -> None:
        self.should_exit = True

    async def _follow_parent(self, parent_pid: int) -> None:
        while os.getppid() == parent_pid:
            await clock.sleep(PARENT_POLL_SECONDS)
        self._stop()


class OneSlash:
    """Takes doubled and trailing slashes out of the path, as clients send them; a redirect would lose their scheme."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; `raw_path` stays as it was sent."""
        if scope["type"] == "http":
            scope["path"] = _SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
        await self._app(scope, receive, send)


def make_app(org: Org) -> Starlette:
    """The org behind its HTTP routes."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        org.jobs.close()

    families = (oauth, authorize, describe, collections, query, bulk, rest, control, page, unknown)
    routes = [item for family in families for item in family.routes(org)]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(OneSlash)])


def listen(host: str, port: int) -> socket.socket:
    """A listener on that port, or on a free one for port 0. Raises OSError when the port is taken.

    It says that it is TCP: asyncio switches Nagle off only where proto is TCP, and 40 ms hang on it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(LISTEN_BACKLOG)
    return listener


def serve(
    listener: socket.socket,
    options: Options,
    file: Path,
    parent_pid: int | None,
    announce: Callable[[str], None],
    org_number: int = 1,
) -> None:
    """Serves until told to end. Raises OSError when the credentials file cannot be written."""
    base_url = "http://{}:{}".format(*listener.getsockname())
    known, identity = credentials.prepare(file, base_url, org_number)
    org = Org(options, identity, clock.now)

    def ready() -> None:
        credentials.publish(file, known)
        announce(base_url)

    config = uvicorn.Config(
        make_app(org),
        http=Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    Server(config, ready, parent_pid).run(sockets=[listener])
