"""A true answer that is far too large."""

import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from practice_org.faults.answers import plain_bytes, with_body
from practice_org.faults.base import AnswerFault
from practice_org.faults.options import option

CHUNK_BYTES = 1 << 20


@dataclass(kw_only=True)
class Giant(AnswerFault):
    """The true answer, blown up with white space to so many times its size.

    For a client that takes gzip it is packed: what arrives is small and unpacks into something large.
    """

    source: ClassVar[str] = "general knowledge: a body that was never bounded fills the memory"
    client_must: ClassVar[str] = "Bound what it takes in, counted after unpacking."

    factor: int = option(100, "How many times larger.", least=1, most=1_000_000)

    async def spoil(self, request: Request, answer: Response) -> Response:
        body = await plain_bytes(answer)
        packs = "gzip" in request.headers.get("accept-encoding", "")

        async def pieces() -> AsyncIterator[bytes]:
            gzip = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            for chunk in _blown_up(body, self.factor):
                yield gzip.compress(chunk) if packs else chunk
            if packs:
                yield gzip.flush()

        large = with_body(answer, pieces(), without="content-encoding")
        if packs:
            large.headers["content-encoding"] = "gzip"
        return large


def _blown_up(body: bytes, factor: int) -> Iterator[bytes]:
    yield body
    left = len(body) * (factor - 1)
    while left > 0:
        yield b" " * min(left, CHUNK_BYTES)
        left -= CHUNK_BYTES
