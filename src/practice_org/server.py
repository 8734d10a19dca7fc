"""The process: one uvicorn server that ends in good order when told to, or when its parent is gone."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from practice_org import (
    authorize,
    batch,
    bulk,
    clock,
    collections,
    composite,
    control,
    credentials,
    describe,
    external_ids,
    identity,
    metadata,
    metadata_soap,
    oauth,
    pages,
    query,
    replication,
    rest,
    set_up_writes,
    soap,
    tooling,
    tree,
    unknown,
)
from practice_org.doors import Door, open_door
from practice_org.faults.transport import TRANSPORT
from practice_org.lines import HTTP2_BEGINS, Line, ServicePort
from practice_org.org import Options, Org

if TYPE_CHECKING:
    from practice_org.pubsub import PubSub

PARENT_POLL_SECONDS = 0.5
SHUTDOWN_SECONDS = 1
_SLASHES = re.compile("/{2,}")


StandIn = Callable[[str, int], AbstractAsyncContextManager[None]]


class Protocol(HttpToolsProtocol):
    """Leaves each connection's transport in the scope, so that faults can break it; passes HTTP/2 on to gRPC."""

    def __init__(self, *given: Any, pubsub_port: ServicePort, **named: Any) -> None:
        super().__init__(*given, **named)
        self._pubsub_port = pubsub_port
        self._line: Line | None = None

    def data_received(self, data: bytes) -> None:
        """The first bytes say which protocol it is."""
        if self._line is None and data.startswith(HTTP2_BEGINS):
            self._line = Line(self.transport, self._pubsub_port)
        if self._line is None:
            super().data_received(data)
        else:
            self._line.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Both sides of a line end together."""
        if self._line is not None:
            self._line.close()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """httptools calls this for every request, before its headers."""
        super().on_message_begin()
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required]  # a key of our own


class Server(uvicorn.Server):
    """Calls `ready` once requests are accepted; ends with exit code 0 on SIGTERM and SIGINT."""

    def __init__(
        self, config: uvicorn.Config, org: Org, doors: Sequence[Door], ready: Callable[[], None], parent_pid: int | None
    ) -> None:
        super().__init__(config)
        self._org = org
        self._doors = doors
        self._pubsub: PubSub | None = None
        self._pubsub_starts = asyncio.Lock()
        self._ready = ready
        self._parent_pid = parent_pid
        self._outage: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Unlike uvicorn's own, does not raise the signal again after the orderly end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Announces itself after the doors are open; uvicorn alone would give all of them the same TLS."""
        await super().startup(sockets)
        await self._open_doors()
        if self._parent_pid is not None:
            self._watch = asyncio.create_task(self._follow_parent(self._parent_pid))
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends all that `startup` began."""
        await super().shutdown(sockets)
        if self._pubsub is not None:
            await self._pubsub.stop()

    async def _open_doors(self) -> None:
        protocol = partial(
            Protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            pubsub_port=self._pubsub_port,
        )
        for door in self._doors:
            self.servers.append(await _serve_at(door, protocol))

    async def _pubsub_port(self) -> int | None:
        """Where gRPC answers, from the first question on; None behind a firewall, or without the extra `events`."""
        if not self._org.pubsub_reachable:
            return None
        async with self._pubsub_starts:
            if self._pubsub is None:
                try:
                    from practice_org.pubsub import PubSub
                except ImportError:
                    return None
                self._pubsub = PubSub(self._org)
                await self._pubsub.start()
        return self._pubsub.port

    async def interrupt(self, seconds: float, stand_in: StandIn) -> None:
        """Clients meet `stand_in` at our doors for so many seconds; breaks all connections. One outage at a time."""
        if self._outage is None or self._outage.done():
            in_place = asyncio.Event()
            self._outage = asyncio.create_task(self._stay_away(seconds, stand_in, in_place))
            await in_place.wait()
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def _stay_away(self, seconds: float, stand_in: StandIn, in_place: asyncio.Event) -> None:
        addresses = [(*door.listener.getsockname(), door.tls) for door in self._doors]
        for server in self.servers:
            server.close()
        self.servers.clear()
        async with AsyncExitStack() as stack:
            for host, port, _ in addresses:
                await stack.enter_async_context(stand_in(host, port))
            in_place.set()
            await clock.sleep(seconds)
        self._doors = [open_door(host, port, tls) for host, port, tls in addresses]
        await self._open_doors()

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
        org.close()

    sobjects = (describe, replication, set_up_writes, external_ids, rest)
    composites = (collections, batch, tree, composite)
    clients = (identity, oauth, authorize, metadata_soap, soap)
    families = (*clients, *sobjects, *composites, query, tooling, metadata, bulk, control, pages, unknown)
    routes = [item for family in families for item in family.routes(org)]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(OneSlash)])


async def _serve_at(door: Door, protocol: Callable[[], asyncio.Protocol]) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    closing = SHUTDOWN_SECONDS if door.tls else None
    return await loop.create_server(protocol, sock=door.listener, ssl=door.tls, ssl_shutdown_timeout=closing)


def serve(
    doors: Sequence[Door],
    options: Options,
    file: Path,
    parent_pid: int | None,
    announce: Callable[[str], None],
    org_number: int = 1,
    instance_url: str | None = None,
) -> None:
    """Serves until told to end. Raises OSError when the credentials file cannot be written.

    Clients are told to call `instance_url`; None: the last of the doors, HTTPS where there is one.
    """
    known, identity = credentials.prepare(file, instance_url or doors[-1].url, org_number)
    org = Org(options, identity, clock.now)

    def ready() -> None:
        credentials.publish(file, known)
        for door in doors:
            announce(door.url)

    app = make_app(org)
    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="asyncio",  # the network faults reach into its transports; uvloop, where it is installed, has others
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = Server(config, org, doors, ready, parent_pid)
    app.state.interrupt = server.interrupt
    server.run(sockets=[])
