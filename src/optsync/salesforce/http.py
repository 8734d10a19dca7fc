"""HTTP to Salesforce: the one module of this package that loads an HTTP library, and its one door to the network.

Loading it costs some 0.1 s (httpx2), so other modules import it for types only and `session.open_session` loads it when
the first session is made. It knows bytes, deadlines and caps, not Salesforce: what a status means is `errors.refusal`.

Promises: no redirect is followed, no cookie kept, no proxy or .netrc of the environment used; a name that leads to a
private network address is not connected to; a call ends at its deadline even if bytes drip in one by one; no answer
grows beyond its cap, also when it was compressed. Writes are sent once: whoever may repeat them decides that.
"""

import json
import math
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Self

import httpcore2
import httpx2  # noqa: TID251  one of the two modules that speak HTTP

from optsync.network import GuardedTransport, Policy
from optsync.salesforce.errors import OddAnswer, Unreachable
from optsync.salesforce.hosts import Origin, check_address
from optsync.seams import Seams

CONNECTIONS = 5
"""Parallel calls to one org: slow triggers make 200-record calls long, and 25 of 20 s or more is an org's limit."""
CONNECT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 50.0
WRITE_DEADLINE_SECONDS = 30.0
"""From the first byte sent to the last byte received: a push is over after that, one way or the other (rules 10)."""
READ_DEADLINE_SECONDS = 130.0
"""Salesforce ends a query after 120 s by itself."""
UPLOAD_DEADLINE_SECONDS = 3600.0
"""100 MB over a line of 0.25 Mbit/s; silence within it ends after STREAM_SILENCE_SECONDS."""
STREAM_SILENCE_SECONDS = 620.0
"""The longest pause within an upload, its answer included: Salesforce gives a request 10 minutes."""
STREAM_GRACE_SECONDS = 60.0
SLOWEST_BYTES_PER_SECOND = 1024
"""A download slower than this on average is given up after the grace: one byte a second would hold a run for weeks."""
MAX_BODY_BYTES = 16 * 1024 * 1024
"""Cap of an answer held in memory. The largest honest ones are describes of objects with hundreds of fields."""
BLOCK_BYTES = 256 * 1024
"""Streamed blocks are at least this long (but the last): that is where COPY reaches its full speed."""
_SOCKET_READ_BYTES = 256 * 1024
_NO_TIME_SECONDS = 0.001

Transport = httpx2.BaseTransport
"""What a simulator gives instead of the network: an object that answers requests in-process."""

_call_ends_at: ContextVar[float | None] = ContextVar("call_ends_at", default=None)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `content` may be an iterator of blocks (sent chunked); the deadline covers the whole call."""

    method: str
    origin: Origin
    path: str
    headers: dict[str, str] = field(repr=False)
    content: bytes | Iterable[bytes] | None = field(default=None, repr=False)
    deadline_seconds: float = READ_DEADLINE_SECONDS


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: header names in lower case, the body decompressed."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def json_object(self) -> dict[str, Any]:
        """The JSON object in the body. Raises OddAnswer for anything else: edges answer HTML with status 200 too."""
        parsed = self._json()
        if not isinstance(parsed, dict):
            raise OddAnswer("a JSON object was expected")
        return parsed

    def json_array(self) -> list[Any]:
        """The JSON array in the body. Raises OddAnswer for anything else."""
        parsed = self._json()
        if not isinstance(parsed, list):
            raise OddAnswer("a JSON array was expected")
        return parsed

    def _json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type").partition(";")[0][:40]
            raise OddAnswer(f"JSON was expected, and {kind} came") from error


class Stream:
    """An answer whose body is still on the wire."""

    def __init__(self, response: httpx2.Response, seams: Seams, *, is_write: bool) -> None:
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        self._seams = seams
        self._is_write = is_write

    def whole(self) -> Answer:
        """The whole answer in memory. Raises OddAnswer beyond 16 MiB."""
        return Answer(self.status, self.headers, b"".join(self.blocks(MAX_BODY_BYTES)))

    def close(self) -> None:
        """Gives the connection back, or closes it when the body was not read to its end."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self, max_bytes: int) -> Iterator[bytes]:
        """The body, decompressed, in blocks of at least 256 KiB but the last.

        Raises OddAnswer when it exceeds `max_bytes` or was compressed badly, Unreachable when it breaks off.
        """
        total = 0
        held: list[bytes] = []
        held_bytes = 0
        for piece in self._decoded():
            total += len(piece)
            if total > max_bytes:
                raise OddAnswer(f"the body is longer than {max_bytes:,} bytes")
            held.append(piece)
            held_bytes += len(piece)
            if held_bytes >= BLOCK_BYTES:
                yield b"".join(held) if len(held) > 1 else piece
                held, held_bytes = [], 0
        if held:
            yield b"".join(held)

    def _decoded(self) -> Iterator[bytes]:
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding == "identity":
            return self._raw()
        if encoding in ("gzip", "x-gzip"):
            return _unzip(self._raw())
        raise OddAnswer("compressed in a way that was not asked for")

    def _raw(self) -> Iterator[bytes]:
        """The bytes as they arrive, given up when they only drip. Time the consumer takes does not count."""
        waited_seconds, received = 0.0, 0
        started = self._seams.monotonic()
        with _told_plainly(maybe_applied=self._is_write):
            for piece in self._response.stream:  # type: ignore[union-attr]  # the transport is a synchronous one
                received += len(piece)
                waited_seconds += self._seams.monotonic() - started
                if waited_seconds > STREAM_GRACE_SECONDS + received / SLOWEST_BYTES_PER_SECOND:
                    raise Unreachable("Salesforce's answer only drips in", maybe_applied=self._is_write)
                yield piece
                started = self._seams.monotonic()


