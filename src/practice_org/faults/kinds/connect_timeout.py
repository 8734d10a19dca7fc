"""No answer to a connect."""

import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.transport import Outage


@dataclass(kw_only=True)
class ConnectTimeout(Outage):
    """The connection breaks, and for some seconds connecting gets no answer, as behind a firewall that drops it."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Bound the time of a connect, apart from the time of an answer."

    @contextlib.asynccontextmanager
    async def stand_in(self, host: str, port: int) -> AsyncIterator[None]:
        """A queue for one that is full: the system drops who knocks then."""
        with socket.socket() as listener, socket.socket() as first:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(0)
            first.connect((host, port))
            yield
