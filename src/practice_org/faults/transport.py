"""How faults reach what lies below HTTP: one connection, or the doors that clients come in by."""

import asyncio
import socket
import struct
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.base import RequestFault
from practice_org.faults.options import option

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
class Outage(RequestFault):
    """The struck request's connection breaks, all others too, and for some seconds nobody gets in: not by any door."""

    strikes_what: ClassVar[str] = "all connections"

    seconds: float = option(5.0, "How long. The control API is away as well.", most=3_600)

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        await request.app.state.interrupt(self.seconds, self.stand_in)
        return Response(status_code=503)

    def stand_in(self, host: str, port: int) -> AbstractAsyncContextManager[None]:
        """What clients meet at an address meanwhile; the port is free when this is entered, and must be when left."""
        raise NotImplementedError
