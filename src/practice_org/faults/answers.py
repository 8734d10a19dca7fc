"""Faults that answer instead of the org."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from practice_org import clock
from practice_org.faults.base import RequestFault
from practice_org.faults.transport import reset_connection

KNOWN: dict[str, tuple[int, str]] = {
    "INVALID_SESSION_ID": (401, "Session expired or invalid"),
    "REQUEST_LIMIT_EXCEEDED": (403, "TotalRequests Limit exceeded."),
    "API_DISABLED_FOR_ORG": (403, "The REST API is not enabled for this Organization."),
    "API_CURRENTLY_DISABLED": (403, "API is disabled for this user"),
    "TXN_SECURITY_NO_ACCESS": (403, "The operation you requested isn't allowed due to a security policy"),
    "QUERY_TIMEOUT": (400, "Your query request was running too long"),
    "SERVER_UNAVAILABLE": (503, "server too busy"),
    "UNKNOWN_EXCEPTION": (500, "An unexpected error occurred. Please include this ErrorId if you contact support: 1"),
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": (503, "Updates can't be made during maintenance."),
}
"""Request-level codes with their status and text (salesforce.md 1.5, 5.5)."""


@dataclass(kw_only=True)
class Refuse(RequestFault):
    """An error array with that code; status and text follow from a known code.

    `holding` strikes only requests whose body holds that text, such as a poisonous record's id.
    """

    kind: ClassVar[str] = "refuse"
    code: str = "UNKNOWN_EXCEPTION"
    status: int | None = None
    message: str | None = None
    retry_after: int | None = None
    """Seconds, as the header says it."""
    holding: str = ""

    async def answer(self, request: Request) -> Response | None:
        if self.holding.encode() not in await request.body():
            return None
        status, message = KNOWN.get(self.code, (400, self.code))
        error = {"message": self.message or message, "errorCode": self.code}
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return JSONResponse([error], status_code=self.status or status, headers=headers)


@dataclass(kw_only=True)
class Html(RequestFault):
    """A page from the edge instead of JSON, as 420, 502 and 503 come (salesforce.md 2.1)."""

    kind: ClassVar[str] = "html"
    status: int = 503
    body: str = "<html><head><title>Down for Maintenance</title></head><body>Back soon.</body></html>"

    async def answer(self, request: Request) -> Response | None:
        return HTMLResponse(self.body, status_code=self.status)


@dataclass(kw_only=True)
class Body(RequestFault):
    """Any body under any status and content type: broken JSON, JSON called HTML, or `repeat` times too much."""

    kind: ClassVar[str] = "body"
    status: int = 200
    body: str = '{"records": ['
    content_type: str = "application/json"
    repeat: int = 1

    async def answer(self, request: Request) -> Response | None:
        return Response(self.body * self.repeat, status_code=self.status, media_type=self.content_type)


@dataclass(kw_only=True)
class BrokenOff(RequestFault):
    """The connection breaks in the middle of an answer that began well."""

    kind: ClassVar[str] = "broken_off"
    body: str = '{"totalSize":'

    async def answer(self, request: Request) -> Response | None:
        async def half() -> AsyncIterator[str]:
            yield self.body
            await clock.sleep(0.05)  # so that the beginning has left before the line breaks
            reset_connection(request)

        return StreamingResponse(half(), media_type="application/json")


@dataclass(kw_only=True)
class Drip(RequestFault):
    """An answer that never ends: a space every so many seconds, for `spaces` times. A time-out per read never fires."""

    kind: ClassVar[str] = "drip"
    seconds: float = 1.0
    spaces: int = 3_600

    async def answer(self, request: Request) -> Response | None:
        async def drops() -> AsyncIterator[str]:
            for _ in range(self.spaces):
                yield " "
                await clock.sleep(self.seconds)

        return StreamingResponse(drops(), media_type="application/json")


@dataclass(kw_only=True)
class Redirect(RequestFault):
    """To another address, as single sign-on and moved instances do; a client must not take its token there."""

    kind: ClassVar[str] = "redirect"
    to: str = "https://login.example.com/"
    status: int = 302

    async def answer(self, request: Request) -> Response | None:
        return RedirectResponse(self.to, status_code=self.status)
