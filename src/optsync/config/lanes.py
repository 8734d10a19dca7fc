"""What stands between the web server and Django: a body is there as a whole before anybody works on it.

A thread that reads waits for the sender, however slow he is; a thread that works holds database sessions, so there are
few of those. Were they the same, four strangers who send a byte each would stop the server (a slow-body attack).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any

from optsync.core.proxies import INSIDE, Network, address_of, is_among

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

LANES = 4
"""How many requests are worked on at once; measured: more do not help before a core is full."""
READERS = 128
"""How many bodies are read at once, and so how many threads the web server may start; idle ones end by themselves."""
READERS_OF_ONE_PEER = 48
"""As many for one address on the internet; a mail provider posts many unsubscribes from one. A proxy of our own is not
bound: it reads bodies itself."""
BODY_BYTES_MAX = 52 * 1024 * 1024
"""A file of 50 MB in a form. What is longer is not read; whoever works on it refuses it by its length."""
IN_MEMORY_BYTES = 256 * 1024
BLOCK_BYTES = 64 * 1024


class Lanes:
    """A WSGI application around another one."""

    def __init__(self, application: Application, proxies: Sequence[Network] = INSIDE) -> None:
        self._application = application
        self._lanes = ThreadPoolExecutor(LANES, "lane")
        self._readers = Readers(proxies)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        length = length_of(environ)
        with BytesIO() if length <= IN_MEMORY_BYTES else TemporaryFile() as body:
            if length:
                with self._readers.turn(environ.get("REMOTE_ADDR", "")) as may_read:
                    if not may_read:
                        start_response("503 Service Unavailable", [("Retry-After", "30"), ("Content-Length", "0")])
                        return []
                    copy(environ["wsgi.input"], body, length)
            environ["wsgi.input"] = body
            status, headers, parts = self._lanes.submit(self._work, environ).result()
        start_response(status, headers)
        return parts

    def _work(self, environ: Environ) -> tuple[str, Headers, Iterable[bytes]]:
        """Runs in a lane. A streamed answer is made while it is sent, by the thread that sends it."""
        begun: list[tuple[str, Headers]] = []
        answer = self._application(environ, lambda status, headers, exc_info=None: begun.append((status, headers)))
        if getattr(answer, "streaming", False):
            return *begun[-1], answer
        try:
            parts = list(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        return *begun[-1], parts


class Readers:
    """Counts who sends bodies, so that one address cannot take every thread; our own proxies may."""

    def __init__(self, proxies: Sequence[Network] = INSIDE) -> None:
        self._proxies = proxies
        self._lock = threading.Lock()
        self._reading: Counter[str] = Counter()

    @contextmanager
    def turn(self, peer: str) -> Iterator[bool]:
        """Yields whether one more body of this peer may be read now."""
        with self._lock:
            may_read = self._reading[peer] < READERS_OF_ONE_PEER or self._is_proxy(peer)
            self._reading[peer] += 1
        try:
            yield may_read
        finally:
            with self._lock:
                self._reading[peer] -= 1
                if not self._reading[peer]:
                    del self._reading[peer]

    def _is_proxy(self, peer: str) -> bool:
        found = address_of(peer)
        return found is not None and is_among(found, self._proxies)


def length_of(environ: Environ) -> int:
    """How many bytes of body to read: as many as are announced, as Django sees it; none when that is too many."""
    announced = environ.get("CONTENT_LENGTH") or ""
    length = int(announced) if announced.isdecimal() else 0
    return length if length <= BODY_BYTES_MAX else 0


def copy(source: IO[bytes], body: IO[bytes], length: int) -> None:
    """Waits for the sender; what he does not send is not there."""
    while length and (block := source.read(min(length, BLOCK_BYTES))):
        body.write(block)
        length -= len(block)
    body.seek(0)
