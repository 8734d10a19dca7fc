"""`POST /v1/check` before Django: a program that asks before each mail brings no cookie and reads no page.

Django's way through a request took longer than all else that a check needs besides its statement (decision 23). Here
is answered what fits, asked with a key that may ask; the route answers the rest, and tells what is wrong.
"""

import gzip
from typing import Final

from optsync.api.checks import BODY_BYTES_MAX, DOOR, Question, answered
from optsync.api.door import JSON, bearer_of
from optsync.api.shapes import from_json
from optsync.config.desk import desk
from optsync.config.lanes import Answer, Environ, length_of
from optsync.web.request_ids import HEADER

PATH: Final = "/v1/check"
GZIP_LEVEL: Final = 1
"""A tenth of the length in 0.2 ms for 1,000 answers; higher levels take twice as long for little."""


def check(environ: Environ) -> Answer | None:
    """The answer; None for what is the route's to answer, with its body still to be read."""
    if not is_question(environ):
        return None
    body = environ["wsgi.input"]
    try:
        with desk().shared_session("check"):
            key = DOOR.key_of(bearer_of(environ.get("HTTP_AUTHORIZATION", "")))
            question = Question.model_validate(from_json(body.read()))
            headers = DOOR.counted(key).quota.headers
            text = answered(question).encode()
    except Exception:  # noqa: BLE001 - the route meets the same, and tells it
        body.seek(0)
        return None
    headers |= {
        "Content-Type": JSON,
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        HEADER: desk().seams.new_id(),
    }
    if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        headers["Content-Encoding"] = "gzip"
        text = gzip.compress(text, GZIP_LEVEL, mtime=0)
    headers["Content-Length"] = str(len(text))
    return "200 OK", list(headers.items()), [text]


def is_question(environ: Environ) -> bool:
    """Whether this is the POST as nearly every program sends it, of a size that is taken."""
    return (
        environ["PATH_INFO"] == PATH
        and environ["REQUEST_METHOD"] == "POST"
        and not environ.get("QUERY_STRING")
        and environ.get("CONTENT_TYPE", "").partition(";")[0] == JSON
        and "HTTP_TRANSFER_ENCODING" not in environ
        and 0 < length_of(environ) <= BODY_BYTES_MAX
    )
