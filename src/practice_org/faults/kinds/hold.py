"""Silence."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org import clock
from practice_org.faults.base import RequestFault
from practice_org.faults.options import option
from practice_org.faults.transport import reset_connection


@dataclass(kw_only=True)
class Hold(RequestFault):
    """Silence for so many seconds, then the connection breaks: what a client sees as a time-out."""

    source: ClassVar[str] = "general knowledge; slow triggers make calls of 200 records long"
    client_must: ClassVar[str] = "Give up after a time of its own, and treat the outcome as unknown."

    seconds: float = option(3_600.0, "How long nothing comes.", most=86_400)

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        await clock.sleep(self.seconds)
        reset_connection(request)
        return Response(status_code=503)
