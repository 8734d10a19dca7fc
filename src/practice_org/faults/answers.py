"""What faults need to spoil a true answer."""

import zlib
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

_LENGTH = ("content-length", "transfer-encoding")


async def sent_bytes(answer: Response) -> bytes:
    """The body as it would go over the wire, packed or not."""
    if isinstance(answer, StreamingResponse):
        pieces = [piece async for piece in answer.body_iterator]
        return b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces)
    return bytes(answer.body)


async def plain_bytes(answer: Response) -> bytes:
    """The body unpacked."""
    body = await sent_bytes(answer)
    return zlib.decompress(body, 16 + zlib.MAX_WBITS) if answer.headers.get("content-encoding") == "gzip" else body


def with_body(answer: Response, body: bytes | AsyncIterator[bytes], *, without: str = "") -> Response:
    """The same status and headers around another body; leaves the header `without` out."""
    headers = {k: v for k, v in answer.headers.items() if k not in _LENGTH and k != without}
    if isinstance(body, bytes):
        return Response(body, status_code=answer.status_code, headers=headers)
    return StreamingResponse(body, status_code=answer.status_code, headers=headers)
