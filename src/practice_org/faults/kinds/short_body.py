"""A true answer without its end."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.answers import sent_bytes, with_body
from practice_org.faults.base import AnswerFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class ShortBody(AnswerFault):
    """The true answer ends early but in good order; a packed one ends in the middle of its stream."""

    source: ClassVar[str] = "general knowledge: a proxy that gives up sends what it has"
    client_must: ClassVar[str] = "Find that the JSON or the packed stream is not whole, and use nothing of it."

    share: float = option(0.5, "The part that is sent.", most=1)

    async def spoil(self, request: Request, answer: Response) -> Response:
        body = await sent_bytes(answer)
        return with_body(answer, body[: int(len(body) * self.share)])
