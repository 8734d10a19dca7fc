"""SOAP login, the one SOAP call that old REST clients make (salesforce.md 1.7): refused, as new orgs do, or allowed."""

import re
from dataclasses import dataclass
from html import unescape
from xml.sax.saxutils import escape

from starlette.responses import Response
from starlette.routing import Route

from practice_org.http import OPEN, Call, route
from practice_org.org import Org
from practice_org.users import INTEGRATION_USER, LANGUAGE, LOCALE, TIME_ZONE

LAST_VERSION = 64
"""login() does not exist in newer versions, whatever the org allows."""
DISABLED = (
    "SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login()."
)
WRONG = "Invalid username, password, security token; or user locked out."

_NAMESPACES = {"u": "partner", "c": "enterprise"}
_CALL = re.compile(r"<(?:[\w.-]+:)?Body\b[^>]*>\s*<(?:[\w.-]+:)?(\w+)")


@dataclass
class FaultError(Exception):
    """A SOAP fault; the wire has it with status 500."""

    kind: str
    code: str
    message: str


def routes(org: Org) -> list[Route]:
    """The partner and the enterprise address, with and without the org's id behind the version."""
    login = ("soap.login", answer_call)
    path = "/services/Soap/{kind}/{version}"
    return [route(org, path, OPEN, POST=login), route(org, path + "/{org_id}", OPEN, POST=login)]


async def answer_call(call: Call) -> Response:
    """The session of a login, or a fault."""
    kind = _NAMESPACES.get(call.params["kind"], "partner")
    try:
        return _xml(_login(call, kind), 200)
    except FaultError as fault:
        return _xml(_fault(kind, fault), 500)


def _login(call: Call, kind: str) -> str:
    text = call.body.decode("utf-8", "replace")
    asked = _CALL.search(text)
    if asked is None or asked[1] != "login":
        what = asked[1] if asked else "an empty body"
        raise FaultError("UnexpectedErrorFault", "UNKNOWN_EXCEPTION", f"{what} is no call that this org knows")
    org = call.org
    major = call.params["version"].partition(".")[0]
    if not org.behaviour.soap_login_allowed or not major.isdecimal() or int(major) > LAST_VERSION:
        raise FaultError("UnexpectedErrorFault", "INVALID_OPERATION", DISABLED)
    # the password is the client secret: the org has no other, and clients append their security token to it
    if _value(text, "username") != org.identity.username or not _value(text, "password").startswith(
        org.identity.client_secret
    ):
        raise FaultError("LoginFault", "INVALID_LOGIN", WRONG)
    return _session(org, kind, call.params["kind"], call.params["version"])


def _value(text: str, name: str) -> str:
    found = re.search(rf"<(?:[\w.-]+:)?{name}\b[^>]*>(.*?)</", text, re.DOTALL)
    return unescape(found[1]) if found else ""


def _session(org: Org, kind: str, letter: str, version: str) -> str:
    identity = org.identity
    short_id = identity.org_id[:15]
    server = f"{identity.base_url}/services/Soap/{letter}/{version}/{short_id}"
    metadata = f"{identity.base_url}/services/Soap/m/{version}/{short_id}"
    user = {
        "accessibilityMode": "false",
        "organizationId": identity.org_id,
        "organizationMultiCurrency": "false",
        "organizationName": "Practice Org",
        "sessionSecondsValid": "7200",
        "userEmail": identity.username,
        "userFullName": "Integration User",
        "userId": INTEGRATION_USER,
        "userLanguage": LANGUAGE,
        "userLocale": LOCALE,
        "userName": identity.username,
        "userTimeZone": TIME_ZONE,
        "userType": "Standard",
    }
    result = {
        "metadataServerUrl": metadata,
        "passwordExpired": "false",
        "sandbox": "false",
        "serverUrl": server,
        "sessionId": org.sessions.open(),
        "userId": INTEGRATION_USER,
    }
    body = f"{_elements(result)}<userInfo>{_elements(user)}</userInfo>"
    return _envelope(f'xmlns="urn:{kind}.soap.sforce.com"', f"<loginResponse><result>{body}</result></loginResponse>")


def _fault(kind: str, fault: FaultError) -> str:
    """Clients read code and message by their sf: names, which therefore are declared on the envelope."""
    detail = _elements({"sf:exceptionCode": fault.code, "sf:exceptionMessage": fault.message})
    return _envelope(
        f'xmlns:sf="urn:fault.{kind}.soap.sforce.com"',
        f"<soapenv:Fault><faultcode>sf:{fault.code}</faultcode>"
        f"<faultstring>{fault.code}: {escape(fault.message)}</faultstring>"
        f'<detail><sf:{fault.kind} xsi:type="sf:{fault.kind}">{detail}</sf:{fault.kind}></detail></soapenv:Fault>',
    )


def _elements(values: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _envelope(namespace: str, body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        f'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" {namespace} '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
    )


def _xml(text: str, status: int) -> Response:
    return Response(text, status_code=status, media_type="text/xml")
