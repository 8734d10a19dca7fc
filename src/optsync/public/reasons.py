"""Why people left, in their own words (requirement 33): an event of the person's, never a condition of anything."""

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import normalize, subject_of, without_addresses
from optsync.ledger.queries import sql
from optsync.public.tokens import UnsubscribeLink

REASONS = ("too_many", "irrelevant", "never_signed_up", "other")
"""The keys of their sentences in the page's languages."""
COMMENT_LENGTH_MAX = 500
ANSWERS_MAX = 5
"""So many answers of one person are kept, whoever holds the link."""


def keep(conn: psycopg.Connection, subject_key: bytes, link: UnsubscribeLink, reason: str, comment: str) -> None:
    """Keeps what a person said; nothing when they said nothing. Raises psycopg.Error when it is not kept."""
    words = without_addresses(comment.replace("\0", "").strip()[:COMMENT_LENGTH_MAX])
    chosen = {"why": reason} if reason in REASONS else {}
    if not words and not chosen:
        return
    evidence = chosen | ({"message": link.message_id} if link.message_id else {})
    values = {
        "subject": subject_of(normalize(link.address), subject_key),
        "source": "clicked link",
        "reason": words or None,
        "evidence": Jsonb(evidence),
        "most": ANSWERS_MAX,
    }
    conn.execute(sql("optsync.public", "say_why"), values)
