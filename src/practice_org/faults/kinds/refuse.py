"""An error of a whole request."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from practice_org.faults.base import RequestFault
from practice_org.faults.options import option

KNOWN: dict[str, tuple[int, str]] = {
    "INVALID_SESSION_ID": (401, "Session expired or invalid"),
    "REQUEST_LIMIT_EXCEEDED": (403, "TotalRequests Limit exceeded."),
    "API_DISABLED_FOR_ORG": (403, "The REST API is not enabled for this Organization."),
    "API_CURRENTLY_DISABLED": (403, "API is disabled for this user"),
    "TXN_SECURITY_NO_ACCESS": (403, "The operation you requested isn't allowed due to a security policy"),
    "NOT_FOUND": (404, "The requested resource does not exist"),
    "CONFLICT": (409, "The request could not be completed due to a conflict with the state of the resource."),
    "PRECONDITION_FAILED": (412, "A condition of the request's headers is not met."),
    "TOO_MANY_REQUESTS": (429, "Too many requests"),
    "QUERY_TIMEOUT": (400, "Your query request was running too long"),
    "SERVER_UNAVAILABLE": (503, "server too busy"),
    "UNKNOWN_EXCEPTION": (500, "An unexpected error occurred. Please include this ErrorId if you contact support: 1"),
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": (503, "Updates can't be made during maintenance."),
}
"""Request-level codes with their status and text (salesforce.md 1.5, 5.5); those of 409, 412 and 429 are made up."""


@dataclass(kw_only=True)
class Refuse(RequestFault):
    """The whole request is refused with an error code, under the status and text that belong to it."""

    source: ClassVar[str] = "salesforce.md 1.5, 2.1, 5.5"
    client_must: ClassVar[str] = (
        "Sign in again on 401, once; pause on an exceeded limit, for as long as Retry-After says if it is there; stop "
        "and tell a person when the API is disabled; try 5xx again later; never drop what it owes."
    )

    code: str = option("UNKNOWN_EXCEPTION", "The errorCode.", known=tuple(KNOWN))
    status: int | None = option(None, "The status; null: the code's own, or 400.", least=200, most=599)
    message: str | None = option(None, "The text; null: the code's own.")
    retry_after: int | None = option(None, "Seconds, in the header Retry-After; null: no such header.")

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        status, message = KNOWN.get(self.code, (400, self.code))
        error = {"message": self.message or message, "errorCode": self.code}
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return JSONResponse([error], status_code=self.status or status, headers=headers)
