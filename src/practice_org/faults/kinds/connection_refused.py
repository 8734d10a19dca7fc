"""Nobody listens."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.transport import Outage


@dataclass(kw_only=True)
class ConnectionRefused(Outage):
    """The connection breaks, and for some seconds nobody listens: connections are refused."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Lose nothing, try again later, and say that Salesforce cannot be reached."

    @contextlib.asynccontextmanager
    async def stand_in(self, host: str, port: int) -> AsyncIterator[None]:
        """Nothing at all."""
        yield
