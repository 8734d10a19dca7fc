"""What stands between the web server and Django: a body is there as a whole before anybody works on it.

A thread that reads waits for the sender, however slow he is; a thread that works holds database sessions, so there are
few of those. Were they the same, four strangers who send a byte each would stop the server (a slow-body attack).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO, Any

from optsync.core.proxies import INSIDE, Networks, address_of

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Answer = tuple[str, Headers, Iterable[bytes]]
"""Status, headers and body."""
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

LANES = 4
"""How many requests are worked on at once; measured: more do not help before a core is full."""
READERS = 128
"""How many bodies are read at once, and so how many threads the web server may start; idle ones end by themselves."""
READERS_OF_ONE_PEER = 48
"""As many for one address on the internet; a mail provider posts many unsubscribes from one. A proxy of our own is not
bound: it reads bodies itself."""
OPEN_FORM = "/u/"
"""The form for damaged links, to which anybody may post without a token, a key or a session."""
STRANGER_LANES = 2
"""Requests at that form are worked on apart: it takes its time on purpose, and a flood of it must delay no link."""
STRANGERS_MAX = 24
"""How many are there at once, those who wait included: about a second of the form's own work."""
BODY_BYTES_MAX = 52 * 1024 * 1024
"""A file of 50 MB in a form. What is longer is not read; whoever works on it refuses it by its length."""
IN_MEMORY_BYTES = 256 * 1024
BLOCK_BYTES = 64 * 1024


CROWDED_TEXT = (
    "Too many people are here at once; nothing was changed. Please try again in a minute, or use the link in your "
    "e-mail.\n"
    "Zu viele Menschen auf einmal; es wurde nichts geändert. Bitte versuchen Sie es in einer Minute noch einmal, oder "
    "nehmen Sie den Link in der E-Mail.\n"
).encode()
CROWDED: Answer = (
    "503 Service Unavailable",
    [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(CROWDED_TEXT))),
        ("Retry-After", "60"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ],
    [CROWDED_TEXT],
)


class Lanes:
    """A WSGI application around another one.

    `at_once` answers what needs no lane, in the thread that read the body; None = it is the application's to answer.
    """

    def __init__(
        self,
        application: Application,
        proxies: Networks = INSIDE,
        lanes: int = LANES,
        at_once: Callable[[Environ], Answer | None] = lambda _: None,
    ) -> None:
        self._application = application
        self._at_once = at_once
        self._lanes = ThreadPoolExecutor(lanes, "lane")
        self._stranger_lanes = ThreadPoolExecutor(STRANGER_LANES, "stranger")
        self._strangers = threading.BoundedSemaphore(STRANGERS_MAX)
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
            status, headers, parts = self._answer(environ)
        start_response(status, headers)
        return parts

    def _answer(self, environ: Environ) -> Answer:
        """What is answered at once, else by a lane; of strangers at the open form only so many are let in."""
        if answer := self._at_once(environ):
            return answer
        if environ["PATH_INFO"] != OPEN_FORM:
            return self._lanes.submit(self._work, environ).result()
        if not self._strangers.acquire(blocking=False):
            return CROWDED
        try:
            return self._stranger_lanes.submit(self._work, environ).result()
        finally:
            self._strangers.release()

    def _work(self, environ: Environ) -> Answer:
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

    def __init__(self, proxies: Networks = INSIDE) -> None:
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
        return found is not None and found in self._proxies


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
