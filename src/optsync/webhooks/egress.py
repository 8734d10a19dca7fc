"""The one door to addresses that somebody typed in: webhooks, alert channels, heartbeats.

Promises: https only; no redirect is followed, no cookie kept, no proxy of the environment used. Only addresses that are
out there are connected to (optsync.network). A call ends at its deadline even if bytes drip in one by one, and no more
of an answer is read than its cap.
"""

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urlsplit

import httpcore2
import httpx2  # noqa: TID251  one of the two modules that speak HTTP

from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.network import GuardedTransport, Policy, addresses_of
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.environment import Environment

DEADLINE_SECONDS: Final = 15.0
"""From the first byte sent to the last one read. Standard Webhooks asks for 15 to 30 s."""
BODY_BYTES_MAX: Final = 16 * 1024
SAID_LENGTH_MAX: Final = 200
URL_LENGTH_MAX: Final = 2_000
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
NOT_OUT_THERE: Final = tuple(
    ipaddress.ip_network(block) for block in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
"""Tunnels and protocol assignments (RFC 6890), which Python's `is_global` lets pass in one version or another."""
UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
Resolve = Callable[[str, int], list[str]]
"""The addresses of a host name, asked for one connection. Raises OSError for an unknown one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` is None when no answer came, `said` is then why; else the start of the body."""

    status: int | None
    said: str
    took_ms: int
    body: bytes = field(default=b"", repr=False)
    """Its first 16 KB."""

    @property
    def is_ok(self) -> bool:
        """Whether the receiver said that it has it."""
        return self.status is not None and 200 <= self.status < 300


class Forbidden(httpcore2.ConnectError):
    """The name leads to an address that is not out there."""


class Egress:
    """Sends to addresses that somebody typed in. `to_loopback`, for development, allows http to this machine."""

    def __init__(self, seams: Seams, *, to_loopback: bool = False, resolve: Resolve = addresses_of) -> None:
        self.seams = seams
        self.to_loopback = to_loopback
        self.resolve = resolve

    def refuse(self, url: str) -> None:
        """Raises Problem, exit code 2, for an address that is not to be sent to, whatever its name leads to."""
        parts = _split(url)
        why = None
        if parts is None or not parts.hostname:
            why = told("it is no address of the form https://host/path")
        elif parts.username is not None or parts.password is not None:
            why = told("it holds a user name or a password")
        elif parts.scheme != "https" and not (parts.scheme == "http" and self.to_loopback and _is_here(parts.hostname)):
            why = told("it does not begin with https://")
        if why is not None:
            raise Problem(
                told("this address cannot be sent to: %(why)s", why=why),
                told("nothing was stored and nothing was sent"),
                told("give an https address that this machine reaches on the internet"),
                2,
            )

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POSTs and tells what came of it; never raises for what is out there."""
        return self._send("POST", url, body, headers)

    def get(self, url: str) -> Answer:
        """GETs, for a heartbeat."""
        return self._send("GET", url, b"", {})

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        began = self.seams.monotonic()
        try:
            self.refuse(url)
            status, came = self._exchange(method, url, body, headers, began + DEADLINE_SECONDS)
            return Answer(status, _readable(came), self._took(began), came)
        except Problem as problem:
            said = problem.what
        except (httpcore2.ConnectError, httpcore2.NetworkError, httpx2.TransportError, ssl.SSLError) as error:
            said = _why(error)
        except (httpx2.InvalidURL, UnicodeError, ValueError):
            said = "the address cannot be read"
        return Answer(None, said, self._took(began))

    def _took(self, began: float) -> int:
        return round((self.seams.monotonic() - began) * 1000)

    def _exchange(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], ends_at: float
    ) -> tuple[int, bytes]:
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), DEADLINE_SECONDS)
        request = httpx2.Request(
            method,
            url,
            content=body,
            headers={"User-Agent": "optsync", "Accept-Encoding": "identity", **headers},
            extensions={"timeout": timeouts},
        )
        with GuardedTransport(_OutThere(self, ends_at), 1) as transport:
            response = transport.handle_request(request)
            try:
                return response.status_code, _start_of(response.stream)
            finally:
                response.close()

    def allowed(self, address: str) -> bool:
        """Whether an address is out there: public, or this machine while that is allowed."""
        ip = _unwrapped(address.partition("%")[0])
        if ip.is_loopback:
            return self.to_loopback
        if any(ip in block for block in NOT_OUT_THERE) or (ip.version == 6 and ip not in GLOBAL_UNICAST):
            return False
        return ip.is_global and not ip.is_multicast and not ip.is_reserved


def egress_of(seams: Seams, environment: "Environment") -> Egress:
    """The door out, as an installation's settings allow."""
    return Egress(seams, to_loopback=environment.webhooks_to_loopback)


def _unwrapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that counts: an IPv4 one inside an IPv6 one is that IPv4 address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _split(url: str) -> SplitResult | None:
    if len(url) > URL_LENGTH_MAX or not url.isascii() or re.search(r"[\s\\]", url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
    except ValueError:
        return None
    return parts


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _start_of(stream: Any) -> bytes:
    """The first bytes of an answer; what comes after them is not read."""
    found = b""
    for piece in stream:
        found += piece
        if len(found) >= BODY_BYTES_MAX:
            break
    return found[:BODY_BYTES_MAX]


def _readable(body: bytes) -> str:
    """The start of a body as one line that can neither move a cursor nor turn a text around."""
    return " ".join(UNPRINTABLE.sub(" ", body.decode("utf-8", "replace")).split())[:SAID_LENGTH_MAX]


def _why(error: Exception) -> str:
    """Why no answer came, without the library's text: it may hold the address."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(one, Forbidden) for one in causes):
        return "refused: the name leads to a private or reserved network address"
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
        return "the certificate is not valid for this name"
    if any(isinstance(one, socket.gaierror) for one in causes):
        return "the name is unknown"
    if isinstance(error, httpx2.TimeoutException):
        return f"no answer within {DEADLINE_SECONDS:.0f} s"
    reason = next((one.strerror for one in causes if isinstance(one, OSError) and one.strerror), None)
    return f"no connection ({reason})" if reason else f"the connection broke ({type(error).__name__})"


class _OutThere(Policy):
    """Addresses that are out there, and the deadline of one call."""

    def __init__(self, egress: Egress, ends_at: float) -> None:
        self._egress = egress
        self._ends_at = ends_at

    def resolve(self, host: str, port: int) -> list[str]:
        """As the door was told to."""
        return self._egress.resolve(host, port)

    def check(self, host: str, addresses: Iterable[str]) -> None:
        """Raises Forbidden when any address of the name is not out there."""
        if not all(self._egress.allowed(address) for address in addresses):
            raise Forbidden

    def left(self, timeout: float | None, *, to_write: bool = False) -> float:
        """What is left of the call, whatever the library would wait. Raises httpcore2.ReadTimeout when nothing is."""
        left = self._ends_at - self._egress.seams.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout
        return left
