"""One-time sign-in links: made by an operator on the command line, used up by a POST.

A mail scanner or a chat preview that opens the link only sees a page with a button, so it cannot burn it.
No Django here: the command line makes links too.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable

import psycopg

from optsync.ledger.queries import sql

LINK_SECONDS = 15 * 60
SECRET_BYTES = 32


def make_link(conn: psycopg.Connection, token_bytes: Callable[[int], bytes], seconds: int = LINK_SECONDS) -> str:
    """The secret of a new sign-in link, good once within `seconds`; only its hash is kept."""
    secret = urlsafe_b64encode(token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    conn.execute(sql("optsync.web", "make_link"), {"secret_hash": hash_of(secret), "seconds": seconds})
    return secret


def use_link(conn: psycopg.Connection, secret: str) -> bool:
    """Uses a link up; True for exactly one caller, False when it was used, is over its time or never existed."""
    return conn.execute(sql("optsync.web", "use_link"), {"secret_hash": hash_of(secret)}).fetchone() is not None


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()
