"""Any answer at all."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.base import RequestFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class Body(RequestFault):
    """Any body under any status and content type, so many times over; as it stands, JSON that breaks off."""

    source: ClassVar[str] = "general knowledge: proxies and incidents produce every mixture"
    client_must: ClassVar[str] = "Treat what it cannot read as an unknown outcome: read again before it writes again."

    status: int = option(200, "The status.", least=200, most=599)
    body: str = option('{"records": [', "The body.")
    content_type: str = option("application/json", "What it is called.")
    repeat: int = option(1, "How many times the body is sent.", most=100_000_000)

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        return Response(self.body * self.repeat, status_code=self.status, media_type=self.content_type)
