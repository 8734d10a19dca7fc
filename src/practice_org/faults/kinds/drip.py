"""An answer that never ends."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from practice_org import clock
from practice_org.faults.base import RequestFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class Drip(RequestFault):
    """An answer that never ends: a space every so many seconds. A time-out per read never fires."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Bound the whole answer, not only the wait for its next byte."

    seconds: float = option(1.0, "Between two spaces.", most=86_400)
    spaces: int = option(3_600, "How many come before it ends after all.")

    async def answer(self, request: Request, true_answer: Response | None) -> Response | None:
        async def drops() -> AsyncIterator[str]:
            for _ in range(self.spaces):
                yield " "
                await clock.sleep(self.seconds)

        return StreamingResponse(drops(), media_type="application/json")
