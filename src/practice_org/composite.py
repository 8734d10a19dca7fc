"""/composite: up to 25 requests in one API call, later ones using the answers of earlier ones (salesforce.md 2.5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.subrequests import REQUESTS_MAX, Subanswer, Subrequest, ask

COSTLY_MAX = 5
"""So many subrequests may be queries or sObject Collections."""
OWN_HEADERS = ("accept", "authorization", "content-type")
"""What subrequests take from the request around them and must not name."""
ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"@\{([^{}]+)\}")
_STEP = re.compile(r"[^.\[\]]+")
_COSTLY = re.compile(r"/services/data/v\d+\.0/(query|queryAll|composite/sobjects)(/.*)?")


class NoValueError(Exception):
    """A reference leads nowhere: its subrequest failed, or its answer has no such field."""


@dataclass
class Answers:
    """What the subrequests before this one answered, by reference id."""

    by_name: dict[str, Subanswer] = field(default_factory=dict)

    def fill(self, value: object) -> object:
        """The value with every @{reference} replaced; one that stands alone keeps its type. Raises NoValueError."""
        if isinstance(value, dict):
            return {name: self.fill(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        if not isinstance(value, str):
            return value
        alone = _REFERENCE.fullmatch(value)
        return self._value(alone[1]) if alone else _REFERENCE.sub(lambda match: str(self._value(match[1])), value)

    def _value(self, path: str) -> object:
        """`lead.id` or `found.records[0].Id`: keys and indexes into an answer's body."""
        name, *steps = _STEP.findall(path)
        known = self.by_name.get(name)
        value = None if known is None or known.failed else known.body
        for step in steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                value = None
        if value is None or isinstance(value, dict | list):
            raise NoValueError(f"Invalid reference specified. No value for {path} found in {name}.")
        return value


def routes(org: Org) -> list[Route]:
    """GET lists what stands below."""
    path = "/services/data/v{version}/composite"
    return [route(org, path, GET=("composite.list", list_resources), POST=("composite", composite))]


async def list_resources(call: Call) -> Response:
    """The addresses of the composite resources."""
    base = f"/services/data/v{call.version}/composite"
    return answer({"batch": f"{base}/batch", "sobjects": f"{base}/sobjects", "tree": f"{base}/tree"})


async def composite(call: Call) -> Response:
    """Always 200 once the request is well-formed; each part tells its own status."""
    body = call.json()
    parts = body.get("compositeRequest")
    if not isinstance(parts, list) or not parts:
        raise RefusalError("JSON_PARSER_ERROR", "compositeRequest must be a list of at least one subrequest")
    if len(parts) > REQUESTS_MAX:
        text = f"The request can’t contain more than {REQUESTS_MAX} operations."
        return answer({"compositeResponse": [_halted(None, text, "LIMIT_EXCEEDED")]})
    asked = [_read(part) for part in parts]
    _check_all(asked)
    all_or_none = body.get("allOrNone") is True
    before = {name: table.snapshot() for name, table in call.org.tables.items()} if all_or_none else None
    answers, results = Answers(), []
    for name, request in asked:
        results.append(await _result(call, answers, name, request))
    # a part waits for nothing unless a fault makes it; what others wrote meanwhile would be taken back too
    if before is not None and any(cast("int", result["httpStatusCode"]) >= 400 for result in results):
        call.org.tables = before
        results = [
            result if cast("int", result["httpStatusCode"]) >= 400 else _halted(result["referenceId"], ROLLED_BACK)
            for result in results
        ]
    return answer({"compositeResponse": results})


async def _result(call: Call, answers: Answers, name: str, request: Subrequest) -> dict[str, object]:
    try:
        filled = Subrequest(
            request.method,
            str(answers.fill(request.address)),
            answers.fill(request.body),
            cast("Mapping[str, str]", answers.fill(dict(request.headers))),
        )
    except NoValueError as error:
        return _halted(name, str(error))
    given = await ask(call, filled, counted=False)
    answers.by_name[name] = given
    headers = {} if given.location is None else {"Location": given.location}
    return {"body": given.body, "httpHeaders": headers, "httpStatusCode": given.status, "referenceId": name}


def _halted(name: object, message: str, code: str = "PROCESSING_HALTED") -> dict[str, object]:
    error = {"errorCode": code, "message": message}
    return {"body": [error], "httpHeaders": {}, "httpStatusCode": 400, "referenceId": name}


def _read(part: object) -> tuple[str, Subrequest]:
    """A part's reference id and request. Raises RefusalError with status 400 for the whole request."""
    known = part if isinstance(part, dict) else {}
    name, method, address = (known.get(key) for key in ("referenceId", "method", "url"))
    if not isinstance(name, str) or not isinstance(method, str) or not isinstance(address, str):
        raise RefusalError("JSON_PARSER_ERROR", "every subrequest needs method, url and referenceId")
    if _NAME.fullmatch(name) is None:
        text = f"Provided referenceId ('{name}') must start with a letter or a number, and it can contain only letters,"
        raise RefusalError("INVALID_INPUT", f"{text} numbers and underscores ('_').")
    headers = known.get("httpHeaders") or {}
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise RefusalError("JSON_PARSER_ERROR", "httpHeaders must be an object of texts")
    forbidden = [header for header in headers if header.lower() in OWN_HEADERS]
    if forbidden:
        raise RefusalError("INVALID_INPUT", f"httpHeaders of a subrequest cannot name {', '.join(forbidden)}")
    request = Subrequest(method, address, known.get("body"), headers)
    request.check()
    return name, request


def _check_all(asked: list[tuple[str, Subrequest]]) -> None:
    names = [name for name, _ in asked]
    if len(set(names)) < len(names):
        raise RefusalError("INVALID_INPUT", "referenceId must be unique within the request")
    costly = sum(_COSTLY.fullmatch(request.path) is not None for _, request in asked)
    if costly > COSTLY_MAX:
        text = f"at most {COSTLY_MAX} subrequests can be queries or sObject Collections"
        raise RefusalError("LIMIT_EXCEEDED", text)
