"""One-time sign-in links: made by an operator on the command line, or for a user who is invited; used up by a POST.

A mail scanner or a chat preview that opens the link only sees a page with a button, so it cannot burn it.
No Django here: the command line makes links too.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from optsync.ledger.queries import sql

LINK_SECONDS = 15 * 60
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Link:
    """Whom a link lets in: a user, or with None the operator of the machine, who is an admin."""

    user_id: int | None


def make_link(
    conn: psycopg.Connection,
    token_bytes: Callable[[int], bytes],
    seconds: int = LINK_SECONDS,
    user_id: int | None = None,
) -> str:
    """The secret of a new sign-in link, good once within `seconds`; only its hash is kept.

    Older links of the same user stop working: of an invitation sent twice, the last one counts.
    """
    secret = urlsafe_b64encode(token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    values = {"secret_hash": hash_of(secret), "seconds": seconds, "user_id": user_id}
    conn.execute(sql("optsync.web", "make_link"), values)
    return secret


def use_link(conn: psycopg.Connection, secret: str) -> Link | None:
    """Uses a link up; exactly one caller gets it, None when it was used, is over its time or never existed."""
    row = conn.execute(sql("optsync.web", "use_link"), {"secret_hash": hash_of(secret)}).fetchone()
    return Link(row[0]) if row else None


def hash_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()
