"""The one-click POST of RFC 8058, answered before Django: a mail program reads no page and brings no cookie.

Django's way through a request takes twice as long as recording the opt-out (decision 17). Whatever is not exactly the
POST that the RFC describes goes on to the pages, which honour it, too.
"""

import io
from typing import Final

import psycopg

from optsync.config.desk import desk
from optsync.config.lanes import Answer, Environ
from optsync.public.links import ONE_CLICK
from optsync.public.networks import agent_of, network_of
from optsync.public.recording import record
from optsync.public.tokens import read_token

PREFIX: Final = "/u/"
BODY: Final = "=".join(ONE_CLICK).encode()
SAID: Final = b"unsubscribed\n"
DONE: Final[Answer] = (
    "200 OK",
    [
        ("Content-Type", "text/plain"),
        ("Content-Length", str(len(SAID))),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Robots-Tag", "noindex, nofollow"),
    ],
    [SAID],
)


def one_click(environ: Environ) -> Answer | None:
    """The answer once the opt-out is committed; None for what is the pages' to answer."""
    return DONE if is_one_click(environ) and is_recorded(environ) else None


def is_one_click(environ: Environ) -> bool:
    """Whether this is the POST of the RFC, to the letter; its body can be read again."""
    if environ["REQUEST_METHOD"] != "POST" or environ.get("CONTENT_LENGTH") != str(len(BODY)):
        return False
    if not environ["PATH_INFO"].startswith(PREFIX):
        return False
    body = environ["wsgi.input"].read(len(BODY))
    environ["wsgi.input"] = io.BytesIO(body)
    return bool(body == BODY)


def is_recorded(environ: Environ) -> bool:
    """Whether the token was good and the opt-out is committed; the pages say what is wrong when it is not."""
    link = read_token(desk().link_keys, environ["PATH_INFO"].removeprefix(PREFIX))
    if link is None:
        return False
    try:
        with desk().shared_session("one-click"):
            record(link, "one-click", network_of(environ, desk().proxies), agent_of(environ))
    except psycopg.Error:
        return False
    return True
