"""An answer that breaks off."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org import clock
from practice_org.faults.answers import sent_bytes, with_body
from practice_org.faults.base import RequestFault
from practice_org.faults.options import option
from practice_org.faults.transport import reset_connection

BEGINNING_SECONDS = 0.05
"""So that the beginning has left before the line breaks."""


@dataclass(kw_only=True)
class BrokenOff(RequestFault):
    """The connection breaks in the middle of an answer that began well; after the effect it is the true one."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Use nothing of it; what it asked for is an unknown outcome."

    body: str = option('{"totalSize":', "The beginning when it strikes before the effect.")

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        beginning = self.body.encode()
        if true_answer is not None:
            whole = await sent_bytes(true_answer)
            beginning = whole[: len(whole) // 2]

        async def half() -> AsyncIterator[bytes]:
            yield beginning
            await clock.sleep(BEGINNING_SECONDS)
            reset_connection(request)

        return with_body(true_answer or Response(media_type="application/json"), half())
