"""SOAP, for the one API of Setup that is lossless: envelopes, faults, and XML that expands nothing.

Source: Metadata API Developer Guide, "Quick Start"; SOAP 1.1, section 4.4 (faults).
"""

from typing import Final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from optsync.salesforce.errors import OddAnswer

METADATA: Final = "http://soap.sforce.com/2006/04/metadata"
FAULT_STATUS: Final = 500
HEADERS: Final = {"Accept": "text/xml", "Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}


def envelope(token: str, body: str) -> bytes:
    """A call in its envelope; `body` is XML in the metadata namespace."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="{METADATA}">'
        f"<env:Header><SessionHeader><sessionId>{escape(token)}</sessionId></SessionHeader></env:Header>"
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()


def parsed(content: bytes) -> Element:
    """The root of an answer; elements of the metadata namespace go by their plain names.

    Raises OddAnswer for what is no XML, and for a document type: without one nothing can be expanded.
    """
    if b"<!" in content.replace(b"<![CDATA[", b"").replace(b"<!--", b""):
        raise OddAnswer("XML with a document type")
    try:
        root = ET.fromstring(content)  # noqa: S314  no document type, see above
    except ET.ParseError as error:
        raise OddAnswer("no XML where XML was promised") from error
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{METADATA}}}")
    return root


def fault_of(content: bytes) -> tuple[str, str]:
    """Code and text of a fault. Raises OddAnswer when it is none."""
    root = parsed(content)
    code, text = root.findtext(".//faultcode"), root.findtext(".//faultstring")
    if code is None or text is None:
        raise OddAnswer("HTTP 500 without a SOAP fault")
    plain = code.rpartition(":")[2]
    return plain, text.removeprefix(f"{plain}: ")
