"""Unsubscribes that look like a link scanner's: honoured like any, and listed for a review by one click.

A scanner of a mail system opens, and sometimes presses, every link of every message it lets in: many different people
within seconds, from one network. That is all we look at. Headers and user agents are not: scanners copy browsers'.
A large mailbox provider presses for its users, too: its one-click POSTs (RFC 8058) are left out where its networks are
known (`mail_networks`). From others a list may still be right; losing an opt-out would be the worse mistake.
"""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from optsync.ledger.queries import sql
from optsync.ledger.record import Recorded

PEOPLE = 10
SECONDS = 10.0
"""So many different people within so many seconds from one network are listed."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """A list that waits for a review; its people are unsubscribed. `seconds` passed from the first to the last."""

    hold_id: int
    network: str
    made_at: datetime
    people: int
    seconds: float


def note(conn: psycopg.Connection, network: str, recorded: Recorded) -> int | None:
    """Notes what a link's POST did from a network; the number of the list it joined, None for nothing suspicious."""
    values = {
        "network": network,
        "address": recorded.address_id,
        "version": recorded.version,
        "repeat": recorded.outcome == "already",
        "people": PEOPLE,
        "seconds": SECONDS,
    }
    row = conn.execute(sql("optsync.public", "note_visit"), values, prepare=True).fetchone()
    return row[0] if row else None


def waiting(conn: psycopg.Connection) -> list[Scanner]:
    """The lists that wait, the oldest first."""
    with conn.cursor(row_factory=class_row(Scanner)) as cursor:
        return cursor.execute(sql("optsync.public", "scanners")).fetchall()
