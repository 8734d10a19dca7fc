"""Where we may sign in and where not (T9): hostile addresses get no connection at all."""

import json
import socket
from pathlib import Path

import pytest

from optsync import seams
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import BadCredential, HostRefused
from optsync.salesforce.hosts import check_address, check_instance_url, check_login_url, my_domain_of
from optsync.salesforce.oauth import audience_of
from optsync.salesforce.session import open_session
from tests.hostile import HOSTILE, NOT_THIS_MACHINE


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every name looked up and every connection begun while the test runs."""
    begun: list[object] = []

    def begin(*place: object, **_: object) -> list[object]:
        begun.append(place)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", begin)
    monkeypatch.setattr(socket.socket, "connect", begin)
    return begun


def credential(login_url: str, *, practice: bool = False) -> Credential:
    return Credential("client_credentials", login_url, "key", client_secret="secret", practice=practice)


def test_the_table_holds_at_least_sixty_hostile_hosts() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_login_address_is_refused_before_any_connection(url: str, connections: list[object]) -> None:
    with pytest.raises(HostRefused) as refused:
        open_session(credential(url), seams.real())
    assert connections == []
    assert refused.value.means
    assert refused.value.next_step


@pytest.mark.parametrize("url", [*HOSTILE, "https://login.salesforce.com", "https://test.salesforce.com"])
def test_an_org_answers_on_a_my_domain_only(url: str) -> None:
    with pytest.raises(HostRefused):
        check_instance_url(url, practice=False)


@pytest.mark.parametrize("url", NOT_THIS_MACHINE)
def test_a_practice_credential_stays_on_this_machine(url: str, connections: list[object]) -> None:
    with pytest.raises(HostRefused):
        open_session(credential(url, practice=True), seams.real())
    with pytest.raises(HostRefused):
        check_instance_url(url, practice=True)
    assert connections == []


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com/", "https://test.salesforce.com"),
        ("HTTPS://Acme.My.Salesforce.com:443/", "https://acme.my.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "https://acme--uat.sandbox.my.salesforce.com"),
        ("https://acme-dev-ed.develop.my.salesforce.com", "https://acme-dev-ed.develop.my.salesforce.com"),
        ("https://agency.my.salesforce.mil", "https://agency.my.salesforce.mil"),
    ],
)
def test_salesforces_own_addresses_pass_in_one_spelling(url: str, origin: str) -> None:
    assert check_login_url(url, practice=False) == origin


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://127.9.9.9:1/", "http://127.9.9.9:1"),
        ("http://localhost:8001", "http://localhost:8001"),
        ("http://[::1]:8001", "http://[::1]:8001"),
    ],
)
def test_a_practice_org_on_this_machine_passes(url: str, origin: str) -> None:
    assert check_login_url(url, practice=True) == origin
    assert check_instance_url(url, practice=True) == origin


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("acme.my.salesforce.com", "10.0.0.1"),
        ("acme.my.salesforce.com", "127.0.0.1"),
        ("acme.my.salesforce.com", "169.254.169.254"),
        ("acme.my.salesforce.com", "100.64.0.1"),
        ("acme.my.salesforce.com", "::1"),
        ("acme.my.salesforce.com", "fe80::1%eth0"),
        ("acme.my.salesforce.com", "fd00::1"),
        ("acme.my.salesforce.com", "::ffff:10.0.0.1"),
        ("acme.my.salesforce.com", "::ffff:127.0.0.1"),
        ("localhost", "10.0.0.1"),
        ("localhost", "93.184.215.14"),
    ],
)
def test_a_name_that_leads_elsewhere_is_not_followed(host: str, address: str) -> None:
    with pytest.raises(HostRefused):
        check_address(host, address)


def test_a_rebound_name_gets_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []
    family = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [family])
    monkeypatch.setattr(socket, "create_connection", lambda *place, **_: begun.append(place))
    with (
        open_session(credential("https://acme.my.salesforce.com"), seams.real()) as session,
        pytest.raises(HostRefused),
    ):
        session.request("GET", "limits")
    assert begun == []


def test_a_credentials_file_for_this_machine_is_a_practice_credential(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----")
    file = tmp_path / "org.json"
    content = {"login_url": "http://127.0.0.1:8001", "client_id": "key", "username": "u", "private_key_file": "key.pem"}
    file.write_text(json.dumps(content | {"access_token": "ignored"}))
    found = Credential.from_file(file)
    assert (found.practice, found.kind, found.client_secret) == (True, "jwt", None)
    assert Credential.from_json(found.to_json()) == found
    file.write_text(json.dumps(content | {"practice": False}))
    with pytest.raises(HostRefused):
        Credential.from_file(file)


def test_saying_practice_in_a_file_opens_no_other_host(tmp_path: Path) -> None:
    file = tmp_path / "org.json"
    content = {"client_id": "key", "client_secret": "s", "practice": True}
    file.write_text(json.dumps(content | {"login_url": "http://10.0.0.1:8001"}))
    with pytest.raises(HostRefused):
        Credential.from_file(file)
    file.write_text(json.dumps(content | {"login_url": "https://acme.my.salesforce.com"}))
    assert Credential.from_file(file).practice is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"login_url": "https://a.my.salesforce.com"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "kind": "password"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "kind": "jwt", "client_secret": "s"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "private_key_file": "gone.pem"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "private_key_file": "\\u0000"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "username": "u", "private_key_pem": 5}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": ["k"], "client_secret": "s"}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "client_secret": {"a": "s"}}',
        '{"login_url": "https://a.my.salesforce.com", "client_id": "k", "client_secret": "s", "kind": []}',
        '{"login_url": 5, "client_id": "k", "client_secret": "s"}',
        100_000 * "[",
    ],
)
def test_a_bad_credentials_file_gets_one_clear_error(text: str, tmp_path: Path) -> None:
    file = tmp_path / "org.json"
    file.write_text(text)
    with pytest.raises((BadCredential, HostRefused)) as refused:
        Credential.from_file(file)
    assert refused.value.means
    assert refused.value.next_step


def test_secrets_are_never_shown() -> None:
    shown = repr(Credential("jwt", "https://a.my.salesforce.com", "key", "user", "PRIVATE", "SECRET"))
    assert "PRIVATE" not in shown
    assert "SECRET" not in shown


@pytest.mark.parametrize(
    ("login", "audience"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("https://acme-x.scratch.my.salesforce.com", "https://test.salesforce.com"),
        ("https://acme-dev-ed.develop.my.salesforce.com", "https://login.salesforce.com"),
    ],
)
def test_a_jwt_is_addressed_to_the_right_kind_of_org(login: str, audience: str) -> None:
    assert audience_of(check_login_url(login, practice=False)) == audience


@pytest.mark.parametrize(
    ("pasted", "login"),
    [
        ("acme.my.salesforce.com", "https://acme.my.salesforce.com"),
        (" https://ACME.my.salesforce.com/home/home.jsp?x=1#y ", "https://acme.my.salesforce.com"),
        ("https://acme.lightning.force.com/lightning/page/home", "https://acme.my.salesforce.com"),
        ("https://acme--uat.sandbox.lightning.force.com/one", "https://acme--uat.sandbox.my.salesforce.com"),
        ("https://acme.my.salesforce-setup.com/lightning/setup/x", "https://acme.my.salesforce.com"),
        ("acme.my.salesforce.mil", "https://acme.my.salesforce.mil"),
        ("login.salesforce.com", "https://login.salesforce.com"),
    ],
)
def test_any_address_of_an_org_leads_to_its_login(pasted: str, login: str) -> None:
    assert my_domain_of(pasted) == login


@pytest.mark.parametrize(
    "pasted",
    [
        *(address for address in HOSTILE if address != "https://x.my.salesforce.com/a"),
        "",
        "acme",
        "http://acme.my.salesforce.com",
        "https://[acme.my.salesforce.com",
        "https://acme.lightning.force.com.evil.tld/",
        "https://evil.tld/.lightning.force.com",
        "https://user@acme.lightning.force.com/",
        "javascript://acme.my.salesforce.com/%0aalert(1)",
        "http://127.0.0.1:8200",
    ],
)
def test_a_pasted_address_of_anybody_else_is_refused(pasted: str) -> None:
    try:
        found = my_domain_of(pasted)
    except HostRefused:
        return
    assert check_login_url(found, practice=False) == found
    asked = pasted.strip().lower().removeprefix("https://")
    assert asked.startswith(found.removeprefix("https://")), "what was cut off stood behind the host"
