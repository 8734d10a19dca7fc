"""The way to the Pub/Sub API: HTTP/2 at the org's plain HTTP door is passed on to it, byte by byte.

Salesforce has one host of its own for it, the same for all orgs; here clients need no second address.
"""

import asyncio
from collections.abc import Awaitable, Callable

HTTP2_BEGINS = b"PRI "
"""No request of HTTP/1.1 does (RFC 9113, 3.4)."""

ServicePort = Callable[[], Awaitable[int | None]]
"""Where the service answers on this machine; None: nothing gets through to it."""


class Line:
    """The bytes of one connection, both ways between a client's and one to the service."""

    def __init__(self, client: asyncio.Transport, service_port: ServicePort) -> None:
        self._client = client
        self._waiting: list[bytes] = []
        self._service: asyncio.WriteTransport | None = None
        self._connecting = asyncio.ensure_future(self._connect(service_port))

    def send(self, data: bytes) -> None:
        """From the client; kept until the service's side is open."""
        if self._service is None:
            self._waiting.append(data)
        else:
            self._service.write(data)

    def close(self) -> None:
        """The client is gone."""
        self._connecting.cancel()
        if self._service is not None:
            self._service.close()

    async def _connect(self, service_port: ServicePort) -> None:
        port = await service_port()
        if port is None:
            self._client.abort()
            return
        loop = asyncio.get_running_loop()
        service, _ = await loop.create_connection(lambda: _Back(self._client), "127.0.0.1", port)
        service.writelines(self._waiting)
        self._service = service


class _Back(asyncio.Protocol):
    """What the service answers goes to the client."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.close()
