"""An address that no one can find."""

import json
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.answers import plain_bytes, with_body
from practice_org.faults.base import AnswerFault
from practice_org.faults.options import option


@dataclass(kw_only=True)
class UnknownHost(AnswerFault):
    """The answer to a sign-in names an instance whose name cannot be resolved, as when DNS fails."""

    source: ClassVar[str] = "general knowledge; RFC 6761 keeps .invalid from ever being resolved"
    client_must: ClassVar[str] = "Tell it from a refusal, keep everything that is owed, and try again."

    route: str = option("oauth.*", "Requests of that name whose answer has an instance_url.")
    instance_url: str = option("https://practice.invalid", "The address that is named.")

    async def spoil(self, request: Request, answer: Response) -> Response:
        try:
            told = json.loads(await plain_bytes(answer))
        except ValueError:
            return answer
        if not isinstance(told, dict) or "instance_url" not in told:
            return answer
        content = json.dumps(told | {"instance_url": self.instance_url}).encode()
        return with_body(answer, content, without="content-encoding")
