"""Unticked records: those changed since the last run, each night; all of them once a week and whenever trust is lost.

That finds what no tick tells of: new duplicates of an opted-out address, and e-mails that changed.
"""

from datetime import datetime, timedelta
from typing import Final

import psycopg

from optsync.ledger.queries import sql
from optsync.salesforce.query import MAX_LIST_VALUES
from optsync.sync import apply
from optsync.sync.apply import Scope
from optsync.sync.staging import OBJECTS, Reader

PACKAGE: Final = "optsync.sync"
OVERLAP: Final = timedelta(minutes=60)
"""How far before the last start changes are read again: commits become visible late. Correctness rests on the sweep."""
EVERY: Final = timedelta(days=7)
LOOKUP_CALLS_MAX: Final = 50
"""Up to here addresses are asked for one by one in GETs of 400, above all unticked records are read instead."""


def is_due(last_at: datetime | None, now: datetime, *, asked: bool) -> bool:
    """Whether everything is to be read tonight: never yet, a week ago, or on demand."""
    return asked or last_at is None or now - last_at >= EVERY


def is_cheaper(addresses: int) -> bool:
    """Whether reading all unticked records beats looking that many addresses up exactly."""
    return len(OBJECTS) * -(-addresses // MAX_LIST_VALUES) > LOOKUP_CALLS_MAX


def find(conn: psycopg.Connection, reader: Reader, scope: Scope, since_at: datetime | None) -> int:
    """Reads unticked records (changed since then; None = all) and keeps those that concern an opted-out person in the
    temp table `matched`. Returns how many were read."""
    count = (
        reader.read_unticked("unticked") if since_at is None else reader.read_changed("unticked", since_at - OVERLAP)
    )
    params = scope.params()
    conn.execute("DROP TABLE IF EXISTS matched")
    if since_at is not None:
        for statement in ("leave_seen", "leave_known"):
            if conn.execute(sql(PACKAGE, statement), params).rowcount:
                conn.execute("ANALYZE unticked")
    apply.normalize_odd(conn, "odd_unticked_out", params)
    conn.execute(sql(PACKAGE, "match_unticked"), params)
    if conn.execute("SELECT 1 FROM address WHERE erased_hash IS NOT NULL LIMIT 1").fetchone():
        conn.execute(sql(PACKAGE, "match_erased"), params)
    conn.execute("DROP TABLE unticked")
    if since_at is None:
        conn.execute(sql(PACKAGE, "lookups_swept"), params)
    return count


def due_lookups(conn: psycopg.Connection, org_id: int) -> int:
    """Addresses without a live record in this org that are to be looked up now."""
    row = conn.execute(sql(PACKAGE, "due_lookups"), {"org": org_id}).fetchone()
    return int(row[0]) if row else 0
