"""The legal clock: how long the longest waiting opt-out has not been in Salesforce."""

from datetime import datetime

import psycopg

from optsync.ledger.queries import sql


def oldest(conn: psycopg.Connection, org_id: int) -> datetime | None:
    """When the oldest opt-out that is not in this org came; None when every one that has a record is there."""
    row = conn.execute(sql("optsync.ledger", "oldest_not_in_salesforce"), {"org": org_id}).fetchone()
    assert row is not None  # an aggregate answers with one row
    found: datetime | None = row[0]
    return found
