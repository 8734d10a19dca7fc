"""A true answer under a wrong name."""

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.base import AnswerFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class WrongType(AnswerFault):
    """The true answer, called something that it is not."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Judge by status and content; refuse or read it, but never crash on it."

    content_type: str = option("text/html; charset=UTF-8", "What it is called.")

    async def spoil(self, request: Request, answer: Response) -> Response:
        answer.headers["content-type"] = self.content_type
        return answer
