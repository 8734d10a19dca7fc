"""A broken connection."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.base import RequestFault
from practice_org.faults.transport import reset_connection


@dataclass(kw_only=True)
class Reset(RequestFault):
    """The connection breaks without an answer."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Not know whether it was done: read, then send again what is still owed."

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        reset_connection(request)
        return Response(status_code=503)
