"""A page where JSON belongs."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from practice_org.faults.base import RequestFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class Html(RequestFault):
    """A page from the edge instead of JSON: maintenance, a gateway's error, or a sign-in page under status 200."""

    source: ClassVar[str] = "salesforce.md 2.1: bodies of 420, 502 and 503 are HTML"
    client_must: ClassVar[str] = (
        "Not parse it; try again later, and take a 200 that is no JSON for a failure, never for success."
    )

    status: int = option(
        503, "502 and 503 are a gateway's and maintenance, 200 a single sign-on page.", least=200, most=599
    )
    body: str = option(
        "<html><head><title>Down for Maintenance</title></head><body>Back soon.</body></html>", "The page."
    )

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        return HTMLResponse(self.body, status_code=self.status)
