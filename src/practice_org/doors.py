"""Where the org listens: plain HTTP, HTTPS with a given certificate, or both in one process."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

LISTEN_BACKLOG = 512


@dataclass(frozen=True)
class Door:
    """One listener; without `tls` it speaks plain HTTP."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """The address that clients reach it at."""
        host, port = self.listener.getsockname()
        return f"{'https' if self.tls else 'http'}://{host}:{port}"


def open_door(host: str, port: int, tls: ssl.SSLContext | None = None) -> Door:
    """A door on that port, or on a free one for port 0. Raises OSError when the port is taken.

    Its socket says that it is TCP: asyncio switches Nagle off only where proto is TCP, and 40 ms hang on it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(LISTEN_BACKLOG)
    return Door(listener, tls)


def tls_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """What HTTPS is served with; both files are PEM, the chain stands behind the certificate.

    Raises OSError (ssl.SSLError is one) for files that are missing, unreadable or not a pair.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # an empty password, so that a locked key is refused instead of asked for on the terminal
    context.load_cert_chain(certificate, key, password="")
    return context
