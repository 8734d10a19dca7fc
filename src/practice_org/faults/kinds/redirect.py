"""To another address."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from practice_org.faults.base import RequestFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class Redirect(RequestFault):
    """A redirect to another host, as single sign-on and moved instances send it."""

    source: ClassVar[str] = "general knowledge; redirects carry the token away if they are followed"
    client_must: ClassVar[str] = "Not follow it with the token; say where it led."

    to: str = option("https://login.example.com/", "The address. A name that ends in .invalid is found by no one.")
    status: int = option(302, "301, 302, 303, 307 or 308.", least=300, most=399)

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        return RedirectResponse(self.to, status_code=self.status)
