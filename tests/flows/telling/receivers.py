"""Receivers of what the product tells: an HTTP server that behaves as it is told, and a mail server."""

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase


@dataclass(frozen=True)
class Got:
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server; `ways` says how the next requests are answered, the last of them for ever.

    A way is a status, or "slow", "drip", "huge", "redirect", "hang up".
    """

    url: str
    got: list[Got] = field(default_factory=list)
    ways: list[int | str] = field(default_factory=lambda: [204])

    def next_way(self) -> int | str:
        """How this request is answered."""
        return self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        here = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                here.got.append(Got(self.command, self.path, headers, body))
                with contextlib.suppress(OSError):
                    answer(self, here.next_way(), here.url, body)

            do_GET = do_POST  # noqa: N815 - the name that http.server asks for

            def log_message(self, *_: object) -> None:
                pass

        server.RequestHandlerClass = Handler
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()


def answer(handler: BaseHTTPRequestHandler, way: int | str, url: str, body: bytes) -> None:
    """Answers one request."""
    if way == "hang up":
        handler.connection.close()
        return
    if way == "slow":
        time.sleep(3)
    handler.send_response(302 if way == "redirect" else way if isinstance(way, int) else 200)
    if way == "redirect":
        handler.send_header("Location", url + "/elsewhere")
    handler.end_headers()
    if way == "huge":
        for _ in range(1_000):
            handler.wfile.write(b"\x1b[31mA" * 10_000)
    elif way == "drip":
        for _ in range(50):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)
    elif way == "echo":
        handler.wfile.write(body)
    elif way not in (204, 302):
        handler.wfile.write(b"we\r\n  do \x1b[31m not \xff like this")


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes everything, or answers RCPT with `refusal`. `got` holds (recipient, message)."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.got: list[tuple[str, str]] = []
        self.refusal = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class Session(socketserver.StreamRequestHandler):
    """One SMTP session."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, MailServer)
        recipient = ""
        say(self.wfile, "220 here")
        for raw in self.rfile:
            line = raw.decode().strip()
            verb = line[:4].upper()
            if verb == "RCPT":
                recipient = line.partition("<")[2].partition(">")[0]
                say(self.wfile, server.refusal or "250 yes")
            elif verb == "DATA":
                say(self.wfile, "354 go on")
                server.got.append((recipient, message_of(self.rfile)))
                say(self.wfile, "250 taken")
            elif verb == "QUIT":
                say(self.wfile, "221 bye")
                return
            else:
                say(self.wfile, "250 fine")


def say(stream: BufferedIOBase, line: str) -> None:
    """One line of the server."""
    stream.write(line.encode() + b"\r\n")
    stream.flush()


def message_of(stream: BufferedIOBase) -> str:
    """A message up to the lone dot."""
    lines: list[str] = []
    for raw in stream:
        line = raw.decode().rstrip("\r\n")
        if line == ".":
            break
        lines.append(line)
    return "\n".join(lines)


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server on a port of its own."""
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
