"""Outages: for some seconds nobody gets in, by plain HTTP or by HTTPS; then everybody does again."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.certificates import make_certificate
from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg

BROKEN = (http.client.HTTPException, OSError)


@pytest.fixture(scope="module", params=["http", "https"])
def own_org(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeOrg]:
    """An org that nobody else is connected to."""
    options: dict[str, object] = {}
    if request.param == "https":
        certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
        options = {"https": "127.0.0.1:0", "cert": certificate, "key": key}
    with PracticeOrg.start(**options) as server:
        yield server


def knock(rest: Rest) -> socket.socket:
    address = urlsplit(rest.org.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=0.5)


def is_refused(rest: Rest) -> None:
    with pytest.raises(ConnectionRefusedError):
        knock(rest)


def is_not_answered(rest: Rest) -> None:
    with pytest.raises(TimeoutError):
        knock(rest)


def agrees_on_no_tls(rest: Rest) -> None:
    with knock(rest) as connection, pytest.raises(ssl.SSLError, match=r"(?i)alert.handshake.failure"):
        ssl.create_default_context().wrap_socket(connection, server_hostname="127.0.0.1")


OUTAGES: dict[str, Callable[[Rest], None]] = {
    "connection_refused": is_refused,
    "connect_timeout": is_not_answered,
    "tls_failure": agrees_on_no_tls,
}
"""What a client meets during each."""


@pytest.mark.parametrize("kind", OUTAGES)
def test_an_outage_breaks_all_connections_keeps_clients_out_and_ends(own_org: PracticeOrg, kind: str) -> None:
    own_org.reset()
    rest, idle = Rest(own_org), own_org.connect()
    idle.request("GET", "/services/data")
    assert idle.getresponse().read()
    own_org.fault(kind, route="limits", seconds=1.5)
    with pytest.raises(BROKEN):
        rest.call("GET", "limits")
    OUTAGES[kind](rest)
    with pytest.raises(BROKEN):
        ask_on_the_same_connection(idle)
    idle.close()
    come_back(rest)
    assert own_org.faults()[0]["struck"] == 1


def ask_on_the_same_connection(connection: http.client.HTTPConnection) -> None:
    connection.auto_open = 0  # else http.client would connect again
    connection.request("GET", "/services/data")
    connection.getresponse()


def come_back(rest: Rest) -> None:
    for _ in range(100):
        try:
            assert rest.call("GET", "limits").status == 200
        except BROKEN:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the org did not come back")