class Http:
    """A pool of connections for many threads. `api_calls` counts what Salesforce counts, `polls` the waiting in it."""

    def __init__(self, seams: Seams, connections: int = CONNECTIONS, transport: Transport | None = None) -> None:
        """`transport` replaces the network, for a simulator that answers in-process."""
        self._seams = seams
        self._transport = transport or GuardedTransport(
            _Policy(seams), connections, keep_alive_seconds=KEEP_ALIVE_SECONDS
        )
        self._counting = threading.Lock()
        self.api_calls = 0
        self.polls = 0

    def send(self, request: Request, *, is_poll: bool = False) -> Answer:
        """The whole answer, whatever its status, within the request's deadline. Raises Unreachable, OddAnswer."""
        with self.until(request.deadline_seconds), self.open(request, is_poll=is_poll) as stream:
            return stream.whole()

    def open(self, request: Request, *, is_poll: bool = False) -> Stream:
        """An answer to be read in blocks and to be closed; its head arrives within the deadline. Raises Unreachable."""
        is_write = request.method not in ("GET", "HEAD")
        with self.until(request.deadline_seconds), _told_plainly(maybe_applied=is_write):
            if self.seconds_left() <= 0:
                raise Unreachable("no time was left for the call", maybe_applied=False)
            self._count(request, is_poll)
            response = self._transport.handle_request(_as_httpx(request))
        return Stream(response, self._seams, is_write=is_write)

    @contextmanager
    def until(self, deadline_seconds: float) -> Iterator[None]:
        """Everything sent in this block, by this thread, ends within these seconds (or an outer block's, if sooner)."""
        token = _call_ends_at.set(self._seams.monotonic() + min(deadline_seconds, self.seconds_left()))
        try:
            yield
        finally:
            _call_ends_at.reset(token)

    def seconds_left(self) -> float:
        """What is left of the surrounding `until`; infinite without one."""
        ends_at = _call_ends_at.get()
        return math.inf if ends_at is None else ends_at - self._seams.monotonic()

    def close(self) -> None:
        """Closes every connection."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self, request: Request, is_poll: bool) -> None:
        # Sign-ins and the list of versions are free (REST API Developer Guide, "API Usage").
        if request.path.startswith("/services/data/"):
            with self._counting:
                self.api_calls += 1
                self.polls += is_poll


def _as_httpx(request: Request) -> httpx2.Request:
    silence = min(request.deadline_seconds, STREAM_SILENCE_SECONDS)
    timeouts = {"connect": CONNECT_SECONDS, "pool": request.deadline_seconds, "read": silence, "write": silence}
    return httpx2.Request(
        request.method,
        request.origin + request.path,
        headers=request.headers,
        content=request.content,
        extensions={"timeout": timeouts},
    )


@contextmanager
def _told_plainly(*, maybe_applied: bool) -> Iterator[None]:
    """Turns the library's transport errors into Unreachable, without the library's text: it may hold an address."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise Unreachable(f"no connection to Salesforce ({_reason(error)})", maybe_applied=False) from error
    except httpx2.PoolTimeout as error:
        raise Unreachable("all connections to Salesforce stayed busy", maybe_applied=False) from error
    except httpx2.TimeoutException as error:
        raise Unreachable("Salesforce did not answer in time", maybe_applied=maybe_applied) from error
    except httpx2.TransportError as error:
        raise Unreachable(f"the connection broke ({type(error).__name__})", maybe_applied=maybe_applied) from error


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    return (cause.strerror if isinstance(cause, OSError) else None) or "refused or timed out"


def _unzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Decompresses gzip, block by block: a bomb costs one block of memory at a time. Raises OddAnswer if cut or bad.

    No byte at all is an empty body, whatever its header says: a 204 has none.
    """
    inflate, has_begun = zlib.decompressobj(wbits=31), False
    try:
        for piece in pieces:
            waiting, has_begun = piece, has_begun or bool(piece)
            while waiting:
                if inflate.eof:  # gzip allows several members, one after the other (RFC 1952, section 2.2)
                    inflate = zlib.decompressobj(wbits=31)
                if plain := inflate.decompress(waiting, BLOCK_BYTES):
                    yield plain
                waiting = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    except zlib.error as error:
        raise OddAnswer("the compressed body is damaged") from error
    if has_begun and not inflate.eof:
        raise OddAnswer("the compressed body is cut off")


class _Policy(Policy):
    """Addresses that a host of Salesforce may have, and the deadline of the current call."""

    read_bytes_min = _SOCKET_READ_BYTES

    def __init__(self, seams: Seams) -> None:
        self._seams = seams

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Raises HostRefused."""
        for address in addresses:
            check_address(host, address)

    def left(self, timeout: float | None, *, to_write: bool = False) -> float | None:
        """`timeout` or what is left of the call, if less; never 0, which would mean "do not wait" to a socket."""
        ends_at = _call_ends_at.get()
        if ends_at is None:
            return timeout
        left = max(ends_at - self._seams.monotonic(), _NO_TIME_SECONDS)
        if to_write and left == _NO_TIME_SECONDS:
            # A small write would succeed even in no time: a push must not leave after its deadline.
            raise httpcore2.WriteTimeout
        return left if timeout is None else min(left, timeout)
