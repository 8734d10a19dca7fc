"""Requests in several parts: one of JSON, one of bytes."""

import base64
import binascii
from email.message import Message
from email.parser import BytesHeaderParser

from practice_org.errors import RefusalError

PARTS_MAX = 10


def parts(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts by their names; a part in base64 is decoded. Raises RefusalError INVALID_MULTIPART_REQUEST."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_maintype() != "multipart" or not boundary:
        raise _bad("the request must be multipart with a boundary")
    found: dict[str, bytes] = {}
    chunks = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"), PARTS_MAX + 2)
    for chunk in chunks[1:]:
        if chunk.startswith(b"--"):
            return found
        name, content = _part(chunk)
        found[name] = content
    raise _bad("the last part does not end, or there are too many")


def _part(chunk: bytes) -> tuple[str, bytes]:
    head, empty_line, content = chunk.partition(b"\r\n\r\n")
    headers = BytesHeaderParser().parsebytes(head.lstrip())
    name = headers.get_param("name", header="content-disposition")
    if not empty_line or not isinstance(name, str):
        raise _bad("every part needs a Content-Disposition with a name")
    if str(headers.get("content-transfer-encoding", "")).strip().lower() != "base64":
        return name, content
    try:
        return name, base64.b64decode(content)
    except binascii.Error as error:
        raise _bad(f"part {name} is not base64") from error


def _bad(text: str) -> RefusalError:
    return RefusalError("INVALID_MULTIPART_REQUEST", f"Multipart message cannot be read: {text}")
