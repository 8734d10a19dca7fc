"""What every answer under /v1/ has in common, also those that Django gives before a view is found."""

import re
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, UnreadablePostError

from optsync.api.door import Caller
from optsync.api.problems import MEDIA_TYPE, OF_STATUS, Refusal, told

ROOT: Final = "/v1/"
BLOCK_BYTES: Final = 64 * 1024
DRAINED_BLOCKS_MAX: Final = 1024
PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>")


class ApiFrame:
    """A middleware: problems instead of Django's pages, HEAD like GET, the limit's headers, no cache."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(ROOT):
            return self.get_response(request)
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"
        response = self.get_response(request)
        if response.status_code in OF_STATUS and response["Content-Type"] != MEDIA_TYPE:
            kept = {"Allow": response["Allow"]} if "Allow" in response else {}
            response = told(request, Refusal(*OF_STATUS[response.status_code], headers=kept))
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            drain(request)
        caller = getattr(request, "auth", None)
        if isinstance(caller, Caller):
            for name, value in caller.quota.headers.items():
                response.setdefault(name, value)
        response["Cache-Control"] = "no-store"
        return without_body(response) if is_head else response

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> HttpResponse | None:
        """Refuses a query parameter that the route does not have: a mistyped `cursor` would read one page for ever. So
        it does one that comes twice where one is taken: nobody can say which was meant."""
        match = request.resolver_match
        if match is None or not request.path.startswith(ROOT):
            return None
        route = "/" + PARAMETER.sub(r"{\1}", match.route)
        known = parameters().get((route, request.method or ""))
        if known is None:  # 405 comes
            return None
        why = {name: "there is no such parameter" for name in request.GET if name not in known}
        why |= {
            name: "it is there twice" for name, many in known.items() if not many and len(request.GET.getlist(name)) > 1
        }
        if not why:
            return None
        errors = [{"where": name[:100], "detail": detail} for name, detail in sorted(why.items())[:100]]
        return told(request, Refusal("invalid", f"{len(why)} of the parameters do not fit here", errors=errors))


def without_body(response: HttpResponse) -> HttpResponse:
    """An answer to HEAD; of a streamed one nobody knows the length."""
    if response.streaming:
        response.close()
        return HttpResponse(status=response.status_code, headers=dict(response.items()))
    response["Content-Length"] = str(len(response.content))
    response.content = b""
    return response


def drain(request: HttpRequest) -> None:
    """Reads away what is left of a refused body: a client that is still sending would not see the answer."""
    for _ in range(DRAINED_BLOCKS_MAX):
        try:
            if not request.read(BLOCK_BYTES):
                return
        except UnreadablePostError:
            return


@cache
def parameters() -> dict[tuple[str, str], dict[str, bool]]:
    """The query parameters of every route, from the OpenAPI document, and whether each may come more than once."""
    from optsync.api.v1 import api  # this middleware is loaded before the addresses are

    return {
        (path, method.upper()): {
            one["name"]: one["schema"].get("type") == "array" for one in operation["parameters"] if one["in"] == "query"
        }
        for path, operations in api.get_openapi_schema()["paths"].items()
        for method, operation in operations.items()
    }
