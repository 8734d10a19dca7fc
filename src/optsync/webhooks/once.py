"""A signature that covers a time and a token, and not what is said, counts for one thing and one day.

Mailgun's is such a one: whoever saw one call could put other words under it. Sources: Mailgun, "Securing Webhooks"
(look at the token and the time) and "Automatic Retries" (one call may come again for about eight hours).
"""

import hmac
import json
from datetime import datetime, timedelta
from typing import Final

import psycopg

from optsync.ledger.queries import sql

PACKAGE: Final = "optsync.webhooks"
FRESH: Final = timedelta(days=1)
"""Thrice as long as its retries; clocks that differ by hours lose nothing."""


class NotFresh(Exception):  # noqa: N818 - it says what is wrong with a call, not with the program
    """A signature that counts no more; the text says why, in words for the provider's page."""


def demand_first_use(conn: psycopg.Connection, subject_key: bytes, body: bytes, now: datetime) -> None:
    """Raises NotFresh for a signature of another day, or one that stood under something else before.

    The same words again are a retry. `body` is a call whose signature was found to be right.
    """
    told = json.loads(body)
    signature = told["signature"]
    if not abs(now.timestamp() - float(signature["timestamp"])) <= FRESH.total_seconds():  # also refuses nan
        raise NotFresh("a signature of another day")
    said = json.dumps(told["event-data"], sort_keys=True)
    values = {
        "token": hash_of(subject_key, b"signature token\0", str(signature["token"])),
        "said": hash_of(subject_key, b"signature said\0", said),
    }
    conn.execute(sql(PACKAGE, "forget_signatures"))
    if conn.execute(sql(PACKAGE, "use_signature"), values).fetchone() is None:
        raise NotFresh("a signature that was used before")


def hash_of(subject_key: bytes, label: bytes, text: str) -> bytes:
    """What is kept of a text."""
    return hmac.digest(subject_key, label + text.encode(errors="replace"), "sha256")
