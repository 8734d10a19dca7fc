"""The Metadata API: page layouts, read as XML and taken back as the very same XML with one change; Map Lead Fields.

Tooling shows layouts too, but does not take all of what it shows back (salesforce.md 5.9); a layout sent without that
would lose its actions. Sources: Metadata API Developer Guide, "readMetadata()", "updateMetadata()",
"LeadConvertSettings".
"""

from typing import Final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from optsync.salesforce import soap
from optsync.salesforce.errors import ApiRefused, OddAnswer, clean, code_of
from optsync.salesforce.session import API_VERSION, Session

CONVERSION: Final = "LeadConvertSettings"
PATH: Final = f"/services/Soap/m/{API_VERSION}"


def read_layout(session: Session, full_name: str) -> Element:
    """The layout of that full name, such as Lead-Lead Layout. Needs *Modify Metadata* or *Modify All Data*."""
    body = f"<readMetadata><type>Layout</type><fullNames>{escape(full_name)}</fullNames></readMetadata>"
    found = soap.parsed(session.soap(PATH, body, is_read=True).body).find(".//records")
    if found is None or found.findtext("fullName") != full_name:
        raise OddAnswer("another page layout than the one that was asked for, or none")
    return found


def converted_fields(session: Session) -> set[tuple[str, str]]:
    """Which custom field of Lead a conversion copies to which field of Contact. Needs the same right."""
    body = f"<readMetadata><type>{CONVERSION}</type><fullNames>{CONVERSION}</fullNames></readMetadata>"
    record = soap.parsed(session.soap(PATH, body, is_read=True).body).find(".//records")
    if record is None or record.findtext("fullName") != CONVERSION:
        raise OddAnswer("no settings of the conversion of Leads")
    return {
        (one.findtext("inputField", ""), one.findtext("outputField", ""))
        for mapping in record.iterfind("objectMapping")
        if (mapping.findtext("inputObject"), mapping.findtext("outputObject")) == ("Lead", "Contact")
        for one in mapping.iterfind("mappingFields")
    }


def update_layout(session: Session, layout: Element) -> None:
    """Puts this in the layout's place, whole. Raises ApiRefused when Salesforce does not take it."""
    layout.tag = "metadata"
    body = f"<updateMetadata>{ET.tostring(layout, encoding='unicode')}</updateMetadata>"
    result = soap.parsed(session.soap(PATH, body).body).find(".//result")
    if result is None:
        raise OddAnswer("an update without a result")
    if result.findtext("success") != "true":
        code, said = result.findtext(".//errors/statusCode"), result.findtext(".//errors/message")
        raise ApiRefused(200, code_of(code), clean(said or "no error text"))
