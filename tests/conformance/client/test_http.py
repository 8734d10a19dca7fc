"""The wire at its worst: what comes odd, slow, huge or not at all ends in one of two errors, in time and in memory."""

import gzip
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from optsync import seams
from optsync.salesforce.errors import Busy, OddAnswer, Unreachable
from optsync.salesforce.hosts import Origin
from optsync.salesforce.http import BLOCK_BYTES, Answer, Http, Request
from tests.conformance.client import wire
from tests.conformance.client.wire import answer, serve


def send(server: wire.Wire, method: str = "GET", deadline_seconds: float = 10.0) -> Answer:
    request = Request(method, Origin(server.url), "/services/data/x", {}, None, deadline_seconds)
    with Http(seams.real()) as http:
        return http.send(request)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drip(text: bytes) -> Callable[[socket.socket], None]:
    def send_slowly(connection: socket.socket) -> None:
        for at in range(len(text)):
            connection.sendall(text[at : at + 1])
            time.sleep(0.02)

    return send_slowly


def test_nobody_listening_is_unreachable_and_surely_not_applied() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    request = Request("PATCH", Origin(f"http://127.0.0.1:{port}"), "/services/data/x", {}, b"{}")
    with Http(seams.real()) as http, pytest.raises(Unreachable) as gone:
        http.send(request)
    assert gone.value.maybe_applied is False
    assert gone.value.means
    assert gone.value.next_step


@pytest.mark.parametrize(("method", "maybe"), [("PATCH", True), ("POST", True), ("PUT", True), ("GET", False)])
@pytest.mark.parametrize(
    "reply",
    [
        reset,
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"),
        lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{"),
        lambda connection: connection.sendall(b"nonsense\r\n\r\n"),
    ],
    ids=["reset", "cut head", "cut body", "cut chunk", "no HTTP"],
)
def test_a_broken_connection_says_whether_a_write_may_have_been_applied(
    reply: Callable[[socket.socket], None], method: str, maybe: bool
) -> None:
    with serve(reply, signs_in=False) as server, pytest.raises(Unreachable) as broken:
        send(server, method)
    assert broken.value.maybe_applied is maybe


@pytest.mark.parametrize(
    "text",
    [b"HTTP/1.1 200 OK\r\nX-Slow: " + 500 * b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + 500 * b"x"],
    ids=["head", "body"],
)
def test_a_call_ends_at_its_deadline_even_if_bytes_drip_in(text: bytes) -> None:
    with serve(drip(text), signs_in=False) as server:
        started = time.monotonic()
        with pytest.raises(Unreachable) as slow:
            send(server, "PATCH", deadline_seconds=0.5)
        took_seconds = time.monotonic() - started
    assert slow.value.maybe_applied is True
    assert 0.4 < took_seconds < 5


def test_a_download_that_only_drips_is_given_up() -> None:
    passing = iter(range(0, 10_000, 30))  # every look at the clock finds it 30 seconds later
    hasty = wire.without_waiting()
    object.__setattr__(hasty, "monotonic", lambda: float(next(passing)))
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + 500 * b"x"
    with serve(drip(text), signs_in=False) as server, Http(hasty) as http:
        request = Request("GET", Origin(server.url), "/services/data/x", {}, None, 1e6)
        with http.open(request) as stream, pytest.raises(Unreachable):
            list(stream.blocks(1000))


def test_a_redirect_is_not_followed() -> None:
    with serve(answer(b"", 302, Location="http://127.0.0.1:1/evil"), answer({})) as server, server.session() as session:
        with pytest.raises(OddAnswer):
            session.request("GET", "limits")
        assert len(server.requests) == 2


def test_a_cookie_is_not_kept() -> None:
    with serve(answer({}, Set_Cookie="sid=secret; Path=/")) as server, server.session() as session:
        session.request("GET", "limits")
        session.request("GET", "limits")
        assert not any(b"cookie" in request.lower() for request in server.requests)


@pytest.mark.parametrize(
    "body",
    [b"<html>Down for maintenance</html>", b"", b'{"a": ', b"\xff\xfe", b"[]", b'"text"', b"[" * 100_000],
    ids=["html", "empty", "cut", "not UTF-8", "array", "text", "deep"],
)
def test_a_200_that_is_no_json_object_is_odd(body: bytes) -> None:
    with serve(answer(body, Content_Type="text/html"), signs_in=False) as server, pytest.raises(OddAnswer):
        send(server).json_object()


def test_compressed_answers_are_read() -> None:
    plain = b'{"a": 1}' + b" " * 3 * BLOCK_BYTES
    for body in (gzip.compress(plain), gzip.compress(plain[:100]) + gzip.compress(plain[100:])):
        with serve(answer(body, Content_Encoding="gzip"), signs_in=False) as server:
            assert send(server).body == plain


def test_an_answer_without_a_body_may_claim_to_be_compressed() -> None:
    with serve(answer(b"", 204, Content_Encoding="gzip"), signs_in=False) as server:
        assert send(server, "PATCH").body == b""


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"x" * 10_000)[:-4], "gzip"),
        (gzip.compress(b"x" * 10_000)[:20], "gzip"),
        (b"not compressed", "gzip"),
        (zlib.compress(b"x"), "deflate"),
        (b"x", "br"),
    ],
    ids=["cut at its end", "cut", "not compressed", "deflate", "brotli"],
)
def test_a_badly_compressed_answer_is_odd(body: bytes, encoding: str) -> None:
    with serve(answer(body, Content_Encoding=encoding), signs_in=False) as server, pytest.raises(OddAnswer):
        send(server)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_giant_body_is_cut_off_at_the_cap(compressed: bool) -> None:
    giant = b"\0" * 200_000_000
    reply = answer(gzip.compress(giant, 1), Content_Encoding="gzip") if compressed else answer(giant)
    del giant
    tracemalloc.start()
    try:
        with serve(reply, signs_in=False) as server, pytest.raises(OddAnswer):
            send(server)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 40_000_000


def test_streamed_blocks_are_large() -> None:
    body = bytes(3_000_000)
    with (
        serve(answer(body), signs_in=False) as server,
        Http(seams.real()) as http,
        http.open(Request("GET", Origin(server.url), "/x", {})) as stream,
    ):
        blocks = list(stream.blocks(4_000_000))
    assert b"".join(blocks) == body
    assert all(len(block) >= BLOCK_BYTES for block in blocks[:-1])


def test_only_api_calls_are_counted_and_polls_among_them() -> None:
    with serve(answer({})) as server, server.session() as session:
        session.request("GET", "limits")
        session.request("GET", "jobs/query/750000000000001", is_poll=True)
        session.request("GET", "/services/data")
        assert (session.http.api_calls, session.http.polls) == (2, 1)


def test_reads_are_repeated_a_few_times_and_writes_are_sent_once() -> None:
    busy, fine = answer(b"<html>", 503), answer({"fine": True})
    with serve(busy, busy, fine) as server, server.session() as session:
        assert session.request("GET", "limits").json_object() == {"fine": True}
        assert len(server.requests) == 4
    with serve(busy) as server, server.session() as session:
        with pytest.raises(Busy):
            session.request("GET", "limits")
        assert len(server.requests) == 1 + 4
    with serve(busy) as server, server.session() as session:
        with pytest.raises(Busy):
            session.request("PATCH", "composite/sobjects", json={})
        assert len(server.requests) == 1 + 1
