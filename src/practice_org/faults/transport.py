"""Faults of the line itself."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org import clock
from practice_org.faults.base import RequestFault

TRANSPORT = "practice_org.transport"
"""Where the server leaves a connection's transport in the ASGI scope."""


def reset_connection(request: Request) -> None:
    """Ends the connection at once; the peer sees a reset, not an orderly end."""
    transport: asyncio.Transport = request.scope[TRANSPORT]
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@dataclass(kw_only=True)
class Reset(RequestFault):
    """The connection breaks."""

    kind: ClassVar[str] = "reset"

    async def answer(self, request: Request) -> Response | None:
        reset_connection(request)
        return Response(status_code=503)


@dataclass(kw_only=True)
class Hold(RequestFault):
    """Silence for so many seconds, then the connection breaks: what a client sees as a timeout."""

    kind: ClassVar[str] = "hold"
    seconds: float = 3_600.0

    async def answer(self, request: Request) -> Response | None:
        await clock.sleep(self.seconds)
        reset_connection(request)
        return Response(status_code=503)


@dataclass(kw_only=True)
class Slow(RequestFault):
    """The true answer, so many seconds late."""

    kind: ClassVar[str] = "slow"
    seconds: float = 1.0

    async def answer(self, request: Request) -> Response | None:
        await clock.sleep(self.seconds)
        return None
