"""REST, version 1: the resources, how failures are told, and the OpenAPI document."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser

from optsync.api import (
    batch,
    checks,
    doctor,
    domains,
    events,
    examples,
    imports,
    issues,
    keys,
    links,
    metrics,
    people,
    previews,
    problem_list,
    runs,
    status,
    unsubscribes,
    webhooks,
)
from optsync.api.door import ApiKey
from optsync.api.problems import AWAY, MEDIA_TYPE, OF_STATUS, Refusal, invalid, told
from optsync.api.shapes import from_json
from optsync.config.logging import get_logger
from optsync.core.problems import Problem

log = get_logger(__name__)
DESCRIPTION = (
    "Record unsubscribes, ask before you send, and see what became of each opt-out. Addresses stand in bodies only, "
    "never in a path. Every failure is a problem document (RFC 9457) whose code stays as it is: see /v1/problems."
)


class StrictParser(Parser):
    """Ours."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Raises ValueError or RecursionError for a body that is no JSON; ninja makes an HttpError of both."""
        return from_json(request.body)


class Document(OpenAPISchema):
    """ninja's document, with the scope and the problem of each operation and an example of each property."""

    def operation_security(self, operation: Operation) -> list[dict[str, Any]] | None:
        """OpenAPI 3.1 lets a scheme other than OAuth name what it needs, too."""
        security = super().operation_security(operation)
        scopes = [door.scope for door in operation.auth_callbacks if isinstance(door, ApiKey)]
        return [dict.fromkeys(one, scopes) for one in security] if security else security

    def responses(self, operation: Operation) -> dict[Any, Any]:
        """Whatever goes wrong has one shape."""
        return super().responses(operation) | {"default": {"$ref": "#/components/responses/Problem"}}

    def get_components(self) -> dict[str, Any]:
        """With that shape."""
        schema = {"$ref": "#/components/schemas/ProblemDocument"}
        self.schemas["ProblemDocument"] = problem_list.ProblemDocument.model_json_schema(
            ref_template="#/components/schemas/{model}"
        )
        self.schemas.update(self.schemas["ProblemDocument"].pop("$defs", {}))
        examples.fill_in(self.schemas)
        problem = {"description": "Why it was not done", "content": {MEDIA_TYPE: {"schema": schema}}}
        return super().get_components() | {"responses": {"Problem": problem}}


class Api(NinjaAPI):
    """With our document."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """As ninja asks for it; ours live under one root only."""
        return Document(self, path_prefix or "v1/")

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The function's own name: each is unique."""
        return operation.view_func.__name__


api = Api(
    title="optsync",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    docs_url=None,
    parser=StrictParser(),
)
for prefix, module in {
    "check": checks,
    "unsubscribes": unsubscribes,
    "unsubscribe-links": links,
    "unsubscribes:batch": batch,
    "imports": imports,
    "people": people,
    "runs": runs,
    "preview": previews,
    "issues": issues,
    "status": status,
    "metrics": metrics,
    "doctor": doctor,
    "domains": domains,
    "events": events,
    "webhooks": webhooks,
    "keys": keys,
    "problems": problem_list,
}.items():
    api.add_router(f"/{prefix}", module.router, tags=[prefix.partition(":")[0]])


@api.exception_handler(Refusal)
def refused(request: HttpRequest, error: Refusal) -> HttpResponse:
    """What we refuse by name."""
    return told(request, error)


@api.exception_handler(ValidationError)
def does_not_fit(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A body or parameter of the wrong shape."""
    return told(request, invalid(error))


@api.exception_handler(HttpError)
def no_json(request: HttpRequest, error: HttpError) -> HttpResponse:
    """ninja raises it for a body that the parser refuses, and for nothing else here."""
    return told(request, Refusal("bad-json", f"the body is no JSON: {type(error.__cause__).__name__}"))


@api.exception_handler(UnreadablePostError)
def broken_off(request: HttpRequest, error: UnreadablePostError) -> HttpResponse:
    """The client went away in the middle of its body."""
    return told(request, Refusal("bad-request", "the body broke off"))


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    """The root of the interface, which ninja has only to know where it lives."""
    return told(request, Refusal(*OF_STATUS[404]))


@api.exception_handler(Problem)
def cannot_be_done(request: HttpRequest, error: Problem) -> HttpResponse:
    """What the engine says a person must put right."""
    return told(request, Refusal("refused", error.what, means=error.means, next=error.next))


@api.exception_handler(Exception)
def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """Our own mistake, logged without what it was about; a database that is away is told as that."""
    if isinstance(error, AWAY):
        return told(request, Refusal("database-away", "the database did not answer in time"))
    log.error("a request failed", error=type(error).__name__, where=where(error))
    return told(request, Refusal(*OF_STATUS[500]))


def where(error: Exception) -> str:
    """File and line of the innermost call."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename[-120:]}:{trace.tb_lineno}" if trace else ""
