"""Whether the Pub/Sub API can be reached, and who gets our token."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from optsync import seams
from optsync.salesforce import pubsub
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import HostRefused, NoClient, SessionRefused, Unreachable
from optsync.salesforce.hosts import Origin
from optsync.salesforce.oauth import Grant
from optsync.salesforce.pubsub_api_pb2 import TopicInfo
from optsync.salesforce.session import Session, open_session
from tests.certificates import make_certificate
from tests.practice import PracticeOrg
from tests.soundness import select

LEADS = "/data/LeadChangeEvent"
ORG = "00D000000000009EAA"


def test_a_topic_is_ours_once_it_is_selected(org: PracticeOrg, session: Session) -> None:
    assert not pubsub.may_subscribe(session, LEADS)
    select(org, "LeadChangeEvent")
    assert pubsub.may_subscribe(session, LEADS)
    assert not pubsub.may_subscribe(session, "/data/ContactChangeEvent")


def test_a_session_that_ended_is_told_from_a_line_that_is_closed(org: PracticeOrg, session: Session) -> None:
    assert session.access_token
    org.expire_sessions()
    with pytest.raises(SessionRefused):
        pubsub.may_subscribe(session, LEADS)
    org.pubsub(reachable=False)
    with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1"):
        pubsub.may_subscribe(session, LEADS)


def test_without_the_extra_nothing_is_sent(org: PracticeOrg, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(NoClient):
        pubsub.may_subscribe(session, LEADS)
    assert "pubsub.topic" not in org.spy()["routes"]


def real_session() -> Session:
    """A session with an org of Salesforce's, signed in a moment ago."""
    credential = Credential("client_credentials", "https://acme.my.salesforce.com", "app", client_secret="x")
    grant = Grant("token-of-acme", Origin("https://acme.my.salesforce.com"), ORG, "005000000000001AAA")
    return open_session(credential, seams.real(), grant=grant)


@contextmanager
def salesforce(certificate: Path, key: Path) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A service with that certificate on this machine: its port, and the headers of each call."""
    came: list[dict[str, str]] = []

    def answer(_: bytes, context: Any) -> TopicInfo:
        came.append(dict(context.invocation_metadata()))
        return TopicInfo(can_subscribe=True)

    method = grpc.unary_unary_rpc_method_handler(answer, response_serializer=TopicInfo.SerializeToString)
    with ThreadPoolExecutor() as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("eventbus.v1.PubSub", {"GetTopic": method}),)
        )
        pair = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        port = server.add_secure_port("127.0.0.1:0", pair)
        server.start()
        try:
            yield port, came
        finally:
            server.stop(None).wait()


ASKS = """
from tests.conformance.client.test_pubsub import LEADS, real_session
from optsync.salesforce import pubsub
pubsub.PORT, pubsub.addresses_of, pubsub.check_address = {port}, lambda *_: ["127.0.0.1"], lambda *_: None
with real_session() as session:
    print(pubsub.may_subscribe(session, LEADS))
"""


def ask_at(port: int, roots: Path) -> "subprocess.CompletedProcess[str]":
    """Our client in a process of its own, which trusts `roots` and is led to that port by its name server."""
    environment = os.environ | {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", ASKS.format(port=port)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_salesforce_is_asked_by_its_own_name_and_its_certificate_is_checked(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, pubsub.HOST)
    with salesforce(certificate, key) as (port, came):
        asked = ask_at(port, certificate)
        assert asked.stdout == "True\n", asked.stderr
    (headers,) = came
    assert headers["accesstoken"] == "token-of-acme"
    assert (headers["instanceurl"], headers["tenantid"]) == ("https://acme.my.salesforce.com", ORG)


@pytest.mark.parametrize("named", [[], ["api.pubsub.salesforce.com.evil.tld"]], ids=["another-name", "a-longer-name"])
def test_a_certificate_of_another_name_gets_no_token(tmp_path: Path, named: list[str]) -> None:
    certificate, key = make_certificate(tmp_path, *named)
    with salesforce(certificate, key) as (port, came):
        asked = ask_at(port, certificate)
    assert "Unreachable" in asked.stderr
    assert came == []


def test_a_name_that_leads_to_a_private_address_gets_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "addresses_of", lambda *_: ["10.1.2.3"])
    with real_session() as session, pytest.raises(HostRefused):
        pubsub.may_subscribe(session, LEADS)


def test_an_unknown_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> list[str]:
        raise OSError("Name or service not known")

    monkeypatch.setattr(pubsub, "addresses_of", unknown)
    with real_session() as session, pytest.raises(Unreachable, match="the name is unknown"):
        pubsub.may_subscribe(session, LEADS)
