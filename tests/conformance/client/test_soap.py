"""The SOAP of layouts: a fault is told by its code, an ended session is renewed, odd XML is never trusted."""

import pytest

from optsync.salesforce import metadata, soap
from optsync.salesforce.errors import ApiRefused, Busy, LimitExceeded, OddAnswer, SalesforceError, SessionRefused
from tests.conformance.client.wire import Reply, answer, serve, token

XSI = "http://www.w3.org/2001/XMLSchema-instance"
LAYOUT = (
    '<records xsi:type="Layout"><fullName>Lead-L&amp;L</fullName>'
    "<layoutSections><label>A &lt; B</label></layoutSections></records>"
)
NAME = "Lead-L&L"


def enveloped(body: str) -> bytes:
    """An answer's envelope around it."""
    return (
        '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns="{soap.METADATA}" xmlns:sf="{soap.METADATA}" xmlns:xsi="{XSI}">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    ).encode()


def fault(code: str) -> bytes:
    """The answer of a refused call."""
    inside = f"<faultcode>sf:{code}</faultcode><faultstring>{code}: a &lt;reason&gt; for ann@example.com</faultstring>"
    return answer(enveloped(f"<soapenv:Fault>{inside}</soapenv:Fault>"), 500)


READ = answer(enveloped(f"<readMetadataResponse><result>{LAYOUT}</result></readMetadataResponse>"))
SAVED = answer(enveloped("<updateMetadataResponse><result><success>true</success></result></updateMetadataResponse>"))


def test_a_layout_goes_back_as_it_came() -> None:
    with serve(READ, SAVED) as wire, wire.session() as session:
        metadata.update_layout(session, metadata.read_layout(session, NAME))
    assert b"<fullNames>Lead-L&amp;L</fullNames>" in wire.requests[1]
    assert b"<sessionId>00D000000000001!one</sessionId>" in wire.requests[1]
    sent = soap.parsed(wire.requests[2].partition(b"\r\n\r\n")[2]).find(".//metadata")
    assert sent is not None
    assert sent.findtext("layoutSections/label") == "A < B"
    assert sent.attrib == {f"{{{XSI}}}type": "Layout"}


def test_an_ended_session_is_renewed_though_soap_says_so_with_500() -> None:
    with serve(fault("INVALID_SESSION_ID")) as wire, wire.session() as session:
        wire.replies += [token(wire.port, "00D000000000001!two"), READ]
        assert metadata.read_layout(session, NAME).findtext("fullName") == NAME
    assert b"!two</sessionId>" in wire.requests[-1]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INSUFFICIENT_ACCESS", ApiRefused),
        ("REQUEST_LIMIT_EXCEEDED", LimitExceeded),
        ("SERVER_UNAVAILABLE", Busy),
        ("INVALID_SESSION_ID", SessionRefused),
    ],
)
def test_a_fault_is_told_by_its_code(code: str, kind: type[SalesforceError]) -> None:
    with serve(fault(code)) as wire, wire.session() as session:
        wire.replies += [token(wire.port), fault(code)]
        with pytest.raises(kind) as caught:
            session.soap(metadata.PATH, "<updateMetadata/>")
    assert caught.value.code == code
    assert "ann@example.com" not in caught.value.message


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"<html>Back soon<br></html>"),
        answer(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        answer(b"<a/>", 500),
        answer(b"", 500),
        answer(enveloped("<readMetadataResponse><result/></readMetadataResponse>")),
        answer(enveloped(f"<result>{LAYOUT.replace('L&amp;L', 'Other')}</result>")),
        answer(enveloped('<result><records xsi:nil="true"/></result>')),
    ],
)
def test_what_is_not_the_layout_is_never_taken_for_it(reply: Reply) -> None:
    with serve(reply) as wire, wire.session() as session, pytest.raises(OddAnswer):
        metadata.read_layout(session, NAME)


def test_a_layout_that_is_not_taken_is_a_refusal_in_salesforces_words() -> None:
    said = "<errors><message>Duplicate field: X</message><statusCode>FIELD_INTEGRITY_EXCEPTION</statusCode></errors>"
    refused = answer(enveloped(f"<result>{said}<success>false</success></result>"))
    with serve(READ, refused) as wire, wire.session() as session:
        layout = metadata.read_layout(session, NAME)
        with pytest.raises(ApiRefused, match="Duplicate field: X") as caught:
            metadata.update_layout(session, layout)
    assert caught.value.code == "FIELD_INTEGRITY_EXCEPTION"
    with serve(READ, answer(enveloped("<updateMetadataResponse/>"))) as wire, wire.session() as session:
        layout = metadata.read_layout(session, NAME)
        with pytest.raises(OddAnswer):
            metadata.update_layout(session, layout)
