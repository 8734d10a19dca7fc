"""/composite/batch: up to 25 independent requests, one after the other, each an API call of its own."""

from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.subrequests import REQUESTS_MAX, Subanswer, Subrequest, ask

HALTED = "The request was not processed because a previous request in the batch failed and haltOnError is true."


def routes(org: Org) -> list[Route]:
    """The one route."""
    return [route(org, "/services/data/v{version}/composite/batch", POST=("composite.batch", batch))]


async def batch(call: Call) -> Response:
    """200 with a result per request; after a failure `haltOnError` answers the rest with 412."""
    body = call.json()
    parts = body.get("batchRequests")
    if not isinstance(parts, list) or not parts:
        raise RefusalError("JSON_PARSER_ERROR", "batchRequests must be a list of at least one request")
    if len(parts) > REQUESTS_MAX:
        raise RefusalError("LIMIT_EXCEEDED", f"The request can’t contain more than {REQUESTS_MAX} operations.")
    halted = RefusalError("BATCH_PROCESSING_HALTED", HALTED).as_request_error()
    answers: list[Subanswer] = []
    for request in [_read(part) for part in parts]:
        if body.get("haltOnError") is True and any(given.failed for given in answers):
            answers.append(Subanswer(412, halted))
        else:
            answers.append(await ask(call, request, counted=True))
    results = [{"statusCode": given.status, "result": given.body} for given in answers]
    return answer({"hasErrors": any(given.failed for given in answers), "results": results})


def _read(part: object) -> Subrequest:
    """Addresses start at the version, with or without what stands before it. Raises RefusalError with status 400."""
    known = part if isinstance(part, dict) else {}
    method, address = known.get("method"), known.get("url")
    if not isinstance(method, str) or not isinstance(address, str):
        raise RefusalError("JSON_PARSER_ERROR", "every request needs method and url")
    whole = address if address.startswith("/services/data/") else f"/services/data/{address.lstrip('/')}"
    request = Subrequest(method.upper(), whole, known.get("richInput"))
    request.check()
    return request
