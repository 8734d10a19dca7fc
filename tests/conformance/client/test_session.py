"""Signing in, once, and staying with one org."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from optsync.salesforce.answer_headers import ApiUsage
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import (
    BadCredential,
    HostRefused,
    OddAnswer,
    SalesforceError,
    SessionRefused,
    SignInRefused,
    Unreachable,
)
from optsync.salesforce.session import open_session
from tests.conformance.client import wire
from tests.conformance.client.wire import answer, serve, token

EXPIRED = answer([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}], 401)
KEY = RSAKey.generate_key(2048)
TOKEN_PATH = "/services/oauth2/token"


def bearers(server: wire.Wire) -> list[str]:
    lines = [line for request in server.requests for line in request.decode("latin-1").split("\r\n")]
    return [line.partition("Bearer ")[2] for line in lines if line.startswith("Authorization: Bearer ")]


def test_signing_in_waits_until_it_is_needed() -> None:
    with serve(answer({})) as server, server.session() as session:
        assert server.requests == []
        session.request("GET", "limits")
        assert server.paths() == [TOKEN_PATH, "/services/data/v62.0/limits"]


def test_every_call_names_us_and_writes_run_no_assignment_rules() -> None:
    with serve(answer({})) as server, server.session() as session:
        session.request("GET", "limits")
        session.request("PATCH", "sobjects/Lead/x", json={})
    read, write = (request.lower() for request in server.requests[1:])
    assert b"sforce-call-options: client=optsync\r\n" in read
    assert b"sforce-call-options: client=optsync\r\n" in write
    assert b"sforce-auto-assign: false\r\n" in write
    assert b"sforce-auto-assign" not in read


def test_an_expired_session_is_renewed_once_and_the_call_repeated() -> None:
    with serve(EXPIRED) as server, server.session() as session:
        server.replies[1:] = [EXPIRED, token(server.port, "00D!two"), answer({"fine": 1})]
        assert session.request("PATCH", "composite/sobjects", json={}).json_object() == {"fine": 1}
        assert bearers(server) == ["00D000000000001!one", "00D!two"]


def test_a_session_that_stays_refused_is_no_loop() -> None:
    with serve(EXPIRED) as server, server.session() as session:
        server.replies[1:] = [EXPIRED, token(server.port, "00D!two"), EXPIRED]
        with pytest.raises(SessionRefused):
            session.request("GET", "limits")
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    "item",
    [
        {"message": "This session is not valid for use with the REST API", "errorCode": "INVALID_SESSION_ID"},
        {"message": "Connected app is not attached to Agent", "errorCode": "INVALID_SESSION_ID"},
        {"message": "This session is not valid for use with the API", "errorCode": "INVALID_AUTH_HEADER"},
    ],
)
def test_what_a_new_sign_in_cannot_cure_is_not_renewed(item: dict[str, str]) -> None:
    with serve(answer([item], 401)) as server, server.session() as session:
        with pytest.raises(SessionRefused):
            session.request("GET", "limits")
        assert server.paths().count(TOKEN_PATH) == 1


@pytest.mark.parametrize("body", [b"", b"<html>log in</html>", b"null", b"[]", b'"text"'])
def test_a_401_without_salesforces_words_is_renewed_once_too(body: bytes) -> None:
    wordless = answer(body, 401)
    with serve(wordless) as server, server.session() as session:
        server.replies[1:] = [wordless, token(server.port, "00D!two"), answer({"fine": 1})]
        assert session.request("GET", "limits").json_object() == {"fine": 1}
        server.replies[:] = [wordless, token(server.port, "00D!three"), wordless]
        with pytest.raises(SessionRefused):
            session.request("GET", "limits")
        assert server.paths().count(TOKEN_PATH) == 3


def test_a_session_that_was_refused_for_good_is_signed_in_anew_by_the_next_call() -> None:
    final = {"message": "This session is not valid for use with the REST API", "errorCode": "INVALID_SESSION_ID"}
    with serve(answer([final], 401)) as server, server.session() as session:
        with pytest.raises(SessionRefused):
            session.request("GET", "limits")
        server.replies[:] = [token(server.port, "00D!two"), answer({"fine": 1})]
        assert session.request("GET", "limits").json_object() == {"fine": 1}, "the user was put right meanwhile"
        assert bearers(server) == ["00D000000000001!one", "00D!two"]


@pytest.mark.parametrize("code", [5, {"a": 1}, ["INVALID_SESSION_ID"], 10_000 * "x"])
def test_a_401_with_an_odd_code_is_an_error_like_any_other(code: object) -> None:
    with serve(answer([{"errorCode": code, "message": code}], 401)) as server, server.session() as session:
        with pytest.raises(SessionRefused) as refused:
            session.request("GET", "limits")
        assert refused.value.code is None or len(refused.value.code) <= 80


def in_five_threads(action: Callable[[], object]) -> list[object]:
    together = threading.Barrier(5)

    def run() -> object:
        together.wait()
        try:
            return action()
        except SalesforceError as error:
            return error

    with ThreadPoolExecutor(5) as threads:
        return [future.result() for future in [threads.submit(run) for _ in range(5)]]


def test_five_threads_that_find_their_session_expired_sign_in_once() -> None:
    all_five = threading.Barrier(5)

    with serve(answer({})) as server, server.session() as session:
        session.request("GET", "limits")

        def respond(request: bytes) -> bytes:
            if b"!one\r\n" in request:
                all_five.wait(5)
                return EXPIRED
            return answer({"fine": 1}) if b"!two\r\n" in request else token(server.port, "00D!two")

        server.respond = respond
        results = in_five_threads(lambda: session.request("GET", "limits").json_object())
        assert results == [{"fine": 1}] * 5
        assert server.paths().count(TOKEN_PATH) == 2
        assert len(server.requests) == 2 + 5 + 1 + 5


def test_five_threads_that_cannot_sign_in_ask_once() -> None:
    refused = answer({"error": "invalid_grant", "error_description": "authentication failure"}, 400)

    def slowly(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(refused)

    with serve(slowly, signs_in=False) as server, server.session() as session:
        results = in_five_threads(lambda: session.request("GET", "limits"))
        assert all(isinstance(result, SignInRefused) for result in results)
        assert len(server.requests) == 1
        with pytest.raises(SignInRefused):
            session.request("GET", "limits")
        assert len(server.requests) == 2


def test_a_renewal_counts_against_the_deadline_of_a_write() -> None:
    over = threading.Event()

    def sign_in_slowly(connection: socket.socket) -> None:
        over.wait(10)
        with suppress(OSError):
            connection.sendall(token(connection.getsockname()[1], "00D!two"))

    with serve(EXPIRED) as server, server.session() as session:
        server.replies[1:] = [EXPIRED, sign_in_slowly]
        started = time.monotonic()
        with pytest.raises(Unreachable):
            session.request("PATCH", "composite/sobjects", json={}, deadline_seconds=0.4)
        assert time.monotonic() - started < 5
        over.set()
        assert [path for path in server.paths() if path != TOKEN_PATH] == ["/services/data/v62.0/composite/sobjects"]


def test_nothing_is_sent_when_no_time_is_left() -> None:
    with serve(answer({})) as server, server.session() as session:
        session.request("GET", "limits")
        with session.http.until(-1.0), pytest.raises(Unreachable) as late:
            session.request("PATCH", "composite/sobjects", json={})
        assert late.value.maybe_applied is False
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("error", "description", "word"),
    [
        ("invalid_grant", "expired access/refresh token", "refresh token was revoked"),
        ("invalid_grant", "authentication failure", "login policy"),
        ("invalid_grant", "inactive organization", "deactivated"),
        ("access_denied", "end-user denied authorization", "consent page"),
        ("redirect_uri_mismatch", "redirect_uri must match configuration", "callback"),
        ("invalid_grant", "request not supported on this domain", "My Domain"),
        ("invalid_grant", "user hasn't approved this consumer", "not yet allowed"),
        ("invalid_grant", "Audience validation failed", "sandbox"),
        ("invalid_grant", "ip restricted", "network address"),
        ("invalid_grant", "inactive user", "deactivated"),
        ("invalid_grant", "no client credentials user enabled", "run as"),
        ("invalid_client_id", "client identifier invalid", "app"),
        ("invalid_client", "invalid client credentials", "secret"),
        ("unsupported_grant_type", "grant type not supported", "way of signing in"),
    ],
)
def test_a_refused_sign_in_says_what_it_means(error: str, description: str, word: str) -> None:
    said = answer({"error": error, "error_description": description}, 400)
    with (
        serve(said, signs_in=False) as server,
        server.session() as session,
        pytest.raises(SignInRefused) as refused,
    ):
        session.request("GET", "limits")
    assert (refused.value.error, refused.value.description) == (error, description)
    assert word in refused.value.means
    assert refused.value.next_step


@pytest.mark.parametrize(
    "instance_url",
    ["https://evil.tld", "http://10.0.0.1", "https://acme.my.salesforce.com", "http://127.0.0.1@evil.tld", ""],
)
def test_a_token_answer_that_names_another_host_gets_no_call(instance_url: str) -> None:
    with serve(answer({}), signs_in=False) as server, server.session() as session:
        server.replies[:] = [token(server.port, instance_url=instance_url), answer({})]
        with pytest.raises(HostRefused):
            session.request("GET", "limits")
        assert server.paths() == [TOKEN_PATH]


@pytest.mark.parametrize(
    "other",
    [{"access_token": ""}, {"access_token": "a\r\nX-Evil: 1"}, {"id": "https://x/id/00D/005"}, {"id": "nonsense"}],
)
def test_an_odd_token_answer_is_not_used(other: dict[str, str]) -> None:
    with serve(answer({}), signs_in=False) as server, server.session() as session:
        server.replies[:] = [token(server.port, **other), answer({})]
        with pytest.raises(OddAnswer):
            session.request("GET", "limits")
        assert server.paths() == [TOKEN_PATH]


def test_a_renewal_that_leads_to_another_org_is_refused() -> None:
    with serve(EXPIRED) as server, server.session() as session:
        other = f"{server.url}/id/00D000000000002EAA/005000000000001AAA"
        server.replies[1:] = [EXPIRED, token(server.port, "00D!two", id=other), answer({})]
        with pytest.raises(OddAnswer):
            session.request("GET", "limits")
        assert bearers(server) == ["00D000000000001!one"]


def pem_of(key: object, password: bytes | None = None) -> str:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined]  # each key has it
    return pem.decode()


@pytest.mark.parametrize(
    "pem",
    [
        "nonsense",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem_of(rsa.generate_private_key(65537, 2048), b"a password"),
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        KEY.as_pem(private=False).decode(),
    ],
    ids=["nonsense", "cut", "encrypted", "another kind", "the public half"],
)
def test_a_key_that_cannot_sign_is_a_bad_credential_and_nothing_is_sent(pem: str) -> None:
    with serve(answer({})) as server:
        credential = Credential("jwt", server.url, "consumer", "integration@example.com", pem, practice=True)
        with open_session(credential, wire.without_waiting()) as session, pytest.raises(BadCredential) as refused:
            session.request("GET", "limits")
        assert server.requests == []
        assert "AAAA" not in str(refused.value)
        assert refused.value.next_step


def assertion_expiry(request: bytes) -> datetime:
    assertion = request.rpartition(b"assertion=")[2].decode()
    return datetime.fromtimestamp(jwt.decode(assertion, KEY).claims["exp"], UTC)


def test_a_jwt_is_minted_again_by_salesforces_clock_when_ours_is_wrong() -> None:
    with serve(answer({}), signs_in=False) as server:
        refused = answer({"error": "invalid_grant", "error_description": "expired assertion"}, 400)
        there_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        dated = refused.replace(
            b"\r\n\r\n", there_at.strftime("\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n\r\n").encode(), 1
        )
        server.replies[:] = [dated, token(server.port), answer({})]
        pem = KEY.as_pem(private=True).decode()
        credential = Credential("jwt", server.url, "consumer", "integration@example.com", pem, practice=True)
        with open_session(credential, wire.without_waiting()) as session:
            session.request("GET", "limits")
        assert assertion_expiry(server.requests[1]) == there_at + timedelta(seconds=180)
        claims = jwt.decode(server.requests[1].rpartition(b"assertion=")[2].decode(), KEY).claims
        assert claims["aud"] == "https://login.salesforce.com"
        assert (claims["iss"], claims["sub"]) == ("consumer", "integration@example.com")


def test_the_limits_header_and_salesforces_clock_are_noted() -> None:
    usage = "api-usage=10018/100000; per-app-api-usage=17/250(appName=sample-connected-app)"
    told = answer({}, Sforce_Limit_Info=usage, Date="Tue, 10 Nov 2026 04:00:00 GMT")
    with serve(told) as server, server.session() as session:
        session.request("GET", "limits")
        assert session.limit == ApiUsage(10_018, 100_000)
        assert session.salesforce_now_at == datetime(2026, 11, 10, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "path", ["//evil.tld/x", "https://evil.tld", "/id/x", "/services/a b", "/services/\r\nX: 1", "/services/../x", "/"]
)
def test_a_path_never_leaves_the_host(path: str) -> None:
    with serve(answer({})) as server, server.session() as session:
        if path.startswith("https"):
            session.request("GET", path)
            assert server.paths()[1] == f"/services/data/v62.0/{path}"
        else:
            with pytest.raises(OddAnswer):
                session.request("GET", path)


def test_nobody_pays_for_http_before_the_first_session() -> None:
    script = "import sys\nfrom optsync.salesforce import bulk, collections, describe, errors, hosts, limits\n"
    script += "from optsync.salesforce import credentials, organization, query, session, versions\n"
    script += (
        "print([name for name in ('httpx2', 'django', 'psycopg', 'joserfc', 'cryptography') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_a_session_works_on_any_transport_that_answers() -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == TOKEN_PATH:
            identity = f"http://127.0.0.1:1/id/{wire.ORG_ID}/005000000000001AAA"
            content = {"access_token": "t", "instance_url": "http://127.0.0.1:1", "id": identity}
            return httpx2.Response(200, json=content)
        return httpx2.Response(200, json={"path": request.url.path})

    credential = Credential("client_credentials", "http://127.0.0.1:1", "key", client_secret="secret", practice=True)
    with open_session(credential, wire.without_waiting(), transport=httpx2.MockTransport(reply)) as session:
        assert session.request("GET", "limits").json_object() == {"path": "/services/data/v62.0/limits"}
