"""A true answer, byte by byte."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org import clock
from practice_org.faults.answers import sent_bytes, with_body
from practice_org.faults.base import AnswerFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class Trickle(AnswerFault):
    """The true answer arrives one byte at a time."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Read it to its end within a bound of its own, or give up and read again later."

    seconds: float = option(1.0, "Between two bytes.", most=86_400)

    async def spoil(self, request: Request, answer: Response) -> Response:
        body = await sent_bytes(answer)

        async def bytes_one_by_one() -> AsyncIterator[bytes]:
            for position in range(len(body)):
                yield body[position : position + 1]
                await clock.sleep(self.seconds)

        return with_body(answer, bytes_one_by_one())
