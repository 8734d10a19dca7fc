"""Metadata by SOAP: a layout is taken back as it was read, with one field more (salesforce.md 5.9)."""

import re

import pytest

from tests.conformance.practice.rest import Answer, Rest
from tests.conformance.practice.test_layouts import BOX, fields_on, layout

SPACES = 'xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def soap(rest: Rest, body: str, *, session: str | None = None, prolog: str = "") -> Answer:
    """One call of the Metadata API."""
    header = f"<SessionHeader><sessionId>{rest.token if session is None else session}</sessionId></SessionHeader>"
    envelope = (
        f'{prolog}<e:Envelope {SPACES} xmlns="http://soap.sforce.com/2006/04/metadata"><e:Header>{header}</e:Header>'
        f"<e:Body>{body}</e:Body></e:Envelope>"
    )
    headers = {"Content_Type": "text/xml", "SOAPAction": '""'}
    return rest.call("POST", "/services/Soap/m/62.0", envelope.encode(), **headers)


def asking(*names: str) -> str:
    """A readMetadata of layouts."""
    return (
        f"<readMetadata><type>Layout</type>{''.join(f'<fullNames>{name}</fullNames>' for name in names)}</readMetadata>"
    )


def records(answer: Answer) -> list[str]:
    """What stands inside each record that was read."""
    assert answer.status == 200, answer.body
    return re.findall(r'<records xsi:type="Layout">(.*?)</records>', answer.body.decode(), re.DOTALL)


def saving(inside: str) -> str:
    """An updateMetadata of one layout."""
    return f'<updateMetadata><metadata xsi:type="Layout">{inside}</metadata></updateMetadata>'


@pytest.mark.parametrize("feed", [False, True])
def test_a_layout_is_taken_back_as_it_was_read_with_one_field_more(rest: Rest, feed: bool) -> None:
    name = rest.org.add_layout("Lead", "Other (EMEA)", feed=feed)
    before = layout(rest, name)["Metadata"]
    (inside,) = records(soap(rest, asking(name)))
    assert inside.startswith(f"<fullName>{name}</fullName>")
    item = f"<layoutItems><behavior>Edit</behavior><field>{BOX}</field></layoutItems>"
    answer = soap(rest, saving(inside.replace("</layoutColumns>", f"{item}</layoutColumns>", 1)))
    assert f"<result><fullName>{name}</fullName><success>true</success></result>" in answer.body.decode()
    after = layout(rest, name)["Metadata"]
    assert set(fields_on(after)) - set(fields_on(before)) == {BOX}
    assert {key: after[key] for key in after if key != "layoutSections"} == {
        key: before[key] for key in before if key != "layoutSections"
    }


def test_a_layout_that_is_not_there_is_read_as_nil(rest: Rest) -> None:
    answer = soap(rest, asking("Lead-Nothing", "Lead-Lead Layout"))
    assert '<result><records xsi:nil="true"/><records xsi:type="Layout">' in answer.body.decode()


def test_a_refused_layout_stays_as_it_was(rest: Rest) -> None:
    (inside,) = records(soap(rest, asking("Lead-Lead Layout")))
    unknown = "<layoutItems><behavior>Edit</behavior><field>Nope__c</field></layoutItems></layoutColumns>"
    answer = soap(rest, saving(inside.replace("</layoutColumns>", unknown, 1))).body.decode()
    assert "<success>false</success>" in answer
    assert "<message>In field: field - no CustomField named Lead.Nope__c found</message>" in answer
    assert records(soap(rest, asking("Lead-Lead Layout"))) == [inside]


@pytest.mark.parametrize(
    ("body", "session", "prolog", "code"),
    [
        (asking("Lead-Lead Layout"), "wrong", "", "INVALID_SESSION_ID"),
        (asking(), None, "", "LIMIT_EXCEEDED"),
        (asking(*["Lead-Lead Layout"] * 11), None, "", "LIMIT_EXCEEDED"),
        (asking("x").replace("Layout", "ApexClass"), None, "", "INVALID_TYPE"),
        ("<deleteMetadata/>", None, "", "INVALID_OPERATION"),
        ("", None, "", "INVALID_OPERATION"),
        (asking("&x;"), None, '<!DOCTYPE x [<!ENTITY x "y">]>', "INVALID_XML"),
        ("<readMetadata>", None, "", "INVALID_XML"),
    ],
)
def test_what_makes_no_sense_is_a_fault(rest: Rest, body: str, session: str | None, prolog: str, code: str) -> None:
    answer = soap(rest, body, session=session, prolog=prolog)
    assert answer.status == 500
    assert f"<faultcode>sf:{code}</faultcode>" in answer.body.decode()


def test_the_metadata_api_needs_its_permission(rest: Rest) -> None:
    rest.org.permit(modify_metadata=False)
    answer = soap(rest, asking("Lead-Lead Layout")).body.decode()
    assert "INSUFFICIENT_ACCESS: use of the Metadata API requires a user with the ModifyAllData" in answer
