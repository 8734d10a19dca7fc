"""The two languages of Bulk API 1.0, XML and JSON: what is asked, answered and refused (salesforce.md 3.3)."""

import json
import re
from html import unescape
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from practice_org.errors import RefusalError
from practice_org.http import Call

NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"
_ELEMENT = re.compile(r"<(?:[\w.-]+:)?(\w+)(?:\s[^>]*)?>([^<]*)</")
_CODES = {
    "INVALID_SESSION_ID": "InvalidSessionId",
    "REQUEST_LIMIT_EXCEEDED": "ExceededQuota",
    "JSON_PARSER_ERROR": "InvalidJob",
    "NOT_FOUND": "InvalidUrl",
    "UNSUPPORTED_API_VERSION": "InvalidVersion",
}

Info = dict[str, object]


def speaks_json(request: Request) -> bool:
    """Jobs and refusals are answered in the language that the client wrote in."""
    return "json" in request.headers.get("content-type", "").lower()


def read_values(call: Call) -> dict[str, str]:
    """The values of a job that a client creates or closes. Raises RefusalError."""
    if speaks_json(call.request):
        return {name: str(value) for name, value in call.json().items() if isinstance(value, str | int)}
    text = call.body.decode("utf-8", "replace")
    found = {name: unescape(value).strip() for name, value in _ELEMENT.findall(text)}
    if "<" not in text:
        raise RefusalError("InvalidJob", "Unable to parse the job")
    return found


def info(content: Info, name: str, *, as_json: bool, status: int = 200) -> Response:
    """One jobInfo or batchInfo."""
    if as_json:
        return typed(json.dumps(content), "application/json", status)
    return typed(_document(name, _elements(content)), "application/xml", status)


def batch_list(batches: list[Info], *, as_json: bool) -> Response:
    """All batches of a job."""
    if as_json:
        return typed(json.dumps({"batchInfo": batches}), "application/json")
    body = "".join(f"<batchInfo>{_elements(batch)}</batchInfo>" for batch in batches)
    return typed(_document("batchInfoList", body), "application/xml")


def result_list(ids: list[str], *, as_json: bool) -> Response:
    """The ids of a query's results."""
    if as_json:
        return typed(json.dumps(ids), "application/json")
    return typed(_document("result-list", "".join(f"<result>{one}</result>" for one in ids)), "application/xml")


def refused(request: Request, refusal: RefusalError) -> Response:
    """Bulk API 1.0 has words of its own for refusals, and 400 for nearly all of them."""
    content: Info = {
        "exceptionCode": _CODES.get(refusal.code, refusal.code),
        "exceptionMessage": refusal.message,
    }
    status = 400 if refusal.status in (401, 403) else refusal.status
    return info(content, "error", as_json=speaks_json(request), status=status)


def typed(body: str | bytes, media_type: str, status: int = 200) -> Response:
    """Without a charset behind the type: clients compare it as a whole."""
    return Response(body, status_code=status, headers={"content-type": media_type})


def _elements(content: Info) -> str:
    return "".join(f"<{name}>{escape(_text(value))}</{name}>" for name, value in content.items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(name: str, body: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{NAMESPACE}">{body}</{name}>'
