"""No hostile address gets a connection, wherever it stands (T9): counted at a listening socket all names lead to."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

import httpx2
import pytest

from optsync import seams
from optsync.salesforce import bulk, http, query
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import HostRefused, OddAnswer, SalesforceError
from optsync.salesforce.session import Session, open_session
from optsync.salesforce.web_flow import App, begin
from tests.conformance.client import wire
from tests.conformance.client.test_bulk_wire import JOB, A, info, page
from tests.conformance.client.wire import answer, serve, token
from tests.hostile import HOSTILE, NOT_THIS_MACHINE

IN_A_HEADER = [url for url in HOSTILE if url and url.isascii() and url.isprintable()]
EVIL = ["https://evil.tld", "http://127.0.0.1@evil.tld/", "//evil.tld/services/data/v62.0/query/01g-2000", *IN_A_HEADER]
TOKEN_PATH = "/services/oauth2/token"


class Trap:
    """A listening socket. Whatever name or number the client looks up leads here, and nothing checks where it led."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self._came_from: list[object] = []
        self._counted = threading.Condition()
        self._thread = threading.Thread(target=self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, came_from = self._listener.accept()
                accepted.close()
                with self._counted:
                    self._came_from.append(came_from)
                    self._counted.notify_all()

    def connections(self) -> int:
        """How many came. One of our own, the last in the queue, says that all before it are counted."""
        with contextlib.closing(_connect(self.port)) as ours, self._counted:
            assert self._counted.wait_for(lambda: ours.getsockname() in self._came_from, 10)
            return self._came_from.index(ours.getsockname())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


def _connect(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.connect(("127.0.0.1", port))
    return made


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """All names lead to it, except this machine's own."""
    look_up = socket.getaddrinfo

    def lead_here(host: str, port: int, *more: object, **named: object) -> object:
        ours = host in ("127.0.0.1", "localhost") and port not in (80, 443, 8001)
        return look_up("127.0.0.1", port if ours else caught.port, *more, **named)  # type: ignore[arg-type]  # passed on

    with Trap(socket.create_server(("127.0.0.1", 0))) as caught:
        monkeypatch.setattr(socket, "getaddrinfo", lead_here)
        monkeypatch.setattr(http, "check_address", lambda host, address: None)
        yield caught


def credential(login_url: str, *, practice: bool = False) -> Credential:
    return Credential("client_credentials", login_url, "key", client_secret="secret", practice=practice)


def ask(given: Credential) -> None:
    with open_session(given, wire.without_waiting()) as session:
        session.request("GET", "limits")


def test_the_trap_catches_who_connects(trap: Trap) -> None:
    with pytest.raises(SalesforceError):
        ask(credential("https://login.salesforce.com"))
    assert trap.connections() >= 1


def test_no_hostile_login_address_is_connected_to(trap: Trap) -> None:
    refused = [(url, False) for url in HOSTILE] + [(url, True) for url in NOT_THIS_MACHINE]
    assert len(refused) >= 60
    for url, practice in refused:
        with pytest.raises(HostRefused):
            ask(credential(url, practice=practice))
        with pytest.raises(HostRefused):
            begin(App(url, "key", practice=practice), "http://localhost:1717/", seams.real())
    assert trap.connections() == 0


def test_no_hostile_instance_url_of_a_real_org_gets_a_request() -> None:
    asked: list[str] = []

    def reply(instance_url: str, request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        identity = f"https://login.salesforce.com/id/{wire.ORG_ID}/005000000000001AAA"
        return httpx2.Response(200, json={"access_token": "t", "instance_url": instance_url, "id": identity})

    given = credential("https://login.salesforce.com")
    for url in [*HOSTILE, "https://login.salesforce.com", "https://test.salesforce.com"]:
        answers = httpx2.MockTransport(partial(reply, url))
        with (
            open_session(given, wire.without_waiting(), transport=answers) as session,
            pytest.raises(HostRefused),
        ):
            session.request("GET", "limits")
    assert set(asked) == {"login.salesforce.com"}


def test_no_hostile_instance_url_of_a_practice_org_is_connected_to(trap: Trap) -> None:
    allowed = {"http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"}
    for url in {*HOSTILE, *NOT_THIS_MACHINE} - allowed:
        with serve(answer({}), signs_in=False) as server, server.session() as session:
            server.replies[:] = [token(server.port, instance_url=url), answer({})]
            with pytest.raises(HostRefused):
                session.request("GET", "limits")
            assert server.paths() == [TOKEN_PATH]
    assert trap.connections() == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(trap: Trap, status: int) -> None:
    actions: list[Callable[[Session], object]] = [
        lambda session: session.request("GET", "limits"),
        lambda session: session.request("PATCH", "composite/sobjects", json={}),
        lambda session: list(bulk.query_results(session, JOB, ["Id", "Email"], 1)),
    ]
    for url in EVIL:
        for signed_in in (True, False):
            with serve(answer({}), signs_in=False) as server:
                moved = answer(b"", status, Location=url)
                server.replies[:] = [token(server.port), moved] if signed_in else [moved]
                for action in actions if signed_in else actions[:1]:
                    with server.session() as session, pytest.raises(OddAnswer):
                        action(session)
    assert trap.connections() == 0


def test_no_further_page_of_a_query_leads_away(trap: Trap) -> None:
    for url in [*EVIL, *HOSTILE, "\\\\evil.tld\\services", "/services/../../evil", "@evil.tld/services/"]:
        first = answer({"totalSize": 2, "done": False, "nextRecordsUrl": url, "records": [{"Id": "1"}]})
        with serve(first) as server, server.session() as session:
            with pytest.raises(SalesforceError):
                list(query.rows(session, "SELECT Id FROM Lead"))
            assert all(path.startswith("/services/") for path in server.paths())
            assert len(server.requests) <= 4
    assert trap.connections() == 0


def test_no_locator_and_no_job_leads_away(trap: Trap) -> None:
    for url in EVIL:
        with serve(answer({})) as server, server.session() as session:
            server.replies[1:] = [info(records=1), page(A, url), answer([{"errorCode": "X", "message": "end"}], 400)]
            with pytest.raises(SalesforceError):
                list(bulk.query_results(session, JOB, ["Id", "Email"], 2))
            server.replies[:] = [answer({"id": url, "state": "Open", "contentUrl": url})]
            with pytest.raises(SalesforceError):
                bulk.create_update_job(session, "Lead")
            with pytest.raises(SalesforceError):
                bulk.query_info(session, url)
            assert all(path.startswith("/services/") for path in server.paths())
    assert trap.connections() == 0
