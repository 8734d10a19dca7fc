"""SOAP login: salesforce.md 1.7."""

import re

import pytest

from tests.conformance.practice.rest import Answer, Rest

DISABLED = "SOAP API login() is disabled by default in this org."


def envelope(call: str) -> bytes:
    text = '<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Header/><se:Body>{}</se:Body></se:Envelope>'
    return text.format(call).encode()


def login(rest: Rest, *, version: str = "59.0", kind: str = "u", password: str | None = None) -> Answer:
    known = rest.org.credentials
    secret = known["client_secret"] + "token" if password is None else password
    names = f"<username>{known['username']}</username><password>{secret}</password>"
    body = envelope(f'<login xmlns="urn:partner.soap.sforce.com">{names}</login>')
    return rest.call("POST", f"/services/Soap/{kind}/{version}", body, SOAPAction="login", Content_Type="text/xml")


def value(answer: Answer, name: str) -> str:
    found = re.search(f"<{name}>([^<]*)</{name}>", answer.body.decode())
    assert found, answer.body
    return found[1]


def test_a_new_org_refuses_it(rest: Rest) -> None:
    answer = login(rest)
    assert (answer.status, answer.headers["content-type"]) == (500, "text/xml; charset=utf-8")
    assert value(answer, "sf:exceptionCode") == "INVALID_OPERATION"
    assert value(answer, "sf:exceptionMessage").startswith(DISABLED)
    assert value(answer, "faultstring").startswith(f"INVALID_OPERATION: {DISABLED}")


@pytest.mark.parametrize("kind", ["u", "c"])
def test_an_org_that_allows_it_gives_a_session(rest: Rest, kind: str) -> None:
    rest.org.behaviour(soap_login_allowed=True)
    answer = login(rest, kind=kind)
    assert answer.status == 200
    assert value(answer, "serverUrl").startswith(f"{rest.org.url}/services/Soap/{kind}/59.0/00D")
    assert value(answer, "organizationId") == rest.org.credentials["org_id"]
    rest.token = value(answer, "sessionId")
    assert rest.call("GET", "limits").status == 200


def test_a_wrong_password_is_an_invalid_login(rest: Rest) -> None:
    rest.org.behaviour(soap_login_allowed=True)
    answer = login(rest, password="wrong")
    assert (answer.status, value(answer, "sf:exceptionCode")) == (500, "INVALID_LOGIN")


@pytest.mark.parametrize("version", ["65.0", "67.0", "x"])
def test_newer_versions_have_no_login_whatever_the_org_allows(rest: Rest, version: str) -> None:
    rest.org.behaviour(soap_login_allowed=True)
    assert value(login(rest, version=version), "sf:exceptionCode") == "INVALID_OPERATION"


@pytest.mark.parametrize("body", [b"", b"\xff", b"<x>", envelope("<query/>")])
def test_anything_else_is_a_fault(rest: Rest, body: bytes) -> None:
    rest.org.behaviour(soap_login_allowed=True)
    answer = rest.call("POST", "/services/Soap/u/59.0", body)
    assert (answer.status, value(answer, "sf:exceptionCode")) == (500, "UNKNOWN_EXCEPTION")
