"""A server of a few lines that answers exactly the bytes it is told to: for what no honest Salesforce would say."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from optsync import seams
from optsync.salesforce.credentials import Credential
from optsync.salesforce.session import Session, open_session

ORG_ID = "00D000000000001EAA"
Reply = bytes | Callable[[socket.socket], None]
"""What is sent back; a function may do anything to the connection, which is closed after it."""


@dataclass
class Wire:
    """The replies still to give, one per request and the last one for ever, and the requests that came."""

    port: int
    replies: list[Reply]
    requests: list[bytes] = field(default_factory=list)
    respond: Callable[[bytes], bytes] | None = None
    """When set, decides every reply from its request instead of the list."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [request.split(b" ", 2)[1].decode() for request in self.requests]

    def next_reply(self, request: bytes) -> Reply:
        if self.respond:
            return self.respond(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def session(self, clock: seams.Seams | None = None) -> Session:
        credential = Credential("client_credentials", self.url, "key", client_secret="secret", practice=True)
        return open_session(credential, clock or without_waiting())


def without_waiting() -> seams.Seams:
    """The real seams, but nobody sleeps."""
    real = seams.real()
    return seams.Seams(
        now=real.now,
        monotonic=real.monotonic,
        sleep=lambda _: None,
        new_id=real.new_id,
        token_bytes=real.token_bytes,
        random=real.random,
        wait=lambda event, _: event.is_set(),
    )


def answer(body: bytes | object, status: int = 200, **headers: str) -> bytes:
    """A well-formed HTTP answer; anything but bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + content


def token(port: int, access_token: str = "00D000000000001!one", **other: str) -> bytes:
    """An answer of the token endpoint."""
    host = f"http://127.0.0.1:{port}"
    identity = f"{host}/id/{ORG_ID}/005000000000001AAA"
    return answer({"access_token": access_token, "instance_url": host, "id": identity} | other)


@contextmanager
def serve(*replies: Reply, signs_in: bool = True) -> Iterator[Wire]:
    """A server on a free port of 127.0.0.1; the sign-in is answered by itself unless `signs_in` is False."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        wire = Wire(port, [*([token(port)] if signs_in else []), *replies])
        accepting = threading.Thread(target=_accept, args=(listener, wire))
        accepting.start()
        try:
            yield wire
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            accepting.join()


def _accept(listener: socket.socket, wire: Wire) -> None:
    conversations: list[tuple[socket.socket, threading.Thread]] = []
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            thread = threading.Thread(target=_converse, args=(connection, wire))
            conversations.append((connection, thread))
            thread.start()
    for connection, thread in conversations:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def _converse(connection: socket.socket, wire: Wire) -> None:
    with connection, suppress(OSError):
        while request := _read_request(connection):
            wire.requests.append(request)
            reply = wire.next_reply(request)
            if callable(reply):
                reply(connection)
                return
            connection.sendall(reply)


def _read_request(connection: socket.socket) -> bytes:
    """One request, or b"" when the client is gone."""
    received = b""
    while not _is_whole(received):
        piece = connection.recv(1 << 16)
        if not piece:
            return b""
        received += piece
    return received


def _is_whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    lines: Sequence[bytes] = head.lower().split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    if b"transfer-encoding: chunked" in lines:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= (lengths[0] if lengths else 0)
