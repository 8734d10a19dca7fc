"""A transaction pooler as small as it gets: clients take turns on a few server sessions, transaction by transaction.

What PgBouncer does with pool_mode = transaction, seen from a client: a client has a server session only from its first
message to the ReadyForQuery outside a transaction, and the session used last is lent first.
"""

import os
import queue
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import make_conninfo

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
PARAMETERS = ("server_version", "client_encoding", "standard_conforming_strings", "integer_datetimes", "DateStyle")
PATIENCE_SECONDS = 10.0


@contextmanager
def transaction_pooler(dsn: str, sessions: int, *, refuse_options: bool = False) -> Iterator[str]:
    """The address of a pooler in front of `dsn`; without `refuse_options` it swallows start-up options in silence."""
    servers = [psycopg.connect(dsn, autocommit=True) for _ in range(sessions)]
    pooler = Pooler(servers[0].info, refuse_options)
    for server in servers:
        line = socket.socket(fileno=os.dup(server.fileno()))
        line.settimeout(PATIENCE_SECONDS)
        pooler.idle.put(line)
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            accepting = threading.Thread(target=pooler.accept, args=(listener,))
            accepting.start()
            port = listener.getsockname()[1]
            try:
                yield make_conninfo(dsn, host="127.0.0.1", port=port)
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                accepting.join()
                pooler.close()
    finally:
        for server in servers:
            server.close()


@dataclass
class Pooler:
    """Clients, and the server sessions nobody uses at the moment."""

    info: psycopg.ConnectionInfo
    refuse_options: bool
    idle: "queue.LifoQueue[socket.socket]" = field(default_factory=queue.LifoQueue)
    clients: list[tuple[socket.socket, threading.Thread]] = field(default_factory=list)

    def accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.settimeout(PATIENCE_SECONDS)
                thread = threading.Thread(target=self.serve, args=(client,))
                self.clients.append((client, thread))
                thread.start()

    def close(self) -> None:
        for client, thread in self.clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            thread.join()
        while not self.idle.empty():
            self.idle.get().close()

    def serve(self, client: socket.socket) -> None:
        """One client, from its start-up packet to its end."""
        with client, suppress(OSError, EOFError):
            if not self.greet(client):
                return
            while True:
                batch = read_batch(client)
                server = self.idle.get(timeout=PATIENCE_SECONDS)
                try:
                    while self.exchange(client, server, batch) != b"I":
                        batch = read_batch(client)
                finally:
                    self.idle.put(server)

    def greet(self, client: socket.socket) -> bool:
        """Answers the start-up packet without asking any server."""
        while True:
            size, code = struct.unpack("!ii", exactly(client, 8))
            rest = exactly(client, size - 8)
            if code not in {SSL_REQUEST, GSS_REQUEST}:
                break
            client.sendall(b"N")
        if self.refuse_options and b"options\0" in rest:
            text = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            client.sendall(message(b"E", text))
            return False
        client.sendall(message(b"R", struct.pack("!i", 0)))
        for name in PARAMETERS:
            value = self.info.parameter_status(name) or ""
            client.sendall(message(b"S", name.encode() + b"\0" + value.encode() + b"\0"))
        client.sendall(message(b"K", struct.pack("!ii", 1, 1)) + message(b"Z", b"I"))
        return True

    def exchange(self, client: socket.socket, server: socket.socket, batch: bytes) -> bytes:
        """Hands a batch to the server and its answers back; the state the server is in afterwards (I, T or E)."""
        server.sendall(batch)
        while True:
            kind, body = read_message(server)
            client.sendall(message(kind, body))
            if kind == b"Z":
                return body


def read_batch(client: socket.socket) -> bytes:
    """A client's messages up to the one after which it waits. Raises EOFError when it says goodbye."""
    batch = b""
    while True:
        kind, body = read_message(client)
        if kind == b"X":
            raise EOFError
        batch += message(kind, body)
        if kind in {b"Q", b"S"}:
            return batch


def read_message(source: socket.socket) -> tuple[bytes, bytes]:
    """One message: its kind and its content."""
    kind = exactly(source, 1)
    (size,) = struct.unpack("!i", exactly(source, 4))
    return kind, exactly(source, size - 4)


def message(kind: bytes, body: bytes) -> bytes:
    """A message as it travels."""
    return kind + struct.pack("!i", len(body) + 4) + body


def exactly(source: socket.socket, size: int) -> bytes:
    """That many bytes. Raises EOFError when the other end is gone."""
    data = b""
    while len(data) < size:
        block = source.recv(size - len(data))
        if not block:
            raise EOFError
        data += block
    return data
