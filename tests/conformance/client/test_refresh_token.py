"""Signing in by refresh token: one renewal for all threads, never a loop, and no token is used before it is kept."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from optsync import seams
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import BadCredential, OddAnswer, SalesforceError, SessionRefused, SignInRefused
from optsync.salesforce.session import Session, open_session
from tests.conformance.client import wire
from tests.conformance.client.wire import answer, serve, token
from tests.conformance.practice import web_flow
from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg

EXPIRED = answer([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}], 401)
DEAD = answer({"error": "invalid_grant", "error_description": "expired access/refresh token"}, 400)
TOKEN_PATH = "/services/oauth2/token"
THREADS = 20


@dataclass
class Shelf:
    """A keeper that notes what it was given, and what had been sent by then."""

    credential: Credential
    kept: list[str | None] = field(default_factory=list)
    requests: Callable[[], int] = lambda: 0
    requests_when_kept: list[int] = field(default_factory=list)

    @contextmanager
    def hold(self) -> Iterator["Shelf"]:
        yield self

    def keep(self, credential: Credential) -> None:
        self.credential = credential
        self.kept.append(credential.refresh_token)
        self.requests_when_kept.append(self.requests())


def credential_at(url: str, refresh_token: str = "one") -> Credential:
    return Credential("refresh_token", url, "key", client_secret="secret", practice=True, refresh_token=refresh_token)


@contextmanager
def session_on(server: wire.Wire) -> Iterator[tuple[Session, Shelf]]:
    shelf = Shelf(credential_at(server.url), requests=lambda: len(server.requests))
    with open_session(shelf.credential, wire.without_waiting(), keeper=shelf) as session:
        yield session, shelf


@pytest.fixture
def let_in(org: PracticeOrg) -> Credential:
    """What a person's consent gave us."""
    rest = Rest(org)
    held, known = web_flow.tokens(rest), org.credentials
    return Credential(
        "refresh_token",
        known["login_url"],
        known["client_id"],
        client_secret=known["client_secret"],
        practice=True,
        refresh_token=held["refresh_token"],
    )


def in_threads(action: Callable[[], object]) -> list[object]:
    together = threading.Barrier(THREADS)

    def run() -> object:
        together.wait()
        try:
            return action()
        except SalesforceError as error:
            return error

    with ThreadPoolExecutor(THREADS) as threads:
        return [future.result() for future in [threads.submit(run) for _ in range(THREADS)]]


@pytest.mark.parametrize("rotates", [False, True])
def test_any_number_of_threads_renew_once(org: PracticeOrg, let_in: Credential, rotates: bool) -> None:
    org.behaviour(refresh_token_rotates=rotates)
    shelf = Shelf(let_in)
    with open_session(let_in, seams.real(), keeper=shelf) as session:
        for renewals in (1, 2, 3):
            results = in_threads(lambda: session.request("GET", "limits").status)
            assert results == [200] * THREADS
            assert org.spy()["routes"]["oauth.token"] == renewals + 1, "the first one was the code's exchange"
            org.expire_sessions()
    assert len(shelf.kept) == (3 if rotates else 0)


def test_the_next_refresh_token_is_kept_before_its_session_is_used() -> None:
    with serve(answer({}), signs_in=False) as server, session_on(server) as (session, shelf):
        server.replies[:] = [token(server.port, refresh_token="two"), answer({"fine": 1})]
        session.request("GET", "limits")
        assert shelf.kept == ["two"]
        assert shelf.requests_when_kept == [1]
        server.replies[:] = [EXPIRED, token(server.port, "00D!two", refresh_token="three"), answer({"fine": 1})]
        session.request("GET", "limits")
        assert shelf.kept == ["two", "three"]
        assert shelf.requests_when_kept == [1, 4]
        forms = [request for request in server.requests if TOKEN_PATH.encode() in request]
        assert b"refresh_token=one" in forms[0]
        assert b"refresh_token=two" in forms[1]
        assert session.credential.refresh_token == "three"


def test_a_session_whose_refresh_token_could_not_be_kept_is_not_used() -> None:
    class Full(Shelf):
        def keep(self, credential: Credential) -> None:
            raise OSError("no room")

    with serve(answer({}), signs_in=False) as server:
        server.replies[:] = [token(server.port, refresh_token="two"), answer({})]
        full = Full(credential_at(server.url))
        with open_session(full.credential, wire.without_waiting(), keeper=full) as session, pytest.raises(OSError):
            session.request("GET", "limits")
        assert server.paths() == [TOKEN_PATH]


def test_the_newest_token_is_used_although_another_process_renewed() -> None:
    with serve(answer({}), signs_in=False) as server, session_on(server) as (session, shelf):
        shelf.credential = credential_at(server.url, "renewed elsewhere")
        server.replies[:] = [token(server.port), answer({})]
        session.request("GET", "limits")
        assert b"refresh_token=renewed+elsewhere" in server.requests[0]
        assert shelf.kept == []


def test_a_second_401_after_the_renewal_is_an_error_and_no_loop() -> None:
    with serve(answer({}), signs_in=False) as server, session_on(server) as (session, _):
        server.replies[:] = [token(server.port), EXPIRED, token(server.port, "00D!two"), EXPIRED]
        with pytest.raises(SessionRefused) as refused:
            session.request("PATCH", "composite/sobjects", json={})
        assert len(server.requests) == 4
        assert refused.value.message
        assert refused.value.means
        assert refused.value.next_step


def test_a_refused_refresh_token_is_one_question_and_one_clear_error() -> None:
    with serve(DEAD, signs_in=False) as server, session_on(server) as (session, shelf):
        with pytest.raises(SignInRefused) as refused:
            session.request("GET", "limits")
        assert server.paths() == [TOKEN_PATH]
        assert "none is lost" in refused.value.means
        assert "connect the org again" in refused.value.next_step
        assert shelf.kept == []


@pytest.mark.parametrize("odd", ["", 5, "two\r\nX-Evil: 1", ["two"], "x" * 9_000])
def test_an_odd_refresh_token_is_not_kept(odd: object) -> None:
    with serve(answer({}), signs_in=False) as server, session_on(server) as (session, shelf):
        identity = f"{server.url}/id/{wire.ORG_ID}/005000000000001AAA"
        said = {"access_token": "t", "instance_url": server.url, "id": identity, "refresh_token": odd}
        server.replies[:] = [answer(said), answer({})]
        with pytest.raises(OddAnswer):
            session.request("GET", "limits")
        assert server.paths() == [TOKEN_PATH]
        assert shelf.kept == []


def test_an_app_without_a_secret_sends_none() -> None:
    with serve(answer({}), signs_in=False) as server:
        server.replies[:] = [token(server.port), answer({})]
        bare = Credential("refresh_token", server.url, "key", practice=True, refresh_token="one")
        with open_session(bare, wire.without_waiting()) as session:
            session.request("GET", "limits")
        assert b"client_secret" not in server.requests[0]


def test_a_refresh_token_is_never_shown_and_never_missing() -> None:
    assert "refresh-marker" not in repr(credential_at("http://127.0.0.1:1", "refresh-marker"))
    with pytest.raises(BadCredential):
        Credential("refresh_token", "http://127.0.0.1:1", "key", practice=True)
    known = credential_at("http://127.0.0.1:1")
    assert Credential.from_json(known.to_json()) == known
