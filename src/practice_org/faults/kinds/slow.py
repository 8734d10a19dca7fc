"""A late answer."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org import clock
from practice_org.faults.base import RequestFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class Slow(RequestFault):
    """The true answer, so many seconds late."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Wait that long where it can, and let nothing else wait for it."

    seconds: float = option(1.0, "How late.", most=86_400)

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        await clock.sleep(self.seconds)
        return None
