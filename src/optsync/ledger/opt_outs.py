"""The list of account-wide opt-outs, page by page."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from optsync.ledger.queries import sql


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """An account-wide opt-out, active or lifted; `normal` None = the address was erased."""

    address_id: int
    normal: str | None
    since_at: datetime
    source: str
    version: int
    lifted_at: datetime | None
    lift_waits_at: datetime | None


def active_after(conn: psycopg.Connection, after_address_id: int, limit: int) -> list[Unsubscribed]:
    """The next active ones, in the order in which the addresses became known (0 = from the first).

    A walk over all pages shows each opt-out that stood all the while exactly once, whatever else happens meanwhile.
    """
    with conn.cursor(row_factory=class_row(Unsubscribed)) as cursor:
        return cursor.execute(sql("optsync.ledger", "active_after"), [after_address_id, limit]).fetchall()


def count_active(conn: psycopg.Connection) -> int:
    """How many there are; it reads every one."""
    row = conn.execute(sql("optsync.ledger", "count_active")).fetchone()
    assert row is not None  # a count
    return int(row[0])


def one(conn: psycopg.Connection, address_id: int) -> Unsubscribed | None:
    """The opt-out of one address, also a lifted one; None when it never had one."""
    with conn.cursor(row_factory=class_row(Unsubscribed)) as cursor:
        return cursor.execute(sql("optsync.ledger", "opt_out_of"), [address_id]).fetchone()
