"""No secure connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from practice_org.doors import open_door
from practice_org.faults.transport import Outage

HANDSHAKE_FAILURE = bytes((21, 3, 3, 0, 2, 2, 40))
"""A fatal alert (RFC 8446, 6.2): record type 21, version, length 2, level fatal, handshake_failure."""


class _Alert(asyncio.Protocol):
    """Answers whatever comes first with the alert."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(HANDSHAKE_FAILURE)
        self._transport.close()


@dataclass(kw_only=True)
class TlsFailure(Outage):
    """The connection breaks, and for some seconds every TLS handshake fails."""

    source: ClassVar[str] = "RFC 8446, 6.2"
    client_must: ClassVar[str] = "Not go on without TLS or with less of it; keep what is owed and try again."

    @contextlib.asynccontextmanager
    async def stand_in(self, host: str, port: int) -> AsyncIterator[None]:
        """A listener that refuses to agree on anything."""
        server = await asyncio.get_running_loop().create_server(_Alert, sock=open_door(host, port).listener)
        try:
            yield
        finally:
            server.close()
