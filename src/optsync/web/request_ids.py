"""A number for each request: in the answer's header, on the page of a failure, in every line that is logged of it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bound_contextvars

from optsync.config.desk import desk

HEADER = "X-Request-ID"


class RequestIds:
    """A middleware. What a client sends under that name is not taken: it would stand in our log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        made = desk().seams.new_id()
        request.request_id = made  # type: ignore[attr-defined]  # for templates, and for request_id_of
        with bound_contextvars(request=made):
            response = self.get_response(request)
        response[HEADER] = made
        return response


def request_id_of(request: HttpRequest) -> str:
    """The number of this request."""
    return str(getattr(request, "request_id", ""))
