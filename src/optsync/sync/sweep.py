"""Unticked records: those changed since the last run, each night; all of them once a week and whenever trust is lost.

That finds what no tick tells of: new duplicates of an opted-out address, and e-mails that changed. Where few people of
many are opted out, every opted-out address is looked up exactly instead.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import psycopg

from optsync.ledger.queries import sql
from optsync.salesforce.query import MAX_LIST_VALUES, PAGE_RECORDS
from optsync.sync import apply
from optsync.sync.apply import Scope
from optsync.sync.staging import PAGES_MAX_RECORDS, Reader

PACKAGE: Final = "optsync.sync"
OVERLAP: Final = timedelta(minutes=60)
"""How far before the last start changes are read again: commits become visible late. Correctness rests on the sweep."""
OBJECTS: Final = 2
"""How many questions a look-up is at least; where Accounts are asked for, too, the sweep has them to read, too."""
EVERY: Final = timedelta(days=7)
LOOKUP_CALLS_MAX: Final = 50
"""Up to here addresses are asked for one by one in GETs of 400, above all unticked records are read instead."""
JOB_CALLS: Final = 4
CALL_BYTES: Final = 1_000_000
"""What an API call is worth: where a day has 15,000 of them, a call costs more than a megabyte does."""
ROW_BYTES: Final = 60
"""A record without ticks in a result, and an address in a question."""
MARGIN: Final = 1.0
"""What look-ups must save at least: reading also keeps the sizes fresh on which this choice rests."""


def is_due(last_at: datetime | None, now: datetime, *, asked: bool) -> bool:
    """Whether everything is to be read tonight: never yet, a week ago, or on demand."""
    return asked or last_at is None or now - last_at >= EVERY


def is_cheaper(addresses: int) -> bool:
    """Whether reading all unticked records beats looking that many addresses up exactly."""
    return OBJECTS * -(-addresses // MAX_LIST_VALUES) > LOOKUP_CALLS_MAX


def too_many_wait(conn: psycopg.Connection, org_id: int) -> bool:
    """Whether so many addresses without a record wait for their look-up that reading everything beats it."""
    with_record_too = due_lookups(conn, org_id, everyone=True)  # a cheap count, and small on most nights
    return is_cheaper(with_record_too) and is_cheaper(due_lookups(conn, org_id))


def can_ask_for_everyone(conn: psycopg.Connection, org_id: int, sizes: Mapping[str, int]) -> bool:
    """Whether looking every opted-out address up exactly finds the same for fewer calls and bytes than reading the
    unticked records, whose number the last sweep told. An erased address can only be found by reading."""
    rows = [count for name, count in sizes.items() if name.startswith("sweep ")]
    found = conn.execute(sql(PACKAGE, "count_everyone")).fetchone()
    addresses, erased = found or (0, 0)
    if erased or not rows:
        return False
    look_ups = len(rows) * -(-addresses // MAX_LIST_VALUES) + addresses * ROW_BYTES / CALL_BYTES
    return bool(look_ups + MARGIN < sum(map(_reading_costs, rows)))


def _reading_costs(rows: int) -> float:
    calls = JOB_CALLS if rows > PAGES_MAX_RECORDS else max(1, -(-rows // PAGE_RECORDS))
    return calls + rows * ROW_BYTES / CALL_BYTES


def want_everyone(conn: psycopg.Connection, org_id: int) -> int:
    """Makes the look-up of every opted-out address due in this org. Returns how many."""
    return conn.execute(sql(PACKAGE, "want_everyone"), {"org": org_id}).rowcount


def find(conn: psycopg.Connection, reader: Reader, scope: Scope, since_at: datetime | None) -> int:
    """Reads unticked records (changed since then; None = all) and keeps those that concern an opted-out person in the
    temp table `matched`, and so those that are ticked only where it does not count. Returns how many were read; after a
    read of all of them `unticked` stays for `link_fresh`."""
    count = (
        reader.read_unticked("unticked") if since_at is None else reader.read_changed("unticked", since_at - OVERLAP)
    )
    match(conn, reader, scope, only_changed=since_at is not None)
    if since_at is not None:
        conn.execute("DROP TABLE unticked")
    return count


def link_fresh(conn: psycopg.Connection, scope: Scope) -> None:
    """After the apply of a full read: the unticked records of those whom this very night opted out are linked and owed,
    without another call. Everybody is looked up then."""
    with conn.transaction():  # the look-ups first: whose is put off here has an opt-out that the next statement sees
        conn.execute(sql(PACKAGE, "lookups_swept"), scope.params())
        conn.execute(sql(PACKAGE, "link_fresh"), scope.params())
    conn.execute("DROP TABLE unticked")


def match(conn: psycopg.Connection, reader: Reader, scope: Scope, *, only_changed: bool) -> None:
    """Turns the temp table `unticked` into `matched`: what concerns an opted-out person. Of records that are read only
    because they changed those that are known as they are were left out before."""
    params = scope.params()
    reader.add_uncounted("unticked", params["read"])
    conn.execute("DROP TABLE IF EXISTS matched")
    if only_changed:
        for statement in ("leave_seen", "leave_known"):
            if conn.execute(sql(PACKAGE, statement), params).rowcount:
                conn.execute("ANALYZE unticked")
    apply.normalize_odd(conn, "odd_unticked_out", params)
    conn.execute(sql(PACKAGE, "match_unticked"), params)
    if conn.execute("SELECT 1 FROM address WHERE erased_hash IS NOT NULL LIMIT 1").fetchone():
        conn.execute(sql(PACKAGE, "match_erased"), params)


def due_lookups(conn: psycopg.Connection, org_id: int, *, everyone: bool = False) -> int:
    """Addresses without a live record in this org that are to be looked up now; with `everyone` the others, too."""
    row = conn.execute(sql(PACKAGE, "due_lookups"), {"org": org_id, "everyone": everyone}).fetchone()
    return int(row[0]) if row else 0
