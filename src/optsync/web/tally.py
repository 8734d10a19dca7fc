"""The counts that take a look at every row: made at once while there are few, else in the background and shown with
their age. Nothing that decides whether all is well is read from here, except that the balance closes. No Django here.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from threading import Lock, Thread
from typing import Final

import psycopg

from optsync.config.database import Database
from optsync.core.counts import Balance
from optsync.ledger import late
from optsync.ledger.balance import balance
from optsync.ledger.queries import sql

SMALL_BYTES: Final = 4_000_000
"""Of the tables that are counted: some ten thousand people, counted in some hundredths of a second."""
FRESH_SECONDS: Final = 30.0
REST: Final = 10
"""A count that takes long is not made again before so many times as long."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counted:
    """One org's counts at one moment, from one snapshot. None for `oldest_at` when every opt-out is in Salesforce."""

    at: datetime
    balance: Balance = field(default_factory=Balance)
    carried: int = 0
    """Held boxes of a newly chosen field: the next sync run compares and ticks them."""
    decided: int = 0
    """Parked boxes about which a person has said no: nobody needs to act."""
    held_people: int = 0
    looked_for: int = 0
    oldest_at: datetime | None = None
    """When the oldest opt-out came that is not in Salesforce."""

    @property
    def set_aside(self) -> int:
        """Boxes that are left unticked on purpose: held for a decision or for a removal that waits, or decided."""
        return self.balance.held - self.carried + self.decided


def count(conn: psycopg.Connection, org_id: int | None) -> Counted:
    """Counts now; None = no org is connected: every opt-out is then not linked."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if org_id is None:
            at, recorded = _row(conn, "recorded", None)
            return Counted(at, Balance(recorded=recorded, not_linked=recorded))
        found = balance(conn, org_id)
        at, carried, decided, held_people, looked_for = _row(conn, "counted", org_id)
        return Counted(at, found, carried, decided, held_people, looked_for, late.oldest(conn, org_id))


class Tally:
    """The last counts of each org, for one process."""

    def __init__(self, database: Database, small_bytes: int = SMALL_BYTES) -> None:
        self._database = database
        self._small_bytes = small_bytes
        self._last: dict[int | None, tuple[Counted, float]] = {}
        self._counting: dict[int | None, Thread] = {}
        self._lock = Lock()

    def of(self, conn: psycopg.Connection, org_id: int | None) -> Counted | None:
        """The counts of this moment when they are quickly made, else the last ones; None until the first are made.

        Old ones are made anew meanwhile, by a thread and a session of their own.
        """
        if _row(conn, "ledger_bytes", None)[0] <= self._small_bytes:
            return count(conn, org_id)
        with self._lock:
            known = self._last.get(org_id)
            if org_id not in self._counting and (known is None or _is_old(conn, *known)):
                self._counting[org_id] = Thread(target=self._count, args=[org_id], name="tally", daemon=True)
                self._counting[org_id].start()
        return known[0] if known else None

    def wait(self) -> None:
        """Returns once nothing is being counted."""
        for thread in list(self._counting.values()):
            thread.join()

    def _count(self, org_id: int | None) -> None:
        try:
            with self._database.connect() as conn:
                counted = count(conn, org_id)
                took_seconds = (now(conn) - counted.at).total_seconds()
            self._last[org_id] = counted, took_seconds
        except psycopg.Error as error:  # the page shows the age of what it has, and asks again
            logger.warning("the sums could not be counted: %s", type(error).__name__)
        finally:
            with self._lock:
                del self._counting[org_id]


def now(conn: psycopg.Connection) -> datetime:
    """This moment by the database's clock."""
    found: datetime = _row(conn, "now", None)[0]
    return found


@cache
def tally(database: Database) -> Tally:
    """The one of this process."""
    return Tally(database)


def _is_old(conn: psycopg.Connection, counted: Counted, took_seconds: float) -> bool:
    return (now(conn) - counted.at).total_seconds() > max(FRESH_SECONDS, REST * took_seconds)


def _row(conn: psycopg.Connection, name: str, org_id: int | None) -> tuple:  # type: ignore[type-arg]  # as its statement
    row = conn.execute(sql("optsync.web", name), {"org": org_id}).fetchone()
    assert row is not None  # each is one row
    return row
