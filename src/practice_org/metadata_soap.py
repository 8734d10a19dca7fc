"""Metadata by SOAP: layouts are read as XML and taken back as such; a mapping of Leads is read (salesforce.md 5.9)."""

from collections.abc import Callable
from xml.sax.saxutils import escape

from starlette.responses import Response
from starlette.routing import Route

from practice_org.deploy_plan import ComponentError, check_layout
from practice_org.errors import RefusalError
from practice_org.http import OPEN, Call, route
from practice_org.metadata import check_rights
from practice_org.metadata_xml import NAMESPACE, BadXmlError, Element, as_tree, as_xml, read
from practice_org.org import Org

COMPONENTS_MAX = 10
_CONVERSION = "LeadConvertSettings"
_ILLEGAL_SESSION = "Invalid Session ID found in SessionHeader: Illegal Session"


def routes(org: Org) -> list[Route]:
    """The address with and without the org's id behind the version."""
    path, handler = "/services/Soap/m/{version}", ("metadata.soap", answer_call)
    return [route(org, path, OPEN, POST=handler), route(org, path + "/{org_id}", OPEN, POST=handler)]


async def answer_call(call: Call) -> Response:
    """readMetadata and updateMetadata of layouts; a fault has status 500."""
    try:
        return Response(_envelope(_answer(call)), media_type="text/xml")
    except (RefusalError, BadXmlError) as error:
        code, text = (error.code, error.message) if isinstance(error, RefusalError) else ("INVALID_XML", error.problem)
        said = f"{code}: {escape(text)}"
        fault = f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{said}</faultstring></soapenv:Fault>"
        return Response(_envelope(fault), status_code=500, media_type="text/xml")


def _answer(call: Call) -> str:
    envelope, org = read(call.body), call.org
    body = envelope.first("Body")
    asked = body.children[0] if body is not None and body.children else None
    known = _CALLS.get(asked.name) if asked is not None else None
    if asked is None or known is None:
        raise RefusalError("INVALID_OPERATION", f"this practice org knows {' and '.join(_CALLS)}")
    header = envelope.first("Header")
    session = header.first("SessionHeader") if header is not None else None
    try:
        org.sessions.check(f"Bearer {session.value('sessionId') if session is not None else ''}")
    except RefusalError as refusal:
        raise RefusalError("INVALID_SESSION_ID", _ILLEGAL_SESSION) from refusal
    org.check_request("metadata.soap")
    org.limits.spend()
    check_rights(org)
    return f"<{asked.name}Response>{known(org, asked)}</{asked.name}Response>"


def _read_metadata(org: Org, asked: Element) -> str:
    """The layouts in the order of their names, nil for one that is not there; or how Leads are converted."""
    names = [name.text.strip() for name in asked.all("fullNames")]
    _check_count(len(names))
    if asked.value("type") == _CONVERSION:
        return f'<result><records xsi:type="{_CONVERSION}">{as_xml(_conversion(org))}</records></result>'
    if asked.value("type") != "Layout":
        raise RefusalError("INVALID_TYPE", f"this practice org reads metadata of types Layout and {_CONVERSION} only")
    records = []
    for name in names:
        layout = org.layouts.named(name)
        inside = None if layout is None else as_xml({"fullName": name} | layout.tree)
        records.append(
            '<records xsi:nil="true"/>' if inside is None else f'<records xsi:type="Layout">{inside}</records>'
        )
    return f"<result>{''.join(records)}</result>"


def _conversion(org: Org) -> dict[str, object]:
    fields = [{"inputField": lead, "outputField": contact} for lead, contact in org.lead_mapping.items()]
    mapping = {"inputObject": "Lead", "mappingFields": fields, "outputObject": "Contact"}
    return {"fullName": _CONVERSION, "allowOwnerChange": True, "objectMapping": [mapping]}


def _update_metadata(org: Org, asked: Element) -> str:
    """A result for each layout; one that is refused stays as it was, the others are saved."""
    given = list(asked.all("metadata"))
    _check_count(len(given))
    results = []
    for item in given:
        name = item.value("fullName") or ""
        problem = _save(org, name, item)
        errors = "" if problem is None else f"<errors>{as_xml({'message': problem, 'statusCode': _REFUSED})}</errors>"
        told = as_xml({"fullName": name, "success": problem is None})
        results.append(f"<result>{errors}{told}</result>")
    org.settle()
    return "".join(results)


_REFUSED = "FIELD_INTEGRITY_EXCEPTION"


def _save(org: Org, name: str, item: Element) -> str | None:
    """What is wrong with the layout; None when it is saved."""
    layout = org.layouts.named(name)
    if layout is None or item.kind != "Layout":
        return f"In field: fullName - no Layout named {name} found"
    try:
        check_layout(item, layout.object_name, lambda field: field.lower() in org.access.fields[layout.object_name])
    except ComponentError as error:
        return error.problem
    layout.tree = {key: value for key, value in as_tree(item).items() if key != "fullName"}
    return None


def _check_count(count: int) -> None:
    if not 1 <= count <= COMPONENTS_MAX:
        raise RefusalError("LIMIT_EXCEEDED", f"between 1 and {COMPONENTS_MAX} components can be named in a call")


_CALLS: dict[str, Callable[[Org, Element], str]] = {
    "readMetadata": _read_metadata,
    "updateMetadata": _update_metadata,
}


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        f'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{NAMESPACE}" xmlns:sf="{NAMESPACE}" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
    )
