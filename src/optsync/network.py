"""The way onto the network for whoever speaks HTTP: `salesforce.http` and `webhooks.egress`, each with a policy.

Promises: a name is resolved here and every address of it is looked at before the connection goes to one of exactly
those, so a name that changes its mind between two questions (DNS rebinding) gains nothing. Every wait of a connection
ends when its policy says so. Certificates are verified; nothing of the environment is used.
"""

import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cache
from typing import Any, Self

import httpcore2
import httpx2  # noqa: TID251  what the two that speak HTTP share


class Policy(ABC):
    """Which addresses may be connected to, and how long anything may wait."""

    read_bytes_min = 0
    """Reads ask for at least as much: larger pieces cost fewer calls."""

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a name. Raises OSError for an unknown one."""
        return addresses_of(host, port)

    @abstractmethod
    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Raises an error of its own when an address of the name must not be connected to."""

    @abstractmethod
    def left(self, timeout: float | None, *, to_write: bool = False) -> float | None:
        """Seconds that the next wait may take, `timeout` at most; None = for ever.

        Raises httpcore2.TimeoutException when it may not even begin.
        """


def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a name as the system resolves it, each once. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class GuardedTransport(httpx2.HTTPTransport):
    """httpx2's transport on connections of ours (httpx2 has no public argument for it)."""

    def __init__(self, policy: Policy, connections: int, *, keep_alive_seconds: float = 0.0) -> None:
        """As many `connections` at once; each is kept open for so long after its last answer, 0 = not at all."""
        super().__init__(trust_env=False, verify=_tls())
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_tls(),
            max_connections=connections,
            max_keepalive_connections=connections if keep_alive_seconds else 0,
            keepalive_expiry=keep_alive_seconds or None,
            network_backend=_Backend(policy),
        )


@cache
def _tls() -> ssl.SSLContext:
    # Loading the authorities' certificates takes some 20 ms: once per process.
    return httpx2.create_ssl_context(trust_env=False)


class _Backend(httpcore2.SyncBackend):
    """Resolves the name, looks at every address, connects to the first of them that answers."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Raises what the policy raises, httpcore2.ConnectError, httpcore2.ConnectTimeout."""
        try:
            addresses = self._policy.resolve(host, port)
        except OSError as error:
            raise httpcore2.ConnectError("the name is unknown") from error
        self._policy.check(host, addresses)
        failure: Exception = httpcore2.ConnectError("no address")
        for address in addresses:
            left = self._policy.left(timeout)
            try:
                plain = super().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(plain, self._policy)
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A connection whose every wait ends when the policy says so."""

    def __init__(self, inner: httpcore2.NetworkStream, policy: Policy) -> None:
        self._inner = inner
        self._policy = policy

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max(max_bytes, self._policy.read_bytes_min), self._policy.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._policy.left(timeout, to_write=True))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Self:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._policy.left(timeout))
        return type(self)(inner, self._policy)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
