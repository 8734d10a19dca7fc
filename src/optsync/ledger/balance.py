"""The two identities that hold at every commit, each side counted from its own tables, and the audit behind them."""

from dataclasses import dataclass

import psycopg

from optsync.core.counts import Balance
from optsync.ledger.queries import sql


@dataclass(frozen=True, slots=True)
class Audit:
    """How the marks differ from the pairs: boxes without a mark, and marks without a box. Both 0 = set equality."""

    missing: int
    extra: int

    @property
    def is_even(self) -> bool:
        """Whether the marks are exactly the pairs plus the no-address marks."""
        return self.missing == self.extra == 0


def balance(conn: psycopg.Connection, org_id: int) -> Balance:
    """The counts of one org from one snapshot; `closes()` says whether both identities hold (rules 5.6)."""
    with conn.transaction():
        conn.execute(sql("optsync.ledger", "quick_joins"))
        return Balance(*_row(conn.execute(sql("optsync.ledger", "balance"), {"org": org_id})))


def linked_addresses(conn: psycopg.Connection) -> int:
    """Addresses with a live record known here: what the brake's five percent are measured against (rules 8)."""
    return _row(conn.execute(sql("optsync.ledger", "linked_addresses")))[0]


def audit(conn: psycopg.Connection, org_id: int, *, repair: bool) -> Audit:
    """Whether the marks are exactly the pairs plus the no-address marks, box by box; stronger than equal sums.

    With `repair`, missing marks are made (owed, or held like any other of their address) and extra ones removed unless
    a live worker is sending them. The counts are those found before the repair.
    """
    with conn.transaction():
        conn.execute(sql("optsync.ledger", "quick_joins"))
        rows = conn.execute(sql("optsync.ledger", "uneven"), {"org": org_id}).fetchall()
        extra = [(field, record_id) for field, record_id, _, is_missing in rows if not is_missing]
        missing = {address_id for _, _, address_id, is_missing in rows if is_missing}
        if repair and missing:
            conn.execute(sql("optsync.ledger", "owe_missing"), [sorted(missing)])
            conn.execute(sql("optsync.ledger", "notify"))
        if repair and extra:
            values = {"org": org_id, "fields": [f for f, _ in extra], "records": [r for _, r in extra]}
            conn.execute(sql("optsync.ledger", "remove_extra"), values)
    return Audit(missing=len(rows) - len(extra), extra=len(extra))


def _row(cursor: psycopg.Cursor) -> tuple[int, ...]:
    row = cursor.fetchone()
    assert row is not None  # an aggregate answers with one row
    return row
